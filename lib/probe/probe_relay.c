/* SPDX-License-Identifier: GPL-3.0-or-later
 * Kind relay: bytes through two allocations of one server and back. Two legs, each with a connection of its own: the near one is the
 * attempt that is reported, the far one is a part of it and sends back what it hears.
 *
 *     near: allocate --> far: allocate --> near: channel to the far relayed address --> far: the same the other way
 *       --> packets: near -> relay -> relay -> far -> relay -> relay -> near --> both: Refresh with lifetime 0 --> judged
 *
 * A channel brings the permission with it (RFC 8656 section 12). Whatever happens, both allocations are given back: by an answered Refresh
 * when it went well, else by a last one that nobody waits for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/attempt.h"
#include "wire/turn.h"

enum {
    PACKETS = EM_RELAY_PACKETS,
    PACKET_SIZE = 200,         /* about what 20 ms of audio are */
    PACKET_EVERY_US = 20000,   /* as audio is sent */
    LATE_US = 1000000,         /* how long the last packet may take */
    RELEASE_US = 300000,       /* kept of the deadline for the release */
    RELEASE_WAIT_US = 1000000, /* a release that is not answered until then is taken for done */
    CHANNEL = TURN_CHANNEL_FIRST,
    FIRST_PORT = 50000, /* the ports of an edge, without other orders */
    LAST_PORT = 59999,
};

enum step { ALLOCATING, ALLOCATED, BINDING, BOUND, TALKING, RELEASING, RELEASED };

/* What a leg has besides its attempt. */
struct em_relay {
    enum step step;
    struct em_attempt *other; /* the other leg; owned by the near one */
    bool far;
    struct stun_addr relayed;
    struct em_timer *timer; /* near: the next packet, or the end of waiting */
    uint8_t key[8];         /* near: begins every packet of this run */
    unsigned sent, back, there,
        altered; /* packets: near sent, heard again, heard by the far leg, not as they were */
    int64_t sent_us[PACKETS];
    bool seen[PACKETS];
    int64_t start_us, rtt_sum_us, rtt_last_us, jitter_us;
    uint64_t bytes_back;
};

static void on_timer(void *arg);
static void release(struct em_attempt *a);

const char *em_relay_leg(const struct em_attempt *a)
{
    return a->relay->far ? " (far leg)" : " (near leg)";
}

static int64_t left_us(const struct em_attempt *a)
{
    return em_probe_deadline_us(a->probe) - em_attempt_now(a);
}

/* --- requests -------------------------------------------------------------------------------------------------------- */

static void bind_channel(struct em_attempt *a)
{
    uint8_t bytes[EM_REQUEST_MAX];
    struct buf b = buf_over(bytes, sizeof bytes);

    a->relay->step = BINDING;
    em_ask_begin(a, &b, STUN_CHANNEL_BIND);
    turn_put_channel(&b, CHANNEL, &a->relay->other->relay->relayed);
    stun_auth_sign(&a->turn.auth, &b);
    em_ask(a, &b);
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

    a->relay->step = RELEASING;
    put_refresh(a, &b);
    em_ask(a, &b);
}

static bool leg_new(struct em_attempt *a, bool far)
{
    struct em_relay *r = calloc(1, sizeof *r);

    if (!r)
        return false;
    r->far = far;
    r->timer = far ? NULL : em_timer_new(em_probe_net(a->probe), on_timer, a);
    if (!far && !r->timer) {
        free(r);
        return false;
    }
    em_random(em_attempt_clock(a), r->key, sizeof r->key);
    a->relay = r;
    return true;
}

void em_relay_begin(struct em_attempt *a)
{
    if (!a->relay && !leg_new(a, false))
        em_attempt_end(a, EM_VERDICT_ERROR, "this machine: no memory");
    else if (!em_turn_take_credentials(a))
        em_attempt_end(a, EM_VERDICT_ERROR, "this machine: the user name is too long");
    else
        em_turn_allocate(a);
}

/* The far leg: an attempt at the same address, which the probe does not know; how it ends, the near one ends. */
static void open_far(struct em_attempt *near)
{
    struct em_attempt *far = calloc(1, sizeof *far);

    if (!far || em_attempt_init(far, near->probe, &near->remote) != 0 || !leg_new(far, true)) {
        if (far)
            em_timer_free(far->resend);
        free(far);
        em_attempt_end(near, EM_VERDICT_ERROR, "this machine: no memory");
        return;
    }
    far->whole = near;
    far->relay->other = near;
    near->relay->other = far;
    em_attempt_open(far);
}

/* --- packets: key, number, then a pattern that every number has its own of ------------------------------------------- */

static void put_packet(const struct em_relay *r, uint32_t number, struct buf *b)
{
    buf_bytes(b, r->key, sizeof r->key);
    buf_u32(b, number);
    while (b->n < PACKET_SIZE && !b->full)
        buf_u8(b, (uint8_t)(number * 31 + b->n * 7));
}

static void send_data(struct em_attempt *a, struct slice data)
{
    uint8_t bytes[PACKET_SIZE + TURN_CHANNEL_HEADER_SIZE + 5];
    struct buf b = buf_over(bytes, sizeof bytes);

    turn_put_channel_data(&b, CHANNEL, data, em_attempt_stream(a));
    if (!b.full)
        em_conn_send(a->conn, b.p, b.n);
}

static void send_packet(struct em_attempt *near)
{
    struct em_relay *r = near->relay;
    uint8_t bytes[PACKET_SIZE + 1]; /* a buf keeps a byte for the NUL of a text */
    struct buf b = buf_over(bytes, sizeof bytes);

    if (r->sent == 0)
        r->start_us = em_attempt_now(near);
    put_packet(r, r->sent, &b);
    r->sent_us[r->sent++] = em_attempt_now(near);
    send_data(near, (struct slice) { (const char *)bytes, b.n });
}

/* RFC 3550 section 6.4.1: the mean of how much one transit differs from the one before, smoothed by 16. */
static void note_rtt(struct em_attempt *near, int64_t rtt)
{
    struct em_relay *r = near->relay;
    struct em_probe_result *to = &near->result;
    int64_t apart = rtt > r->rtt_last_us ? rtt - r->rtt_last_us : r->rtt_last_us - rtt;

    if (r->back > 0)
        r->jitter_us += (apart - r->jitter_us) / 16;
    r->rtt_last_us = rtt;
    r->rtt_sum_us += rtt;
    if (r->back == 0 || rtt < to->rtt_min_us)
        to->rtt_min_us = rtt;
    if (rtt > to->rtt_max_us)
        to->rtt_max_us = rtt;
}

static void heard_back(struct em_attempt *near, struct slice data)
{
    struct em_relay *r = near->relay;
    struct cur c = cur_of(data.p, data.n);
    uint8_t bytes[PACKET_SIZE + 1]; /* a buf keeps a byte for the NUL of a text */
    struct buf b = buf_over(bytes, sizeof bytes);
    uint32_t number;

    cur_take(&c, sizeof r->key);
    number = cur_u32(&c);
    if (c.bad || number >= r->sent) {
        r->altered++;
        return;
    }
    put_packet(r, number, &b);
    if (data.n != b.n || memcmp(data.p, b.p, b.n) != 0) {
        r->altered++;
        return;
    }
    if (r->seen[number])
        return; /* the path made two of it */
    r->seen[number] = true;
    note_rtt(near, em_attempt_since(near, r->sent_us[number]));
    r->back++;
    r->bytes_back += data.n;
    if (r->back == PACKETS)
        release(near);
}

bool em_relay_heard(struct em_attempt *a, const uint8_t *p, size_t n)
{
    struct em_relay *r = a->relay;
    struct slice data;
    uint16_t channel;

    if (n == 0 || !em_relay_is_data(p[0]))
        return false;
    if (turn_read_channel_data(p, n, &channel, &data) != 0 || channel != CHANNEL || !r->other)
        return true; /* nobody's: not ours to judge */
    if (r->far) {
        r->other->relay->there++;
        send_data(a, slice_upto(data, PACKET_SIZE));
    } else if (r->step == TALKING) {
        heard_back(a, data);
    }
    return true;
}

/* --- the verdict ------------------------------------------------------------------------------------------------------- */

static bool port_in_range(const struct em_attempt *near)
{
    struct em_port_range range = em_attempt_options(near)->relay_ports;
    uint16_t port = near->relay->relayed.port;

    if (range.first == 0)
        range = (struct em_port_range) { FIRST_PORT, LAST_PORT };
    return port >= range.first && port <= range.last;
}

static void sum_up(struct em_attempt *near)
{
    struct em_relay *r = near->relay;
    struct em_probe_result *to = &near->result;
    const struct em_attempt *far = r->other;

    if (far) {
        to->retransmits += far->result.retransmits;
        to->requests += far->result.requests;
    }
    if (r->sent == 0)
        return;
    to->packets_sent = r->sent;
    to->packets_back = r->back;
    to->sent = (uint64_t)r->sent * PACKET_SIZE;
    to->received = r->bytes_back;
    to->rtt_us = r->back ? r->rtt_sum_us / r->back : 0;
    to->jitter_us = r->jitter_us;
}

static void judge(struct em_attempt *near)
{
    const struct em_relay *r = near->relay;
    struct em_probe_result *to = &near->result;
    struct em_port_range range = em_attempt_options(near)->relay_ports;
    char packets[96];
    double rtt_ms = r->back ? (double)r->rtt_sum_us / r->back / 1000 : 0;

    sum_up(near);
    snprintf(packets, sizeof packets, "%u of %u packets came back through the relay", r->back, r->sent);
    if (r->altered)
        em_attempt_end(near, EM_VERDICT_MANGLED, "%s; %u came altered", packets, r->altered);
    else if (r->back == 0 && r->there > 0)
        em_attempt_end(
            near, EM_VERDICT_FILTERED,
            "both allocations were made, and %u of %u packets reached the far side, but none came back",
            r->there, r->sent);
    else if (r->back == 0)
        em_attempt_end(near, EM_VERDICT_FILTERED,
                       "both allocations were made, but none of %u packets got through from one relayed port "
                       "to the other",
                       r->sent);
    else if (r->back < r->sent)
        em_attempt_end(near, EM_VERDICT_DEGRADED, "only %s (%u reached the far side)", packets, r->there);
    else if (range.first && !to->relayed_port_in_range)
        em_attempt_end(near, EM_VERDICT_DEGRADED, "%s, but the relayed port %u is not in %u-%u", packets,
                       r->relayed.port, range.first, range.last);
    else
        em_attempt_good(near, packets, (int64_t)(rtt_ms * 1000));
}

/* --- the way ----------------------------------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
    struct em_attempt *near = arg;
    struct em_relay *r = near->relay;
    int64_t next = em_attempt_now(near) + PACKET_EVERY_US;

    if (near->ended)
        return;
    if (r->step == RELEASING || r->step == RELEASED) {
        judge(near); /* whoever does not answer a release lets it expire */
        return;
    }
    if (r->sent == PACKETS || left_us(near) <= RELEASE_US) {
        release(near);
        return;
    }
    send_packet(near);
    if (r->sent == PACKETS) {
        int64_t most = em_probe_deadline_us(near->probe) - RELEASE_US;

        next = em_attempt_now(near) + LATE_US;
        next = next < most ? next : most;
    }
    em_timer_at(r->timer, next);
}

/* Both at once; the last answer ends it. */
static void release(struct em_attempt *near)
{
    struct em_relay *r = near->relay;

    near->result.relay_us = em_attempt_since(near, r->start_us);
    ask_release(r->other);
    if (near->ended)
        return;
    ask_release(near);
    if (!near->ended)
        em_timer_at(r->timer, em_attempt_now(near) +
                                  (left_us(near) < RELEASE_WAIT_US ? left_us(near) : RELEASE_WAIT_US));
}

static void allocated(struct em_attempt *a, const struct stun_msg *m)
{
    struct em_relay *r = a->relay;

    if (!em_address_usable(&m->xor_relayed)) {
        em_ask_ignore(a, EM_VERDICT_PROTOCOL_ERROR, "an allocation without a usable relayed address");
        return;
    }
    em_ask_answered(a, m);
    r->step = ALLOCATED;
    r->relayed = m->xor_relayed;
    if (r->far) {
        bind_channel(r->other);
        return;
    }
    em_address_text(&m->xor_relayed, a->result.relayed_address);
    a->result.allocate_us = a->result.rtt_us;
    a->result.relayed_port_in_range = port_in_range(a);
    open_far(a);
}

static void bound(struct em_attempt *a)
{
    a->relay->step = BOUND;
    if (!a->relay->far) {
        bind_channel(a->relay->other);
        return;
    }
    a->relay->other->relay->step = TALKING;
    on_timer(a->relay->other);
}

/* An error means what it means for kind turn (answers.c), so that both give the same verdict; only the relay knows of peers. */
static void refused(struct em_attempt *a, const struct stun_msg *m)
{
    if (m->error_code == 403 && a->relay->step == BINDING)
        em_attempt_end(a, EM_VERDICT_DEGRADED,
                       "the relay is up, but forbids its own relayed address as peer: 403%s",
                       em_relay_leg(a));
    else
        em_judge_error(a, m, true);
}

static void go_on(struct em_attempt *a)
{
    struct em_attempt *near = a->relay->far ? a->relay->other : a;

    if (a->relay->step == BINDING) {
        bound(a);
    } else if (a->relay->step == RELEASING) {
        a->relay->step = RELEASED;
        if (near->relay->step == RELEASED && near->relay->other->relay->step == RELEASED)
            judge(near);
    }
}

static void ask_again(struct em_attempt *a)
{
    if (a->relay->step == ALLOCATING)
        em_turn_allocate(a);
    else if (a->relay->step == BINDING)
        bind_channel(a);
    else
        ask_release(a);
}

void em_relay_answer(struct em_attempt *a, const struct stun_msg *m)
{
    enum stun_auth_next next = stun_auth_answer(&a->turn.auth, m);

    if (next == STUN_AUTH_FORGED) {
        em_ask_ignore(a, EM_VERDICT_PROTOCOL_ERROR, "an answer whose MESSAGE-INTEGRITY is wrong or missing");
    } else if (next == STUN_AUTH_SUCCESS && a->relay->step == ALLOCATING) {
        allocated(a, m);
    } else {
        em_ask_answered(a, m);
        if (next == STUN_AUTH_RETRY)
            ask_again(a);
        else if (next == STUN_AUTH_SUCCESS || a->relay->step == RELEASING)
            go_on(a);
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

/* Once data flowed, what came back says more than what went missing afterwards. */
bool em_relay_lost(struct em_attempt *a)
{
    struct em_attempt *near = a->relay && a->relay->far ? a->relay->other : a;

    if (!near->relay || near->ended || near->relay->step < TALKING || near->relay->sent == 0)
        return false;
    if (near->result.relay_us == 0)
        near->result.relay_us = em_attempt_since(near, near->relay->start_us);
    judge(near);
    return true;
}

/* An allocation that is there, or may be since its answer did not come, is given back by a request that nobody waits for. */
void em_relay_abandon(struct em_attempt *a)
{
    uint8_t bytes[EM_REQUEST_MAX];
    struct buf b = buf_over(bytes, sizeof bytes);
    struct em_relay *r = a->relay;

    if (r && a->conn && (r->step > ALLOCATING || (a->asking && a->turn.auth.challenged)) &&
        r->step < RELEASING) {
        r->step = RELEASING;
        put_refresh(a, &b);
        stun_put_fingerprint(&b);
        if (!b.full)
            em_conn_send(a->conn, b.p, b.n);
    }
    if (r && !r->far) {
        em_timer_stop(r->timer);
        if (r->other) {
            r->other->whole = NULL; /* this one ends already */
            em_attempt_end(r->other, EM_VERDICT_ERROR, "its near leg has ended");
        }
    }
}

void em_relay_fini(struct em_attempt *a)
{
    struct em_relay *r = a->relay;

    if (!r)
        return;
    if (!r->far && r->other) {
        em_attempt_fini(r->other);
        free(r->other);
    }
    em_timer_free(r->timer);
    free(r);
    a->relay = NULL;
}
