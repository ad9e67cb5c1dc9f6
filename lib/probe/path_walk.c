/* SPDX-License-Identifier: GPL-3.0-or-later
 * Where on the way packets vanish: they are sent with a time to live of 1, 2, 3 ..., so that each hop that they still reach sends them back.
 * No privilege is needed: the kernel's error queue (IP_RECVERR) tells who did.
 *
 * Two legs are walked side by side. On the tested leg goes what the rounds have found to vanish, on the other one something that passes:
 *
 * | filter, transport  | tested leg                            | compared with                               |
 * |--------------------|---------------------------------------|---------------------------------------------|
 * | port, TCP          | SYN to the port                       | SYN to the good port, if one is given       |
 * | port, UDP          | STUN to the port                      | STUN to the good port, if one is given      |
 * | content, size, TCP | handshake, then the payload           | SYN to the same port; its hops have names   |
 * | content, size, UDP | the payload                           | small STUN to the same port                 |
 * | intercepted        | SYN to the port: how far is it?       | SYN to the good port                        |
 *
 * On a connection that stands, an ICMP message is advice without a sender (the error queue stays empty): that the packet came back is known,
 * and who sent it back is who does so on the other leg.
 *
 * Hops answer few ICMP messages in a second, so a leg is walked in waves: each wave sends one packet to each hop of a batch. What vanishes
 * only now and then is sent as often as it takes to meet that with 99.8 %, WAVES_MAX times at most. The filter is before the first hop at
 * which that was met: behind it a packet may get through by luck each time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/path_part.h"
#include "probe/path_stat.h"

enum {
    TESTED,
    GOOD,
    LEGS,
    BATCH = 5,    /* hops at one time */
    TRAILING = 8, /* hops without a word, after which a leg is given up */
    WAVES = 2,    /* of what always vanishes, and of the good leg */
    WAVES_MAX = 24,
    WAVE_GAP_MS = 200,
    SPARING_GAP_MS = 1000, /* between waves of what vanishes now and then: many packets to the same hops */
    STEP_MS = 250,
    STEPS = 4, /* how long one packet is waited for */
    CONNECT_MS = 3000,
    WALK_MS = 60000, /* in all */
};
#define MEET 0.002 /* what vanishes now and then is missed this often */
#define ALWAYS 0.9 /* a share above this is no now and then */
#define LOW_DOUBT                                                                                            \
    0.16 /* the share that the rounds found is above the one that is reckoned with, but for this (a standard deviation) */

enum mode { OFF, BY_SYN, BY_DATA, BY_DATAGRAM };

struct spot { /* what packets with one time to live came to */
    uint8_t hop, arrived, reset, silent;
    char address[EM_ADDRESS_MAX];
};

struct leg {
    enum mode mode;
    uint16_t port;
    enum em_path_payload payload;
    unsigned waves;
    bool ended;
    struct spot spot[EM_PATH_HOPS_MAX + 1]; /* by time to live; [0] is not used */
};

struct step { /* one packet on its way */
    struct path_walk *walk;
    struct em_conn *conn; /* NULL: free */
    struct em_timer *timer;
    struct leg *leg;
    uint8_t ttl;
    bool connected;
    unsigned steps;
    size_t out_n;
    uint8_t out[EM_PATH_PAYLOAD_MAX];
};

struct path_walk {
    struct em_path *path;
    struct em_timer *timer; /* between waves */
    struct leg leg[LEGS];
    struct step step[LEGS * BATCH];
    uint8_t first; /* of the batch */
    unsigned wave, running;
    int64_t wave_us, deadline_us; /* when the wave began */
    bool over;
};

static struct spot *spot_of(const struct step *s)
{
    return &s->leg->spot[s->ttl];
}

/* --- one packet --------------------------------------------------------------------------------------------------------------- */

static void wave_over(struct path_walk *w);

static void end(struct step *s, uint8_t *outcome)
{
    struct path_walk *w = s->walk;

    if (outcome)
        ++*outcome;
    if (s->leg->mode == BY_DATA)
        em_conn_ttl(s->conn, 0); /* the reset must arrive */
    em_conn_close(s->conn, true);
    s->conn = NULL;
    em_timer_stop(s->timer);
    if (--w->running == 0)
        wave_over(w);
}

static void on_connected(void *arg)
{
    struct step *s = arg;

    if (s->leg->mode == BY_SYN) {
        end(s, &spot_of(s)->arrived);
        return;
    }
    s->connected = true;
    s->steps = 0;
    em_conn_ttl(s->conn, s->ttl);
    em_conn_send(s->conn, s->out, s->out_n);
    em_timer_at(s->timer, path_now(s->walk->path) + STEP_MS * EM_US_PER_MS);
}

static void on_data(void *arg, const uint8_t *p, size_t n, const struct em_addr *from)
{
    struct step *s = arg;

    (void)p;
    (void)n;
    (void)from;
    end(s, &spot_of(s)->arrived);
}

static void on_eof(void *arg)
{
    struct step *s = arg;

    end(s, &spot_of(s)->arrived);
}

static void on_error(void *arg, const struct em_net_error *e)
{
    struct step *s = arg;
    struct spot *at = spot_of(s);

    if (e->kind == EM_NET_ICMP_TTL) {
        em_addr_text(&e->offender, at->address);
        end(s, &at->hop);
    } else if (e->kind == EM_NET_LOCAL || e->kind == EM_NET_TIMED_OUT || e->kind == EM_NET_ICMP_TOO_BIG) {
        end(s, e->kind == EM_NET_TIMED_OUT ? &at->silent : NULL);
    } else if (s->leg->mode == BY_DATA) {
        end(s, s->connected ? &at->reset : NULL);
    } else if (e->kind == EM_NET_REFUSED_RST || e->kind == EM_NET_ICMP_PORT) {
        end(s, &at->arrived);
    } else { /* a filter says its name */
        em_addr_text(&e->offender, at->address);
        end(s, &at->reset);
    }
}

/* What TCP knows of the payload: acknowledged, sent back, or nothing yet. */
static uint8_t *data_outcome(struct step *s)
{
    struct em_tcp_info info;

    em_conn_info(s->conn, &info);
    if (info.valid && info.bytes_acked >= s->out_n)
        return &spot_of(s)->arrived;
    return info.soft_error == EHOSTUNREACH ? &spot_of(s)->hop : NULL;
}

static void on_step(void *arg)
{
    struct step *s = arg;
    uint8_t *outcome;

    if (s->leg->mode == BY_DATA && !s->connected) {
        end(s, NULL);
        return;
    }
    outcome = s->leg->mode == BY_DATA ? data_outcome(s) : NULL;
    if (outcome || ++s->steps >= STEPS)
        end(s, outcome ? outcome : &spot_of(s)->silent);
    else
        em_timer_at(s->timer, path_now(s->walk->path) + STEP_MS * EM_US_PER_MS);
}

static void send_step(struct step *s, struct leg *leg, uint8_t ttl)
{
    static const struct em_conn_events events = {
        .connected = on_connected, .data = on_data, .eof = on_eof, .error = on_error
    };
    struct em_path *p = s->walk->path;
    struct em_open how = { .transport = p->conf.transport,
                           .remote = p->conf.address,
                           .source_ports = p->conf.source_ports,
                           .ttl = leg->mode == BY_DATA ? 0 : ttl };
    uint8_t random[EM_PATH_PAYLOAD_MAX];
    struct buf b = buf_over(s->out, sizeof s->out);

    em_random(p->clock, random, sizeof random);
    em_path_write(leg->payload, p->conf.transport, random, &b);
    em_addr_set_port(&how.remote, leg->port);
    s->leg = leg;
    s->ttl = ttl;
    s->connected = false;
    s->steps = 0;
    s->out_n = b.n;
    if (!(s->conn = em_net_open(p->net, &how, &events, s)))
        return;
    s->walk->running++;
    if (leg->mode == BY_DATAGRAM)
        em_conn_send(s->conn, s->out, s->out_n);
    em_timer_at(s->timer, path_now(p) + (leg->mode == BY_DATA ? CONNECT_MS : STEP_MS) * EM_US_PER_MS);
}

/* --- what it comes to --------------------------------------------------------------------------------------------------------- */

/* Some packets with this time to live came back or arrived, and others vanished. A router that never says anything is none of these. */
static bool now_and_then(const struct leg *leg, unsigned ttl)
{
    const struct spot *at = &leg->spot[ttl];

    return leg->waves > WAVES && at->silent && (at->hop || at->arrived);
}

/* Packets with this time to live come back or arrive: all of them, where they vanish only now and then. */
static bool seen(const struct leg *leg, unsigned ttl)
{
    const struct spot *at = &leg->spot[ttl];

    return (at->hop || at->arrived) && !at->reset && !now_and_then(leg, ttl);
}

static unsigned first_arrival(const struct leg *leg)
{
    for (unsigned ttl = 1; ttl <= EM_PATH_HOPS_MAX; ttl++)
        if (leg->spot[ttl].arrived)
            return ttl;
    return 0;
}

static unsigned last_seen(const struct leg *leg)
{
    unsigned last = 0;

    for (unsigned ttl = 1; ttl <= EM_PATH_HOPS_MAX && !now_and_then(leg, ttl) && !leg->spot[ttl].reset; ttl++)
        if (seen(leg, ttl))
            last = ttl;
    return last;
}

static const char *address_of(const struct path_walk *w, unsigned ttl)
{
    const char *own = w->leg[TESTED].spot[ttl].address;

    return *own ? own : w->leg[GOOD].spot[ttl].address;
}

static enum em_path_end end_of(const struct leg *leg, unsigned ttl)
{
    const struct spot *at = &leg->spot[ttl];

    if (at->reset)
        return EM_PATH_END_RESET;
    if (at->silent && leg->waves > WAVES)
        return EM_PATH_END_SILENT; /* now and then */
    return at->arrived  ? EM_PATH_END_ARRIVED
           : at->hop    ? EM_PATH_END_HOP
           : at->silent ? EM_PATH_END_SILENT
                        : EM_PATH_END_NONE;
}

static unsigned rows_of(const struct leg *leg)
{
    return leg->mode == OFF ? 0 : first_arrival(leg) ? first_arrival(leg) : last_seen(leg) + 1;
}

/* Rows up to the far end, or to one behind the last hop of which anything is known. */
static void list_hops(const struct path_walk *w, struct em_path_result *r)
{
    unsigned tested = rows_of(&w->leg[TESTED]), good = rows_of(&w->leg[GOOD]),
             last = tested > good ? tested : good;

    for (unsigned ttl = 1; ttl <= last && ttl <= EM_PATH_HOPS_MAX; ttl++) {
        struct em_path_hop *hop = &r->hop[r->hops_n++];

        hop->ttl = (uint8_t)ttl;
        hop->tested = end_of(&w->leg[TESTED], ttl);
        hop->good = end_of(&w->leg[GOOD], ttl);
        snprintf(hop->address, sizeof hop->address, "%s", address_of(w, ttl));
        if (!*hop->address && (hop->tested == EM_PATH_END_ARRIVED || hop->good == EM_PATH_END_ARRIVED))
            em_addr_text(&w->path->conf.address, hop->address);
    }
}

/* Something nearer than the far end took the connection. */
static bool locate_proxy(const struct path_walk *w, struct em_path_result *r)
{
    unsigned tested = first_arrival(&w->leg[TESTED]), good = first_arrival(&w->leg[GOOD]);

    if (tested == 0 || good <= tested)
        return false;
    r->after_ttl = (uint8_t)(tested - 1);
    return true;
}

static bool locate_drop(const struct path_walk *w, struct em_path_result *r)
{
    const struct leg *tested = &w->leg[TESTED], *good = &w->leg[GOOD];
    unsigned last = last_seen(tested);
    bool compared = good->mode != OFF;

    if (seen(tested, last) && tested->spot[last].arrived)
        return false; /* it got through */
    if (compared ? last_seen(good) <= last : last == 0)
        return false; /* nothing passes either, or nobody says anything */
    r->after_ttl = (uint8_t)last;
    return true;
}

/* Who takes connections over is the hop behind the last one that sent something back; the good leg has its name. */
static void where_text(const struct path_walk *w, const struct em_path_result *r, char *to, size_t size)
{
    bool taken = r->judgement.verdict == EM_VERDICT_INTERCEPTED;
    unsigned ttl = taken ? r->after_ttl + 1u : r->after_ttl;
    const char *address = taken ? w->leg[GOOD].spot[ttl].address : r->after;
    const char *what = taken                                      ? "taken over at"
                       : r->judgement.verdict == EM_VERDICT_RESET ? "reset after"
                                                                  : "dropped after";

    if (ttl == 0)
        snprintf(to, size, "; %s before or by the first hop",
                 r->judgement.verdict == EM_VERDICT_RESET ? "reset" : "dropped");
    else if (*address)
        snprintf(to, size, "; %s hop %u (%s)", what, ttl, address);
    else
        snprintf(to, size, "; %s hop %u", what, ttl);
}

/* The hop is worth more than the end of the sentence before it. */
static void say_where(const struct path_walk *w, struct em_path_result *r)
{
    char where[EM_ADDRESS_MAX + 48], *reason = r->judgement.reason;
    size_t room, n = strlen(reason);

    where_text(w, r, where, sizeof where);
    room = sizeof r->judgement.reason - strlen(where) - 1;
    snprintf(reason + (n < room ? n : room), strlen(where) + 1, "%s", where);
}

static void conclude(struct path_walk *w)
{
    struct em_path_result *r = &w->path->result;

    list_hops(w, r);
    r->located = r->judgement.verdict == EM_VERDICT_INTERCEPTED ? locate_proxy(w, r) : locate_drop(w, r);
    if (r->located) {
        snprintf(r->after, sizeof r->after, "%s", r->after_ttl ? address_of(w, r->after_ttl) : "");
        say_where(w, r);
    }
    w->over = true;
    path_soon(w->path);
}

/* --- waves and batches ---------------------------------------------------------------------------------------------------------- */

/* Whether another packet to there would tell more. */
static bool wanted(const struct path_walk *w, const struct leg *leg, unsigned ttl)
{
    if (leg->mode == OFF || leg->ended || ttl > EM_PATH_HOPS_MAX || w->wave >= leg->waves)
        return false;
    if (leg->waves <= WAVES)
        return w->wave == 0 || !seen(leg, ttl);
    for (unsigned k = 1; k <= ttl; k++)
        if (now_and_then(leg, k))
            return w->wave == 0; /* it is known to vanish here, or before */
    return true;
}

static bool send_wave(struct path_walk *w)
{
    size_t n = 0;

    w->wave_us = path_now(w->path);
    for (size_t i = 0; i < LEGS; i++)
        for (unsigned k = 0; k < BATCH; k++)
            if (wanted(w, &w->leg[i], w->first + k))
                send_step(&w->step[n++], &w->leg[i], (uint8_t)(w->first + k));
    return w->running > 0;
}

/* Nothing is to be expected from further hops. */
static bool leg_ended(const struct path_walk *w, const struct leg *leg, unsigned last)
{
    unsigned other = first_arrival(&w->leg[GOOD]);

    if (leg->mode == OFF || last >= EM_PATH_HOPS_MAX)
        return true;
    for (unsigned ttl = 1; ttl <= last; ttl++)
        if (leg->spot[ttl].arrived || leg->spot[ttl].reset)
            return true;
    return (other && other <= last) || last_seen(leg) + TRAILING <= last;
}

static void next_batch(struct path_walk *w)
{
    unsigned last = w->first + BATCH - 1;
    bool all = true;

    for (size_t i = 0; i < LEGS; i++)
        all &= w->leg[i].ended = leg_ended(w, &w->leg[i], last);
    w->first = (uint8_t)(last + 1);
    w->wave = 0;
    if (all || path_now(w->path) >= w->deadline_us || !send_wave(w))
        conclude(w);
}

static void on_wave(void *arg)
{
    struct path_walk *w = arg;

    if (!send_wave(w))
        next_batch(w);
}

static void wave_over(struct path_walk *w)
{
    bool sparing = w->leg[TESTED].waves > WAVES;
    int64_t next_us = w->wave_us + SPARING_GAP_MS * EM_US_PER_MS, now_us = path_now(w->path);

    w->wave++;
    em_timer_at(w->timer, sparing && next_us > now_us ? next_us : now_us + WAVE_GAP_MS * EM_US_PER_MS);
}

/* --- beginning and end ---------------------------------------------------------------------------------------------------------- */

/* The payload of the group that fared worst. */
static enum em_path_payload worst_payload(const struct em_path *p)
{
    double worst = -1;
    size_t which = EM_PATH_STUN;

    for (size_t i = EM_PATH_HANDSHAKE + 1; i < EM_PATH_PAYLOADS; i++) {
        const struct em_path_counts *c = &p->result.table.payload[i];
        double share = c->tries ? 1 - (double)c->answered / c->tries : 0;

        if ((p->result.judgement.group & 1u << i) && i != EM_PATH_MEDIA && c->tries && share > worst) {
            worst = share;
            which = i;
        }
    }
    return (enum em_path_payload)which;
}

/* The rounds may have met by luck more than there is: the share is taken for less, so that the walk still meets it. */
static unsigned waves_for(const struct em_path_result *r)
{
    double share = r->judgement.share, low;
    uint32_t hits, tries, n;

    if (r->judgement.verdict == EM_VERDICT_INTERCEPTED || share <= 0 || share >= ALWAYS)
        return WAVES;
    em_path_hits(&r->table, r->judgement.group, &hits, &tries);
    low = em_stat_lower(hits, tries, LOW_DOUBT);
    n = em_stat_tries(low < share ? low : share, MEET);
    return n > WAVES_MAX ? WAVES_MAX : n <= WAVES ? WAVES + 1 : n;
}

static void plan_legs(struct path_walk *w)
{
    const struct em_path *p = w->path;
    const struct em_path_judgement *j = &p->result.judgement;
    uint16_t port = em_addr_port(&p->conf.address), other = p->conf.good_port;
    bool tcp = path_tcp(p), whole = j->filter == EM_PATH_PORT || j->verdict == EM_VERDICT_INTERCEPTED;
    struct leg *tested = &w->leg[TESTED], *good = &w->leg[GOOD];

    tested->mode = !tcp ? BY_DATAGRAM : whole ? BY_SYN : BY_DATA;
    tested->port = port;
    tested->payload = whole ? EM_PATH_STUN : worst_payload(p);
    tested->waves = waves_for(&p->result);
    good->mode = whole && !other ? OFF : tcp ? BY_SYN : BY_DATAGRAM;
    good->port = whole ? other : port;
    good->payload = EM_PATH_STUN;
    good->waves = WAVES;
}

static bool steps_new(struct path_walk *w)
{
    for (size_t i = 0; i < LEGS * BATCH; i++) {
        w->step[i].walk = w;
        if (!(w->step[i].timer = em_timer_new(w->path->net, on_step, &w->step[i])))
            return false;
    }
    return true;
}

bool path_walk_begin(struct em_path *p)
{
    struct path_walk *w = calloc(1, sizeof *w);

    p->walk = w;
    if (!w)
        return false;
    w->path = p;
    w->first = 1;
    w->deadline_us = path_now(p) + WALK_MS * EM_US_PER_MS;
    plan_legs(w);
    if (!(w->timer = em_timer_new(p->net, on_wave, w)) || !steps_new(w)) {
        path_walk_stop(p);
        return false;
    }
    em_timer_at(w->timer, path_now(p));
    return true;
}

bool path_walk_over(const struct em_path *p)
{
    return p->walk->over;
}

void path_walk_stop(struct em_path *p)
{
    struct path_walk *w = p->walk;

    if (!w)
        return;
    for (size_t i = 0; i < LEGS * BATCH; i++) {
        em_conn_close(w->step[i].conn, true);
        em_timer_free(w->step[i].timer);
    }
    em_timer_free(w->timer);
    free(w);
    p->walk = NULL;
}
