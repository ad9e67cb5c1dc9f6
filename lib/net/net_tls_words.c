/* SPDX-License-Identifier: GPL-3.0-or-later
 * Certificates and OpenSSL's errors in plain words. */
#include "net/net_tls_words.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/esc.h"

LATE_DEFINE(ssl, LATE_SSL, SSL_SYMBOLS);

enum {
    DATE_MAX = 16,   /* "2026-11-23" */
    SHOWN_NAME = 32, /* of a name of the peer's, in a reason */
    SHOWN_NAMES = 2, /* names of a certificate that a reason lists */
    DAY_S = 24 * 3600,
    ALERT_REASON = 1000, /* OpenSSL's reason code of an alert that came: this plus the alert */
};

/* --- certificates -------------------------------------------------------------------------------------------------- */

static int64_t time_us(const ASN1_TIME *t)
{
    struct tm tm;

    return t && ssl.ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) * EM_US_PER_S : 0;
}

static void date(int64_t us, char to[DATE_MAX])
{
    char t[EM_TIME_TEXT_MAX];

    em_time_text(us, t);
    slice_copy(slice_upto(slice_of(t), sizeof "2026-11-23" - 1), to, DATE_MAX);
}

/* RFC 2253 escapes what separates; control characters are escaped once more for those who print it. UTF-8 stays. */
static void issuer_of(X509 *certificate, char to[EM_TEXT_MAX])
{
    const unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
    BIO *out = ssl.BIO_new(ssl.BIO_s_mem());
    char *text = NULL;
    long n = 0;

    to[0] = '\0';
    if (out && ssl.X509_NAME_print_ex(out, ssl.X509_get_issuer_name(certificate), 0, flags) >= 0)
        n = ssl.BIO_ctrl(out, BIO_CTRL_INFO, 0, &text);
    if (n > 0) {
        size_t cut = 0;

        for (size_t i = 0; i < (size_t)n && cut + 1 < EM_TEXT_MAX; i++)
            to[cut++] = (unsigned char)text[i] < ' ' || text[i] == 0x7F ? '?' : text[i];
        to[cut] = '\0';
    }
    ssl.BIO_free(out);
}

void em_tls_certificate(X509 *certificate, struct em_tls_info *info)
{
    info->has_certificate = true;
    info->expiry_us = time_us(ssl.X509_get0_notAfter(certificate));
    issuer_of(certificate, info->issuer);
}

/* "edge.example.com, *.example.net and 3 more", or the common name. */
static void names_of(X509 *certificate, char *to, size_t size)
{
    GENERAL_NAMES *names = ssl.X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    struct buf b = buf_over(to, size);
    char common[SHOWN_NAME + 1];
    int n = names ? ssl.OPENSSL_sk_num((const OPENSSL_STACK *)names) : 0, shown = 0;

    for (int i = 0; i < n && shown < SHOWN_NAMES; i++) {
        const GENERAL_NAME *g = ssl.OPENSSL_sk_value((const OPENSSL_STACK *)names, i);

        if (g->type != GEN_DNS)
            continue;
        if (shown++)
            buf_text(&b, ", ");
        esc_line(&b, slice_upto((struct slice) { (const char *)ssl.ASN1_STRING_get0_data(g->d.dNSName),
                                                 (size_t)ssl.ASN1_STRING_length(g->d.dNSName) },
                                SHOWN_NAME));
    }
    if (n > shown && shown > 0)
        buf_print(&b, " and %d more", n - shown);
    if (b.n == 0 && ssl.X509_NAME_get_text_by_NID(ssl.X509_get_subject_name(certificate), NID_commonName,
                                                  common, sizeof common) > 0)
        esc_line(&b, slice_of(common));
    if (b.n == 0)
        buf_text(&b, "somebody without a name");
    (void)buf_str(&b);
    ssl.GENERAL_NAMES_free(names);
}

static void expired(X509 *certificate, const char *name, int64_t now_us, struct em_tls_info *info)
{
    int64_t days = (now_us - info->expiry_us) / EM_US_PER_S / DAY_S;
    char when[DATE_MAX];

    (void)certificate;
    (void)name;
    date(info->expiry_us, when);
    if (now_us > info->expiry_us)
        snprintf(info->failure, sizeof info->failure, "the certificate expired on %s, %lld day%s ago", when,
                 (long long)days, days == 1 ? "" : "s");
    else
        snprintf(info->failure, sizeof info->failure, "a certificate of the server's chain has expired");
}

static void too_early(X509 *certificate, const char *name, int64_t now_us, struct em_tls_info *info)
{
    char when[DATE_MAX];

    (void)name;
    (void)now_us;
    date(time_us(ssl.X509_get0_notBefore(certificate)), when);
    snprintf(info->failure, sizeof info->failure,
             "the certificate is valid only from %s on (is a clock wrong?)", when);
}

static void misnamed(X509 *certificate, const char *name, int64_t now_us, struct em_tls_info *info)
{
    char names[(SHOWN_NAME * SHOWN_NAMES) + 22];

    (void)now_us;
    names_of(certificate, names, sizeof names);
    snprintf(info->failure, sizeof info->failure, "the certificate is not for %.*s but for %s", SHOWN_NAME,
             name, names);
}

static void self_signed(X509 *certificate, const char *name, int64_t now_us, struct em_tls_info *info)
{
    (void)certificate;
    (void)name;
    (void)now_us;
    snprintf(info->failure, sizeof info->failure,
             "the certificate is signed by itself; if it is the right one, name it as CA file");
}

static void unknown_issuer(X509 *certificate, const char *name, int64_t now_us, struct em_tls_info *info)
{
    char shown[2 * SHOWN_NAME];

    (void)certificate;
    (void)name;
    (void)now_us;
    snprintf(info->failure, sizeof info->failure,
             "the certificate is from %s, who is not trusted here; a CA file may say so",
             esc_line_into(shown, sizeof shown, slice_of(info->issuer)));
}

void em_tls_distrust(X509 *certificate, long result, const char *name, int64_t now_us,
                     struct em_tls_info *info)
{
    static const struct {
        long result;
        void (*tell)(X509 *certificate, const char *name, int64_t now_us, struct em_tls_info *info);
    } rows[] = {
        { X509_V_ERR_CERT_HAS_EXPIRED, expired },
        { X509_V_ERR_CERT_NOT_YET_VALID, too_early },
        { X509_V_ERR_HOSTNAME_MISMATCH, misnamed },
        { X509_V_ERR_IP_ADDRESS_MISMATCH, misnamed },
        { X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, self_signed },
        { X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, unknown_issuer },
        { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, unknown_issuer },
        { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, unknown_issuer },
        { X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, unknown_issuer },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].result == result) {
            rows[i].tell(certificate, name, now_us, info);
            return;
        }
    snprintf(info->failure, sizeof info->failure, "the certificate is not good: %s",
             ssl.X509_verify_cert_error_string(result));
}

/* --- errors -------------------------------------------------------------------------------------------------------- */

/* Alerts (RFC 8446 section 6.2) that tell more than their name. */
static const struct {
    int alert;
    const char *words;
} alerts[] = {
    { 10, "unexpected message" },
    { 40, "handshake failure: no cipher in common, or a certificate of ours is wanted" },
    { 42, "bad certificate" },
    { 46, "certificate unknown" },
    { 47, "illegal parameter" },
    { 48, "unknown authority" },
    { 49, "access denied" },
    { 70, "no version of TLS in common" },
    { 71, "insufficient security" },
    { 80, "internal error" },
    { 112, "it does not know this server name" },
    { 116, "a certificate of ours is wanted" },
};

static void tell_alert(int alert, struct em_tls_info *info)
{
    const char *words = NULL;

    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++)
        if (alerts[i].alert == alert)
            words = alerts[i].words;
    info->end = EM_TLS_REFUSED;
    snprintf(info->failure, sizeof info->failure, "the peer ended TLS with alert %d%s%s%s", alert,
             words ? " (" : "", words ? words : "", words ? ")" : "");
}

void em_tls_broken(struct em_tls_info *info)
{
    static const struct {
        int reason;
        const char *words;
    } rows[] = {
        { SSL_R_UNSUPPORTED_PROTOCOL, "the peer speaks only versions of TLS that are too old" },
        { SSL_R_WRONG_VERSION_NUMBER, "the server answers with a version of TLS that nobody asked for" },
        { SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the client shows no certificate" },
        { SSL_R_NO_CIPHERS_AVAILABLE, "this machine allows no cipher" },
        { SSL_R_DH_KEY_TOO_SMALL, "the server's Diffie-Hellman key is too short" },
        { SSL_R_EXCESSIVE_MESSAGE_SIZE, "the server's certificates are too long" },
        { SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "a TLS record was altered on its way" },
    };
    unsigned long error = ssl.ERR_get_error();
    int reason = ERR_GET_REASON(error);
    const char *words = ssl.ERR_reason_error_string(error);

    ssl.ERR_clear_error();
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > ALERT_REASON && reason <= ALERT_REASON + 255) {
        tell_alert(reason - ALERT_REASON, info);
        return;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (ERR_GET_LIB(error) == ERR_LIB_SSL && rows[i].reason == reason)
            words = rows[i].words;
    info->end = EM_TLS_BROKEN;
    snprintf(info->failure, sizeof info->failure, "the TLS handshake failed: %s",
             words ? words : "no reason is known");
}

/* Content types 20 to 23 of version 3.x (RFC 8446 section 5.1). */
bool em_tls_record(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] >= 20 && p[0] <= 23 && (n == 1 || p[1] == 3));
}
