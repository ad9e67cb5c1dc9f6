/* SPDX-License-Identifier: GPL-3.0-or-later
 * Payload sharing: frames go out as fast as the path takes them, their echo is compared byte for byte, and pauses are counted.
 *
 * TCP: a stream of frames, each with its length before it, and the same stream back. UDP: at most WINDOW frames are on their way; those that did not
 * come back when nothing moves any more are lost. */
#include <stdlib.h>
#include <string.h>

#include "probe/sweep_part.h"

enum {
    WINDOW = 16,   /* UDP: frames on their way */
    PACE_US = 600, /* UDP: from one frame to the next, about 12 Mbit/s: faster than sharing, and no flood */
    BURST = 4,     /* UDP: frames that may be early */
    LOSS_DEGRADED = 3,     /* percent: more of lost frames or of segments sent again is degraded */
    LONGEST_US = 30000000, /* of one port; what takes longer is no path for sharing */
    WIRE_MAX = SHARING_FRAME_MAX + 2,
    SEGMENT = 1400, /* bytes, about: to turn bytes into segments */
};

struct sweep_share {
    struct sharing media;
    struct side { /* of the stream, TCP: the frame that is on its way, and how much of it */
        unsigned seq;
        size_t at, n;
        uint8_t wire[WIRE_MAX];
    } out, in;
    uint8_t back[(SHARING_FRAMES + 7) / 8]; /* UDP: which came */
    unsigned came, base; /* UDP: how many came; frames before base are no longer waited for */
    int64_t began_us, moved_us;
    int64_t lost_us; /* UDP: how long nothing came, since something last did */
    bool stalled;
};

void sweep_share_free(struct sweep_slot *t)
{
    free(t->share);
    t->share = NULL;
}

static void load(const struct sweep_share *h, struct side *to, unsigned seq)
{
    size_t n = sharing_frame(&h->media, seq, to->wire + 2);

    to->wire[0] = (uint8_t)(n >> 8);
    to->wire[1] = (uint8_t)n;
    to->seq = seq;
    to->at = 0;
    to->n = n + 2;
}

/* TCP: until a pause is a stall. UDP: until the next frame is due, or those on their way are lost. */
static void watch(struct em_sweep *s, uint32_t lane)
{
    const struct sweep_share *h = s->slot[lane].share;
    int64_t at = h->moved_us + EM_SHARING_STALL_MS * EM_US_PER_MS;

    if (!sweep_tcp(s)) {
        at = h->moved_us + EM_SWEEP_FLOOR_UDP_MS * EM_US_PER_MS;
        if (h->out.seq < SHARING_FRAMES && h->out.seq - h->base < WINDOW)
            at = h->began_us + ((int64_t)h->out.seq - BURST + 1) * PACE_US;
    }
    if (at > h->moved_us + s->conf.timeout_us)
        at = h->moved_us + s->conf.timeout_us;
    sweep_deadline(s, lane, at);
}

/* All came back. */
static void finish_stream(struct em_sweep *s, uint32_t lane)
{
    const struct sweep_share *h = s->slot[lane].share;
    struct em_tcp_info info;
    uint64_t segments = sharing_total() / SEGMENT;
    bool stalled = h->stalled;

    em_bulk_info(s->bulk, lane, &info);
    s->result.retransmits += info.total_retrans;
    sweep_end(s, lane,
              stalled || (uint64_t)info.total_retrans * 100 > segments * LOSS_DEGRADED ? EM_VERDICT_DEGRADED
                                                                                       : EM_VERDICT_OK);
}

static void finish_datagrams(struct em_sweep *s, uint32_t lane)
{
    const struct sweep_share *h = s->slot[lane].share;
    unsigned lost = SHARING_FRAMES - h->came;
    bool bad = lost * 100 > SHARING_FRAMES * LOSS_DEGRADED || h->stalled;

    sweep_end(s, lane, bad ? EM_VERDICT_DEGRADED : EM_VERDICT_OK);
}

static void send_stream(struct em_sweep *s, uint32_t lane)
{
    struct sweep_share *h = s->slot[lane].share;

    while (h->out.seq < SHARING_FRAMES) {
        size_t sent = em_bulk_send(s->bulk, lane, h->out.wire + h->out.at, h->out.n - h->out.at);

        h->out.at += sent;
        if (h->out.at < h->out.n)
            return;
        if (h->out.seq + 1 == SHARING_FRAMES) {
            h->out.seq++;
            return;
        }
        load(h, &h->out, h->out.seq + 1);
    }
}

static void send_datagrams(struct em_sweep *s, uint32_t lane)
{
    struct sweep_share *h = s->slot[lane].share;

    uint64_t due = (uint64_t)(sweep_now(s) - h->began_us) / PACE_US + BURST;

    for (; h->out.seq < SHARING_FRAMES && h->out.seq < due && h->out.seq - h->base < WINDOW; h->out.seq++) {
        uint8_t frame[SHARING_FRAME_MAX];

        em_bulk_send(s->bulk, lane, frame, sharing_frame(&h->media, h->out.seq, frame));
    }
}

void sweep_share_send(struct em_sweep *s, uint32_t lane)
{
    if (sweep_tcp(s))
        send_stream(s, lane);
    else
        send_datagrams(s, lane);
}

/* A server that gives no token is no responder: sharing cannot be tried with it. */
void sweep_share_begin(struct em_sweep *s, uint32_t lane, const struct stun_msg *answer)
{
    struct sweep_slot *t = &s->slot[lane];
    struct stun_walk w = stun_walk_of(answer);
    const uint8_t *token = NULL;

    while (stun_walk_next(&w))
        if (w.type == SHARING_ATTR_TOKEN && cur_left(&w.value) == SHARING_TOKEN)
            token = w.value.p;
    if (!token || !(t->share = calloc(1, sizeof *t->share))) {
        sweep_end(s, lane, token ? EM_VERDICT_ERROR : EM_VERDICT_PROTOCOL_ERROR);
        return;
    }
    memcpy(t->share->media.token, token, SHARING_TOKEN);
    em_random(s->clock, &t->share->media.ssrc, sizeof t->share->media.ssrc);
    t->share->began_us = t->share->moved_us = sweep_now(s);
    t->phase = SWEEP_SHARING;
    load(t->share, &t->share->in, 0);
    load(t->share, &t->share->out, 0);
    sweep_share_send(s, lane);
    watch(s, lane);
}

static void progress(struct em_sweep *s, struct sweep_share *h, size_t n)
{
    h->moved_us = sweep_now(s);
    h->lost_us = 0;
    s->result.bytes += n;
    sweep_moved(s, h->moved_us);
}

static void heard_stream(struct em_sweep *s, uint32_t lane, const uint8_t *p, size_t n)
{
    struct sweep_share *h = s->slot[lane].share;

    progress(s, h, 0);
    while (n > 0) {
        size_t part = h->in.n - h->in.at < n ? h->in.n - h->in.at : n;

        if (memcmp(h->in.wire + h->in.at, p, part) != 0) {
            sweep_end(s, lane, EM_VERDICT_MANGLED);
            return;
        }
        p += part;
        n -= part;
        h->in.at += part;
        if (h->in.at < h->in.n)
            continue;
        s->result.bytes += h->in.n - 2;
        if (h->in.seq + 1 == SHARING_FRAMES) {
            if (n > 0)
                sweep_end(s, lane, EM_VERDICT_MANGLED); /* more came back than was sent */
            else
                finish_stream(s, lane);
            return;
        }
        load(h, &h->in, h->in.seq + 1);
    }
    watch(s, lane);
}

/* A datagram of another shape is nothing of ours; one of ours with other bytes was rewritten. */
static void heard_datagram(struct em_sweep *s, uint32_t lane, const uint8_t *p, size_t n)
{
    struct sweep_share *h = s->slot[lane].share;
    uint8_t want[SHARING_FRAME_MAX];
    const uint8_t *token;
    unsigned seq;

    if (!sharing_is_frame(p, n, &token))
        return;
    seq = (unsigned)p[2] << 8 | p[3];
    if (seq >= h->out.seq || sharing_frame(&h->media, seq, want) != n || memcmp(want, p, n) != 0) {
        sweep_end(s, lane, EM_VERDICT_MANGLED);
        return;
    }
    if (h->back[seq / 8] & 1 << seq % 8)
        return;
    h->back[seq / 8] = (uint8_t)(h->back[seq / 8] | 1 << seq % 8);
    h->came++;
    while (h->base < h->out.seq && (h->back[h->base / 8] & 1 << h->base % 8))
        h->base++;
    progress(s, h, n);
    if (h->base == SHARING_FRAMES) {
        finish_datagrams(s, lane);
        return;
    }
    send_datagrams(s, lane);
    watch(s, lane);
}

void sweep_share_heard(struct em_sweep *s, uint32_t lane, const uint8_t *p, size_t n)
{
    if (sweep_tcp(s))
        heard_stream(s, lane, p, n);
    else
        heard_datagram(s, lane, p, n);
}

/* Nothing moved for the whole timeout. Acknowledged bytes without any echo come from something that is no responder. */
static void stream_is_dead(struct em_sweep *s, uint32_t lane)
{
    const struct sweep_share *h = s->slot[lane].share;
    bool any = h->in.seq > 0 || h->in.at > 0;
    struct em_tcp_info info;

    em_bulk_info(s->bulk, lane, &info);
    s->result.retransmits += info.total_retrans;
    sweep_end(s, lane, any || info.unacked > 0 ? EM_VERDICT_BLACKHOLED : EM_VERDICT_SILENT);
}

static void stream_late(struct em_sweep *s, uint32_t lane, int64_t now_us)
{
    struct sweep_share *h = s->slot[lane].share;

    if (now_us - h->moved_us >= s->conf.timeout_us) {
        stream_is_dead(s, lane);
    } else {
        if (now_us - h->moved_us >= EM_SHARING_STALL_MS * EM_US_PER_MS) {
            h->stalled = true;
            s->result.stalls++;
        }
        sweep_deadline(s, lane, h->moved_us + s->conf.timeout_us);
    }
}

/* What is on its way is lost: go on behind it. */
static void write_off(struct em_sweep *s, struct sweep_share *h, int64_t now_us)
{
    h->base = h->out.seq;
    h->lost_us += now_us - h->moved_us;
    h->moved_us = now_us;
    if (h->lost_us < EM_SHARING_STALL_MS * EM_US_PER_MS)
        return;
    h->lost_us = 0;
    h->stalled = true;
    s->result.stalls++;
}

static void datagrams_late(struct em_sweep *s, uint32_t lane, int64_t now_us)
{
    struct sweep_share *h = s->slot[lane].share;

    if (now_us - h->moved_us >= EM_SWEEP_FLOOR_UDP_MS * EM_US_PER_MS && h->base < h->out.seq)
        write_off(s, h, now_us);
    if (h->base == SHARING_FRAMES && h->came > 0) {
        finish_datagrams(s, lane);
        return;
    }
    if (h->came == 0 && (h->base == SHARING_FRAMES || now_us - h->began_us >= s->conf.timeout_us)) {
        sweep_end(s, lane, EM_VERDICT_BLACKHOLED);
        return;
    }
    send_datagrams(s, lane);
    watch(s, lane);
}

void sweep_share_late(struct em_sweep *s, uint32_t lane, int64_t now_us)
{
    if (now_us - s->slot[lane].share->began_us >= LONGEST_US)
        sweep_end(s, lane, EM_VERDICT_DEGRADED);
    else if (sweep_tcp(s))
        stream_late(s, lane, now_us);
    else
        datagrams_late(s, lane, now_us);
}
