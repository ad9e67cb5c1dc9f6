/* SPDX-License-Identifier: GPL-3.0-or-later
 * The trace reader: a window of text, a line at a time, and a small machine that knows whether it is between messages, in a message's
 * headers, or behind them.
 *
 *            start line, $$begin_record, packet line                blank line, Message-Body
 *   SKIP  ------------------------------------------>  HEAD  --------------------------------->  BODY
 *    ^                                                  |  reports are emitted, the message counted  |
 *    +-------------- $$end_record, a new record --------+--------------------------------------------+
 *
 * The window keeps everything from the start of a message until its headers end, so that header values are slices of it. What lies
 * before the message is dropped; that place is the mark.
 */
#include "evidence/reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "evidence/diag.h"
#include "evidence/lines.h"
#include "evidence/textin.h"

enum {
    DIAGS_MAX =
        16, /* diagnostics headers of one message; more are left out and the message counted malformed */
    LINE_MAX = 128 * 1024, /* a longer line is no header: passed over to its end */
};

enum state { SKIP, HEAD, BODY };
enum container { NONE, OCS, UCC };

/* A header's value, relative to the message's start in the window. */
struct span {
    size_t at, n;
};

struct message {
    size_t at; /* where it begins in the window */
    enum container container;
    struct span call_id, cseq, from, to, date, type;
    struct span diag[DIAGS_MAX];
    size_t diag_n;
    struct span *last; /* the header that a folded line goes on */
    bool last_is_diag, start_seen, framed, log_record, lines, too_many;
    int64_t time_us;
};

struct em_reader {
    em_emit_fn emit;
    void *arg;
    struct textin in;
    size_t pos; /* the next line's start in the window */
    enum state state;
    enum container container;
    bool long_line; /* passing over the rest of a line that was too long */
    bool fragment;  /* the body is a message/sipfrag: its start line is no message */
    bool fresh;     /* time_us came after the last message */
    int64_t time_us;
    struct message m;
    struct em_reader_stats stats;
    uint64_t begun_at;
    struct buf scratch; /* cleaned header values of one message */
};

/* The mark's `encoding` holds all that a reader must know to go on. */
enum {
    MARK_BODY = 1 << 8,
    MARK_CONTAINER_SHIFT = 9,
    MARK_LONG = 1 << 12,
    MARK_FRAGMENT = 1 << 13,
    MARK_FRESH = 1 << 14
};

struct em_reader *em_reader_new(em_emit_fn emit, void *arg, const struct em_reader_mark *from)
{
    struct em_reader *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->emit = emit;
    r->arg = arg;
    r->scratch = buf_heap(DIAGS_MAX * (size_t)EM_DIAG_VALUE_MAX + 64);
    if (from) {
        r->begun_at = from->offset;
        r->time_us = from->time_us;
        r->state = from->encoding & MARK_BODY ? BODY : SKIP;
        r->container = (enum container)(from->encoding >> MARK_CONTAINER_SHIFT & 3);
        r->long_line = from->encoding & MARK_LONG;
        r->fragment = from->encoding & MARK_FRAGMENT;
        r->fresh = from->encoding & MARK_FRESH;
    }
    if (!textin_init(&r->in, r->begun_at,
                     from ? (enum textin_encoding)(from->encoding & 0xFF) : TEXTIN_UNDECIDED)) {
        free(r);
        return NULL;
    }
    return r;
}

void em_reader_free(struct em_reader *r)
{
    if (!r)
        return;
    textin_fini(&r->in);
    buf_fini(&r->scratch);
    free(r);
}

/* --- a message's end ---------------------------------------------------------------------------------------------- */

static struct slice value_of(const struct em_reader *r, struct span s)
{
    return slice_trim((struct slice) { r->in.text + r->m.at + s.at, s.n });
}

static int64_t message_time(const struct em_reader *r)
{
    int64_t t = r->m.time_us;

    if (t == 0 && r->m.date.n)
        t = line_rfc1123(value_of(r, r->m.date));
    return t ? t : r->time_us;
}

static enum em_format format_of(enum container c)
{
    return c == OCS ? EM_FORMAT_OCSLOGGER : c == UCC ? EM_FORMAT_UCCAPI : EM_FORMAT_SIP;
}

/* Emits the reports of one header; false when there was none in it. */
static bool emit_header(struct em_reader *r, struct span span)
{
    struct em_report report = {
        .call_id = value_of(r, r->m.call_id),
        .cseq = value_of(r, r->m.cseq),
        .from = value_of(r, r->m.from),
        .to = value_of(r, r->m.to),
        .time_us = message_time(r),
        .format = format_of(r->m.container),
        .offset = textin_raw(&r->in, r->m.at),
    };
    struct slice value;
    bool any = false;

    buf_reset(&r->scratch);
    value = em_diag_clean((struct slice) { r->in.text + r->m.at + span.at, span.n }, &r->scratch);
    while (em_diag_next(&value, &report)) {
        r->emit(r->arg, &report);
        any = true;
    }
    return any;
}

/* Framed as a message? A log record is none, nor is a record or packet of something else than SIP. */
static bool is_message(const struct message *m)
{
    if (m->log_record)
        return false;
    return m->start_seen || (m->container == OCS && m->framed) || (m->container == UCC && m->lines);
}

static void count_malformed(struct em_reader *r)
{
    r->stats.malformed++;
    r->stats.malformed_offset = textin_raw(&r->in, r->m.at);
}

/* The headers are complete, or will never be. */
static void finish_message(struct em_reader *r)
{
    const struct message *m = &r->m;
    bool understood = m->start_seen && (m->call_id.n || m->cseq.n || m->diag_n) && !m->too_many;

    for (size_t i = 0; i < m->diag_n; i++)
        understood &= emit_header(r, m->diag[i]);
    if (is_message(m)) {
        r->stats.messages++;
        if (!understood)
            count_malformed(r);
    }
    r->fragment = m->type.n && slice_starts_nocase(value_of(r, m->type), SLICE("message/sipfrag"));
    r->fresh = false;
    r->state = BODY;
}

static void leave(struct em_reader *r)
{
    if (r->state == HEAD)
        finish_message(r);
    r->state = SKIP;
    r->container = NONE;
    r->fragment = false;
}

static void begin(struct em_reader *r, enum container c, size_t at)
{
    r->m = (struct message) { .at = at, .container = c, .time_us = r->fresh || c != NONE ? r->time_us : 0 };
    r->container = c;
    r->state = HEAD;
}

/* --- headers ------------------------------------------------------------------------------------------------------ */

struct header {
    struct slice name;
    size_t member; /* offset of the span in struct message, or SIZE_MAX */
    bool record;   /* only in OCSLogger records */
};

#define MEMBER(m) offsetof(struct message, m)
static const struct header headers[] = {
    { { "Call-ID", 7 }, MEMBER(call_id), false },
    { { "i", 1 }, MEMBER(call_id), false },
    { { "CSeq", 4 }, MEMBER(cseq), false },
    { { "From", 4 }, MEMBER(from), false },
    { { "f", 1 }, MEMBER(from), false },
    { { "To", 2 }, MEMBER(to), false },
    { { "t", 1 }, MEMBER(to), false },
    { { "Date", 4 }, MEMBER(date), false },
    { { "Content-Type", 12 }, MEMBER(type), false },
    { { "c", 1 }, MEMBER(type), false },
    { { "SIP-Call-ID", 11 }, MEMBER(call_id), true },
    { { "SIP-CSeq", 8 }, MEMBER(cseq), true },
};

static struct span span_from(const struct em_reader *r, const char *p, const char *end)
{
    return (struct span) { (size_t)(p - r->in.text) - r->m.at, (size_t)(end - p) };
}

static void add_diag(struct em_reader *r, struct slice value)
{
    if (r->m.diag_n == DIAGS_MAX) {
        r->m.too_many = true;
        return;
    }
    r->m.diag[r->m.diag_n] = span_from(r, value.p, value.p + value.n);
    r->m.last = &r->m.diag[r->m.diag_n++];
    r->m.last_is_diag = true;
}

/* Lines that OCSLogger writes around a message, and those of its diagnostic records. */
static void record_header(struct em_reader *r, struct slice name, struct slice value)
{
    struct slice diag;

    if (slice_eq_nocase(name, SLICE("Start-Line"))) {
        r->m.start_seen |= line_is_sip_start(slice_trim(value));
        r->m.framed = true;
    } else if (slice_eq_nocase(name, SLICE("Direction")) || slice_eq_nocase(name, SLICE("Message-Type"))) {
        r->m.framed = true;
    } else if (slice_eq_nocase(name, SLICE("LogType")) || slice_eq_nocase(name, SLICE("SIP-Start-Line"))) {
        r->m.log_record = true;
    } else if (slice_eq_nocase(name, SLICE("Data")) && em_diag_header(value, &diag)) {
        add_diag(r, diag);
    }
}

static void named_header(struct em_reader *r, struct slice line, size_t name_n)
{
    struct slice name = { line.p, name_n }, value = slice_from(line, slice_find_char(line, ':') + 1);

    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        const struct header *h = &headers[i];

        if (h->name.n == name_n && ((h->name.p[0] ^ name.p[0]) & ~0x20) == 0 &&
            (!h->record || r->m.container == OCS) && slice_eq_nocase(name, h->name)) {
            struct span *s = (struct span *)(void *)((char *)&r->m + h->member);

            if (s->n == 0) { /* the first instance counts */
                *s = span_from(r, value.p, value.p + value.n);
                r->m.last = s;
            }
            return;
        }
    }
    if (r->m.container == OCS)
        record_header(r, name, value);
}

/* Behind a diagnostics header: a value that was wrapped without indent goes on, and so do SDP lines behind a quote that was never
 * closed. A blob's "audio:ICEWarn=.." only looks like a header. */
static bool goes_on(struct slice line)
{
    size_t n = line_header_name(line);

    return n == 0 || slice_starts_nocase(slice_from(line, n), SLICE(":ICEWarn")) ||
           slice_starts_nocase(slice_from(line, n), SLICE(": ICEWarn"));
}

static void extend_last(struct em_reader *r, struct slice line)
{
    if (r->m.last)
        r->m.last->n = (size_t)(line.p + line.n - r->in.text) - r->m.at - r->m.last->at;
}

/* "ms-..", or something that is cleaned away in front of it. */
static bool may_be_diag(struct slice line)
{
    if (line.p[0] == 'm' || line.p[0] == 'M')
        return line.n > 3 && (line.p[1] | 0x20) == 's';
    return line.p[0] == '*' || line.p[0] == '<' || line.p[0] == 0x1B;
}

static void header_line(struct em_reader *r, struct slice line)
{
    struct slice value;
    size_t n;

    r->m.lines = true;
    if (line.p[0] == ' ' || line.p[0] == '\t') {
        extend_last(r, line);
        return;
    }
    if (r->m.last_is_diag && goes_on(line) && !em_diag_header(line, &value)) {
        extend_last(r, line);
        return;
    }
    r->m.last = NULL;
    r->m.last_is_diag = false;
    if (may_be_diag(line) && em_diag_header(line, &value))
        add_diag(r, value);
    else if ((n = line_header_name(line)) > 0)
        named_header(r, line, n);
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] != ' ' && line.p[i] != '\t')
            return false;
    return true;
}

/* A line between messages or behind a message's headers, or one that ends a message. */
static void outside(struct em_reader *r, enum line_kind kind, struct slice line, size_t at)
{
    switch (kind) {
    case LINE_OCS_HEAD:
        leave(r);
        if (line_begins_record(line))
            begin(r, OCS, at);
        break;
    case LINE_OCS_BEGIN:
        leave(r);
        begin(r, OCS, at);
        break;
    case LINE_UCC_PACKET:
        leave(r);
        begin(r, UCC, at);
        break;
    case LINE_OCS_END:
    case LINE_UCC_OTHER:
        leave(r);
        break;
    case LINE_SIP_START:
        if (r->container != NONE)
            break;
        if (r->fragment) {
            r->fragment = false;
            break;
        }
        leave(r);
        begin(r, NONE, at);
        r->m.start_seen = true;
        break;
    case LINE_OTHER:
        break;
    }
}

static void inside(struct em_reader *r, enum line_kind kind, struct slice line, size_t at)
{
    if (kind == LINE_SIP_START && !r->m.start_seen && !r->m.log_record) {
        r->m.start_seen = true;
        r->m.lines = true;
    } else if (kind == LINE_SIP_START && r->m.container != NONE) {
        r->m.last = NULL;
    } else if (kind != LINE_OTHER) {
        outside(r, kind, line, at);
    } else if (is_blank(line)) {
        if (r->m.start_seen)
            finish_message(r);
    } else if (r->m.container == OCS && line.n > 8 && line.p[7] == '-' &&
               slice_starts_nocase(line, SLICE("Message-Body:"))) {
        finish_message(r);
    } else {
        header_line(r, line);
    }
}

static void too_long(struct em_reader *r)
{
    if (r->state != HEAD)
        return;
    r->m.too_many = true;
    r->m.start_seen |= r->m.container == NONE;
    finish_message(r);
}

static void one_line(struct em_reader *r, struct slice line, size_t at)
{
    int64_t time = 0;
    enum line_kind kind;

    if (line.n > LINE_MAX) {
        too_long(r);
        return;
    }
    kind = line_classify(line, &time);
    if (time && (r->state != HEAD || kind != LINE_OTHER)) {
        if (r->state == HEAD) /* the line ends the message: it must not take this time */
            leave(r);
        r->time_us = time;
        r->fresh = true;
    }
    if (r->state == HEAD)
        inside(r, kind, line, at);
    else if (kind != LINE_OTHER)
        outside(r, kind, line, at);
    if (r->state == HEAD && at - r->m.at > EM_READER_MESSAGE_MAX)
        too_long(r);
}

/* Length of the line end at eol: LF, CR LF, CR CR LF or CR. 0: the next byte must be seen first. */
static size_t terminator(const char *eol, const char *end, bool final)
{
    size_t left = (size_t)(end - eol);

    if (*eol == '\n')
        return 1;
    if (left >= 2 && eol[1] == '\n')
        return 2;
    if (left >= 3 && eol[1] == '\r')
        return eol[2] == '\n' ? 3 : 1;
    if (left >= 2 && eol[1] != '\r')
        return 1;
    return final ? 1 : 0;
}

/* What a crash leaves in a file: NULs in front of the next line. */
static void pass_nuls(struct em_reader *r)
{
    while (r->pos < r->in.n && r->in.text[r->pos] == '\0')
        r->pos++;
}

/* What the first byte of a line says about it, so that most lines need no second look (measured: that is most of the speed). */
enum { NO = 0, LOOK = 1, START = 2 }; /* START: only if the line could be a SIP start line */

#define CAPITALS(x)                                                                                          \
    ['A'] = x, ['B'] = x, ['E'] = x, ['G'] = x, ['H'] = x, ['J'] = x, ['K'] = x, ['N'] = x, ['O'] = x,       \
    ['P'] = x, ['Q'] = x, ['R'] = x, ['U'] = x, ['V'] = x, ['W'] = x, ['X'] = x, ['Y'] = x, ['Z'] = x
#define DIGITS(x)                                                                                            \
    ['0'] = x, ['1'] = x, ['2'] = x, ['3'] = x, ['4'] = x, ['5'] = x, ['6'] = x, ['7'] = x, ['8'] = x,       \
    ['9'] = x

static const uint8_t first_outside[256] = {
    CAPITALS(START), ['C'] = START, ['D'] = START, ['F'] = START, ['I'] = START, ['L'] = START,
    ['M'] = START,   ['S'] = LOOK,  ['T'] = LOOK,  ['$'] = LOOK,  DIGITS(LOOK),
};
static const uint8_t first_in_head[256] = {
    CAPITALS(START), ['C'] = LOOK,  ['D'] = LOOK, ['F'] = LOOK, ['I'] = LOOK,  ['L'] = LOOK,
    ['M'] = LOOK,    ['S'] = LOOK,  ['T'] = LOOK, ['c'] = LOOK, ['d'] = LOOK,  ['f'] = LOOK,
    ['i'] = LOOK,    ['l'] = LOOK,  ['m'] = LOOK, ['s'] = LOOK, ['t'] = LOOK,  ['$'] = LOOK,
    [' '] = LOOK,    ['\t'] = LOOK, ['*'] = LOOK, ['<'] = LOOK, [0x1B] = LOOK, DIGITS(LOOK),
};

/* Second look, at the second byte: may a header of ours begin so? 'co' is Content-Type only if its ninth byte is a T. */
static bool second_look(const char *p, const char *eol)
{
    static const struct {
        char first;
        const char *second;
    } rows[] = { { 'c', "aso: " }, { 'f', "r: " }, { 't', "ol: " }, { 'i', ": " },
                 { 'd', "ai" },    { 'm', "es" },  { 's', "ti" },   { 'l', "o" } };
    int first = *p | 0x20, second = eol - p > 1 ? p[1] | 0x20 : 0;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].first != first)
            continue;
        for (const char *s = rows[i].second; *s; s++)
            if ((*s | 0x20) == second)
                return !(first == 'c' && second == 'o') || (eol - p > 12 && (p[8] | 0x20) == 't');
        return false;
    }
    return true;
}

/* A line that changes nothing. */
static bool boring(struct em_reader *r, const char *p, const char *eol)
{
    uint8_t first;

    if (p == eol)
        return r->state != HEAD;
    first = (r->state == HEAD ? first_in_head : first_outside)[(uint8_t)*p];
    if (first != NO && (eol[-1] == '0' || eol[-1] == ' '))
        return false;
    if (r->state != HEAD)
        return first != LOOK;
    if (first == LOOK && second_look(p, eol))
        return false;
    if (r->m.last_is_diag || eol - p > LINE_MAX || r->pos - r->m.at > EM_READER_MESSAGE_MAX)
        return false;
    r->m.lines = true;
    r->m.last = NULL;
    return true;
}

static void lines(struct em_reader *r, bool final)
{
    const char *end = r->in.text + r->in.n;

    while (r->pos < r->in.n) {
        const char *p, *eol;
        size_t over;

        if (!r->long_line && r->in.text[r->pos] == '\0')
            pass_nuls(r);
        p = r->in.text + r->pos;
        eol = line_end(p, end);
        if (r->long_line) {
            r->pos = (size_t)(eol - r->in.text);
            if (eol == end)
                return;
            if ((over = terminator(eol, end, final)) == 0)
                return;
            r->long_line = false;
            r->pos += over;
            continue;
        }
        over = eol == end ? 0 : terminator(eol, end, final);
        if (over == 0 && !(final && eol > p)) {
            if (eol - p > LINE_MAX) {
                too_long(r);
                r->long_line = true;
                continue;
            }
            return;
        }
        if (!boring(r, p, eol))
            one_line(r, (struct slice) { p, (size_t)(eol - p) }, r->pos);
        r->pos += (size_t)(eol - p) + over;
    }
}

/* Works through what is in the window and lets go of what is done. */
static void work(struct em_reader *r, bool final)
{
    size_t before;

    do {
        size_t keep;

        lines(r, final);
        keep = r->state == HEAD ? r->m.at : r->pos;
        before = r->in.n - keep;
        if (keep == 0)
            return;
        textin_drop(&r->in, keep);
        r->pos -= keep;
        r->m.at = 0;
    } while (r->in.n > before); /* UTF-16: the drop made room for more text */
}

int em_reader_push(struct em_reader *r, const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n > 0 && !r->in.refusal) {
        size_t took = textin_push(&r->in, p, n);

        p += took;
        n -= took;
        work(r, false);
    }
    return r->in.refusal ? EM_ERR_UNSUPPORTED : 0;
}

void *em_reader_space(struct em_reader *r, size_t *n)
{
    return textin_space(&r->in, n);
}

int em_reader_filled(struct em_reader *r, size_t n)
{
    textin_filled(&r->in, n);
    work(r, false);
    return 0;
}

const char *em_reader_refusal(const struct em_reader *r)
{
    return r->in.refusal;
}

void em_reader_finish(struct em_reader *r)
{
    textin_decide(&r->in);
    if (r->in.refusal)
        return;
    work(r, true);
    leave(r);
}

void em_reader_idle(struct em_reader *r)
{
    textin_decide(&r->in);
    if (r->in.refusal)
        return;
    work(r, false);
    /* A record or packet says where it ends; a bare message does not. A line that is not whole is still being written. */
    if (r->state == HEAD && r->m.container == NONE && r->pos == r->in.n) {
        finish_message(r);
        work(r, false);
    }
}

void em_reader_mark(const struct em_reader *r, struct em_reader_mark *mark, struct em_reader_stats *stats)
{
    bool head = r->state == HEAD;
    unsigned how = (unsigned)r->in.encoding;

    if (!head)
        how |= (r->state == BODY ? MARK_BODY : 0U) | (unsigned)r->container << MARK_CONTAINER_SHIFT |
               (r->fragment ? MARK_FRAGMENT : 0U);
    how |= (r->long_line ? MARK_LONG : 0U) | (r->fresh ? MARK_FRESH : 0U);
    *mark = (struct em_reader_mark) {
        .offset = textin_raw(&r->in, head ? r->m.at : r->pos),
        .format = format_of(head ? r->m.container : r->container),
        .encoding = how,
        .time_us = r->time_us,
    };
    *stats = r->stats;
    stats->bytes = mark->offset - r->begun_at;
}
