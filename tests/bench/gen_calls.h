/* SPDX-License-Identifier: GPL-3.0-or-later
 * What happens in a made-up trace: calls, their reports, and the truth about them, counted here from the definitions and not by the
 * code that is under test.
 */
#ifndef EM_BENCH_GEN_CALLS_H
#define EM_BENCH_GEN_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    GEN_BLOBS_MAX = 2,
    GEN_HEADERS_MAX = 2, /* diagnostics headers in one message */
    GEN_STEPS_MAX = 6,
    GEN_CODES_MAX = 64,
    GEN_COPIES_MAX = 8,
};

struct gen_random {
    uint64_t state;
};
uint32_t gen_below(struct gen_random *r, uint32_t n); /* 0 .. n - 1 */

enum gen_side { GEN_CALLER, GEN_CALLEE };
enum gen_media { GEN_AUDIO, GEN_VIDEO, GEN_SHARING, GEN_MEDIA_N };
extern const char *const gen_media_names[GEN_MEDIA_N];

struct gen_blob {
    enum gen_side side;
    enum gen_media media;
    bool ice_known;
    uint32_t ice;
};

struct gen_report {
    uint32_t code;
    struct gen_blob blobs[GEN_BLOBS_MAX];
    uint32_t blobs_n;
    bool written; /* this report, or one that is its duplicate, was written already */
};

enum gen_kind {
    GEN_INVITE,
    GEN_TRYING,
    GEN_PROGRESS,
    GEN_OK,
    GEN_ACK,
    GEN_BYE,
    GEN_BYE_OK,
    GEN_CANCEL,
    GEN_REFUSED,
    GEN_KINDS
};

/* One message of a call and how often it is still to be logged. */
struct gen_step {
    enum gen_kind kind;
    uint32_t copies, reports_n;
    struct gen_report reports[GEN_HEADERS_MAX];
};

struct gen_call {
    char id[48];
    bool keyed; /* false: its messages carry no Call-ID */
    uint32_t number, cseq;
    struct gen_step steps[GEN_STEPS_MAX];
    uint32_t steps_n;
};

struct gen_truth {
    uint64_t bytes, messages, reports, duplicates, unkeyed, malformed, calls;
    uint64_t media_failures, code_23, tcp_nat_check, code_23_tcp_nat;
    uint64_t ice[32], media[GEN_MEDIA_N];
    struct {
        uint32_t code;
        uint64_t calls;
    } codes[GEN_CODES_MAX];
    uint32_t codes_n;
};

struct gen_calls {
    struct gen_random random;
    uint32_t failing; /* one call in so many carries reports */
    uint32_t made;
    char last_id[48]; /* of a call with reports, to make one that differs in case only */
    struct gen_truth truth;
};

/* A new call with its steps. Its calls, codes, bits are in the truth from here on: every step has to be written. */
void gen_call_new(struct gen_calls *g, struct gen_call *call);

/* The step that is to be logged next, or NULL when all copies were. Its reports are counted. */
struct gen_step *gen_call_next(struct gen_calls *g, struct gen_call *call);

void gen_truth_write(const struct gen_truth *t, FILE *to);

#endif
