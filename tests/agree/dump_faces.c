/* SPDX-License-Identifier: GPL-3.0-or-later
 * One made-up snapshot through each face, as JSON: {"snmp": [[identifier below the objects arc, type, value or hex], ...] in the
 * order of a walk, "status": what /api/v1/status answers, "openmetrics" and "prometheus": the two texts of /metrics}.
 *
 *     dump_faces ROWS
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/snmp_tree.h"
#include "base/esc.h"
#include "expo/expo.h"
#include "tests/system/made_up.h"

static void value(struct buf *b, const struct em_snmp_value *v)
{
    if (v->type != EM_SNMP_OCTETS) {
        buf_print(b, "%" PRIu64, v->number);
        return;
    }
    buf_text(b, "\"");
    for (size_t i = 0; i < v->n; i++)
        buf_print(b, "%02x", v->octets[i]);
    buf_text(b, "\"");
}

static void snmp(struct buf *b, const struct em_snapshot *s)
{
    unsigned long id[EM_SNMP_ID_MAX];
    struct em_snmp_tree tree;
    struct em_snmp_cell cell;
    struct em_snmp_value v;
    size_t n = 0;

    em_snmp_tree_init(&tree);
    while (em_snmp_next(&tree, s, id, n, &cell)) {
        buf_text(b, n ? ",[\"" : "[\"");
        n = em_snmp_cell_id(&cell, id);
        for (size_t i = 0; i < n; i++)
            buf_print(b, "%s%lu", i ? "." : "", id[i]);
        em_snmp_value_of(&cell, 1, &v);
        buf_print(b, "\",%d,", (int)v.type);
        value(b, &v);
        buf_text(b, "]");
    }
}

static void metrics(struct buf *b, const struct em_snapshot *s, bool openmetrics)
{
    struct buf text = buf_heap(EM_EXPO_MAX);

    em_expo_metrics(s, openmetrics, &text);
    if (text.full)
        abort();
    esc_json(b, slice_of(buf_str(&text)));
    buf_fini(&text);
}

int main(int argc, char **argv)
{
    struct buf b = buf_heap(EM_EXPO_MAX);
    struct em_snapshot *s;

    if (argc != 2)
        return 2;
    s = em_made_up(strtoul(argv[1], NULL, 10), 1);
    buf_text(&b, "{\"snmp\":[");
    snmp(&b, s);
    buf_text(&b, "],\"status\":");
    em_expo_status(s, &b);
    buf_text(&b, ",\"openmetrics\":\"");
    metrics(&b, s, true);
    buf_text(&b, "\",\"prometheus\":\"");
    metrics(&b, s, false);
    buf_text(&b, "\"}");
    if (b.full)
        return 2;
    puts(buf_str(&b));
    buf_fini(&b);
    free(s);
    return 0;
}
