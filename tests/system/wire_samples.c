/* SPDX-License-Identifier: GPL-3.0-or-later
 * One message of each kind that we can write, a line each: NAME udp|tcp HEX. For readers that are not ours (tshark), and as seeds: the files
 * tests/vectors/stun/own-NAME.bin are these bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "wire/stun_auth.h"
#include "wire/turn.h"

static const uint8_t tid[STUN_TID_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
static const struct stun_addr v4 = { 4, 50000, { 192, 0, 2, 7 } },
                              v6 = { 6, 50443, { 0x20, 1, 0xd, 0xb8, [15] = 9 } };
static uint8_t room[STUN_REQUEST_MAX];
static struct buf b;

static void begin(uint16_t method, enum stun_class class)
{
    stun_begin(&b, method, class, tid);
}

static void show(const char *name, const char *transport)
{
    if (b.full)
        abort();
    printf("%s %s ", name, transport);
    for (size_t i = 0; i < b.n; i++)
        printf("%02x", b.p[i]);
    putchar('\n');
}

static void finish(const char *name)
{
    stun_put_fingerprint(&b);
    show(name, "udp");
}

static void bindings(void)
{
    begin(STUN_BINDING, STUN_REQUEST);
    stun_put_text(&b, STUN_ATTR_SOFTWARE, SLICE("edgemedia"));
    finish("binding-request");

    begin(STUN_BINDING, STUN_SUCCESS);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &v4);
    stun_put_addr(&b, STUN_ATTR_MAPPED_ADDRESS, &v4);
    finish("binding-success-v4");

    begin(STUN_BINDING, STUN_SUCCESS);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &v6);
    finish("binding-success-v6");

    begin(STUN_BINDING, STUN_ERROR);
    stun_put_error(&b, 420, SLICE("Unknown Attribute"));
    stun_put_unknown(&b, &(struct stun_msg) { .unknown = { 0x7001, 0x7002, 0x7003 }, .unknown_n = 3 });
    finish("binding-unknown-attributes");

    begin(STUN_BINDING, STUN_ERROR);
    stun_put_error(&b, 300, SLICE("Try Alternate"));
    stun_put_addr(&b, STUN_ATTR_ALTERNATE_SERVER, &v6);
    finish("binding-redirect");
}

/* The server's half of a conversation is made, read and answered by our client, whose half is shown too. */
static void challenge(struct stun_auth *a, uint16_t code, const char *nonce, const void *list, size_t n,
                      const char *name)
{
    struct stun_msg m;

    begin(STUN_ALLOCATE, STUN_ERROR);
    stun_put_error(&b, code, code == 401 ? SLICE("Unauthenticated") : SLICE("Stale Nonce"));
    stun_put_text(&b, STUN_ATTR_REALM, SLICE("r.example"));
    stun_put_text(&b, STUN_ATTR_NONCE, slice_of(nonce));
    if (n)
        stun_put(&b, STUN_ATTR_PASSWORD_ALGORITHMS, list, n);
    finish(name);
    if (stun_parse(b.p, b.n, &m) != 0 || stun_auth_answer(a, &m) != STUN_AUTH_RETRY)
        abort();
}

static void allocate(const struct stun_auth *a, const struct turn_allocate *how, const char *name)
{
    begin(STUN_ALLOCATE, STUN_REQUEST);
    if (!turn_put_allocate(&b, how))
        abort();
    stun_auth_sign(a, &b);
    finish(name);
}

static void allocations(void)
{
    static const uint8_t algorithms[] = { 0, 2, 0, 0, 0, 1, 0, 0 }, token[TURN_TOKEN_SIZE] = { 1, 2, 3 };
    static const struct turn_allocate udp = { .relay = TURN_RELAY_UDP },
                                      more = { .relay = TURN_RELAY_UDP,
                                               .has_lifetime = true,
                                               .lifetime_s = 600,
                                               .even_port = true,
                                               .reserve_next = true,
                                               .dont_fragment = true },
                                      both = { .relay = TURN_RELAY_UDP, .both_families = true },
                                      later = { .relay = TURN_RELAY_UDP, .token = token };
    struct stun_auth a;

    if (!stun_auth_init(&a, "bob", "north"))
        abort();
    allocate(&a, &udp, "allocate-unsigned");
    challenge(&a, 401, "n1", NULL, 0, "allocate-challenge");
    allocate(&a, &more, "allocate-signed");
    challenge(&a, 438, "n2", NULL, 0, "allocate-stale");
    allocate(&a, &both, "allocate-both-families");

    begin(STUN_ALLOCATE, STUN_SUCCESS);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_RELAYED_ADDRESS, &v4);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &v6);
    stun_put_u32(&b, STUN_ATTR_LIFETIME, 600);
    stun_put(&b, STUN_ATTR_RESERVATION_TOKEN, token, sizeof token);
    stun_put_integrity(&b, &a.key, false);
    finish("allocate-success");

    begin(STUN_REFRESH, STUN_REQUEST);
    turn_put_refresh(&b, 0);
    stun_auth_sign(&a, &b);
    finish("refresh");

    if (!stun_auth_init(&a, "bob", "north"))
        abort();
    challenge(&a, 401, "obMatJos2wAAAn3", algorithms, sizeof algorithms, "allocate-challenge-sha256");
    allocate(&a, &later, "allocate-signed-sha256");
    stun_auth_fini(&a);
}

static void relayed(void)
{
    begin(STUN_CREATE_PERMISSION, STUN_REQUEST);
    turn_put_peers(&b, (const struct stun_addr[]) { v4, v6 }, 2);
    finish("create-permission");

    begin(STUN_CHANNEL_BIND, STUN_REQUEST);
    turn_put_channel(&b, TURN_CHANNEL_FIRST, &v6);
    finish("channel-bind");

    begin(STUN_SEND, STUN_INDICATION);
    turn_put_data(&b, &v4, SLICE("hello"));
    finish("send");

    begin(STUN_DATA, STUN_INDICATION);
    turn_put_data(&b, &v6, SLICE("world"));
    finish("data");

    buf_reset(&b);
    turn_put_channel_data(&b, TURN_CHANNEL_LAST, SLICE("hello"), true);
    show("channel-data", "tcp");
}

int main(void)
{
    b = buf_over(room, sizeof room);
    bindings();
    allocations();
    relayed();
    return 0;
}
