/* SPDX-License-Identifier: GPL-3.0-or-later
 * QoE reports through expat; see qoe.h. Elements are known by their local names: versions of the schema differ in their namespaces.
 *
 *     VQReportEvent / VQSessionReport@SessionId="callid;from-tag=..;to-tag=.."
 *         DialogInfo@CallId.. / FromURI, ToURI, Caller          TimeStamp@End
 *         MediaLine@Label / Description / Connectivity / IceWarningFlags (decimal)
 */
#include "evidence/qoe.h"

#include <string.h>

#include "evidence/diag.h"
#include "evidence/ice.h"
#include "evidence/lines.h"

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
    struct qoe *q;
    struct em_report_media *medium; /* of the MediaLine that is open */
    bool any;                       /* an ICE warning */
};

static void session(struct reading *r, const char **attributes)
{
    struct slice id = xml_attribute(attributes, SLICE("SessionId"));
    size_t end = slice_find_char(id, ';');

    if (!r->q->call_id[0])
        (void)slice_copy(slice_upto(id, end == SIZE_MAX ? id.n : end), r->q->call_id, sizeof r->q->call_id);
}

static void dialog(struct reading *r, const char **attributes)
{
    if (!r->q->call_id[0])
        (void)slice_copy(xml_attribute(attributes, SLICE("CallId")), r->q->call_id, sizeof r->q->call_id);
}

static void times(struct reading *r, const char **attributes)
{
    struct slice end = xml_attribute(attributes, SLICE("End"));

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
    *r->medium =
        (struct em_report_media) { .media = em_diag_media(xml_attribute(attributes, SLICE("Label"))) };
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

static void on_begin(void *arg, struct slice name, const char **attributes)
{
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (slice_eq_nocase(name, beginnings[i].name))
            beginnings[i].begin(arg, attributes);
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

static void on_end(void *arg, struct slice name, struct slice text)
{
    struct reading *r = arg;

    on_value(r, name, text);
    if (slice_eq_nocase(name, SLICE("MediaLine")))
        r->medium = NULL;
}

enum xml_ending qoe_parse(struct slice text, struct qoe *q, bool *any)
{
    struct reading r = { .q = q };
    struct xml_reader reader = { on_begin, on_end, &r, QOE_TEXT_MAX };
    enum xml_ending ending;

    memset(q, 0, sizeof *q);
    q->side = EM_SIDE_UNKNOWN;
    ending = xml_read(text, &reader);
    for (uint32_t i = 0; i < q->media_n; i++)
        q->media[i].side = q->side;
    *any = r.any;
    return ending;
}

bool qoe_read(struct slice text, struct qoe *q)
{
    bool any;

    (void)qoe_parse(text, q, &any); /* what it holds counts, however it ends */
    return any;
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
