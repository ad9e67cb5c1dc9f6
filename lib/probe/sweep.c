/* SPDX-License-Identifier: GPL-3.0-or-later
 * The sweep itself: begins conversations at its pace, wakes those whose time is over, and counts what they come to. */
#include <stdlib.h>
#include <string.h>

#include "probe/sweep_part.h"

enum {
    STALL_US = 1000,       /* every conversation silent for this long: more may be begun */
    REST_US = 50000,       /* without sockets: until the next look, unless something ends before */
    BURST_US = 20000,      /* a turn that came late makes up for this much of the rate */
    IDLE_WAKE_US = 500000, /* the sweep looks around at least so often */
};

int64_t sweep_now(const struct em_sweep *s)
{
    return em_mono_us(s->clock);
}

bool sweep_tcp(const struct em_sweep *s)
{
    return s->conf.transport == EM_TRANSPORT_TCP;
}

void sweep_moved(struct em_sweep *s, int64_t now_us)
{
    s->heard_us = now_us;
}

bool em_sweep_clear(enum em_verdict v)
{
    return em_verdict_up(v) || v == EM_VERDICT_REFUSED;
}

/* --- time -------------------------------------------------------------------------------------------------------------------- */

void sweep_rtt(struct em_sweep *s, int64_t us)
{
    int64_t off;

    if (us <= 0)
        us = 1;
    if (s->least_us == 0 || us < s->least_us)
        s->least_us = us;
    if (s->srtt_us == 0) {
        s->srtt_us = us;
        s->rttvar_us = us / 2;
        return;
    }
    off = us > s->srtt_us ? us - s->srtt_us : s->srtt_us - us;
    s->rttvar_us += (off - s->rttvar_us) / 4;
    s->srtt_us += (us - s->srtt_us) / 8;
    if (s->srtt_us == 0)
        s->srtt_us = 1;
}

/* The length of a try, before it is doubled for each one that went before. */
static int64_t first_try_us(const struct em_sweep *s)
{
    int64_t floor = (sweep_tcp(s) ? EM_SWEEP_FLOOR_TCP_MS : EM_SWEEP_FLOOR_UDP_MS) * EM_US_PER_MS;
    int64_t us = s->srtt_us + 4 * s->rttvar_us;

    if (s->srtt_us == 0)
        return sweep_tcp(s) ? s->conf.timeout_us : EM_SWEEP_RTO_MS * EM_US_PER_MS;
    return us > floor ? us : floor;
}

int64_t sweep_patience(const struct em_sweep *s, const struct sweep_slot *t)
{
    int64_t us = first_try_us(s) << (t->tries - 1), left = t->began_us + s->conf.timeout_us - t->tried_us;

    return us < left ? us : left;
}

static void wheel_take(struct em_sweep *s, uint32_t lane)
{
    struct sweep_slot *t = &s->slot[lane];

    if (t->deadline_us == 0)
        return;
    if (t->before != SWEEP_NONE)
        s->slot[t->before].next = t->next;
    else
        s->wheel[(t->deadline_us >> SWEEP_TICK_SHIFT) % SWEEP_WHEEL] = t->next;
    if (t->next != SWEEP_NONE)
        s->slot[t->next].before = t->before;
    t->deadline_us = 0;
}

void sweep_deadline(struct em_sweep *s, uint32_t lane, int64_t at_us)
{
    struct sweep_slot *t = &s->slot[lane];
    uint32_t *place;

    wheel_take(s, lane);
    if (at_us >> SWEEP_TICK_SHIFT < s->wheel_tick)
        at_us = s->wheel_tick << SWEEP_TICK_SHIFT;
    place = &s->wheel[(at_us >> SWEEP_TICK_SHIFT) % SWEEP_WHEEL];
    t->deadline_us = at_us;
    t->before = SWEEP_NONE;
    t->next = *place;
    if (*place != SWEEP_NONE)
        s->slot[*place].before = lane;
    *place = lane;
    if (at_us < s->soonest_us)
        s->soonest_us = at_us;
}

/* --- one port ---------------------------------------------------------------------------------------------------------------- */

static void settle(struct em_sweep *s, uint16_t port, enum em_verdict v)
{
    s->verdict[port - s->conf.ports.first] = (uint8_t)v;
    s->result.verdicts[v]++;
    s->result.tested++;
}

/* A late answer makes the window half of what is asked now, for good; once in the time that makes an answer late, since those behind it were asked
 * before that. */
void sweep_answered(struct em_sweep *s, int64_t asked_us)
{
    int64_t now_us = sweep_now(s), late = s->conf.timeout_us / SWEEP_LATE;
    uint32_t half = s->running / 2 > EM_SWEEP_WINDOW ? s->running / 2 : EM_SWEEP_WINDOW;

    if (now_us - asked_us <= late)
        return;
    s->late_us = now_us;
    if (now_us - s->narrowed_us <= late)
        return;
    s->narrowed_us = now_us;
    if (half < s->window_max)
        s->window_max = half;
    if (half < s->window)
        s->window = half;
}

/* The far end was slow at the time: this port's answer may have stood behind those of others for too long. */
static bool proves_nothing(const struct em_sweep *s, const struct sweep_slot *t, enum em_verdict v)
{
    return (v == EM_VERDICT_SILENT || v == EM_VERDICT_FILTERED) && s->late_us >= t->began_us &&
           s->round < EM_SWEEP_ROUNDS;
}

void sweep_end(struct em_sweep *s, uint32_t lane, enum em_verdict v)
{
    struct sweep_slot *t = &s->slot[lane];

    wheel_take(s, lane);
    em_bulk_close(s->bulk, lane);
    sweep_share_free(t);
    free(t->piece);
    t->piece = NULL;
    t->phase = SWEEP_FREE;
    s->running--;
    s->rested_us = 0;
    if (proves_nothing(s, t, v)) {
        s->verdict[t->port - s->conf.ports.first] = SWEEP_AGAIN;
        s->again++;
        s->result.again++;
    } else {
        settle(s, t->port, v);
    }
}

static enum em_verdict local_verdict(const struct em_net_error *e)
{
    return e->kind == EM_NET_REFUSED_RST || e->kind == EM_NET_ICMP_PORT ? EM_VERDICT_REFUSED
                                                                        : EM_VERDICT_ERROR;
}

static void begun(struct em_sweep *s, uint32_t lane, uint16_t port, int64_t now_us)
{
    struct sweep_slot *t = &s->slot[lane];
    int64_t look = (sweep_tcp(s) ? EM_SWEEP_FLOOR_TCP_MS : EM_SWEEP_FLOOR_UDP_MS) * EM_US_PER_MS;

    *t = (struct sweep_slot) {
        .phase = SWEEP_CONNECTING, .tries = 1, .port = port, .began_us = now_us, .tried_us = now_us
    };
    s->running++;
    if (s->running > s->result.sockets)
        s->result.sockets = s->running;
    /* Without a round trip the patience is long; it is looked at again when it may have become short. */
    if (s->srtt_us != 0 || look > sweep_patience(s, t))
        look = sweep_patience(s, t);
    sweep_deadline(s, lane, now_us + look);
    if (!sweep_tcp(s))
        sweep_ask(s, lane);
}

/* No socket for another conversation. False: there is no sense in waiting for one. */
static bool rest(struct em_sweep *s, const struct em_net_error *e, int64_t now_us)
{
    if (e->error == 0)
        return true;
    s->result.slowdowns++;
    s->window = s->running > 0 ? s->running : 1;
    s->rested_us = now_us + REST_US;
    if (s->running > 0) {
        s->starved_us = 0;
        return true;
    }
    if (s->starved_us == 0)
        s->starved_us = now_us;
    return now_us - s->starved_us < EM_SWEEP_STARVED_MS * EM_US_PER_MS;
}

/* There is one, behind the last one that was returned in this round. */
static uint16_t next_again(struct em_sweep *s)
{
    while (s->verdict[s->again_at] != SWEEP_AGAIN)
        s->again_at++;
    s->again--;
    return (uint16_t)(s->conf.ports.first + s->again_at++);
}

static uint16_t next_new(struct em_sweep *s)
{
    uint16_t port;

    do
        port = em_sweep_order_port(s->order, s->conf.ports);
    while (s->verdict[port - s->conf.ports.first] != 0);
    return port;
}

static uint16_t next_port(struct em_sweep *s)
{
    uint16_t port = (uint16_t)s->held;

    s->held = 0;
    if (port)
        return port;
    port = s->round > 0 ? next_again(s) : next_new(s);
    s->verdict[port - s->conf.ports.first] = SWEEP_TAKEN;
    if (--s->waiting == 0)
        em_bulk_shrink(s->bulk);
    return port;
}

/* False: no further one can be begun now. */
static bool begin_one(struct em_sweep *s, int64_t now_us)
{
    uint16_t port = next_port(s);
    struct em_net_error e;
    uint32_t lane = 0;
    int err = em_bulk_open(s->bulk, port, &lane, &e);

    if (err == 0) {
        begun(s, lane, port, now_us);
    } else if (err == EM_ERR_BUSY && rest(s, &e, now_us)) {
        s->held = port;
        return false;
    } else {
        settle(s, port, local_verdict(&e));
        return err != EM_ERR_BUSY;
    }
    s->starved_us = 0;
    return true;
}

static bool may_begin(struct em_sweep *s, int64_t now_us)
{
    return (s->waiting > 0 || s->held) && s->running < s->window && now_us >= s->rested_us &&
           (s->conf.rate == 0 || now_us >= s->next_us);
}

static uint32_t begin_some(struct em_sweep *s, int64_t now_us)
{
    uint32_t n = 0;

    for (; n < SWEEP_BATCH && may_begin(s, now_us); n++) {
        if (s->conf.rate > 0) {
            if (s->next_us < now_us - BURST_US)
                s->next_us = now_us - BURST_US;
            s->next_us += EM_US_PER_S / s->conf.rate;
        }
        if (!begin_one(s, now_us))
            break;
        now_us = sweep_now(s);
    }
    return n;
}

/* --- deadlines --------------------------------------------------------------------------------------------------------------- */

/* The same port once more, on a new connection; UDP asks again from the same socket. */
static void try_again(struct em_sweep *s, uint32_t lane, int64_t now_us)
{
    struct sweep_slot *t = &s->slot[lane], old = *t;
    struct em_net_error e;
    uint32_t other = 0;

    s->result.retransmits++;
    if (!sweep_tcp(s)) {
        t->tries++;
        t->tried_us = now_us;
        sweep_ask(s, lane);
        sweep_deadline(s, lane, now_us + sweep_patience(s, t));
        return;
    }
    wheel_take(s, lane);
    em_bulk_close(s->bulk, lane);
    t->phase = SWEEP_FREE;
    if (em_bulk_open(s->bulk, old.port, &other, &e) < 0) {
        s->running--;
        settle(s, old.port,
               local_verdict(&e) == EM_VERDICT_REFUSED ? EM_VERDICT_REFUSED : EM_VERDICT_FILTERED);
        return;
    }
    t = &s->slot[other];
    *t = (struct sweep_slot) { .phase = SWEEP_CONNECTING,
                               .tries = (uint8_t)(old.tries + 1),
                               .port = old.port,
                               .began_us = old.began_us,
                               .tried_us = now_us };
    sweep_deadline(s, other, now_us + sweep_patience(s, t));
}

static void silent_so_far(struct em_sweep *s, uint32_t lane, int64_t now_us)
{
    struct sweep_slot *t = &s->slot[lane];
    int64_t patience = sweep_patience(s, t), end = t->began_us + s->conf.timeout_us;

    if (now_us < t->tried_us + patience)
        sweep_deadline(s, lane, t->tried_us + patience);
    else if (now_us < end && t->tries < (s->lossy ? EM_SWEEP_TRIES_LOSSY : EM_SWEEP_TRIES))
        try_again(s, lane, now_us);
    else
        sweep_end(s, lane, t->wrong ? (enum em_verdict)t->wrong : EM_VERDICT_FILTERED);
}

static void deadline_came(struct em_sweep *s, uint32_t lane, int64_t now_us)
{
    struct sweep_slot *t = &s->slot[lane];

    if (t->phase == SWEEP_SHARING)
        sweep_share_late(s, lane, now_us);
    else if (t->phase == SWEEP_ASKING && sweep_tcp(s))
        sweep_too_late(s, lane, now_us);
    else
        silent_so_far(s, lane, now_us);
}

/* All of one place whose time has come. Those of a later round of the wheel stay. */
static void expire_place(struct em_sweep *s, size_t place, int64_t now_us)
{
    uint32_t lane = s->wheel[place];

    while (lane != SWEEP_NONE) {
        uint32_t next = s->slot[lane].next;

        if (s->slot[lane].deadline_us <= now_us) {
            wheel_take(s, lane);
            deadline_came(s, lane, now_us);
        }
        lane = next;
    }
}

static void expire(struct em_sweep *s, int64_t now_us)
{
    int64_t tick = now_us >> SWEEP_TICK_SHIFT, first = s->wheel_tick;

    if (now_us < s->soonest_us)
        return;
    if (tick - first >= SWEEP_WHEEL)
        first = tick - SWEEP_WHEEL + 1;
    s->wheel_tick = tick;
    for (int64_t i = first; i <= tick; i++)
        expire_place(s, (size_t)(i % SWEEP_WHEEL), now_us);
    s->soonest_us = now_us + IDLE_WAKE_US;
    for (int64_t i = tick; i < tick + SWEEP_WHEEL; i++)
        if (s->wheel[i % SWEEP_WHEEL] != SWEEP_NONE) {
            int64_t at = i << SWEEP_TICK_SHIFT;

            s->soonest_us = at > now_us ? at : now_us + (1 << SWEEP_TICK_SHIFT) / 2;
            break;
        }
}

/* --- pace -------------------------------------------------------------------------------------------------------------------- */

static int64_t stall_of(const struct em_sweep *s)
{
    return 2 * s->srtt_us > STALL_US ? 2 * s->srtt_us : STALL_US;
}

/* All others have their verdicts: those that were silent while the far end was slow begin anew, with few at a time. */
static void next_round(struct em_sweep *s)
{
    uint32_t few = EM_SWEEP_WINDOW >> 2 * s->round;

    s->round++;
    s->waiting = s->again;
    s->again_at = 0;
    if (few < s->window_max)
        s->window_max = few;
    s->window = s->window_max;
    s->late_us = sweep_now(s) - 1;
}

/* Twice as many may run when everything that runs is silent (it is probably lost), and when answers come as soon as they ever did: then the
 * path is long, not busy. Answers that take longer than the shortest one wait behind others, and more would only make that worse. */
static void widen(struct em_sweep *s, int64_t now_us)
{
    bool silent = now_us - s->heard_us >= stall_of(s);
    bool unhurried =
        s->srtt_us > 0 && s->srtt_us < 2 * s->least_us && now_us - s->widened_us >= s->srtt_us + STALL_US;

    if (s->window >= s->window_max || s->running < s->window || (!silent && !unhurried))
        return;
    s->window = 2 * s->window < s->window_max ? 2 * s->window : s->window_max;
    s->heard_us = s->widened_us = now_us;
}

/* When widen() is worth a look: each STALL_US, so that a far end that is only slow is not overrun; while nothing was ever heard, at the end of the
 * stall. */
static int64_t look_us(const struct em_sweep *s, int64_t now_us)
{
    int64_t stalled_us = s->heard_us + stall_of(s);

    if (s->srtt_us != 0)
        return now_us + STALL_US;
    return stalled_us < now_us ? now_us : stalled_us;
}

static void arm(struct em_sweep *s, int64_t now_us)
{
    int64_t at = s->soonest_us, begin = now_us;

    if (s->waiting > 0 || s->held) {
        if (begin < s->rested_us)
            begin = s->rested_us;
        if (s->conf.rate > 0 && begin < s->next_us)
            begin = s->next_us;
        if (s->running >= s->window)
            begin = s->window < s->window_max ? look_us(s, now_us) : INT64_MAX;
        at = begin < at ? begin : at;
    }
    em_timer_at(s->timer, s->ended ? now_us : at);
}

/* Does what is due. True: conversations were begun. */
static bool go(struct em_sweep *s, bool drained)
{
    int64_t now_us = sweep_now(s);
    uint32_t n;

    if (drained)
        expire(s, now_us);
    if (s->waiting == 0 && !s->held && s->running == 0 && s->again > 0)
        next_round(s);
    widen(s, now_us);
    n = begin_some(s, now_us);
    s->ended = s->waiting == 0 && !s->held && s->running == 0 && s->again == 0;
    arm(s, sweep_now(s));
    return n > 0;
}

static bool on_turn(void *arg, size_t events, bool drained)
{
    struct em_sweep *s = arg;

    (void)events;
    return !s->ended && go(s, drained);
}

static void on_timer(void *arg)
{
    struct em_sweep *s = arg;

    if (!s->ended)
        go(s, true);
    else if (s->result.took_us == 0) {
        s->result.took_us = sweep_now(s) - s->began_us;
        if (s->result.took_us <= 0)
            s->result.took_us = 1;
        em_timer_stop(s->timer);
        s->done(s->arg);
    }
}

/* --- from outside ------------------------------------------------------------------------------------------------------------ */

static int check_conf(const struct em_sweep_conf *c, struct em_why *why)
{
    if (c->ports.first == 0 || c->ports.last < c->ports.first)
        return em_fail(why, EM_ERR_INPUT, "%u-%u is not a range of ports", c->ports.first, c->ports.last);
    if (c->transport != EM_TRANSPORT_UDP && c->transport != EM_TRANSPORT_TCP)
        return em_fail(why, EM_ERR_INPUT, "ports are swept over UDP or TCP");
    if (c->address.len == 0 || c->timeout_us <= 0)
        return em_fail(why, EM_ERR_INPUT, "a sweep needs an address and a timeout");
    if (c->key.n > EM_SWEEP_KEY_MAX)
        return em_fail(why, EM_ERR_LIMIT, "the key is longer than %d bytes", EM_SWEEP_KEY_MAX);
    return 0;
}

static uint32_t sockets_of(const struct em_sweep_conf *c, uint32_t ports)
{
    uint32_t most = em_bulk_room(), range = 1u + c->source_ports.last - c->source_ports.first;

    if (c->sockets > 0 && c->sockets < most)
        most = c->sockets;
    if (c->payload == EM_SWEEP_SHARING && most > EM_SWEEP_SHARES)
        most = EM_SWEEP_SHARES;
    if (c->source_ports.first && c->transport == EM_TRANSPORT_UDP && range < most)
        most = range; /* each has its own */
    return ports < most ? ports : most;
}

static int allocate(struct em_sweep *s, uint32_t lanes, uint32_t range)
{
    struct em_bulk_events events = sweep_talk_events;
    struct em_bulk_conf bulk = { .transport = s->conf.transport,
                                 .remote = s->conf.address,
                                 .source_ports = s->conf.source_ports,
                                 .lanes_max = lanes,
                                 .no_delay = s->conf.payload == EM_SWEEP_SHARING,
                                 .speaks_first = true };

    events.turn = on_turn;
    if (!(s->verdict = calloc(range, 1)) || !(s->slot = calloc(lanes, sizeof *s->slot)) ||
        !(s->bulk = em_bulk_new(s->net, &bulk, &events, s)) ||
        !(s->timer = em_timer_new(s->net, on_timer, s)))
        return EM_ERR_MEMORY;
    return 0;
}

static void init(struct em_sweep *s, uint32_t lanes)
{
    s->clock = em_net_clock(s->net);
    em_random(s->clock, s->nonce, sizeof s->nonce);
    s->began_us = s->heard_us = s->next_us = sweep_now(s);
    s->late_us = s->began_us - 1;
    s->soonest_us = s->began_us + IDLE_WAKE_US;
    s->wheel_tick = s->began_us >> SWEEP_TICK_SHIFT;
    for (size_t i = 0; i < SWEEP_WHEEL; i++)
        s->wheel[i] = SWEEP_NONE;
    s->lanes = s->window_max = lanes;
    s->window = s->conf.rate > 0 || lanes < EM_SWEEP_WINDOW ? lanes : EM_SWEEP_WINDOW;
}

int em_sweep_start(struct em_net *net, const struct em_sweep_conf *conf, struct em_sweep_order *order,
                   void (*done)(void *arg), void *arg, struct em_sweep **started, struct em_why *why)
{
    uint32_t range = 1u + conf->ports.last - conf->ports.first, lanes;
    struct em_sweep *s;
    int err = check_conf(conf, why);

    if (err < 0)
        return err;
    if (!(s = calloc(1, sizeof *s)))
        return em_fail(why, EM_ERR_MEMORY, "no memory for a sweep");
    *s = (struct em_sweep) { .net = net, .conf = *conf, .done = done, .arg = arg };
    s->waiting = conf->sample > 0 && conf->sample < range ? conf->sample : range;
    s->result.ports = s->waiting;
    lanes = sockets_of(conf, s->waiting);
    init(s, lanes);
    s->order = order ? order : &s->own;
    if (!order)
        em_sweep_order_init(&s->own, s->clock);
    if ((conf->key.n > 0 && !stun_key_short(&s->key, conf->key)) || allocate(s, lanes, range) < 0) {
        em_sweep_stop(s);
        return em_fail(why, EM_ERR_MEMORY, "no memory for a sweep of %u ports", range);
    }
    s->conf.key = (struct slice) { NULL, 0 };
    em_timer_at(s->timer, s->began_us);
    *started = s;
    return 0;
}

void em_sweep_result(const struct em_sweep *s, struct em_sweep_result *r)
{
    *r = s->result;
    r->rtt_us = s->srtt_us;
    if (r->took_us == 0)
        r->took_us = sweep_now(s) - s->began_us;
}

enum em_verdict em_sweep_port(const struct em_sweep *s, uint16_t port)
{
    uint8_t v;

    if (port < s->conf.ports.first || port > s->conf.ports.last)
        return 0;
    v = s->verdict[port - s->conf.ports.first];
    return v == SWEEP_TAKEN || v == SWEEP_AGAIN ? 0 : (enum em_verdict)v;
}

size_t em_sweep_runs(const struct em_sweep *s, uint32_t *from, struct em_sweep_run *runs, size_t max)
{
    uint32_t port = *from > s->conf.ports.first ? *from : s->conf.ports.first;
    enum em_verdict last = 0;
    size_t n = 0;

    for (; port <= s->conf.ports.last; port++) {
        enum em_verdict v = em_sweep_port(s, (uint16_t)port);

        if (v == 0)
            continue;
        if (v != EM_VERDICT_OK && v == last) {
            runs[n - 1].last = (uint16_t)port;
            runs[n - 1].ports++;
        } else if (v != EM_VERDICT_OK) {
            if (n == max)
                break;
            runs[n++] = (struct em_sweep_run) { (uint16_t)port, (uint16_t)port, v, 1 };
        }
        last = v;
    }
    *from = port <= s->conf.ports.last ? port : 0;
    return n;
}

void em_sweep_stop(struct em_sweep *s)
{
    if (!s)
        return;
    em_bulk_free(s->bulk);
    em_timer_free(s->timer);
    for (uint32_t i = 0; s->slot && i < s->lanes; i++) {
        free(s->slot[i].piece);
        sweep_share_free(&s->slot[i]);
    }
    stun_key_fini(&s->key);
    free(s->slot);
    free(s->verdict);
    free(s);
}
