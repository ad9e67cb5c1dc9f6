/* SPDX-License-Identifier: GPL-3.0-or-later
 * Packets through a relay loop: sent as audio is, recognised when they come back, counted and judged. */
#include <stdio.h>
#include <string.h>

#include "probe/relay.h"
#include "wire/turn.h"

enum {
    PACKETS = EM_RELAY_PACKETS,
    PACKET_SIZE = EM_RELAY_PACKET_SIZE,
    PACKET_EVERY_US = 20000, /* as audio is sent */
    LATE_US = 1000000,       /* how long the last packet may take */
};

static int64_t left_us(const struct em_attempt *a)
{
    return em_probe_deadline_us(a->probe) - em_attempt_now(a);
}

/* --- packets: key, number, then a pattern that every number has its own of ------------------------------------------- */

static void put_packet(const struct em_relay_packets *k, uint32_t number, struct buf *b)
{
    buf_bytes(b, k->key, sizeof k->key);
    buf_u32(b, number);
    while (b->n < PACKET_SIZE && !b->full)
        buf_u8(b, (uint8_t)(number * 31 + b->n * 7));
}

static void send_data(struct em_attempt *leg, struct slice data)
{
    uint8_t bytes[PACKET_SIZE + TURN_CHANNEL_HEADER_SIZE + 5];
    struct buf b = buf_over(bytes, sizeof bytes);

    if (em_relay_by_ms(leg)) {
        em_relay_ms_send(leg, data);
        return;
    }
    if (em_relay_by_tcp(leg)) {
        if (leg->relay->data && leg->relay->data->conn)
            em_conn_send(leg->relay->data->conn, data.p, data.n);
        return;
    }
    turn_put_channel_data(&b, TURN_CHANNEL_FIRST, data, em_attempt_stream(leg));
    if (!b.full)
        em_conn_send(leg->conn, b.p, b.n);
}

static void send_packet(struct em_attempt *near)
{
    struct em_relay_packets *k = &near->relay->packets;
    uint8_t bytes[PACKET_SIZE + 1]; /* a buf keeps a byte for the NUL of a text */
    struct buf b = buf_over(bytes, sizeof bytes);

    if (k->sent == 0) {
        em_random(em_attempt_clock(near), k->key, sizeof k->key);
        k->start_us = em_attempt_now(near);
    }
    put_packet(k, k->sent, &b);
    k->sent_us[k->sent++] = em_attempt_now(near);
    send_data(near, (struct slice) { (const char *)bytes, b.n });
}

void em_relay_talk(struct em_attempt *near)
{
    struct em_relay *r = near->relay;
    int64_t next = em_attempt_now(near) + PACKET_EVERY_US;

    if (r->packets.sent == PACKETS || left_us(near) <= EM_RELAY_RELEASE_US) {
        em_relay_release(near);
        return;
    }
    send_packet(near);
    if (near->ended)
        return;
    if (r->packets.sent == PACKETS) {
        int64_t most = em_probe_deadline_us(near->probe) - EM_RELAY_RELEASE_US;

        next = em_attempt_now(near) + LATE_US;
        next = next < most ? next : most;
    }
    em_timer_at(r->timer, next);
}

/* RFC 3550 section 6.4.1: the mean of how much one transit differs from the one before, smoothed by 16. */
static void note_rtt(struct em_attempt *near, int64_t rtt)
{
    struct em_relay_packets *k = &near->relay->packets;
    struct em_probe_result *to = &near->result;
    int64_t apart = rtt > k->rtt_last_us ? rtt - k->rtt_last_us : k->rtt_last_us - rtt;

    if (k->back > 0)
        k->jitter_us += (apart - k->jitter_us) / 16;
    k->rtt_last_us = rtt;
    k->rtt_sum_us += rtt;
    if (k->back == 0 || rtt < to->rtt_min_us)
        to->rtt_min_us = rtt;
    if (rtt > to->rtt_max_us)
        to->rtt_max_us = rtt;
}

static void heard_back(struct em_attempt *near, struct slice data)
{
    struct em_relay_packets *k = &near->relay->packets;
    struct cur c = cur_of(data.p, data.n);
    uint8_t bytes[PACKET_SIZE + 1]; /* a buf keeps a byte for the NUL of a text */
    struct buf b = buf_over(bytes, sizeof bytes);
    uint32_t number;

    cur_take(&c, sizeof k->key);
    number = cur_u32(&c);
    if (c.bad || number >= k->sent) {
        k->altered++;
        return;
    }
    put_packet(k, number, &b);
    if (data.n != b.n || memcmp(data.p, b.p, b.n) != 0) {
        k->altered++;
        return;
    }
    if (k->seen[number])
        return; /* the path made two of it */
    k->seen[number] = true;
    note_rtt(near, em_attempt_since(near, k->sent_us[number]));
    k->back++;
    k->bytes_back += data.n;
    if (k->back == PACKETS)
        em_relay_release(near);
}

void em_relay_packet(struct em_attempt *leg, struct slice data)
{
    struct em_attempt *near = leg->relay->near;

    if (leg->relay->is_far) {
        near->relay->packets.there++;
        send_data(leg, slice_upto(data, PACKET_SIZE));
    } else if (near->relay->step == EM_RELAY_TALKING) {
        heard_back(near, data);
    }
}

/* --- the verdict ------------------------------------------------------------------------------------------------------- */

static void sum_up(struct em_attempt *near)
{
    struct em_relay_packets *k = &near->relay->packets;
    struct em_probe_result *to = &near->result;
    const struct em_attempt *far = near->relay->far;

    if (far) {
        to->retransmits += far->result.retransmits;
        to->requests += far->result.requests;
    }
    if (k->sent == 0)
        return;
    if (to->relay_us == 0)
        to->relay_us = em_attempt_since(near, k->start_us);
    to->packets_sent = k->sent;
    to->packets_back = k->back;
    to->sent = (uint64_t)k->sent * PACKET_SIZE;
    to->received = k->bytes_back;
    to->rtt_us = k->back ? k->rtt_sum_us / k->back : 0;
    to->jitter_us = k->jitter_us;
}

void em_relay_judge(struct em_attempt *near)
{
    const struct em_relay_packets *k = &near->relay->packets;
    struct em_port_range range = em_attempt_options(near)->relay_ports;
    char packets[96];

    sum_up(near);
    snprintf(packets, sizeof packets, "%u of %u packets came back through the relay", k->back, k->sent);
    if (k->altered)
        em_attempt_end(near, EM_VERDICT_MANGLED, "%s; %u came altered", packets, k->altered);
    else if (k->back == 0 && k->there > 0)
        em_attempt_end(
            near, EM_VERDICT_FILTERED,
            "both allocations were made, and %u of %u packets reached the far side, but none came back",
            k->there, k->sent);
    else if (k->back == 0)
        em_attempt_end(near, EM_VERDICT_FILTERED,
                       "both allocations were made, but none of %u packets got through from one relayed port "
                       "to the other",
                       k->sent);
    else if (k->back < k->sent)
        em_attempt_end(near, EM_VERDICT_DEGRADED, "only %s (%u reached the far side)", packets, k->there);
    else if (range.first && !near->result.relayed_port_in_range)
        em_attempt_end(near, EM_VERDICT_DEGRADED, "%s, but the relayed port %u is not in %u-%u", packets,
                       near->relay->relayed.port, range.first, range.last);
    else
        em_attempt_good(near, packets, near->result.rtt_us);
}
