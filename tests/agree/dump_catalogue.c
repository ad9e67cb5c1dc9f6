/* SPDX-License-Identifier: GPL-3.0-or-later
 * Prints the catalogue, and the tables of what diagnostic codes, ICE warnings and findings mean, as JSON: for what is generated from them, and for the
 * tests that compare the faces with them. */
#include <assert.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/esc.h"
#include "diagnose/rules.h"
#include "evidence/count.h"
#include "evidence/ice.h"
#include "model/catalogue.h"
#include "model/events.h"

enum { DUMP_MAX = 1 << 20, LISTS_MAX = 32 };

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

/* Behind the members of an object: their last comma. */
static void end_object(struct buf *b)
{
    b->n--;
    buf_text(b, "}");
}

static void names(struct buf *b, const struct em_names *list)
{
    buf_text(b, "\"names\":[");
    for (uint32_t i = 0; list && i < list->n; i++)
        buf_print(b, "%s\"%s\"", i ? "," : "", list->names[i].name);
    buf_text(b, "],");
}

/* Each closed list that a field has words of, once: {"verdict": [{"name": ..., "help": ...}, ...], ...}. */
static void lists(struct buf *b)
{
    const struct em_names *seen[LISTS_MAX];
    size_t n = 0, k;

    buf_text(b, ",\"lists\":{");
    for (size_t t = 0; t < EM_T_COUNT; t++)
        for (size_t f = 0; f < em_catalogue[t].fields_n; f++) {
            const struct em_names *list = em_catalogue[t].fields[f].names;

            for (k = 0; k < n && seen[k] != list; k++)
                ;
            if (!list || k < n)
                continue;
            assert(n < LISTS_MAX);
            seen[n++] = list;
            buf_print(b, "%s\"%s\":[", n > 1 ? "," : "", list->title);
            for (uint32_t i = 0; i < list->n; i++) {
                buf_text(b, i ? ",{" : "{");
                text(b, "name", list->names[i].name);
                text(b, "help", list->names[i].help);
                end_object(b);
            }
            buf_text(b, "]");
        }
    buf_text(b, "}");
}

static void verdict_advice(struct buf *b)
{
    buf_text(b, ",\"verdict_advice\":{");
    for (uint32_t v = 1; v <= EM_VERDICT_COUNT; v++)
        text(b, em_name_of(&em_verdict_names, v), em_verdict_advice((enum em_verdict)v));
    end_object(b);
}

static void codes(struct buf *b, const char *key, const struct em_code_range *range, size_t n)
{
    buf_print(b, ",\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        buf_print(b, "%s{\"first\":%u,\"last\":%u,", i ? "," : "", (unsigned)range[i].first,
                  (unsigned)range[i].last);
        text(b, "class", em_name_of(&em_code_class_names, range[i].class));
        text(b, "meaning", range[i].meaning);
        end_object(b);
    }
    buf_text(b, "]");
}

static void warnings(struct buf *b)
{
    buf_text(b, ",\"ice\":[");
    for (size_t i = 0; i < em_ice_warnings_n; i++) {
        const struct em_ice_warning *w = &em_ice_warnings[i];

        buf_print(b, "%s{\"bit\":%u,\"benign\":%s,", i ? "," : "", (unsigned)w->bit,
                  w->benign ? "true" : "false");
        text(b, "name", w->name);
        text(b, "text", w->text);
        end_object(b);
    }
    buf_text(b, "]");
}

static void rules(struct buf *b)
{
    buf_text(b, ",\"rules\":[");
    for (size_t i = 0; i < em_rules_n; i++) {
        const struct em_rule *rule = &em_rules[i];
        size_t n = 0;

        buf_text(b, i ? ",{" : "{");
        text(b, "kind", em_name_of(&em_finding_kind_names, rule->kind));
        text(b, "severity", em_name_of(&em_severity_names, rule->severity));
        text(b, "text", rule->text);
        text(b, "advice", rule->advice);
        text(b, "refute", rule->refute);
        buf_text(b, "\"unless\":[");
        for (uint32_t kind = 1; kind <= EM_FINDING_KINDS; kind++)
            if (rule->unless & UINT32_C(1) << kind)
                buf_print(b, "%s\"%s\"", n++ ? "," : "", em_name_of(&em_finding_kind_names, kind));
        buf_text(b, "]}");
    }
    buf_text(b, "]");
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
    end_object(b);
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
    buf_text(&b, "],\"events\":[");
    for (size_t i = 0; i < EM_EVENT_COUNT; i++) {
        buf_text(&b, i ? "," : "");
        event(&b, &em_events[i]);
    }
    buf_text(&b, "]");
    warnings(&b);
    codes(&b, "codes", em_code_ranges, em_code_ranges_n);
    codes(&b, "components", em_code_components, em_code_components_n);
    lists(&b);
    verdict_advice(&b);
    rules(&b);
    buf_text(&b, "}");
    if (b.full)
        return 2;
    puts(buf_str(&b));
    buf_fini(&b);
    return 0;
}
