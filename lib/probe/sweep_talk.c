/* SPDX-License-Identifier: GPL-3.0-or-later
 * The conversation with one port: the request that goes out, and what the answer, its absence, or an error means. */
#include <stdlib.h>
#include <string.h>

#include "probe/attempt.h"
#include "probe/sweep_part.h"

enum {
    REQUEST_MAX = 512,
    ICE_PRIORITY = 0x6E0001FF,
    NO_RETRANSMIT_US =
        40000, /* an answer that is quicker came before TCP could have sent anything again (Linux: 200 ms) */
};

static void set_tid(const struct em_sweep *s, const struct sweep_slot *t, uint8_t tid[STUN_TID_SIZE])
{
    memcpy(tid, s->nonce, sizeof s->nonce);
    tid[8] = (uint8_t)(t->port >> 8);
    tid[9] = (uint8_t)t->port;
    tid[10] = t->check;
    tid[11] = 0;
}

/* A check of sharing looks like one of ICE (RFC 8445 section 7.1) and asks for a token. */
size_t sweep_request(const struct em_sweep *s, const struct sweep_slot *t, uint8_t *to, size_t size)
{
    static const uint8_t zeros[SHARING_TOKEN];
    struct buf b = buf_over(to, size);
    uint8_t tid[STUN_TID_SIZE];

    set_tid(s, t, tid);
    stun_begin(&b, STUN_BINDING, STUN_REQUEST, tid);
    if (s->conf.payload == EM_SWEEP_SHARING) {
        stun_put(&b, SHARING_ATTR_TOKEN, zeros, sizeof zeros);
        stun_put_u32(&b, STUN_ATTR_PRIORITY, ICE_PRIORITY);
        if (t->check > 0)
            stun_put(&b, STUN_ATTR_USE_CANDIDATE, NULL, 0);
    } else {
        stun_put_text(&b, STUN_ATTR_SOFTWARE, SLICE("edgemedia"));
    }
    if (s->key.n > 0)
        stun_put_integrity(&b, &s->key, false);
    stun_put_fingerprint(&b);
    return b.n;
}

static bool framed(const struct em_sweep *s)
{
    return s->conf.payload == EM_SWEEP_SHARING && sweep_tcp(s);
}

/* The first bytes of a connection always find room in the kernel. */
void sweep_ask(struct em_sweep *s, uint32_t lane)
{
    uint8_t room[2 + REQUEST_MAX], *p = room + 2;
    struct sweep_slot *t = &s->slot[lane];
    size_t n = sweep_request(s, t, p, REQUEST_MAX);

    t->phase = SWEEP_ASKING;
    if (framed(s)) {
        room[0] = (uint8_t)(n >> 8);
        room[1] = (uint8_t)n;
        p = room;
        n += 2;
    }
    em_bulk_send(s->bulk, lane, p, n);
}

/* --- TCP: what the kernel knows ----------------------------------------------------------------------------------------------- */

static struct em_tcp_info info_of(struct em_sweep *s, uint32_t lane)
{
    struct em_tcp_info info;

    em_bulk_info(s->bulk, lane, &info);
    s->result.retransmits += info.total_retrans;
    return info;
}

void sweep_good(struct em_sweep *s, uint32_t lane)
{
    bool again = s->slot[lane].tries > 1;

    if (sweep_tcp(s) && sweep_now(s) - s->slot[lane].tried_us >= NO_RETRANSMIT_US)
        again |= info_of(s, lane).total_retrans > 0;
    s->lossy |= again;
    sweep_end(s, lane, again ? EM_VERDICT_DEGRADED : EM_VERDICT_OK);
}

/* As for a probe: data that was never sent again proves nothing. */
void sweep_too_late(struct em_sweep *s, uint32_t lane, int64_t now_us)
{
    struct em_tcp_info info = info_of(s, lane);
    uint32_t again = info.total_retrans - s->slot[lane].syn_retransmits;

    (void)now_us;
    if (s->slot[lane].piece)
        sweep_end(s, lane, EM_VERDICT_PROTOCOL_ERROR); /* half an answer */
    else if (info.valid && info.bytes_acked < info.bytes_sent && again > 0 && info.unacked > 0)
        sweep_end(s, lane, EM_VERDICT_BLACKHOLED);
    else
        sweep_end(s, lane, EM_VERDICT_SILENT);
}

/* --- events ------------------------------------------------------------------------------------------------------------------- */

static void on_connected(void *arg, uint32_t lane)
{
    struct em_sweep *s = arg;
    struct sweep_slot *t = &s->slot[lane];
    int64_t now_us = sweep_now(s);

    sweep_moved(s, now_us);
    sweep_rtt(s, now_us - t->tried_us);
    t->tried_us = now_us;
    sweep_ask(s, lane);
    sweep_deadline(s, lane, now_us + s->conf.timeout_us);
}

/* What an answer is worth, or 0: it is none, wait on. */
static enum em_verdict judge(const struct em_sweep *s, const struct sweep_slot *t, const uint8_t *p, size_t n,
                             struct stun_msg *m)
{
    uint8_t tid[STUN_TID_SIZE];
    enum stun_integrity integrity;

    set_tid(s, t, tid);
    if (stun_parse(p, n, m) != 0)
        return EM_VERDICT_PROTOCOL_ERROR;
    if (!stun_is_answer(m, STUN_BINDING, tid))
        return 0;
    if (m->fingerprint_present && !m->fingerprint_right)
        return EM_VERDICT_MANGLED;
    if (s->key.n > 0 && m->class == STUN_SUCCESS) {
        integrity = stun_check_integrity(m, &s->key);
        if (integrity != STUN_INTEGRITY_RIGHT)
            return integrity == STUN_INTEGRITY_WRONG ? EM_VERDICT_MANGLED : EM_VERDICT_PROTOCOL_ERROR;
    }
    return EM_VERDICT_OK;
}

static void answered(struct em_sweep *s, uint32_t lane, const struct stun_msg *m)
{
    struct sweep_slot *t = &s->slot[lane];

    free(t->piece);
    t->piece = NULL;
    sweep_answered(s, t->tried_us);
    if (s->conf.payload == EM_SWEEP_STUN) {
        sweep_good(s, lane);
    } else if (t->check == 0) {
        t->check++;
        t->tries = 1; /* one lost datagram is no filter: this request may be sent again as the first one */
        t->began_us = t->tried_us = sweep_now(s);
        sweep_ask(s, lane);
        sweep_deadline(s, lane, t->tried_us + (sweep_tcp(s) ? s->conf.timeout_us : sweep_patience(s, t)));
    } else {
        sweep_share_begin(s, lane, m);
    }
}

static void message(struct em_sweep *s, uint32_t lane, const uint8_t *p, size_t n)
{
    struct sweep_slot *t = &s->slot[lane];
    struct stun_msg m;
    enum em_verdict v = judge(s, t, p, n, &m);

    if (v == EM_VERDICT_OK)
        answered(s, lane, &m);
    else if (v != 0)
        sweep_end(s, lane, v);
}

/* Anybody may send a datagram: what is no answer of ours decides only if none comes. */
static void datagram(struct em_sweep *s, uint32_t lane, const uint8_t *p, size_t n)
{
    struct sweep_slot *t = &s->slot[lane];
    int64_t now_us = sweep_now(s);
    char reason[EM_REASON_MAX];
    struct stun_msg m;
    enum em_verdict v = judge(s, t, p, n, &m);

    sweep_moved(s, now_us);
    if (v == EM_VERDICT_OK) {
        if (t->tries == 1)
            sweep_rtt(s, now_us - t->tried_us);
        answered(s, lane, &m);
    } else if (v == EM_VERDICT_MANGLED) {
        sweep_end(s, lane, v);
    } else if (v == EM_VERDICT_PROTOCOL_ERROR && !t->wrong) {
        v = em_foreign(p, n, reason, sizeof reason);
        t->wrong = (uint8_t)(v ? v : EM_VERDICT_PROTOCOL_ERROR);
    }
}

/* The size of the first message of a stream and where its STUN begins; 0: more is needed; <0: it is something else. */
static int first_message(const struct em_sweep *s, const uint8_t *p, size_t n, size_t *skip)
{
    size_t size = n >= 2 ? (size_t)p[0] << 8 | p[1] : 0;

    *skip = 0;
    if (!framed(s))
        return stun_frame(p, n);
    if (n < 2)
        return 0;
    *skip = 2;
    if (size < STUN_HEADER_SIZE || size > SWEEP_ANSWER_MAX - 2)
        return EM_ERR_INPUT;
    return n >= size + 2 ? (int)(size + 2) : 0;
}

static bool keep(struct sweep_slot *t, const uint8_t *p, size_t n)
{
    if (!t->piece && !(t->piece = calloc(1, sizeof *t->piece)))
        return false;
    if (n > sizeof t->piece->bytes - t->piece->n)
        return false;
    memcpy(t->piece->bytes + t->piece->n, p, n);
    t->piece->n += n;
    return true;
}

static void stream(struct em_sweep *s, uint32_t lane, const uint8_t *p, size_t n)
{
    struct sweep_slot *t = &s->slot[lane];
    char reason[EM_REASON_MAX];
    enum em_verdict v;
    size_t skip;
    int size;

    if (t->piece) {
        if (!keep(t, p, n)) {
            sweep_end(s, lane, EM_VERDICT_PROTOCOL_ERROR);
            return;
        }
        p = t->piece->bytes;
        n = t->piece->n;
    }
    size = first_message(s, p, n, &skip);
    if (size > 0) {
        message(s, lane, p + skip, (size_t)size - skip);
        return;
    }
    v = framed(s) && size == 0 ? 0 : em_foreign(p, n, reason, sizeof reason);
    if (v == 0 && size < 0)
        v = EM_VERDICT_PROTOCOL_ERROR;
    if (v == 0 && !t->piece && !keep(t, p, n))
        v = EM_VERDICT_PROTOCOL_ERROR;
    if (v != 0)
        sweep_end(s, lane, v);
}

static void on_data(void *arg, uint32_t lane, const uint8_t *p, size_t n)
{
    struct em_sweep *s = arg;

    if (s->slot[lane].phase == SWEEP_SHARING) {
        sweep_share_heard(s, lane, p, n);
    } else if (sweep_tcp(s)) {
        sweep_moved(s, sweep_now(s));
        stream(s, lane, p, n);
    } else {
        datagram(s, lane, p, n);
    }
}

static void on_writable(void *arg, uint32_t lane)
{
    struct em_sweep *s = arg;

    if (s->slot[lane].phase == SWEEP_SHARING)
        sweep_share_send(s, lane);
}

/* An end without an answer: somebody listens who speaks another protocol. An end in the middle of sharing is a cut. */
static void on_eof(void *arg, uint32_t lane)
{
    struct em_sweep *s = arg;

    info_of(s, lane);
    sweep_end(s, lane, s->slot[lane].phase == SWEEP_SHARING ? EM_VERDICT_RESET : EM_VERDICT_PROTOCOL_ERROR);
}

static void on_error(void *arg, uint32_t lane, const struct em_net_error *e)
{
    struct em_sweep *s = arg;
    struct sweep_slot *t = &s->slot[lane];
    int64_t now_us = sweep_now(s);
    bool ends;
    enum em_verdict v = em_attempt_error_verdict(e->kind, &ends);

    sweep_moved(s, now_us);
    if (!sweep_tcp(s) && (!ends || t->phase == SWEEP_SHARING)) {
        t->wrong = (uint8_t)v;
        return;
    }
    if (t->phase == SWEEP_CONNECTING || !sweep_tcp(s)) {
        if (t->tries == 1)
            sweep_rtt(s, now_us - t->tried_us);
        sweep_end(s, lane, v);
    } else if (e->kind == EM_NET_TIMED_OUT) {
        sweep_too_late(s, lane, now_us);
    } else {
        sweep_end(s, lane, v);
    }
}

const struct em_bulk_events sweep_talk_events = {
    .connected = on_connected, .data = on_data, .writable = on_writable, .eof = on_eof, .error = on_error
};
