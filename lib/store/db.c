/* SPDX-License-Identifier: GPL-3.0-or-later
 * The database file: how it is made, opened and locked, what is in it, and what each of SQLite's errors means to a person. */
#include "store/db.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"
#include "model/names.h"

/* The first schema. Of these tables, those that a later one replaces keep their place in it under another name, see upgrades.
 * call: one row for each Call-ID; flags: calls.h. The ids grow with time, and report and failure hang on them: whatever is to be
 * forgotten one day is a range of calls.
 * report: the keys of the reports seen, by call: neighbours in time are neighbours on disk.
 * failure: first report of each call and code; at_us: time_us, or the time of reading when that is unusable.
 * counter: totals (id 0), calls by code, bit and kind of media, totals of each source.
 * minute: what the window gauges are made of, about a day of it. */
static const char schema[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE call(id INTEGER PRIMARY KEY, call_id BLOB NOT NULL UNIQUE, ice INTEGER NOT NULL,"
    " media INTEGER NOT NULL, flags INTEGER NOT NULL, seen_us INTEGER NOT NULL);"
    "CREATE TABLE report(call INTEGER NOT NULL, key INTEGER NOT NULL, PRIMARY KEY(call, key)) WITHOUT ROWID;"
    "CREATE TABLE failure(id INTEGER PRIMARY KEY AUTOINCREMENT, call INTEGER NOT NULL, code INTEGER NOT NULL,"
    " class INTEGER NOT NULL, at_us INTEGER NOT NULL, time_us INTEGER NOT NULL, cseq TEXT, reason TEXT,"
    " side INTEGER, media INTEGER, ice_known INTEGER, ice INTEGER, local_relay TEXT, remote_relay TEXT,"
    " sip_from TEXT, sip_to TEXT, format INTEGER, source INTEGER, file TEXT, offset INTEGER, UNIQUE(call, "
    "code));"
    "CREATE INDEX failure_at ON failure(at_us);"
    "CREATE TABLE counter(name TEXT NOT NULL, id INTEGER NOT NULL, value INTEGER NOT NULL, PRIMARY KEY(name, "
    "id))"
    " WITHOUT ROWID;"
    "CREATE TABLE minute(minute INTEGER PRIMARY KEY, media_failures INTEGER NOT NULL, code_23 INTEGER NOT "
    "NULL,"
    " tcp_nat_check INTEGER NOT NULL, code_23_tcp_nat INTEGER NOT NULL);"
    "CREATE TABLE position(id INTEGER PRIMARY KEY, source INTEGER NOT NULL, path TEXT NOT NULL,"
    " device INTEGER NOT NULL, inode INTEGER NOT NULL, head_hash INTEGER NOT NULL, head_size INTEGER NOT "
    "NULL,"
    " tail_hash INTEGER NOT NULL, tail_size INTEGER NOT NULL, ended INTEGER NOT NULL, offset INTEGER NOT "
    "NULL,"
    " format INTEGER NOT NULL, encoding INTEGER NOT NULL, time_us INTEGER NOT NULL, seen_us INTEGER NOT "
    "NULL);"
    "CREATE INDEX position_source ON position(source);"
    "CREATE TABLE number(kind TEXT NOT NULL, parent INTEGER NOT NULL, name TEXT NOT NULL, number INTEGER NOT "
    "NULL,"
    " PRIMARY KEY(kind, parent, name), UNIQUE(kind, parent, number)) WITHOUT ROWID;"
    "CREATE TABLE check_totals(edge INTEGER NOT NULL, item INTEGER NOT NULL, address INTEGER NOT NULL,"
    " probes INTEGER NOT NULL, failed_probes INTEGER NOT NULL, stun_retransmits INTEGER NOT NULL,"
    " tcp_retransmits INTEGER NOT NULL, PRIMARY KEY(edge, item, address)) WITHOUT ROWID;";

/* What each version of the schema adds to the one before; a new database gets them all. A statement is never changed once it was released.
 * 2: finding: each time that a finding was raised; ended_us 0 = it still is.
 * 3: history: calls in each slot of each series. path, path_history: the same for probes; rank orders verdicts, n_.. is how many probes
 * had that phase. place is the resolution and the place in its ring.
 * 4: peer: whom calls failed with; the first two rows are all that have none of their own.
 * 5: seen: records that a source has brought, for those that are given some of them twice.
 * 6: call, failure: small rows, found by `key` (keys.h; twin: calls that have a key which another has). Calls and failures have their ids
 * from one sequence, the counter last_id. A call's row has its first report and that one's code, whose failure has the call's id; report
 * and code have the further ones. failure: call and time_us NULL: the same as id and at_us; ice NULL: not known; texts are numbers of
 * `text` (until: no failure with a higher id has it) or stand there. old_call, old_failure: what is not moved yet, at first all.
 * 7: position: samples of what was read, and what is known of its end and of its compressed form. */
static const char *const upgrades[] = {
    "CREATE TABLE finding(id INTEGER PRIMARY KEY, number INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " severity INTEGER NOT NULL, edge TEXT NOT NULL, path TEXT NOT NULL, text TEXT NOT NULL,"
    " raised_us INTEGER NOT NULL, seen_us INTEGER NOT NULL, ended_us INTEGER NOT NULL);"
    "CREATE INDEX finding_number ON finding(number, ended_us);",
    "CREATE TABLE history(series INTEGER NOT NULL, place INTEGER NOT NULL, slot INTEGER NOT NULL, "
    "calls INTEGER NOT NULL, PRIMARY KEY(series, place)) WITHOUT ROWID; CREATE TABLE path(id INTEGER "
    "PRIMARY KEY, edge INTEGER NOT NULL, item INTEGER NOT NULL, address INTEGER NOT NULL, seen_us "
    "INTEGER NOT NULL, UNIQUE(edge, item, address)); CREATE TABLE path_history(path INTEGER NOT "
    "NULL, place INTEGER NOT NULL, slot INTEGER NOT NULL, rank INTEGER NOT NULL, probes INTEGER NOT "
    "NULL, failed_probes INTEGER NOT NULL, stun_retransmits INTEGER NOT NULL, tcp_retransmits "
    "INTEGER NOT NULL, rtt_us INTEGER NOT NULL, n_rtt INTEGER NOT NULL, resolve_us INTEGER NOT NULL, "
    "n_resolve INTEGER NOT NULL, connect_us INTEGER NOT NULL, n_connect INTEGER NOT NULL, tls_us "
    "INTEGER NOT NULL, n_tls INTEGER NOT NULL, stun_us INTEGER NOT NULL, n_stun INTEGER NOT NULL, "
    "allocate_us INTEGER NOT NULL, n_allocate INTEGER NOT NULL, relay_us INTEGER NOT NULL, n_relay "
    "INTEGER NOT NULL, PRIMARY KEY(path, place)) WITHOUT ROWID;",
    "CREATE TABLE peer(id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, name TEXT NOT NULL, "
    "media_failures INTEGER NOT NULL, code_23 INTEGER NOT NULL, code_23_tcp_nat INTEGER NOT NULL, "
    "first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, UNIQUE(kind, name)); INSERT INTO peer "
    "VALUES(1, 3, '', 0, 0, 0, 0, 0), (2, 4, '', 0, 0, 0, 0, 0);",
    "CREATE TABLE seen(source INTEGER NOT NULL, key INTEGER NOT NULL, at_us INTEGER NOT NULL, "
    "PRIMARY KEY(source, key)) WITHOUT ROWID; CREATE INDEX seen_at ON seen(source, at_us);",
    "ALTER TABLE call RENAME TO old_call; ALTER TABLE failure RENAME TO old_failure;"
    "CREATE TABLE call(id INTEGER PRIMARY KEY, call_id BLOB NOT NULL, report INTEGER, code INTEGER, "
    "ice INTEGER NOT NULL, media INTEGER NOT NULL, flags INTEGER NOT NULL, seen_s INTEGER NOT NULL);"
    "CREATE TABLE key(hash INTEGER PRIMARY KEY, call INTEGER NOT NULL);"
    "CREATE TABLE twin(hash INTEGER NOT NULL, call INTEGER NOT NULL, PRIMARY KEY(hash, call)) WITHOUT ROWID;"
    "CREATE TABLE code(call INTEGER NOT NULL, code INTEGER NOT NULL, failure INTEGER NOT NULL, "
    "PRIMARY KEY(call, code)) WITHOUT ROWID;"
    "CREATE TABLE text(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, until INTEGER NOT NULL, text NOT NULL);"
    "CREATE TABLE failure(id INTEGER PRIMARY KEY, call INTEGER, code INTEGER NOT NULL, at_us INTEGER NOT "
    "NULL, "
    "time_us INTEGER, cseq, reason, side INTEGER, media INTEGER, ice INTEGER, local_relay, "
    "local_port INTEGER, remote_relay, remote_port INTEGER, sip_from, sip_to, format INTEGER, "
    "source INTEGER, file, offset INTEGER); CREATE INDEX failure_time ON failure(at_us);"
    "INSERT INTO meta VALUES('key_secret', randomblob(16));"
    "INSERT INTO counter SELECT name, 0, max((SELECT coalesce(max(id), 0) FROM old_call), "
    "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'old_failure'), 0)) "
    "FROM (SELECT 'last_id' AS name UNION ALL SELECT 'keys_to');",
    "ALTER TABLE position ADD COLUMN rested INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE position ADD COLUMN packed INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE position ADD COLUMN step INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE position ADD COLUMN samples BLOB NOT NULL DEFAULT x'';",
};
_Static_assert(sizeof upgrades / sizeof *upgrades == EM_DB_VERSION - 1, "each version has its upgrade");

/* A column that holds a text or its number. */
#define TEXT(column)                                                                                         \
    "CASE typeof(f." column ") WHEN 'integer' THEN (SELECT text FROM text WHERE id = f." column              \
    ") ELSE f." column " END"
#define RELAY(side) TEXT(side "_relay") " || coalesce(':' || f." side "_port, '')"

/* As failures.c reads them, today's and those of older schemas; WHERE and ORDER BY follow. */
#define FAILURES                                                                                                                                              \
    "SELECT f.id AS id, f.at_us AS at_us, coalesce(f.time_us, f.at_us),"                                                                                      \
    " (SELECT call_id FROM call WHERE id = coalesce(f.call, f.id)), " TEXT("cseq") ", f.code, " TEXT(                                                         \
        "reaso"                                                                                                                                               \
        "n") ", f.side, f.media, f.ice IS NOT NULL, f.ice, " RELAY("local") ", " RELAY("remote") ", " TEXT("sip_from") ", " TEXT("sip_to") ", f.format, "     \
                                                                                                                                           "f.source, " TEXT( \
                                                                                                                                               "file") ", f.offset FROM failure f"
#define OLDER_FAILURES                                                                                       \
    " UNION ALL SELECT f.id, f.at_us, f.time_us, coalesce((SELECT call_id FROM old_call WHERE id = f.call)," \
    " (SELECT call_id FROM call WHERE id = f.call)), f.cseq, f.code, f.reason, f.side, f.media,"             \
    " f.ice_known = 1, f.ice, f.local_relay, f.remote_relay, f.sip_from, f.sip_to, f.format, f.source,"      \
    " f.file, f.offset FROM old_failure f WHERE f.class <> 3"
#define CALL_PEERS                                                                                           \
    "SELECT " RELAY("remote") ", " TEXT("sip_from") ", " TEXT("sip_to") ", f.side FROM failure f"
_Static_assert(EM_CODE_INFORMATION == 3, "as the statements have it");

/* What a filter of failures needs of most rows, as find.c reads them. */
#define LOOKS "SELECT id, at_us, code, media, ice IS NOT NULL, ice FROM failure"
#define OLDER_LOOKS                                                                                          \
    " UNION ALL SELECT id, at_us, code, media, ice_known = 1, ice FROM old_failure WHERE class <> 3"

static const char *const statements[EM_SQL_COUNT] = {
    [EM_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [EM_SQL_COMMIT] = "COMMIT",
    [EM_SQL_ROLLBACK] = "ROLLBACK",
    [EM_SQL_META] = "SELECT value FROM meta WHERE name = 'discontinuity_us'",
    [EM_SQL_NOTE] = "SELECT value FROM meta WHERE name = ?1",
    [EM_SQL_NOTE_SET] = "INSERT OR REPLACE INTO meta(name, value) VALUES(?1, ?2)",
    [EM_SQL_CALL_GET] = "SELECT call_id, report, code, ice, media, flags FROM call WHERE id = ?1",
    [EM_SQL_CALL_NEW] = "INSERT INTO call(id, ice, media, flags, seen_s, report, code, call_id)"
                        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [EM_SQL_CALL_SET] = "UPDATE call SET ice = ?2, media = ?3, flags = ?4, seen_s = ?5 WHERE id = ?1",
    [EM_SQL_CALLS_SINCE] = "SELECT id, call_id FROM call WHERE id > ?1",
    [EM_SQL_KEY_SECRET] = "SELECT value FROM meta WHERE name = 'key_secret'",
    [EM_SQL_KEY_GET] = "SELECT call FROM key WHERE hash = ?1",
    [EM_SQL_KEY_NEW] = "INSERT OR IGNORE INTO key(hash, call) VALUES(?1, ?2)",
    [EM_SQL_KEY_SET] = "UPDATE key SET call = ?2 WHERE hash = ?1",
    [EM_SQL_KEY_AFTER] = "SELECT hash FROM key WHERE hash >= ?1 ORDER BY hash LIMIT 1 OFFSET ?2",
    [EM_SQL_KEYS_DROP] = "DELETE FROM key WHERE hash >= ?1 AND hash < ?2 AND call <= ?3",
    [EM_SQL_TWIN_NEW] = "INSERT OR IGNORE INTO twin(hash, call) VALUES(?1, ?2)",
    [EM_SQL_TWINS] = "SELECT call FROM twin WHERE hash = ?1",
    [EM_SQL_TWINS_ANY] = "SELECT count(*) FROM twin",
    [EM_SQL_TWINS_DROP] = "DELETE FROM twin WHERE call <= ?1",
    [EM_SQL_REPORT_NEW] = "INSERT OR IGNORE INTO report(call, key) VALUES(?1, ?2)",
    [EM_SQL_CODE_NEW] = "INSERT OR IGNORE INTO code(call, code, failure) VALUES(?1, ?2, ?3)",
    [EM_SQL_TEXTS] = "SELECT id, kind, until, text FROM text",
    [EM_SQL_TEXT_NEW] = "INSERT INTO text(kind, until, text) VALUES(?1, ?2, ?3)",
    [EM_SQL_TEXT_UNTIL] = "UPDATE text SET until = ?2 WHERE id = ?1",
    [EM_SQL_TEXT_DROP] = "DELETE FROM text WHERE id = ?1",
    [EM_SQL_FAILURE_NEW] =
        "INSERT INTO failure(id, code, at_us, side, media, format, source, offset, call, time_us, ice,"
        " local_port, remote_port, cseq, reason, local_relay, remote_relay, sip_from, sip_to, file)"
        " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20)",
    [EM_SQL_FAILURES_LAST] = FAILURES OLDER_FAILURES " ORDER BY id DESC LIMIT ?1",
    [EM_SQL_FAILURE_GET] = FAILURES " WHERE f.id = ?1" OLDER_FAILURES " AND f.id = ?1",
    [EM_SQL_FAILURES_BEFORE] =
        LOOKS " WHERE at_us >= ?1 AND at_us < ?2" OLDER_LOOKS " AND at_us >= ?1 AND at_us < ?2"
              " ORDER BY at_us DESC, id DESC",
    [EM_SQL_FAILURES_TIED] =
        LOOKS " WHERE at_us = ?1 AND id < ?2" OLDER_LOOKS " AND at_us = ?1 AND id < ?2 ORDER BY id DESC",
    [EM_SQL_FAILURES_OF_CALL] =
        "SELECT * FROM (" LOOKS " WHERE id = ?5 AND call IS NULL UNION ALL " LOOKS
        " WHERE id IN (SELECT failure FROM code WHERE call = ?5 LIMIT 10000)" OLDER_LOOKS
        " AND call = ?5) WHERE at_us >= ?1 AND at_us < ?2 AND (at_us < ?3 OR (at_us = ?3 AND id < ?4))"
        " ORDER BY at_us DESC, id DESC",
    [EM_SQL_COUNTERS] = "SELECT name, id, value FROM counter",
    [EM_SQL_COUNTER_SET] = "INSERT INTO counter(id, value, name) VALUES(?1, ?2, ?3)"
                           " ON CONFLICT(name, id) DO UPDATE SET value = excluded.value",
    [EM_SQL_MINUTES] = "SELECT minute, media_failures, code_23, tcp_nat_check, code_23_tcp_nat FROM minute",
    [EM_SQL_MINUTE_SET] = "INSERT OR REPLACE INTO minute VALUES(?1, ?2, ?3, ?4, ?5)",
    [EM_SQL_MINUTES_DROP] = "DELETE FROM minute WHERE minute < ?1",
    [EM_SQL_POSITIONS] =
        "SELECT id, device, inode, head_hash, head_size, tail_hash, tail_size, ended, offset,"
        " format, encoding, time_us, seen_us, path, rested, packed, step, samples FROM position WHERE source "
        "= ?1 ORDER BY id",
    [EM_SQL_POSITIONS_N] = "SELECT count(*) FROM position",
    [EM_SQL_POSITION_NEW] =
        "INSERT INTO position(source, device, inode, head_hash, head_size, tail_hash, tail_size, ended, "
        "offset,"
        " format, encoding, time_us, seen_us, path, rested, packed, step, samples)"
        " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)",
    [EM_SQL_POSITION_SET] =
        "UPDATE position SET source = ?1, device = ?2, inode = ?3, head_hash = ?4, head_size = ?5,"
        " tail_hash = ?6, tail_size = ?7, ended = ?8, offset = ?9, format = ?10, encoding = ?11, time_us = "
        "?12,"
        " seen_us = ?13, path = ?14, rested = ?15, packed = ?16, step = ?17, samples = ?18 WHERE id = ?19",
    [EM_SQL_POSITION_DROP] = "DELETE FROM position WHERE id = ?1",
    [EM_SQL_NUMBER_GET] = "SELECT number FROM number WHERE parent = ?1 AND kind = ?2 AND name = ?3",
    [EM_SQL_NUMBER_NEW] = "INSERT INTO number(parent, kind, name, number) VALUES(?1, ?2, ?3,"
                          " (SELECT coalesce(max(number), 0) + 1 FROM number WHERE kind = ?2 AND parent = "
                          "?1)) RETURNING number",
    [EM_SQL_NUMBER_NAME] = "SELECT name FROM number WHERE kind = 'source' AND number = ?1",
    [EM_SQL_CHECK_TOTALS] =
        "SELECT edge, item, address, probes, failed_probes, stun_retransmits, tcp_retransmits"
        " FROM check_totals",
    [EM_SQL_CHECK_TOTALS_SET] = "INSERT OR REPLACE INTO check_totals VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [EM_SQL_FINDING_OPEN] = "SELECT id, raised_us FROM finding WHERE number = ?1 AND ended_us = 0",
    [EM_SQL_FINDING_NEW] =
        "INSERT INTO finding(number, kind, severity, raised_us, seen_us, ended_us, edge, path,"
        " text) VALUES(?1, ?2, ?3, ?4, ?4, 0, ?5, ?6, ?7)",
    [EM_SQL_FINDING_SEEN] = "UPDATE finding SET seen_us = ?2 WHERE id = ?1",
    [EM_SQL_FINDING_END] =
        "UPDATE finding SET seen_us = ?2, ended_us = ?2 WHERE number = ?1 AND ended_us = 0",
    [EM_SQL_FINDINGS_SETTLE] = "UPDATE finding SET ended_us = ?2 WHERE ended_us = 0 AND seen_us < ?1",
    [EM_SQL_FINDINGS_DROP] = "DELETE FROM finding WHERE id <= (SELECT max(id) FROM finding) - ?1",
    [EM_SQL_FINDINGS] =
        "SELECT number, kind, severity, raised_us, seen_us, ended_us, edge, path, text FROM finding"
        " WHERE ended_us > 0 ORDER BY id DESC LIMIT ?1",
    [EM_SQL_HISTORY] = "SELECT slot, calls FROM history WHERE series = ?1 AND place BETWEEN ?2 AND ?3",
    [EM_SQL_HISTORY_ADD] =
        "INSERT INTO history VALUES(?1, ?2, ?3, ?4) ON CONFLICT(series, place) DO UPDATE SET slot = "
        "excluded.slot, calls = excluded.calls + CASE WHEN slot = excluded.slot THEN calls ELSE 0 END",
    [EM_SQL_HISTORY_DROP] = "DELETE FROM history WHERE series = ?1",
    [EM_SQL_PEERS] = "SELECT id, kind, name, media_failures, code_23, code_23_tcp_nat, first_us, last_us "
                     "FROM peer ORDER BY id",
    [EM_SQL_PEER_NEW] = "INSERT INTO peer(kind, name, media_failures, code_23, code_23_tcp_nat, first_us, "
                        "last_us) VALUES(?1, ?2, 0, 0, 0, 0, 0)",
    [EM_SQL_PEER_SET] = "UPDATE peer SET media_failures = ?2, code_23 = ?3, code_23_tcp_nat = ?4, "
                        "first_us = ?5, last_us = ?6 WHERE id = ?1",
    [EM_SQL_PEER_DROP] = "DELETE FROM peer WHERE id = ?1",
    [EM_SQL_CALL_PEERS] = CALL_PEERS
    " WHERE f.id = ?1 AND f.call IS NULL UNION ALL " CALL_PEERS
    " WHERE f.id IN (SELECT failure FROM code WHERE call = ?1 LIMIT 16) UNION ALL SELECT f.remote_relay,"
    " f.sip_from, f.sip_to, f.side FROM old_failure f WHERE f.call = ?1 LIMIT 16",
    [EM_SQL_PATHS] = "SELECT id, edge, item, address, seen_us FROM path ORDER BY edge, item, address",
    [EM_SQL_PATH_NEW] = "INSERT INTO path(edge, item, address, seen_us) VALUES(?1, ?2, ?3, ?4)",
    [EM_SQL_PATH_SEEN] = "UPDATE path SET seen_us = ?2 WHERE id = ?1",
    [EM_SQL_PATH_DROP] = "DELETE FROM path WHERE id = ?1",
    [EM_SQL_PATH_SLOTS] =
        "SELECT slot, rank, probes, failed_probes, stun_retransmits, tcp_retransmits, rtt_us, n_rtt, "
        "resolve_us, n_resolve, connect_us, n_connect, tls_us, n_tls, stun_us, n_stun, allocate_us, "
        "n_allocate, relay_us, n_relay FROM path_history WHERE path = ?1 AND place BETWEEN ?2 AND ?3",
    [EM_SQL_PATH_ADD] =
        "INSERT INTO path_history VALUES(?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "
        "?15, ?16, ?17, ?18, ?19, ?20, ?21) ON CONFLICT(path, place) DO UPDATE SET slot = excluded.slot, "
        "rank = CASE WHEN slot = excluded.slot THEN max(rank, excluded.rank) ELSE excluded.rank END, "
        "probes = excluded.probes + CASE WHEN slot = excluded.slot THEN probes ELSE 0 END, failed_probes "
        "= excluded.failed_probes + CASE WHEN slot = excluded.slot THEN failed_probes ELSE 0 END, "
        "stun_retransmits = excluded.stun_retransmits + CASE WHEN slot = excluded.slot THEN "
        "stun_retransmits ELSE 0 END, tcp_retransmits = excluded.tcp_retransmits + CASE WHEN slot = "
        "excluded.slot THEN tcp_retransmits ELSE 0 END, rtt_us = excluded.rtt_us + CASE WHEN slot = "
        "excluded.slot THEN rtt_us ELSE 0 END, n_rtt = excluded.n_rtt + CASE WHEN slot = excluded.slot "
        "THEN n_rtt ELSE 0 END, resolve_us = excluded.resolve_us + CASE WHEN slot = excluded.slot THEN "
        "resolve_us ELSE 0 END, n_resolve = excluded.n_resolve + CASE WHEN slot = excluded.slot THEN "
        "n_resolve ELSE 0 END, connect_us = excluded.connect_us + CASE WHEN slot = excluded.slot THEN "
        "connect_us ELSE 0 END, n_connect = excluded.n_connect + CASE WHEN slot = excluded.slot THEN "
        "n_connect ELSE 0 END, tls_us = excluded.tls_us + CASE WHEN slot = excluded.slot THEN tls_us "
        "ELSE 0 END, n_tls = excluded.n_tls + CASE WHEN slot = excluded.slot THEN n_tls ELSE 0 END, "
        "stun_us = excluded.stun_us + CASE WHEN slot = excluded.slot THEN stun_us ELSE 0 END, n_stun = "
        "excluded.n_stun + CASE WHEN slot = excluded.slot THEN n_stun ELSE 0 END, allocate_us = "
        "excluded.allocate_us + CASE WHEN slot = excluded.slot THEN allocate_us ELSE 0 END, n_allocate = "
        "excluded.n_allocate + CASE WHEN slot = excluded.slot THEN n_allocate ELSE 0 END, relay_us = "
        "excluded.relay_us + CASE WHEN slot = excluded.slot THEN relay_us ELSE 0 END, n_relay = "
        "excluded.n_relay + CASE WHEN slot = excluded.slot THEN n_relay ELSE 0 END",
    [EM_SQL_PATH_SLOTS_DROP] = "DELETE FROM path_history WHERE path = ?1",
    [EM_SQL_PAGES] = "PRAGMA page_count",
    [EM_SQL_PAGES_FREE] = "PRAGMA freelist_count",
    [EM_SQL_PAGE_SIZE] = "PRAGMA page_size",
    [EM_SQL_VACUUM] = "PRAGMA incremental_vacuum(200)",
    [EM_SQL_TRIM_CALLS] = "SELECT id, seen_s FROM call ORDER BY id LIMIT ?1",
    [EM_SQL_TRIM_REPORTS] = "DELETE FROM report WHERE (call, key) IN"
                            " (SELECT call, key FROM report WHERE call <= ?1 ORDER BY call, key LIMIT ?2)",
    [EM_SQL_TRIM_FAILURES] = "DELETE FROM failure WHERE id IN"
                             " (SELECT failure FROM code WHERE call <= ?1 ORDER BY call, code LIMIT ?2)",
    [EM_SQL_TRIM_CODES] = "DELETE FROM code WHERE (call, code) IN"
                          " (SELECT call, code FROM code WHERE call <= ?1 ORDER BY call, code LIMIT ?2)",
    [EM_SQL_TRIM_OWN_FAILURES] =
        "DELETE FROM failure WHERE id IN (SELECT id FROM call WHERE id <= ?1 AND code IS NOT NULL)",
    [EM_SQL_TRIM_DROP] = "DELETE FROM call WHERE id <= ?1",
    [EM_SQL_SEEN_NEW] = "INSERT OR IGNORE INTO seen(source, key, at_us) VALUES(?1, ?2, ?3)",
    [EM_SQL_SEEN_N] = "SELECT count(*) FROM seen WHERE source = ?1",
    [EM_SQL_SEEN_DROP] = "DELETE FROM seen WHERE source = ?1 AND key IN"
                         " (SELECT key FROM seen WHERE source = ?1 AND at_us < ?2 ORDER BY at_us LIMIT ?3)",
    [EM_SQL_OLDER_ANY] = "SELECT 1 WHERE EXISTS(SELECT 1 FROM old_call) OR EXISTS(SELECT 1 FROM old_failure)",
    [EM_SQL_OLDER_CALL] = "SELECT id, call_id, ice, media, flags, seen_us FROM old_call WHERE call_id = ?1",
    [EM_SQL_OLDER_CALLS] =
        "SELECT id, call_id, ice, media, flags, seen_us FROM old_call ORDER BY id LIMIT ?1",
    [EM_SQL_OLDER_CALL_DROP] = "DELETE FROM old_call WHERE id >= ?1 AND id <= ?2",
    [EM_SQL_OLDER_CODE] = "SELECT 1 FROM old_failure WHERE call = ?1 AND code = ?2",
    [EM_SQL_OLDER_FAILURES_TO] = "SELECT max(id) FROM (SELECT id FROM old_failure ORDER BY id LIMIT ?1)",
    [EM_SQL_OLDER_FAILURES_CODES] =
        "INSERT OR IGNORE INTO code SELECT call, code, CASE class WHEN 3 THEN 0 ELSE id END"
        " FROM old_failure WHERE id <= ?1",
    [EM_SQL_OLDER_FAILURES_MOVE] =
        "INSERT INTO failure(id, call, code, at_us, time_us, cseq, reason, side, media, ice, local_relay,"
        " remote_relay, sip_from, sip_to, format, source, file, offset)"
        " SELECT id, call, code, at_us, nullif(time_us, at_us), nullif(cseq, ''), nullif(reason, ''), side,"
        " media, CASE ice_known WHEN 1 THEN ice END, nullif(local_relay, ''), nullif(remote_relay, ''),"
        " nullif(sip_from, ''), nullif(sip_to, ''), format, source, file, offset"
        " FROM old_failure WHERE id <= ?1 AND class <> 3",
    [EM_SQL_OLDER_FAILURES_DROP] = "DELETE FROM old_failure WHERE id <= ?1",
};

/* --- errors ------------------------------------------------------------------------------------------------------- */

static int fail_read_only(const struct em_db *db, struct em_why *why)
{
    return em_fail(
        why, EM_ERR_READ_ONLY,
        "database %s cannot be written: give this user write permission for the file and for its directory "
        "(SQLite keeps its log beside the file)",
        db->path);
}

static int fail_corrupt(const struct em_db *db, const char *what, struct em_why *why)
{
    return em_fail(
        why, EM_ERR_CORRUPT,
        "database %s is damaged (%s): put back a good copy, or move it away (with %s-wal) to start with new "
        "counters",
        db->path, what, db->path);
}

/* The directory of the database, and the file's name in it. */
static const char *split(const struct em_db *db, char dir[EM_DB_PATH_MAX])
{
    const char *slash = strrchr(db->path, '/');

    if (!slash)
        (void)slice_copy(SLICE("."), dir, EM_DB_PATH_MAX);
    else
        (void)slice_copy((struct slice) { db->path, slash > db->path ? (size_t)(slash - db->path) : 1 }, dir,
                         EM_DB_PATH_MAX);
    return slash ? slash + 1 : db->path;
}

/* Whether the directory refuses new files to us: SQLite then only says that it cannot open its log. */
static bool directory_refuses(const struct em_db *db)
{
    char dir[EM_DB_PATH_MAX];

    (void)split(db, dir);
    return faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) != 0;
}

/* The sentence for what SQLite just said. */
static int fail_sqlite(const struct em_db *db, int rc, struct em_why *why)
{
    const char *text = db->sqlite ? sqlite3_errmsg(db->sqlite) : sqlite3_errstr(rc);
    int error = db->sqlite ? sqlite3_system_errno(db->sqlite) : 0;

    switch (rc & 0xff) {
    case SQLITE_FULL:
        return em_fail(
            why, EM_ERR_FULL,
            "database %s cannot grow: the disk (or a quota) is full; free space there, reading then goes on",
            db->path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return fail_read_only(db, why);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return fail_corrupt(db, text, why);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return em_fail(
            why, EM_ERR_BUSY,
            "database %s is in use by another process: stop the other edgemediad (or sqlite3) first, or give "
            "this one a database of its own",
            db->path);
    case SQLITE_NOMEM:
        return em_fail(why, EM_ERR_MEMORY, "database %s: no memory", db->path);
    case SQLITE_CANTOPEN:
        if (error == EACCES || error == EROFS || error == EPERM || directory_refuses(db))
            return fail_read_only(db, why);
        break;
    default:
        break;
    }
    if (error == ENOSPC || error == EDQUOT)
        return fail_sqlite(db, SQLITE_FULL, why);
    return em_fail(why, EM_ERR_SYSTEM, "database %s: %s%s%s", db->path, text, error ? ": " : "",
                   error ? strerror(error) : "");
}

/* --- statements --------------------------------------------------------------------------------------------------- */

sqlite3_stmt *em_db_bind(struct em_db *db, enum em_sql q, const int64_t *values, size_t n)
{
    sqlite3_stmt *st = db->stmt[q];

    for (size_t i = 0; i < n; i++)
        (void)sqlite3_bind_int64(st, (int)i + 1, values[i]);
    return st;
}

void em_db_bind_text(sqlite3_stmt *st, int at, const char *text)
{
    (void)sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

int em_db_step(struct em_db *db, enum em_sql q, struct em_why *why)
{
    int rc = sqlite3_step(db->stmt[q]), err;

    if (rc == SQLITE_ROW)
        return 1;
    err = rc == SQLITE_DONE ? 0 : fail_sqlite(db, rc, why);
    em_db_reset(db, q);
    return err;
}

int em_db_run(struct em_db *db, enum em_sql q, const int64_t *values, size_t n, struct em_why *why)
{
    int rc;

    em_db_bind(db, q, values, n);
    while ((rc = em_db_step(db, q, why)) == 1)
        continue;
    return rc;
}

void em_db_set_durable(struct em_db *db, bool durable)
{
    (void)sqlite3_exec(db->sqlite, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                       NULL, NULL, NULL);
}

void em_db_reset(struct em_db *db, enum em_sql q)
{
    (void)sqlite3_reset(db->stmt[q]);
}

void em_db_column_text(sqlite3_stmt *st, int column, char *to, size_t size)
{
    const void *p = sqlite3_column_blob(st, column);
    int n = sqlite3_column_bytes(st, column);

    slice_copy((struct slice) { p ? p : "", p && n > 0 ? (size_t)n : 0 }, to, size);
}

/* One statement that is needed only here. */
static int exec(struct em_db *db, const char *sql, struct em_why *why)
{
    int rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : fail_sqlite(db, rc, why);
}

/* A question with one number for an answer. */
static int ask(struct em_db *db, const char *sql, int64_t *answer, struct em_why *why)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->sqlite, sql, -1, &st, NULL), err = 0;

    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
        *answer = sqlite3_column_int64(st, 0);
    else
        err = fail_sqlite(db, rc, why);
    (void)sqlite3_finalize(st);
    return err;
}

static int prepare_all(struct em_db *db, struct em_why *why)
{
    for (size_t q = 0; q < EM_SQL_COUNT; q++) {
        int rc =
            sqlite3_prepare_v3(db->sqlite, statements[q], -1, SQLITE_PREPARE_PERSISTENT, &db->stmt[q], NULL);

        if (rc == SQLITE_ERROR) /* a table or column is not there */
            return fail_corrupt(db, sqlite3_errmsg(db->sqlite), why);
        if (rc != SQLITE_OK)
            return fail_sqlite(db, rc, why);
    }
    return 0;
}

/* --- making and opening ------------------------------------------------------------------------------------------- */

static int fail_errno(const struct em_db *db, const char *what, struct em_why *why)
{
    int error = errno;

    if (error == EACCES || error == EROFS || error == EPERM)
        return fail_read_only(db, why);
    if (error == ENOSPC || error == EDQUOT)
        return fail_sqlite(db, SQLITE_FULL, why);
    return em_fail(why, EM_ERR_SYSTEM, "database %s: %s: %s", db->path, what, strerror(error));
}

static int attach(struct em_db *db, const char *file, struct em_why *why)
{
    int rc = sqlite3_open_v2(file, &db->sqlite,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (rc != SQLITE_OK)
        return fail_sqlite(db, rc, why);
    (void)sqlite3_busy_timeout(db->sqlite, EM_DB_BUSY_MS);
    return 0;
}

static void detach(struct em_db *db)
{
    for (size_t q = 0; q < EM_SQL_COUNT; q++) {
        (void)sqlite3_finalize(db->stmt[q]);
        db->stmt[q] = NULL;
    }
    (void)sqlite3_close(db->sqlite);
    db->sqlite = NULL;
}

/* From this version to ours, in the transaction that is open. */
static int upgrade(struct em_db *db, int64_t version, struct em_why *why)
{
    int err = 0;

    for (; version < EM_DB_VERSION && err == 0; version++)
        err = exec(db, upgrades[version - 1], why);
    return err;
}

/* A database of an older edgemediad: all of the way, or nothing. */
static int bring_up(struct em_db *db, int64_t version, struct em_why *why)
{
    char sql[64];
    struct em_why ignored;
    int err;

    (void)snprintf(sql, sizeof sql, "PRAGMA user_version = %d; COMMIT", EM_DB_VERSION);
    if ((err = exec(db, "BEGIN IMMEDIATE", why)) != 0)
        return err;
    if ((err = upgrade(db, version, why)) == 0)
        err = exec(db, sql, why);
    if (err != 0 && exec(db, "ROLLBACK", &ignored) != 0)
        return err; /* SQLite rolled back by itself */
    return err;
}

/* Schema and first rows into an empty file, in one transaction. */
static int fill_new(struct em_db *db, const char *file, int64_t now_us, struct em_why *why)
{
    char sql[200];
    int err;

    if ((err = attach(db, file, why)) != 0)
        return err;
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO meta VALUES('discontinuity_us', %lld);"
                   "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                   (long long)now_us, EM_DB_APPLICATION, EM_DB_VERSION);
    /* Before the first table: later it would need the whole file to be written again. */
    if ((err = exec(db, "PRAGMA auto_vacuum = INCREMENTAL", why)) == 0 &&
        (err = exec(db, "BEGIN", why)) == 0 && (err = exec(db, schema, why)) == 0 &&
        (err = upgrade(db, 1, why)) == 0)
        err = exec(db, sql, why);
    return err;
}

/* Made under another name and linked to its own when complete: a process killed half-way leaves no half database. */
static int make(struct em_db *db, int64_t now_us, struct em_why *why)
{
    char file[EM_DB_PATH_MAX + 32];
    int fd, err;

    (void)snprintf(file, sizeof file, "%s.new-%ld", db->path, (long)getpid());
    (void)unlink(file);
    if ((fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640)) < 0)
        return fail_errno(db, "cannot be made", why);
    (void)close(fd);
    err = fill_new(db, file, now_us, why);
    detach(db);
    if (err == 0 && link(file, db->path) != 0 && errno != EEXIST)
        err = fail_errno(db, "cannot be made", why);
    (void)unlink(file);
    return err;
}

/* What processes left that were killed while they made the database. It is ours now, so nobody makes one. */
static void sweep(const struct em_db *db)
{
    char dir[EM_DB_PATH_MAX], start[EM_DB_PATH_MAX + 8];
    const char *name = split(db, dir);
    DIR *d = opendir(dir);
    struct dirent *e;

    (void)snprintf(start, sizeof start, "%s.new-", name);
    while (d && (e = readdir(d)))
        if (strncmp(e->d_name, start, strlen(start)) == 0)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        (void)closedir(d);
}

/* Is it ours, of our version, and nobody else's at the moment? */
static int inspect(struct em_db *db, struct em_why *why)
{
    int64_t application = 0, version = 0, n = 0;
    int err;

    if (sqlite3_db_readonly(db->sqlite, "main") == 1)
        return fail_read_only(db, why);
    if ((err = ask(db, "PRAGMA locking_mode = EXCLUSIVE", &n, why)) != 0 ||
        (err = ask(db, "PRAGMA application_id", &application, why)) != 0 ||
        (err = ask(db, "PRAGMA user_version", &version, why)) != 0 ||
        (err = ask(db, "SELECT count(*) FROM sqlite_schema", &n, why)) != 0)
        return err;
    if (application != EM_DB_APPLICATION)
        return em_fail(why, EM_ERR_INPUT,
                       "database %s belongs to another program (application id 0x%llx): name another file",
                       db->path, (unsigned long long)application);
    if (version > EM_DB_VERSION)
        return em_fail(
            why, EM_ERR_NEWER,
            "database %s was written by a newer edgemediad (schema %lld, this one knows %d): install that "
            "version again, or name another file",
            db->path, (long long)version, EM_DB_VERSION);
    if (version < 1)
        return fail_corrupt(db, "it has no schema version", why);
    return version < EM_DB_VERSION ? bring_up(db, version, why) : 0;
}

/* WAL with synchronous=NORMAL: a commit is one write into the log and survives kill -9; only a checkpoint waits for the disk. When
 * the power fails, the last commits may be gone, but they go whole and in order: counters and read positions fall back together,
 * and what was lost is read and counted again. */
static int set_up(struct em_db *db, struct em_why *why)
{
    int err;

    if ((err = exec(db,
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;"
                    "PRAGMA cache_size = -8192;"
                    "PRAGMA journal_size_limit = 16777216; PRAGMA foreign_keys = OFF",
                    why)) != 0 ||
        (err = prepare_all(db, why)) != 0)
        return err;
    if ((err = em_db_run(db, EM_SQL_BEGIN, NULL, 0, why)) != 0)
        return err;
    return em_db_run(db, EM_SQL_ROLLBACK, NULL, 0, why);
}

/* What is there before SQLite looks at it: a log without its database, or an empty file, is a loss that SQLite would take for a
 * beginning. *missing: nothing is there. */
static int look(struct em_db *db, bool *missing, struct em_why *why)
{
    char wal[EM_DB_PATH_MAX + 8];
    struct stat st;

    (void)snprintf(wal, sizeof wal, "%s-wal", db->path);
    *missing = stat(db->path, &st) != 0;
    if (*missing && errno != ENOENT)
        return fail_errno(db, "cannot be opened", why);
    if (*missing && stat(wal, &st) == 0 && st.st_size > 0)
        return em_fail(
            why, EM_ERR_CORRUPT,
            "database %s is missing, but its log %s is there: put the database back, or remove the log to "
            "start with new counters",
            db->path, wal);
    if (*missing)
        return 0;
    if (!S_ISREG(st.st_mode))
        return em_fail(why, EM_ERR_INPUT, "database %s is not a file", db->path);
    if (st.st_size == 0)
        return fail_corrupt(db, "it is empty", why);
    return 0;
}

int em_db_open(struct em_db *db, const char *path, int64_t now_us, struct em_why *why)
{
    bool missing = false;
    int err;

    *db = (struct em_db) { 0 };
    if (!slice_copy(slice_of(path), db->path, sizeof db->path))
        return em_fail(why, EM_ERR_INPUT, "the name of the database is longer than %d bytes",
                       EM_DB_PATH_MAX - 1);
    if ((err = look(db, &missing, why)) != 0 || (missing && (err = make(db, now_us, why)) != 0))
        return err;
    if ((err = attach(db, db->path, why)) != 0 || (err = inspect(db, why)) != 0 ||
        (err = set_up(db, why)) != 0)
        detach(db);
    else
        sweep(db);
    return err;
}

void em_db_close(struct em_db *db)
{
    detach(db);
}
