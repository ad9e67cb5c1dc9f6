/* SPDX-License-Identifier: GPL-3.0-or-later
 * Probes against scripted far ends with a moved clock: the scenarios are in the .play files beside this one.
 *
 *     scenario NAME
 *     probe URI
 *     user NAME PASSWORD | password WRONG-ONE | timeout 5s | degraded 100ms     options; `password` is what the probe uses instead
 *     relay-ports A-B                                                           of relays
 *     insecure | issuer NAME                                                    of TLS; blanks of the name are written as +
 *     name HOST ADDRESS... | name HOST fails TEXT | name HOST never               what the resolver says
 *     srv _turn._udp.HOST [PRIORITY WEIGHT PORT TARGET]... | fails TEXT | never     SRV records; TARGET "." = not offered
 *     at udp|tcp ENDPOINT      followed by the lines of play_script.h; the next "at" of the same endpoint is for its next connection
 *     want ADDRESS VERDICT [key=value]... [: REASON]      one for each result, "-" = no address; REASON is part of the reason
 *     done 5s                  when the probe ended, exactly
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "harness.h"
#include "play_script.h"
#include "probe/probe.h"

enum { SCENARIOS_MAX = 200, SCRIPTS_MAX = 16, WANTS_MAX = 16, RESULTS_MAX = 16 };

static const char *const files[] = { "replay/udp.play",   "replay/tcp.play",    "replay/turn.play",
                                     "replay/names.play", "replay/msturn.play", "replay/tls.play",
                                     "replay/relay.play" };

static struct scenario {
    const char *file;
    struct slice name, text;
} scenarios[SCENARIOS_MAX];
static int scenarios_n;

struct stage {
    struct em_net *net;
    struct em_probe_uri uri;
    struct em_probe_options options;
    struct play_secrets secrets;
    struct play_script *scripts[SCRIPTS_MAX];
    size_t scripts_n;
    struct slice wants[WANTS_MAX];
    size_t wants_n;
    int64_t want_done_us, done_us;
    struct em_probe_result results[RESULTS_MAX];
    size_t results_n;
    bool done;
    char names[EM_PLAY_NAMES_MAX][128], failures[EM_PLAY_NAMES_MAX][128];
    size_t names_n;
};

static struct slice word(struct slice *rest)
{
    struct slice w;

    *rest = slice_trim(*rest);
    if (!slice_until(rest, ' ', &w)) {
        w = *rest;
        *rest = slice_from(*rest, rest->n);
    }
    return w;
}

static int64_t duration(struct slice s)
{
    char t[32];
    int64_t us = -1;

    ck_assert(slice_copy(s, t, sizeof t) && em_read_duration(t, &us));
    return us;
}

/* --- the head of a scenario ----------------------------------------------------------------------------------------- */

static void set_probe(struct stage *s, struct slice rest)
{
    char uri[EM_URI_MAX];
    struct em_why why = { "" };

    ck_assert(slice_copy(slice_trim(rest), uri, sizeof uri));
    ck_assert_msg(em_probe_uri_read(uri, &s->uri, &why) == 0, "%s", why.text);
}

static void set_user(struct stage *s, struct slice rest)
{
    slice_copy(word(&rest), s->secrets.user, sizeof s->secrets.user);
    slice_copy(word(&rest), s->secrets.password, sizeof s->secrets.password);
    memcpy(s->options.user, s->secrets.user, sizeof s->secrets.user);
    memcpy(s->options.password, s->secrets.password, sizeof s->secrets.password);
}

static void set_password(struct stage *s, struct slice rest)
{
    slice_copy(word(&rest), s->options.password, sizeof s->options.password);
}

static void set_timeout(struct stage *s, struct slice rest)
{
    s->options.timeout_us = duration(word(&rest));
}

static void set_degraded(struct stage *s, struct slice rest)
{
    s->options.degraded_rtt_us = duration(word(&rest));
}

static void set_insecure(struct stage *s, struct slice rest)
{
    (void)rest;
    s->options.insecure = true;
}

static void set_issuer(struct stage *s, struct slice rest)
{
    ck_assert(slice_copy(word(&rest), s->options.issuer, sizeof s->options.issuer));
    for (char *p = s->options.issuer; *p; p++)
        *p = *p == '+' ? ' ' : *p;
}

static void set_relay_ports(struct stage *s, struct slice rest)
{
    uint32_t first = 0, last = 0;

    ck_assert(slice_u32(&rest, UINT16_MAX, &first) && slice_skip(&rest, SLICE("-")) &&
              slice_u32(&rest, UINT16_MAX, &last));
    s->options.relay_ports = (struct em_port_range) { (uint16_t)first, (uint16_t)last };
}

static void set_done(struct stage *s, struct slice rest)
{
    s->want_done_us = duration(word(&rest));
}

static void set_name(struct stage *s, struct slice rest)
{
    struct em_addr addrs[8];
    size_t n = 0;
    char *name = s->names[s->names_n], *failure = s->failures[s->names_n], t[EM_ADDRESS_MAX];
    struct slice w;

    s->names_n++;
    slice_copy(word(&rest), name, sizeof s->names[0]);
    if (slice_skip(&rest, SLICE("fails "))) {
        slice_copy(rest, failure, sizeof s->failures[0]);
    } else if (!slice_skip(&rest, SLICE("never"))) {
        while ((w = word(&rest)).n)
            ck_assert(slice_copy(w, t, sizeof t) && em_addr_read(t, 0, &addrs[n++]));
    }
    em_play_name(s->net, name, addrs, n, failure);
}

static void set_srv(struct stage *s, struct slice rest)
{
    struct em_srv targets[EM_SRV_MAX] = { 0 };
    size_t n = 0;
    char *name = s->names[s->names_n], *failure = s->failures[s->names_n];
    struct slice w;

    s->names_n++;
    slice_copy(word(&rest), name, sizeof s->names[0]);
    if (slice_skip(&rest, SLICE("fails "))) {
        slice_copy(rest, failure, sizeof s->failures[0]);
    } else if (!slice_skip(&rest, SLICE("never"))) {
        while ((w = word(&rest)).n) {
            uint32_t v[3] = { 0 };

            ck_assert(n < EM_SRV_MAX && slice_u32(&w, UINT16_MAX, &v[0]));
            for (int i = 1; i < 3; i++) {
                w = word(&rest);
                ck_assert(slice_u32(&w, UINT16_MAX, &v[i]));
            }
            targets[n].priority = (uint16_t)v[0];
            targets[n].weight = (uint16_t)v[1];
            targets[n].port = (uint16_t)v[2];
            w = word(&rest);
            slice_copy(slice_eq(w, SLICE(".")) ? (struct slice) { "", 0 } : w, targets[n].target,
                       sizeof targets[n].target);
            n++;
        }
        em_play_services(s->net, name, targets, n, NULL);
        return;
    }
    em_play_services(s->net, name, NULL, 0, failure);
}

static void set_at(struct stage *s, struct slice rest)
{
    bool tcp = slice_eq(word(&rest), SLICE("tcp"));
    struct slice endpoint = slice_trim(rest);
    size_t colon = endpoint.n;
    struct em_addr at;
    char t[EM_ADDRESS_MAX + 2];
    uint32_t port = 0;

    while (colon > 0 && endpoint.p[colon - 1] != ':')
        colon--;
    rest = slice_from(endpoint, colon);
    ck_assert(slice_u32(&rest, UINT16_MAX, &port));
    ck_assert(slice_copy(slice_upto(endpoint, colon - 1), t, sizeof t) &&
              em_addr_read(t, (uint16_t)port, &at));
    s->scripts[s->scripts_n++] =
        play_script_new(s->net, tcp ? EM_TRANSPORT_TCP : EM_TRANSPORT_UDP, &at, &s->secrets, s->scripts);
}

static void set_want(struct stage *s, struct slice rest)
{
    s->wants[s->wants_n++] = rest;
}

static void read_line(struct stage *s, struct slice line)
{
    static const struct {
        const char *word;
        void (*set)(struct stage *s, struct slice rest);
    } heads[] = { { "probe", set_probe },
                  { "user", set_user },
                  { "password", set_password },
                  { "timeout", set_timeout },
                  { "degraded", set_degraded },
                  { "name", set_name },
                  { "at", set_at },
                  { "want", set_want },
                  { "done", set_done },
                  { "srv", set_srv },
                  { "insecure", set_insecure },
                  { "issuer", set_issuer },
                  { "relay-ports", set_relay_ports } };
    struct slice rest = line, w = word(&rest);

    if (w.n == 0 || w.p[0] == '#')
        return;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (slice_eq(w, slice_of(heads[i].word))) {
            heads[i].set(s, slice_trim(rest));
            return;
        }
    ck_assert_msg(s->scripts_n > 0, "unknown line: %.*s", SLICE_ARG(line));
    play_script_add(s->scripts[s->scripts_n - 1], line);
}

/* --- what came out ---------------------------------------------------------------------------------------------------- */

static void on_result(void *arg, const struct em_probe_result *r)
{
    struct stage *s = arg;

    ck_assert(!s->done);
    ck_assert_uint_lt(s->results_n, RESULTS_MAX);
    s->results[s->results_n++] = *r;
}

static void on_done(void *arg)
{
    struct stage *s = arg;

    ck_assert(!s->done);
    s->done = true;
    s->done_us = em_play_now(s->net);
}

static void check_number(const struct em_probe_result *r, struct slice key, struct slice value)
{
    const struct {
        const char *key;
        int64_t value;
        bool time;
    } rows[] = { { "port", r->port, false },
                 { "requests", r->requests, false },
                 { "retransmits", r->retransmits, false },
                 { "tcp-retransmits", r->tcp_retransmits, false },
                 { "sent", (int64_t)r->sent, false },
                 { "received", (int64_t)r->received, false },
                 { "rtt", r->rtt_us, true },
                 { "resolve", r->resolve_us, true },
                 { "connect", r->connect_us, true },
                 { "tls", r->tls_us, true },
                 { "stun", r->stun_us, true },
                 { "allocate", r->allocate_us, true },
                 { "relay", r->relay_us, true },
                 { "rtt-min", r->rtt_min_us, true },
                 { "rtt-max", r->rtt_max_us, true },
                 { "jitter", r->jitter_us, true },
                 { "packets", r->packets_sent, false },
                 { "back", r->packets_back, false },
                 { "in-range", r->relayed_port_in_range, false } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (slice_eq(key, slice_of(rows[i].key))) {
            uint64_t want = 0;

            if (!rows[i].time)
                ck_assert(slice_u64(&value, UINT64_MAX, &want));
            ck_assert_msg(rows[i].value == (rows[i].time ? duration(value) : (int64_t)want), "%s is %lld",
                          rows[i].key, (long long)rows[i].value);
            return;
        }
    ck_abort_msg("unknown key %.*s", SLICE_ARG(key));
}

/* "days=90", "days=-3", "days=none". */
static void check_days(const struct em_probe_result *r, struct slice want)
{
    char days[16];

    snprintf(days, sizeof days, "%d", r->certificate_days_left);
    if (r->certificate_expiry_us == 0)
        snprintf(days, sizeof days, "none");
    ck_assert_msg(slice_eq(want, slice_of(days)), "days left: %s", days);
}

static void check_pair(const struct em_probe_result *r, struct slice pair)
{
    struct slice key;

    ck_assert(slice_until(&pair, '=', &key));
    if (slice_eq(key, SLICE("mapped")))
        ck_assert_msg(slice_eq(pair, slice_of(r->mapped_address)), "mapped is %s", r->mapped_address);
    else if (slice_eq(key, SLICE("relayed")))
        ck_assert_msg(slice_eq(pair, slice_of(r->relayed_address)), "relayed is %s", r->relayed_address);
    else if (slice_eq(key, SLICE("days")))
        check_days(r, pair);
    else if (slice_eq(key, SLICE("software")))
        ck_assert_msg(slice_eq(pair, slice_of(r->software)), "software is %s", r->software);
    else
        check_number(r, key, pair);
}

static void check_want(const struct stage *s, struct slice rest)
{
    struct slice address = word(&rest), verdict = word(&rest), pair;
    const struct em_probe_result *r = NULL;

    if (slice_eq(address, SLICE("-")))
        address.n = 0;
    for (size_t i = 0; i < s->results_n; i++)
        if (slice_eq(address, slice_of(s->results[i].address)))
            r = &s->results[i];
    ck_assert_msg(r != NULL, "no result for %.*s", SLICE_ARG(address));
    ck_assert_msg(slice_eq(verdict, slice_of(em_name_of(&em_verdict_names, r->verdict))), "%s is %s: %s",
                  r->address, em_name_of(&em_verdict_names, r->verdict), r->reason);
    while ((pair = word(&rest)).n && !slice_eq(pair, SLICE(":")))
        check_pair(r, pair);
    rest = slice_trim(rest);
    ck_assert_msg(slice_find(slice_of(r->reason), rest) != SIZE_MAX, "the reason is: %s", r->reason);
    for (const char *p = r->reason; *p; p++)
        ck_assert_msg((uint8_t)*p >= ' ' && *p != 0x7F, "the reason is not safe to print: %s", r->reason);
}

static void open_stage(struct stage *s, const struct scenario *from)
{
    struct slice rest = from->text, line;

    *s = (struct stage) { .net = em_play_new(),
                          .want_done_us = -1,
                          .options = { .timeout_us = 5 * EM_US_PER_S } };
    while (slice_until(&rest, '\n', &line))
        read_line(s, line);
}

static const struct em_probe_events events = { on_result, on_done };

START_TEST(scenario)
{
    static struct stage s;
    int64_t start;

    fprintf(stderr, "# %s: %.*s\n", scenarios[_i].file, SLICE_ARG(scenarios[_i].name));
    open_stage(&s, &scenarios[_i]);
    start = em_play_now(s.net);
    ck_assert_ptr_nonnull(em_probe_start(s.net, &s.uri, &s.options, &events, &s));
    while (em_play_turn(s.net))
        ;
    ck_assert(s.done);
    ck_assert_uint_eq(s.results_n, s.wants_n);
    for (size_t i = 0; i < s.wants_n; i++)
        check_want(&s, s.wants[i]);
    if (s.want_done_us >= 0)
        ck_assert_int_eq(s.done_us - start, s.want_done_us);
    ck_assert_int_le(s.done_us - start, s.options.timeout_us);
    for (size_t i = 0; i < s.scripts_n; i++)
        play_script_finish(s.scripts[i]);
    em_net_free(s.net); /* asserts that the probe left nothing open */
}
END_TEST

/* Every scenario again, stopped after each possible number of turns: nothing is called afterwards, nothing stays open. */
START_TEST(stopped_at_any_time)
{
    static struct stage s;

    s.done = false;
    for (unsigned turns = 0; !s.done; turns++) {
        struct em_probe *p;
        size_t results;

        open_stage(&s, &scenarios[_i]);
        p = em_probe_start(s.net, &s.uri, &s.options, &events, &s);
        for (unsigned i = 0; i < turns && !s.done; i++)
            em_play_turn(s.net);
        for (size_t i = 0; i < s.scripts_n; i++)
            play_script_halt(s.scripts[i]);
        results = s.results_n;
        if (!s.done) {
            em_probe_stop(p);
            while (em_play_turn(s.net))
                ;
            ck_assert(!s.done && s.results_n == results);
        }
        for (size_t i = 0; i < s.scripts_n; i++)
            play_script_finish(s.scripts[i]);
        em_net_free(s.net);
    }
}
END_TEST

struct stopper {
    struct em_probe *probe;
    unsigned results;
};

static void stop_on_result(void *arg, const struct em_probe_result *r)
{
    struct stopper *s = arg;

    (void)r;
    s->results++;
    em_probe_stop(s->probe);
}

static void never_done(void *arg)
{
    (void)arg;
    ck_abort_msg("called after stop");
}

START_TEST(stopped_in_its_own_callback)
{
    static const struct em_probe_events stopping = { stop_on_result, never_done };
    struct em_net *net = em_play_new();
    struct stopper s = { 0 };
    struct em_addr addrs[2] = { 0 };
    struct em_probe_uri uri;
    struct em_probe_options options = { .timeout_us = EM_US_PER_S };

    em_addr_read("192.0.2.1", 0, &addrs[0]);
    em_addr_read("192.0.2.2", 0, &addrs[1]);
    em_play_name(net, "edge", addrs, 2, NULL);
    ck_assert_int_eq(em_probe_uri_read("stun:edge", &uri, NULL), 0);
    s.probe = em_probe_start(net, &uri, &options, &stopping, &s);
    while (em_play_turn(net))
        ;
    ck_assert_uint_eq(s.results, 1);
    em_net_free(net);
}
END_TEST

static void load(const char *file)
{
    size_t n;
    struct slice rest = { em_slurp(file, &n), 0 }, line; /* kept for the life of the program */
    struct scenario *now = NULL;

    rest.n = n;
    while (slice_until(&rest, '\n', &line)) {
        struct slice name = line;

        if (slice_skip(&name, SLICE("scenario "))) {
            if (scenarios_n == SCENARIOS_MAX)
                abort();
            now = &scenarios[scenarios_n++];
            *now = (struct scenario) { file, name, { rest.p, 0 } };
        } else if (now) {
            now->text.n = (size_t)(line.p + line.n + 1 - now->text.p);
        }
    }
}

int main(void)
{
    TCase *t = em_case("replay");

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        load(files[i]);
    tcase_add_loop_test(t, scenario, 0, scenarios_n);
    tcase_add_loop_test(t, stopped_at_any_time, 0, scenarios_n);
    tcase_add_test(t, stopped_in_its_own_callback);
    return em_run();
}
