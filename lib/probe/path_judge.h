/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the counts of a differential test say about the path. Pure: a table of counts in, a judgement out; no sockets, no clock, no dice.
 *
 * The table has a row for each payload. Over TCP each try begins with a handshake, so the handshakes of all rows together are the yardstick
 * of what the path does to packets that carry nothing:
 *
 *     hit       a payload that had to be sent again or was never acknowledged; or, where the far end has shown that it understands this
 *               payload, one that was not answered (a reset, an end, somebody else's answer, silence)
 *     handshake a SYN that had to be sent again, or never brought a connection
 *
 * | seen                                                                     | filter  |
 * |--------------------------------------------------------------------------|---------|
 * | no handshake at all, or some of them all or nothing                      | port    |
 * | handshakes are hit far more often than payloads                          | port    |
 * | one group of payloads is hit more often than everything else together    | content |
 * | the same, and the group is that of the large ones                        | size    |
 * | payloads and handshakes are hit alike, more than one in a hundred        | loss    |
 * | none of these                                                            | none    |
 *
 * The group is the one that explains the table best, of a fixed list (each payload alone, those of STUN, of TLS ...). Its evidence is
 * Fisher's exact test against the rest, times the number of tests that were made (Bonferroni); below EM_PATH_DOUBT it is named. Whatever a far
 * application does to payloads that it never understands (closes, resets, ignores) is its own business: it says nothing about the path.
 *
 * Over UDP, where neither an answer nor an ICMP message comes, a filtered port, a filter of just what the far end would answer, and a far end that
 * answers nothing look alike: port, filtered, with a confidence of one half. And where some payloads are answered, the others are not
 * judged. Where nothing is answered but ICMP says that nobody listens, a try that is silent in place of that is hit: systems send few of these
 * messages, but do not choose them by what a datagram holds.
 *
 * All or nothing: lost packets hit single SYNs, and of a connection's n SYNs all are lost with the nth power of the loss; a filter that judges
 * connections takes all of them. So connections that never came about are a filter's if the power does not explain their number.
 */
#ifndef EM_PROBE_PATH_JUDGE_H
#define EM_PROBE_PATH_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/rows.h"

#define EM_PATH_DOUBT 0.002 /* a filter is named if chance makes such a table less often than this */

enum em_path_payload {                    /* names and bytes: path_payload.c */
                       EM_PATH_HANDSHAKE, /* nothing is sent */
                       EM_PATH_STUN_FRAMED,
                       EM_PATH_STUN,
                       EM_PATH_MS_ALLOCATE,
                       EM_PATH_PSEUDO_TLS,
                       EM_PATH_TLS,
                       EM_PATH_RANDOM,
                       EM_PATH_STUN_LARGE,
                       EM_PATH_RANDOM_LARGE,
                       EM_PATH_MEDIA,
};
enum { EM_PATH_PAYLOADS = EM_PATH_MEDIA + 1 };

struct em_path_counts { /* of one payload */
    uint32_t tries;     /* those that this machine could make */
    /* How each ended: these add up to tries. */
    uint32_t answered;      /* as it should be; handshake: the connection stood for as long as it was held */
    uint32_t acknowledged;  /* TCP: the far end took the bytes and said nothing */
    uint32_t dropped;       /* TCP: sent again, never acknowledged; UDP: never answered */
    uint32_t reset, closed; /* after the handshake */
    uint32_t intercepted;   /* somebody else answered */
    uint32_t unconnected;   /* silence in place of a handshake */
    uint32_t refused, prohibited, unreachable; /* before there was a connection; UDP: at any time */
    /* More about them. */
    uint32_t again;          /* of those that were not dropped: the payload had to be sent again */
    uint32_t again_answered; /* the same of answered */
    uint32_t reset_early;    /* of reset: the payload was not acknowledged before */
    uint32_t syn_hit;        /* handshakes that took more than one SYN, or did not come about */
    uint32_t
        sends_least; /* SYNs of a handshake that did not come about, UDP: requests without an answer, at least; 0: none */
    uint64_t retransmits; /* segments, or requests, that were sent again */
    uint64_t rtt_us_sum;  /* of answered */
};

struct em_path_table {
    enum em_transport transport;
    struct em_path_counts payload[EM_PATH_PAYLOADS]; /* those without tries do not count */
    uint32_t looks; /* how many judgements what was counted has part in, while it grows; 0: this one */
};

struct em_path_judgement {
    enum em_path_filter filter;
    enum em_verdict verdict;
    uint32_t group; /* content, size: bits of the payloads that are hit; port: 0 */
    double
        share; /* of tries of the group that were hit; port: of handshakes; loss: of packets there and back */
    double background; /* content, size: the same of everything else */
    double
        confidence; /* that the filter is there: 1 less the likelihood that chance made the table; none: 0.95; UDP, silence: 0.5 */
    double unseen;  /* none: whatever hits fewer connections than this share may have been missed */
    bool undecided; /* more rounds would tell more */
    char reason[EM_REASON_MAX];
};

void em_path_judge(const struct em_path_table *t, struct em_path_judgement *j);

/* How many tries with these payloads there were, and how many of them were hit; no payload: connections, and those that failed. */
void em_path_hits(const struct em_path_table *t, uint32_t payloads, uint32_t *hits, uint32_t *tries);

#endif
