/* SPDX-License-Identifier: GPL-3.0-or-later
 * The headers of one message: one row a name, folded and wrapped lines joined to the header that they belong to. */
#include "evidence/headers.h"

#include <string.h>

#include "evidence/diag.h"
#include "evidence/lines.h"

struct row {
    struct slice name;
    size_t member; /* of struct headers */
    bool record;   /* only in OCSLogger records */
};

#define MEMBER(m) offsetof(struct headers, m)
static const struct row rows[] = {
    { { "Call-ID", 7 }, MEMBER(call_id), false },
    { { "i", 1 }, MEMBER(call_id), false },
    { { "CSeq", 4 }, MEMBER(cseq), false },
    { { "From", 4 }, MEMBER(from), false },
    { { "f", 1 }, MEMBER(from), false },
    { { "To", 2 }, MEMBER(to), false },
    { { "t", 1 }, MEMBER(to), false },
    { { "Date", 4 }, MEMBER(date), false },
    { { "SIP-Call-ID", 11 }, MEMBER(call_id), true },
    { { "SIP-CSeq", 8 }, MEMBER(cseq), true },
};

struct walk {
    struct headers *h;
    bool record;
    struct slice *last; /* the value that a folded line goes on */
    bool last_is_diag;
};

bool headers_may_be_diag(struct slice line)
{
    if (line.p[0] == 'm' || line.p[0] == 'M')
        return line.n > 3 && (line.p[1] | 0x20) == 's';
    return line.p[0] == '*' || line.p[0] == '<' || line.p[0] == 0x1B;
}

static void add_diag(struct walk *w, struct slice value)
{
    struct headers *h = w->h;

    w->last = NULL;
    w->last_is_diag = true;
    if (h->diag_n == HEADERS_DIAGS_MAX) {
        h->too_many = true;
        return;
    }
    h->diag[h->diag_n] = value;
    w->last = &h->diag[h->diag_n++];
}

static void named(struct walk *w, struct slice line, size_t name_n)
{
    struct slice name = slice_upto(line, name_n), value = slice_from(line, slice_find_char(line, ':') + 1),
                 diag;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slice *to = (struct slice *)(void *)((char *)w->h + rows[i].member);

        if (rows[i].name.n != name_n || (rows[i].record && !w->record) ||
            !slice_eq_nocase(name, rows[i].name))
            continue;
        if (to->n == 0) {
            *to = value;
            w->last = to;
        }
        return;
    }
    if (w->record && slice_eq_nocase(name, SLICE("Data")) && em_diag_header(value, &diag))
        add_diag(w, diag);
}

/* Behind a diagnostics header: a value that was wrapped without indent goes on, and so do SDP lines behind a quote that was never
 * closed. A blob's "audio:ICEWarn=.." only looks like a header. */
static bool goes_on(struct slice line)
{
    size_t n = line_header_name(line);
    struct slice rest = slice_from(line, n);

    return n == 0 || slice_starts_nocase(rest, SLICE(":ICEWarn")) ||
           slice_starts_nocase(rest, SLICE(": ICEWarn"));
}

static void one_line(struct walk *w, struct slice line)
{
    struct slice value;
    size_t n;

    if (line.p[0] == ' ' || line.p[0] == '\t' ||
        (w->last_is_diag && goes_on(line) && !(headers_may_be_diag(line) && em_diag_header(line, &value)))) {
        if (w->last)
            w->last->n = (size_t)(line.p + line.n - w->last->p);
        return;
    }
    w->last = NULL;
    w->last_is_diag = false;
    if (headers_may_be_diag(line) && em_diag_header(line, &value))
        add_diag(w, value);
    else if (strchr("CcIiFfTtDdSs", line.p[0]) &&
             (n = line_header_name(line)) > 0) /* what rows[] begin with */
        named(w, line, n);
}

void headers_read(struct slice text, bool record, struct headers *h)
{
    struct walk w = { .h = h, .record = record };
    const char *p = text.p, *end = text.p + text.n;
    struct slice *const all[] = { &h->call_id, &h->cseq, &h->from, &h->to, &h->date };

    *h = (struct headers) { 0 };
    while (p < end) {
        const char *eol = line_end(p, end);

        if (eol > p)
            one_line(&w, (struct slice) { p, (size_t)(eol - p) });
        p = eol + 1;
    }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = slice_trim(*all[i]);
}
