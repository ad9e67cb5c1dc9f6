/* SPDX-License-Identifier: GPL-3.0-or-later
 * The store: calls, counters, read positions and numbers that must survive, in one SQLite database (WAL). Everything that
 * belongs together commits together: the reports of a batch, what they add to the counters, and the place in the file behind
 * them. After a kill -9 at any moment the next process goes on where the last commit was, and no counter differs.
 *
 * Main thread only. Between em_store_begin() and em_store_commit() nothing is durable; a failed or forgotten commit leaves the
 * state of the one before, in the database and in memory.
 */
#ifndef EM_STORE_STORE_H
#define EM_STORE_STORE_H

#include "base/clock.h"
#include "base/err.h"
#include "evidence/count.h"
#include "evidence/reader.h"
#include "model/snapshot.h"

struct em_store;

/* Opens or makes the database. EM_ERR_CORRUPT, EM_ERR_NEWER, EM_ERR_READ_ONLY, EM_ERR_FULL, EM_ERR_BUSY (another edgemediad has
 * it), EM_ERR_INPUT (a database of another program), each with a sentence that says what to do. Never starts afresh silently:
 * a new database is made only where there is none, and appears under its name when it is complete. */
int em_store_open(const char *path, const struct em_clock *clock, struct em_store **store,
                  struct em_why *why) EM_MUST_CHECK;
void em_store_close(struct em_store *s);

/* Lets go what is in memory and would be read again from the database when it is needed, for moments in which nothing is read or written. */
void em_store_idle(struct em_store *s);

int em_store_begin(struct em_store *s, struct em_why *why) EM_MUST_CHECK;
/* The same, and the commit waits for the disk: for numbers that the world is about to see, which must not go to another name when the
 * power fails. */
int em_store_begin_durable(struct em_store *s, struct em_why *why) EM_MUST_CHECK;
int em_store_commit(struct em_store *s, struct em_why *why) EM_MUST_CHECK;
void em_store_rollback(struct em_store *s);

/* In a transaction: one report of a source. file: name for the row. */
int em_store_report(struct em_store *s, uint32_t source, const struct em_report *r, const char *file,
                    struct em_why *why) EM_MUST_CHECK;

/* What is kept: calls that were not seen for keep_us go, and the oldest ones while the database is larger than size_max bytes; 0: no limit.
 * Counters, positions, numbers and the history stay. em_store_trim removes some of them, in a transaction, in a few milliseconds; *more:
 * there were any, so call it again soon. A removed call that is read again counts again. */
struct em_store_limits {
    int64_t keep_us, size_max;
};
void em_store_limit(struct em_store *s, const struct em_store_limits *limits);
int em_store_trim(struct em_store *s, bool *more, struct em_why *why) EM_MUST_CHECK;

/* In a transaction: bytes, messages, malformed that were read besides. A function that fails in a transaction spoils it: the
 * commit fails, too, and rolls back. */
int em_store_read(struct em_store *s, uint32_t source, const struct em_reader_stats *delta,
                  struct em_why *why) EM_MUST_CHECK;

/* In a transaction: what a source could not make sure of. missed: content that went before anybody knew that all of it was read; repeated:
 * content that was read although some of it may have been read before. */
int em_store_doubt(struct em_store *s, uint32_t source, uint64_t missed, uint64_t repeated,
                   struct em_why *why) EM_MUST_CHECK;

/* Samples of what was read of a file: hash[k] is of the EM_SAMPLE_BYTES bytes before byte (k + 1) * step; 0: not known. When there are
 * EM_SAMPLES_MAX of them, every second goes and the step doubles, so they always cover all that was read. */
enum { EM_SAMPLES_MAX = 128, EM_SAMPLE_BYTES = 256 };
struct em_samples {
    uint64_t step; /* 0: none yet */
    uint32_t n, hash[EM_SAMPLES_MAX];
};

/* Positions of files. A file is known by device and inode, and by the hashes of its first block and of the last bytes before the
 * place of reading, so that a rotation by rename, by copy and truncate, or a file that only took the old one's name are told
 * apart, and a copy is found by what it holds. Of a compressed file all of that is about its text. */
struct em_position {
    char path[EM_TEXT_MAX * 4]; /* the path under which it was last seen */
    uint64_t device, inode;
    uint64_t head_hash; /* em_hash(fixed key) over the first head_size bytes */
    uint32_t head_size; /* at most EM_HEAD_MAX; less while the file is shorter */
    uint64_t tail_hash; /* em_hash(fixed key) over the tail_size bytes before mark.offset */
    uint32_t tail_size; /* at most EM_TAIL_MAX; less when mark.offset is */
    bool ended;         /* rotated away and read to its end */
    bool rested;        /* read to its end, and quiet since */
    uint64_t
        packed; /* 0, or of a compressed file that was unpacked to its end: what its bytes are known by */
    struct em_samples samples;
    struct em_reader_mark mark;
    int64_t seen_us; /* wall time when it was last read */
};
enum { EM_HEAD_MAX = 4096, EM_TAIL_MAX = 1024, EM_POSITIONS_MAX = 10000 };

typedef bool (*em_position_fn)(void *arg, int64_t id, const struct em_position *p); /* false: stop */
int em_store_positions(struct em_store *s, uint32_t source, em_position_fn each, void *arg,
                       struct em_why *why) EM_MUST_CHECK;
/* In a transaction: *id 0 = new (set on return). */
int em_store_position_put(struct em_store *s, uint32_t source, int64_t *id, const struct em_position *p,
                          struct em_why *why) EM_MUST_CHECK;
int em_store_position_delete(struct em_store *s, int64_t id, struct em_why *why) EM_MUST_CHECK;

/* Records of a source that is given some of them twice, because what it asks for overlaps: each is known by a hash of it (its key) and has a
 * time, which is the source's to choose. In a transaction, and rolled back with it: *before becomes whether that one was put before. forget
 * takes at most `most` of those before before_us away, the oldest first; *removed: how many. */
int em_store_seen(struct em_store *s, uint32_t source, uint64_t key, int64_t at_us, bool *before,
                  struct em_why *why) EM_MUST_CHECK;
int em_store_seen_forget(struct em_store *s, uint32_t source, int64_t before_us, uint64_t most,
                         uint64_t *removed, struct em_why *why) EM_MUST_CHECK;
/* How many there are; takes time in proportion to them. */
int em_store_seen_count(struct em_store *s, uint32_t source, uint64_t *n, struct em_why *why) EM_MUST_CHECK;

/* A small number for a name, the same after every restart, never given to another name: kind is "edge", "check", "address",
 * "source"; parent is the number of what it belongs to (0: nothing). Commits by itself, and waits for the disk, when no transaction is
 * open. */
int em_store_number(struct em_store *s, const char *kind, uint32_t parent, const char *name, uint32_t *number,
                    struct em_why *why) EM_MUST_CHECK;

/* Counters of checks that must survive (probes, failed probes, retransmits): kept in memory here, written with the next commit. */
struct em_check_totals {
    uint64_t probes, failed_probes, stun_retransmits, tcp_retransmits;
};
/* All zero when nothing was put yet. */
int em_store_check_totals(struct em_store *s, uint32_t edge, uint32_t check, uint32_t address,
                          struct em_check_totals *t) EM_MUST_CHECK;
int em_store_check_totals_put(struct em_store *s, uint32_t edge, uint32_t check, uint32_t address,
                              const struct em_check_totals *t, struct em_why *why) EM_MUST_CHECK;

/* A short text under a name, for what is to be known again after a restart: "issuer 1 2 192.0.2.1" is who issued the certificate
 * that check 2 of edge 1 saw at that address. EM_ERR_NOT_FOUND: there is none. Putting commits by itself when no transaction is open. */
int em_store_note(struct em_store *s, const char *name, char *to, size_t size,
                  struct em_why *why) EM_MUST_CHECK;
int em_store_note_put(struct em_store *s, const char *name, const char *text,
                      struct em_why *why) EM_MUST_CHECK;

/* Findings: each time that one was raised is a line of history, open until it ends; the newest EM_FINDING_HISTORY_MAX are kept. raised:
 * *since_us becomes when a line that is still open was raised, by a process before this one, else stays. settle: lines that nobody
 * confirmed since before_us end now. They commit by themselves when no transaction is open. */
enum { EM_FINDING_HISTORY_MAX = 10000 };
int em_store_finding_raised(struct em_store *s, const struct em_finding_row *row, int64_t now_us,
                            int64_t *since_us, struct em_why *why) EM_MUST_CHECK;
int em_store_finding_ended(struct em_store *s, uint32_t id, int64_t now_us, struct em_why *why) EM_MUST_CHECK;
int em_store_findings_settle(struct em_store *s, int64_t before_us, int64_t now_us,
                             struct em_why *why) EM_MUST_CHECK;
/* Those that have ended, newest first, at most `most`: id, kind, severity, edge, path, text, since and seen are set. */
int em_store_findings(struct em_store *s, size_t most,
                      bool (*each)(void *arg, const struct em_finding_row *row, int64_t ended_us), void *arg,
                      struct em_why *why) EM_MUST_CHECK;

/* For snapshots: how many rows of each table the store has (only totals, windows, code, ice, media, failure are its own), and
 * their values as of the last commit. Source rows: only the counters and times, found by source number. */
void em_store_counts(struct em_store *s, size_t counts[EM_T_COUNT]);
int em_store_fill(struct em_store *s, struct em_snapshot *snapshot, struct em_why *why) EM_MUST_CHECK;
void em_store_source_row(struct em_store *s, uint32_t source, struct em_source_row *row);

/* What a person looks for among the failures. One whose record has no usable time (or one in the future) has the time at which it was read.
 * Reports that are information are no failures. All 0: every failure. */
struct em_failure_filter {
    int64_t since_us, until_us; /* in [since, until); 0: no limit */
    bool code_known;
    uint32_t code;
    uint32_t ice;              /* all of these bits; 0: any */
    uint32_t media;            /* 0: any */
    char peer[EM_TEXT_MAX];    /* far relay or far domain, as em_peer_row names them; "": any */
    char call_id[EM_TEXT_MAX]; /* exactly; "": any */
    char text[EM_TEXT_MAX];    /* part of any text of the failure, ASCII letters of either case; "": any */
};

/* A place between two failures in the order of time: behind those that an answer had. It stays valid whatever comes and goes, so pages never
 * have a failure twice. All 0: before the newest. */
struct em_failure_cursor {
    int64_t at_us, id;
};

/* Newest first, at most `most` of those that fit, from *cursor on, which moves. At most some ten milliseconds are spent, so an answer may have
 * fewer, even none: *more says whether there may be others behind *cursor. */
int em_store_failures_page(struct em_store *s, const struct em_failure_filter *filter,
                           struct em_failure_cursor *cursor, size_t most,
                           bool (*each)(void *arg, const struct em_failure_row *row), void *arg, bool *more,
                           struct em_why *why) EM_MUST_CHECK;

#endif
