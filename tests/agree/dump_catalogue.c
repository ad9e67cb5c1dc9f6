/* SPDX-License-Identifier: GPL-3.0-or-later
 * Prints the catalogue and the table of ICE warnings as JSON, for the tests that compare the faces with it. */
#include <stdio.h>

#include "base/buf.h"
#include "base/esc.h"
#include "evidence/ice.h"
#include "model/catalogue.h"
#include "model/events.h"

enum { DUMP_MAX = 1 << 20 };

static const char *const kind_words[] = {
    [EM_KIND_INDEX] = "index",   [EM_KIND_TEXT] = "text",   [EM_KIND_ENUM] = "enum",
    [EM_KIND_NUMBER] = "number", [EM_KIND_GAUGE] = "gauge", [EM_KIND_COUNTER] = "counter",
    [EM_KIND_TIME] = "time",     [EM_KIND_STAMP] = "stamp", [EM_KIND_ICE] = "ice",
};

static void text(struct buf *b, const char *key, const char *value)
{
    buf_print(b, "\"%s\":", key);
    if (value) {
        buf_text(b, "\"");
        esc_json(b, slice_of(value));
        buf_text(b, "\",");
    } else {
        buf_text(b, "null,");
    }
}

static void names(struct buf *b, const struct em_names *list)
{
    buf_text(b, "\"names\":[");
    for (uint32_t i = 0; list && i < list->n; i++)
        buf_print(b, "%s\"%s\"", i ? "," : "", list->names[i].name);
    buf_text(b, "],");
}

static void flag(struct buf *b, const char *key, const struct em_field *f, unsigned which)
{
    buf_print(b, "\"%s\":%s,", key, f->flags & which ? "true" : "false");
}

static void field(struct buf *b, const struct em_field *f)
{
    buf_text(b, "{");
    text(b, "json", f->json);
    text(b, "snmp", f->snmp);
    text(b, "metric", f->metric);
    text(b, "label", f->label);
    text(b, "unit", f->unit);
    text(b, "help", f->help);
    text(b, "kind", kind_words[f->kind]);
    names(b, f->names);
    text(b, "title", f->names ? f->names->title : NULL);
    flag(b, "foreign", f, EM_FIELD_FOREIGN_INDEX);
    flag(b, "no_json", f, EM_FIELD_NO_JSON);
    flag(b, "absent_if_zero", f, EM_FIELD_ABSENT_IF_ZERO);
    buf_print(b, "\"subid\":%u}", (unsigned)f->subid);
}

static void event(struct buf *b, const struct em_event_kind *e)
{
    buf_print(b, "{\"raise\":\"em%s\",\"clear\":\"em%s\",\"arc\":%u,\"table\":\"%s\",\"fields\":[", e->raise,
              e->clear, (unsigned)e->arc, em_catalogue[e->table].json);
    for (const char *const *json = e->fields; *json; json++)
        buf_print(b, "%s\"%s\"", json == e->fields ? "" : ",", *json);
    buf_text(b, "],");
    text(b, "raise_help", e->raise_help);
    text(b, "advice", e->advice);
    text(b, "clear_help", e->clear_help);
    b->n--; /* the last comma */
    buf_text(b, "}");
}

int main(void)
{
    struct buf b = buf_heap(DUMP_MAX);

    buf_text(&b, "{\"tables\":[");
    for (size_t t = 0; t < EM_T_COUNT; t++) {
        const struct em_table *table = &em_catalogue[t];

        buf_text(&b, t ? ",{" : "{");
        text(&b, "json", table->json);
        text(&b, "snmp", table->snmp);
        text(&b, "help", table->help);
        buf_print(&b, "\"arc\":%u,\"index_n\":%zu,\"fields\":[", (unsigned)table->arc, table->index_n);
        for (size_t i = 0; i < table->fields_n; i++) {
            buf_text(&b, i ? "," : "");
            field(&b, &table->fields[i]);
        }
        buf_text(&b, "]}");
    }
    buf_text(&b, "],\"ice\":{");
    for (size_t i = 0; i < em_ice_warnings_n; i++)
        buf_print(&b, "%s\"%u\":\"%s\"", i ? "," : "", (unsigned)em_ice_warnings[i].bit,
                  em_ice_warnings[i].name);
    buf_text(&b, "},\"events\":[");
    for (size_t i = 0; i < EM_EVENT_COUNT; i++) {
        buf_text(&b, i ? "," : "");
        event(&b, &em_events[i]);
    }
    buf_text(&b, "]}");
    if (b.full)
        return 2;
    puts(buf_str(&b));
    buf_fini(&b);
    return 0;
}
