/* SPDX-License-Identifier: GPL-3.0-or-later
 * How a made-up message looks in a log: framing of each format, SIP headers, SDP, diagnostics headers whole and damaged, and the
 * records between the messages.
 */
#ifndef EM_BENCH_GEN_TEXT_H
#define EM_BENCH_GEN_TEXT_H

#include "base/buf.h"
#include "tests/bench/gen_calls.h"

enum gen_format {
    GEN_OCSLOGGER,
    GEN_UCCAPI,
    GEN_SIP, /* as sngrep writes it */
    GEN_AVAYA,
    GEN_BARE,
    GEN_NGREP,
    GEN_SOFIA,
    GEN_SOFIA_LOG,
    GEN_CHAN_SIP,
    GEN_PJSIP,
    GEN_PJSUA,
    GEN_EXPRESSWAY,
    GEN_SYSLOG,
    GEN_SYSLOG_LINES,
    GEN_CARET,
    GEN_FORMATS
};
extern const char *const gen_format_names[GEN_FORMATS];

struct gen_text {
    struct gen_random *random;
    bool plain;        /* headers undamaged, code 23 always in ms-client-diagnostics */
    uint64_t time_ms;  /* of the next record, since 2026-11-23 00:00 */
    uint32_t instance; /* counts records */
};

/* Appends one record: the message of a step with its reports. UTF-8, CR LF in the server's and client's logs, LF in those of other tools. */
void gen_text_message(struct gen_text *t, enum gen_format f, const struct gen_call *c,
                      const struct gen_step *s, struct buf *to);

/* A record that is no message and carries no report (false), or a message that is framed but broken (true). */
void gen_text_noise(struct gen_text *t, enum gen_format f, struct buf *to);
bool gen_text_malformed(struct gen_text *t, enum gen_format f,
                        struct buf *to); /* false: the format frames nothing */

#endif
