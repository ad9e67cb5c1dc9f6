/* SPDX-License-Identifier: GPL-3.0-or-later
 * What stands before a message that was seen on the wire. See seen.h. */
#include "evidence/seen.h"

#include <arpa/inet.h>

#include "base/clock.h"
#include "evidence/lines.h"

enum { FIRST_LINE_MAX = 2048 };

struct slice seen_message(struct slice text)
{
    while (text.n > 0 && (text.p[0] == '\r' || text.p[0] == '\n'))
        text = slice_from(text, 1);
    return text;
}

bool seen_is_sip(struct slice text)
{
    const char *eol;

    text = slice_upto(seen_message(text), FIRST_LINE_MAX);
    if (text.n == 0)
        return false;
    eol = line_end(text.p, text.p + text.n);
    return line_is_sip_start((struct slice) { text.p, (size_t)(eol - text.p) });
}

static void endpoint(bool v6, const uint8_t *address, uint16_t port, struct buf *to)
{
    char text[INET6_ADDRSTRLEN] = "?";

    (void)inet_ntop(v6 ? AF_INET6 : AF_INET, address, text, sizeof text);
    buf_print(to, v6 ? "[%s]:%u" : "%s:%u", text, port);
}

void seen_line(const struct seen_way *way, int64_t time_us, struct buf *to)
{
    char time[EM_TIME_TEXT_MAX];

    em_time_text(time_us, time);
    buf_print(to, "%s ", time);
    endpoint(way->v6, way->from, way->from_port, to);
    buf_text(to, " -> ");
    endpoint(way->v6, way->to, way->to_port, to);
    buf_text(to, "\n");
}
