/* SPDX-License-Identifier: GPL-3.0-or-later
 * QoE reports through expat; see qoe.h. Elements are known by their local names: versions of the schema differ in their namespaces.
 *
 *     VQReportEvent / VQSessionReport@SessionId="callid;from-tag=..;to-tag=.."
 *         DialogInfo@CallId.. / FromURI, ToURI, Caller          TimeStamp@End
 *         MediaLine@Label / Description / Connectivity / IceWarningFlags (decimal)
 */
#include "evidence/qoe.h"

#include <expat.h>
#include <string.h>

#include "base/late.h"
#include "evidence/diag.h"
#include "evidence/ice.h"
#include "evidence/lines.h"

/* clang-format off */
#define SYMBOLS(S) \
    S(XML_ParserCreate) S(XML_ParserFree) S(XML_SetUserData) S(XML_SetElementHandler) \
    S(XML_SetCharacterDataHandler) S(XML_SetStartDoctypeDeclHandler) S(XML_Parse) S(XML_StopParser)
/* clang-format on */
LATE_SET(lib, LATE_EXPAT, SYMBOLS);

/* --- where it stands in text -------------------------------------------------------------------------------------- */

#define ROOT SLICE("VQReportEvent")

/* The tag of the root element: its '<' and its name, a prefix and a colon between them at most. */
static size_t find_root(struct slice line, bool closing)
{
    size_t from = 0, at;

    while ((at = slice_find(slice_from(line, from), ROOT)) != SIZE_MAX) {
        size_t p = from + at;

        while (p > 0 && from + at - p < 32 && line.p[p - 1] != '<' && line.p[p - 1] != '/' &&
               line.p[p - 1] != ' ')
            p--;
        if (p > 0 && line.p[p - 1] == '<' && !closing)
            return p - 1;
        if (p > 1 && line.p[p - 1] == '/' && line.p[p - 2] == '<' && closing)
            return from + at;
        from += at + ROOT.n;
    }
    return SIZE_MAX;
}

size_t qoe_begins(struct slice line)
{
    return find_root(line, false);
}

size_t qoe_ends(struct slice line)
{
    size_t at = find_root(line, true), close;

    if (at == SIZE_MAX)
        return SIZE_MAX;
    close = slice_find_char(slice_from(line, at), '>');
    return close == SIZE_MAX ? line.n : at + close + 1;
}

/* --- elements ----------------------------------------------------------------------------------------------------- */

struct reading {
    XML_Parser parser;
    struct qoe *q;
    unsigned depth;
    struct em_report_media *medium; /* of the MediaLine that is open */
    bool any;                       /* an ICE warning */
    char text[QOE_TEXT_MAX];        /* of the innermost element */
    size_t text_n;
};

static struct slice local_name(const char *name)
{
    const char *colon = strrchr(name, ':');

    return slice_of(colon ? colon + 1 : name);
}

static struct slice attribute(const char **attributes, const char *name)
{
    for (; attributes[0]; attributes += 2)
        if (slice_eq_nocase(local_name(attributes[0]), slice_of(name)))
            return slice_trim(slice_of(attributes[1]));
    return SLICE("");
}

static void session(struct reading *r, const char **attributes)
{
    struct slice id = attribute(attributes, "SessionId");
    size_t end = slice_find_char(id, ';');

    if (!r->q->call_id[0])
        (void)slice_copy(slice_upto(id, end == SIZE_MAX ? id.n : end), r->q->call_id, sizeof r->q->call_id);
}

static void dialog(struct reading *r, const char **attributes)
{
    if (!r->q->call_id[0])
        (void)slice_copy(attribute(attributes, "CallId"), r->q->call_id, sizeof r->q->call_id);
}

static void times(struct reading *r, const char **attributes)
{
    struct slice end = attribute(attributes, "End");

    if (end.n > 0 && r->q->time_us == 0)
        (void)line_classify(end, &r->q->time_us);
}

static void media_line(struct reading *r, const char **attributes)
{
    struct qoe *q = r->q;

    r->medium = NULL;
    if (q->media_n == EM_REPORT_MEDIA_MAX)
        return;
    r->medium = &q->media[q->media_n++];
    *r->medium = (struct em_report_media) { .media = em_diag_media(attribute(attributes, "Label")) };
}

static const struct {
    struct slice name;
    void (*begin)(struct reading *r, const char **attributes);
} beginnings[] = {
    { { "VQSessionReport", 15 }, session },
    { { "DialogInfo", 10 }, dialog },
    { { "TimeStamp", 9 }, times },
    { { "MediaLine", 9 }, media_line },
};

static void XMLCALL on_begin(void *arg, const char *name, const char **attributes)
{
    struct reading *r = arg;

    r->text_n = 0;
    if (++r->depth > QOE_DEPTH_MAX) {
        (void)lib.XML_StopParser(r->parser, XML_FALSE);
        return;
    }
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (slice_eq_nocase(local_name(name), beginnings[i].name))
            beginnings[i].begin(r, attributes);
}

static void on_value(struct reading *r, struct slice name, struct slice v)
{
    struct qoe *q = r->q;
    uint32_t flags;

    if (slice_eq_nocase(name, SLICE("IceWarningFlags")) && r->medium && em_ice_read(v, &flags)) {
        r->medium->ice_known = true;
        r->medium->ice |= flags;
        r->any |= flags != 0;
    } else if (slice_eq_nocase(name, SLICE("FromURI"))) {
        (void)slice_copy(v, q->from, sizeof q->from);
    } else if (slice_eq_nocase(name, SLICE("ToURI"))) {
        (void)slice_copy(v, q->to, sizeof q->to);
    } else if (slice_eq_nocase(name, SLICE("Caller"))) {
        q->side = slice_eq_nocase(v, SLICE("true"))    ? EM_SIDE_CALLER
                  : slice_eq_nocase(v, SLICE("false")) ? EM_SIDE_CALLEE
                                                       : EM_SIDE_UNKNOWN;
    }
}

static void XMLCALL on_end(void *arg, const char *name)
{
    struct reading *r = arg;
    struct slice local = local_name(name);

    r->depth--;
    on_value(r, local, slice_trim((struct slice) { r->text, r->text_n }));
    if (slice_eq_nocase(local, SLICE("MediaLine")))
        r->medium = NULL;
    r->text_n = 0;
}

static void XMLCALL on_text(void *arg, const char *text, int n)
{
    struct reading *r = arg;
    size_t room = sizeof r->text - r->text_n, take = (size_t)n < room ? (size_t)n : room;

    memcpy(r->text + r->text_n, text, take);
    r->text_n += take;
}

/* Nobody who reports a call needs a document type; who sends one means harm. */
static void XMLCALL on_doctype(void *arg, const char *name, const char *system, const char *public,
                               int internal)
{
    struct reading *r = arg;

    (void)name;
    (void)system;
    (void)public;
    (void)internal;
    (void)lib.XML_StopParser(r->parser, XML_FALSE);
}

bool qoe_read(struct slice text, struct qoe *q)
{
    struct reading r = { .parser = late_load(&lib.late, NULL) == 0 ? lib.XML_ParserCreate("UTF-8") : NULL,
                         .q = q };

    memset(q, 0, sizeof *q);
    q->side = EM_SIDE_UNKNOWN;
    if (!r.parser)
        return false;
    lib.XML_SetUserData(r.parser, &r);
    lib.XML_SetElementHandler(r.parser, on_begin, on_end);
    lib.XML_SetCharacterDataHandler(r.parser, on_text);
    lib.XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
    text = slice_upto(text, QOE_MAX);
    (void)lib.XML_Parse(r.parser, text.p, (int)text.n, XML_FALSE); /* what it holds counts, however it ends */
    lib.XML_ParserFree(r.parser);
    for (uint32_t i = 0; i < q->media_n; i++)
        q->media[i].side = q->side;
    return r.any;
}

void qoe_report(const struct qoe *q, struct em_report *r)
{
    r->no_code = true;
    r->call_id = slice_of(q->call_id);
    r->from = slice_of(q->from);
    r->to = slice_of(q->to);
    if (q->time_us)
        r->time_us = q->time_us;
    r->media_n = q->media_n;
    memcpy(r->media, q->media, sizeof r->media);
}
