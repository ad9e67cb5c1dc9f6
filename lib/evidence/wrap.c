/* SPDX-License-Identifier: GPL-3.0-or-later
 * Wrapped lines; see wrap.h. What tools write is rows. */
#include "evidence/wrap.h"

#include "evidence/lines.h"

enum { ESC = 0x1B, START_TRIES = 6, STATUS_TAIL = 256 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_word(char c)
{
    return is_digit(c) || is_upper(c) || (c >= 'a' && c <= 'z') || c == '_' || c == '-' || c == '.';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* --- colours ------------------------------------------------------------------------------------------------------ */

static size_t colour_code(struct slice s)
{
    size_t n = 2;

    if (s.n < 3 || s.p[0] != ESC || s.p[1] != '[')
        return 0;
    while (n < s.n && n < 16 && (is_digit(s.p[n]) || s.p[n] == ';'))
        n++;
    return n < s.n && (s.p[n] == 'm' || s.p[n] == 'K') ? n + 1 : 0;
}

/* Length of the colour code that ends the line; 0 = none. */
static size_t colour_behind(struct slice s)
{
    size_t n = 1;

    if (s.n < 3 || (s.p[s.n - 1] != 'm' && s.p[s.n - 1] != 'K'))
        return 0;
    while (n < s.n && n < 16 && s.p[s.n - n] != ESC)
        n++;
    return colour_code(slice_from(s, s.n - n)) == n ? n : 0;
}

struct slice wrap_without_colours(struct slice line)
{
    size_t n;

    while ((n = colour_code(line)) > 0)
        line = slice_from(line, n);
    while ((n = colour_behind(line)) > 0)
        line.n -= n;
    return line;
}

/* --- what stands behind lines ------------------------------------------------------------------------------------- */

/* A way in which bytes are written out. The first row of each family is what its line ends begin with. */
enum family { NO_FAMILY, HASH, BACKSLASH, CARET, DOTS };

static const struct behind {
    struct slice text;
    enum family family; /* with more behind it the line holds the whole message */
} behinds[] = {
    { { "", 0 }, NO_FAMILY },      { { ".", 1 }, DOTS },          { { "^M", 2 }, CARET },
    { { "#015", 4 }, HASH },       { { "#012", 4 }, HASH },       { { "\\r", 2 }, BACKSLASH },
    { { "\\n", 2 }, BACKSLASH },   { { "\\015", 4 }, BACKSLASH }, { { "\\012", 4 }, BACKSLASH },
    { { "\\x0d", 4 }, BACKSLASH }, { { "\\x0D", 4 }, BACKSLASH }, { { "\\u000d", 6 }, BACKSLASH },
};
enum { BEHINDS = sizeof behinds / sizeof *behinds };

/* What stands in `tail`, which is behind a start line. false: something else, so it was no start line. */
static bool tail_of(struct slice tail, struct wrap *w)
{
    slice_skip_blanks(&tail); /* the line's own */
    while (tail.n > 0 && is_blank(tail.p[tail.n - 1]))
        tail.n--;
    for (uint8_t i = 1; tail.n > 0 && i < BEHINDS; i++) {
        if (!slice_starts(tail, behinds[i].text))
            continue;
        w->behind = i;
        if (tail.n == behinds[i].text.n)
            return true;
        if (behinds[i].family == DOTS && (tail.n < 4 || tail.p[1] != '.'))
            return false;
        w->how = WRAP_ONE_LINE;
        w->escape = (uint8_t)behinds[i].family;
        return true;
    }
    return tail.n == 0;
}

/* Where the phrase of a response ends: at the first escape, or with the line. */
static struct slice status_tail(struct slice rest)
{
    struct slice near = slice_upto(rest, STATUS_TAIL);
    size_t first = SIZE_MAX;

    for (uint8_t i = 2; i < BEHINDS; i++) {
        size_t at = slice_find(near, behinds[i].text);

        first = at < first ? at : first;
    }
    if (first == SIZE_MAX && (first = slice_find(near, SLICE(".."))) == SIZE_MAX)
        first = rest.n - (rest.n > 0 && rest.p[rest.n - 1] == '.');
    return slice_from(rest, first);
}

/* --- start lines -------------------------------------------------------------------------------------------------- */

/* The request line that ends with the SIP/2.0 at `at`: where it begins, or SIZE_MAX. */
static size_t request_begin(struct slice line, size_t at)
{
    size_t p = at, method;

    if (p < 2 || line.p[p - 1] != ' ')
        return SIZE_MAX;
    for (p--; p > 0 && line.p[p - 1] != ' '; p--)
        ;
    if (p == 0 || p + 1 >= at)
        return SIZE_MAX;
    method = --p;
    while (p > 0 && is_upper(line.p[p - 1]))
        p--;
    if (method - p < 2 || method - p > 32 || (p > 0 && is_word(line.p[p - 1])))
        return SIZE_MAX;
    return p;
}

/* A status line at `at`; *tail is what stands behind its phrase. */
static bool status_line(struct slice line, size_t at, struct slice *tail)
{
    struct slice s = slice_from(line, at + sizeof "SIP/2.0" - 1);

    if (at > 0 && is_word(line.p[at - 1]))
        return false;
    if (s.n < 4 || s.p[0] != ' ' || s.p[1] < '1' || s.p[1] > '6' || !is_digit(s.p[2]) || !is_digit(s.p[3]) ||
        (s.n > 4 && is_word(s.p[4]) && s.p[4] != '.'))
        return false;
    *tail = status_tail(slice_from(s, 4));
    return true;
}

static bool start_at(struct slice line, size_t at, struct wrap *w)
{
    struct slice tail = slice_from(line, at + sizeof "SIP/2.0" - 1);

    *w = (struct wrap) { .how = WRAP_LINES, .front = at };
    if (!status_line(line, at, &tail) && (w->front = request_begin(line, at)) == SIZE_MAX)
        return false;
    return w->front <= WRAP_FRONT_MAX && tail_of(tail, w);
}

/* What the bytes in front say. */
static void front_of(struct slice line, struct wrap *w)
{
    size_t n = 0;

    while (n < w->front && is_blank(line.p[n]))
        n++;
    w->indent = n;
    w->indented = n == w->front || (n + 1 == w->front && line.p[n] == '|');
    if (w->how == WRAP_LINES && w->front > 0 && !w->indented && w->behind == 0 &&
        (line.p[w->front - 1] == '"' || line.p[w->front - 1] == '\''))
        w->how = WRAP_FIRST;
}

bool wrap_find(struct slice line, struct wrap *w)
{
    struct slice near;
    size_t from = 0;

    line = wrap_without_colours(line);
    near = slice_upto(line, WRAP_LOOK_MAX);
    for (int i = 0; i < START_TRIES; i++) {
        size_t at = slice_find(slice_from(near, from), SLICE("SIP/2.0"));

        if (at == SIZE_MAX)
            return false;
        if (start_at(line, from + at, w)) {
            front_of(line, w);
            return true;
        }
        from += at + 1;
    }
    return false;
}

/* --- taking it off ------------------------------------------------------------------------------------------------ */

/* Digits stand for each other: times and numbers of processes go on. Blanks at a line's end may be missing. */
static bool same_shape(struct slice front, struct slice line)
{
    size_t n = front.n < line.n ? front.n : line.n;

    for (size_t i = 0; i < n; i++)
        if (front.p[i] != line.p[i] && !(is_digit(front.p[i]) && is_digit(line.p[i])))
            return false;
    for (size_t i = n; i < front.n; i++)
        if (!is_blank(front.p[i]))
            return false;
    return true;
}

static void strip_indent(const struct wrap *w, struct slice *line)
{
    size_t n = 0;

    while (n < w->indent && n < line->n && is_blank(line->p[n]))
        n++;
    if (n < line->n && line->p[n] == '|')
        n++;
    *line = slice_from(*line, n);
}

bool wrap_strip(const struct wrap *w, struct slice first, struct slice *line)
{
    struct slice s = wrap_without_colours(*line), behind = behinds[w->behind].text;

    if (w->how == WRAP_LINES && w->indented) {
        strip_indent(w, &s);
    } else if (w->how == WRAP_LINES) {
        if (!same_shape(slice_upto(wrap_without_colours(first), w->front), s))
            return false;
        s = wrap_without_colours(slice_from(s, w->front));
    }
    if (behind.n > 0 && s.n >= behind.n && memcmp(s.p + s.n - behind.n, behind.p, behind.n) == 0)
        s.n -= behind.n;
    *line = s;
    return true;
}

void wrap_clean(const struct wrap *w, struct slice text, struct buf *to)
{
    const char *p = text.p, *end = text.p + text.n, *eol = line_end(p, end);
    struct slice first = { p, (size_t)(eol - p) };

    for (; p < end; p = eol + 1) {
        struct slice line;

        eol = line_end(p, end);
        line = (struct slice) { p, (size_t)(eol - p) };
        if (line.n == 0)
            continue;
        (void)wrap_strip(w, first, &line);
        if (p == first.p) /* WRAP_FIRST leaves it, and it holds nothing but the start line */
            continue;
        buf_slice(to, line);
        buf_u8(to, '\n');
    }
}

/* --- escapes ------------------------------------------------------------------------------------------------------ */

static const struct {
    enum family family;
    struct slice text;
    char byte;
} escapes[] = {
    { CARET, { "^M", 2 }, '\r' },       { CARET, { "^J", 2 }, '\n' },      { CARET, { "^I", 2 }, '\t' },
    { BACKSLASH, { "\\r", 2 }, '\r' },  { BACKSLASH, { "\\n", 2 }, '\n' }, { BACKSLASH, { "\\t", 2 }, '\t' },
    { BACKSLASH, { "\\\"", 2 }, '"' },  { BACKSLASH, { "\\'", 2 }, '\'' }, { BACKSLASH, { "\\/", 2 }, '/' },
    { BACKSLASH, { "\\\\", 2 }, '\\' }, { DOTS, { "..", 2 }, '\n' },
};

static bool digits_of(struct slice s, size_t n, unsigned base, char *byte)
{
    unsigned v = 0;

    if (s.n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned c = (unsigned char)s.p[i], d = c - '0';

        if (d > 9)
            d = (c | 0x20) - 'a' + 10;
        if (d >= base || ((c | 0x20) < 'a' && c > '9'))
            return false;
        v = v * base + d;
    }
    *byte = v < 0x80 ? (char)v : '?';
    return true;
}

/* Length of the escape at s, and the byte that it stands for; 0 = none. */
static size_t escape_at(struct slice s, enum family family, char *byte)
{
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++)
        if (escapes[i].family == family && slice_starts(s, escapes[i].text)) {
            *byte = escapes[i].byte;
            return escapes[i].text.n;
        }
    if (family == HASH || family == BACKSLASH) {
        if (digits_of(slice_from(s, 1), 3, 8, byte))
            return 4;
        if (family == BACKSLASH && s.n > 1 && s.p[1] == 'x' && digits_of(slice_from(s, 2), 2, 16, byte))
            return 4;
        if (family == BACKSLASH && s.n > 1 && s.p[1] == 'u' && digits_of(slice_from(s, 2), 4, 16, byte))
            return 6;
    }
    return 0;
}

/* A CR takes the LF behind it along, whether that is escaped as well or was made a blank. */
static size_t behind_cr(struct slice s, enum family family)
{
    char byte;
    size_t n = s.n > 0 ? escape_at(s, family, &byte) : 0;

    if (n > 0 && byte == '\n')
        return n;
    return s.n > 0 && s.p[0] == ' ' ? 1 : 0;
}

void wrap_unescape(const struct wrap *w, struct slice line, struct buf *to)
{
    static const char firsts[] = { [HASH] = '#', [BACKSLASH] = '\\', [CARET] = '^', [DOTS] = '.' };
    enum family family = (enum family)w->escape;
    struct slice s = slice_from(wrap_without_colours(line), w->front);

    while (s.n > 0) {
        size_t plain = slice_find_char(s, firsts[family]), n;
        char byte = '\0';

        buf_slice(to, slice_upto(s, plain == SIZE_MAX ? s.n : plain));
        s = slice_from(s, plain == SIZE_MAX ? s.n : plain);
        if (s.n == 0)
            break;
        n = escape_at(s, family, &byte);
        buf_u8(to, n == 0 ? (uint8_t)s.p[0] : byte == '\r' ? (uint8_t)'\n' : (uint8_t)byte);
        s = slice_from(s, n ? n : 1);
        if (n > 0 && byte == '\r')
            s = slice_from(s, behind_cr(s, family));
    }
    buf_u8(to, '\n');
}

/* --- lines around messages ---------------------------------------------------------------------------------------- */

/* Which tool writes what. `then` must stand somewhere behind `begins`. */
static const struct {
    struct slice begins, then;
} frames[] = {
    { { "--", 2 },
      { "", 0 } }, /* dashes of FreeSWITCH, "--end msg--" of pjsua, "--- (9 headers ..) ---" of chan_sip */
    { { "<--", 3 }, { "", 0 } },          /* chan_sip and pjsip: "<--- SIP read from ..", "<------------->" */
    { { "recv ", 5 }, { " bytes ", 7 } }, /* sofia */
    { { "send ", 5 }, { " bytes ", 7 } },
    { { "RX ", 3 }, { " bytes ", 7 } }, /* pjsua */
    { { "TX ", 3 }, { " bytes ", 7 } },
    { { "U ", 2 }, { " -> ", 4 } }, /* ngrep */
    { { "T ", 2 }, { " -> ", 4 } },
    { { "#", 1 }, { "", 0 } }, /* ngrep's count of packets that do not match */
};

bool wrap_is_frame(struct slice line)
{
    struct slice s = wrap_without_colours(line);

    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
        if (slice_starts(s, frames[i].begins))
            return frames[i].then.n == 0 || slice_find(slice_upto(s, 256), frames[i].then) != SIZE_MAX;
    if (s.n < 12)
        return false;
    if (s.p[0] == '[')
        return (is_digit(s.p[1]) && is_digit(s.p[4]) && s.p[5] == '-') || (is_upper(s.p[1]) && s.p[4] == ' ');
    if (is_digit(s.p[0]) && is_digit(s.p[1])) /* sngrep "date a:p -> a:p"; pjsua "time  file  .RX n bytes" */
        return slice_find(slice_upto(s, 256), SLICE(" -> ")) != SIZE_MAX ||
               slice_find(slice_upto(s, 256), SLICE(" bytes ")) != SIZE_MAX ||
               slice_find(slice_upto(s, 256), SLICE(" Module=\"")) != SIZE_MAX;
    return false;
}

size_t wrap_date_at(struct slice line)
{
    size_t n = line.n < 160 ? line.n : 160;

    for (size_t i = 0; i + 19 <= n; i++)
        if ((line.p[i + 4] == '-' || line.p[i + 4] == '/') && line.p[i + 7] == line.p[i + 4] &&
            is_digit(line.p[i]) && is_digit(line.p[i + 3]) && line.p[i + 13] == ':')
            return i;
    return SIZE_MAX;
}
