/* SPDX-License-Identifier: GPL-3.0-or-later
 * What TLS adds to an attempt: whom to trust, what the certificate says, and the verdicts of a handshake that failed. */
#include <stdio.h>
#include <string.h>

#include "base/esc.h"
#include "probe/attempt.h"

enum { DAY_S = 24 * 3600, SHOWN_ISSUER = 56 };

struct em_tls_how em_attempt_tls_how(const struct em_attempt *a)
{
    const struct em_probe_options *o = em_attempt_options(a);

    return (struct em_tls_how) { .name = em_relay_host(a),
                                 .ca_file = o->ca_file,
                                 .insecure = o->insecure,
                                 .secured = em_attempt_secured };
}

/* Whole days from now until then, rounded down: -1 is "expired within the last day". */
static int32_t days_until(int64_t then_us, int64_t now_us)
{
    const int64_t day_us = DAY_S * EM_US_PER_S;
    int64_t left = then_us - now_us, days = left / day_us;

    return (int32_t)(left < 0 && left % day_us ? days - 1 : days);
}

void em_attempt_note_certificate(struct em_attempt *a)
{
    struct em_probe_result *r = &a->result;
    struct em_tls_info info;

    em_conn_tls(a->conn, &info);
    if (!info.has_certificate)
        return;
    r->certificate_expiry_us = info.expiry_us;
    r->certificate_days_left = days_until(info.expiry_us, em_wall_us(em_attempt_clock(a)));
    r->certificate_verified = info.verified;
    memcpy(r->certificate_issuer, info.issuer, sizeof r->certificate_issuer);
    memcpy(a->tls_doubt, info.failure, sizeof a->tls_doubt);
}

void em_attempt_end_tls(struct em_attempt *a)
{
    static const enum em_verdict verdicts[] = {
        [EM_TLS_SETUP] = EM_VERDICT_ERROR,        [EM_TLS_UNTRUSTED] = EM_VERDICT_TLS_FAILED,
        [EM_TLS_REFUSED] = EM_VERDICT_TLS_FAILED, [EM_TLS_CLOSED] = EM_VERDICT_TLS_FAILED,
        [EM_TLS_BROKEN] = EM_VERDICT_TLS_FAILED,
    };
    struct em_tls_info info;
    char reason[EM_REASON_MAX];
    enum em_verdict v;

    em_conn_tls(a->conn, &info);
    em_attempt_note_certificate(a);
    if (info.end == EM_TLS_UNTRUSTED)
        a->result.tls_us = em_attempt_since(a, a->connected_us);
    if (info.end == EM_TLS_FOREIGN) {
        v = em_foreign_to_tls(info.first, info.first_n, reason, sizeof reason);
        em_attempt_end(a, v, "%s", reason);
    } else {
        em_attempt_end(a, verdicts[info.end], "%s", info.failure);
    }
}

void em_attempt_mark_insecure(struct em_attempt *a)
{
    size_t n = strlen(a->result.reason);

    if (!em_attempt_options(a)->insecure)
        return;
    snprintf(a->result.reason + n, sizeof a->result.reason - n, " (insecure%s%s)",
             a->tls_doubt[0] ? ": " : ", but the certificate is good", a->tls_doubt);
}

/* --- issuers -------------------------------------------------------------------------------------------------------- */

/* The value of the name's O, up to the next separator that is not escaped; empty when it has none. */
static struct slice organisation(const char *name)
{
    size_t start = 0, n = strlen(name);

    for (size_t i = 0; i <= n; i++) {
        if (name[i] == '\\' && i + 1 < n) {
            i++;
        } else if (name[i] == ',' || name[i] == '+' || name[i] == '\0') {
            if (i - start > 2 && name[start] == 'O' && name[start + 1] == '=')
                return (struct slice) { name + start + 2, i - start - 2 };
            start = i + 1;
        }
    }
    return (struct slice) { NULL, 0 };
}

bool em_probe_same_issuer(const struct em_probe_result *r, const char *recorded)
{
    struct slice now = organisation(r->certificate_issuer), then = organisation(recorded);

    return strcmp(r->certificate_issuer, recorded) == 0 ||
           (r->certificate_verified && now.n > 0 && slice_eq(now, then));
}

void em_probe_judge_issuer(struct em_probe_result *r, const char *recorded)
{
    char now[SHOWN_ISSUER], then[SHOWN_ISSUER];

    if (r->certificate_expiry_us == 0 || em_probe_same_issuer(r, recorded))
        return;
    esc_line_into(now, sizeof now, slice_of(r->certificate_issuer));
    esc_line_into(then, sizeof then, slice_of(recorded));
    r->verdict = EM_VERDICT_INTERCEPTED;
    snprintf(r->reason, sizeof r->reason, "the certificate's issuer is %s, but should be %s", now, then);
}
