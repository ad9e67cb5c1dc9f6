/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside a differential test: what path.c (rounds), path_talk.c (one connection) and path_walk.c (hops) share.
 *
 *     opening --connected (UDP: at once)--> asking --answer, error, end, deadline--> ended: counted
 */
#ifndef EM_PROBE_PATH_PART_H
#define EM_PROBE_PATH_PART_H

#include "probe/path.h"
#include "probe/path_payload.h"
#include "probe/sharing.h"

enum { PATH_ANSWER_MAX = 4096 };

struct path_talk {
    struct em_path *path;
    struct em_conn *conn; /* NULL: the place is free */
    struct em_timer *timer;
    enum em_path_payload payload;
    bool connected;
    int64_t began_us, sent_us;
    uint32_t syns;  /* SYNs that were sent again */
    uint32_t sends; /* UDP: requests so far */
    unsigned prolonged;
    struct sharing sharing; /* media: once a token came */
    bool has_token;
    uint8_t random[EM_PATH_PAYLOAD_MAX];
    uint8_t out[EM_PATH_PAYLOAD_MAX];
    size_t out_n;
    uint8_t in[PATH_ANSWER_MAX];
    size_t in_n;
};

struct path_walk; /* path_walk.c */

struct em_path {
    struct em_net *net;
    const struct em_clock *clock;
    struct em_path_conf conf;
    void (*done)(void *arg);
    void *arg;
    struct em_timer *pace;
    int64_t began_us, next_us, gap_us;

    uint8_t *plan; /* payloads in the order in which they are sent */
    uint32_t plan_n, plan_at, plan_max;
    uint32_t ended, running, talks;
    struct path_talk *talk;       /* EM_PATH_TALKS, of which `talks` are used */
    unsigned locals;              /* failures of this machine one after the other */
    char local[EM_REASON_MAX];    /* why this machine could not make a connection; "": it could */
    char stranger[EM_REASON_MAX]; /* what the first wrong answer was */
    enum em_verdict stranger_verdict;
    struct em_path_result result;
    struct path_walk *walk; /* NULL: none */
};

static inline bool path_tcp(const struct em_path *p)
{
    return p->conf.transport == EM_TRANSPORT_TCP;
}
static inline int64_t path_now(const struct em_path *p)
{
    return em_mono_us(p->clock);
}

/* path.c */
void path_soon(struct em_path *p); /* look at what is to be done next, from the loop */

/* path_talk.c */
bool path_talk_init(struct path_talk *t, struct em_path *p); /* false: no memory */
void path_talk_begin(struct path_talk *t, enum em_path_payload payload);
void path_talk_stop(struct path_talk *t);

/* path_walk.c: calls path_soon() when it is over; false: no memory. */
bool path_walk_begin(struct em_path *p);
bool path_walk_over(const struct em_path *p);
void path_walk_stop(struct em_path *p);

#endif
