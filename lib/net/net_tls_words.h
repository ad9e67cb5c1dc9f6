/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the real network: what a certificate and the errors of OpenSSL mean, as members and phrases of struct em_tls_info. Whatever
 * comes from the peer is escaped and cut. Pure: the time is an argument.
 */
#ifndef EM_NET_NET_TLS_WORDS_H
#define EM_NET_NET_TLS_WORDS_H

#include <openssl/x509.h>

#include "net/net.h"

/* Fills has_certificate, expiry_us and issuer. */
void em_tls_certificate(X509 *certificate, struct em_tls_info *info);

/* Why it is not trusted: result is an X509_V_ERR_, name who was expected. Into failure; end is the caller's to set. */
void em_tls_distrust(X509 *certificate, long result, const char *name, int64_t now_us,
                     struct em_tls_info *info);

/* What the first error of OpenSSL's queue of this thread means, and empties the queue. Into end and failure. */
void em_tls_broken(struct em_tls_info *info);

/* Whether bytes can be the beginning of a TLS record. True for none. */
bool em_tls_record(const uint8_t *p, size_t n);

#endif
