/* SPDX-License-Identifier: GPL-3.0-or-later
 * Observations in, findings out: every kind, its look-alikes, and how findings begin and end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/slice.h"
#include "diagnose/diagnose.h"
#include "harness.h"
#include "probe/probe.h"

enum { CHECKS_MAX = 8, CALLS_MAX = 4, PEERS_MAX = 3, MINUTE_S = 60, EXPECTED_MAX = 3 };
#define NOW (INT64_C(1795000000) * EM_US_PER_S)

struct check {
    const char *uri, *address;
    enum em_verdict verdict;
    const char *relayed;
    uint32_t number;      /* 0: its place; alike ones are addresses of one check */
    int certificate_days; /* 0: there is none */
    const char *filter;   /* of a differential test; NULL: it is none */
};

/* So many calls that are alike. */
struct calls {
    unsigned n;
    uint32_t code, ice; /* ice 0: not told */
    enum em_media media;
    const char *remote_relay; /* NULL: another one for each call */
    int minutes_ago;
};

struct scene {
    const char *name;
    struct check check[CHECKS_MAX];
    struct {
        enum em_transport transport; /* 0: there is none */
        unsigned ok, filtered, blackholed;
    } range;
    struct calls calls[CALLS_MAX];
    struct {
        const char *relay; /* NULL: the end; "": the others */
        unsigned hour, all;
    } peer[PEERS_MAX];
    int down_minutes;                 /* since when the checks are as they are */
    enum em_source_state source;      /* 0: there is none */
    int read_minutes, report_minutes; /* ago */
    enum em_finding_kind expected[EXPECTED_MAX];
};

#define A "203.0.113.7"
#define B "203.0.113.8"
#define UDP "stun:e:3478"
#define TCP "stun:e:443?transport=tcp"
#define TURN "turn:e:443?transport=tcp"
#define MEDIA "tcp:e:50100"
#define GOOD EM_VERDICT_OK
#define SHARING EM_MEDIA_APPLICATION_SHARING
#define PARTNER "198.51.100.9:50001"

#define CHECK(u, a, v)                                                                                       \
    {                                                                                                        \
        .uri = u, .address = a, .verdict = v                                                                 \
    }
#define ADDRESS(u, a, v)                                                                                     \
    {                                                                                                        \
        .uri = u, .address = a, .verdict = v, .number = 1                                                    \
    }
#define PATH(u, v, f)                                                                                        \
    {                                                                                                        \
        .uri = u, .address = A, .verdict = v, .filter = f                                                    \
    }
#define RELAYED(u, a, v, r)                                                                                  \
    {                                                                                                        \
        .uri = u, .address = a, .verdict = v, .relayed = r                                                   \
    }

static const struct scene scenes[] = {
    { .name = "all is well",
      .check = { CHECK(UDP, A, GOOD), CHECK(TCP, A, GOOD), CHECK(MEDIA, A, GOOD) },
      .source = EM_SOURCE_CAUGHT_UP },
    { .name = "nothing is configured", .down_minutes = 0 },
    { .name = "nothing was tested yet",
      .check = { CHECK(UDP, A, EM_VERDICT_UNTESTED), CHECK(TCP, A, EM_VERDICT_UNTESTED) } },
    { .name = "no sockets here", .check = { CHECK(UDP, A, EM_VERDICT_ERROR) } },

    { .name = "UDP is blocked",
      .check = { CHECK(UDP, A, EM_VERDICT_FILTERED), CHECK(TCP, A, GOOD) },
      .expected = { EM_FINDING_UDP_BLOCKED } },
    { .name = "one of two UDP ports is blocked",
      .check = { CHECK(UDP, A, GOOD), CHECK("udp:e:50100", A, EM_VERDICT_FILTERED) },
      .expected = { EM_FINDING_RANGE_BLOCKED } },
    { .name = "one of two UDP ports is blocked beside TCP",
      .check = { CHECK(UDP, A, GOOD), CHECK("udp:e:50100", A, EM_VERDICT_FILTERED), CHECK(TCP, A, GOOD) },
      .expected = { EM_FINDING_RANGE_BLOCKED } },
    { .name = "a degraded UDP path is not blocked",
      .check = { CHECK(UDP, A, EM_VERDICT_DEGRADED), CHECK(TCP, A, GOOD) } },
    { .name = "nothing answers",
      .check = { CHECK(UDP, A, EM_VERDICT_FILTERED), CHECK(TCP, A, EM_VERDICT_FILTERED) },
      .expected = { EM_FINDING_EDGE_UNREACHABLE } },
    { .name = "no way there",
      .check = { CHECK(UDP, A, EM_VERDICT_UNREACHABLE), CHECK(TCP, A, EM_VERDICT_UNREACHABLE) },
      .expected = { EM_FINDING_EDGE_UNREACHABLE } },
    { .name = "nothing answers here, and calls work",
      .check = { CHECK(UDP, A, EM_VERDICT_FILTERED), CHECK(TCP, A, EM_VERDICT_FILTERED) },
      .down_minutes = 20,
      .source = EM_SOURCE_CAUGHT_UP,
      .report_minutes = 2,
      .expected = { EM_FINDING_PROBES_FAIL_CALLS_PASS } },
    { .name = "nothing answers for a minute only, and calls work",
      .check = { CHECK(UDP, A, EM_VERDICT_FILTERED) },
      .down_minutes = 1,
      .source = EM_SOURCE_CAUGHT_UP,
      .report_minutes = 2,
      .expected = { EM_FINDING_EDGE_UNREACHABLE } },
    { .name = "nothing answers and calls fail",
      .check = { CHECK(UDP, A, EM_VERDICT_FILTERED), CHECK(TCP, A, EM_VERDICT_FILTERED) },
      .calls = { { 4, 23, 0x100, EM_MEDIA_AUDIO, NULL, 3 } },
      .down_minutes = 20,
      .source = EM_SOURCE_CAUGHT_UP,
      .report_minutes = 2,
      .expected = { EM_FINDING_EDGE_UNREACHABLE } },

    { .name = "a differential test finds a content filter",
      .check = { CHECK(TCP, A, GOOD), PATH("path:e:50100", EM_VERDICT_BLACKHOLED, "content") },
      .expected = { EM_FINDING_APPLICATION_INSPECTION } },
    { .name = "a differential test finds a content filter, and calls fail",
      .check = { CHECK(TCP, A, GOOD), PATH("path:e:50100", EM_VERDICT_RESET, "content") },
      .calls = { { 4, 23, 0x8000100, SHARING, NULL, 3 } },
      .expected = { EM_FINDING_APPLICATION_INSPECTION } },
    { .name = "large packets vanish, which is no inspection",
      .check = { CHECK(TCP, A, GOOD), PATH("path:e:50100", EM_VERDICT_BLACKHOLED, "size") } },
    { .name = "a differential test finds loss",
      .check = { CHECK(TCP, A, GOOD), PATH("path:e:50100", EM_VERDICT_DEGRADED, "loss") } },
    { .name = "a differential test finds a blocked port",
      .check = { CHECK(TCP, A, GOOD), PATH("path:e:50100", EM_VERDICT_FILTERED, "port") },
      .expected = { EM_FINDING_RANGE_BLOCKED } },

    { .name = "media ports are blocked",
      .check = { CHECK(TCP, A, GOOD), CHECK(MEDIA, A, EM_VERDICT_FILTERED),
                 CHECK("tcp:e:50200", A, EM_VERDICT_FILTERED) },
      .expected = { EM_FINDING_RANGE_BLOCKED } },
    { .name = "media ports are prohibited",
      .check = { CHECK(TCP, A, GOOD), CHECK(MEDIA, A, EM_VERDICT_PROHIBITED) },
      .expected = { EM_FINDING_RANGE_BLOCKED } },
    { .name = "a range is open", .check = { CHECK(TCP, A, GOOD) }, .range = { EM_TRANSPORT_TCP, 200, 0, 0 } },
    { .name = "half of a range is blocked",
      .check = { CHECK(TCP, A, GOOD) },
      .range = { EM_TRANSPORT_TCP, 100, 100, 0 },
      .expected = { EM_FINDING_RANGE_BLOCKED } },
    { .name = "all of a range is blocked and 443 is not",
      .check = { CHECK(TCP, A, GOOD) },
      .range = { EM_TRANSPORT_UDP, 0, 200, 0 },
      .expected = { EM_FINDING_RANGE_BLOCKED } },
    { .name = "a range loses payload now and then",
      .check = { CHECK(TCP, A, GOOD) },
      .range = { EM_TRANSPORT_TCP, 190, 0, 10 },
      .expected = { EM_FINDING_APPLICATION_INSPECTION } },
    { .name = "a media port that nobody listens on has a clear path",
      .check = { CHECK(TCP, A, GOOD), CHECK(MEDIA, A, EM_VERDICT_REFUSED) } },
    { .name = "payload is lost after the handshake",
      .check = { CHECK(TCP, A, GOOD), CHECK(MEDIA, A, EM_VERDICT_BLACKHOLED) },
      .expected = { EM_FINDING_APPLICATION_INSPECTION } },
    { .name = "payload is answered by a reset",
      .check = { CHECK(TCP, A, GOOD), CHECK(MEDIA, A, EM_VERDICT_RESET) },
      .expected = { EM_FINDING_APPLICATION_INSPECTION } },
    { .name = "the story: every check is green, sharing dies",
      .check = { CHECK(UDP, A, GOOD), CHECK(TCP, A, GOOD), CHECK(MEDIA, A, GOOD) },
      .calls = { { 4, 23, 0x8000100, SHARING, NULL, 5 } },
      .source = EM_SOURCE_CAUGHT_UP,
      .expected = { EM_FINDING_APPLICATION_INSPECTION } },
    { .name = "the story, and the path shows it",
      .check = { CHECK(TCP, A, GOOD), CHECK(MEDIA, A, EM_VERDICT_BLACKHOLED) },
      .calls = { { 4, 23, 0x8000100, SHARING, NULL, 5 } },
      .source = EM_SOURCE_CAUGHT_UP,
      .expected = { EM_FINDING_APPLICATION_INSPECTION } },
    { .name = "two such calls are too few",
      .check = { CHECK(TCP, A, GOOD) },
      .calls = { { 2, 23, 0x8000100, SHARING, NULL, 5 } } },
    { .name = "such calls of yesterday are over",
      .check = { CHECK(TCP, A, GOOD) },
      .calls = { { 4, 23, 0x8000100, SHARING, NULL, 25 * MINUTE_S } } },
    { .name = "all with one partner",
      .check = { CHECK(TCP, A, GOOD) },
      .calls = { { 6, 23, 0x8000100, SHARING, PARTNER, 5 } },
      .expected = { EM_FINDING_PARTNER_ONLY } },
    { .name = "all with one partner, as the peers say",
      .check = { CHECK(TCP, A, GOOD) },
      .calls = { { 6, 23, 0x8000100, SHARING, PARTNER, 5 } },
      .peer = { { "198.51.100.9", 6, 600 }, { "192.0.2.77", 0, 40 }, { "", 0, 3 } },
      .expected = { EM_FINDING_PARTNER_ONLY } },
    { .name = "the list of failures has but one partner of the hour",
      .check = { CHECK(TCP, A, GOOD) },
      .calls = { { 6, 24, 0x40, SHARING, PARTNER, 5 }, { 1, 24, 0x40, EM_MEDIA_AUDIO, PARTNER, 5 } },
      .peer = { { "198.51.100.9", 6, 6 }, { "192.0.2.77", 1, 1 } },
      .expected = { EM_FINDING_CALLS_FAIL_PROBES_PASS } },
    { .name = "partners without a row of their own are several",
      .check = { CHECK(TCP, A, GOOD) },
      .calls = { { 6, 24, 0x40, SHARING, PARTNER, 5 }, { 1, 24, 0x40, EM_MEDIA_AUDIO, PARTNER, 5 } },
      .peer = { { "198.51.100.9", 6, 6 }, { "", 1, 1 } },
      .expected = { EM_FINDING_CALLS_FAIL_PROBES_PASS } },
    { .name = "hardly a call of the hour names a relay",
      .check = { CHECK(TCP, A, GOOD) },
      .calls = { { 9, 24, 0x40, SHARING, "", 5 }, { 6, 24, 0x40, EM_MEDIA_AUDIO, PARTNER, 5 } },
      .peer = { { "198.51.100.9", 6, 6 } },
      .expected = { EM_FINDING_CALLS_FAIL_PROBES_PASS } },
    { .name = "the far side reported: the far relay is the edge itself",
      .check = { CHECK(TCP, A, GOOD) },
      .calls = { { 6, 24, 0x40, SHARING, A ":50001", 5 }, { 1, 24, 0x40, EM_MEDIA_AUDIO, A ":50001", 5 } },
      .peer = { { A, 7, 7 } },
      .expected = { EM_FINDING_CALLS_FAIL_PROBES_PASS } },
    { .name = "several partners, several media",
      .check = { CHECK(TCP, A, GOOD) },
      .calls = { { 3, 23, 0x100, EM_MEDIA_AUDIO, NULL, 5 }, { 3, 24, 0x40, EM_MEDIA_VIDEO, PARTNER, 6 } },
      .expected = { EM_FINDING_CALLS_FAIL_PROBES_PASS } },
    { .name = "audio only",
      .check = { CHECK(TCP, A, GOOD) },
      .calls = { { 6, 23, 0x40, EM_MEDIA_AUDIO, NULL, 5 } },
      .expected = { EM_FINDING_MEDIA_ONLY } },
    { .name = "calls of an edge that is also down are no riddle",
      .check = { CHECK(TCP, A, GOOD), CHECK(UDP, A, EM_VERDICT_FILTERED) },
      .calls = { { 3, 23, 0x140, EM_MEDIA_AUDIO, NULL, 5 }, { 1, 23, 0x140, EM_MEDIA_VIDEO, NULL, 5 } },
      .expected = { EM_FINDING_UDP_BLOCKED } },
    { .name = "informational reports are no failures",
      .check = { CHECK(TCP, A, GOOD) },
      .calls = { { 9, 51007, 0x100, SHARING, NULL, 5 } } },

    { .name = "TLS is inspected",
      .check = { CHECK(UDP, A, GOOD), CHECK(TURN, A, EM_VERDICT_INTERCEPTED) },
      .expected = { EM_FINDING_TLS_INSPECTION } },
    { .name = "calls say that TLS is inspected",
      .check = { CHECK(UDP, A, GOOD), CHECK(TCP, A, GOOD) },
      .calls = { { 3, 23, 0x800000, EM_MEDIA_AUDIO, NULL, 5 } },
      .expected = { EM_FINDING_TLS_INSPECTION } },
    { .name = "addresses are rewritten",
      .check = { CHECK(UDP, A, EM_VERDICT_MANGLED), CHECK(TCP, A, GOOD) },
      .expected = { EM_FINDING_REWRITTEN } },
    { .name = "credentials are refused",
      .check = { CHECK(UDP, A, GOOD), CHECK(TURN, A, EM_VERDICT_AUTH_FAILED) },
      .expected = { EM_FINDING_CREDENTIALS_REJECTED } },
    { .name = "calls say that credentials expire",
      .check = { CHECK(UDP, A, GOOD) },
      .calls = { { 3, 23, 0x4000, EM_MEDIA_AUDIO, NULL, 5 } },
      .expected = { EM_FINDING_CREDENTIALS_REJECTED } },
    { .name = "no port is free",
      .check = { CHECK(UDP, A, GOOD) },
      .calls = { { 1, 23, 0x200000, EM_MEDIA_AUDIO, NULL, 5 } },
      .expected = { EM_FINDING_PORTS_EXHAUSTED } },
    { .name = "the relay hands out a private address",
      .check = { RELAYED(TURN, A, GOOD, "10.1.2.3:50007") },
      .expected = { EM_FINDING_NAT_ADDRESS_WRONG } },
    { .name = "a relay inside may do so", .check = { RELAYED(TURN, "10.1.2.4", GOOD, "10.1.2.3:50007") } },
    { .name = "a public relay address", .check = { RELAYED(TURN, A, GOOD, B ":50007") } },
    { .name = "the relay is down and its machine is not",
      .check = { CHECK(TURN, A, EM_VERDICT_REFUSED), CHECK(UDP, A, GOOD) },
      .expected = { EM_FINDING_RELAY_DOWN } },
    { .name = "the relay hangs while STUN on the same port answers",
      .check = { CHECK(TURN, A, EM_VERDICT_SILENT), CHECK(TCP, A, GOOD) },
      .expected = { EM_FINDING_RELAY_DOWN } },
    { .name = "one of two addresses is broken",
      .check = { ADDRESS(TCP, A, GOOD), ADDRESS(TCP, B, EM_VERDICT_FILTERED) },
      .expected = { EM_FINDING_ADDRESS_BROKEN } },
    { .name = "the name is wrong",
      .check = { CHECK(TCP, "", EM_VERDICT_DNS_FAILED) },
      .expected = { EM_FINDING_NAME_WRONG } },

    { .name = "a certificate ends next week",
      .check = { { .uri = "turns:e", .address = A, .verdict = GOOD, .certificate_days = 7 } },
      .expected = { EM_FINDING_CERTIFICATE_ENDING } },
    { .name = "a certificate is good for long",
      .check = { { .uri = "turns:e", .address = A, .verdict = GOOD, .certificate_days = 60 } } },

    { .name = "a source cannot be read",
      .source = EM_SOURCE_FAILED,
      .expected = { EM_FINDING_SOURCE_SILENT } },
    { .name = "a source is silent",
      .source = EM_SOURCE_CAUGHT_UP,
      .read_minutes = 7 * MINUTE_S,
      .expected = { EM_FINDING_SOURCE_SILENT } },
    { .name = "a source had a quiet hour", .source = EM_SOURCE_CAUGHT_UP, .read_minutes = MINUTE_S },
    { .name = "a source is ahead",
      .calls = { { 1, 23, 0x100, EM_MEDIA_AUDIO, NULL, -10 } },
      .source = EM_SOURCE_CAUGHT_UP,
      .expected = { EM_FINDING_CLOCK_SKEW } },
};

/* --- making a snapshot of a scene -------------------------------------------------------------------------------------------- */

static uint32_t numbers_given;

static int number(void *arg, const char *key, uint32_t *n, struct em_why *why)
{
    (void)arg;
    (void)key;
    (void)why;
    *n = ++numbers_given;
    return 0;
}

static unsigned raised_n, ended_n;

static void raised(void *arg, const struct em_finding_row *row, int64_t *since_us)
{
    (void)arg;
    (void)row;
    (void)since_us;
    raised_n++;
}

static void ended(void *arg, const struct em_finding_row *row, int64_t ended_us)
{
    (void)arg;
    (void)row;
    (void)ended_us;
    ended_n++;
}

static void fill_check(struct em_check_row *row, const struct check *c, uint32_t place,
                       const struct scene *scene, int64_t now_us)
{
    struct em_probe_uri uri;
    struct em_why why;

    ck_assert_msg(em_probe_uri_read(c->uri, &uri, &why) == 0, "%s: %s", c->uri, why.text);
    *row = (struct em_check_row) { .edge = 1,
                                   .check = c->number ? c->number : place + 1,
                                   .address_index = place + 1,
                                   .port = uri.port,
                                   .transport = uri.transport,
                                   .verdict = c->verdict,
                                   .up = em_verdict_up(c->verdict),
                                   .certificate_expiry =
                                       c->certificate_days
                                           ? now_us + c->certificate_days * INT64_C(86400) * EM_US_PER_S
                                           : 0,
                                   .probe_time = now_us,
                                   .changed_time = now_us - scene->down_minutes * MINUTE_S * EM_US_PER_S };
    snprintf(row->name, sizeof row->name, "check %u", place);
    slice_copy(slice_of(c->uri), row->uri, sizeof row->uri);
    slice_copy(slice_of(c->address), row->address, sizeof row->address);
    slice_copy(slice_of(c->relayed ? c->relayed : ""), row->relayed_address, sizeof row->relayed_address);
    if (c->filter) {
        slice_copy(slice_of(c->filter), row->path_filter, sizeof row->path_filter);
        row->path_hop = 2;
        slice_copy(SLICE("2001:db8:ffff:eeee:dddd:cccc:bbbb:aaaa"), row->path_hop_address,
                   sizeof row->path_hop_address);
    }
    slice_copy(slice_of(row->up ? "" : "as the scene wants it"), row->reason, sizeof row->reason);
}

static void fill_call(struct em_failure_row *row, const struct calls *c, uint32_t n, int64_t now_us)
{
    *row = (struct em_failure_row) {
        .failure = n,
        .time = now_us - c->minutes_ago * MINUTE_S * EM_US_PER_S,
        .code = c->code,
        .code_class = c->code < 40 ? EM_CODE_MEDIA_FAILURE : EM_CODE_INFORMATION,
        .media = c->media,
        .ice_known = c->ice ? 1 : 2,
        .ice_warnings = c->ice,
    };
    snprintf(row->call_id, sizeof row->call_id, "call-%u", n);
    snprintf(row->source, sizeof row->source, "trace");
    if (c->remote_relay)
        slice_copy(slice_of(c->remote_relay), row->remote_relay, sizeof row->remote_relay);
    else
        snprintf(row->remote_relay, sizeof row->remote_relay, "192.0.2.%u:50001", n);
}

static void fill_peers(struct em_snapshot *s, const struct scene *scene, int64_t now_us)
{
    for (uint32_t i = 0; i < s->t[EM_T_PEER].n; i++) {
        struct em_peer_row *row = em_snapshot_row(s, EM_T_PEER, i);

        *row = (struct em_peer_row) {
            .peer = i + 1,
            .kind = *scene->peer[i].relay ? EM_PEER_RELAY : EM_PEER_OTHER_RELAYS,
            .media_failures = scene->peer[i].all,
            .media_failures_1h = scene->peer[i].hour,
            .first_time = now_us - 86400 * EM_US_PER_S,
            .last_time = now_us,
        };
        slice_copy(slice_of(scene->peer[i].relay), row->name, sizeof row->name);
    }
}

static struct em_snapshot *make(const struct scene *scene, int64_t now_us)
{
    size_t counts[EM_T_COUNT] = { [EM_T_SOURCE] = scene->source != 0 };
    struct em_snapshot *s;
    uint32_t n = 0;

    while (counts[EM_T_CHECK] < CHECKS_MAX && scene->check[counts[EM_T_CHECK]].uri)
        counts[EM_T_CHECK]++;
    counts[EM_T_EDGE] = counts[EM_T_CHECK] > 0;
    counts[EM_T_RANGE] = scene->range.transport != 0;
    for (size_t i = 0; i < CALLS_MAX; i++)
        counts[EM_T_FAILURE] += scene->calls[i].n;
    while (counts[EM_T_PEER] < PEERS_MAX && scene->peer[counts[EM_T_PEER]].relay)
        counts[EM_T_PEER]++;
    ck_assert_ptr_nonnull(s = em_snapshot_new(counts));
    s->wall_us = now_us;
    if (counts[EM_T_EDGE])
        *(struct em_edge_row *)em_snapshot_row(s, EM_T_EDGE, 0) =
            (struct em_edge_row) { .edge = 1, .name = "oslo" };
    for (size_t i = 0; i < counts[EM_T_CHECK]; i++)
        fill_check(em_snapshot_row(s, EM_T_CHECK, i), &scene->check[i], (uint32_t)i, scene, now_us);
    for (size_t i = 0; i < CALLS_MAX; i++)
        for (unsigned k = 0; k < scene->calls[i].n; k++, n++)
            fill_call(em_snapshot_row(s, EM_T_FAILURE, n), &scene->calls[i], n + 1, now_us);
    fill_peers(s, scene, now_us);
    if (scene->range.transport)
        *(struct em_range_row *)em_snapshot_row(s, EM_T_RANGE, 0) = (struct em_range_row) {
            .edge = 1,
            .range = 1,
            .name = "media",
            .host = "edge.example.com",
            .first_port = 50000,
            .last_port = 59999,
            .transport = scene->range.transport,
            .sweep_time = now_us,
            .tested = scene->range.ok + scene->range.filtered + scene->range.blackholed,
            .ports_ok = scene->range.ok,
            .ports_filtered = scene->range.filtered,
            .ports_blackholed = scene->range.blackholed,
        };
    if (scene->source)
        *(struct em_source_row *)em_snapshot_row(s, EM_T_SOURCE, 0) = (struct em_source_row) {
            .source = 1,
            .name = "trace",
            .state = scene->source,
            .read_time = now_us - scene->read_minutes * MINUTE_S * EM_US_PER_S,
            .report_time =
                scene->report_minutes ? now_us - scene->report_minutes * MINUTE_S * EM_US_PER_S : 0,
        };
    if (n > 0)
        ((struct em_windows *)em_snapshot_row(s, EM_T_WINDOWS, 0))->media_failures_1h = n;
    em_snapshot_finish(s);
    return s;
}

static struct em_diagnosis *new_diagnosis(void)
{
    static const struct em_diagnosis_memory memory = { number, raised, ended, NULL };
    struct em_diagnosis *d = em_diagnosis_new(&em_diagnosis_default_limits, &memory);

    ck_assert_ptr_nonnull(d);
    raised_n = ended_n = 0;
    return d;
}

static bool observe(struct em_diagnosis *d, const struct scene *scene, int64_t at_s)
{
    struct em_snapshot *s = make(scene, NOW + at_s * EM_US_PER_S);
    struct em_why why;
    bool changed;

    ck_assert_msg(em_diagnosis_observe(d, s, at_s * EM_US_PER_S, &changed, &why) == 0, "%s", why.text);
    free(s);
    return changed;
}

/* The findings as rows of a snapshot, as everybody sees them. The caller frees it. */
static struct em_snapshot *findings(const struct em_diagnosis *d)
{
    size_t counts[EM_T_COUNT] = { 0 };
    struct em_snapshot *s;

    em_diagnosis_counts(d, counts);
    ck_assert_ptr_nonnull(s = em_snapshot_new(counts));
    em_diagnosis_fill(d, s);
    em_snapshot_finish(s);
    return s;
}

static const struct em_finding_row *finding(const struct em_snapshot *s, size_t i)
{
    return em_snapshot_row(s, EM_T_FINDING, i);
}

/* --- tests ------------------------------------------------------------------------------------------------------------------- */

START_TEST(scene_gives_its_findings_and_no_other)
{
    const struct scene *scene = &scenes[_i];
    struct em_diagnosis *d = new_diagnosis();
    struct em_snapshot *s;
    size_t n = 0;

    for (int64_t at_s = 0; at_s <= 60; at_s += 30)
        observe(d, scene, at_s);
    s = findings(d);
    while (n < EXPECTED_MAX && scene->expected[n])
        n++;
    for (size_t i = 0; i < s->t[EM_T_FINDING].n; i++) {
        bool wanted = false;

        for (size_t k = 0; k < n; k++)
            wanted = wanted || scene->expected[k] == finding(s, i)->kind;
        ck_assert_msg(wanted, "%s: unexpected %s: %s", scene->name,
                      em_name_of(&em_finding_kind_names, finding(s, i)->kind), finding(s, i)->text);
        ck_assert_msg(*finding(s, i)->text && *finding(s, i)->advice && *finding(s, i)->refute, "%s",
                      scene->name);
        ck_assert_ptr_null(strchr(finding(s, i)->text, '{'));
        ck_assert_uint_ge(finding(s, i)->observations, 1);
    }
    ck_assert_msg(s->t[EM_T_FINDING].n == n, "%s: %zu findings, %zu expected", scene->name,
                  s->t[EM_T_FINDING].n, n);
    ck_assert_msg(s->t[EM_T_EVIDENCE].n >= n, "%s: a finding without evidence", scene->name);
    free(s);
    em_diagnosis_free(d);
}
END_TEST

/* What a partner is accused of are counts, which forget nothing, then calls. */
START_TEST(a_partner_is_told_by_the_peers)
{
    struct em_diagnosis *d = new_diagnosis();
    struct em_snapshot *s;
    size_t at = 0;

    while (strcmp(scenes[at].name, "all with one partner, as the peers say") != 0)
        at++;
    for (int64_t at_s = 0; at_s <= 60; at_s += 30)
        observe(d, &scenes[at], at_s);
    s = findings(d);
    ck_assert_str_eq(finding(s, 0)->path, "198.51.100.9");
    ck_assert_str_eq(((struct em_evidence_row *)em_snapshot_row(s, EM_T_EVIDENCE, 0))->source, "far relay");
    ck_assert_ptr_nonnull(strstr(((struct em_evidence_row *)em_snapshot_row(s, EM_T_EVIDENCE, 0))->value,
                                 "198.51.100.9: 6 failed calls in the last hour, 600 since "));
    ck_assert_str_eq(((struct em_evidence_row *)em_snapshot_row(s, EM_T_EVIDENCE, 1))->source, "call");
    free(s);
    em_diagnosis_free(d);
}
END_TEST

/* Words must fit: a text that is cut helps nobody. */
START_TEST(no_text_is_cut)
{
    const struct scene *scene = &scenes[_i];
    struct em_diagnosis *d = new_diagnosis();
    struct em_snapshot *s;

    for (int64_t at_s = 0; at_s <= 60; at_s += 30)
        observe(d, scene, at_s);
    s = findings(d);
    for (size_t i = 0; i < s->t[EM_T_FINDING].n; i++) {
        ck_assert_uint_lt(strlen(finding(s, i)->text), EM_TEXT_MAX - 1);
        ck_assert_uint_lt(strlen(finding(s, i)->advice), EM_TEXT_MAX - 1);
        ck_assert_uint_lt(strlen(finding(s, i)->refute), EM_TEXT_MAX - 1);
    }
    free(s);
    em_diagnosis_free(d);
}
END_TEST

/* A differential test needs no second run, and says where. */
START_TEST(path_is_a_finding_at_once)
{
    static const struct scene scene = {
        .name = "", .check = { CHECK(TCP, A, GOOD), PATH("path:e:50100", EM_VERDICT_BLACKHOLED, "content") }
    };
    struct em_diagnosis *d = new_diagnosis();
    struct em_snapshot *s;

    observe(d, &scene, 0);
    s = findings(d);
    ck_assert_uint_eq(s->t[EM_T_FINDING].n, 1);
    ck_assert_msg(strstr(finding(s, 0)->text, "behind hop 2 (2001:db8:ffff:eeee:dddd:cccc:bbbb:aaaa)"), "%s",
                  finding(s, 0)->text);
    free(s);
    em_diagnosis_free(d);
}
END_TEST

static const struct scene udp_blocked = {
    .name = "", .check = { CHECK(UDP, A, EM_VERDICT_FILTERED), CHECK(TCP, A, GOOD) }
};
static const struct scene well = { .name = "", .check = { CHECK(UDP, A, GOOD), CHECK(TCP, A, GOOD) } };

START_TEST(second_probe_raises_and_silence_of_the_claim_ends)
{
    struct em_diagnosis *d = new_diagnosis();
    struct em_snapshot *s;

    ck_assert(!observe(d, &udp_blocked, 0)); /* one lost probe is no finding */
    ck_assert(observe(d, &udp_blocked, 30));
    ck_assert(!observe(d, &udp_blocked, 60));
    s = findings(d);
    ck_assert_uint_eq(s->t[EM_T_FINDING].n, 1);
    ck_assert_int_eq(finding(s, 0)->since, NOW + 30 * EM_US_PER_S);
    ck_assert_int_eq(finding(s, 0)->seen, NOW + 60 * EM_US_PER_S);
    ck_assert_uint_eq(finding(s, 0)->observations, 3);
    ck_assert_uint_eq(finding(s, 0)->confidence, EM_CONFIDENCE_MEDIUM);
    free(s);
    ck_assert(!observe(d, &well, 90)); /* it may come back */
    ck_assert(observe(d, &well, 150));
    ck_assert_uint_eq(raised_n, 1);
    ck_assert_uint_eq(ended_n, 1);
    s = findings(d);
    ck_assert_uint_eq(s->t[EM_T_FINDING].n, 0);
    ck_assert_uint_eq(s->t[EM_T_FINDING_COUNT].n, 1); /* the pair stays, at nought */
    ck_assert_uint_eq(((struct em_finding_count_row *)em_snapshot_row(s, EM_T_FINDING_COUNT, 0))->findings,
                      0);
    free(s);
    em_diagnosis_free(d);
}
END_TEST

/* A claim that comes and goes is one finding, not many. */
START_TEST(flapping_path_is_one_finding)
{
    struct em_diagnosis *d = new_diagnosis();

    for (int i = 0; i < 40; i++)
        observe(d, i % 2 ? &well : &udp_blocked, i * 30);
    ck_assert_uint_eq(raised_n, 1);
    ck_assert_uint_eq(ended_n, 0);
    em_diagnosis_free(d);
}
END_TEST

START_TEST(same_probe_counts_once)
{
    struct em_diagnosis *d = new_diagnosis();
    struct em_snapshot *s = make(&udp_blocked, NOW);
    struct em_why why;
    bool changed;

    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(em_diagnosis_observe(d, s, i * EM_US_PER_S, &changed, &why), 0);
        ck_assert(!changed);
    }
    free(s);
    em_diagnosis_free(d);
}
END_TEST

/* The wall clock goes a day forwards and back: whatever that does, it does once. */
START_TEST(wall_clock_steps_flap_at_most_once)
{
    static const struct scene story = { .name = "",
                                        .check = { CHECK(TCP, A, GOOD) },
                                        .calls = { { 4, 23, 0x8000100, SHARING, NULL, 5 } } };
    struct em_diagnosis *d = new_diagnosis();
    const int64_t day_s = 86400;

    for (int i = 0; i < 60; i++) {
        int64_t step_s = i < 20 ? 0 : i < 40 ? day_s : -day_s;
        struct em_snapshot *s = make(&story, NOW);
        struct em_why why;
        bool changed;

        s->wall_us = NOW + (i * 10 + step_s) * EM_US_PER_S;
        ck_assert_int_eq(em_diagnosis_observe(d, s, i * 10 * EM_US_PER_S, &changed, &why), 0);
        free(s);
    }
    ck_assert_uint_le(ended_n, 1);
    em_diagnosis_free(d);
}
END_TEST

/* In every scene: the clock goes a day ahead, then a day back, while rows keep the times that they were given. No finding is raised a third
 * time, and nothing divides by zero. */
static unsigned raised_of[EM_FINDING_KINDS + 1];

static void raised_kind(void *arg, const struct em_finding_row *row, int64_t *since_us)
{
    (void)arg;
    (void)since_us;
    raised_of[row->kind]++;
}

START_TEST(no_scene_flaps_when_the_clock_steps)
{
    static const struct em_diagnosis_memory memory = { number, raised_kind, ended, NULL };
    static const int64_t days[] = { 0, 1, 0, -1, 0 };
    struct em_diagnosis *d = em_diagnosis_new(&em_diagnosis_default_limits, &memory);
    unsigned most = 0;

    memset(raised_of, 0, sizeof raised_of);
    ck_assert_ptr_nonnull(d);
    for (int i = 0; i < 200; i++) {
        int64_t at_s = i * 10;
        struct em_snapshot *s = make(&scenes[_i], NOW + at_s * EM_US_PER_S);
        struct em_why why;
        bool changed;

        s->wall_us += days[i / 40] * 86400 * EM_US_PER_S;
        ck_assert_int_eq(em_diagnosis_observe(d, s, at_s * EM_US_PER_S, &changed, &why), 0);
        free(s);
    }
    for (size_t k = 0; k <= EM_FINDING_KINDS; k++)
        most = raised_of[k] > most ? raised_of[k] : most;
    ck_assert_msg(most <= 3, "%s: a kind was raised %u times by two steps there and back", scenes[_i].name,
                  most);
    em_diagnosis_free(d);
}
END_TEST

/* Calls belong to the edge whose address their relay is. */
START_TEST(calls_find_their_edge)
{
    size_t counts[EM_T_COUNT] = { [EM_T_EDGE] = 2, [EM_T_CHECK] = 2, [EM_T_FAILURE] = 8 };
    struct em_diagnosis *d = new_diagnosis();
    struct em_snapshot *s = em_snapshot_new(counts), *found;
    static const struct calls story = { 8, 23, 0x8000100, SHARING, NULL, 5 };
    static const struct scene scene = { .down_minutes = 0 };
    static const struct check check[] = { CHECK(TCP, A, GOOD), CHECK(TCP, "2001:db8::7", GOOD) };
    struct em_why why;
    bool changed;

    ck_assert_ptr_nonnull(s);
    s->wall_us = NOW;
    for (uint32_t i = 0; i < 2; i++) {
        struct em_edge_row *edge = em_snapshot_row(s, EM_T_EDGE, i);

        edge->edge = i + 1;
        snprintf(edge->name, sizeof edge->name, "edge-%u", i + 1);
        fill_check(em_snapshot_row(s, EM_T_CHECK, i), &check[i], 0, &scene, NOW);
        ((struct em_check_row *)em_snapshot_row(s, EM_T_CHECK, i))->edge = i + 1;
    }
    for (uint32_t i = 0; i < 8; i++) {
        struct em_failure_row *row = em_snapshot_row(s, EM_T_FAILURE, i);

        fill_call(row, &story, i + 1, NOW);
        snprintf(row->local_relay, sizeof row->local_relay,
                 i < 4 ? "[2001:db8::7]:50%03u" : "192.0.2.250:50%03u", i);
    }
    em_snapshot_finish(s);
    ck_assert_int_eq(em_diagnosis_observe(d, s, 0, &changed, &why), 0);
    found = findings(d);
    ck_assert_uint_eq(found->t[EM_T_FINDING].n, 2);
    ck_assert_str_eq(finding(found, 0)->edge, "edge-2");
    ck_assert_str_eq(finding(found, 1)->edge, "");
    free(found);
    free(s);
    em_diagnosis_free(d);
}
END_TEST

/* Every kind has a rule, and a rule gives way only to kinds that were asked before it. */
START_TEST(every_kind_is_in_a_scene)
{
    for (uint32_t kind = 1; kind <= EM_FINDING_KINDS; kind++) {
        bool found = false;

        for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
            for (size_t k = 0; k < EXPECTED_MAX; k++)
                found = found || scenes[i].expected[k] == kind;
        ck_assert_msg(found, "%s", em_name_of(&em_finding_kind_names, kind));
    }
}
END_TEST

int main(void)
{
    TCase *t = em_case("findings");

    tcase_add_test(t, a_partner_is_told_by_the_peers);
    tcase_add_loop_test(t, scene_gives_its_findings_and_no_other, 0, sizeof scenes / sizeof *scenes);
    tcase_add_loop_test(t, no_text_is_cut, 0, sizeof scenes / sizeof *scenes);
    tcase_add_test(t, second_probe_raises_and_silence_of_the_claim_ends);
    tcase_add_test(t, flapping_path_is_one_finding);
    tcase_add_test(t, path_is_a_finding_at_once);
    tcase_add_test(t, same_probe_counts_once);
    tcase_add_test(t, wall_clock_steps_flap_at_most_once);
    tcase_add_loop_test(t, no_scene_flaps_when_the_clock_steps, 0, sizeof scenes / sizeof *scenes);
    tcase_add_test(t, calls_find_their_edge);
    tcase_add_test(t, every_kind_is_in_a_scene);
    return em_run();
}
