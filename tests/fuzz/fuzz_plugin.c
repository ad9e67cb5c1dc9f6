/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the plugin reads from others: the daemon's JSON, a state file, a range; and what it makes of their text. The answer must stay one
 * line with one '|', whatever is in it. */
#include <stdlib.h>
#include <string.h>

#include "plugins/extra_opts.h"
#include "plugins/history.h"
#include "plugins/judge.h"
#include "plugins/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge_all(const struct facts *f)
{
    static struct report r;
    struct conf c = { .mode = MODE_ALL, .perfdata_full = true, .verbose = 2 };
    struct buf text = buf_heap(REPORT_DETAILS_MAX + PERF_TEXT_MAX + 4096);
    const char *line, *bar, *end;

    report_init(&r);
    judge(&c, f, NULL, 0, &r);
    report_text(&r, 1, &text);
    line = buf_str(&text);
    bar = strchr(line, '|');
    end = strchr(line, '\n');
    if (bar && (bar > end || strchr(bar + 1, '|')))
        abort();
    if (bar && memmem(bar, (size_t)(end - bar), "::", 2))
        abort();
    text.n = 0;
    report_json(&r, &text);
    if (!text.full && memchr(text.p, '\n', text.n) != text.p + text.n - 1)
        abort();
    buf_fini(&text);
    report_fini(&r);
}

static void read_options(struct slice s)
{
    struct extra_opts x = { .pools_n = 0 };
    struct em_why why;
    size_t n = 0;

    (void)!extra_opts_section(&x, s, "s", &why);
    for (size_t i = 0; i < x.args_n; i++)
        n += strlen(x.args[i]);
    if (n > 4 * s.n)
        abort();
    extra_opts_clear(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice s = { (const char *)data, size };
    struct history_sample sample;
    const char *remark;
    struct range range;
    struct facts f;
    struct em_why why;
    char text[64];

    (void)history_read(s, "socket /run/edgemedia/control", &sample, &remark);
    if (slice_copy(s, text, sizeof text))
        (void)!range_read(text, &range, &why);
    read_options(s);
    facts_init(&f);
    if (source_status(s.p, s.n, &mode_defs[MODE_ALL], &f, &why) == 0)
        judge_all(&f);
    facts_fini(&f);
    return 0;
}
