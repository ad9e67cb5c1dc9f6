/* SPDX-License-Identifier: GPL-3.0-or-later
 * The manager of the SNMP bench, fast enough not to be what is measured.
 *
 *     snmp_client get PORT ROUNDS HEX HEX    the two requests (whole packets) in turn -> "P50 P50", microseconds each
 *     snmp_client walk PORT BULK OID         GETNEXT (BULK 0) or GETBULK with BULK repetitions -> "CELLS SECONDS"
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

enum { PACKET_MAX = 2048, ROUNDS_MAX = 1000000, WARM_UP = 200 };

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

static netsnmp_pdu *request(long bulk, const oid *name, size_t name_n)
{
    netsnmp_pdu *pdu = snmp_pdu_create(bulk ? SNMP_MSG_GETBULK : SNMP_MSG_GETNEXT);

    if (bulk) {
        pdu->non_repeaters = 0;
        pdu->max_repetitions = bulk;
    }
    snmp_add_null_var(pdu, name, name_n);
    return pdu;
}

/* The number of variables of one answer that are below the root; name becomes the last of them. more: the walk goes on. */
static size_t take(const netsnmp_pdu *answer, const oid *root, size_t root_n, oid *name, size_t *name_n,
                   bool *more)
{
    size_t n = 0;

    for (const netsnmp_variable_list *v = answer->variables; v; v = v->next_variable, n++) {
        *more =
            v->type != SNMP_ENDOFMIBVIEW && snmp_oidtree_compare(root, root_n, v->name, v->name_length) == 0;
        if (!*more)
            return n;
        memcpy(name, v->name, v->name_length * sizeof *name);
        *name_n = v->name_length;
    }
    return n;
}

static int walk(const char *port, const char *repetitions, const char *below)
{
    netsnmp_session *session = open_session(port);
    oid root[MAX_OID_LEN], name[MAX_OID_LEN];
    size_t root_n = MAX_OID_LEN, name_n, cells = 0;
    long bulk = strtol(repetitions, NULL, 10);
    bool more = true;
    int64_t from;

    if (!session || !read_objid(below, root, &root_n))
        return 2;
    memcpy(name, root, root_n * sizeof *name);
    name_n = root_n;
    from = nanoseconds();
    while (more) {
        netsnmp_pdu *answer = NULL;

        if (snmp_synch_response(session, request(bulk, name, name_n), &answer) != STAT_SUCCESS ||
            !answer->variables)
            return 2;
        cells += take(answer, root, root_n, name, &name_n, &more);
        snmp_free_pdu(answer);
    }
    printf("%zu %.4f\n", cells, (double)(nanoseconds() - from) / 1e9);
    snmp_close(session);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "get") == 0)
        return get(argv[2], argv[3], (const char *const[]) { argv[4], argv[5] });
    if (argc == 5 && strcmp(argv[1], "walk") == 0)
        return walk(argv[2], argv[3], argv[4]);
    return 2;
}
