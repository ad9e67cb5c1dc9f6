/* SPDX-License-Identifier: GPL-3.0-or-later
 * Packet captures made here, byte by byte: every link, both IPs, fragments, streams in and out of order, and what hostile files do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "evidence/capture.h"
#include "evidence/scan.h"
#include "evidence/unpack.h"
#include "harness.h"

enum { FILE_MAX = 4 * 1024 * 1024, PACKET_MAX = 70000 };

/* --- writing captures --------------------------------------------------------------------------------------------- */

static void le32(struct buf *b, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        buf_u8(b, (uint8_t)(v >> 8 * i));
}

static void begin(struct buf *b, uint32_t link)
{
    le32(b, 0xa1b2c3d4);
    le32(b, 0x00040002);
    le32(b, 0);
    le32(b, 0);
    le32(b, 262144);
    le32(b, link);
}

static void packet(struct buf *b, const struct buf *p)
{
    static uint32_t ticks;

    le32(b, 1443434400); /* 2015-09-28 10:00:00 */
    le32(b, ++ticks % 1000000);
    le32(b, (uint32_t)p->n);
    le32(b, (uint32_t)p->n);
    buf_bytes(b, p->p, p->n);
}

struct shape {
    const char *name;
    uint32_t link;
    const char *header; /* of the link, its type included */
    size_t header_n;
    bool v6;
};

#define SHAPE(name, link, header, v6)                                                                        \
    {                                                                                                        \
        name, link, header, sizeof(header) - 1, v6                                                           \
    }
static const struct shape shapes[] = {
    SHAPE("ethernet", 1, "\1\2\3\4\5\6\1\2\3\4\5\7\x08\x00", false),
    SHAPE("ethernet, IPv6", 1, "\1\2\3\4\5\6\1\2\3\4\5\7\x86\xdd", true),
    SHAPE("one tag", 1, "\1\2\3\4\5\6\1\2\3\4\5\7\x81\x00\x00\x07\x08\x00", false),
    SHAPE("two tags", 1, "\1\2\3\4\5\6\1\2\3\4\5\7\x88\xa8\x00\x07\x81\x00\x00\x08\x86\xdd", true),
    SHAPE("cooked", 113, "\0\0\0\1\0\6\1\2\3\4\5\6\0\0\x08\x00", false),
    SHAPE("cooked, version 2", 276, "\x86\xdd\0\0\0\0\0\1\0\1\0\6\1\2\3\4\5\6\0\0", true),
    SHAPE("loopback", 0, "\2\0\0\0", false),
    SHAPE("raw", 101, "", true),
};
enum { SHAPES_N = sizeof shapes / sizeof *shapes };

struct ip_part {
    uint8_t protocol;
    uint16_t id;
    size_t at;
    bool more;
};

static void ip(const struct shape *y, const struct ip_part *part, const void *data, size_t n, struct buf *p)
{
    bool fragment = part->at > 0 || part->more;

    buf_bytes(p, y->header, y->header_n);
    if (y->v6) {
        buf_u32(p, 0x60000000);
        buf_u16(p, (uint16_t)(n + (fragment ? 8 : 0)));
        buf_u8(p, fragment ? 44 : part->protocol);
        buf_u8(p, 64);
        for (int i = 0; i < 32; i++)
            buf_u8(p, (uint8_t)(0x20 + i));
        if (fragment) {
            buf_u16(p, (uint16_t)(part->protocol << 8));
            buf_u16(p, (uint16_t)(part->at | part->more));
            buf_u32(p, part->id);
        }
    } else {
        buf_u16(p, 0x4500);
        buf_u16(p, (uint16_t)(n + 20));
        buf_u16(p, part->id);
        buf_u16(p, (uint16_t)(part->at / 8 | (part->more ? 0x2000 : 0)));
        buf_u8(p, 64);
        buf_u8(p, part->protocol);
        buf_u16(p, 0);
        buf_u32(p, 0xC000020A);
        buf_u32(p, 0xC6336414);
    }
    buf_bytes(p, data, n);
}

static void put_ip(const struct shape *y, const struct ip_part *part, const void *data, size_t n,
                   struct buf *file)
{
    static uint8_t room[PACKET_MAX];
    struct buf p = buf_over(room, sizeof room);

    ip(y, part, data, n, &p);
    packet(file, &p);
}

static void put_udp(const struct shape *y, const char *text, struct buf *file)
{
    static uint8_t room[PACKET_MAX];
    struct buf p = buf_over(room, sizeof room);
    const struct ip_part part = { .protocol = 17 };

    buf_u32(&p, 0x13C413C4);
    buf_u16(&p, (uint16_t)(strlen(text) + 8));
    buf_u16(&p, 0);
    buf_text(&p, text);
    put_ip(y, &part, p.p, p.n, file);
}

static void put_tcp(const struct shape *y, uint16_t port, uint32_t seq, const char *text, size_t n,
                    struct buf *file)
{
    static uint8_t room[PACKET_MAX];
    struct buf p = buf_over(room, sizeof room);
    const struct ip_part part = { .protocol = 6 };

    buf_u16(&p, port);
    buf_u16(&p, 5060);
    buf_u32(&p, seq);
    buf_u32(&p, 0);
    buf_u32(&p, 0x60180000); /* with 4 bytes of options */
    buf_u32(&p, 0);
    buf_u32(&p, 0x01010101);
    buf_bytes(&p, text, n);
    put_ip(y, &part, p.p, p.n, file);
}

/* A message with a report and a body in which another message stands. */
static const char *message(unsigned call)
{
    static char text[4096];
    const char body[] = "v=0\r\no=- 0 0 IN IP4 192.0.2.1\r\ns=-\r\n\r\na=BYE\r\n";

    snprintf(text, sizeof text,
             "BYE sip:anna@contoso.example SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.10\r\n"
             "From: <sip:boris@fabrikam.example>;tag=1\r\nTo: <sip:anna@contoso.example>;tag=2\r\n"
             "Call-ID: %u\r\nCSeq: 2 BYE\r\nms-client-diagnostics: 23; reason=\"Call failed\";"
             "CalleeMediaDebug=\"audio:ICEWarn=0x100\"\r\nContent-Length: %zu\r\n\r\n%s",
             call, strlen(body), body);
    return text;
}

/* --- reading them ------------------------------------------------------------------------------------------------- */

static struct em_failure_row last;

static void on_failure(void *arg, const struct em_failure_row *row)
{
    (void)arg;
    last = *row;
}

static int scan(const void *p, size_t n, struct em_totals *totals, struct em_why *why)
{
    struct em_scan *s = em_scan_new(on_failure, NULL);
    FILE *f = tmpfile();
    int err;

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(p, 1, n, f), n);
    rewind(f);
    err = em_scan_fd(s, fileno(f), "capture", NULL, NULL, why);
    *totals = em_scan_result(s)->totals;
    fclose(f);
    em_scan_free(s);
    return err;
}

static void expect(struct buf *file, uint64_t messages, uint64_t calls, const char *what)
{
    struct em_totals t;
    struct em_why why = { "" };

    if (!capture_recognise(file->p, file->n)) /* a build without libpcap */
        return;
    ck_assert(!file->full);
    ck_assert_msg(scan(file->p, file->n, &t, &why) == 0, "%s: %s", what, why.text);
    ck_assert_msg(
        t.messages == messages && t.calls == calls && t.code_23_tcp_nat == calls && t.malformed == 0,
        "%s: messages %llu calls %llu code 23 %llu malformed %llu", what, (unsigned long long)t.messages,
        (unsigned long long)t.calls, (unsigned long long)t.code_23_tcp_nat, (unsigned long long)t.malformed);
    ck_assert_uint_eq(t.bytes, file->n);
    ck_assert_msg(calls == 0 || last.time / 1000000 == 1443434400, "%s: time %lld", what,
                  (long long)last.time);
}

START_TEST(each_link)
{
    const struct shape *y = &shapes[_i];
    struct buf file = buf_heap(FILE_MAX);

    begin(&file, y->link);
    put_udp(y, "not a message\r\n\r\n", &file);
    put_udp(y, message(1), &file);
    put_udp(y, message(2), &file);
    put_udp(y, message(1), &file);
    expect(&file, 3, 2, y->name);
    buf_fini(&file);
}
END_TEST

START_TEST(fragments)
{
    const struct shape *y = &shapes[_i];
    struct buf file = buf_heap(FILE_MAX), p = buf_heap(PACKET_MAX);
    static const size_t order[] = { 2, 0, 2, 1 }; /* out of order, and one twice */

    begin(&file, y->link);
    for (unsigned call = 1; call <= 3; call++) {
        buf_reset(&p);
        buf_u32(&p, 0x13C413C4);
        buf_u32(&p, 0);
        buf_text(&p, message(call));
        for (size_t i = 0; i < 4; i++) {
            size_t at = order[i] * 160, n = order[i] == 2 ? p.n - at : 160;
            const struct ip_part part = { 17, (uint16_t)(70 + call), at, order[i] < 2 };

            if (call < 3 || order[i] != 1) /* the last one lacks a piece */
                put_ip(y, &part, p.p + at, n, &file);
        }
    }
    expect(&file, 2, 2, y->name);
    buf_fini(&file);
    buf_fini(&p);
}
END_TEST

/* A stream of messages cut into segments that know nothing of messages: in order, each twice, neighbours swapped. */
START_TEST(streams)
{
    const struct shape *y = &shapes[_i];

    for (int how = 0; how < 3; how++) {
        struct buf file = buf_heap(FILE_MAX), text = buf_heap(FILE_MAX);
        size_t segment = 331, n;

        begin(&file, y->link);
        put_tcp(y, 443, 1, "\x16\x03\x01\x02\x00", 5, &file); /* TLS costs nothing */
        for (unsigned call = 1; call <= 50; call++) {
            buf_text(&text, message(call));
            buf_text(&text, call % 3 ? "" : "\r\n\r\n"); /* a keep-alive */
        }
        n = (text.n + segment - 1) / segment;
        for (size_t i = 0; i < n; i++) {
            size_t k = how == 2 && i > 0 ? ((i - 1) ^ 1) + 1 : i, at = (k < n ? k : i) * segment;
            size_t left = text.n - at < segment ? text.n - at : segment;

            put_tcp(y, 5060, (uint32_t)(0xFFFFF000U + at), (char *)text.p + at, left, &file);
            if (how == 1)
                put_tcp(y, 5060, (uint32_t)(0xFFFFF000U + at), (char *)text.p + at, left, &file);
            if (how == 1 && i > 0) /* and with some of the one before */
                put_tcp(y, 5060, (uint32_t)(0xFFFFF000U + at - 7), (char *)text.p + at - 7, left + 7, &file);
        }
        expect(&file, 50, 50, y->name);
        buf_fini(&file);
        buf_fini(&text);
    }
}
END_TEST

/* A segment that is missing costs the messages that it is part of, and no others. */
START_TEST(a_gap_costs_its_messages)
{
    const struct shape *y = &shapes[0];
    struct buf file = buf_heap(FILE_MAX);
    struct em_totals t;
    struct em_why why = { "" };
    uint32_t seq = 77;

    begin(&file, y->link);
    for (unsigned call = 1; call <= 40; call++) {
        const char *text = message(call);
        size_t n = strlen(text), half = n / 2;

        put_tcp(y, 5061, seq, text, half, &file);
        if (call != 3)
            put_tcp(y, 5061, seq + (uint32_t)half, text + half, n - half, &file);
        seq += (uint32_t)n;
    }
    if (capture_recognise(file.p, file.n)) {
        ck_assert_int_eq(scan(file.p, file.n, &t, &why), 0);
        ck_assert_uint_ge(t.calls, 39);
        ck_assert_uint_le(t.messages, 40);
    }
    buf_fini(&file);
}
END_TEST

/* More streams than there is room for, each with a message that never ends: bounded, and a whole message afterwards counts. */
START_TEST(many_streams)
{
    const struct shape *y = &shapes[0];
    struct buf file = buf_heap(64 * 1024 * 1024);
    struct em_totals t;
    struct em_why why = { "" };
    static char half[1400];

    begin(&file, y->link);
    snprintf(half, sizeof half, "INVITE sip:a@b.example SIP/2.0\r\nCall-ID: x\r\nVia: %01300d", 0);
    for (unsigned i = 0; i < 4 * CAPTURE_STREAMS_MAX; i++)
        for (unsigned k = 0; k < 4; k++)
            put_tcp(y, (uint16_t)(1024 + i), 1 + k * (uint32_t)strlen(half), half, strlen(half), &file);
    put_tcp(y, 999, 1, message(1), strlen(message(1)), &file);
    if (capture_recognise(file.p, file.n)) {
        ck_assert_int_eq(scan(file.p, file.n, &t, &why), 0);
        ck_assert_uint_eq(t.calls, 1);
    }
    buf_fini(&file);
}
END_TEST

START_TEST(cut_and_changed)
{
    const struct shape *y = &shapes[_i];
    struct buf file = buf_heap(FILE_MAX);
    struct em_totals t;
    struct em_why why = { "" };
    const char *text = message(7);
    size_t half = strlen(text) / 2;

    begin(&file, y->link);
    put_udp(y, message(1), &file);
    put_tcp(y, 5061, 9, text, half, &file);
    put_tcp(y, 5061, (uint32_t)(9 + half), text + half, strlen(text) - half, &file);
    if (!capture_recognise(file.p, file.n))
        return;
    for (size_t cut = 4; cut < file.n; cut += EM_SANITIZED ? 5 : 1) {
        int err = scan(file.p, cut, &t, &why);

        ck_assert_msg(err == EM_ERR_INPUT || err == 0, "cut at %zu: %d %s", cut, err, why.text);
        ck_assert_uint_le(t.calls, 2);
    }
    for (size_t at = 0; at < file.n; at += EM_SANITIZED ? 3 : 1) {
        file.p[at] ^= (uint8_t)(1U << at % 8);
        (void)scan(file.p, file.n, &t, &why);
        file.p[at] ^= (uint8_t)(1U << at % 8);
    }
    buf_fini(&file);
}
END_TEST

static bool take(void *arg, const char *p, size_t n)
{
    buf_bytes(arg, p, n);
    return true;
}

static void unpack_in_pieces(const struct buf *file, size_t piece, size_t room, struct buf *text)
{
    struct em_why why;
    struct unpack *u = unpack_new(&unpack_capture, &why);
    uint8_t out[256];

    ck_assert_ptr_nonnull(u);
    for (size_t at = 0; at < file->n; at += piece) {
        size_t n = file->n - at < piece ? file->n - at : piece, made;
        const uint8_t *in = file->p + at;

        do {
            ck_assert_int_eq(unpack_step(u, &in, &n, out, room, &made), UNPACK_GOES_ON);
            buf_bytes(text, out, made);
            ck_assert(n == 0 || made > 0);
        } while (made > 0);
    }
    ck_assert(unpack_whole(u));
    unpack_free(u);
}

/* Captures that grow have the text that they have when they are read at once. */
START_TEST(piece_by_piece)
{
    static const size_t pieces[] = { 1, 7, 100, 4096 };
    const struct shape *y = &shapes[_i];
    struct buf file = buf_heap(FILE_MAX), want = buf_heap(FILE_MAX);
    struct em_why why;

    begin(&file, y->link);
    put_udp(y, message(1), &file);
    put_tcp(y, 5061, 9, message(2), 100, &file);
    put_udp(y, message(3), &file);
    put_tcp(y, 5061, 109, message(2) + 100, strlen(message(2)) - 100, &file);
    if (!capture_recognise(file.p, file.n))
        return;
    OK(capture_read(fmemopen(file.p, file.n, "r"), take, &want, &why));
    ck_assert_uint_gt(want.n, 3 * strlen(message(1)));
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct buf got = buf_heap(FILE_MAX);

        unpack_in_pieces(&file, pieces[i], i % 2 ? 256 : 5, &got);
        ck_assert_msg(got.n == want.n && memcmp(got.p, want.p, want.n) == 0,
                      "pieces of %zu: %zu of %zu bytes", pieces[i], got.n, want.n);
        buf_fini(&got);
    }
    buf_fini(&want);
    buf_fini(&file);
}
END_TEST

int main(void)
{
    TCase *t = em_case("capture");

    tcase_add_loop_test(t, each_link, 0, SHAPES_N);
    tcase_add_loop_test(t, fragments, 0, SHAPES_N);
    tcase_add_loop_test(t, streams, 0, SHAPES_N);
    tcase_add_test(t, a_gap_costs_its_messages);
    tcase_add_test(t, many_streams);
    tcase_add_loop_test(t, cut_and_changed, 0, 2);
    tcase_add_loop_test(t, piece_by_piece, 0, SHAPES_N);
    return em_run();
}
