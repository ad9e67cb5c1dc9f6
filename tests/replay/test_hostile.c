/* SPDX-License-Identifier: GPL-3.0-or-later
 * Answers that were damaged on the way or forged: every length, and every byte in many other values, of good answers over UDP and TCP.
 * A probe may find anything but a result that the true server did not give. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "net_play.h"
#include "probe/probe.h"
#include "wire/stun_auth.h"

enum {
    ANSWER_MAX = 512,
    EVERY = 3, /* of the 255 other values of a byte, one in so many is tried */
    EVERY_TURN = 17,
};

/* A server that answers well, but for one change in the answer number `at_answer`. */
struct server {
    struct em_net *net;
    bool turn, tcp;
    unsigned answers, at_answer;
    size_t cut, flip; /* SIZE_MAX: none */
    uint8_t with;     /* exclusive or */
    size_t size;      /* of the answer number at_answer, as it should be */
};

static const char *const user = "bob", *const password = "north", *const realm = "r.example",
                         *const nonce = "n1";
static const struct stun_addr mapped = { 4, 40000, { 198, 51, 100, 1 } },
                              relayed = { 4, 50001, { 192, 0, 2, 1 } };

static void sign(struct buf *b)
{
    struct stun_key k;

    ck_assert(stun_key_long(&k, false, slice_of(user), slice_of(realm), slice_of(password)));
    stun_put_integrity(b, &k, false);
}

static void build(struct buf *b, const struct stun_msg *m)
{
    if (m->method == STUN_ALLOCATE && !m->username.p) {
        stun_begin(b, m->method, STUN_ERROR, m->tid);
        stun_put_error(b, 401, SLICE("Unauthorized"));
        stun_put_text(b, STUN_ATTR_REALM, slice_of(realm));
        stun_put_text(b, STUN_ATTR_NONCE, slice_of(nonce));
    } else {
        stun_begin(b, m->method, STUN_SUCCESS, m->tid);
        stun_put_xor_addr(b, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped);
        if (m->method == STUN_ALLOCATE)
            stun_put_xor_addr(b, STUN_ATTR_XOR_RELAYED_ADDRESS, &relayed);
        if (m->method != STUN_BINDING) {
            stun_put_u32(b, STUN_ATTR_LIFETIME, m->has_lifetime ? m->lifetime : 600);
            sign(b);
        }
    }
    stun_put_fingerprint(b);
}

static void on_opened(void *arg, struct em_conn *c)
{
    if (((struct server *)arg)->tcp)
        em_play_accept(c);
}

static void on_sent(void *arg, struct em_conn *c, const uint8_t *p, size_t n)
{
    struct server *s = arg;
    uint8_t bytes[ANSWER_MAX];
    struct buf b = buf_over(bytes, sizeof bytes);
    struct stun_msg m;
    size_t size;

    if (stun_parse(p, n, &m) != 0)
        return; /* a request that carries what was damaged: as unreadable as it should be */
    build(&b, &m);
    ck_assert(!b.full);
    size = b.n;
    if (s->answers++ == s->at_answer) {
        s->size = b.n;
        if (s->flip < b.n)
            bytes[s->flip] ^= s->with;
        if (s->cut < b.n)
            size = s->cut;
    } else if (s->answers > s->at_answer + 1 && !s->turn) {
        return; /* the damaged answer is the only one */
    }
    em_play_data(c, bytes, size, NULL);
}

static void on_result(void *arg, const struct em_probe_result *r)
{
    *(struct em_probe_result *)arg = *r;
}

static void on_done(void *arg)
{
    (void)arg;
}

static struct em_probe_result run(struct server *s, bool tcp)
{
    static const struct em_play_host host = { on_opened, on_sent, NULL };
    static const struct em_probe_events events = { on_result, on_done };
    struct em_probe_options options = { .timeout_us = EM_US_PER_S, .user = "bob", .password = "north" };
    struct em_probe_result r = { 0 };
    struct em_probe_uri uri;
    struct em_addr at;
    char text[64];

    s->net = em_play_new();
    s->answers = 0;
    s->tcp = tcp;
    ck_assert(em_addr_read("192.0.2.1", 3478, &at));
    em_play_host(s->net, tcp ? EM_TRANSPORT_TCP : EM_TRANSPORT_UDP, &at, &host, s);
    snprintf(text, sizeof text, "%s:192.0.2.1%s", s->turn ? "turn" : "stun", tcp ? "?transport=tcp" : "");
    ck_assert_int_eq(em_probe_uri_read(text, &uri, NULL), 0);
    ck_assert_ptr_nonnull(em_probe_start(s->net, &uri, &options, &events, &r));
    while (em_play_turn(s->net))
        ;
    em_net_free(s->net);
    return r;
}

/* Whatever was done to the answer: an address in the result is a true one, and good means that all was true. */
static void check(const struct server *s, const struct em_probe_result *r)
{
    bool good = r->verdict == EM_VERDICT_OK || r->verdict == EM_VERDICT_DEGRADED;

    ck_assert_uint_ne(r->verdict, 0);
    if (r->mapped_address[0])
        ck_assert_msg(strcmp(r->mapped_address, "198.51.100.1:40000") == 0, "byte %zu ^ %02x: mapped %s",
                      s->flip, s->with, r->mapped_address);
    if (r->relayed_address[0])
        ck_assert_str_eq(r->relayed_address, "192.0.2.1:50001");
    if (good)
        ck_assert_msg(r->mapped_address[0] && (!s->turn || r->relayed_address[0]),
                      "byte %zu ^ %02x, cut %zu: %s", s->flip, s->with, s->cut, r->reason);
    for (const char *p = r->reason; *p; p++)
        ck_assert((uint8_t)*p >= ' ' && *p != 0x7F);
}

static void every_change(struct server *s, bool tcp, unsigned step)
{
    struct em_probe_result r;

    s->cut = s->flip = SIZE_MAX;
    r = run(s, tcp);
    ck_assert_msg(r.verdict == EM_VERDICT_OK, "%s", r.reason);
    ck_assert_uint_ge(s->size, STUN_HEADER_SIZE);
    for (s->cut = 0; s->cut < s->size; s->cut++) {
        r = run(s, tcp);
        check(s, &r);
        ck_assert(s->turn || r.verdict != EM_VERDICT_OK);
    }
    s->cut = SIZE_MAX;
    for (s->flip = 0; s->flip < s->size; s->flip++)
        for (unsigned with = 1; with < 256; with += step) {
            s->with = (uint8_t)with;
            r = run(s, tcp);
            check(s, &r);
        }
}

START_TEST(damaged_binding_answers)
{
    struct server s = { .turn = false };

    every_change(&s, _i, EVERY);
}
END_TEST

START_TEST(damaged_turn_answers)
{
    struct server s = { .turn = true, .at_answer = (unsigned)_i / 2 };

    every_change(&s, _i % 2, EVERY_TURN);
}
END_TEST

int main(void)
{
    TCase *t = em_case("hostile");

    tcase_add_loop_test(t, damaged_binding_answers, 0, 2);
    tcase_add_loop_test(t, damaged_turn_answers, 0, 6);
    return em_run();
}
