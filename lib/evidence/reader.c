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
#include "evidence/headers.h"
#include "evidence/line_pass.h"
#include "evidence/lines.h"
#include "evidence/qoe.h"
#include "evidence/textin.h"
#include "evidence/wrap.h"

enum {
    LINE_MAX = 128 * 1024, /* a longer line is no header: passed over to its end */
    PLANS = 16             /* by state, container, and what is known of the message */
};

/* Lines that can end the headers of a message that has no end. */
enum { FRAME_LOOKS = LOOK_FRAME | LOOK_SOFIA | LOOK_TIME };

enum state { SKIP, HEAD, BODY };
enum container { NONE, OCS, UCC };

/* What is known of the message whose headers are being passed. */
struct message {
    size_t at; /* where it begins in the window */
    enum container container;
    bool start_seen;    /* a SIP start line */
    bool keyed;         /* a Call-ID or CSeq */
    bool diag;          /* something that may be a diagnostics header */
    bool framed;        /* lines that OCSLogger writes around SIP messages */
    bool log_record;    /* an OCSLogger record about something else */
    bool lines;         /* anything at all */
    bool fragment;      /* its body is a message/sipfrag */
    bool cut;           /* too long: the headers are not whole */
    bool counted;       /* it paused, and was counted then */
    struct wrap wrap;   /* what stands around its lines */
    struct slice plain; /* its headers, when they were escaped into one line; else they are in the window */
    uint32_t told;      /* so many of its reports were told when it paused */
    int64_t time_us;
};

struct em_reader {
    em_emit_fn emit;
    void *arg;
    struct textin in;
    size_t pos;    /* the next line's start in the window */
    bool in_qoe;   /* a QoE report is being passed; it begins */
    size_t qoe_at; /* here in the window */
    enum state state;
    enum container container;
    bool long_line; /* passing over the rest of a line that was too long */
    bool fragment;  /* the body is a message/sipfrag: its start line is no message */
    bool fresh;     /* time_us came after the last message */
    int64_t time_us;
    struct message m;
    bool resumed;         /* the mark was in front of a message that had paused, and was told up to here: */
    uint32_t resume_told; /* so many reports of it */
    struct em_reader_stats stats;
    uint64_t begun_at;
    struct buf scratch;            /* a cleaned header value */
    struct buf clean;              /* a wrapped message without its wrapping */
    unsigned quiet;                /* what the quiet lines told that were just passed: enum line_told */
    struct line_plan plans[PLANS]; /* made when they are needed first; see plan_now() */
};

/* The mark's `encoding` holds all that a reader must know to go on. */
enum {
    MARK_BODY = 1 << 8,
    MARK_CONTAINER_SHIFT = 9,
    MARK_LONG = 1 << 12,
    MARK_FRAGMENT = 1 << 13,
    MARK_FRESH = 1 << 14,
    MARK_COUNTED = 1 << 15, /* the message behind the mark is counted, and */
    MARK_TOLD_SHIFT = 16,   /* so many of its reports are told */
    TOLD_MAX = 0x7FFF
};

struct em_reader *em_reader_new(em_emit_fn emit, void *arg, const struct em_reader_mark *from)
{
    struct em_reader *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->emit = emit;
    r->arg = arg;
    r->scratch = buf_heap(EM_DIAG_VALUE_MAX + 64);
    r->clean = buf_heap(TEXTIN_SIZE + 1);
    if (from) {
        r->begun_at = from->offset;
        r->time_us = from->time_us;
        r->state = from->encoding & MARK_BODY ? BODY : SKIP;
        r->container = (enum container)(from->encoding >> MARK_CONTAINER_SHIFT & 3);
        r->long_line = from->encoding & MARK_LONG;
        r->fragment = from->encoding & MARK_FRAGMENT;
        r->fresh = from->encoding & MARK_FRESH;
        r->resumed = from->encoding & MARK_COUNTED;
        r->resume_told = from->encoding >> MARK_TOLD_SHIFT;
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
    buf_fini(&r->clean);
    free(r);
}

/* --- a message's end ---------------------------------------------------------------------------------------------- */

static enum em_format format_of(enum container c)
{
    return c == OCS ? EM_FORMAT_OCSLOGGER : c == UCC ? EM_FORMAT_UCCAPI : EM_FORMAT_SIP;
}

/* Emits the reports of one header; false when there was none in it. *n counts the message's reports: those that were told when it
 * paused are repeated, because it may have said more of the last one since. */
static bool emit_header(struct em_reader *r, struct em_report *report, struct slice raw, uint32_t *n)
{
    struct slice value;
    bool any = false;

    buf_reset(&r->scratch);
    value = em_diag_clean(raw, &r->scratch);
    while (em_diag_next(&value, report)) {
        report->again = (*n)++ < r->m.told;
        r->emit(r->arg, report);
        any = true;
    }
    return any;
}

/* The message's headers as they were sent: what tools wrote around the lines is taken off. */
static struct slice headers_text(struct em_reader *r, size_t end)
{
    const struct message *m = &r->m;
    struct slice text;

    if (m->plain.p)
        return m->plain;
    text = (struct slice) { textin_still(&r->in, m->at, end - m->at), end - m->at };
    if (m->wrap.how == WRAP_NOT)
        return text;
    buf_reset(&r->clean);
    wrap_clean(&m->wrap, text, &r->clean);
    return (struct slice) { r->clean.p ? (const char *)r->clean.p : "", r->clean.n };
}

/* Emits all reports of the message, whose headers end at `end` in the window. paused: more of it may come, so nothing is told while
 * it has no Call-ID. false: not all of it was understood. */
static bool emit_reports(struct em_reader *r, size_t end, bool paused, bool *any)
{
    struct headers h;
    uint32_t n = 0;
    struct em_report report = { .format = format_of(r->m.container), .offset = textin_raw(&r->in, r->m.at) };
    bool understood = true;

    headers_read(headers_text(r, end), r->m.container == OCS, &h);
    if (paused && h.call_id.n == 0)
        return false;
    report.call_id = h.call_id;
    report.cseq = h.cseq;
    report.from = h.from;
    report.to = h.to;
    report.time_us = r->m.time_us ? r->m.time_us : line_rfc1123(h.date);
    if (report.time_us == 0)
        report.time_us = r->time_us;
    for (size_t i = 0; i < h.diag_n; i++)
        understood &= emit_header(r, &report, h.diag[i], &n);
    *any = h.diag_n > 0;
    r->m.told = n < TOLD_MAX ? n : TOLD_MAX;
    return understood && !h.too_many;
}

/* Framed as a message? A log record is none, nor is a record or packet of something else than SIP, nor a line of a log that only
 * speaks of one. */
static bool is_message(const struct message *m)
{
    if (m->log_record || (m->wrap.how != WRAP_NOT && !m->lines))
        return false;
    return m->start_seen || (m->container == OCS && m->framed) || (m->container == UCC && m->lines);
}

/* The headers are complete, or will never be; they end at `end` in the window. */
static void finish_message(struct em_reader *r, size_t end)
{
    bool reported = false, understood = true;

    if (r->m.diag)
        understood = emit_reports(r, end, false, &reported);
    understood &= r->m.start_seen && (r->m.keyed || reported) && !r->m.cut;
    if (is_message(&r->m)) {
        r->stats.messages += !r->m.counted;
        if (!understood) {
            r->stats.malformed++;
            r->stats.malformed_offset = textin_raw(&r->in, r->m.at);
        }
    }
    r->fragment = r->m.fragment;
    r->fresh = false;
    r->state = r->m.wrap.how == WRAP_NOT ? BODY : SKIP; /* behind a wrapped one nothing is passed over */
}

/* --- QoE reports -------------------------------------------------------------------------------------------------- */

static void emit_qoe(struct em_reader *r, struct slice text, size_t at)
{
    struct qoe q;
    struct em_report report = { .format = format_of(r->container), .time_us = r->time_us };

    if (!qoe_read(text, &q))
        return;
    report.offset = textin_raw(&r->in, at);
    qoe_report(&q, &report);
    r->emit(r->arg, &report);
}

/* The report ends at `end` in the window, whole or cut off. */
static void finish_qoe(struct em_reader *r, size_t end)
{
    size_t n = end - r->qoe_at < QOE_MAX ? end - r->qoe_at : QOE_MAX;

    r->in_qoe = false;
    emit_qoe(r, (struct slice) { textin_still(&r->in, r->qoe_at, n), n }, r->qoe_at);
}

/* A line of a body, or between messages, that is nothing else: a report may begin, go on or end in it. */
static void qoe_line(struct em_reader *r, struct slice line, size_t at)
{
    size_t begins = 0, ends;

    if (!r->in_qoe) {
        begins = qoe_begins(line);
        if (begins == SIZE_MAX)
            return;
        r->in_qoe = true;
        r->qoe_at = at + begins;
        if (r->container == NONE)
            r->state = BODY; /* as it is in a reader that resumes here */
    }
    ends = qoe_ends(slice_from(line, begins));
    if (ends != SIZE_MAX)
        finish_qoe(r, at + begins + ends);
    else if (at + line.n - r->qoe_at > QOE_MAX)
        finish_qoe(r, at + line.n);
}

/* The line is "Message-Body: <..": the body's first line stands in it. */
static bool body_is_xml(struct slice line)
{
    return line.n > sizeof "Message-Body: " - 1 && (line.p[13] == '<' || line.p[14] == '<');
}

/* Where such a line is looked for: a body's begins with '<' or blanks, and between messages any may be one. */
static bool may_be_qoe(const struct em_reader *r, struct slice line)
{
    if (r->in_qoe)
        return true;
    if (line.n < 14 || r->state == HEAD)
        return false;
    return r->state == SKIP || line.p[0] == '<' || line.p[0] == ' ' || line.p[0] == '\t';
}

static void leave(struct em_reader *r)
{
    if (r->state == HEAD)
        finish_message(r, r->pos);
    r->state = SKIP;
    r->container = NONE;
    r->fragment = false;
}

static void begin(struct em_reader *r, enum container c, size_t at)
{
    r->m = (struct message) { .at = at, .container = c, .time_us = r->fresh || c != NONE ? r->time_us : 0 };
    if (r->resumed) {
        r->m.counted = true;
        r->m.told = r->resume_told;
        r->resumed = false;
    }
    r->container = c;
    r->state = HEAD;
}

/* --- headers ------------------------------------------------------------------------------------------------------ */

/* The lines that OCSLogger writes in front of a message's own, up to Start-Line. A record that has no such line can be one of its
 * own diagnostic records. */
static void record_line(struct message *m, struct slice line, char second)
{
    switch (line.p[0] | 0x20) {
    case 'd':
        if (second == 'i')
            m->framed |= slice_starts_nocase(line, SLICE("Direction:"));
        else
            m->diag |= slice_starts_nocase(line, SLICE("Data:"));
        break;
    case 'm':
        m->framed |= slice_starts_nocase(line, SLICE("Message-Type:"));
        break;
    case 'l':
        m->log_record |= slice_starts_nocase(line, SLICE("LogType:"));
        break;
    case 's':
        if (second == 'i') {
            m->log_record |= slice_starts_nocase(line, SLICE("SIP-Start-Line:"));
        } else if (slice_starts_nocase(line, SLICE("Start-Line:"))) {
            m->start_seen |= line_is_sip_start(slice_trim(slice_from(line, sizeof "Start-Line:" - 1)));
            m->framed = true;
        }
        break;
    default:
        break;
    }
}

/* What a header line says without being read: names are told apart by their first bytes, since most messages carry no diagnostics
 * header and nobody needs their values. Names are compared whole when the message is read again by headers_read(). */
static void head_line(struct message *m, struct slice line)
{
    char second = line.n > 1 ? (char)(line.p[1] | 0x20) : '\0';

    m->lines = true;
    if (headers_may_be_diag(line)) {
        m->diag = true;
        return;
    }
    switch (line.p[0] | 0x20) {
    case 'c':
        if (second == 's' || second == 'a')
            m->keyed = true;
        else if (m->container == NONE && !line_is_quiet(line) &&
                 slice_find(slice_upto(line, 64), SLICE("message/sipfrag")) != SIZE_MAX)
            m->fragment = true;
        break;
    case 'i':
        m->keyed |= second == (':' | 0x20) || second == ' ';
        break;
    default:
        if (m->container == OCS && !m->start_seen)
            record_line(m, line, second);
        break;
    }
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] != ' ' && line.p[i] != '\t')
            return false;
    return true;
}

/* Reports in the bodies of messages that were escaped into one line. */
static void escaped_qoe(struct em_reader *r, size_t at)
{
    struct slice text = { r->clean.p ? (const char *)r->clean.p : "", r->clean.n };
    size_t begins, ends;

    while ((begins = qoe_begins(text)) != SIZE_MAX) {
        text = slice_from(text, begins);
        ends = qoe_ends(text);
        emit_qoe(r, slice_upto(text, ends), at);
        text = slice_from(text, ends == SIZE_MAX ? text.n : ends);
    }
}

/* A line that holds a message, or several: each is read as if its lines stood alone. */
static void escaped_messages(struct em_reader *r, struct slice line, size_t at, const struct wrap *w)
{
    const char *p, *end;

    buf_reset(&r->clean);
    wrap_unescape(w, line, &r->clean);
    p = (const char *)r->clean.p;
    end = p + r->clean.n;
    r->state = SKIP;
    while (p && p < end) {
        const char *eol = line_end(p, end);
        struct slice s = { p, (size_t)(eol - p) };
        struct wrap again;

        if (r->state == HEAD) {
            r->m.plain.n = (size_t)(p - r->m.plain.p);
            if (is_blank(s))
                finish_message(r, at);
            else if (line_header_name(s) > 0 || r->m.lines)
                head_line(&r->m, s);
        } else if (r->fragment) {
            r->fragment = !wrap_find(s, &again);
        } else if (wrap_find(s, &again)) {
            begin(r, NONE, at);
            r->m.wrap = *w;
            r->m.start_seen = true;
            r->m.plain = slice_from(s, again.front);
        }
        p = eol + 1;
    }
    if (r->state == HEAD) {
        r->m.plain.n = (size_t)(end - r->m.plain.p);
        finish_message(r, at);
    }
    r->fragment = false;
    escaped_qoe(r, at);
}

/* A start line in a wrapping. */
static void wrapped(struct em_reader *r, struct slice line, size_t at, const struct wrap *w)
{
    if (r->fragment) {
        r->fragment = false;
        return;
    }
    leave(r);
    if (w->how == WRAP_ONE_LINE) {
        escaped_messages(r, line, at, w);
        return;
    }
    begin(r, NONE, at);
    r->m.start_seen = true;
    r->m.wrap = *w;
}

/* A line between messages or behind a message's headers, or one that ends a message. */
static void outside(struct em_reader *r, enum line_kind kind, struct slice line, size_t at)
{
    switch (kind) {
    case LINE_FRAME:
        leave(r);
        break;
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
    case LINE_WRAPPED:
    case LINE_OTHER:
        break;
    }
}

static void inside(struct em_reader *r, enum line_kind kind, struct slice line, size_t at)
{
    struct message *m = &r->m;

    if (kind == LINE_SIP_START && (m->container != NONE || !m->start_seen)) {
        m->start_seen |= !m->log_record;
        m->lines = true;
    } else if (kind != LINE_OTHER) {
        outside(r, kind, line, at);
    } else if (is_blank(line)) {
        if (m->start_seen)
            finish_message(r, at);
    } else if (m->container == OCS && line.n > 8 && line.p[7] == '-' && (line.p[8] | 0x20) == 'b' &&
               slice_starts_nocase(line, SLICE("Message-Body:"))) {
        finish_message(r, at);
        if (body_is_xml(line))
            qoe_line(r, line, at);
    } else {
        head_line(m, line);
    }
}

/* A line of a wrapped message, taken out of its wrapping. false: the line is none of it. */
static bool unwrap(struct em_reader *r, struct slice *line)
{
    struct message *m = &r->m;
    const char *p = r->in.text + m->at;
    struct slice first = { p, (size_t)(line_end(p, line->p) - p) };

    if (!wrap_strip(&m->wrap, first, line))
        return false;
    if (m->lines)
        return true;
    return m->lines = line_header_name(*line) > 0; /* what follows a start line is a header */
}

/* A date in the line that a tool wrote: in front of a start line, or in a line of its own. */
static void tools_date(struct slice line, const struct wrap *w, int64_t *time_us)
{
    size_t at;

    if (!w && (line.n == 0 || !memchr("[<UT\x1B", line.p[0], 5)))
        return;
    at =
        wrap_date_at(slice_upto(line, w ? w->front : 36)); /* "<13>1 " is the longest that stands before it */
    if (at != SIZE_MAX)
        (void)line_classify(slice_from(line, at), time_us);
}

/* A line that by itself is nothing: it may be the start of a wrapped message, or what a tool writes around messages. In the headers of a
 * message, and in a body, only lines that were asked for count. */
static enum line_kind odd_line(struct em_reader *r, struct slice line, int64_t *time_us, struct wrap *w)
{
    bool found;

    if (r->state == HEAD) {
        if (r->m.wrap.how != WRAP_NOT)
            return wrap_is_frame(line) ? LINE_FRAME : LINE_OTHER;
        if (!line_has_look(line, FRAME_LOOKS) || !wrap_is_frame(line))
            return LINE_OTHER;
    } else if (r->state == BODY) {
        if (!line_has_look(line, LOOK_WRAP))
            return LINE_OTHER;
        r->state = SKIP; /* no line of a session description: the body may be over */
    }
    found = wrap_find(line, w);
    tools_date(line, found ? w : NULL, time_us);
    return found ? LINE_WRAPPED : r->state == HEAD ? LINE_FRAME : LINE_OTHER;
}

/* A status line may end in anything: only some of it is wrapping. */
static bool status_is_wrapped(struct slice line, struct wrap *w)
{
    if (line.p[0] != 'S' ||
        (line.p[line.n - 1] != '.' && slice_find_char(line, '#') == SIZE_MAX &&
         slice_find_char(line, '\\') == SIZE_MAX && slice_find_char(line, '^') == SIZE_MAX))
        return false;
    return wrap_find(line, w) && w->behind != 0;
}

/* What the line is, taken out of its wrapping; a wrapped start line stays as it is. */
static enum line_kind kind_of(struct em_reader *r, struct slice *line, int64_t *time_us, struct wrap *w)
{
    struct slice whole = *line;
    bool in_wrap = r->state == HEAD && r->m.wrap.how != WRAP_NOT;
    enum line_kind kind;

    if (in_wrap && !unwrap(r, line)) {
        leave(r);
        *line = whole;
        in_wrap = false;
    }
    kind = line_classify(*line, time_us);
    if (in_wrap && kind != LINE_OTHER) { /* the next message, in what wrapping ever */
        leave(r);
        *line = whole;
        *time_us = 0;
        kind = line_classify(whole, time_us);
    }
    if (r->container != NONE)
        return kind;
    if (kind == LINE_OTHER)
        return odd_line(r, *line, time_us, w);
    if (kind == LINE_SIP_START && status_is_wrapped(*line, w))
        return LINE_WRAPPED;
    return kind;
}

static void too_long(struct em_reader *r)
{
    if (r->in_qoe)
        finish_qoe(r, r->pos);
    if (r->state != HEAD)
        return;
    r->m.cut = true;
    finish_message(r, r->pos);
}

static void one_line(struct em_reader *r, struct slice line, size_t at)
{
    int64_t time = 0;
    enum line_kind kind;
    struct wrap w;

    if (line.n > LINE_MAX) {
        too_long(r);
        return;
    }
    /* A line that begins with a report is nothing else: where reading resumes at one, only the rest of its line is known. */
    if (r->state != HEAD && line.n > 0 && line.p[0] == '<' && qoe_begins(line) == 0)
        kind = LINE_OTHER;
    else
        kind = kind_of(r, &line, &time, &w);
    if (r->in_qoe && kind != LINE_OTHER)
        finish_qoe(r, at); /* it was cut off */
    if (kind == LINE_OTHER && may_be_qoe(r, line)) {
        bool goes_on = r->in_qoe;

        qoe_line(r, line, at);
        if (goes_on)
            return;
    }
    if (time && (r->state != HEAD || kind != LINE_OTHER)) {
        if (r->state == HEAD) /* the line ends the message: it must not take this time */
            leave(r);
        r->time_us = time;
        r->fresh = true;
    }
    if (kind == LINE_WRAPPED)
        wrapped(r, line, at, &w);
    else if (r->state == HEAD)
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
    static const char none[256];

    while (r->in.n - r->pos >= sizeof none && memcmp(r->in.text + r->pos, none, sizeof none) == 0)
        r->pos += sizeof none;
    while (r->pos < r->in.n && r->in.text[r->pos] == '\0')
        r->pos++;
}

/* What must be looked at in a message's headers, by what is known of it already. The other side of head_line(). */
static unsigned head_looks(const struct message *m)
{
    unsigned looks = LOOK_ODD | LOOK_DIAG;

    looks |= m->keyed ? 0 : LOOK_KEY | LOOK_KEY_I;
    looks |= m->container == NONE || !m->start_seen ? LOOK_START : 0;
    looks |= m->container == NONE ? LOOK_TYPE | FRAME_LOOKS : 0;
    looks |= m->container == OCS ? LOOK_MESSAGE : 0;
    looks |= m->container == OCS && !m->start_seen ? LOOK_D | LOOK_LOG | LOOK_S : 0;
    return looks;
}

/* What must be looked at where we are. It follows from what plan_now() numbers the plans by. */
static unsigned looks_now(const struct em_reader *r)
{
    unsigned looks = LOOK_NUL | LOOK_OCS | LOOK_TIME;

    if (r->state == HEAD)
        return looks | head_looks(&r->m);
    return looks | (r->container == NONE ? LOOK_START | LOOK_WRAP : LOOK_ODD);
}

static const struct line_plan *plan_now(struct em_reader *r)
{
    const struct message *m = &r->m;
    unsigned number = (unsigned)r->container;
    struct line_plan *plan;

    if (r->state == HEAD)
        number = 4U * (1U + (unsigned)m->container) + (m->keyed ? 1U : 0U) + (m->start_seen ? 2U : 0U);
    plan = &r->plans[number];
    if (plan->looks == 0)
        line_plan(plan, looks_now(r), r->state == HEAD ? &r->quiet : NULL);
    return plan;
}

/* Between messages, and in a wrapped one, any line could be the next that counts. */
static bool may_pass(const struct em_reader *r)
{
    if (r->long_line || r->in_qoe)
        return false;
    return r->state == HEAD ? r->m.wrap.how == WRAP_NOT : r->state == BODY || r->container != NONE;
}

/* Passes over lines that change nothing: that is most of the speed. Which ones could change something depends on where we are; it may
 * look at more than it must, never at less. A passed line is never as long as LINE_MAX. pass: line_pass(), or line_pass_on(). */
static void pass_lines(struct em_reader *r,
                       const char *(*pass)(const char *, const char *, const struct line_plan *))
{
    size_t most = r->pos + LINE_MAX;
    const char *p = r->in.text + r->pos, *to;

    if (r->state == HEAD && most > r->m.at + EM_READER_MESSAGE_MAX)
        most = r->m.at + EM_READER_MESSAGE_MAX;
    if (most > r->in.n)
        most = r->in.n;
    if (most <= r->pos)
        return;
    r->quiet = 0;
    to = pass(p, r->in.text + most, plan_now(r));
    r->m.lines |= to > p;
    r->m.keyed |= (r->quiet & LINE_KEY) != 0;
    r->m.framed |= (r->quiet & LINE_FRAMED) != 0;
    r->pos += (size_t)(to - p);
}

enum { BEGINS = 16 }; /* bytes of a line that quick_lines() looks at */

/* Length of a LF or CR LF at p; 0: something else. Two bytes can be read. */
static size_t plain_end(const char *p)
{
    return p[0] == '\n' ? 1 : p[0] == '\r' && p[1] == '\n' ? 2 : 0;
}

/* The line at pos, its end taken off; pos comes behind it. false: its end is not near, or not a plain one. */
static bool quick_line(struct em_reader *r, struct slice *line)
{
    const char *p = r->in.text + r->pos, *end = r->in.text + r->in.n, *eol = line_end(p, end);
    size_t over = end - eol >= 2 ? plain_end(eol) : 0;

    if (over == 0 || eol - p > LINE_MAX)
        return false;
    *line = (struct slice) { p, (size_t)(eol - p) };
    r->pos += line->n + over;
    return true;
}

/* A record's last line, the blank ones behind it, and the next record's first one. */
static bool quick_end(struct em_reader *r, struct slice line)
{
    size_t n = sizeof "$$end_record" - 1, over, at;
    int64_t time = 0;

    if (!slice_starts(line, SLICE("$$end_record")) || (over = plain_end(line.p + n)) == 0)
        return false;
    leave(r);
    r->pos += n + over;
    while (r->in.n - r->pos >= BEGINS && (over = plain_end(r->in.text + r->pos)) != 0)
        r->pos += over;
    at = r->pos;
    line = (struct slice) { r->in.text + at, BEGINS };
    if (r->in.n - at < BEGINS || !slice_starts(line, SLICE("TL_")) || !quick_line(r, &line))
        return false;
    if (line_classify(line, &time) != LINE_OCS_HEAD) {
        r->pos = at;
        return false;
    }
    if (time) {
        r->time_us = time;
        r->fresh = true;
    }
    outside(r, LINE_OCS_HEAD, line, at);
    return true;
}

/* The lines that nearly every record has, told by how they begin. What this leaves alone goes the long way. */
static void quick_lines(struct em_reader *r)
{
    while (r->container == OCS && r->in.n - r->pos >= BEGINS) {
        struct slice line = { r->in.text + r->pos, BEGINS };

        if (line.p[0] == '$') {
            if (!quick_end(r, line) || r->state != HEAD)
                return;
            pass_lines(r, line_pass);
        } else if (r->state == HEAD && !r->m.start_seen && slice_starts(line, SLICE("Start-Line:"))) {
            if (!quick_line(r, &line))
                return;
            head_line(&r->m, line);
            pass_lines(r, line_pass);
        } else if (r->state == HEAD && slice_starts(line, SLICE("Message-Body:")) && !body_is_xml(line)) {
            size_t before = r->pos;

            finish_message(r, before);
            pass_lines(r, line_pass_on);
            if (r->pos == before)
                return;
        } else {
            return;
        }
    }
}

static void lines(struct em_reader *r, bool final)
{
    const char *end = r->in.text + r->in.n;

    while (r->pos < r->in.n) {
        const char *p, *eol;
        size_t over;

        if (may_pass(r)) {
            pass_lines(r, line_pass);
            quick_lines(r);
        }
        if (r->pos == r->in.n)
            return;
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
        if (eol > p || r->state == HEAD)
            one_line(r, (struct slice) { p, (size_t)(eol - p) }, r->pos);
        else if (r->state == BODY && r->container == NONE)
            r->state = SKIP; /* the body may be over */
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
        keep = r->state == HEAD ? r->m.at : r->in_qoe ? r->qoe_at : r->pos;
        before = r->in.n - keep;
        if (keep == 0)
            return;
        textin_drop(&r->in, keep);
        r->pos -= keep;
        r->m.at = 0;
        r->qoe_at = 0;
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

size_t em_reader_view(struct em_reader *r, const void *bytes, size_t n)
{
    textin_view(&r->in, bytes, n);
    work(r, false);
    return n - r->in.n;
}

void em_reader_keep(struct em_reader *r)
{
    textin_keep(&r->in);
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
    if (r->in_qoe)
        finish_qoe(r, r->pos);
    leave(r);
}

void em_reader_idle(struct em_reader *r)
{
    textin_decide(&r->in);
    if (r->in.refusal)
        return;
    work(r, false);
    /* A record or packet says where it ends; a bare message may not. A line that is not whole is still being written, and so may
     * be the message: it is told as far as it goes, the mark stays in front of it. */
    if (r->state == HEAD && r->m.container == NONE && r->pos == r->in.n && r->m.start_seen && r->m.keyed) {
        bool reported;

        if (r->m.diag)
            (void)emit_reports(r, r->pos, true, &reported);
        r->stats.messages += !r->m.counted;
        r->m.counted = true;
    }
}

void em_reader_mark(const struct em_reader *r, struct em_reader_mark *mark, struct em_reader_stats *stats)
{
    bool head = r->state == HEAD;
    unsigned how = (unsigned)r->in.encoding;

    if (!head)
        how |= (r->state == BODY ? MARK_BODY : 0U) | (unsigned)r->container << MARK_CONTAINER_SHIFT |
               (r->fragment ? MARK_FRAGMENT : 0U);
    else if (r->m.counted)
        how |= MARK_COUNTED | r->m.told << MARK_TOLD_SHIFT;
    how |= (r->long_line ? MARK_LONG : 0U) | (r->fresh ? MARK_FRESH : 0U);
    *mark = (struct em_reader_mark) {
        .offset = textin_raw(&r->in, head        ? r->m.at
                                     : r->in_qoe ? r->qoe_at
                                                 : r->pos),
        .format = format_of(head ? r->m.container : r->container),
        .encoding = how,
        .time_us = r->time_us,
    };
    *stats = r->stats;
    stats->bytes = mark->offset - r->begun_at;
}
