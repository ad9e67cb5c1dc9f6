/* SPDX-License-Identifier: GPL-3.0-or-later
 * What strangers post: SDN messages and QoE reports. What is told is within the maxima, and reading it again says the same. */
#include <stdlib.h>

#include "evidence/sdn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    uint64_t keys;
    uint32_t n;
};

static void on_report(void *arg, const struct em_report *r)
{
    struct told *t = arg;
    struct em_failure_row row = { 0 };

    em_report_row(r, &row);
    if (r->media_n > EM_REPORT_MEDIA_MAX || r->call_id.n >= SDN_TEXT_MAX)
        abort();
    t->keys = t->keys * 31 + em_report_key(r);
    t->n++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = { (const char *)data, size };
    struct told a = { 0 }, b = { 0 };
    struct sdn first, again;

    sdn_read(text, on_report, &a, &first);
    sdn_read(text, on_report, &b, &again);
    if (a.n > SDN_REPORTS_MAX || a.n != first.reports || a.n != b.n || a.keys != b.keys ||
        first.ending != again.ending)
        abort();
    return 0;
}
