/* SPDX-License-Identifier: GPL-3.0-or-later
 * One SNMPv2c GET over UDP (RFC 3416 section 3, BER), by hand: edgemedia is not linked with net-snmp, and a question this small does not need
 * it. Of the answer only the kind of the value counts. */
#include "cli/doctor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cur.h"
#include "base/slice.h"

enum {
    BER_INTEGER = 0x02,
    BER_OCTETS = 0x04,
    BER_NULL = 0x05,
    BER_OBJECT = 0x06,
    BER_SEQUENCE = 0x30,
    PDU_GET = 0xa0,
    PDU_RESPONSE = 0xa2,
    NO_SUCH_OBJECT = 0x80,
    NO_SUCH_INSTANCE = 0x81,
    VERSION_2C = 1,
    MESSAGE_MAX = 1500,
    PARTS_MAX = 64,
    TRIES = 2,
};

/* Writes backwards, so that every length is known when it is written: `at` is the first byte that is used. */
struct back {
    uint8_t bytes[256];
    size_t at;
    bool full;
};

static void put(struct back *b, uint8_t byte)
{
    if (b->at == 0)
        b->full = true;
    else
        b->bytes[--b->at] = byte;
}

/* The head of what begins at b->at and ends before `end`. All of it is shorter than 256 bytes. */
static void head(struct back *b, uint8_t type, size_t end)
{
    size_t n = end - b->at;

    put(b, (uint8_t)n);
    if (n > 127)
        put(b, 0x81);
    put(b, type);
}

static void put_arc(struct back *b, uint32_t arc)
{
    uint8_t more = 0;

    do {
        put(b, (uint8_t)((arc & 0x7f) | more));
        more = 0x80;
        arc >>= 7;
    } while (arc > 0);
}

static bool put_id(struct back *b, const char *id)
{
    struct slice rest = slice_of(id);
    uint32_t arc[PARTS_MAX];
    size_t n = 0, end = b->at;

    (void)slice_skip(&rest, SLICE("."));
    while (rest.n > 0) {
        if (n == PARTS_MAX || !slice_u32(&rest, UINT32_MAX, &arc[n++]))
            return false;
        (void)slice_skip(&rest, SLICE("."));
    }
    if (n < 2)
        return false;
    while (n > 2)
        put_arc(b, arc[--n]);
    put_arc(b, arc[0] * 40 + arc[1]);
    head(b, BER_OBJECT, end);
    return true;
}

static void put_small(struct back *b, uint8_t n)
{
    put(b, n);
    put(b, 1);
    put(b, BER_INTEGER);
}

/* Message { version, community, GetRequest { id, 0, 0, { { object, NULL } } } } */
static bool request(struct back *b, const char *community, const char *id)
{
    size_t end, n = strlen(community);

    *b = (struct back) { .at = sizeof b->bytes };
    end = b->at;
    put(b, 0);
    put(b, BER_NULL);
    if (!put_id(b, id))
        return false;
    head(b, BER_SEQUENCE, end);
    head(b, BER_SEQUENCE, end);
    put_small(b, 0);
    put_small(b, 0);
    put_small(b, 1);
    head(b, PDU_GET, end);
    for (size_t i = n, last = b->at; i > 0; i--) {
        put(b, (uint8_t)community[i - 1]);
        if (i == 1)
            head(b, BER_OCTETS, last);
    }
    if (n == 0)
        head(b, BER_OCTETS, b->at);
    put_small(b, VERSION_2C);
    head(b, BER_SEQUENCE, end);
    return !b->full;
}

/* One element; its type, and a window on what is in it. */
static struct cur element(struct cur *c, unsigned *type)
{
    const uint8_t *p = cur_take(c, 1);
    size_t n, bytes;

    *type = p ? *p : 0;
    p = cur_take(c, 1);
    n = p ? *p : 0;
    if (n < 0x80)
        return cur_sub(c, n);
    bytes = n & 0x7f;
    for (n = 0; bytes > 0 && bytes <= 2 && (p = cur_take(c, 1)); bytes--)
        n = n << 8 | *p;
    if (bytes > 0)
        c->bad = true;
    return cur_sub(c, n);
}

static enum doctor_snmp read_answer(const uint8_t *p, size_t n)
{
    struct cur all = cur_of(p, n), c, one;
    unsigned type;

    c = element(&all, &type); /* message */
    (void)element(&c, &type); /* version */
    (void)element(&c, &type); /* community */
    c = element(&c, &type);   /* PDU */
    if (c.bad || type != PDU_RESPONSE)
        return DOCTOR_SNMP_BROKEN;
    for (int i = 0; i < 3; i++) /* request, error status, error index */
        (void)element(&c, &type);
    c = element(&c, &type);   /* list of variables */
    c = element(&c, &type);   /* the variable */
    (void)element(&c, &type); /* its name */
    one = element(&c, &type);
    if (c.bad || one.bad)
        return DOCTOR_SNMP_BROKEN;
    return type == NO_SUCH_OBJECT || type == NO_SUCH_INSTANCE || type == BER_NULL ? DOCTOR_SNMP_NO_OBJECT
                                                                                  : DOCTOR_SNMP_VALUE;
}

static bool agent_address(const char *text, struct sockaddr_in *to)
{
    const char *colon = strchr(text, ':');
    char host[INET_ADDRSTRLEN];
    uint64_t port = 161;

    if (colon && !em_read_uint(colon + 1, 1, UINT16_MAX, &port))
        return false;
    *to = (struct sockaddr_in) { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    return slice_copy(colon ? (struct slice) { text, (size_t)(colon - text) } : slice_of(text), host,
                      sizeof host) &&
           inet_pton(AF_INET, host, &to->sin_addr) == 1;
}

static enum doctor_snmp ask(int fd, const struct back *b, int64_t timeout_us)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    uint8_t answer[MESSAGE_MAX];
    ssize_t n;

    if (send(fd, b->bytes + b->at, sizeof b->bytes - b->at, 0) < 0)
        return errno == ECONNREFUSED ? DOCTOR_SNMP_REFUSED : DOCTOR_SNMP_BROKEN;
    if (poll(&p, 1, (int)(timeout_us / EM_US_PER_MS)) <= 0)
        return DOCTOR_SNMP_SILENCE;
    if ((n = recv(fd, answer, sizeof answer, 0)) < 0)
        return errno == ECONNREFUSED ? DOCTOR_SNMP_REFUSED : DOCTOR_SNMP_BROKEN;
    return read_answer(answer, (size_t)n);
}

enum doctor_snmp doctor_get(const struct doctor_conf *conf, const char *id)
{
    enum doctor_snmp result = DOCTOR_SNMP_BROKEN;
    struct sockaddr_in to;
    struct back b;
    int fd;

    if (!agent_address(conf->agent, &to) || !request(&b, conf->community, id))
        return DOCTOR_SNMP_BROKEN;
    if ((fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
        return DOCTOR_SNMP_BROKEN;
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
        for (int i = 0; i < TRIES && (i == 0 || result == DOCTOR_SNMP_SILENCE); i++)
            result = ask(fd, &b, conf->timeout_us);
    close(fd);
    return result;
}
