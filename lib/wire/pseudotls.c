/* SPDX-License-Identifier: GPL-3.0-or-later
 * Two fixed records, with room for what is random in them, and what else may stand in their place. */
#include "wire/pseudotls.h"

#include <stdbool.h>
#include <string.h>

#include "base/cur.h"

enum {
    RANDOM_AT = 11,
    SESSION_AT = 44,
    RECORD_ALERT = 0x15,
    RECORD_HANDSHAKE = 0x16,
    RECORD_FIRST = 0x14, /* change cipher spec */
    RECORD_LAST = 0x18,  /* heartbeat */
    VERSION_MAJOR = 3,
    SERVER_HELLO = 2,
    SUITE = 0x0018, /* DH_anon with RC4 and MD5 */
};

static const uint8_t client_hello[PSEUDOTLS_CLIENT_SIZE] = { 0x16, 3, 1,        0, 0x2d, 1, 0,    0, 0x29,
                                                             3,    1, [43] = 0, 0, 2,    0, 0x18, 1, 0 };
static const uint8_t server_hello[PSEUDOTLS_SERVER_SIZE] = { 0x16, 3, 1, 0,           0x4e,     2,    0, 0,
                                                             0x46, 3, 1, [43] = 0x20, [76] = 0, 0x18, 0, 0x0e,
                                                             0,    0, 0 };

void pseudotls_put_client(uint8_t to[PSEUDOTLS_CLIENT_SIZE], const uint8_t random[PSEUDOTLS_RANDOM_SIZE])
{
    memcpy(to, client_hello, PSEUDOTLS_CLIENT_SIZE);
    memcpy(to + RANDOM_AT, random, PSEUDOTLS_RANDOM_SIZE);
}

void pseudotls_put_server(uint8_t to[PSEUDOTLS_SERVER_SIZE], const uint8_t random[PSEUDOTLS_RANDOM_SIZE],
                          const uint8_t session[PSEUDOTLS_RANDOM_SIZE])
{
    memcpy(to, server_hello, PSEUDOTLS_SERVER_SIZE);
    memcpy(to + RANDOM_AT, random, PSEUDOTLS_RANDOM_SIZE);
    memcpy(to + SESSION_AT, session, PSEUDOTLS_RANDOM_SIZE);
}

static bool is_random(size_t at, bool server)
{
    return (at >= RANDOM_AT && at < RANDOM_AT + PSEUDOTLS_RANDOM_SIZE) ||
           (server && at >= SESSION_AT && at < SESSION_AT + PSEUDOTLS_RANDOM_SIZE);
}

/* As far as they go, are the bytes those of the hello? */
static bool agrees(const uint8_t *p, size_t n, const uint8_t *hello, size_t size, bool server)
{
    for (size_t i = 0; i < n && i < size; i++)
        if (p[i] != hello[i] && !is_random(i, server))
            return false;
    return true;
}

static enum pseudotls no_hello(const uint8_t *p, size_t n)
{
    if (p[0] < RECORD_FIRST || p[0] > RECORD_LAST || (n > 1 && p[1] != VERSION_MAJOR))
        return PSEUDOTLS_OTHER;
    if (n < 2)
        return PSEUDOTLS_MORE;
    return p[0] == RECORD_ALERT ? PSEUDOTLS_ALERT : PSEUDOTLS_TLS;
}

/* A ServerHello of another form. Only a relay chooses our suite, since it is not safe: then somebody rewrote what the relay said. Until the
 * suite is there, it is not known. */
static enum pseudotls other_hello(const uint8_t *p, size_t n)
{
    struct cur c = cur_of(p, n);
    uint16_t suite;

    cur_take(&c, 5);
    if (cur_u8(&c) != SERVER_HELLO && !c.bad)
        return PSEUDOTLS_TLS;
    cur_take(&c, 3 + 2 + PSEUDOTLS_RANDOM_SIZE);
    cur_take(&c, cur_u8(&c));
    suite = cur_u16(&c);
    if (c.bad)
        return n < PSEUDOTLS_HELLO_MAX ? PSEUDOTLS_MORE : PSEUDOTLS_TLS;
    return suite == SUITE ? PSEUDOTLS_CHANGED : PSEUDOTLS_TLS;
}

enum pseudotls pseudotls_read_server(const uint8_t *p, size_t n)
{
    enum pseudotls other;

    if (n == 0)
        return PSEUDOTLS_MORE;
    if (agrees(p, n, server_hello, sizeof server_hello, true))
        return n < sizeof server_hello ? PSEUDOTLS_MORE : PSEUDOTLS_RIGHT;
    other = no_hello(p, n);
    return other == PSEUDOTLS_TLS && p[0] == RECORD_HANDSHAKE ? other_hello(p, n) : other;
}

enum pseudotls pseudotls_read_client(const uint8_t *p, size_t n)
{
    if (n == 0)
        return PSEUDOTLS_MORE;
    if (agrees(p, n, client_hello, sizeof client_hello, false))
        return n < sizeof client_hello ? PSEUDOTLS_MORE : PSEUDOTLS_RIGHT;
    return no_hello(p, n);
}
