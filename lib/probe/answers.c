/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the addresses and the error codes in an answer mean for the verdict. */
#include <stdio.h>
#include <string.h>

#include "base/esc.h"
#include "probe/attempt.h"

bool em_address_usable(const struct stun_addr *s)
{
    return (s->family == 4 || s->family == 6) && s->port != 0;
}

void em_address_text(const struct stun_addr *s, char to[EM_ENDPOINT_MAX])
{
    struct em_addr a = { 0 };

    if (s->family == 6) {
        a.len = sizeof a.u.v6;
        a.u.v6.sin6_family = AF_INET6;
        a.u.v6.sin6_port = htons(s->port);
        memcpy(&a.u.v6.sin6_addr, s->ip, sizeof a.u.v6.sin6_addr);
    } else {
        a.len = sizeof a.u.v4;
        a.u.v4.sin_family = AF_INET;
        a.u.v4.sin_port = htons(s->port);
        memcpy(&a.u.v4.sin_addr, s->ip, sizeof a.u.v4.sin_addr);
    }
    em_addr_endpoint(&a, to);
}

/* Error codes whose verdict is not the one of their hundred. A server that answers by protocol but cannot serve this request now is alive
 * and in trouble: degraded. One that does not understand our plain request is not what it should be: protocol-error. */
static const struct error_row {
    uint16_t code;
    enum em_verdict without, with; /* credentials */
    const char *phrase;
} error_rows[] = {
    { 300, EM_VERDICT_DEGRADED, EM_VERDICT_DEGRADED, "the server sends its clients elsewhere" },
    { 401, EM_VERDICT_OK, EM_VERDICT_AUTH_FAILED, "the server wants credentials" },
    { 403, EM_VERDICT_DEGRADED, EM_VERDICT_AUTH_FAILED, "the server forbids it" },
    { 437, EM_VERDICT_DEGRADED, EM_VERDICT_DEGRADED,
      "the server still holds an allocation of our address and port" },
    { 438, EM_VERDICT_PROTOCOL_ERROR, EM_VERDICT_PROTOCOL_ERROR, "the server calls its own new nonce stale" },
    { 440, EM_VERDICT_DEGRADED, EM_VERDICT_DEGRADED, "the server does not relay this address family" },
    { 441, EM_VERDICT_AUTH_FAILED, EM_VERDICT_AUTH_FAILED, "the server refused the credentials" },
    { 442, EM_VERDICT_DEGRADED, EM_VERDICT_DEGRADED, "the server does not relay this transport" },
    { 486, EM_VERDICT_DEGRADED, EM_VERDICT_DEGRADED, "the server's quota of allocations is used up" },
    { 508, EM_VERDICT_DEGRADED, EM_VERDICT_DEGRADED, "the server has no capacity left" },
    { 300, EM_VERDICT_DEGRADED, EM_VERDICT_DEGRADED, "the server answers with an error" }, /* 3xx */
    { 400, EM_VERDICT_PROTOCOL_ERROR, EM_VERDICT_PROTOCOL_ERROR,
      "the server does not take the request" },                                    /* 4xx */
    { 500, EM_VERDICT_DEGRADED, EM_VERDICT_DEGRADED, "the server is in trouble" }, /* 5xx */
    { 600, EM_VERDICT_DEGRADED, EM_VERDICT_DEGRADED, "the server is in trouble" }, /* 6xx, RFC 3489 */
};
enum { ERROR_ROWS = sizeof error_rows / sizeof *error_rows, HUNDREDS = 4 };

static const struct error_row *error_row(unsigned code)
{
    for (size_t i = 0; i < ERROR_ROWS - HUNDREDS; i++)
        if (error_rows[i].code == code)
            return &error_rows[i];
    for (size_t i = ERROR_ROWS - HUNDREDS; i < ERROR_ROWS; i++)
        if (error_rows[i].code == code / 100 * 100)
            return &error_rows[i];
    return NULL;
}

/* Kind relay: the server itself is there, although nothing was relayed. */
void em_judge_error(struct em_attempt *a, const struct stun_msg *m, bool has_credentials)
{
    const struct error_row *row = error_row(m->error_code);
    enum em_verdict v = !row ? EM_VERDICT_PROTOCOL_ERROR : has_credentials ? row->with : row->without;
    char text[64] = "", to[EM_ENDPOINT_MAX] = "";
    bool where = m->error_code == 300 && em_address_usable(&m->alternate_server);

    esc_line_into(text, sizeof text, m->error_reason);
    if (where)
        em_address_text(&m->alternate_server, to);
    if (!row)
        em_attempt_end(a, v, "an error response without a valid error code");
    else if (v == EM_VERDICT_OK)
        em_attempt_good(a, row->phrase, a->result.rtt_us);
    else
        em_attempt_end(a, v, "%s%s%s%s: %u %s",
                       a->relay && v == EM_VERDICT_DEGRADED ? "the relay is up, but " : "", row->phrase,
                       where ? ", to " : "", to, m->error_code, text);
}
