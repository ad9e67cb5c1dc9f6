/* SPDX-License-Identifier: GPL-3.0-or-later
 * Relay loops in Microsoft's dialect ([MS-TURN]): allocations by probe_msturn.c, and what is between them and the packets.
 *
 *     UDP: each leg sends an opening to the other's relayed address in a Send request, which lets the other's packets in and is never answered,
 *          again and again --Data indication with the other's opening on both legs--> bound; packets go the same way
 *     TCP: far: Set Active Destination --success--> near: Set Active Destination, which has its relay connect to the far one --success--> bound;
 *          packets go in data frames, each behind its length (RFC 4571)
 *
 * The formats are those of real captures, and over UDP the exchange, too. That over TCP is the one of libnice's client, and its order was tried
 * with the relay of our tests only. */
#include <string.h>

#include "probe/relay.h"
#include "wire/rfc4571.h"

enum {
    OPEN_EVERY_US = 50000,
    OPENINGS_MAX = 40, /* then packets are sent all the same, and tell that none comes through */
    ROOM = 640,        /* of a Send request: a packet, names and the signature */
};
static const char opening[] = "edgemedia relay opening";

static struct em_attempt *other(const struct em_attempt *leg)
{
    return leg->relay->is_far ? leg->relay->near : leg->relay->far;
}

static void send_to_peer(struct em_attempt *leg, struct slice data)
{
    uint8_t bytes[ROOM];
    struct buf b = buf_over(bytes, sizeof bytes);
    uint8_t tid[MSTURN_TID_SIZE];

    em_random(em_attempt_clock(leg), tid, sizeof tid);
    msturn_begin(&b, MSTURN_SEND, tid);
    msturn_put_u32(&b, MSTURN_ATTR_VERSION, leg->ms.auth.version);
    msturn_put_addr(&b, MSTURN_ATTR_DESTINATION_ADDRESS, &other(leg)->relay->relayed);
    msturn_put(&b, MSTURN_ATTR_DATA, data.p, data.n);
    msturn_auth_sign(&leg->ms.auth, &b);
    if (!b.full && leg->conn)
        em_conn_send_to(leg->conn, b.p, b.n, leg->ask_at.len ? &leg->ask_at : &leg->remote);
}

static void send_frame(struct em_attempt *leg, struct slice data)
{
    uint8_t bytes[MSTURN_FRAME_HEADER_SIZE + 2 + EM_RELAY_PACKET_SIZE + 1];
    struct buf b = buf_over(bytes + MSTURN_FRAME_HEADER_SIZE, sizeof bytes - MSTURN_FRAME_HEADER_SIZE);

    buf_u16(&b, (uint16_t)data.n);
    buf_bytes(&b, data.p, data.n);
    if (b.full || !leg->conn)
        return;
    msturn_frame_header(bytes, MSTURN_FRAME_DATA, (uint16_t)b.n);
    em_conn_send(leg->conn, bytes, MSTURN_FRAME_HEADER_SIZE + b.n);
}

void em_relay_ms_send(struct em_attempt *leg, struct slice data)
{
    if (em_attempt_stream(leg))
        send_frame(leg, data);
    else
        send_to_peer(leg, data);
}

/* --- from two allocations to a way --------------------------------------------------------------------------------- */

static void activate(struct em_attempt *leg)
{
    leg->relay->step = EM_RELAY_BINDING;
    em_msturn_set_active(leg, &other(leg)->relay->relayed);
}

static void open_both(struct em_attempt *near)
{
    struct em_relay *r = near->relay;

    send_to_peer(r->far, (struct slice) { opening, sizeof opening - 1 });
    if (!near->ended)
        send_to_peer(near, (struct slice) { opening, sizeof opening - 1 });
    r->openings++;
    if (!near->ended)
        em_timer_at(r->timer, em_attempt_now(near) + OPEN_EVERY_US);
}

static void way_is_there(struct em_attempt *near)
{
    near->relay->step = EM_RELAY_TALKING;
    em_timer_stop(near->relay->timer);
    em_relay_talk(near);
}

void em_relay_ms_bind(struct em_attempt *near)
{
    struct em_relay *r = near->relay;

    if (em_attempt_stream(near)) {
        activate(r->far);
        return;
    }
    r->step = r->far->relay->step = EM_RELAY_BINDING;
    open_both(near);
}

/* Openings were not all heard: whoever does not hear the other's now never will. */
void em_relay_ms_tick(struct em_attempt *near)
{
    if (near->relay->openings < OPENINGS_MAX)
        open_both(near);
    else
        way_is_there(near);
}

static bool both_bound(const struct em_relay *near)
{
    return near->step == EM_RELAY_BOUND && near->far->relay->step == EM_RELAY_BOUND;
}

static void bound(struct em_attempt *leg)
{
    struct em_attempt *near = leg->relay->near;

    leg->relay->step = EM_RELAY_BOUND;
    if (both_bound(near->relay))
        way_is_there(near);
    else if (em_attempt_stream(leg))
        activate(near);
}

/* --- what comes -------------------------------------------------------------------------------------------------------- */

static void packet(struct em_attempt *leg, struct slice data)
{
    bool opens = slice_eq(data, (struct slice) { opening, sizeof opening - 1 });

    if (opens && leg->relay->step == EM_RELAY_BINDING)
        bound(leg);
    else if (!opens && leg->relay->near->relay->step >= EM_RELAY_TALKING)
        em_relay_packet(leg, data);
}

void em_relay_ms_data(struct em_attempt *leg, struct slice data)
{
    if (leg->relay->near->relay->far && !em_attempt_stream(leg))
        packet(leg, data);
}

/* Frames carry a stream, which may be cut anywhere. What cannot be a packet of ours ends it. */
void em_relay_ms_stream(struct em_attempt *leg, struct slice data)
{
    struct em_relay *r = leg->relay;
    struct slice one;
    int used;

    while (data.n > 0 && !leg->ended && r->near->relay->step >= EM_RELAY_TALKING) {
        size_t n = sizeof r->part - r->part_n < data.n ? sizeof r->part - r->part_n : data.n;

        memcpy(r->part + r->part_n, data.p, n);
        r->part_n += n;
        data = slice_from(data, n);
        while (!leg->ended && (used = rfc4571_frame(r->part, r->part_n, EM_RELAY_PACKET_SIZE, &one)) > 0) {
            packet(leg, one);
            r->part_n -= (size_t)used;
            memmove(r->part, r->part + used, r->part_n);
        }
        if (used < 0 || r->part_n == sizeof r->part) {
            r->near->relay->packets.altered++;
            r->part_n = 0;
            return;
        }
    }
}

bool em_relay_ms_answered(struct em_attempt *leg, const struct msturn_msg *m, enum stun_auth_next next)
{
    if (leg->relay->step == EM_RELAY_RELEASING) {
        em_relay_released(leg);
    } else if (next == STUN_AUTH_RETRY && leg->relay->step == EM_RELAY_BINDING) {
        activate(leg);
    } else if (next == STUN_AUTH_SUCCESS && leg->relay->step == EM_RELAY_BINDING) {
        bound(leg);
    } else if (next == STUN_AUTH_NEEDED && m->error_code == 401) {
        em_attempt_end(leg, EM_VERDICT_AUTH_FAILED,
                       "the relay wants credentials, and a test through it needs them");
    } else if (leg->relay->step == EM_RELAY_BINDING && m->error_code && next != STUN_AUTH_BROKEN) {
        em_attempt_end(leg, EM_VERDICT_DEGRADED,
                       "the relay is up, but does not connect its one relayed address to the other: %u",
                       m->error_code);
    } else {
        return false;
    }
    return true;
}
