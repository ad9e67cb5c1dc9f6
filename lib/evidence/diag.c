/* SPDX-License-Identifier: GPL-3.0-or-later
 * The grammar of diagnostics headers; see diag.h. Parameters and blob members are rows; what has no row is passed over. */
#include "evidence/diag.h"

#include "evidence/ice.h"

enum { ESC = 0x1B };

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name_char(char c)
{
    return is_alpha(c) || is_digit(c) || c == '-' || c == '_';
}

/* --- cleaning ----------------------------------------------------------------------------------------------------- */

/* Length of a colour code at s: ESC [ parameters letter. */
static size_t colour_code(struct slice s)
{
    size_t n = 2;

    if (s.n < 3 || s.p[0] != ESC || s.p[1] != '[')
        return 0;
    while (n < s.n && (is_digit(s.p[n]) || s.p[n] == ';'))
        n++;
    return n < s.n ? n + 1 : 0;
}

/* Length of an HTML tag at s. Only names of text markup: a SIP address stands in angle brackets, too. */
static size_t html_tag(struct slice s)
{
    static const struct slice names[] = { { "b", 1 },    { "i", 1 },   { "u", 1 },    { "p", 1 },
                                          { "br", 2 },   { "em", 2 },  { "td", 2 },   { "tr", 2 },
                                          { "div", 3 },  { "pre", 3 }, { "font", 4 }, { "span", 4 },
                                          { "code", 4 }, { "a", 1 },   { "mark", 4 }, { "strong", 6 },
                                          { "li", 2 } };
    struct slice rest = s;
    size_t close;

    if (!slice_skip(&rest, SLICE("<")))
        return 0;
    (void)slice_skip(&rest, SLICE("/"));
    close = slice_find_char(slice_upto(rest, 200), '>');
    if (close == SIZE_MAX)
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_starts_nocase(rest, names[i]) && rest.n > names[i].n && !is_name_char(rest.p[names[i].n]) &&
            rest.p[names[i].n] != ':' && rest.p[names[i].n] != '@' && rest.p[names[i].n] != '.')
            return s.n - rest.n + close + 1;
    return 0;
}

/* What is dropped: length, or 0. */
static size_t junk(struct slice s)
{
    size_t n = colour_code(s);

    if (n == 0)
        n = html_tag(s);
    if (n == 0 && slice_starts(s, SLICE("**")))
        n = 2;
    if (n == 0 && s.p[0] == '\\' && (s.n == 1 || s.p[1] == '\r' || s.p[1] == '\n'))
        n = 1;
    return n;
}

/* U+201C, U+201D, U+2033: what word processors make of a quote. */
static bool typographic_quote(struct slice s)
{
    return slice_starts(s, SLICE("\xE2\x80\x9C")) || slice_starts(s, SLICE("\xE2\x80\x9D")) ||
           slice_starts(s, SLICE("\xE2\x80\xB3"));
}

/* A fold becomes one blank; in front of an SDP line it stays a line end, which quoted() looks for. Returns what to skip. */
static size_t line_end(struct slice s, struct buf *to)
{
    size_t n = 0;

    while (n < s.n && is_space(s.p[n]))
        n++;
    buf_u8(to, n + 1 < s.n && is_alpha(s.p[n]) && s.p[n + 1] == '=' ? '\n' : ' ');
    return n;
}

/* How many bytes at s need no cleaning: nearly all. */
static size_t ordinary(struct slice s)
{
    static const bool special[256] = {
        [ESC] = true, ['<'] = true,  ['*'] = true,  ['\\'] = true, [0xE2] = true,
        ['&'] = true, ['\r'] = true, ['\n'] = true, ['\0'] = true
    };
    size_t n = 0;

    while (n < s.n && !special[(uint8_t)s.p[n]])
        n++;
    return n;
}

struct slice em_diag_clean(struct slice raw, struct buf *to)
{
    size_t start = to->n, skip;

    for (; raw.n > 0 && to->n - start < EM_DIAG_VALUE_MAX && !to->full; raw = slice_from(raw, skip)) {
        skip = ordinary(slice_upto(raw, EM_DIAG_VALUE_MAX - (to->n - start)));
        if (skip > 0) {
            buf_bytes(to, raw.p, skip);
            continue;
        }
        skip = junk(raw);
        if (skip > 0)
            continue;
        skip = 1;
        if (typographic_quote(raw)) {
            buf_u8(to, '"');
            skip = 3;
        } else if (slice_starts_nocase(raw, SLICE("&quot;"))) {
            buf_u8(to, '"');
            skip = 6;
        } else if (raw.p[0] == '\r' || raw.p[0] == '\n') {
            skip = line_end(raw, to);
        } else if (raw.p[0] == '\0') {
            buf_u8(to, ' ');
        } else {
            buf_u8(to, (uint8_t)raw.p[0]);
        }
    }
    return to->p ? (struct slice) { (const char *)to->p + start, to->n - start } : SLICE("");
}

/* --- header names ------------------------------------------------------------------------------------------------- */

bool em_diag_header(struct slice line, struct slice *value)
{
    static const struct slice names[] = { { "ms-client-diagnostics", 21 },
                                          { "ms-diagnostics-public", 21 },
                                          { "ms-diagnostics", 14 } };
    size_t n;

    while (line.n > 0 && ((n = junk(line)) > 0 || is_space(line.p[0])))
        line = slice_from(line, n ? n : 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct slice rest = line;

        if (!slice_skip_nocase(&rest, names[i]))
            continue;
        while (rest.n > 0 && ((n = junk(rest)) > 0 || is_space(rest.p[0])))
            rest = slice_from(rest, n ? n : 1);
        if (!slice_skip(&rest, SLICE(":")))
            continue;
        *value = rest;
        return true;
    }
    return false;
}

/* --- the value ---------------------------------------------------------------------------------------------------- */

static void skip_spaces(struct slice *s)
{
    while (s->n > 0 && is_space(s->p[0]))
        *s = slice_from(*s, 1);
}

/* Does a parameter begin here: blanks, Name, blanks, '='? */
static bool parameter_ahead(struct slice s)
{
    skip_spaces(&s);
    if (s.n == 0 || !is_alpha(s.p[0]))
        return false;
    while (s.n > 0 && is_name_char(s.p[0]))
        s = slice_from(s, 1);
    skip_spaces(&s);
    return s.n > 0 && s.p[0] == '=';
}

/* Does another header's value begin here: blanks, digits, then '.', ';', blank or the end? */
static bool code_ahead(struct slice s)
{
    skip_spaces(&s);
    if (s.n == 0 || !is_digit(s.p[0]))
        return false;
    while (s.n > 0 && is_digit(s.p[0]))
        s = slice_from(s, 1);
    skip_spaces(&s);
    return s.n == 0 || s.p[0] == ';';
}

/* A quoted value whose opening quote was read. A quote that is never closed is noticed by the next ";Name=" that stands before the
 * next quote; an SDP line in it ends the value as well. */
static struct slice quoted(struct slice *s)
{
    struct slice v;
    size_t end = slice_find_char(*s, '"'), i;
    bool closed = end != SIZE_MAX;

    if (!closed)
        end = s->n;
    for (i = 0; i < end; i++) {
        if (s->p[i] == ';' && parameter_ahead(slice_from(*s, i + 1))) {
            end = i;
            closed = false;
        }
    }
    v = slice_upto(*s, end);
    *s = slice_from(*s, closed ? end + 1 : end);
    for (i = 0; i + 2 < v.n; i++)
        if (v.p[i] == '\n' && is_alpha(v.p[i + 1]) && v.p[i + 2] == '=')
            v = slice_upto(v, i);
    return slice_trim(v);
}

static struct slice token(struct slice *s)
{
    size_t n = 0;
    struct slice v;

    while (n < s->n && s->p[n] != ';' && !(s->p[n] == ',' && code_ahead(slice_from(*s, n + 1))))
        n++;
    v = slice_trim(slice_upto(*s, n));
    *s = slice_from(*s, n);
    while (v.n > 0 && v.p[v.n - 1] == '"')
        v.n--;
    return v;
}

/* --- media -------------------------------------------------------------------------------------------------------- */

enum em_media em_diag_media(struct slice s)
{
    static const struct {
        struct slice word;
        enum em_media media;
    } words[] = {
        { { "audio", 5 }, EM_MEDIA_AUDIO },
        { { "main-audio", 10 }, EM_MEDIA_AUDIO },
        { { "video", 5 }, EM_MEDIA_VIDEO },
        { { "main-video", 10 }, EM_MEDIA_VIDEO },
        { { "application-sharing", 19 }, EM_MEDIA_APPLICATION_SHARING },
        { { "applicationsharing", 18 }, EM_MEDIA_APPLICATION_SHARING },
        { { "applicationsharing-video", 24 }, EM_MEDIA_APPLICATION_SHARING },
        { { "panoramic-video", 15 }, EM_MEDIA_PANORAMIC_VIDEO },
        { { "panoramic", 9 }, EM_MEDIA_PANORAMIC_VIDEO },
        { { "data", 4 }, EM_MEDIA_DATA },
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (slice_eq_nocase(s, words[i].word))
            return words[i].media;
    return EM_MEDIA_UNKNOWN;
}

/* Members that both payload forms share. */
static void member(struct em_report_media *m, struct slice name, struct slice v)
{
    const struct {
        struct slice name;
        struct slice *to;
    } rows[] = { { { "LocalMR", 7 }, &m->local_relay },
                 { { "RemoteMR", 8 }, &m->remote_relay },
                 { { "LocalSite", 9 }, &m->local_site },
                 { { "RemoteSite", 10 }, &m->remote_site } };

    if (slice_eq_nocase(name, SLICE("ICEWarn"))) {
        m->ice_known = em_ice_read(v, &m->ice);
        return;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (slice_eq_nocase(name, rows[i].name))
            *rows[i].to = v;
}

static struct em_report_media *new_media(struct em_report *r, enum em_side side)
{
    static struct em_report_media scrap; /* what is beyond the maximum is written here and forgotten */
    struct em_report_media *m = r->media_n < EM_REPORT_MEDIA_MAX ? &r->media[r->media_n++] : &scrap;

    *m = (struct em_report_media) { .side = side, .media = EM_MEDIA_UNKNOWN };
    return m;
}

/* "audio:ICEWarn=0x12b,LocalSite=a:p,...,video:ICEWarn=..": a piece that begins with "media:" starts the next one. */
static void blob(struct em_report *r, enum em_side side, struct slice s)
{
    struct em_report_media *m = NULL;

    while (s.n > 0) {
        struct slice piece = s, name;
        size_t comma = slice_find_char(s, ','), colon, equals;

        piece = slice_trim(slice_upto(s, comma == SIZE_MAX ? s.n : comma));
        s = slice_from(s, comma == SIZE_MAX ? s.n : comma + 1);
        colon = slice_find_char(piece, ':');
        equals = slice_find_char(piece, '=');
        if (colon < equals && colon != SIZE_MAX) {
            m = new_media(r, side);
            m->media = em_diag_media(slice_trim(slice_upto(piece, colon)));
            piece = slice_from(piece, colon + 1);
        }
        if (!slice_until(&piece, '=', &name))
            continue;
        if (!m)
            m = new_media(r, side);
        member(m, slice_trim(name), slice_trim(piece));
    }
}

static bool parameter(struct slice *s, struct slice *name, struct slice *v)
{
    size_t n = 0;

    if (!parameter_ahead(*s))
        return false;
    skip_spaces(s);
    while (is_name_char(s->p[n]))
        n++;
    *name = slice_upto(*s, n);
    *s = slice_from(*s, n);
    skip_spaces(s);
    *s = slice_from(*s, 1); /* '=' */
    skip_spaces(s);
    *v = slice_skip(s, SLICE("\"")) ? quoted(s) : token(s);
    return true;
}

/* The parameter form: UserType, MediaType, ICEWarn ... are one medium together. */
struct parameter_form {
    bool used;
    struct em_report_media m;
};

static void take_parameter(struct em_report *r, struct parameter_form *form, struct slice name,
                           struct slice v)
{
    if (slice_eq_nocase(name, SLICE("reason"))) {
        if (r->reason.n == 0)
            r->reason = v;
    } else if (slice_eq_nocase(name, SLICE("CallerMediaDebug"))) {
        blob(r, EM_SIDE_CALLER, v);
    } else if (slice_eq_nocase(name, SLICE("CalleeMediaDebug"))) {
        blob(r, EM_SIDE_CALLEE, v);
    } else if (slice_eq_nocase(name, SLICE("UserType"))) {
        form->used = true;
        form->m.side = slice_eq_nocase(v, SLICE("Caller"))   ? EM_SIDE_CALLER
                       : slice_eq_nocase(v, SLICE("Callee")) ? EM_SIDE_CALLEE
                                                             : EM_SIDE_UNKNOWN;
    } else if (slice_eq_nocase(name, SLICE("MediaType"))) {
        form->used = true;
        form->m.media = em_diag_media(v);
    } else {
        form->used |= slice_eq_nocase(name, SLICE("ICEWarn"));
        member(&form->m, name, v);
    }
}

bool em_diag_next(struct slice *value, struct em_report *r)
{
    struct parameter_form form = { .m = { .side = EM_SIDE_UNKNOWN, .media = EM_MEDIA_UNKNOWN } };
    struct slice s = *value, start, name, v;
    uint32_t sub;

    while (s.n > 0 && (is_space(s.p[0]) || s.p[0] == ',' || s.p[0] == '"'))
        s = slice_from(s, 1);
    start = s;
    if (!slice_u32(&s, UINT32_MAX, &r->code))
        return false;
    if (slice_skip(&s, SLICE(".")))
        (void)slice_u32(&s, UINT32_MAX, &sub);
    if (s.n > 0 && !is_space(s.p[0]) && s.p[0] != ';' && s.p[0] != ',' && s.p[0] != '"')
        return false;
    r->reason = (struct slice) { NULL, 0 };
    r->media_n = 0;
    for (;;) {
        while (s.n > 0 && (is_space(s.p[0]) || s.p[0] == ';' || s.p[0] == '"'))
            s = slice_from(s, 1);
        if (parameter(&s, &name, &v)) {
            take_parameter(r, &form, name, v);
        } else if (s.n > 0 && s.p[0] == ',' && code_ahead(slice_from(s, 1))) {
            break;
        } else {
            size_t next = slice_find_char(s, ';'); /* something else: recover at the next ";" */

            s = slice_from(s, next == SIZE_MAX ? s.n : next + 1);
            if (s.n == 0)
                break;
        }
    }
    if (form.used && r->media_n < EM_REPORT_MEDIA_MAX)
        r->media[r->media_n++] = form.m;
    r->header = slice_trim(slice_upto(start, start.n - s.n));
    *value = s;
    return true;
}
