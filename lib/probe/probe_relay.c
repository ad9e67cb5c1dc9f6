/* SPDX-License-Identifier: GPL-3.0-or-later
 * Kinds relay, relays and msrelay: bytes through two allocations and back, both at one server or at two. Two legs, each with a connection of its
 * own: the near one is the attempt that is reported, the far one is a part of it and sends back what it hears.
 *
 *     near: allocate --> far: allocate --> near: channel to the far relayed address --> far: the same the other way
 *       --> packets: near -> relay -> relay -> far -> relay -> relay -> near --> both: Refresh with lifetime 0 --> judged
 *
 * A channel brings the permission with it (RFC 8656 section 12); with ?relayed=tcp there are connections in place of channels (relay_tcp.c).
 * In Microsoft's dialect (kind msrelay) probe_msturn.c allocates, and relay_ms.c has what is there in place of channels.
 * Whatever happens, both allocations are given back: by an answered Refresh when it went well, else by a last one that nobody waits for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/esc.h"
#include "probe/relay.h"
#include "wire/turn.h"

enum {
    RELEASE_WAIT_US = 1000000, /* a release that is not answered until then is taken for done */
    CHANNEL = TURN_CHANNEL_FIRST,
    FIRST_PORT = 50000, /* the ports of an edge, without other orders */
    LAST_PORT = 59999,
};

const char *em_relay_leg(const struct em_attempt *a)
{
    static const char *const words[2][2] = {
        { " (near leg)", " (near data connection)" },
        { " (far leg)", " (far data connection)" },
    };

    return words[a->relay->is_far][a->relay->control != NULL];
}

const char *em_relay_host(const struct em_attempt *a)
{
    const struct em_probe_uri *u = em_probe_uri(a->probe);

    return a->relay && a->relay->is_far && u->far[0] ? u->far : u->host;
}

bool em_relay_by_tcp(const struct em_attempt *a)
{
    return em_probe_uri(a->probe)->relayed_tcp;
}

void em_relay_no_memory(struct em_attempt *a)
{
    em_attempt_end(a, EM_VERDICT_ERROR, "this machine: no memory");
}

static int64_t left_us(const struct em_attempt *a)
{
    return em_probe_deadline_us(a->probe) - em_attempt_now(a);
}

/* --- requests -------------------------------------------------------------------------------------------------------- */

static void bind_channel(struct em_attempt *leg)
{
    const struct em_relay *r = leg->relay;
    uint8_t bytes[EM_REQUEST_MAX];
    struct buf b = buf_over(bytes, sizeof bytes);

    leg->relay->step = EM_RELAY_BINDING;
    em_ask_begin(leg, &b, STUN_CHANNEL_BIND);
    turn_put_channel(&b, CHANNEL, r->is_far ? &r->near->relay->relayed : &r->far->relay->relayed);
    stun_auth_sign(&leg->turn.auth, &b);
    em_ask(leg, &b);
}

static void put_refresh(struct em_attempt *a, struct buf *b)
{
    em_ask_begin(a, b, STUN_REFRESH);
    turn_put_refresh(b, 0);
    stun_auth_sign(&a->turn.auth, b);
}

static void ask_release(struct em_attempt *a)
{
    uint8_t bytes[EM_REQUEST_MAX];
    struct buf b = buf_over(bytes, sizeof bytes);

    a->relay->step = EM_RELAY_RELEASING;
    if (em_relay_by_ms(a)) {
        em_msturn_release(a);
        return;
    }
    put_refresh(a, &b);
    em_ask(a, &b);
}

/* --- legs ------------------------------------------------------------------------------------------------------------ */

static void on_timer(void *arg)
{
    struct em_attempt *near = arg;

    if (near->ended)
        return;
    if (near->relay->step >= EM_RELAY_RELEASING)
        em_relay_judge(near); /* whoever does not answer a release lets it expire */
    else if (near->relay->step < EM_RELAY_TALKING)
        em_relay_ms_tick(near);
    else
        em_relay_talk(near);
}

bool em_relay_new(struct em_attempt *a, struct em_attempt *near)
{
    struct em_relay *r = calloc(1, sizeof *r);

    if (!r)
        return false;
    r->near = near;
    r->timer = near == a ? em_timer_new(em_probe_net(a->probe), on_timer, a) : NULL;
    if (near == a && !r->timer) {
        free(r);
        return false;
    }
    a->relay = r;
    return true;
}

void em_relay_begin(struct em_attempt *a)
{
    if (!a->relay && !em_relay_new(a, a))
        em_relay_no_memory(a);
    else if (a->relay->control)
        em_relay_tcp_begin(a);
    else if (em_relay_by_ms(a))
        em_msturn_begin(a);
    else if (em_turn_take_credentials(a))
        em_turn_allocate(a);
}

/* The far leg: an attempt that the probe does not know; how it ends, the near one ends. */
static void open_far(struct em_attempt *near, const struct em_addr *at)
{
    struct em_attempt *far = calloc(1, sizeof *far);

    if (!far || em_attempt_init(far, near->probe, at) != 0 || !em_relay_new(far, near)) {
        if (far)
            em_timer_free(far->resend);
        free(far);
        em_relay_no_memory(near);
        return;
    }
    far->whole = near;
    far->relay->is_far = true;
    far->relay->far = near->relay->far = far;
    em_attempt_open(far);
}

static void on_far_addresses(void *arg, const struct em_addr *addrs, size_t n, const char *failure)
{
    struct em_attempt *near = arg;
    char shown[64], why[64];
    bool v6 = near->remote.u.any.sa_family == AF_INET6;

    near->relay->lookup = NULL;
    for (size_t i = 0; i < n; i++)
        if (addrs[i].u.any.sa_family == near->remote.u.any.sa_family) {
            open_far(near, &addrs[i]);
            return;
        }
    esc_line_into(shown, sizeof shown, slice_of(em_probe_uri(near->probe)->far));
    esc_line_into(why, sizeof why, slice_of(n ? "" : failure));
    em_attempt_end(near, EM_VERDICT_DNS_FAILED, "the far server %s: %s", shown,
                   n == 0 ? why
                   : v6   ? "no IPv6 address, as the near one has"
                          : "no IPv4 address, as the near one has");
}

static void find_far(struct em_attempt *near)
{
    const struct em_probe_uri *u = em_probe_uri(near->probe);
    int64_t left = left_us(near);

    if (!u->far[0]) {
        open_far(near, &near->remote);
        return;
    }
    near->relay->lookup = em_net_resolve(em_probe_net(near->probe), u->far, u->far_port, left > 0 ? left : 0,
                                         on_far_addresses, near);
    if (!near->relay->lookup)
        em_relay_no_memory(near);
}

/* --- the way ----------------------------------------------------------------------------------------------------------- */

bool em_relay_heard(struct em_attempt *a, const uint8_t *p, size_t n)
{
    struct slice data;
    uint16_t channel;

    if (n == 0 || !em_relay_is_data(p[0]))
        return false;
    if (!em_relay_by_tcp(a) && a->relay->far && turn_read_channel_data(p, n, &channel, &data) == 0 &&
        channel == CHANNEL)
        em_relay_packet(a, data); /* else nobody's: not ours to judge */
    return true;
}

static bool port_in_range(const struct em_attempt *near)
{
    struct em_port_range range = em_attempt_options(near)->relay_ports;
    uint16_t port = near->relay->relayed.port;

    if (range.first == 0)
        range = (struct em_port_range) { FIRST_PORT, LAST_PORT };
    return port >= range.first && port <= range.last;
}

/* Both at once; the last answer ends it. */
void em_relay_release(struct em_attempt *near)
{
    struct em_relay *r = near->relay;
    int64_t left = left_us(near);

    near->result.relay_us = em_attempt_since(near, r->packets.start_us);
    ask_release(r->far);
    if (near->ended)
        return;
    ask_release(near);
    if (!near->ended)
        em_timer_at(r->timer, em_attempt_now(near) + (left < RELEASE_WAIT_US ? left : RELEASE_WAIT_US));
}

/* What lets packets through: the far side first with TCP, since the near one's Connect needs its permission. */
static void bind_legs(struct em_attempt *near)
{
    if (em_relay_by_ms(near))
        em_relay_ms_bind(near);
    else if (em_relay_by_tcp(near))
        em_relay_tcp_bind(near->relay->far);
    else
        bind_channel(near);
}

void em_relay_allocated(struct em_attempt *a, const struct stun_addr *relayed)
{
    struct em_relay *r = a->relay;

    r->step = EM_RELAY_ALLOCATED;
    r->relayed = *relayed;
    if (r->is_far) {
        bind_legs(r->near);
        return;
    }
    em_address_text(relayed, a->result.relayed_address);
    a->result.allocate_us = a->result.rtt_us;
    a->result.relayed_port_in_range = port_in_range(a);
    find_far(a);
}

static void allocated(struct em_attempt *a, const struct stun_msg *m)
{
    if (!em_address_usable(&m->xor_relayed)) {
        em_ask_ignore(a, EM_VERDICT_PROTOCOL_ERROR, "an allocation without a usable relayed address");
        return;
    }
    em_ask_answered(a, m);
    em_relay_allocated(a, &m->xor_relayed);
}

void em_relay_bound(struct em_attempt *leg)
{
    struct em_relay *near = leg->relay->near->relay;

    leg->relay->step = EM_RELAY_BOUND;
    if (near->step == EM_RELAY_BOUND && near->far->relay->step == EM_RELAY_BOUND) {
        near->step = EM_RELAY_TALKING;
        em_relay_talk(near->near);
    } else if (!leg->relay->is_far && !em_relay_by_tcp(leg)) {
        bind_channel(near->far);
    }
}

/* An error means what it means for kind turn (answers.c), so that both give the same verdict; only the relay knows of peers. */
static void refused(struct em_attempt *a, const struct stun_msg *m)
{
    static const struct {
        uint16_t code;
        const char *words;
    } rows[] = {
        { 403, "the relay is up, but forbids its own relayed address as peer" },
        { 446, "the relay is up, but says that its two relayed addresses are connected already" },
        { 447, "the relay is up, but cannot connect its one relayed address to the other" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows && a->relay->step == EM_RELAY_BINDING; i++)
        if (rows[i].code == m->error_code) {
            em_attempt_end(a, EM_VERDICT_DEGRADED, "%s: %u", rows[i].words, m->error_code);
            return;
        }
    if (m->error_code == 401)
        em_attempt_end(a, EM_VERDICT_AUTH_FAILED, "the server refused the credentials");
    else
        em_judge_error(a, m, true);
}

void em_relay_released(struct em_attempt *a)
{
    struct em_relay *near = a->relay->near->relay;

    a->relay->step = EM_RELAY_RELEASED;
    if (near->step == EM_RELAY_RELEASED && near->far->relay->step == EM_RELAY_RELEASED)
        em_relay_judge(near->near);
}

static void go_on(struct em_attempt *a, const struct stun_msg *m)
{
    if (a->relay->step == EM_RELAY_BINDING && em_relay_by_tcp(a)) {
        em_relay_tcp_answered(a, m);
    } else if (a->relay->step == EM_RELAY_BINDING) {
        em_relay_bound(a);
    } else if (a->relay->step == EM_RELAY_RELEASING) {
        em_relay_released(a);
    }
}

static void ask_again(struct em_attempt *a)
{
    if (a->relay->control)
        em_relay_tcp_begin(a);
    else if (a->relay->step == EM_RELAY_ALLOCATING)
        em_turn_allocate(a);
    else if (a->relay->step == EM_RELAY_RELEASING)
        ask_release(a);
    else if (em_relay_by_tcp(a))
        em_relay_tcp_bind(a);
    else
        bind_channel(a);
}

void em_relay_answer(struct em_attempt *a, const struct stun_msg *m)
{
    enum stun_auth_next next = stun_auth_answer(&a->turn.auth, m);

    if (next == STUN_AUTH_FORGED) {
        em_ask_ignore(a, EM_VERDICT_PROTOCOL_ERROR, "an answer whose MESSAGE-INTEGRITY is wrong or missing");
    } else if (next == STUN_AUTH_SUCCESS && a->relay->step == EM_RELAY_ALLOCATING) {
        allocated(a, m);
    } else {
        em_ask_answered(a, m);
        if (next == STUN_AUTH_RETRY)
            ask_again(a);
        else if (next == STUN_AUTH_SUCCESS || a->relay->step == EM_RELAY_RELEASING)
            go_on(a, m);
        else if (next == STUN_AUTH_NEEDED)
            em_attempt_end(a, EM_VERDICT_AUTH_FAILED,
                           "the server wants credentials, and a test through the relay needs them");
        else if (next == STUN_AUTH_BROKEN)
            em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR, "%s", a->turn.auth.broken);
        else
            refused(a, m);
    }
}

/* --- the end ----------------------------------------------------------------------------------------------------------- */

static void drop_part(struct em_attempt *part, const char *why)
{
    if (!part)
        return;
    part->whole = NULL; /* who drops it ends already, or goes on without it */
    em_attempt_end(part, EM_VERDICT_ERROR, "%s", why);
}

/* Time is up while this leg waits for nothing itself: whoever it waits for tells why. */
static bool blame_part(struct em_attempt *leg)
{
    struct em_relay *r = leg->relay;
    struct em_attempt *part = r->data && !r->data->ended ? r->data : r->near == leg ? r->far : NULL;

    if (left_us(leg) > 0 || leg->asking)
        return false;
    if (r->lookup)
        em_attempt_end(leg, EM_VERDICT_DNS_FAILED, "the far server %s: its name was not resolved in time",
                       em_probe_uri(leg->probe)->far);
    else if (part)
        em_attempt_deadline(part);
    return leg->ended;
}

/* Once data flowed, what came back says more than what went missing afterwards. A server that takes an allocation back ends its data
 * connections. */
bool em_relay_lost(struct em_attempt *a)
{
    struct em_attempt *near = a->relay ? a->relay->near : a;

    if (!near->relay || near->ended)
        return false;
    if (near->relay->step < EM_RELAY_TALKING || near->relay->packets.sent == 0)
        return blame_part(a);
    if (a->relay->control && near->relay->step >= EM_RELAY_RELEASING)
        drop_part(a, "its allocation is given back");
    else
        em_relay_judge(near);
    return true;
}

/* An allocation that is there, or may be since its answer did not come. */
static bool may_hold(const struct em_attempt *a)
{
    bool challenged = em_relay_by_ms(a) ? a->ms.auth.challenged : a->turn.auth.challenged;

    return a->conn && a->relay->step < EM_RELAY_RELEASING &&
           (a->relay->step > EM_RELAY_ALLOCATING || (a->asking && challenged));
}

static void give_back(struct em_attempt *a)
{
    uint8_t bytes[EM_REQUEST_MAX];
    struct buf b = buf_over(bytes, sizeof bytes);

    a->relay->step = EM_RELAY_RELEASING;
    if (em_relay_by_ms(a)) {
        em_msturn_give_back(a);
        return;
    }
    put_refresh(a, &b);
    stun_put_fingerprint(&b);
    if (!b.full)
        em_conn_send(a->conn, b.p, b.n);
}

/* It is given back by a request that nobody waits for. */
void em_relay_abandon(struct em_attempt *a)
{
    struct em_relay *r = a->relay;

    if (!r || r->control)
        return;
    if (may_hold(a))
        give_back(a);
    drop_part(r->data, "its leg has ended");
    if (r->near == a) {
        em_timer_stop(r->timer);
        em_lookup_cancel(r->lookup);
        r->lookup = NULL;
        drop_part(r->far, "its near leg has ended");
    }
}

static void free_part(struct em_attempt *part)
{
    if (part)
        em_attempt_fini(part);
    free(part);
}

void em_relay_fini(struct em_attempt *a)
{
    struct em_relay *r = a->relay;

    if (!r)
        return;
    free_part(r->data);
    if (r->near == a)
        free_part(r->far);
    em_timer_free(r->timer);
    em_lookup_cancel(r->lookup);
    free(r);
    a->relay = NULL;
}
