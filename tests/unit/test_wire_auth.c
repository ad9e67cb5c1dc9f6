/* SPDX-License-Identifier: GPL-3.0-or-later
 * Authentication: keys, shared-secret credentials, and every turn that a conversation between client and server can take. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "wire/opaque.h"
#include "wire/stun_auth.h"

static const uint8_t tid[STUN_TID_SIZE];

START_TEST(long_term_keys)
{
    static const struct {
        const char *user, *realm, *password;
        size_t nuls; /* of the realm's own end that are counted */
        bool sha256;
        const char *want;
    } rows[] = {
        { "user", "realm", "pass", 0, false, "8493fbc53ba582fb4c044c456bdc40eb" },
        { "\"user\"", "\"realm\"", "pass", 1, false, "8493fbc53ba582fb4c044c456bdc40eb" },
        /* RFC 5769 section 2.4 and RFC 8489 B.1: a name in Japanese */
        { "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9", "example.org",
          "TheMatrIX", 0, false, "e8ca7ad59d5eb0518e312911d2dab2a9" },
        { "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9", "example.org",
          "TheMatrIX", 0, true, "dd295a613b9058c3c23d6dc7165bda072304d989c9d0af3a8c7e184b4f9bb4a1" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slice realm = { rows[i].realm, strlen(rows[i].realm) + rows[i].nuls };
        uint8_t want[32];
        size_t n = em_unhex(rows[i].want, want, sizeof want);
        struct stun_key k;

        ck_assert(
            stun_key_long(&k, rows[i].sha256, slice_of(rows[i].user), realm, slice_of(rows[i].password)));
        ck_assert_uint_eq(k.n, n);
        ck_assert_mem_eq(k.bytes, want, n);
        stun_key_fini(&k);
        ck_assert(k.n == 0 && k.bytes[0] == 0);
    }
}
END_TEST

START_TEST(short_term_keys)
{
    static const char text[STUN_KEY_MAX + 1];
    struct stun_key k;

    ck_assert(stun_key_short(&k, (struct slice) { text, STUN_KEY_MAX }));
    ck_assert(!stun_key_short(&k, (struct slice) { text, STUN_KEY_MAX + 1 }));
    ck_assert(stun_key_short(&k, (struct slice) { NULL, 0 }) && k.n == 0);
}
END_TEST

/* No password is a key too, and another one than any other. */
START_TEST(an_empty_key_signs)
{
    uint8_t room[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);
    struct stun_key k = { .n = 0 }, other = { .bytes = "x", .n = 1 };
    struct stun_msg m;

    stun_begin(&b, STUN_BINDING, STUN_REQUEST, tid);
    stun_put_integrity(&b, &k, false);
    stun_put_integrity(&b, &k, true);
    ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
    ck_assert_int_eq(stun_check_integrity(&m, &k), STUN_INTEGRITY_RIGHT);
    ck_assert_int_eq(stun_check_integrity(&m, &other), STUN_INTEGRITY_WRONG);
}
END_TEST

START_TEST(rest_credentials)
{
    char user[64], pass[64];

    ck_assert(stun_rest_credentials("north", 1000000000, "bob", user, sizeof user, pass, sizeof pass));
    ck_assert_str_eq(user, "1000000000:bob");
    ck_assert_str_eq(pass, "0mKE7GNgaiC5wBxZ2fleEK5N8s0=");
    ck_assert(!stun_rest_credentials("north", 1000000000, "bob", user, 10, pass, sizeof pass));
    ck_assert(!stun_rest_credentials("north", 1000000000, "bob", user, sizeof user, pass, 20));
}
END_TEST

/* What a server says in one step. */
struct said {
    enum stun_class class;
    uint16_t code;
    const char *realm, *nonce, *algorithms; /* hex */
    const struct stun_key *key;
    bool sha256; /* signed so */
    bool alternate;
};

static enum stun_auth_next step(struct stun_auth *a, const struct said *s)
{
    uint8_t room[STUN_REQUEST_MAX], list[128];
    struct buf b = buf_over(room, sizeof room);
    struct stun_msg m;

    stun_begin(&b, STUN_ALLOCATE, s->class, tid);
    if (s->code)
        stun_put_error(&b, s->code, SLICE("x"));
    if (s->realm)
        stun_put_text(&b, STUN_ATTR_REALM, slice_of(s->realm));
    if (s->nonce)
        stun_put_text(&b, STUN_ATTR_NONCE, slice_of(s->nonce));
    if (s->algorithms)
        stun_put(&b, STUN_ATTR_PASSWORD_ALGORITHMS, list, em_unhex(s->algorithms, list, sizeof list));
    if (s->alternate)
        stun_put_addr(&b, STUN_ATTR_ALTERNATE_SERVER, &(struct stun_addr) { 4, 3478, { 192, 0, 2, 9 } });
    if (s->key)
        stun_put_integrity(&b, s->key, s->sha256);
    ck_assert(!b.full);
    ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
    return stun_auth_answer(a, &m);
}

#define CHALLENGE(realm_, nonce_)                                                                            \
    {                                                                                                        \
        .class = STUN_ERROR, .code = 401, .realm = (realm_), .nonce = (nonce_)                               \
    }
#define STALE(nonce_)                                                                                        \
    {                                                                                                        \
        .class = STUN_ERROR, .code = 438, .realm = "r.example", .nonce = (nonce_)                            \
    }
#define SUCCESS(key_)                                                                                        \
    {                                                                                                        \
        .class = STUN_SUCCESS, .key = (key_)                                                                 \
    }
#define FAILURE(code_, key_)                                                                                 \
    {                                                                                                        \
        .class = STUN_ERROR, .code = (code_), .key = (key_)                                                  \
    }

static struct stun_key right, wrong, right256, elsewhere;

static void make_keys(void)
{
    ck_assert(stun_key_long(&right, false, SLICE("u"), SLICE("r.example"), SLICE("p")));
    ck_assert(stun_key_long(&wrong, false, SLICE("u"), SLICE("r.example"), SLICE("q")));
    ck_assert(stun_key_long(&right256, true, SLICE("u"), SLICE("r.example"), SLICE("p")));
    ck_assert(stun_key_long(&elsewhere, false, SLICE("u"), SLICE("other.example"), SLICE("p")));
}

enum { STEPS_MAX = 8 };
static const struct conversation {
    const char *name, *user;
    struct {
        struct said said;
        enum stun_auth_next want;
    } steps[STEPS_MAX];
} conversations[] = {
    { "no credentials: the challenge is the good answer",
      "",
      { { CHALLENGE("r.example", "n"), STUN_AUTH_NEEDED }, { SUCCESS(NULL), STUN_AUTH_SUCCESS } } },
    { "no credentials: half a challenge",
      "",
      { { CHALLENGE(NULL, NULL), STUN_AUTH_BROKEN }, { CHALLENGE("r.example", NULL), STUN_AUTH_BROKEN } } },
    { "no credentials: errors",
      "",
      { { FAILURE(400, NULL), STUN_AUTH_ERROR }, { FAILURE(486, NULL), STUN_AUTH_ERROR } } },
    { "no credentials: a redirect needs no integrity",
      "",
      { { { .class = STUN_ERROR, .code = 300, .alternate = true }, STUN_AUTH_REDIRECT },
        { FAILURE(300, NULL), STUN_AUTH_ERROR } } },
    { "the usual",
      "u",
      { { CHALLENGE("r.example", "n"), STUN_AUTH_RETRY }, { SUCCESS(&right), STUN_AUTH_SUCCESS } } },
    { "no challenge at all", "u", { { SUCCESS(NULL), STUN_AUTH_SUCCESS } } },
    { "wrong credentials",
      "u",
      { { CHALLENGE("r.example", "n"), STUN_AUTH_RETRY },
        { CHALLENGE("r.example", "m"), STUN_AUTH_REFUSED } } },
    { "refused without a realm",
      "u",
      { { CHALLENGE("r.example", "n"), STUN_AUTH_RETRY }, { CHALLENGE(NULL, NULL), STUN_AUTH_REFUSED } } },
    { "another realm, once",
      "u",
      { { CHALLENGE("r.example", "n"), STUN_AUTH_RETRY },
        { CHALLENGE("other.example", "n"), STUN_AUTH_RETRY },
        { SUCCESS(&right), STUN_AUTH_FORGED },
        { SUCCESS(&elsewhere), STUN_AUTH_SUCCESS },
        { CHALLENGE("r.example", "n"), STUN_AUTH_REFUSED } } },
    { "a stale nonce, once for each request",
      "u",
      { { CHALLENGE("r.example", "n"), STUN_AUTH_RETRY },
        { STALE("m"), STUN_AUTH_RETRY },
        { SUCCESS(&right), STUN_AUTH_SUCCESS },
        { STALE("k"), STUN_AUTH_RETRY },
        { STALE("l"), STUN_AUTH_REFUSED } } },
    { "a stale nonce without its realm",
      "u",
      { { CHALLENGE("r.example", "n"), STUN_AUTH_RETRY },
        { { .class = STUN_ERROR, .code = 438, .nonce = "m" }, STUN_AUTH_RETRY },
        { SUCCESS(&right), STUN_AUTH_SUCCESS } } },
    { "a stale nonce without a nonce",
      "u",
      { { CHALLENGE("r.example", "n"), STUN_AUTH_RETRY },
        { { .class = STUN_ERROR, .code = 438, .realm = "r.example" }, STUN_AUTH_BROKEN } } },
    { "forgeries",
      "u",
      { { CHALLENGE("r.example", "n"), STUN_AUTH_RETRY },
        { SUCCESS(NULL), STUN_AUTH_FORGED },
        { SUCCESS(&wrong), STUN_AUTH_FORGED },
        { FAILURE(486, &wrong), STUN_AUTH_FORGED },
        { FAILURE(400, NULL), STUN_AUTH_FORGED },
        { { .class = STUN_ERROR, .code = 300, .alternate = true }, STUN_AUTH_FORGED },
        { SUCCESS(&right), STUN_AUTH_SUCCESS } } },
    { "errors of a server that knows us",
      "u",
      { { CHALLENGE("r.example", "n"), STUN_AUTH_RETRY },
        { FAILURE(486, &right), STUN_AUTH_ERROR },
        { FAILURE(508, NULL), STUN_AUTH_ERROR },
        { FAILURE(400, &right), STUN_AUTH_ERROR },
        { { .class = STUN_ERROR, .code = 300, .alternate = true, .key = &right }, STUN_AUTH_REDIRECT } } },
    { "the nonce speaks of algorithms that were taken out",
      "u",
      { { CHALLENGE("r.example", "obMatJos2gAAAn"), STUN_AUTH_BROKEN } } },
    { "the same in a stale nonce",
      "u",
      { { CHALLENGE("r.example", "n"), STUN_AUTH_RETRY }, { STALE("obMatJos2gAAAn"), STUN_AUTH_BROKEN } } },
    { "the same in a success",
      "u",
      { { CHALLENGE("r.example", "n"), STUN_AUTH_RETRY },
        { { .class = STUN_SUCCESS, .nonce = "obMatJos2gAAAn", .key = &right }, STUN_AUTH_FORGED } } },
    { "algorithms from the future",
      "u",
      { { { STUN_ERROR, 401, "r.example", "obMatJos2gAAAn", "00070000 00030000", NULL, false, false },
          STUN_AUTH_BROKEN } } },
    { "SHA-256 signed with SHA-1",
      "u",
      { { { STUN_ERROR, 401, "r.example", "obMatJos2gAAAn", "00020000", NULL, false, false },
          STUN_AUTH_RETRY },
        { { .class = STUN_SUCCESS, .key = &right256 }, STUN_AUTH_FORGED },
        { { .class = STUN_ERROR, .code = 437, .key = &right256 }, STUN_AUTH_FORGED },
        { { .class = STUN_SUCCESS, .key = &right256, .sha256 = true }, STUN_AUTH_SUCCESS } } },
};
enum { CONVERSATIONS_N = sizeof conversations / sizeof *conversations };

START_TEST(a_conversation)
{
    const struct conversation *c = &conversations[_i];
    struct stun_auth a;

    make_keys();
    ck_assert(stun_auth_init(&a, c->user, "p"));
    for (size_t i = 0; i < STEPS_MAX && c->steps[i].said.class; i++) {
        enum stun_auth_next got = step(&a, &c->steps[i].said);

        ck_assert_msg(got == c->steps[i].want, "%s, step %zu: %d", c->name, i + 1, (int)got);
        ck_assert((got == STUN_AUTH_BROKEN) == (a.broken != NULL));
    }
    stun_auth_fini(&a);
    ck_assert(a.password[0] == '\0' && a.key.bytes[0] == 0);
}
END_TEST

/* Which algorithm is taken from which list, and what the signed request then carries. */
START_TEST(algorithms)
{
    static const struct {
        const char *nonce, *list;
        uint16_t algorithm;
        bool hashed;
    } rows[] = {
        { "n", NULL, 0, false },
        { "obMatJos2AAAAn", NULL, 0, false },
        { "obMatJos2", NULL, 0, false },
        { "obMatJos2g", NULL, 0, false },
        { "obMatJos2gAAAn", "00020000", 2, false },
        { "obMatJos2gAAAn", "00020000 00010000", 2, false }, /* the server's order decides */
        { "obMatJos2gAAAn", "00010000 00020000", 1, false },
        { "obMatJos2gAAAn", "0007000305060700 00020000", 2, false },
        { "obMatJos2gAAAn", "0002000101000000 00010000", 1, false }, /* SHA-256 with parameters: not ours */
        { "n", "00020000", 2, false },
        { "obMatJos2wAAAn", "00020000", 2, true },
        { "obMatJos2QAAAn", NULL, 0, true },
    };

    make_keys();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct said challenge = { STUN_ERROR,   401,  "r.example", rows[i].nonce,
                                  rows[i].list, NULL, false,       false };
        uint8_t room[STUN_REQUEST_MAX], list[64];
        struct buf b = buf_over(room, sizeof room);
        size_t n = rows[i].list ? em_unhex(rows[i].list, list, sizeof list) : 0;
        struct stun_auth a;
        struct stun_msg m;

        ck_assert(stun_auth_init(&a, "u", "p"));
        ck_assert_int_eq(step(&a, &challenge), STUN_AUTH_RETRY);
        stun_begin(&b, STUN_ALLOCATE, STUN_REQUEST, tid);
        stun_auth_sign(&a, &b);
        stun_put_fingerprint(&b);
        ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
        ck_assert_msg(a.algorithm == rows[i].algorithm, "row %zu: %u", i, a.algorithm);
        ck_assert_int_eq(m.integrity256_at != 0, rows[i].algorithm != 0);
        ck_assert_int_eq(m.integrity_at != 0, rows[i].algorithm == 0);
        ck_assert(slice_eq(m.password_algorithms, (struct slice) { (char *)list, n }));
        ck_assert_int_eq(m.username.p == NULL, rows[i].hashed);
        ck_assert(slice_eq(m.nonce, slice_of(rows[i].nonce)) && slice_eq(m.realm, SLICE("r.example")));
        ck_assert_int_eq(stun_check_integrity(&m, rows[i].algorithm == 2 ? &right256 : &right),
                         STUN_INTEGRITY_RIGHT);
        ck_assert(m.fingerprint_right);
    }
}
END_TEST

/* The user hash is the one of RFC 8489 B.1. */
START_TEST(a_hashed_user)
{
    struct said challenge = {
        STUN_ERROR, 401, "example.org", "obMatJos2wAAAn", "00020000", NULL, false, false
    };
    uint8_t room[STUN_REQUEST_MAX], want[32];
    struct buf b = buf_over(room, sizeof room);
    struct stun_auth a;

    em_unhex("4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704", want, sizeof want);
    ck_assert(stun_auth_init(&a, "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9",
                             "TheMatrIX"));
    ck_assert_int_eq(step(&a, &challenge), STUN_AUTH_RETRY);
    stun_begin(&b, STUN_BINDING, STUN_REQUEST, tid);
    stun_auth_sign(&a, &b);
    ck_assert_mem_eq(b.p + STUN_HEADER_SIZE, "\x00\x1e\x00\x20", 4);
    ck_assert_mem_eq(b.p + STUN_HEADER_SIZE + 4, want, sizeof want);
}
END_TEST

START_TEST(what_is_too_long)
{
    static char user[514], password[513], list[2 * (STUN_ALGORITHMS_MAX + 4) + 1];
    struct said challenge = { STUN_ERROR, 401, "r.example", "obMatJos2gAAAn", list, NULL, false, false };
    struct stun_auth a;

    memset(user, 'u', sizeof user - 1);
    memset(password, 'p', sizeof password - 1);
    ck_assert(!stun_auth_init(&a, user, "p"));
    ck_assert(!stun_auth_init(&a, "u", password));
    user[sizeof user - 2] = password[sizeof password - 2] = '\0';
    ck_assert(stun_auth_init(&a, user, password));
    for (size_t i = 0; i <= STUN_ALGORITHMS_MAX; i += 4)
        memcpy(list + 2 * i, "00020000", 9);
    ck_assert_int_eq(step(&a, &challenge), STUN_AUTH_BROKEN);
    list[2 * STUN_ALGORITHMS_MAX] = '\0';
    ck_assert_int_eq(step(&a, &challenge), STUN_AUTH_RETRY);
    stun_auth_fini(&a);
}
END_TEST

/* Whatever one byte of a signed success is changed to, it is no success any more, unless it was in the fingerprint. */
START_TEST(every_flipped_byte_of_a_success)
{
    struct said challenge = CHALLENGE("r.example", "n");
    uint8_t room[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);
    struct stun_auth a;
    struct stun_msg m;

    make_keys();
    ck_assert(stun_auth_init(&a, "u", "p"));
    ck_assert_int_eq(step(&a, &challenge), STUN_AUTH_RETRY);
    stun_begin(&b, STUN_ALLOCATE, STUN_SUCCESS, tid);
    stun_put_xor_addr(&b, STUN_ATTR_XOR_RELAYED_ADDRESS, &(struct stun_addr) { 4, 50000, { 192, 0, 2, 1 } });
    stun_put_u32(&b, STUN_ATTR_LIFETIME, 600);
    stun_put_integrity(&b, &right, false);
    for (size_t at = 0; at < b.n; at++)
        for (unsigned with = 1; with < 256; with++) {
            b.p[at] = (uint8_t)(b.p[at] ^ with);
            if (stun_parse(b.p, b.n, &m) == 0)
                ck_assert_msg(stun_auth_answer(&a, &m) != STUN_AUTH_SUCCESS, "byte %zu ^ %02x", at, with);
            b.p[at] = (uint8_t)(b.p[at] ^ with);
        }
    ck_assert_int_eq(stun_parse(b.p, b.n, &m), 0);
    ck_assert_int_eq(stun_auth_answer(&a, &m), STUN_AUTH_SUCCESS);
}
END_TEST

/* The first seven are the examples of RFC 8265 section 4.3. */
START_TEST(opaque_strings)
{
    static const struct {
        const char *text, *want; /* NULL: not allowed */
        bool unicode;            /* needs libunistring */
        const char *says;
    } rows[] = {
        { "correct horse battery staple", "correct horse battery staple", false, "" },
        { "Correct Horse Battery Staple", "Correct Horse Battery Staple", false, "" },
        { "\u03C0\u00DF\u00E5", "\u03C0\u00DF\u00E5", false, "" },
        { "Jack of \u2666s", "Jack of \u2666s", false, "" },
        { "foo\u1680bar", "foo bar", true, "" },
        { "", "", false, "" },
        { "my cat is a \tby", NULL, false, "U+0009" },
        { "e\u0301", "\u00E9", true, "" },
        { "\u212B", "\u00C5", true, "" },
        { "I\u2168", "I\u2168", false, "" },
        { "\u1E9B\u0323", "\u1E9B\u0323", false, "" },
        { "\uAC00", "\uAC00", false, "" },
        { "The\u00ADMatrix", NULL, true, "U+00AD" },
        { "a\u200B", NULL, true, "U+200B" },
        { "\u1100\u1161", NULL, true, "U+1100" },
        { "\u0378", NULL, true, "U+0378" },
        { "\xE2\x82", NULL, true, "not UTF-8" },
        { "\xFF", NULL, true, "not UTF-8" },
        { "a\x7F", NULL, false, "U+007F" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char to[64] = "untouched";
        struct em_why why = { "" };
        int err = opaque_string(slice_of(rows[i].text), to, sizeof to, &why);

        if (rows[i].unicode && !opaque_knows_unicode)
            continue;
        ck_assert_msg(err == (rows[i].want ? 0 : EM_ERR_INPUT), "%zu: %d %s", i, err, why.text);
        ck_assert_str_eq(to, rows[i].want ? rows[i].want : "untouched");
        ck_assert_msg(strstr(why.text, rows[i].says) != NULL, "%zu: %s", i, why.text);
    }
}
END_TEST

START_TEST(opaque_strings_have_a_maximum)
{
    char text[520], to[520];
    struct em_why why;

    for (size_t n = 1; n < sizeof text - 1; n++) {
        memset(text, 'a', n);
        text[n] = '\0';
        ck_assert_int_eq(opaque_string(slice_of(text), to, n + 1, &why), 0);
        ck_assert_str_eq(to, text);
        ck_assert_int_eq(opaque_string(slice_of(text), to, n, &why), EM_ERR_LIMIT);
    }
}
END_TEST

int main(void)
{
    TCase *t = em_case("wire_auth");

    tcase_add_test(t, opaque_strings);
    tcase_add_test(t, opaque_strings_have_a_maximum);
    tcase_add_test(t, long_term_keys);
    tcase_add_test(t, short_term_keys);
    tcase_add_test(t, an_empty_key_signs);
    tcase_add_test(t, rest_credentials);
    tcase_add_loop_test(t, a_conversation, 0, CONVERSATIONS_N);
    tcase_add_test(t, algorithms);
    tcase_add_test(t, a_hashed_user);
    tcase_add_test(t, what_is_too_long);
    tcase_add_test(t, every_flipped_byte_of_a_success);
    return em_run();
}
