/* SPDX-License-Identifier: GPL-3.0-or-later
 * Escaping for every place that shows text from outside: one walk over the characters, one row of rules per place. */
#include "base/esc.h"

#include <stdio.h>

#define REPLACEMENT "\xEF\xBF\xBD"

/* Length of the valid UTF-8 sequence at p (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF), or 0. */
static size_t utf8_len(const uint8_t *p, size_t n)
{
    static const struct {
        uint8_t first_low, first_high, second_low, second_high, len;
    } forms[] = {
        { 0x00, 0x7F, 0, 0, 1 },       { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 },
        { 0xE1, 0xEC, 0x80, 0xBF, 3 }, { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 },
        { 0xF0, 0xF0, 0x90, 0xBF, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
    };

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (p[0] < forms[i].first_low || p[0] > forms[i].first_high)
            continue;
        if (n < forms[i].len ||
            (forms[i].len > 1 && (p[1] < forms[i].second_low || p[1] > forms[i].second_high)))
            return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((p[k] & 0xC0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

struct rules {
    const char
        *control; /* what stands before the two hex digits of a control byte, or NULL: U+FFFD instead */
    struct {
        char c;
        const char *text;
    } pair[6];
};

static bool is_control(const uint8_t *p, size_t len)
{
    return (len == 1 && (p[0] < 0x20 || p[0] == 0x7F)) || (len == 2 && p[0] == 0xC2 && p[1] < 0xA0);
}

static void escape_one(struct buf *b, const struct rules *r, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < sizeof r->pair / sizeof *r->pair && r->pair[i].text; i++) {
        if (len == 1 && r->pair[i].c == (char)p[0]) {
            buf_text(b, r->pair[i].text);
            return;
        }
    }
    if (len == 0 || (is_control(p, len) && !r->control))
        buf_text(b, REPLACEMENT);
    else if (is_control(p, len))
        buf_print(b, "%s%02x", r->control, p[len - 1]);
    else
        buf_bytes(b, p, len);
}

static void escape(struct buf *b, const struct rules *r, struct slice s)
{
    const uint8_t *p = (const uint8_t *)s.p;

    for (size_t i = 0; i < s.n;) {
        size_t len = utf8_len(p + i, s.n - i);

        escape_one(b, r, p + i, len);
        i += len ? len : 1;
    }
}

void esc_line(struct buf *b, struct slice s)
{
    static const struct rules rules = { "\\x", { { '\\', "\\\\" } } };

    escape(b, &rules, s);
}

void esc_controls(struct buf *b, struct slice s)
{
    static const struct rules rules = { "\\x", { { '\0', NULL } } };

    escape(b, &rules, s);
}

void esc_json(struct buf *b, struct slice s)
{
    static const struct rules rules = {
        "\\u00", { { '"', "\\\"" }, { '\\', "\\\\" }, { '\n', "\\n" }, { '\r', "\\r" }, { '\t', "\\t" } }
    };

    escape(b, &rules, s);
}

void esc_label(struct buf *b, struct slice s)
{
    static const struct rules rules = { NULL, { { '"', "\\\"" }, { '\\', "\\\\" }, { '\n', "\\n" } } };

    escape(b, &rules, s);
}

void esc_html(struct buf *b, struct slice s)
{
    static const struct rules rules = { NULL,
                                        { { '&', "&amp;" },
                                          { '<', "&lt;" },
                                          { '>', "&gt;" },
                                          { '"', "&quot;" },
                                          { '\'', "&#39;" },
                                          { '\n', "\n" } } };

    escape(b, &rules, s);
}

static bool is_formula(struct slice s)
{
    static const struct slice signs[] = { { "=", 1 },  { "+", 1 },  { "-", 1 },  { "@", 1 },
                                          { "＝", 3 }, { "＋", 3 }, { "－", 3 }, { "＠", 3 } };

    slice_skip_blanks(&s);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (slice_starts(s, signs[i]))
            return true;
    return false;
}

void esc_csv(struct buf *b, struct slice s)
{
    static const struct rules rules = { NULL, { { '"', "\"\"" } } };

    buf_text(b, is_formula(s) ? "\"'" : "\"");
    escape(b, &rules, s);
    buf_u8(b, '"');
}

void esc_plugin(struct buf *b, struct slice s)
{
    static const struct rules rules = { "\\x", { { '\\', "\\\\" }, { '|', "!" } } };

    escape(b, &rules, s);
}

const char *esc_line_into(char *to, size_t size, struct slice s)
{
    struct buf b = buf_over(to, size);
    const uint8_t *p = (const uint8_t *)s.p;

    for (size_t i = 0; i < s.n && !b.full;) {
        size_t len = utf8_len(p + i, s.n - i);

        esc_line(&b, (struct slice) { s.p + i, len ? len : 1 });
        i += len ? len : 1;
    }
    b.full = false;
    return buf_str(&b);
}
