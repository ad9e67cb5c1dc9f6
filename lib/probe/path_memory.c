/* SPDX-License-Identifier: GPL-3.0-or-later
 * Evidence of a path over intervals. */
#include "probe/path_memory.h"

#include <stdio.h>
#include <string.h>

#include "probe/path_stat.h"

/* Counters add up; of sends_least the least that was seen stands. */
static void add_counts(struct em_path_counts *to, const struct em_path_counts *c)
{
    uint32_t least = to->sends_least;

    if (c->sends_least && (least == 0 || c->sends_least < least))
        least = c->sends_least;
    to->tries += c->tries;
    to->answered += c->answered;
    to->acknowledged += c->acknowledged;
    to->dropped += c->dropped;
    to->reset += c->reset;
    to->closed += c->closed;
    to->intercepted += c->intercepted;
    to->unconnected += c->unconnected;
    to->refused += c->refused;
    to->prohibited += c->prohibited;
    to->unreachable += c->unreachable;
    to->again += c->again;
    to->again_answered += c->again_answered;
    to->reset_early += c->reset_early;
    to->syn_hit += c->syn_hit;
    to->sends_least = least;
    to->retransmits += c->retransmits;
    to->rtt_us_sum += c->rtt_us_sum;
}

static void add(struct em_path_table *to, const struct em_path_table *t)
{
    to->transport = t->transport;
    for (size_t i = 0; i < EM_PATH_PAYLOADS; i++)
        add_counts(&to->payload[i], &t->payload[i]);
}

static void begin_with(struct em_path_memory *m, const struct em_path_table *now)
{
    *m = (struct em_path_memory) { .newer = *now, .newer_n = 1 };
}

static void keep(struct em_path_memory *m, const struct em_path_table *now)
{
    if (m->newer_n == EM_PATH_WINDOW / 2) {
        m->older = m->newer;
        m->older_n = m->newer_n;
        m->newer = (struct em_path_table) { 0 };
        m->newer_n = 0;
    }
    add(&m->newer, now);
    m->newer_n++;
}

static bool is_filter(const struct em_path_judgement *j)
{
    return j->filter == EM_PATH_PORT || j->filter == EM_PATH_CONTENT || j->filter == EM_PATH_SIZE;
}

static void note_found(struct em_path_memory *m, const struct em_path_judgement *j)
{
    m->found = true;
    m->group = j->group;
    m->share = j->share;
}

/* What was found would have shown by now. */
static bool gone(struct em_path_memory *m, const struct em_path_table *now)
{
    uint32_t hits, tries;

    em_path_hits(now, m->group, &hits, &tries);
    m->quiet = hits ? 0 : m->quiet + tries;
    return em_stat_power(1 - m->share, m->quiet) < EM_PATH_DOUBT;
}

static bool judge_all(struct em_path_memory *m, struct em_path_judgement *j)
{
    struct em_path_table all = m->newer;
    struct em_path_judgement whole;
    size_t n;

    if (m->newer_n + m->older_n < 2)
        return false;
    add(&all, &m->older);
    all.looks = EM_PATH_WINDOW;
    em_path_judge(&all, &whole);
    if (!is_filter(&whole))
        return false;
    n = strlen(whole.reason);
    snprintf(whole.reason + n, sizeof whole.reason - n, ", in %u intervals together",
             m->newer_n + m->older_n);
    note_found(m, &whole);
    *j = whole;
    return true;
}

bool em_path_remember(struct em_path_memory *m, const struct em_path_table *now, struct em_path_judgement *j)
{
    bool tried = false;

    for (size_t i = 0; i < EM_PATH_PAYLOADS; i++)
        tried |= now->payload[i].tries > 0;
    if (!tried)
        return false;
    if (m->newer_n > 0 && m->newer.transport != now->transport)
        *m = (struct em_path_memory) { 0 };
    if (m->found && gone(m, now))
        begin_with(m, now);
    else
        keep(m, now);
    if (!is_filter(j))
        return judge_all(m, j);
    note_found(m, j);
    m->quiet = 0;
    return false;
}
