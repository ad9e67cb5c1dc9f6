/* SPDX-License-Identifier: GPL-3.0-or-later
 * Diagnostics headers from strangers: cleaning never makes text longer, every slice of a report lies within the cleaned value, and
 * reading always comes to an end. */
#include <stdlib.h>

#include "evidence/diag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct slice s, struct slice whole)
{
    if (s.n > 0 && (s.p < whole.p || s.p + s.n > whole.p + whole.n))
        abort();
}

static void check_report(const struct em_report *r, struct slice whole)
{
    if (r->media_n > EM_REPORT_MEDIA_MAX)
        abort();
    within(r->header, whole);
    within(r->reason, whole);
    for (uint32_t i = 0; i < r->media_n; i++) {
        const struct em_report_media *m = &r->media[i];

        within(m->local_relay, whole);
        within(m->remote_relay, whole);
        within(m->local_site, whole);
        within(m->remote_site, whole);
        if (m->side < EM_SIDE_UNKNOWN || m->side > EM_SIDE_CALLEE || m->media < EM_MEDIA_UNKNOWN ||
            m->media > EM_MEDIA_COUNT)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice line = { (const char *)data, size }, value = line, clean, rest;
    struct buf b = buf_heap(EM_DIAG_VALUE_MAX + 64);
    struct em_report r = { 0 };

    if (!em_diag_header(line, &value))
        value = line;
    clean = em_diag_clean(value, &b);
    if (clean.n > value.n || clean.n > EM_DIAG_VALUE_MAX)
        abort();
    for (rest = clean; em_diag_next(&rest, &r);) {
        struct em_failure_row row;

        check_report(&r, clean);
        em_report_row(&r, &row);
        if (rest.n >= clean.n)
            abort();
    }
    buf_fini(&b);
    return 0;
}
