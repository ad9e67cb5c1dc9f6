/* SPDX-License-Identifier: GPL-3.0-or-later
 * One SNMP session. */
#include "plugins/snmp_session.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/esc.h"
#include "plugins/guard.h"
#include "plugins/resolve.h"

LATE_DEFINE(snmp, LATE_NETSNMP, SNMP_SYMBOLS);

#define OPENSSL_SYMBOLS(S) S(OPENSSL_init_crypto)
LATE_SET(openssl, LATE_CRYPTO, OPENSSL_SYMBOLS);

enum { RETRIES = 2, PASSWORD_MIN = 8 };

/* Version 2c needs of OpenSSL no more than random numbers, and net-snmp has all of it made ready: thousands of error texts and names of
 * algorithms. What was said not to be loaded before stays away. */
static void quiet_openssl(void)
{
    if (late_load(&openssl.late, NULL) == 0)
        (void)openssl.OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
                                              OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
                                              OPENSSL_INIT_NO_ADD_ALL_DIGESTS | OPENSSL_INIT_NO_LOAD_CONFIG,
                                          NULL);
}

/* No MIB, no configuration, no persistent state, no catalogue of a language, no line on standard error. */
static void quiet_library(bool v3)
{
    static const int on[] = { NETSNMP_DS_LIB_DONT_READ_CONFIGS,       NETSNMP_DS_LIB_DONT_PERSIST_STATE,
                              NETSNMP_DS_LIB_DISABLE_PERSISTENT_LOAD, NETSNMP_DS_LIB_DISABLE_PERSISTENT_SAVE,
                              NETSNMP_DS_LIB_DONT_LOAD_HOST_FILES,    NETSNMP_DS_LIB_ALARM_DONT_USE_SIG };

    setenv("LC_ALL", "C", 1);
    if (!v3)
        quiet_openssl();
    setenv("MIBS", "", 1);
    setenv("MIBDIRS", "/dev/null", 1);
    setenv("SNMPCONFPATH", "/dev/null", 1);
    setenv("SNMP_PERSISTENT_DIR", "/dev/null", 1);
    for (size_t i = 0; i < sizeof on / sizeof *on; i++)
        snmp.netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, on[i], 1);
    snmp.snmp_disable_log();
    snmp.snmp_enable_calllog(); /* a log without a reader swallows what would go to standard error */
    snmp.init_snmp("check_edge_media");
}

/* The address as net-snmp wants it, "udp:192.0.2.1:161" or "udp6:[2001:db8::1]:161". Resolved by ourselves, so that a name that does
 * not resolve is told apart from silence, and takes no longer than it may. */
static int peer_name(const struct conf *c, char *to, size_t size, struct em_why *why)
{
    struct em_addr a;
    char text[EM_ENDPOINT_MAX];
    int err = resolve(c->host, (uint16_t)c->port, c->ipv4, c->ipv6, &a, why);

    if (err < 0)
        return err;
    em_addr_endpoint(&a, text);
    snprintf(to, size, "%s:%s", a.u.any.sa_family == AF_INET6 ? "udp6" : "udp", text);
    return 0;
}

/* A pass phrase becomes a key of the session (RFC 3414 appendix A.2). */
static int make_key(const oid *protocol, size_t protocol_len, const char *what, const char *password,
                    u_char *key, size_t *key_len, struct em_why *why)
{
    if (strlen(password) < PASSWORD_MIN)
        return em_fail(why, EM_ERR_INPUT, "SNMP version 3 needs %s password of at least %d characters", what,
                       PASSWORD_MIN);
    if (snmp.generate_Ku(protocol, (u_int)protocol_len, (const u_char *)password, strlen(password), key,
                         key_len) != SNMPERR_SUCCESS)
        return em_fail(why, EM_ERR_UNSUPPORTED, "the key for %s password cannot be made with that protocol",
                       what);
    return 0;
}

static int set_auth(netsnmp_session *s, const struct conf *c, struct em_why *why)
{
    int type = snmp.usm_lookup_auth_type(c->auth);
    size_t len = 0;
    const oid *protocol = type > 0 ? snmp.sc_get_auth_oid(type, &len) : NULL;

    if (!protocol)
        return em_fail(why, EM_ERR_INPUT,
                       "-a: the protocol is one of SHA, SHA-224, SHA-256, SHA-384, SHA-512, MD5");
    s->securityAuthProto = snmp.snmp_duplicate_objid(protocol, len);
    s->securityAuthProtoLen = len;
    s->securityAuthKeyLen = sizeof s->securityAuthKey;
    return make_key(protocol, len, "an authentication", c->secrets.auth, s->securityAuthKey,
                    &s->securityAuthKeyLen, why);
}

static int set_priv(netsnmp_session *s, const struct conf *c, struct em_why *why)
{
    int type = snmp.usm_lookup_priv_type(c->priv);
    size_t len = 0;
    const oid *protocol = type > 0 ? snmp.sc_get_priv_oid(type, &len) : NULL;

    if (!protocol)
        return em_fail(why, EM_ERR_INPUT, "-x: the protocol is one of AES, DES");
    s->securityPrivProto = snmp.snmp_duplicate_objid(protocol, len);
    s->securityPrivProtoLen = len;
    s->securityPrivKeyLen = sizeof s->securityPrivKey;
    return make_key(s->securityAuthProto, s->securityAuthProtoLen, "a privacy", c->secrets.priv,
                    s->securityPrivKey, &s->securityPrivKeyLen, why);
}

/* Without -l the level follows from the passwords that are there. */
static int level_of(const struct conf *c)
{
    static const struct {
        const char *name;
        int level;
    } levels[] = { { "noAuthNoPriv", SNMP_SEC_LEVEL_NOAUTH },   { "nanp", SNMP_SEC_LEVEL_NOAUTH },
                   { "authNoPriv", SNMP_SEC_LEVEL_AUTHNOPRIV }, { "anp", SNMP_SEC_LEVEL_AUTHNOPRIV },
                   { "authPriv", SNMP_SEC_LEVEL_AUTHPRIV },     { "ap", SNMP_SEC_LEVEL_AUTHPRIV } };

    if (!c->level)
        return c->secrets.priv[0]   ? SNMP_SEC_LEVEL_AUTHPRIV
               : c->secrets.auth[0] ? SNMP_SEC_LEVEL_AUTHNOPRIV
                                    : SNMP_SEC_LEVEL_NOAUTH;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (slice_eq_nocase(slice_of(c->level), slice_of(levels[i].name)))
            return levels[i].level;
    return 0;
}

static int set_v3(netsnmp_session *s, const struct conf *c, struct em_why *why)
{
    int err = 0;

    s->version = SNMP_VERSION_3;
    s->securityModel = SNMP_SEC_MODEL_USM;
    s->securityLevel = level_of(c);
    s->securityName = (char *)(uintptr_t)c->user;
    s->securityNameLen = strlen(c->user);
    s->contextName = (char *)(uintptr_t)(c->context ? c->context : "");
    s->contextNameLen = strlen(s->contextName);
    if (s->securityLevel == 0)
        return em_fail(why, EM_ERR_INPUT, "-l: the level is noAuthNoPriv, authNoPriv or authPriv");
    if (s->securityLevel >= SNMP_SEC_LEVEL_AUTHNOPRIV)
        err = set_auth(s, c, why);
    if (err == 0 && s->securityLevel == SNMP_SEC_LEVEL_AUTHPRIV)
        err = set_priv(s, c, why);
    return err;
}

/* All tries of one request end with the time that is left. */
static long try_us(void)
{
    int64_t us = guard_left_us() / (RETRIES + 1);

    return us > 1000 ? (long)us : 1000;
}

static int silent(const struct snmp_session_state *s, struct em_why *why)
{
    if (s->answered)
        return em_fail(why, EM_ERR_TIMEOUT,
                       "snmpd at %s stopped answering in the middle: is it overloaded, or edgemediad hung?",
                       s->target);
    if (s->v3 && s->handle &&
        snmp.snmp_sess_session(s->handle)->securityEngineIDLen >
            0) /* net-snmp drops what it decrypts to nonsense without a word */
        return em_fail(why, EM_ERR_TIMEOUT,
                       "snmpd at %s answers discovery but not the request: a wrong SNMPv3 privacy password "
                       "looks like this",
                       s->target);
    if (s->v3)
        return em_fail(why, EM_ERR_TIMEOUT,
                       "no answer over SNMPv3 from %s: is snmpd running and UDP let through?", s->target);
    return em_fail(
        why, EM_ERR_TIMEOUT,
        "no answer over SNMP from %s: snmpd down, UDP blocked, or a wrong community (which looks the same)",
        s->target);
}

/* What the library's error number means for the person who configured this. */
static int explain(const struct snmp_session_state *s, int error, struct em_why *why)
{
    static const struct {
        int error;
        const char *text;
    } known[] = {
        { SNMPERR_UNKNOWN_USER_NAME, "it does not know this SNMPv3 user" },
        { SNMPERR_AUTHENTICATION_FAILURE, "wrong SNMPv3 authentication password or protocol" },
        { SNMPERR_UNSUPPORTED_SEC_LEVEL, "it does not allow this SNMPv3 level for this user" },
        { SNMPERR_DECRYPTION_ERR, "wrong SNMPv3 privacy password or protocol" },
        { SNMPERR_NOT_IN_TIME_WINDOW, "its SNMPv3 clock and ours do not agree" },
        { SNMPERR_UNKNOWN_ENG_ID, "it does not tell its SNMPv3 engine" },
    };

    if (error == SNMPERR_TIMEOUT)
        return silent(s, why);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].error == error)
            return em_fail(why, EM_ERR_INPUT, "snmpd at %s refuses: %s", s->target, known[i].text);
    return em_fail(why, EM_ERR_SYSTEM, "SNMP with %s failed: %s", s->target, snmp.snmp_api_errstring(error));
}

static int open_session(struct snmp_session_state *s, netsnmp_session *session, const struct conf *c,
                        struct em_why *why)
{
    int err = 0;

    if (s->v3) {
        err = set_v3(session, c, why);
    } else {
        session->version = SNMP_VERSION_2c;
        session->community = (u_char *)(uintptr_t)c->secrets.community;
        session->community_len = strlen(c->secrets.community);
    }
    if (err < 0)
        return err;
    guard_phase("waiting for the SNMP agent", true);
    session->retries = RETRIES;
    session->timeout = try_us();
    if (!(s->handle = snmp.snmp_sess_open(session))) {
        int error = 0;
        char *text = NULL;

        snmp.snmp_error(session, NULL, &error, &text);
        free(text);
        return explain(s, error ? error : *snmp.snmp_errno, why);
    }
    return 0;
}

int snmp_session_open(struct snmp_session_state *s, const struct conf *c, char *origin, size_t origin_size,
                      struct em_why *why)
{
    netsnmp_session session;
    char peer[128], shown[128];
    int err;

    *s = (struct snmp_session_state) { .v3 = strcmp(c->version, "3") == 0 };
    esc_line_into(shown, sizeof shown, slice_of(c->host));
    snprintf(s->target, sizeof s->target, strchr(shown, ':') && shown[0] != '[' ? "[%s]:%u" : "%s:%u", shown,
             (unsigned)c->port);
    snprintf(origin, origin_size, "snmp %s", s->target);
    if ((err = peer_name(c, peer, sizeof peer, why)) < 0)
        return err;
    if ((err = late_load(&snmp.late, why)) < 0)
        return err;
    quiet_library(s->v3);
    snmp.snmp_sess_init(&session);
    session.peername = peer;
    err = open_session(s, &session, c, why);
    free(session.securityAuthProto);
    free(session.securityPrivProto);
    explicit_bzero(&session, sizeof session);
    return err;
}

int snmp_session_ask(struct snmp_session_state *s, netsnmp_pdu *pdu, netsnmp_pdu **answer, struct em_why *why)
{
    netsnmp_pdu *got = NULL;
    int status, error = 0;

    snmp.snmp_sess_session(s->handle)->timeout = try_us();
    if (guard_left_us() == 0) {
        snmp.snmp_free_pdu(pdu);
        return silent(s, why);
    }
    status = snmp.snmp_sess_synch_response(s->handle, pdu, &got);
    if (status == STAT_TIMEOUT)
        return silent(s, why);
    if (status != STAT_SUCCESS || !got) {
        char *text = NULL;

        snmp.snmp_sess_error(s->handle, NULL, &error, &text);
        free(text);
        return explain(s, error, why);
    }
    s->answered = true;
    if (got->errstat != SNMP_ERR_NOERROR) {
        error = em_fail(why, EM_ERR_INPUT, "snmpd at %s answers with the error %s: see its log", s->target,
                        snmp.snmp_errstring((int)got->errstat));
        snmp.snmp_free_pdu(got);
        return error;
    }
    *answer = got;
    return 0;
}

void snmp_session_close(struct snmp_session_state *s)
{
    if (s->handle)
        snmp.snmp_sess_close(s->handle);
    s->handle = NULL;
}
