/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside probe/: what a kind of probe is. A kind is a row in kinds.c, and a file with the functions of that row.
 */
#ifndef EM_PROBE_PROBE_KIND_H
#define EM_PROBE_PROBE_KIND_H

#include "probe/probe.h"

struct em_attempt;
struct stun_msg;

struct em_probe_kind {
    const char *scheme;
    uint16_t port;               /* default; 0: must be given */
    enum em_transport transport; /* without ?transport= */
    bool query;                  /* takes ?transport= */
    enum em_dialect dialect;
    const char *missing; /* why this build cannot do it; NULL: it can */

    void (*begin)(struct em_attempt *a); /* the connection is there: ask the first request */
    /* An answer to the request that waits: em_ask_answered() takes it, em_ask_ignore() goes on waiting. */
    void (*answer)(struct em_attempt *a, const struct stun_msg *m);
    bool (*lost)(
        struct em_attempt
            *a); /* no answer will come any more. True: the kind knew a verdict and has ended. May be NULL */
    void (*abandon)(
        struct em_attempt *a); /* clean up at the server before the connection is closed. May be NULL */

    /* A kind that does not speak STUN by RFC 8489 reads what comes itself; all NULL: ask.c does, and calls answer. */
    void (*datagram)(struct em_attempt *a, const uint8_t *p, size_t n);
    /* Cuts the first message off a->in (em_ask_drop). False: more bytes are needed, or the attempt has ended. */
    bool (*stream)(struct em_attempt *a);
    void (*run)(struct em_attempt *a); /* in place of a connection: the kind has its own. Else NULL */
    bool carries;                      /* bytes must come back through it: em_probe_carried() */
    bool unconnected;                  /* UDP: answers may come from another address than was asked */
    uint16_t stream_port;              /* default over TCP, if it is another one; 0: the same */
};

/* Ends with a row whose scheme is NULL. */
extern const struct em_probe_kind em_probe_kinds[];

/* The functions of the rows. */
void em_stun_begin(struct em_attempt *a);
void em_stun_answer(struct em_attempt *a, const struct stun_msg *m);
void em_port_answer(struct em_attempt *a, const struct stun_msg *m);
void em_turn_begin(struct em_attempt *a);
void em_turn_answer(struct em_attempt *a, const struct stun_msg *m);
bool em_turn_lost(struct em_attempt *a);
void em_turn_abandon(struct em_attempt *a);
void em_msturn_begin(struct em_attempt *a);
void em_msturn_datagram(struct em_attempt *a, const uint8_t *p, size_t n);
bool em_msturn_stream(struct em_attempt *a);
bool em_msturn_lost(struct em_attempt *a);
void em_msturn_abandon(struct em_attempt *a);
void em_path_run(struct em_attempt *a);
bool em_path_lost(struct em_attempt *a);
void em_relay_begin(struct em_attempt *a);
void em_relay_answer(struct em_attempt *a, const struct stun_msg *m);
bool em_relay_lost(struct em_attempt *a);
void em_relay_abandon(struct em_attempt *a);

#endif
