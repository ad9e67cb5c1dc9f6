/* SPDX-License-Identifier: GPL-3.0-or-later
 * Whom calls failed with: what is an address or a domain and what is not, each call once, the bound, restarts, older databases. And looking
 * for failures, by peer among others, page by page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evidence/peer.h"
#include "harness.h"
#include "store/history.h"
#include "store/state.h"
#include "store_older.h"
#include "store_snapshot.h"

#define T0 (INT64_C(1700000000) * EM_US_PER_S)
#define MINUTE (60 * EM_US_PER_S)

/* --- names -------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *endpoint, *want; /* NULL: none */
} relays[] = {
    { "192.0.2.1:5000", "192.0.2.1" },
    { "192.0.2.1", "192.0.2.1" },
    { " 192.0.2.1::5000 ", "192.0.2.1" },
    { "[2001:db8::1]:5000", "2001:db8::1" },
    { "2001:DB8:0:0::1", "2001:db8::1" },
    { "[2001:db8::0001]", "2001:db8::1" },
    { "", NULL },
    { "0.0.0.0:0", NULL },
    { "[::]:0", NULL },
    { "192.0.2.256:1", NULL },
    { "192.0.2.1.", NULL },
    { "[192.0.2.1", "192.0.2.1" },
    { "[::1", "::1" },
    { "anna@contoso.example:1", NULL },
    { "<script>alert(1)</script>", NULL },
    { "relay.contoso.example:443", NULL },
    { "1111:2222:3333:4444:5555:6666:7777:8888:9999", NULL },
    { "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff%a-very-long-zone-of-an-interface:50000", NULL },
};

START_TEST(far_relays_are_addresses)
{
    char address[EM_ADDRESS_MAX] = "";
    bool is = em_peer_relay(slice_of(relays[_i].endpoint), address);

    ck_assert_msg(is == (relays[_i].want != NULL), "\"%s\" gave \"%s\"", relays[_i].endpoint, address);
    if (is)
        ck_assert_str_eq(address, relays[_i].want);
}
END_TEST

#define TEN "abcdefghij"
#define SIXTY TEN TEN TEN TEN TEN TEN "."

static const struct {
    const char *header, *want;
} domains[] = {
    { "<sip:anna@contoso.example>;tag=1", "contoso.example" },
    { "sip:anna@contoso.example", "contoso.example" },
    { "\"Anna <sip:x@y>\" <sips:anna@Contoso.EXAMPLE.:5061;transport=tls>;tag=a@b", "contoso.example" },
    { "<sip:anna@contoso.example;opaque=user:epid:x@evil.example;gruu>", "contoso.example" },
    { "<sip:+4712345678;phone-context=a@gw_1.contoso.example;user=phone>", "gw_1.contoso.example" },
    { "<sip:anna@192.0.2.7:5060>", "192.0.2.7" },
    { "<sip:anna@[2001:DB8::7]:5060>", "2001:db8::7" },
    { "<sip:a@" SIXTY SIXTY SIXTY SIXTY "abcdefgh>", SIXTY SIXTY SIXTY SIXTY "abcdefgh" },
    { "<sip:a@" SIXTY SIXTY SIXTY SIXTY "abcdefghij>", NULL },
    { "", NULL },
    { "<sip:anna>", NULL },
    { "<sip:@contoso.example>", NULL },
    { "<tel:+4712345678>", NULL },
    { "<sip:anna@>", NULL },
    { "<sip:anna@.example>", NULL },
    { "<sip:anna@a..b>", NULL },
    { "<sip:anna@contoso@evil.example>", NULL },
    { "<sip:anna@<script>alert(1)</script>>", NULL },
    { "<sip:anna@\"onload=\"x>", NULL },
    { "<sip:anna@=cmd|calc>", NULL },
    { "<sip:anna@contoso\033[31m.example>", NULL },
    { "<sip:anna@\xd0\xbf.example>", NULL },
};

START_TEST(far_domains_are_host_names)
{
    char domain[EM_TEXT_MAX] = "";
    bool is = em_peer_domain(slice_of(domains[_i].header), domain);

    ck_assert_msg(is == (domains[_i].want != NULL), "%s gave \"%s\"", domains[_i].header, domain);
    if (is)
        ck_assert_str_eq(domain, domains[_i].want);
}
END_TEST

/* --- the store ---------------------------------------------------------------------------------------------------- */

static char dir[EM_SCRATCH_MAX], path[96];
static struct em_clock_fake moved;
static struct em_clock test_clock;
static struct em_why why;
static struct em_store *store;

static void open_store(void)
{
    OK(em_store_open(path, &test_clock, &store, &why));
}

static void again(void)
{
    em_store_close(store);
    open_store();
}

static void setup(void)
{
    em_scratch(dir);
    snprintf(path, sizeof path, "%s/em.db", dir);
    moved = (struct em_clock_fake) { .mono = 1, .wall = T0, .seed = 1 };
    test_clock = em_clock_fake(&moved);
    open_store();
}

static void teardown(void)
{
    em_store_close(store);
    em_scratch_remove(dir);
}

struct one {
    const char *call;
    uint32_t code, ice;
    const char *relay, *from, *to;
    enum em_side side;
};
static int64_t ago_us; /* how long ago calls failed */

static void put(const struct one *o)
{
    struct em_report r = { .code = o->code,
                           .no_code = o->code == 0,
                           .call_id = slice_of(o->call),
                           .from = slice_of(o->from),
                           .to = slice_of(o->to),
                           .media_n = 1,
                           .time_us = T0 - ago_us,
                           .format = EM_FORMAT_SIP };

    r.media[0] = (struct em_report_media) { .side = o->side ? o->side : EM_SIDE_UNKNOWN,
                                            .media = EM_MEDIA_AUDIO,
                                            .ice_known = true,
                                            .ice = o->ice,
                                            .remote_relay = slice_of(o->relay) };
    OK(em_store_report(store, 1, &r, "a.log", &why));
}

static void put_in_transaction(const struct one *o)
{
    OK(em_store_begin(store, &why));
    put(o);
    OK(em_store_commit(store, &why));
}

/* All rows, "kind name media/23/both/1h" by kind. */
static const char *rows(void)
{
    static char text[4096];
    struct em_snapshot *s = snapshot(store);
    size_t n = 0;

    text[0] = '\0';
    for (uint32_t kind = 1; kind <= em_peer_kind_names.n; kind++)
        for (size_t i = 0; i < s->t[EM_T_PEER].n && n < sizeof text; i++) {
            const struct em_peer_row *row = em_snapshot_row(s, EM_T_PEER, i);

            if (row->kind == kind)
                n += (size_t)snprintf(text + n, sizeof text - n, "%s%s %s %u/%u/%u/%u", n ? "; " : "",
                                      em_name_of(&em_peer_kind_names, row->kind), row->name,
                                      (unsigned)row->media_failures, (unsigned)row->code_23,
                                      (unsigned)row->code_23_tcp_nat, (unsigned)row->media_failures_1h);
        }
    free(s);
    return text;
}

#define US "<sip:anna@contoso.example>;tag=1"
#define THEM "<sip:bo@fabrikam.example>;tag=2"

START_TEST(a_call_counts_once_for_each_peer)
{
    static const char want[] = "relay 198.51.100.20 2/2/2/2; domain fabrikam.example 2/2/2/2";

    put_in_transaction(&(struct one) { "1", 23, 0x100, "198.51.100.20:5000", US, THEM, EM_SIDE_CALLER });
    put_in_transaction(&(struct one) { "1", 23, 0x100, "198.51.100.20:6000", US, THEM, EM_SIDE_CALLER });
    put_in_transaction(&(struct one) { "1", 24, 0x900, "203.0.113.7:5000", US, THEM, EM_SIDE_CALLEE });
    put_in_transaction(&(struct one) { "2", 23, 0x100, "198.51.100.20:9", THEM, US, EM_SIDE_CALLEE });
    put_in_transaction(&(struct one) { "3", 51004, 0x100, "198.51.100.9:9", US, THEM, EM_SIDE_CALLER });
    put_in_transaction(&(struct one) { "4", 7008, 0, "198.51.100.9:9", US, THEM, EM_SIDE_CALLER });
    ck_assert_str_eq(rows(), want);
    again();
    put_in_transaction(&(struct one) { "2", 23, 0x100, "198.51.100.20:9", THEM, US, EM_SIDE_CALLEE });
    put_in_transaction(&(struct one) { "2", 23, 0x101, "198.51.100.20:9", THEM, US, EM_SIDE_CALLEE });
    ck_assert_str_eq(rows(), want);
}
END_TEST

/* A server reports the code and no media, a client the relay, a QoE report the flag: whatever comes first. */
START_TEST(what_comes_in_parts_counts_once)
{
    const struct one parts[] = {
        { "1", 23, 0, "", US, THEM, EM_SIDE_UNKNOWN },
        { "1", 21, 0, "198.51.100.20:5000", US, THEM, EM_SIDE_CALLER },
        { "1", 0, 0x100, "", "sip:anna@contoso.example", "sip:bo@fabrikam.example", EM_SIDE_CALLER },
    };
    static const int orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                     { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

    for (int i = 0; i < 3; i++) {
        put_in_transaction(&parts[orders[_i][i]]);
        if (i == 1)
            again();
    }
    ck_assert_str_eq(rows(), "relay 198.51.100.20 1/1/1/1; domain fabrikam.example 1/1/1/1");
}
END_TEST

START_TEST(a_side_that_is_not_known_has_no_far_one)
{
    put_in_transaction(&(struct one) { "1", 23, 0, "", US, THEM, EM_SIDE_UNKNOWN });
    put_in_transaction(&(struct one) { "2", 23, 0, "x", "<sip:anna@evil\"><script>>", US, EM_SIDE_CALLEE });
    ck_assert_str_eq(rows(), "");
    put_in_transaction(&(struct one) { "3", 23, 0, "", US, "<sip:k@CONTOSO.example>", EM_SIDE_UNKNOWN });
    ck_assert_str_eq(rows(), "domain contoso.example 1/1/0/1");
}
END_TEST

START_TEST(a_rollback_takes_peers_back)
{
    struct one o = { "1", 23, 0x100, "198.51.100.20:5000", US, THEM, EM_SIDE_CALLER };

    OK(em_store_begin(store, &why));
    put(&o);
    em_store_rollback(store);
    ck_assert_str_eq(rows(), "");
    put_in_transaction(&o);
    OK(em_store_begin(store, &why));
    o.call = "2";
    o.relay = "198.51.100.21:5000";
    put(&o);
    em_store_rollback(store);
    ck_assert_str_eq(rows(), "relay 198.51.100.20 1/1/1/1; domain fabrikam.example 1/1/1/1");
}
END_TEST

static uint64_t sum(const struct em_snapshot *s, size_t *n, uint64_t *others)
{
    uint64_t all = 0;

    *n = 0;
    *others = 0;
    for (size_t i = 0; i < s->t[EM_T_PEER].n; i++) {
        const struct em_peer_row *row = em_snapshot_row(s, EM_T_PEER, i);

        if (row->kind == EM_PEER_OTHER_RELAYS)
            *others = row->media_failures;
        *n += row->kind == EM_PEER_RELAY;
        all += row->kind == EM_PEER_RELAY || row->kind == EM_PEER_OTHER_RELAYS ? row->media_failures : 0;
    }
    return all;
}

/* One call of each relay, `each` of them in a transaction, the newest last. */
static void many(unsigned first, unsigned n, unsigned each)
{
    char call[32], relay[32];

    for (unsigned i = first; i < first + n; i++) {
        if ((i - first) % each == 0)
            OK(em_store_begin(store, &why));
        snprintf(call, sizeof call, "m%u", i);
        snprintf(relay, sizeof relay, "198.51.%u.%u:5000", i / 250, i % 250 + 1);
        ago_us = (100000 - i) * 1000;
        put(&(struct one) { call, 23, 0x100, relay, US, THEM, EM_SIDE_CALLER });
        if ((i - first + 1) % each == 0 || i + 1 == first + n)
            OK(em_store_commit(store, &why));
    }
}

static bool has_relay(const struct em_snapshot *s, const char *name, uint32_t *number)
{
    for (size_t i = 0; i < s->t[EM_T_PEER].n; i++) {
        const struct em_peer_row *row = em_snapshot_row(s, EM_T_PEER, i);

        if (row->kind == EM_PEER_RELAY && strcmp(row->name, name) == 0) {
            *number = row->peer;
            return true;
        }
    }
    return false;
}

START_TEST(those_that_failed_last_are_kept_and_nothing_is_lost)
{
    struct em_snapshot *s;
    uint64_t others = 0;
    uint32_t before = 0, after = 0;
    size_t n;

    many(0, 1000, 10);
    for (int round = 0; round < 2; round++) {
        s = snapshot(store);
        ck_assert_uint_eq(sum(s, &n, &others), 1000);
        ck_assert_uint_eq(n, EM_PEERS_KEPT);
        ck_assert_uint_eq(others, 1000 - EM_PEERS_KEPT);
        ck_assert(has_relay(s, "198.51.3.250", &before));
        ck_assert(has_relay(s, "198.51.3.187", &after));
        ck_assert(!has_relay(s, "198.51.3.186", &after));
        ck_assert(has_relay(s, "198.51.3.187", &after));
        ck_assert_uint_lt(before, 2000);
        free(s);
        again();
    }
    ago_us = 3600 * EM_US_PER_S;
    put_in_transaction(&(struct one) { "old", 23, 0, "192.0.2.1:1", US, THEM, EM_SIDE_CALLER });
    s = snapshot(store); /* older than all that are kept: it takes nobody's place */
    ck_assert_uint_eq(sum(s, &n, &others), 1001);
    ck_assert(!has_relay(s, "192.0.2.1", &after));
    free(s);
    ago_us = 0;
    put_in_transaction(&(struct one) { "back", 23, 0, "198.51.3.186:1", US, THEM, EM_SIDE_CALLER });
    s = snapshot(store); /* comes back, with a number that nobody had */
    ck_assert(has_relay(s, "198.51.3.186", &after));
    ck_assert_uint_gt(after, before);
    ck_assert(!has_relay(s, "198.51.3.187", &after));
    ck_assert_uint_eq(sum(s, &n, &others), 1002);
    free(s);
}
END_TEST

START_TEST(a_flood_in_one_transaction_moves_few)
{
    struct em_snapshot *s;
    uint64_t others;
    uint32_t number;
    size_t n;

    many(0, EM_PEERS_KEPT, EM_PEERS_KEPT);
    many(EM_PEERS_KEPT, 5000, 5000);
    s = snapshot(store);
    ck_assert_uint_eq(sum(s, &n, &others), 5000 + EM_PEERS_KEPT);
    ck_assert_uint_eq(n, EM_PEERS_KEPT);
    ck_assert(has_relay(s, "198.51.0.64", &number)); /* the last of those that were there stays */
    free(s);
}
END_TEST

static uint64_t history(uint32_t peer)
{
    struct em_history_frame frame = em_history_frame(EM_HISTORY_24H, moved.wall);
    uint64_t values[EM_HISTORY_SLOTS_MAX], all = 0;

    OK(em_store_history(store, EM_HISTORY_PEER, peer, &frame, values, &why));
    for (uint32_t i = 0; i < frame.n; i++)
        all += values[i];
    return all;
}

START_TEST(a_peer_has_a_history_and_takes_it_along)
{
    struct em_snapshot *s;
    uint32_t number = 0;

    many(0, 1, 1);
    s = snapshot(store);
    ck_assert(has_relay(s, "198.51.0.1", &number));
    free(s);
    ck_assert_uint_eq(history(number), 1);
    moved.wall += 30 * MINUTE;
    again(); /* the hour before a restart is known after it */
    ck_assert_str_eq(rows(), "relay 198.51.0.1 1/1/1/1; domain fabrikam.example 1/1/1/1");
    moved.wall += 40 * MINUTE;
    ck_assert_str_eq(rows(), "relay 198.51.0.1 1/1/1/0; domain fabrikam.example 1/1/1/0");
    moved.wall = T0;
    many(1, EM_PEERS_KEPT, 10);
    ck_assert_uint_eq(history(number), 0);
}
END_TEST

START_TEST(clock_steps_cost_no_counts)
{
    put_in_transaction(&(struct one) { "1", 23, 0, "192.0.2.1:1", US, THEM, EM_SIDE_CALLER });
    moved.wall = T0 - 86400 * EM_US_PER_S;
    put_in_transaction(&(struct one) { "2", 23, 0, "192.0.2.1:1", US, THEM, EM_SIDE_CALLER });
    again();
    moved.wall = T0 + 86400 * EM_US_PER_S;
    put_in_transaction(&(struct one) { "3", 23, 0, "192.0.2.1:1", US, THEM, EM_SIDE_CALLER });
    ck_assert_str_eq(rows(), "relay 192.0.2.1 3/3/0/0; domain fabrikam.example 3/3/0/0");
}
END_TEST

/* A database of before there were peers: calls that it knows count when they are reported anew. */
START_TEST(an_older_database_gets_the_table)
{
    sqlite3 *db;

    em_store_close(store);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db,
                                  OLDER_3 "INSERT INTO call VALUES(1, CAST('1' AS BLOB), 0, 0, 3, 1);"
                                          "INSERT INTO failure(call, code, class, at_us, time_us, sip_from)"
                                          " VALUES(1, 23, 1, 1, 1, '" US "')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    open_store();
    ck_assert_str_eq(rows(), "");
    put_in_transaction(&(struct one) { "1", 24, 0, "192.0.2.1:1", US, THEM, EM_SIDE_CALLER });
    put_in_transaction(&(struct one) { "2", 23, 0x100, "192.0.2.1:1", US, THEM, EM_SIDE_CALLER });
    again();
    ck_assert_str_eq(rows(), "relay 192.0.2.1 2/2/1/2; domain fabrikam.example 2/2/1/2");
}
END_TEST

/* --- looking for failures ------------------------------------------------------------------------------------------- */

struct found {
    char text[1024];
    size_t n, stop_at;
};

static bool collect(void *arg, const struct em_failure_row *row)
{
    struct found *f = arg;
    size_t n = strlen(f->text);

    snprintf(f->text + n, sizeof f->text - n, "%s%s/%u", n ? " " : "", row->call_id, row->code);
    f->n++;
    return f->n != f->stop_at;
}

#define WHEN(minutes) (T0 - (minutes)*MINUTE)
#define HOSTILE "<script>alert(1)</script>"

static const struct {
    const char *name;
    struct em_failure_filter filter;
    const char *want;
} filters[] = {
    { "all", { 0 }, "a/23 b/23 b/24 c/21 " HOSTILE "/7008" },
    { "since", { .since_us = WHEN(2) }, "a/23 b/23" },
    { "until", { .until_us = WHEN(2) }, "b/24 c/21 " HOSTILE "/7008" },
    { "a window", { .since_us = WHEN(3), .until_us = WHEN(2) + 1 }, "b/23 b/24" },
    { "code", { .code_known = true, .code = 23 }, "a/23 b/23" },
    { "code 0", { .code_known = true }, "" },
    { "a flag", { .ice = 0x100 }, "a/23 b/23 " HOSTILE "/7008" },
    { "all flags of a sum", { .ice = 0x8000100 }, "b/23" },
    { "media", { .media = EM_MEDIA_AUDIO }, "a/23 b/23 b/24 c/21 " HOSTILE "/7008" },
    { "other media", { .media = EM_MEDIA_VIDEO }, "" },
    { "a relay", { .peer = "198.51.100.20" }, "a/23 b/24" },
    { "a relay in another spelling", { .peer = "2001:DB8:0::7" }, "c/21" },
    { "a domain", { .peer = "Fabrikam.Example" }, "a/23 c/21" },
    { "our domain, where they reported", { .peer = "contoso.example" }, "b/23 b/24" },
    { "part of a domain", { .peer = "example" }, "" },
    { "no peer", { .peer = HOSTILE }, "" },
    { "a call", { .call_id = "b" }, "b/23 b/24" },
    { "a call since", { .call_id = "b", .since_us = WHEN(2) }, "b/23" },
    { "a call's name exactly", { .call_id = "B" }, "" },
    { "a hostile call", { .call_id = HOSTILE }, HOSTILE "/7008" },
    { "text", { .text = "SCRIPT>" }, HOSTILE "/7008" },
    { "text of a party", { .text = "ANNA@contoso" }, "a/23 b/23 b/24 c/21 " HOSTILE "/7008" },
    { "all together", { .code_known = true, .code = 24, .peer = "198.51.100.20", .text = "b" }, "b/24" },
};

static void put_some(void)
{
    static const struct one some[] = {
        { HOSTILE, 7008, 0x100, "x", US, THEM, EM_SIDE_UNKNOWN },
        { "c", 21, 0x20, "[2001:db8::7]:443", US, THEM, EM_SIDE_CALLER },
        { "b", 24, 0x20, "198.51.100.20:6", US, THEM, EM_SIDE_CALLEE },
        { "b", 23, 0x8000100, "198.51.100.21:6", US, THEM, EM_SIDE_CALLEE },
        { "a", 23, 0x100, "198.51.100.20:5", US, THEM, EM_SIDE_CALLER },
        { "info", 51007, 0x100, "198.51.100.20:5", US, THEM, EM_SIDE_CALLER },
    };

    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        ago_us = (int64_t)(5 - i) * MINUTE;
        put_in_transaction(&some[i]);
    }
    ago_us = 0;
}

START_TEST(filters_find_what_fits)
{
    struct found found = { "", 0, 0 };
    struct em_failure_cursor cursor = { 0, 0 };
    bool more = true;

    put_some();
    OK(em_store_failures_page(store, &filters[_i].filter, &cursor, 100, collect, &found, &more, &why));
    ck_assert_msg(strcmp(found.text, filters[_i].want) == 0, "%s: %s", filters[_i].name, found.text);
    ck_assert(!more);
    /* one by one it is the same */
    found = (struct found) { "", 0, 0 };
    cursor = (struct em_failure_cursor) { 0, 0 };
    for (more = true; more && found.n < 10;)
        OK(em_store_failures_page(store, &filters[_i].filter, &cursor, 1, collect, &found, &more, &why));
    ck_assert_msg(strcmp(found.text, filters[_i].want) == 0, "%s: %s", filters[_i].name, found.text);
}
END_TEST

enum { TIED = 300 };

struct seen {
    bool is[TIED];
    size_t n;
};

static bool tick(void *arg, const struct em_failure_row *row)
{
    struct seen *seen = arg;
    unsigned i = TIED;

    if (row->call_id[0] == 'm')
        i = (unsigned)strtoul(row->call_id + 1, NULL, 10);
    ck_assert_uint_lt(i, TIED);
    ck_assert(!seen->is[i]);
    seen->is[i] = true;
    seen->n++;
    return true;
}

/* New failures come between two pages, all at the same moment: none that was there is missed, none comes twice. */
START_TEST(pages_bear_what_comes_meanwhile)
{
    struct em_failure_cursor cursor = { 0, 0 };
    const struct em_failure_filter all = { 0 };
    struct seen seen = { .n = 0 };
    bool more = true;
    char call[16];

    OK(em_store_begin(store, &why));
    for (unsigned i = 0; i < TIED; i++) {
        snprintf(call, sizeof call, "m%u", i);
        put(&(struct one) { call, 23, 0, "", US, THEM, EM_SIDE_CALLER });
    }
    OK(em_store_commit(store, &why));
    for (unsigned page = 0; more; page++) {
        OK(em_store_failures_page(store, &all, &cursor, 7, tick, &seen, &more, &why));
        snprintf(call, sizeof call, "new%u", page);
        put_in_transaction(&(struct one) { call, 23, 0, "", US, THEM, EM_SIDE_CALLER });
        ck_assert_uint_lt(page, 100);
        if (page == 10)
            again();
    }
    ck_assert_uint_eq(seen.n, TIED);
}
END_TEST

START_TEST(a_page_that_finds_nothing_ends_soon)
{
    enum { MANY = 45000 };
    struct em_failure_cursor cursor = { 0, 0 };
    const struct em_failure_filter numbers = { .code_known = true, .code = 4711 },
                                   texts = { .text = "nowhere" };
    struct found found = { "", 0, 0 };
    unsigned pages = 0;
    bool more = true;
    char call[16];

    OK(em_store_begin(store, &why));
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(call, sizeof call, "m%u", i);
        put(&(struct one) { call, 23, 0, "", US, THEM, EM_SIDE_CALLER });
    }
    OK(em_store_commit(store, &why));
    for (; more; pages++)
        OK(em_store_failures_page(store, &numbers, &cursor, 1000, collect, &found, &more, &why));
    ck_assert_uint_eq(pages, 3);
    cursor = (struct em_failure_cursor) { 0, 0 };
    for (more = true, pages = 0; more; pages++)
        OK(em_store_failures_page(store, &texts, &cursor, 1000, collect, &found, &more, &why));
    ck_assert_uint_ge(pages, 20);
    ck_assert_uint_le(pages, 30);
    ck_assert_uint_eq(found.n, 0);
}
END_TEST

/* Whatever a client sends as a cursor. */
START_TEST(any_cursor_is_borne)
{
    static const struct em_failure_cursor any[] = {
        { INT64_MAX, INT64_MAX }, { 0, 1 }, { 1, INT64_MAX }, { T0, 1 }, { INT64_MAX, 1 },
    };
    const struct em_failure_filter filter[] = { { 0 }, { .call_id = "a" } };

    put_some();
    for (size_t i = 0; i < sizeof any / sizeof *any; i++)
        for (size_t k = 0; k < 2; k++) {
            struct em_failure_cursor cursor = any[i];
            struct found found = { "", 0, 0 };
            bool more;

            OK(em_store_failures_page(store, &filter[k], &cursor, 100, collect, &found, &more, &why));
            ck_assert_uint_le(found.n, 5);
        }
}
END_TEST

int main(void)
{
    TCase *names = em_case("names"), *t = em_case("store");

    tcase_add_loop_test(names, far_relays_are_addresses, 0, (int)(sizeof relays / sizeof *relays));
    tcase_add_loop_test(names, far_domains_are_host_names, 0, (int)(sizeof domains / sizeof *domains));
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_call_counts_once_for_each_peer);
    tcase_add_loop_test(t, what_comes_in_parts_counts_once, 0, 6);
    tcase_add_test(t, a_side_that_is_not_known_has_no_far_one);
    tcase_add_test(t, a_rollback_takes_peers_back);
    tcase_add_test(t, those_that_failed_last_are_kept_and_nothing_is_lost);
    tcase_add_test(t, a_flood_in_one_transaction_moves_few);
    tcase_add_test(t, a_peer_has_a_history_and_takes_it_along);
    tcase_add_test(t, clock_steps_cost_no_counts);
    tcase_add_test(t, an_older_database_gets_the_table);
    tcase_add_loop_test(t, filters_find_what_fits, 0, (int)(sizeof filters / sizeof *filters));
    tcase_add_test(t, pages_bear_what_comes_meanwhile);
    tcase_add_test(t, a_page_that_finds_nothing_ends_soon);
    tcase_add_test(t, any_cursor_is_borne);
    return em_run();
}
