/* SPDX-License-Identifier: GPL-3.0-or-later
 * Probes over the real loopback: far ends that are silent, refuse, reset or speak something else, deadlines that hold, and five hundred
 * probes at once that leave the loop responsive. */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "probe/probe.h"
#include "probe/schedule.h"

enum {
    TIMEOUT_MS = 300,
    LATE_MS = 100,
    CROWD = 500,
    CROWD_AT_ONCE = 100,
    STALL_MS = 50,
    SANITIZED_TIMES = 5
};

static struct event_base *base;
static struct em_net *net;

static void setup(void)
{
    base = event_base_new();
    net = em_net_event_new(base, NULL);
    ck_assert_ptr_nonnull(net);
}

static void teardown(void)
{
    em_net_free(net);
    event_base_free(base);
}

static int64_t now(void)
{
    return em_mono_us(&em_clock_system);
}

/* --- far ends --------------------------------------------------------------------------------------------------------- */

enum behaviour { SILENT, RESETS, CLOSES, HTTP };

struct server {
    enum behaviour behaviour;
    struct em_listener *listener;
    struct em_addr at;
    struct em_conn *peer;
};

static void on_request(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    struct server *s = arg;

    (void)p;
    (void)n;
    (void)from;
    if (s->behaviour == SILENT)
        return;
    if (s->behaviour == HTTP)
        em_conn_send(s->peer, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    em_conn_close(s->peer, s->behaviour == RESETS);
    s->peer = NULL;
}

static void on_gone(void *arg)
{
    struct server *s = arg;

    em_conn_close(s->peer, false);
    s->peer = NULL;
}

static void on_broken(void *arg, const struct em_net_error *e)
{
    (void)e;
    on_gone(arg);
}

static void accepted(void *arg, struct em_conn *c, const struct em_addr *from)
{
    static const struct em_conn_events events = { NULL, on_request, on_gone, on_broken };
    struct server *s = arg;

    (void)from;
    s->peer = c;
    em_conn_take(c, &events, s);
}

static void swallow(void *arg, struct em_listener *l, const uint8_t *p, size_t n, const struct em_addr *from)
{
    (void)arg;
    (void)l;
    (void)p;
    (void)n;
    (void)from;
}

static void start_server(struct server *s, enum em_transport transport, enum behaviour behaviour)
{
    static const struct em_listen_events events = { accepted, swallow };
    struct em_addr any;

    ck_assert(em_addr_read("127.0.0.1", 0, &any));
    *s = (struct server) { .behaviour = behaviour };
    s->listener = em_net_listen(net, transport, &any, &events, s, NULL);
    ck_assert_ptr_nonnull(s->listener);
    em_listener_local(s->listener, &s->at);
}

static void stop_server(struct server *s)
{
    em_conn_close(s->peer, true);
    em_listener_close(s->listener);
}

/* --- one probe ---------------------------------------------------------------------------------------------------------- */

struct run {
    struct em_probe_result result;
    size_t results;
    bool done;
    int64_t took_us;
};

static void on_result(void *arg, const struct em_probe_result *r)
{
    struct run *run = arg;

    run->result = *r;
    run->results++;
}

static void on_done(void *arg)
{
    ((struct run *)arg)->done = true;
    event_base_loopbreak(base);
}

static struct run probe(const char *scheme, const struct em_addr *at)
{
    static const struct em_probe_events events = { on_result, on_done };
    struct em_probe_options options = { .timeout_us = TIMEOUT_MS * EM_US_PER_MS };
    struct em_probe_uri uri;
    struct run run = { 0 };
    char text[EM_URI_MAX];
    int64_t start = now();

    snprintf(text, sizeof text, "%s:127.0.0.1:%u", scheme, em_addr_port(at));
    ck_assert_int_eq(em_probe_uri_read(text, &uri, NULL), 0);
    ck_assert_ptr_nonnull(em_probe_start(net, &uri, &options, &events, &run));
    event_base_dispatch(base);
    run.took_us = now() - start;
    ck_assert(run.done);
    ck_assert_uint_eq(run.results, 1);
    return run;
}

static void check(const struct run *run, enum em_verdict verdict, bool at_deadline)
{
    ck_assert_msg(run->result.verdict == verdict, "%s: %s",
                  em_name_of(&em_verdict_names, run->result.verdict), run->result.reason);
    ck_assert_int_le(run->took_us, (TIMEOUT_MS + LATE_MS) * EM_US_PER_MS);
    if (at_deadline)
        ck_assert_int_ge(run->took_us, TIMEOUT_MS * EM_US_PER_MS);
}

START_TEST(a_dead_udp_port_ends_at_the_timeout)
{
    struct server s;
    struct run run;

    start_server(&s, EM_TRANSPORT_UDP, SILENT);
    run = probe("stun", &s.at);
    check(&run, EM_VERDICT_FILTERED, true);
    ck_assert_uint_eq(run.result.requests, 1);
    stop_server(&s);
}
END_TEST

START_TEST(tcp_far_ends)
{
    static const struct {
        enum behaviour behaviour;
        enum em_verdict verdict;
        bool at_deadline;
    } rows[] = {
        { SILENT, EM_VERDICT_SILENT, true }, /* the kernel acknowledges, nobody answers */
        { RESETS, EM_VERDICT_RESET, false },
        { CLOSES, EM_VERDICT_PROTOCOL_ERROR, false },
        { HTTP, EM_VERDICT_INTERCEPTED, false },
    };
    struct server s;
    struct run run;

    start_server(&s, EM_TRANSPORT_TCP, rows[_i].behaviour);
    run = probe("tcp", &s.at);
    check(&run, rows[_i].verdict, rows[_i].at_deadline);
    ck_assert_int_gt(run.result.connect_us, 0);
    stop_server(&s);
}
END_TEST

START_TEST(nobody_listens)
{
    struct server s;
    struct run run;

    start_server(&s, _i ? EM_TRANSPORT_TCP : EM_TRANSPORT_UDP, SILENT);
    stop_server(&s);
    run = probe(_i ? "tcp" : "udp", &s.at);
    check(&run, EM_VERDICT_REFUSED, false);
    ck_assert_ptr_nonnull(
        strstr(run.result.reason, _i ? "TCP reset" : "ICMP port unreachable from 127.0.0.1"));
}
END_TEST

/* --- many ---------------------------------------------------------------------------------------------------------------- */

struct crowd {
    struct em_schedule *schedule;
    struct em_probe_uri uri;
    struct member {
        struct crowd *crowd;
        struct em_job *job;
    } members[CROWD];
    size_t ended;
    struct em_timer *tick;
    int64_t ticked_us, longest_us;
};

/* Stands for everything else that the loop has to do. */
static void on_tick(void *arg)
{
    struct crowd *c = arg;
    int64_t gap = now() - c->ticked_us;

    c->longest_us = gap > c->longest_us ? gap : c->longest_us;
    c->ticked_us = now();
    em_timer_at(c->tick, c->ticked_us + EM_US_PER_MS);
}

static void on_member_result(void *arg, const struct em_probe_result *r)
{
    (void)arg;
    ck_assert_int_eq(r->verdict, EM_VERDICT_FILTERED);
}

static void on_member_done(void *arg)
{
    struct member *m = arg;

    em_job_remove(m->job);
    if (++m->crowd->ended == CROWD)
        event_base_loopbreak(base);
}

static void on_member_start(void *arg)
{
    static const struct em_probe_events events = { on_member_result, on_member_done };
    struct member *m = arg;
    struct em_probe_options options = { .timeout_us = TIMEOUT_MS * EM_US_PER_MS };

    ck_assert_ptr_nonnull(em_probe_start(net, &m->crowd->uri, &options, &events, m));
}

/* The longest that the loop was away while all of them were probed. */
static int64_t run_crowd(const struct em_addr *at)
{
    static struct crowd c;
    char text[EM_URI_MAX];

    c = (struct crowd) { 0 };
    snprintf(text, sizeof text, "stun:127.0.0.1:%u", em_addr_port(at));
    ck_assert_int_eq(em_probe_uri_read(text, &c.uri, NULL), 0);
    c.schedule = em_schedule_new(net, CROWD_AT_ONCE);
    c.tick = em_timer_new(net, on_tick, &c);
    for (size_t i = 0; i < CROWD; i++) {
        c.members[i].crowd = &c;
        c.members[i].job = em_job_add(c.schedule, 60 * EM_US_PER_S, 0, 0, on_member_start, &c.members[i]);
    }
    c.ticked_us = now();
    on_tick(&c);
    event_base_dispatch(base);
    ck_assert_uint_eq(c.ended, CROWD);
    fprintf(stderr, "# %d probes: the loop was away for %.1f ms at most\n", CROWD,
            (double)c.longest_us / EM_US_PER_MS);
    em_timer_free(c.tick);
    em_schedule_free(c.schedule);
    return c.longest_us;
}

/* Another program may take the processor meanwhile, so the best of three counts. */
START_TEST(five_hundred_probes_do_not_stall_the_loop)
{
    int64_t bound_us = STALL_MS * EM_US_PER_MS * (EM_SANITIZED ? SANITIZED_TIMES : 1), best_us = INT64_MAX;
    struct server s;

    start_server(&s, EM_TRANSPORT_UDP, SILENT);
    for (int i = 0; i < 3 && best_us > bound_us; i++) {
        int64_t us = run_crowd(&s.at);

        best_us = us < best_us ? us : best_us;
    }
    ck_assert_int_le(best_us, bound_us);
    stop_server(&s);
}
END_TEST

int main(void)
{
    TCase *t = em_case("probe");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_dead_udp_port_ends_at_the_timeout);
    tcase_add_loop_test(t, tcp_far_ends, 0, 4);
    tcase_add_loop_test(t, nobody_listens, 0, 2);
    tcase_add_test(t, five_hundred_probes_do_not_stall_the_loop);
    return em_run();
}
