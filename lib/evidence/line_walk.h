/* SPDX-License-Identifier: GPL-3.0-or-later
 * The walk over blocks of text, which is the same for every processor; a processor brings the function that finds the places in a block. */
#ifndef EM_EVIDENCE_LINE_WALK_H
#define EM_EVIDENCE_LINE_WALK_H

#include <string.h>

#include "evidence/line_pass.h"

enum { LINE_BLOCK = 64, LINE_BLOCK_READS = LINE_BLOCK + LINE_QUIET_READS };

/* A line is looked at when its first and its second byte share a look; for LOOKS_AT_FIRST the first is enough. */
enum { LOOKS_AT_FIRST = LOOK_NUL | LOOK_ODD | LOOK_TYPE | LOOK_WRAP };
extern const uint16_t line_first_looks[256], line_second_looks[256];

/* p[0] and p[1] can be read. */
static inline bool line_is_looked_at(const char *p, unsigned looks)
{
    return line_first_looks[(uint8_t)p[0]] & (line_second_looks[(uint8_t)p[1]] | LOOKS_AT_FIRST) & looks;
}

/* The start of the line that goes on at `to`; all before it were passed over. */
static inline const char *line_begins(const char *from, const char *to)
{
    const char *lf = memrchr(from, '\n', (size_t)(to - from));

    return lf ? lf + 1 : from;
}

/* What a quiet line tells; 0: it is none. LINE_QUIET_READS bytes can be read. */
static inline unsigned line_quiet(const char *p)
{
#define QUIET(begins, told) (memcmp(p, begins, sizeof begins - 1) == 0 ? told : 0U)
    return QUIET("Call-ID:", LINE_KEY) | QUIET("CSeq:", LINE_KEY) | QUIET("Direction:", LINE_FRAMED) |
           QUIET("Message-Type:", LINE_FRAMED) | QUIET("Contact:", LINE_PLAIN) |
           QUIET("Content-Length:", LINE_PLAIN) | QUIET("Content-Type: ap", LINE_PLAIN);
#undef QUIET
}

/* Where in the block at p something is to be decided, one bit for each byte: at a CR without a LF behind it, and at a LF when the line
 * behind it may have one of the looks; it may tell more LFs, never fewer. LINE_BLOCK_READS bytes can be read. `how` is the processor's own
 * form of the plan. */
#define LINE_WALK(p, end, plan, turns, how)                                                                  \
    do {                                                                                                     \
        const char *line_from = (p);                                                                         \
                                                                                                             \
        for (; (end) - (p) >= LINE_BLOCK_READS; (p) += LINE_BLOCK) {                                         \
            for (uint64_t turn = turns((p), (how)); turn; turn &= turn - 1) {                                \
                const char *at = (p) + __builtin_ctzll(turn);                                                \
                unsigned quiet;                                                                              \
                                                                                                             \
                if (*at == '\r')                                                                             \
                    return line_begins(line_from, at);                                                       \
                if (!line_is_looked_at(at + 1, (plan)->looks))                                               \
                    continue;                                                                                \
                if (!(plan)->told || !(quiet = line_quiet(at + 1)))                                          \
                    return at + 1;                                                                           \
                *(plan)->told |= quiet;                                                                      \
            }                                                                                                \
        }                                                                                                    \
        return line_begins(line_from, (p));                                                                  \
    } while (0)

#endif
