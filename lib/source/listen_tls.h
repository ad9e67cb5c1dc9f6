/* SPDX-License-Identifier: GPL-3.0-or-later
 * TLS of a source that listens: its options, its certificate, and clients that do not get in.
 */
#ifndef EM_SOURCE_LISTEN_TLS_H
#define EM_SOURCE_LISTEN_TLS_H

#include "source/source.h"

/* Filled with files; the rest zeroed. */
struct em_listen_tls {
    struct em_tls_files files;
    struct em_tls_serve *serve; /* NULL: no TLS, or not open yet */
    int64_t told_us;            /* when the log was last told of a client that did not get in */
};

/* For em_source_check(). */
int em_listen_tls_check(struct em_source_conf *conf, const char **option, struct em_why *why) EM_MUST_CHECK;

static inline bool em_listen_tls_wanted(const struct em_listen_tls *t)
{
    return t->files.certificate[0];
}

/* Reads the files, if there are any and they were not read. What fails can be tried again. source: its name. */
int em_listen_tls_open(struct em_listen_tls *t, const char *source, struct em_why *why) EM_MUST_CHECK;
void em_listen_tls_close(struct em_listen_tls *t); /* connections go on */

/* A client did not get through the handshake; what: why, safe to print. Writes what the source's row says to error[EM_REASON_MAX], and to
 * the log at most once a minute: a scanner must not fill it. */
void em_listen_tls_untrusted(struct em_listen_tls *t, const struct em_source_env *env, const char *source,
                             const struct em_addr *from, const char *what, char *error);

#endif
