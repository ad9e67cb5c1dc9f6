/* SPDX-License-Identifier: GPL-3.0-or-later
 * Socket addresses: from text, to text, compared. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "net/net.h"

static bool read_v4(const char *text, uint16_t port, struct em_addr *a)
{
    struct em_addr v = { .len = sizeof v.u.v4 };

    if (inet_pton(AF_INET, text, &v.u.v4.sin_addr) != 1)
        return false;
    v.u.v4.sin_family = AF_INET;
    v.u.v4.sin_port = htons(port);
    *a = v;
    return true;
}

static bool read_v6(const char *text, uint16_t port, struct em_addr *a)
{
    struct em_addr v = { .len = sizeof v.u.v6 };

    if (inet_pton(AF_INET6, text, &v.u.v6.sin6_addr) != 1)
        return false;
    v.u.v6.sin6_family = AF_INET6;
    v.u.v6.sin6_port = htons(port);
    *a = v;
    return true;
}

bool em_addr_read(const char *text, uint16_t port, struct em_addr *a)
{
    char inner[EM_ADDRESS_MAX];
    size_t n = strlen(text);

    if (text[0] != '[')
        return read_v4(text, port, a) || read_v6(text, port, a);
    if (n < 3 || n - 2 >= sizeof inner || text[n - 1] != ']')
        return false;
    memcpy(inner, text + 1, n - 2);
    inner[n - 2] = '\0';
    return read_v6(inner, port, a);
}

void em_addr_text(const struct em_addr *a, char to[EM_ADDRESS_MAX])
{
    const void *bytes = a->u.any.sa_family == AF_INET6 ? (const void *)&a->u.v6.sin6_addr : &a->u.v4.sin_addr;

    if (a->len == 0 || !inet_ntop(a->u.any.sa_family, bytes, to, EM_ADDRESS_MAX))
        to[0] = '\0';
}

void em_addr_endpoint(const struct em_addr *a, char to[EM_ENDPOINT_MAX])
{
    char text[EM_ADDRESS_MAX];

    em_addr_text(a, text);
    if (text[0] == '\0')
        to[0] = '\0';
    else
        snprintf(to, EM_ENDPOINT_MAX, a->u.any.sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u", text,
                 (unsigned)em_addr_port(a));
}

uint16_t em_addr_port(const struct em_addr *a)
{
    if (a->len == 0)
        return 0;
    return ntohs(a->u.any.sa_family == AF_INET6 ? a->u.v6.sin6_port : a->u.v4.sin_port);
}

bool em_addr_eq(const struct em_addr *a, const struct em_addr *b)
{
    if (a->len == 0 || b->len == 0)
        return a->len == b->len;
    if (a->u.any.sa_family != b->u.any.sa_family || em_addr_port(a) != em_addr_port(b))
        return false;
    if (a->u.any.sa_family == AF_INET6)
        return memcmp(&a->u.v6.sin6_addr, &b->u.v6.sin6_addr, sizeof a->u.v6.sin6_addr) == 0;
    return a->u.v4.sin_addr.s_addr == b->u.v4.sin_addr.s_addr;
}

void em_addr_set_port(struct em_addr *a, uint16_t port)
{
    if (a->u.any.sa_family == AF_INET6)
        a->u.v6.sin6_port = htons(port);
    else
        a->u.v4.sin_port = htons(port);
}
