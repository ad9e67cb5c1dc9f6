/* SPDX-License-Identifier: GPL-3.0-or-later
 * SDN messages: values are kept while the document is read, and become reports at its end. See sdn.h. */
#include "evidence/sdn.h"

#include <stdlib.h>
#include <string.h>

#include "evidence/diag.h"
#include "evidence/lines.h"
#include "evidence/qoe.h"

enum { HEADERS_ROOM = 2 * EM_DIAG_VALUE_MAX };

/* One diagnostics value, and what was said around it. */
struct entry {
    size_t at, n; /* in the texts */
    enum em_media media;
    size_t party; /* number of the element that it was in */
};

/* An Error or Ended element. */
struct party {
    char from[SDN_TEXT_MAX], to[SDN_TEXT_MAX];
};

enum within { NOWHERE, FROM, TO };

struct reading {
    struct sdn *result;
    bool rooted;
    char call_id[SDN_TEXT_MAX], cseq[SDN_TEXT_MAX];
    int64_t time_us;
    enum em_media media; /* of the element that is open */
    enum within within;
    struct party party[SDN_REPORTS_MAX];
    size_t parties_n;
    struct entry entry[SDN_REPORTS_MAX];
    size_t entries_n;
    struct buf texts;
};

/* --- elements ------------------------------------------------------------------------------------------------------ */

static void root(struct reading *r, struct slice name, const char **attributes)
{
    r->rooted = true;
    if (slice_eq_nocase(name, SLICE("LyncDiagnostics")))
        r->result->kind = SDN_MESSAGE;
    else if (slice_eq_nocase(name, SLICE("VQReportEvent")))
        r->result->kind = SDN_QOE;
    (void)slice_copy(xml_attribute(attributes, SLICE("Version")), r->result->version,
                     sizeof r->result->version);
}

static void begin_part(struct reading *r, const char **attributes)
{
    r->media = em_diag_media(xml_attribute(attributes, SLICE("Type")));
    r->within = NOWHERE;
    if (r->parties_n < SDN_REPORTS_MAX)
        r->party[r->parties_n++] = (struct party) { { 0 }, { 0 } };
}

static void begin_from(struct reading *r, const char **attributes)
{
    (void)attributes;
    r->within = FROM;
}

static void begin_to(struct reading *r, const char **attributes)
{
    (void)attributes;
    r->within = TO;
}

static const struct {
    struct slice name;
    void (*begin)(struct reading *r, const char **attributes);
} beginnings[] = {
    { { "Error", 5 }, begin_part },
    { { "Ended", 5 }, begin_part },
    { { "From", 4 }, begin_from },
    { { "To", 2 }, begin_to },
};

static void on_begin(void *arg, struct slice name, const char **attributes)
{
    struct reading *r = arg;

    if (!r->rooted)
        root(r, name, attributes);
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (slice_eq_nocase(name, beginnings[i].name))
            beginnings[i].begin(r, attributes);
}

/* --- values -------------------------------------------------------------------------------------------------------- */

static void keep_first(char *to, struct slice text)
{
    if (!to[0])
        (void)slice_copy(text, to, SDN_TEXT_MAX);
}

static void call_id(struct reading *r, struct slice text)
{
    keep_first(r->call_id, text);
}

static void cseq(struct reading *r, struct slice text)
{
    keep_first(r->cseq, text);
}

static void time_of_it(struct reading *r, struct slice text)
{
    if (r->time_us == 0 && text.n > 0)
        (void)line_classify(text, &r->time_us);
}

static void diagnostics(struct reading *r, struct slice text)
{
    size_t at = r->texts.n;

    if (text.n == 0 || r->entries_n == SDN_REPORTS_MAX || r->parties_n == 0)
        return;
    buf_slice(&r->texts, text);
    if (r->texts.full)
        return;
    r->entry[r->entries_n++] = (struct entry) { at, text.n, r->media, r->parties_n - 1 };
}

/* Who: as it is written in From or To itself, or in one of the elements that the versions have for it. */
static void person(struct reading *r, struct slice text)
{
    struct party *p = r->parties_n > 0 ? &r->party[r->parties_n - 1] : NULL;

    if (p && r->within != NOWHERE && slice_find_char(text, '@') != SIZE_MAX)
        keep_first(r->within == FROM ? p->from : p->to, text);
}

static void end_person(struct reading *r, struct slice text)
{
    person(r, text);
    r->within = NOWHERE;
}

static const struct {
    struct slice name;
    void (*value)(struct reading *r, struct slice text);
} values[] = {
    { { "CallId", 6 }, call_id },
    { { "CSEQ", 4 }, cseq },
    { { "TimeStamp", 9 }, time_of_it },
    { { "MSDiagnostics", 13 }, diagnostics },
    { { "MSDiagnosticsClient", 19 }, diagnostics },
    { { "MSDiagnosticsPublic", 19 }, diagnostics },
    { { "URI", 3 }, person },
    { { "Id", 2 }, person },
    { { "From", 4 }, end_person },
    { { "To", 2 }, end_person },
};

static void on_end(void *arg, struct slice name, struct slice text)
{
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (slice_eq_nocase(name, values[i].name))
            values[i].value(arg, text);
}

/* --- reports ------------------------------------------------------------------------------------------------------- */

static void tell(struct reading *r, const struct entry *e, struct buf *scratch, em_emit_fn emit, void *arg)
{
    struct em_report report = { .format = EM_FORMAT_SDN,
                                .call_id = slice_of(r->call_id),
                                .cseq = slice_of(r->cseq),
                                .from = slice_of(r->party[e->party].from),
                                .to = slice_of(r->party[e->party].to),
                                .time_us = r->time_us };
    struct slice value;

    buf_reset(scratch);
    value = em_diag_clean((struct slice) { (const char *)r->texts.p + e->at, e->n }, scratch);
    while (r->result->reports < SDN_REPORTS_MAX && em_diag_next(&value, &report)) {
        if (report.media_n == 0 && e->media != EM_MEDIA_UNKNOWN)
            report.media[report.media_n++] =
                (struct em_report_media) { .side = EM_SIDE_UNKNOWN, .media = e->media };
        emit(arg, &report);
        r->result->reports++;
    }
}

static void read_qoe(struct slice document, em_emit_fn emit, void *arg, struct sdn *result)
{
    struct em_report report = { .format = EM_FORMAT_QOE };
    struct qoe q;
    bool any;

    result->ending = qoe_parse(document, &q, &any);
    if (!any)
        return;
    qoe_report(&q, &report);
    emit(arg, &report);
    result->reports++;
}

void sdn_read(struct slice document, em_emit_fn emit, void *arg, struct sdn *result)
{
    struct reading *r = calloc(1, sizeof *r);
    struct xml_reader reader = { on_begin, on_end, r, XML_TEXT_MAX };
    struct buf scratch = buf_heap(EM_DIAG_VALUE_MAX + 64);

    *result = (struct sdn) { .ending = XML_NO_READER };
    if (!r)
        return;
    r->result = result;
    r->texts = buf_heap(HEADERS_ROOM);
    r->media = EM_MEDIA_UNKNOWN;
    result->ending = xml_read(document, &reader);
    if (result->kind == SDN_QOE)
        read_qoe(document, emit, arg, result);
    for (size_t i = 0; result->kind == SDN_MESSAGE && i < r->entries_n; i++)
        tell(r, &r->entry[i], &scratch, emit, arg);
    buf_fini(&scratch);
    buf_fini(&r->texts);
    free(r);
}
