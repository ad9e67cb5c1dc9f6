/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the real network: what a certificate and the errors of OpenSSL mean, as members and phrases of struct em_tls_info. Whatever
 * comes from the peer is escaped and cut. Pure: the time is an argument.
 */
#ifndef EM_NET_NET_TLS_WORDS_H
#define EM_NET_NET_TLS_WORDS_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/late.h"
#include "net/net.h"

/* What TLS takes from OpenSSL; libssl brings libcrypto along. Loaded with the first context. */
/* clang-format off */
#define SSL_SYMBOLS(S) \
    S(SSL_free) S(SSL_CTX_free) S(SSL_CTX_set_verify) S(SSL_CTX_set_options) S(SSL_CTX_load_verify_file) \
    S(SSL_CTX_set_default_verify_paths) S(SSL_CTX_new) S(TLS_client_method) S(SSL_get0_param) \
    S(SSL_set_hostflags) S(SSL_set1_host) S(SSL_get1_peer_certificate) S(SSL_get_verify_result) \
    S(SSL_do_handshake) S(SSL_get_error) S(SSL_new) S(SSL_set_bio) S(SSL_set_connect_state) S(SSL_read) \
    S(SSL_write) S(SSL_shutdown) S(SSL_ctrl) S(SSL_CTX_ctrl) S(ERR_clear_error) S(ERR_get_error) \
    S(ERR_reason_error_string) S(BIO_new) S(BIO_s_mem) S(BIO_free) S(BIO_write) S(BIO_ctrl) \
    S(X509_VERIFY_PARAM_set1_ip_asc) S(X509_free) S(ASN1_TIME_to_tm) S(X509_NAME_print_ex) \
    S(X509_get_issuer_name) S(X509_get0_notAfter) S(X509_get0_notBefore) S(X509_get_ext_d2i) \
    S(OPENSSL_sk_num) S(OPENSSL_sk_value) S(ASN1_STRING_get0_data) S(ASN1_STRING_length) \
    S(X509_NAME_get_text_by_NID) S(X509_get_subject_name) S(GENERAL_NAMES_free) \
    S(X509_verify_cert_error_string) S(TLS_server_method) S(SSL_set_accept_state) \
    S(SSL_CTX_use_certificate_chain_file) S(SSL_CTX_use_PrivateKey_file) S(SSL_CTX_check_private_key) \
    S(SSL_load_client_CA_file) S(SSL_CTX_set_client_CA_list) S(SSL_CTX_set_session_id_context) \
    S(SSL_CTX_set_default_passwd_cb)
/* clang-format on */
LATE_DECLARE(ssl, SSL_SYMBOLS);

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
