/* SPDX-License-Identifier: GPL-3.0-or-later
 * TLS of our own listeners: the certificate that is shown, and who may come. Versions 1.2 and 1.3. The files are looked at again when somebody
 * connects, so a renewed certificate needs no reload; when the new files are not good, those that were read before stay in force and the
 * log says why.
 */
#ifndef EM_NET_TLS_SERVE_H
#define EM_NET_TLS_SERVE_H

#include "base/buf.h"
#include "net/net.h"

struct em_tls_files {
    char certificate[EM_URI_MAX]; /* PEM: ours, and those of its chain behind it; "": no TLS */
    char key[EM_URI_MAX];         /* PEM, without a passphrase */
    char client_ca[EM_URI_MAX];   /* PEM: who signed the certificates of clients; "": anybody may come */
};

/* What is wrong with such files, without keeping anything: 0, or an error that names the file. */
int em_tls_files_check(const struct em_tls_files *files, struct em_why *why) EM_MUST_CHECK;

struct em_tls_serve;
/* who: for the log, as "source sdn". NULL: why tells. */
struct em_tls_serve *em_tls_serve_new(const struct em_tls_files *files, const char *who, struct em_why *why);
void em_tls_serve_free(struct em_tls_serve *s); /* NULL is fine. Connections go on */

/* For a connection of OpenSSL's own kind (struct ssl_st is its SSL), which belongs to the caller; NULL: no memory. */
struct ssl_st;
struct ssl_st *em_tls_serve_session(struct em_tls_serve *s);

/* em_conn_take() for an accepted connection that speaks TLS: data comes when the handshake is done and the client may come; else an error event
 * EM_NET_TLS, and em_conn_tls() says why. */
void em_conn_take_tls(struct em_conn *c, struct em_tls_serve *s, const struct em_conn_events *events,
                      void *arg);

#endif
