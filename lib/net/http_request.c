/* SPDX-License-Identifier: GPL-3.0-or-later
 * HTTP requests: a head that is read when it is whole, then a body by its length or in chunks. See http_request.h. */
#include "net/http_request.h"

#include <string.h>

enum { LENGTH_DIGITS_MAX = 15, CHUNK_DIGITS_MAX = 8 };

void http_request_init(struct http_request *r, size_t body_max)
{
    *r = (struct http_request) { .head = buf_heap(HTTP_HEAD_MAX + 1), .body = buf_heap(body_max + 1) };
}

void http_request_fini(struct http_request *r)
{
    buf_fini(&r->head);
    buf_fini(&r->body);
}

void http_request_next(struct http_request *r)
{
    struct buf head = r->head, body = r->body;

    buf_reset(&head);
    buf_reset(&body);
    *r = (struct http_request) { .head = head, .body = body };
}

static bool refuse(struct http_request *r, int status, const char *why)
{
    r->state = HTTP_REFUSED;
    r->status = status;
    r->why = why;
    r->keeps = false;
    return false;
}

/* --- the head ------------------------------------------------------------------------------------------------------ */

static bool token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 127 || strchr("\"(),/:;<=>?@[\\]{}", s.p[i]))
            return false;
    return s.n > 0;
}

static bool request_line(struct http_request *r, struct slice line)
{
    struct slice method, target;

    if (!slice_until(&line, ' ', &method) || !slice_until(&line, ' ', &target) || !token(method) ||
        target.n == 0)
        return refuse(r, 400, "the first line is no request");
    if (!slice_eq(line, SLICE("HTTP/1.1")) && !slice_eq(line, SLICE("HTTP/1.0")))
        return refuse(r, 505, "HTTP/1.1 is spoken here");
    if (!slice_copy(method, r->method, sizeof r->method))
        return refuse(r, 501, "that method is not known");
    r->keeps = line.p[line.n - 1] == '1';
    return true;
}

static bool content_length(struct http_request *r, struct slice value)
{
    uint64_t n;
    struct slice digits = value;

    if (value.n > LENGTH_DIGITS_MAX || !slice_u64(&digits, UINT64_MAX, &n) || digits.n > 0 ||
        (r->length_told && n != r->left))
        return refuse(r, 400, "Content-Length is no number, or not the same twice");
    r->length_told = true;
    r->left = n;
    return true;
}

static bool transfer_encoding(struct http_request *r, struct slice value)
{
    if (r->chunked || !slice_eq_nocase(value, SLICE("chunked")))
        return refuse(r, 501, "of transfer codings, only chunked is known");
    r->chunked = true;
    return true;
}

static bool content_encoding(struct http_request *r, struct slice value)
{
    return slice_eq_nocase(value, SLICE("identity")) || refuse(r, 415, "the body must not be compressed");
}

static bool expect(struct http_request *r, struct slice value)
{
    r->expects = true;
    return slice_eq_nocase(value, SLICE("100-continue")) ||
           refuse(r, 417, "only 100-continue can be expected");
}

static bool connection(struct http_request *r, struct slice value)
{
    if (slice_eq_nocase(value, SLICE("close")))
        r->keeps = false;
    return true;
}

static bool origin(struct http_request *r, struct slice value)
{
    (void)value;
    r->origin = true;
    return true;
}

static const struct {
    struct slice name;
    bool (*read)(struct http_request *r, struct slice value);
} headers[] = {
    { { "Content-Length", 14 }, content_length },
    { { "Transfer-Encoding", 17 }, transfer_encoding },
    { { "Content-Encoding", 16 }, content_encoding },
    { { "Expect", 6 }, expect },
    { { "Connection", 10 }, connection },
    { { "Origin", 6 }, origin },
};

static bool header(struct http_request *r, struct slice line)
{
    struct slice name;

    if (!slice_until(&line, ':', &name) || !token(name)) /* folded lines and blanks before the colon, too */
        return refuse(r, 400, "a header cannot be read");
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (slice_eq_nocase(name, headers[i].name))
            return headers[i].read(r, slice_trim(line));
    return true;
}

/* What follows the head. */
static void begin_body(struct http_request *r)
{
    if (r->chunked && r->length_told) {
        refuse(r, 400, "a body has a length or is in chunks, not both");
    } else if (r->chunked) {
        r->state = HTTP_CHUNK_SIZE;
    } else if (!r->length_told && strcmp(r->method, "POST") == 0) {
        refuse(r, 411, "a body needs a Content-Length");
    } else if (r->left > r->body.max - 1) {
        refuse(r, 413, "the body is too long");
    } else {
        r->state = r->left > 0 ? HTTP_BODY : HTTP_DONE;
    }
}

static void read_head(struct http_request *r)
{
    struct slice head = { (const char *)r->head.p, r->head.n - 2 }; /* the empty line off */
    bool first = true;

    if (memchr(head.p, '\0', head.n)) {
        refuse(r, 400, "a header holds a zero");
        return;
    }
    while (head.n > 0) {
        size_t eol = slice_find(head, SLICE("\r\n"));
        struct slice line = slice_upto(head, eol);

        if (memchr(line.p, '\n', line.n) || memchr(line.p, '\r', line.n)) {
            refuse(r, 400, "a line ends in another way than CR LF");
            return;
        }
        if (!(first ? request_line(r, line) : header(r, line)))
            return;
        first = false;
        head = slice_from(head, eol + 2);
    }
    begin_body(r);
}

/* Up to the empty line, byte by byte: heads are short. */
static size_t push_head(struct http_request *r, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (r->head.n == 0 && (p[i] == '\r' || p[i] == '\n'))
            continue; /* empty lines before a request (RFC 9112 section 2.2) */
        buf_u8(&r->head, (uint8_t)p[i]);
        if (r->head.full) {
            refuse(r, 431, "the headers are too long");
            return i;
        }
        if (p[i] == '\n' && r->head.n >= 4 && memcmp(r->head.p + r->head.n - 4, "\r\n\r\n", 4) == 0) {
            read_head(r);
            return i + 1;
        }
    }
    return n;
}

/* --- the body ------------------------------------------------------------------------------------------------------ */

static size_t push_bytes(struct http_request *r, const char *p, size_t n, enum http_state then)
{
    size_t take = n < r->left ? n : (size_t)r->left;

    buf_bytes(&r->body, p, take);
    r->left -= take;
    if (r->body.full)
        refuse(r, 413, "the body is too long");
    else if (r->left == 0)
        r->state = then;
    return take;
}

static bool hex(struct slice digits, uint64_t *n)
{
    static const char all[] = "0123456789abcdef";

    *n = 0;
    for (size_t i = 0; i < digits.n; i++) {
        int c = digits.p[i] >= 'A' && digits.p[i] <= 'F' ? digits.p[i] | 0x20 : digits.p[i];
        const char *at = c ? strchr(all, c) : NULL;

        if (!at)
            return false;
        *n = *n << 4 | (uint64_t)(at - all);
    }
    return digits.n > 0;
}

static void chunk_size(struct http_request *r)
{
    struct slice line = { r->line, r->line_n }, digits;

    if (!slice_until(&line, ';', &digits)) /* extensions of a chunk mean nothing here */
        digits = line;
    digits = slice_trim(digits);
    if (digits.n > CHUNK_DIGITS_MAX || !hex(digits, &r->left))
        refuse(r, 400, "a chunk has no size");
    else if (r->left > r->body.max - 1 - r->body.n)
        refuse(r, 413, "the body is too long");
    else
        r->state = r->left > 0 ? HTTP_CHUNK : HTTP_TRAILERS;
}

/* One line without its end into r->line; whole is set when it ended. */
static size_t push_line(struct http_request *r, const char *p, size_t n, bool *whole)
{
    *whole = false;
    for (size_t i = 0; i < n; i++) {
        if (r->line_n == sizeof r->line) {
            refuse(r, 400, "a chunk's line is too long");
            return i;
        }
        r->line[r->line_n++] = p[i];
        if (p[i] != '\n')
            continue;
        if (r->line_n < 2 || r->line[r->line_n - 2] != '\r')
            refuse(r, 400, "a chunk's line ends in another way than CR LF");
        else
            r->line_n -= 2;
        *whole = true;
        return i + 1;
    }
    return n;
}

static size_t push_chunk_line(struct http_request *r, const char *p, size_t n)
{
    bool whole;
    size_t used = push_line(r, p, n, &whole);

    if (!whole || r->state == HTTP_REFUSED)
        return used;
    if (r->state == HTTP_CHUNK_SIZE)
        chunk_size(r);
    else if (r->state == HTTP_CHUNK_END && r->line_n > 0)
        refuse(r, 400, "a chunk is longer than its size");
    else if (r->state == HTTP_CHUNK_END)
        r->state = HTTP_CHUNK_SIZE;
    else if (r->line_n == 0)
        r->state = HTTP_DONE;
    else if ((r->trailers += r->line_n) > HTTP_TRAILERS_MAX)
        refuse(r, 431, "the trailers are too long");
    r->line_n = 0;
    return used;
}

size_t http_request_push(struct http_request *r, const void *bytes, size_t n)
{
    const char *p = bytes;
    size_t used = 0;

    while (used < n && r->state != HTTP_DONE && r->state != HTTP_REFUSED) {
        if (r->state == HTTP_HEAD)
            used += push_head(r, p + used, n - used);
        else if (r->state == HTTP_BODY)
            used += push_bytes(r, p + used, n - used, HTTP_DONE);
        else if (r->state == HTTP_CHUNK)
            used += push_bytes(r, p + used, n - used, HTTP_CHUNK_END);
        else
            used += push_chunk_line(r, p + used, n - used);
    }
    return used;
}
