/* SPDX-License-Identifier: GPL-3.0-or-later
 * Passing over lines that change nothing, as fast as memory comes: most of the speed of reading traces.
 *
 * Which lines matter is told by their first two bytes, and depends on what the reader knows already: a set of looks. A plan is
 * a set of looks made ready for the processor. Every processor has its own walk; they all stop at the same lines.
 */
#ifndef EM_EVIDENCE_LINE_PASS_H
#define EM_EVIDENCE_LINE_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Lines that must not be passed over. Each look is a set of pairs of bytes; a line may be more than it looks. */
enum line_look {
    LOOK_NUL = 1 << 0, /* a NUL first */
    LOOK_ODD =
        1
        << 1, /* blank, begins with a blank, or with something that is cleaned away in front of a header's name */
    LOOK_OCS = 1 << 2,      /* "TL", "$$" */
    LOOK_TIME = 1 << 3,     /* two digits */
    LOOK_START = 1 << 4,    /* two of A-Z, _ or -: a method, "SIP/2.0" */
    LOOK_DIAG = 1 << 5,     /* "ms" */
    LOOK_KEY = 1 << 6,      /* Call-ID, CSeq */
    LOOK_KEY_I = 1 << 7,    /* "i:" */
    LOOK_TYPE = 1 << 8,     /* any header with C, since many things look like Content-Type */
    LOOK_D = 1 << 9,        /* Direction, Data */
    LOOK_MESSAGE = 1 << 10, /* Message-Type, Message-Body */
    LOOK_LOG = 1 << 11,     /* LogType */
    LOOK_S = 1 << 12,       /* Start-Line, SIP-Start-Line */
    LOOK_WRAP = 1 << 13,    /* blank, or begins with something that stands in front of wrapped lines */
    LOOK_FRAME =
        1 << 14, /* "--", "<-", "U ", "RX", "[2", ...: what tools write around messages; it may be more */
    LOOK_SOFIA = 1 << 15, /* "recv", "send" */
};

/* Quiet lines: those of a message's headers that nearly every message has and that tell one thing by how they begin. Where a plan says whom to
 * tell, they are told and passed over. */
enum line_told {
    LINE_KEY = 1 << 0,    /* "Call-ID:", "CSeq:" */
    LINE_FRAMED = 1 << 1, /* "Direction:", "Message-Type:" */
    LINE_PLAIN = 1 << 2   /* "Contact:", "Content-Length:", "Content-Type: ap": nothing */
};
enum { LINE_QUIET_READS = 16 };
unsigned line_is_quiet(struct slice line); /* what it tells; 0: it is none */

/* The set of the first bytes that some look has, in two forms: bit c >> 4 of halves[c & 15], and firsts[c]. All are below 128. */
struct line_plan {
    unsigned looks;
    unsigned *told; /* what quiet lines tell is added here; NULL: they are stopped at */
    uint8_t halves[16];
    uint8_t firsts[128];
};

void line_plan(struct line_plan *plan, unsigned looks, unsigned *told);
bool line_has_look(struct slice line, unsigned looks); /* as line_pass() sees it */

/* p is the start of a line. Passes over whole lines that none of the looks is for, and returns the start of the first line that is to be
 * looked at. It may return early: near the end, and at a CR that stands without a LF. */
const char *line_pass(const char *p, const char *end, const struct line_plan *plan);
/* The same, but the first line is passed over whatever it looks like. p comes back when its end is not known. */
const char *line_pass_on(const char *p, const char *end, const struct line_plan *plan);

/* --- the inside, for tests ---------------------------------------------------------------------------------------- */

/* A way to do it, and whether this processor can. pass() is only called where p is not to be looked at itself. */
struct line_way {
    const char *name;
    bool (*works)(void);
    const char *(*pass)(const char *p, const char *end, const struct line_plan *plan);
};
extern const struct line_way line_ways[]; /* the fastest first; the last works everywhere */
extern const unsigned line_ways_n;

#ifdef __x86_64__
bool line_has_avx2(void);
const char *line_pass_avx2(const char *p, const char *end, const struct line_plan *plan);
bool line_has_avx512(void);
const char *line_pass_avx512(const char *p, const char *end, const struct line_plan *plan);
#endif

#endif
