/* SPDX-License-Identifier: GPL-3.0-or-later
 * The manager of the SNMP bench, fast enough not to be what is measured.
 *
 *     snmp_client get PORT ROUNDS HEX HEX    the two requests (whole packets) in turn -> "P50 P50", microseconds each
 *     snmp_client walk PORT BULK OID ...     columns together by GETNEXT (BULK 0) or GETBULK with BULK repetitions -> "CELLS SECONDS"
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include "base/clock.h"

enum { PACKET_MAX = 2048, ROUNDS_MAX = 1000000, WARM_UP = 200, COLUMNS_MAX = 8 };

struct packet {
    uint8_t bytes[PACKET_MAX];
    size_t n;
};

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static bool unhex(const char *hex, struct packet *p)
{
    for (p->n = 0; hex[0] && hex[1] && p->n < PACKET_MAX; hex += 2) {
        char digits[3] = { hex[0], hex[1], '\0' };

        p->bytes[p->n++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return *hex == '\0' && p->n > 0;
}

static int connect_to(const char *port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror("snmp_client");
        exit(2);
    }
    return fd;
}

static int64_t nanoseconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t round_trip(int fd, const struct packet *p)
{
    uint8_t answer[PACKET_MAX];
    int64_t from = nanoseconds();

    if (send(fd, p->bytes, p->n, 0) < 0 || recv(fd, answer, sizeof answer, 0) <= 0) {
        perror("snmp_client");
        exit(2);
    }
    return nanoseconds() - from;
}

static int get(const char *port, const char *count, const char *const hex[2])
{
    size_t rounds = strtoul(count, NULL, 10);
    int fd = connect_to(port);
    struct packet p[2];
    int64_t *took;

    if (rounds == 0 || rounds > ROUNDS_MAX || !unhex(hex[0], &p[0]) || !unhex(hex[1], &p[1]))
        return 2;
    if (!(took = calloc(2 * rounds, sizeof *took)))
        return 2;
    for (size_t i = 0; i < WARM_UP; i++)
        (void)round_trip(fd, &p[i % 2]);
    for (size_t i = 0; i < rounds; i++)
        for (size_t k = 0; k < 2; k++)
            took[k * rounds + i] = round_trip(fd, &p[k]);
    for (size_t k = 0; k < 2; k++)
        qsort(took + k * rounds, rounds, sizeof *took, compare);
    printf("%.2f %.2f\n", (double)took[rounds / 2] / 1000, (double)took[rounds + rounds / 2] / 1000);
    free(took);
    close(fd);
    return 0;
}

static netsnmp_session *open_session(const char *port)
{
    static char peer[64], community[] = "public";
    netsnmp_session session;

    setenv("MIBS", "", 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    init_snmp("snmp_client");
    snmp_sess_init(&session);
    snprintf(peer, sizeof peer, "udp:127.0.0.1:%s", port);
    session.peername = peer;
    session.version = SNMP_VERSION_2c;
    session.community = (u_char *)community;
    session.community_len = strlen(community);
    return snmp_open(&session);
}

struct column {
    oid root[MAX_OID_LEN], name[MAX_OID_LEN]; /* what is walked, and where it has come to */
    size_t root_n, name_n;
};

static netsnmp_pdu *request(long bulk, const struct column *columns, size_t n)
{
    netsnmp_pdu *pdu = snmp_pdu_create(bulk ? SNMP_MSG_GETBULK : SNMP_MSG_GETNEXT);

    if (bulk) {
        pdu->non_repeaters = 0;
        pdu->max_repetitions = bulk;
    }
    for (size_t i = 0; i < n; i++)
        snmp_add_null_var(pdu, columns[i].name, columns[i].name_n);
    return pdu;
}

/* The number of variables of one answer that are below their roots; they come in the order of the columns, again and again. False in more:
 * a column has ended, which all do at once. */
static size_t take(const netsnmp_pdu *answer, struct column *columns, size_t columns_n, bool *more)
{
    size_t n = 0;

    for (const netsnmp_variable_list *v = answer->variables; v; v = v->next_variable, n++) {
        struct column *c = &columns[n % columns_n];

        *more = v->type != SNMP_ENDOFMIBVIEW &&
                snmp_oidtree_compare(c->root, c->root_n, v->name, v->name_length) == 0;
        if (!*more)
            return n;
        memcpy(c->name, v->name, v->name_length * sizeof *c->name);
        c->name_n = v->name_length;
    }
    return n;
}

static int walk(const char *port, const char *repetitions, char *const *below, size_t n)
{
    netsnmp_session *session = open_session(port);
    struct column columns[COLUMNS_MAX];
    long bulk = strtol(repetitions, NULL, 10);
    size_t cells = 0;
    bool more = true;
    int64_t from;

    for (size_t i = 0; i < n; i++) {
        columns[i].root_n = MAX_OID_LEN;
        if (!read_objid(below[i], columns[i].root, &columns[i].root_n))
            return 2;
        memcpy(columns[i].name, columns[i].root, sizeof columns[i].name);
        columns[i].name_n = columns[i].root_n;
    }
    from = nanoseconds();
    while (more && session) {
        netsnmp_pdu *answer = NULL;

        if (snmp_synch_response(session, request(bulk, columns, n), &answer) != STAT_SUCCESS ||
            !answer->variables)
            return 2;
        cells += take(answer, columns, n, &more);
        snmp_free_pdu(answer);
    }
    printf("%zu %.4f\n", cells, (double)(nanoseconds() - from) / 1e9);
    snmp_close(session);
    return session ? 0 : 2;
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "get") == 0)
        return get(argv[2], argv[3], (const char *const[]) { argv[4], argv[5] });
    if (argc >= 5 && argc <= 4 + COLUMNS_MAX && strcmp(argv[1], "walk") == 0)
        return walk(argv[2], argv[3], argv + 4, (size_t)argc - 4);
    return 2;
}
