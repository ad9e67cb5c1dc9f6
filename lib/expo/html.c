/* SPDX-License-Identifier: GPL-3.0-or-later
 * The pieces of our HTML files; see html.h. */
#include "expo/html.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/esc.h"

/* Any change of the style changes its hash in the policy: `printf %s "$style" | openssl dgst -sha256 -binary | base64`; a test compares them. */
#define STYLE_SHA256 "1wMkmsb6iwGC2/Zer02VSTbAz7bFjcvEjQniz6+NR2A="
static const char style[] =
    ":root{color-scheme:light "
    "dark;--ink:#1c2430;--dim:#5b6675;--line:#d5dbe3;--page:#fff;--a:#b3261e;--b:#d98324;--c:#7b8794}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--dim:#9aa5b3;--line:#38414d;--page:#14181d;--a:#"
    "ff6b5e;--b:#f0a54a;--c:#8793a1}}"
    "body{font:15px/1.45 "
    "system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:62rem;margin:2rem auto;padding:0 "
    "1rem}"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .5rem}p{margin:.4rem 0}"
    "small,.dim,caption{color:var(--dim)}code,.id{font-family:ui-monospace,monospace;font-size:.85em;"
    "overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%}caption{text-align:left;padding:.2rem 0}"
    "th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid "
    "var(--line)}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.bar{width:22%}td.bar "
    "svg{width:100%;height:.8rem}"
    "svg text{fill:var(--dim);font-size:11px}svg .grid{stroke:var(--line);stroke-width:1}"
    ".a{fill:var(--a)}.b{fill:var(--b)}.c{fill:var(--c)}.key{display:inline-block;width:.8rem;height:.8rem;"
    "margin:0 .3rem 0 .8rem}"
    ".say{border-left:4px solid var(--a);padding:.3rem .8rem;margin:1rem 0}"
    "td:nth-last-child(-n+3){overflow-wrap:anywhere}.graph{margin:.8rem 0}.graph "
    "svg{width:100%;height:auto}.graph svg text{fill:#3b4452;font-size:12px}"
    "@media print{:root{--ink:#000;--dim:#444;--line:#bbb;--page:#fff;--a:#b3261e;--b:#d98324;--c:#7b8794}"
    "body{max-width:none;margin:0;font-size:11px}h2{break-after:avoid}tr,svg{break-inside:avoid}"
    "svg *,.key *{print-color-adjust:exact;-webkit-print-color-adjust:exact}}";

void em_html_text(struct buf *to, const char *s)
{
    esc_html(to, slice_of(s));
}

void em_html_cell(struct buf *to, const char *s)
{
    buf_text(to, "<td>");
    em_html_text(to, s);
    buf_text(to, "</td>");
}

void em_html_number(struct buf *to, uint64_t n)
{
    buf_print(to, "<td class=\"n\">%" PRIu64 "</td>", n);
}

void em_html_moment(struct buf *to, int64_t us)
{
    char when[EM_TIME_TEXT_MAX];

    em_time_text(us, when);
    em_html_cell(to, when);
}

/* A bar as long as n is of `most`. */
void em_html_bar(struct buf *to, uint64_t n, uint64_t most, char class)
{
    buf_print(
        to,
        "<td class=\"bar\"><svg viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
        "<rect class=\"%c\" width=\"%.2f\" height=\"8\"/></svg></td>",
        class, most ? (double)n * 100 / (double)most : 0.0);
}

/* heads: separated by '|'; those of numbers begin with '#'. */
void em_html_begin_table(struct buf *to, const char *heading, const char *caption, const char *heads)
{
    struct slice rest = slice_of(heads), one;
    bool more = true;

    buf_print(to, "<h2>%s</h2>\n<table>%s%s%s<thead><tr>", heading, *caption ? "<caption>" : "", caption,
              *caption ? "</caption>" : "");
    while (more) {
        if (!slice_until(&rest, '|', &one)) {
            one = rest;
            more = false;
        }
        buf_text(to, slice_skip(&one, SLICE("#")) ? "<th class=\"n\">" : "<th>");
        esc_html(to, one);
        buf_text(to, "</th>");
    }
    buf_text(to, "</tr></thead><tbody>\n");
}

void em_html_end_table(struct buf *to, bool any, const char *none)
{
    buf_text(to, "</tbody></table>\n");
    if (!any)
        buf_print(to, "<p class=\"dim\">%s</p>\n", none);
}

void em_html_begin(struct buf *to, const char *title, const char *version, int64_t made_us, const char *note)
{
    char when[EM_TIME_TEXT_MAX];

    em_time_text(made_us, when);
    buf_print(
        to,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-%s'; "
        "base-uri 'none'; form-action 'none'\">"
        "<meta name=\"viewport\" content=\"width=device-width\"><meta name=\"referrer\" "
        "content=\"no-referrer\">"
        "<title>%s</title><style>%s</style></head>\n<body><main>\n<h1>%s</h1>\n"
        "<p class=\"dim\">Edge Media Monitor ",
        STYLE_SHA256, title, style, title);
    em_html_text(to, version);
    buf_print(to, ", %s. %s</p>\n", when, note);
}

void em_html_end(struct buf *to)
{
    buf_text(to, "</main></body></html>\n");
}
