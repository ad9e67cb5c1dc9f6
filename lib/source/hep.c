/* SPDX-License-Identifier: GPL-3.0-or-later
 * Type hep: capture agents send what they see, as HEP of version 3 over UDP and TCP, or over TLS, to one port. Messages are gathered for COMMIT_US, or until there
 * are BATCH bytes of them, and committed together. There is no place to go on at: nobody answers to HEP, and what an agent sent
 * while nobody listened is lost. So while the database cannot be written, messages wait in memory, TCP clients are not read, and
 * what does not fit is dropped and said. */
#include "source/hep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "evidence/hep.h"
#include "source/intake.h"
#include "source/listen_tls.h"

enum {
    CLIENTS_MAX = 64,
    BUFFER_MAX =
        HEP_MAX + EM_CONN_READ_MAX + 1, /* of a client: a packet that is not whole, and what came at once */
    BATCH = 256 * 1024,
    WAITING_MAX = 4 * 1024 * 1024, /* bytes of text that are not committed yet */
    COMMIT_US = 100 * 1000,
    LISTEN_AGAIN_US = 2 * 1000 * 1000,
};

struct client {
    struct hep_source *of;
    struct em_conn *conn;
    struct em_addr from;
    struct buf bytes; /* of a packet that is not whole */
    uint64_t
        heard; /* number of the last of all packets when it sent something: who is lowest was silent for longest */
};

struct hep_source {
    struct em_source_env env;
    char name[EM_NAME_MAX], location[EM_URI_MAX];
    struct em_addr at;
    struct em_listen_tls tls;
    struct em_listener *udp, *tcp; /* udp: NULL with TLS */
    struct em_timer *timer;        /* for the next commit, or the next try to listen */
    struct em_intake in;
    struct buf text;
    struct em_reader_stats bad; /* of packets that did not become text */
    struct client *client[CLIENTS_MAX];
    size_t clients_n;
    uint64_t packets, dropped;
    bool timed;
    char error[EM_REASON_MAX];
};

static void later(struct hep_source *s, int64_t us)
{
    if (s->timed)
        return;
    s->timed = true;
    em_timer_at(s->timer, em_mono_us(em_net_clock(s->env.net)) + us);
}

static void pause_all(struct hep_source *s, bool paused)
{
    for (size_t i = 0; i < s->clients_n; i++)
        em_conn_pause(s->client[i]->conn, paused);
}

/* --- into the store ------------------------------------------------------------------------------------------------ */

static void commit(struct hep_source *s)
{
    bool failing = s->in.failing;

    if (s->text.n == 0 && s->bad.messages == 0)
        return;
    if (em_intake_begin(&s->in) == 0) {
        if (s->text.n > 0)
            (void)em_intake_text(&s->in, s->location, s->text.p, s->text.n);
        (void)em_intake_count(&s->in, &s->bad);
    }
    if (em_intake_end(&s->in) == 0) {
        buf_reset(&s->text);
        s->bad = (struct em_reader_stats) { 0 };
        s->dropped = 0;
    } else {
        later(s, EM_INTAKE_RETRY_US);
    }
    if (failing != s->in.failing)
        pause_all(s, s->in.failing);
    s->env.changed(s->env.arg);
}

/* --- packets ------------------------------------------------------------------------------------------------------- */

static void complain(struct hep_source *s, const struct em_addr *from, size_t n, const char *what)
{
    char endpoint[EM_ENDPOINT_MAX];

    em_addr_endpoint(from, endpoint);
    snprintf(s->error, sizeof s->error, "a packet from %s is not read: %s", endpoint, what);
    s->bad.bytes += n;
    s->bad.messages++;
    s->bad.malformed++;
}

static void packet(struct hep_source *s, const uint8_t *p, size_t n, const struct em_addr *from)
{
    struct hep h;
    enum hep_fault fault = hep_read(p, n, &h);
    size_t before = s->text.n;

    s->packets++;
    if (fault != HEP_FINE) {
        complain(s, from, n, hep_fault_text(fault));
    } else if (WAITING_MAX - before < h.payload.n + SEEN_LINE_MAX + 8) {
        s->dropped++; /* the database is failing, and says so */
    } else if (!hep_text(&h, &s->text)) {
        complain(s, from, n, "what it calls SIP has no start line");
    } else if (s->text.full) {
        s->text.n = before;
        s->text.full = false;
        s->dropped++;
    } else if (s->text.n > before) {
        s->error[0] = '\0';
    }
    if (s->text.n == 0 && s->bad.messages == 0)
        return;
    if (s->text.n >= BATCH && !s->in.failing)
        commit(s);
    else
        later(s, COMMIT_US);
}

static void on_datagram(void *arg, struct em_listener *l, const uint8_t *p, size_t n,
                        const struct em_addr *from)
{
    (void)l;
    packet(arg, p, n, from);
}

/* --- TCP ----------------------------------------------------------------------------------------------------------- */

static void drop(struct client *c)
{
    struct hep_source *s = c->of;

    for (size_t i = 0; i < s->clients_n; i++)
        if (s->client[i] == c)
            s->client[i--] = s->client[--s->clients_n];
    em_conn_close(c->conn, false);
    buf_fini(&c->bytes);
    free(c);
}

/* Takes whole packets off the front. False: what follows is none, and cannot be passed over. */
static bool take_packets(struct client *c, const uint8_t *p, size_t n, size_t *used)
{
    enum hep_fault why = HEP_FINE;

    for (*used = 0; *used < n;) {
        int length = hep_length(p + *used, n - *used, &why);

        if (length < 0) {
            complain(c->of, &c->from, n - *used, hep_fault_text(why));
            later(c->of, COMMIT_US);
            return false;
        }
        if (length == 0 || (size_t)length > n - *used)
            break;
        packet(c->of, p + *used, (size_t)length, &c->from);
        *used += (size_t)length;
    }
    return true;
}

static void on_data(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    struct client *c = arg;
    size_t used;
    bool good;

    (void)from;
    c->heard = c->of->packets + 1;
    if (c->bytes.n > 0) {
        buf_bytes(&c->bytes, p, n);
        p = c->bytes.p;
        n = c->bytes.n;
    }
    good = !c->bytes.full && take_packets(c, p, n, &used);
    if (!good) {
        drop(c);
        return;
    }
    if (c->bytes.n == 0) {
        buf_bytes(&c->bytes, p + used, n - used);
    } else {
        memmove(c->bytes.p, c->bytes.p + used, n - used);
        c->bytes.n = n - used;
    }
}

static void on_eof(void *arg)
{
    struct client *c = arg;

    if (c->bytes.n > 0) {
        complain(c->of, &c->from, c->bytes.n, "the connection ended within it");
        later(c->of, COMMIT_US);
    }
    drop(c);
}

static void on_error(void *arg, const struct em_net_error *e)
{
    struct client *c = arg;
    struct hep_source *s = c->of;
    struct em_addr from = c->from;
    struct em_tls_info info;

    em_conn_tls(c->conn, &info);
    on_eof(arg);
    if (e->kind == EM_NET_TLS && !info.secured)
        em_listen_tls_untrusted(&s->tls, &s->env, s->name, &from, info.failure, s->error);
}

static const struct em_conn_events conn_events = { .data = on_data, .eof = on_eof, .error = on_error };

/* Agents stay connected while they have nothing to say, so nobody is sent away but for another one. */
static void make_room(struct hep_source *s)
{
    struct client *oldest = s->client[0];

    if (s->clients_n < CLIENTS_MAX)
        return;
    for (size_t i = 1; i < s->clients_n; i++)
        if (s->client[i]->heard < oldest->heard)
            oldest = s->client[i];
    drop(oldest);
}

static void on_accepted(void *arg, struct em_conn *conn, const struct em_addr *from)
{
    struct hep_source *s = arg;
    struct client *c = calloc(1, sizeof *c);

    if (!c) {
        em_conn_close(conn, true);
        return;
    }
    make_room(s);
    *c = (struct client) {
        .of = s, .conn = conn, .from = *from, .bytes = buf_heap(BUFFER_MAX), .heard = s->packets
    };
    s->client[s->clients_n++] = c;
    if (s->tls.serve)
        em_conn_take_tls(conn, s->tls.serve, &conn_events, c);
    else
        em_conn_take(conn, &conn_events, c);
    if (s->in.failing)
        em_conn_pause(conn, true);
}

/* --- the source ---------------------------------------------------------------------------------------------------- */

static const struct em_listen_events listen_events = { .accepted = on_accepted, .datagram = on_datagram };

static bool listen_at_all(struct hep_source *s, struct em_why *why)
{
    if (em_listen_tls_open(&s->tls, s->name, why) != 0)
        return false;
    if (!s->tls.serve &&
        !(s->udp = em_net_listen(s->env.net, EM_TRANSPORT_UDP, &s->at, &listen_events, s, why)))
        return false;
    s->tcp = em_net_listen(s->env.net, EM_TRANSPORT_TCP, &s->at, &listen_events, s, why);
    return s->tcp != NULL;
}

static void start_listening(struct hep_source *s)
{
    struct em_why why;

    if (listen_at_all(s, &why)) {
        s->error[0] = '\0';
        return;
    }
    em_listener_close(s->udp);
    s->udp = NULL;
    if (strcmp(s->error, why.text) != 0)
        em_log_error("source %s: %s", s->name, why.text);
    slice_copy(slice_of(why.text), s->error, sizeof s->error);
    later(s, LISTEN_AGAIN_US);
}

static void on_timer(void *arg)
{
    struct hep_source *s = arg;

    s->timed = false;
    if (!s->tcp) {
        start_listening(s);
        s->env.changed(s->env.arg);
    } else {
        commit(s);
    }
}

static void hep_stop(void *source)
{
    struct hep_source *s = source;

    if (!s)
        return;
    em_listener_close(s->udp);
    em_listener_close(s->tcp);
    while (s->clients_n > 0)
        drop(s->client[0]);
    em_listen_tls_close(&s->tls);
    commit(s);
    em_timer_free(s->timer);
    buf_fini(&s->text);
    free(s);
}

static int hep_start(const struct em_source_env *env, const struct em_source_conf *conf, void **source,
                     struct em_why *why)
{
    struct hep_source *s = calloc(1, sizeof *s);

    if (!s || !(s->timer = em_timer_new(env->net, on_timer, s))) {
        free(s);
        return em_fail(why, EM_ERR_MEMORY, "source %s: no memory", conf->name);
    }
    s->env = *env;
    s->at = conf->listen;
    s->tls.files = conf->tls;
    s->text = buf_heap(WAITING_MAX);
    slice_copy(slice_of(conf->name), s->name, sizeof s->name);
    em_addr_endpoint(&s->at, s->location);
    em_intake_init(&s->in, &s->env, s->name);
    s->in.plain = true;
    start_listening(s);
    *source = s;
    return 0;
}

static void hep_row(const void *source, struct em_source_row *row)
{
    const struct hep_source *s = source;

    slice_copy(slice_of(s->location), row->location, sizeof row->location);
    slice_copy(slice_of(s->error), row->error, sizeof row->error);
    row->lag_bytes = s->text.n;
    row->state = s->packets ? EM_SOURCE_CAUGHT_UP : EM_SOURCE_STARTING;
    if (!s->tcp || s->in.failing)
        row->state = EM_SOURCE_FAILED;
    if (s->dropped)
        snprintf(row->error, sizeof row->error,
                 "the database cannot be written, and %llu packets did not find room in memory",
                 (unsigned long long)s->dropped);
    else if (s->in.failing)
        slice_copy(slice_of(s->in.why.text), row->error, sizeof row->error);
}

static const char *hep_failure(const void *source)
{
    return em_intake_failure(&((const struct hep_source *)source)->in);
}

const struct em_source_kind em_hep_kind = { EM_SOURCE_HEP, hep_start, hep_stop, hep_row, hep_failure };
