/* SPDX-License-Identifier: GPL-3.0-or-later
 * HEP packets: what each chunk says, every truncation, every bit flipped, and what becomes of the message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/hep.h"
#include "evidence/reader.h"
#include "harness.h"

static const char *const vectors[] = { "vectors/hep/bye.hep", "vectors/hep/v6.hep",
                                       "vectors/hep/keepalive.hep" };
enum { VECTORS = sizeof vectors / sizeof *vectors };

static void read_vector(size_t i, char **bytes, size_t *n, struct hep *h)
{
    *bytes = em_slurp(vectors[i], n);
    ck_assert_msg(hep_read(*bytes, *n, h) == HEP_FINE, "%s", vectors[i]);
}

START_TEST(chunks_are_read)
{
    struct hep h;
    char *bytes;
    size_t n;

    read_vector(0, &bytes, &n, &h);
    ck_assert(!h.way.v6 && memcmp(h.way.from, "\xc0\x00\x02\x0a", 4) == 0);
    ck_assert(memcmp(h.way.to, "\xc0\x00\x02\x14", 4) == 0);
    ck_assert_uint_eq(h.way.from_port, 5060);
    ck_assert_uint_eq(h.way.to_port, 5061);
    ck_assert_int_eq(h.time_us, INT64_C(1443434400250000));
    ck_assert_uint_eq(h.protocol, HEP_PROTOCOL_SIP);
    ck_assert_uint_eq(h.agent, 2001);
    ck_assert(slice_eq(h.key, SLICE("open sesame")));
    ck_assert(slice_starts(h.payload, SLICE("BYE sip:b@192.0.2.20:5060 SIP/2.0\r\n")));
    ck_assert_int_eq(h.payload.p[h.payload.n - 1], '\n');
    free(bytes);
}
END_TEST

START_TEST(messages_become_text)
{
    static const char *const want[VECTORS] = {
        "2015-09-28T10:00:00.250Z 192.0.2.10:5060 -> 192.0.2.20:5061\nBYE sip:b@192",
        "2015-09-28T10:00:00.250Z [2001:db8::1]:5060 -> [2001:db8::2]:5060\nSIP/2.0 200 OK\r\n",
        "",
    };

    for (size_t i = 0; i < VECTORS; i++) {
        struct buf b = buf_heap(HEP_MAX);
        struct hep h;
        char *bytes;
        size_t n;

        read_vector(i, &bytes, &n, &h);
        ck_assert_msg(hep_text(&h, &b), "%s", vectors[i]);
        ck_assert_msg(strncmp(buf_str(&b), want[i], strlen(want[i])) == 0, "%s: %s", vectors[i], buf_str(&b));
        ck_assert(*want[i] || b.n == 0);
        buf_fini(&b);
        free(bytes);
    }
}
END_TEST

START_TEST(what_is_called_sip_and_is_none)
{
    static const struct {
        const char *payload;
        uint8_t protocol;
        bool good;
    } rows[] = { { "hello", 1, false },   { "\r\n\r\nhello\r\n", 1, false }, { "", 1, true },
                 { "\r\n\r\n", 1, true }, { "{\"rtcp\":1}", 5, true },       { "a log", 100, true } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = buf_heap(HEP_MAX);
        struct hep h = { .protocol = rows[i].protocol, .payload = slice_of(rows[i].payload) };

        ck_assert_msg(hep_text(&h, &b) == rows[i].good && b.n == 0, "%s", rows[i].payload);
        buf_fini(&b);
    }
}
END_TEST

struct told {
    unsigned n;
    uint32_t code, ice;
    int64_t time_us;
    char call_id[64], relay[64];
};

static void on_report(void *arg, const struct em_report *r)
{
    struct told *t = arg;
    bool known;

    t->n++;
    t->code = r->code;
    t->ice = em_report_ice(r, &known);
    t->time_us = r->time_us;
    slice_copy(r->call_id, t->call_id, sizeof t->call_id);
    slice_copy(r->media[0].remote_relay, t->relay, sizeof t->relay);
}

START_TEST(its_text_is_read_as_a_trace)
{
    struct told t = { 0 };
    struct em_reader *r = em_reader_new(on_report, &t, NULL);
    struct buf b = buf_heap(4 * HEP_MAX);
    struct em_reader_mark mark;
    struct em_reader_stats stats;

    for (size_t i = 0; i < VECTORS; i++) {
        struct hep h;
        char *bytes;
        size_t n;

        read_vector(i, &bytes, &n, &h);
        ck_assert(hep_text(&h, &b));
        free(bytes);
    }
    ck_assert_int_eq(em_reader_push(r, b.p, b.n), 0);
    em_reader_finish(r);
    em_reader_mark(r, &mark, &stats);
    ck_assert_uint_eq(stats.messages, 2);
    ck_assert_uint_eq(stats.malformed, 0);
    ck_assert_uint_eq(t.n, 1);
    ck_assert_uint_eq(t.code, 23);
    ck_assert_uint_eq(t.ice, 0x12b);
    ck_assert_int_eq(t.time_us, INT64_C(1443434400250000));
    ck_assert_str_eq(t.call_id, "hep-1@example.com");
    ck_assert_str_eq(t.relay, "203.0.113.9:52000");
    em_reader_free(r);
    buf_fini(&b);
}
END_TEST

/* A packet of exactly these bytes, so that a sanitizer sees what is read beyond them. */
static enum hep_fault read_exact(const void *bytes, size_t n, struct hep *h)
{
    char *copy = malloc(n ? n : 1);
    struct buf b = buf_heap(2 * HEP_MAX);
    enum hep_fault fault;

    ck_assert_ptr_nonnull(copy);
    if (n > 0)
        memcpy(copy, bytes, n);
    if ((fault = hep_read(copy, n, h)) == HEP_FINE) {
        ck_assert(h->payload.n < n && h->key.n < n);
        ck_assert(hep_text(h, &b) || b.n == 0);
        ck_assert(!b.full);
    }
    buf_fini(&b);
    free(copy);
    return fault;
}

START_TEST(every_truncation_is_refused)
{
    for (size_t i = 0; i < VECTORS; i++) {
        struct hep h;
        size_t n;
        char *bytes = em_slurp(vectors[i], &n);

        for (size_t cut = 0; cut < n; cut++) {
            enum hep_fault why, fault = read_exact(bytes, cut, &h);

            ck_assert_msg(fault == (cut < HEP_HEADER ? HEP_TOO_SHORT : HEP_LENGTH), "%s at %zu", vectors[i],
                          cut);
            ck_assert_int_eq(hep_length(bytes, cut, &why), cut < HEP_HEADER ? 0 : (int)n);
            if (cut < HEP_HEADER)
                continue;
            /* The same with a length that fits: the chunk that is cut reaches out. */
            char *shorter = malloc(cut);
            memcpy(shorter, bytes, cut);
            shorter[4] = (char)(cut >> 8);
            shorter[5] = (char)(cut & 0xff);
            fault = read_exact(shorter, cut, &h);
            ck_assert_msg(fault == HEP_CHUNK || fault == HEP_FINE || fault == HEP_NO_PROTOCOL,
                          "%s at %zu: %s", vectors[i], cut, hep_fault_text(fault));
            free(shorter);
        }
        free(bytes);
    }
}
END_TEST

START_TEST(every_bit_flipped_breaks_nothing)
{
    for (size_t i = 0; i < VECTORS; i++) {
        struct hep h;
        size_t n;
        char *bytes = em_slurp(vectors[i], &n);

        for (size_t bit = 0; bit < 8 * n; bit++) {
            bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << bit % 8));
            (void)read_exact(bytes, n, &h);
            bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << bit % 8));
        }
        free(bytes);
    }
}
END_TEST

#define PACKET(text)                                                                                         \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }
START_TEST(faults_are_told_apart)
{
    static const struct {
        struct slice bytes;
        enum hep_fault want;
        int length; /* of hep_length */
    } rows[] = {
        { PACKET(""), HEP_TOO_SHORT, 0 },
        { PACKET("HEP"), HEP_TOO_SHORT, 0 },
        { PACKET("HEP3\0"), HEP_TOO_SHORT, 0 },
        { PACKET("HEP3\0\5"), HEP_LENGTH, -1 },
        { PACKET("HEP3\0\6"), HEP_NO_PROTOCOL, 6 },
        { PACKET("HEP3\0\6x"), HEP_LENGTH, 6 },
        { PACKET("HEP3\0\7"), HEP_LENGTH, 7 },
        { PACKET("HEP3\0\7x"), HEP_CHUNK, 7 },
        { PACKET("HEP3\0\xc\0\0\0\xb\0\5"), HEP_CHUNK, 12 },     /* a chunk that is less than its header */
        { PACKET("HEP3\0\xc\0\0\0\xb\0\6"), HEP_CHUNK, 12 },     /* no room for its number */
        { PACKET("HEP3\0\xd\0\0\0\xb\0\7\1"), HEP_FINE, 13 },    /* SIP without a payload */
        { PACKET("HEP3\0\xe\0\0\0\xb\0\10\1\1"), HEP_FINE, 14 }, /* wider than it need be */
        { PACKET("HEP3\0\xd\0\0\xff\xff\0\7\1"), HEP_NO_PROTOCOL, 13 },
        { PACKET("HEP3\0\xd\0\1\0\xb\0\7\1"), HEP_NO_PROTOCOL, 13 }, /* another vendor's */
        { PACKET("HEP3\0\x14\0\0\0\xb\0\7\1\0\0\0\x10\0\7x"), HEP_COMPRESSED, 20 },
        { PACKET("HEP3\0\x14\0\0\0\xb\0\7\5\0\0\0\x10\0\7x"), HEP_FINE, 20 }, /* not SIP: never mind */
        { PACKET("\1\20\2\21\23\304\23\304\300\0\2\1\300\0\2\2OPTIONS"), HEP_OLD, -1 },
        { PACKET("\2\20\2\21\23\304\23\304\300\0\2\1\300\0\2\2OPTIONS"), HEP_OLD, -1 },
        { PACKET("HEP4\0\6"), HEP_FOREIGN, -1 },
        { PACKET("INVITE sip:a@b SIP/2.0\r\n"), HEP_FOREIGN, -1 },
        { PACKET("\0"), HEP_FOREIGN, -1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum hep_fault why = HEP_FINE, fault;
        struct hep h;
        int length = hep_length(rows[i].bytes.p, rows[i].bytes.n, &why);

        fault = read_exact(rows[i].bytes.p, rows[i].bytes.n, &h);
        ck_assert_msg(fault == rows[i].want, "row %zu: %s", i, hep_fault_text(fault));
        ck_assert_msg(length == rows[i].length, "row %zu: length %d", i, length);
        ck_assert_msg(length >= 0 || why == fault, "row %zu: %s", i, hep_fault_text(why));
        ck_assert((fault == HEP_FINE) == !*hep_fault_text(fault));
    }
}
END_TEST

START_TEST(the_largest_packet)
{
    struct buf b = buf_heap(2 * HEP_MAX), text = buf_heap(2 * HEP_MAX);
    const char *start = "SIP/2.0 200 OK\r\n";
    struct hep h;

    buf_text(&b, "HEP3");
    buf_u16(&b, HEP_MAX);
    buf_bytes(&b, "\0\0\0\xb\0\7\1\0\0\0\xf", 11);
    buf_u16(&b, (uint16_t)(HEP_MAX - b.n + 4));
    buf_text(&b, start);
    while (b.n < HEP_MAX)
        buf_u8(&b, 'x');
    ck_assert_int_eq(hep_read(b.p, b.n, &h), HEP_FINE);
    ck_assert_uint_eq(h.payload.n, HEP_MAX - 6 - 7 - 6);
    ck_assert(hep_text(&h, &text) && !text.full);
    buf_u8(&b, 'x');
    ck_assert_int_eq(hep_read(b.p, b.n, &h), HEP_LENGTH);
    buf_fini(&b);
    buf_fini(&text);
}
END_TEST

int main(void)
{
    TCase *t = em_case("hep");

    tcase_add_test(t, chunks_are_read);
    tcase_add_test(t, messages_become_text);
    tcase_add_test(t, what_is_called_sip_and_is_none);
    tcase_add_test(t, its_text_is_read_as_a_trace);
    tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, every_bit_flipped_breaks_nothing);
    tcase_add_test(t, faults_are_told_apart);
    tcase_add_test(t, the_largest_packet);
    return em_run();
}
