/* SPDX-License-Identifier: GPL-3.0-or-later
 * Where the HTTP source is: the place that is committed, and which page follows a page. */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "source/http_poll.h"

/* --- as text: "1 start newest cursor" ------------------------------------------------------------------------------ */

void http_place_write(const struct http_place *p, struct buf *to)
{
    buf_print(to, "1 %" PRId64 " %" PRId64 " %s", p->start_ns, p->newest_ns, p->after);
}

bool http_place_read(const char *text, struct http_place *p)
{
    struct slice s = slice_of(text);
    uint64_t start, newest;

    if (!slice_skip(&s, SLICE("1 ")) || !slice_u64(&s, INT64_MAX, &start) || !slice_skip(&s, SLICE(" ")) ||
        !slice_u64(&s, INT64_MAX, &newest) || !slice_skip(&s, SLICE(" ")) || s.n >= sizeof p->after)
        return false;
    p->start_ns = (int64_t)start;
    p->newest_ns = (int64_t)newest;
    return slice_copy(s, p->after, sizeof p->after);
}

/* --- pages --------------------------------------------------------------------------------------------------------- */

/* Records ahead of this clock do not take the place along: others would be left out until then. */
static void advance_start(struct http_source *s)
{
    int64_t now_ns = em_wall_us(s->clock) * 1000, newest_ns = s->reached.newest_ns;
    int64_t start_ns = (newest_ns < now_ns ? newest_ns : now_ns) - s->conf.overlap_us * 1000;

    if (start_ns > s->reached.start_ns)
        s->reached.start_ns = start_ns;
}

static uint32_t more_of(const struct http_source *s)
{
    return s->limit < s->preset->page_max / 2 ? s->limit * 2 : s->preset->page_max;
}

bool http_page_fits(struct http_source *s)
{
    if (!s->preset->windows || s->page_n < s->limit)
        return true;
    if (s->page.end_ns - s->page.start_ns > HTTP_NS_PER_S) {
        s->span_ns = (s->page.end_ns - s->page.start_ns) / 2;
        if (s->span_ns < HTTP_NS_PER_S)
            s->span_ns = HTTP_NS_PER_S;
        return false;
    }
    if (!s->shrunk && s->limit < s->preset->page_max) {
        s->limit = more_of(s);
        return false;
    }
    em_log_warning("source %s: more than %zu records in one second: the others are left out", s->conf.name,
                   s->page_n);
    return true;
}

static bool next_window(struct http_source *s)
{
    if (s->page_n < s->limit / 4 && s->span_ns < HTTP_SPAN_MAX_NS)
        s->span_ns *= 2;
    s->page.start_ns = s->page.end_ns;
    return !s->last_window;
}

/* Pages by time: the next one begins with the newest time of this one, whose other records may not have fitted into it. */
static bool next_time(struct http_source *s)
{
    bool full = s->page_n >= s->limit, advanced = s->page_newest_ns > s->page.start_ns;

    if (s->page_n == 0 || s->page_newest_ns == 0)
        return false;
    if (advanced) {
        s->page.start_ns = s->page_newest_ns;
        return full || s->fresh > 0 || s->page_newest_ns < s->place.newest_ns;
    }
    if (!full)
        return false;
    if (!s->shrunk && s->limit < s->preset->page_max) {
        s->limit = more_of(s);
        return true;
    }
    em_log_warning("source %s: more than %zu records at one time: the others are left out", s->conf.name,
                   s->page_n);
    s->page.start_ns += s->conf.http.preset == EM_HTTP_GENERIC ? HTTP_NS_PER_S : 1;
    return true;
}

/* Pages by a cursor. A server may lead in circles. */
static bool next_after(struct http_source *s)
{
    bool moved = s->after_next[0] && strcmp(s->after_next, s->after) != 0;
    bool more = s->page_n >= s->limit || s->fresh > 0 || s->page_newest_ns < s->place.newest_ns ||
                s->conf.http.preset == EM_HTTP_GENERIC;

    s->stale = s->fresh > 0 ? 0 : s->stale + 1;
    if (moved)
        (void)slice_copy(slice_of(s->after_next), s->after, sizeof s->after);
    return moved && more && s->page_n > 0 && s->stale < HTTP_STALE_PAGES;
}

bool http_page_next(struct http_source *s)
{
    bool generic = s->conf.http.preset == EM_HTTP_GENERIC,
         timed = !generic || http_template_has_time(s->conf.http.url);
    bool cursor = s->preset->after || s->shape.after || s->shape.next, more = false;

    if (s->page_newest_ns > s->reached.newest_ns)
        s->reached.newest_ns = s->page_newest_ns;
    if (s->preset->windows)
        more = next_window(s);
    else if (cursor)
        more = next_after(s);
    else if (timed)
        more = next_time(s);
    if (timed && (!generic || !cursor || !more)) /* in what order a generic server's pages are is not known */
        advance_start(s);
    if (cursor && !timed)
        (void)slice_copy(slice_of(s->after), s->reached.after, sizeof s->reached.after);
    return more;
}
