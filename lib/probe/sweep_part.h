/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside a sweep: what sweep.c (pace, deadlines, end), sweep_talk.c (the conversation with one port) and sweep_share.c (payload sharing)
 * share.
 *
 *     begun --connected (UDP: at once)--> asking --answer--> [sharing --all came back-->] ended: a verdict for the port
 *       |  ^                                |                    |                          ^
 *       |  +-- deadline, tries left         +---- deadline, error, foreign bytes, end ------+
 */
#ifndef EM_PROBE_SWEEP_PART_H
#define EM_PROBE_SWEEP_PART_H

#include "base/buf.h"
#include "net/bulk.h"
#include "probe/sharing.h"
#include "probe/sweep.h"
#include "wire/stun.h"
#include "wire/stun_auth.h"

enum {
    SWEEP_WHEEL = 1024, /* places, each a millisecond and a bit; a deadline may be more than one round away */
    SWEEP_TICK_SHIFT = 10,
    SWEEP_ANSWER_MAX = 2048, /* bytes of an answer that come in pieces */
    SWEEP_BATCH = 64,        /* conversations that are begun at one go */
    SWEEP_NONE = UINT32_MAX,
    SWEEP_TAKEN = 255, /* in place of a verdict: its conversation goes on */
    SWEEP_AGAIN = 254, /* in place of a verdict: its silence proves nothing, it is tested again */
    SWEEP_LATE = 4,    /* an answer that took more than this part of the timeout stood behind others */
};

enum sweep_phase { SWEEP_FREE, SWEEP_CONNECTING, SWEEP_ASKING, SWEEP_SHARING };

struct sweep_share; /* sweep_share.c */

struct sweep_slot { /* the conversation on the lane of the same number */
    uint8_t phase, tries;
    uint8_t wrong; /* UDP: what came in place of an answer, decides if no answer comes; 0: nothing */
    uint8_t check; /* sharing: which of the two checks is asked */
    uint16_t port;
    uint16_t syn_retransmits;
    uint32_t next, before; /* of the same place on the wheel */
    int64_t deadline_us;
    int64_t began_us; /* the first try */
    int64_t tried_us; /* this try; when asking over TCP: when the request left */
    struct sweep_piece {
        size_t n;
        uint8_t bytes[SWEEP_ANSWER_MAX];
    } * piece; /* TCP: the beginning of an answer; NULL: none */
    struct sweep_share *share;
};

struct em_sweep {
    struct em_net *net;
    const struct em_clock *clock;
    struct em_sweep_conf conf;
    struct em_sweep_order own, *order;
    void (*done)(void *arg);
    void *arg;
    struct em_bulk *bulk;
    struct em_timer *timer;
    struct stun_key key; /* n 0: none */
    uint8_t nonce[8];    /* of the transaction ids */

    uint8_t *verdict; /* by port, from conf.ports.first on */
    uint32_t waiting; /* ports not begun yet */
    uint32_t running;
    uint32_t held;     /* a port that found no socket: next; 0: none */
    uint32_t again;    /* ports whose verdict is SWEEP_AGAIN */
    uint32_t again_at; /* where to look for the next one, from conf.ports.first on */
    unsigned round;    /* 0: every port is new; then the rounds of those that are tested again */
    struct em_sweep_result result;
    int64_t began_us;
    bool ended;
    bool lossy; /* a port answered only after a retransmission */

    uint32_t lanes, window, window_max;
    int64_t next_us;    /* not before; with a rate */
    int64_t heard_us;   /* when a conversation last moved */
    int64_t rested_us;  /* no socket: not before */
    int64_t starved_us; /* no socket at all since; 0: not so */
    int64_t widened_us;
    int64_t late_us;                      /* when an answer last was late; before began_us: never */
    int64_t narrowed_us;                  /* when the window last became smaller for that */
    int64_t srtt_us, rttvar_us, least_us; /* round trips: smoothed, their variation, the shortest */

    struct sweep_slot *slot;
    uint32_t wheel[SWEEP_WHEEL];
    int64_t wheel_tick, soonest_us;
};

/* sweep.c */
int64_t sweep_now(const struct em_sweep *s);
bool sweep_tcp(const struct em_sweep *s);
void sweep_deadline(struct em_sweep *s, uint32_t lane, int64_t at_us);
void sweep_end(struct em_sweep *s, uint32_t lane, enum em_verdict v); /* of one port; closes the lane */
void sweep_moved(struct em_sweep *s, int64_t now_us);
void sweep_answered(struct em_sweep *s,
                    int64_t asked_us); /* a request that left at asked_us has its answer */
void sweep_rtt(struct em_sweep *s, int64_t us);
/* How long the present try of a slot lasts, from tried_us on. */
int64_t sweep_patience(const struct em_sweep *s, const struct sweep_slot *t);

/* sweep_talk.c */
extern const struct em_bulk_events sweep_talk_events; /* all but turn */
void sweep_ask(struct em_sweep *s, uint32_t lane);
void sweep_too_late(struct em_sweep *s, uint32_t lane, int64_t now_us); /* TCP: asked, and no answer */
void sweep_good(struct em_sweep *s, uint32_t lane);
size_t sweep_request(const struct em_sweep *s, const struct sweep_slot *t, uint8_t *to, size_t size);

/* sweep_share.c */
void sweep_share_begin(struct em_sweep *s, uint32_t lane, const struct stun_msg *answer);
void sweep_share_heard(struct em_sweep *s, uint32_t lane, const uint8_t *p, size_t n);
void sweep_share_send(struct em_sweep *s, uint32_t lane);
void sweep_share_late(struct em_sweep *s, uint32_t lane, int64_t now_us);
void sweep_share_free(struct sweep_slot *t);

#endif
