/* SPDX-License-Identifier: GPL-3.0-or-later
 * One check as it runs.
 *
 *     job due -> probe -> a result for each address -> row and counters -> done: addresses without a result vanish
 */
#include "agent/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "probe/path_memory.h"
#include "store/history.h"

enum { NOTE_MAX = 96 }; /* "issuer 1 2 2001:db8::1" */
#define JITTER 0.1
#define FIRST_WITHIN_US (5 * EM_US_PER_S)
#define NO_ADDRESS "-" /* the name, in the store, of the address of a name that did not resolve */

void check_free(struct check *k)
{
    if (!k)
        return;
    em_job_remove(k->job);
    em_probe_stop(k->probe);
    options_release(&k->all->options, k->shared);
    for (size_t i = 0; i < k->address_n; i++)
        free(k->address[i].path);
    free(k->address);
    free(k);
}

int check_number(const struct check *k, const struct address *a, uint32_t *number, struct em_why *why)
{
    const char *name = *a->row.address ? a->row.address : NO_ADDRESS;

    return em_store_number(k->all->store, "address", k->number, name, number, why);
}

static void totals_keep(struct check *k, const struct address *a)
{
    struct em_why why;

    if (em_store_check_totals_put(k->all->store, a->row.edge, a->row.check, a->row.address_index, &a->totals,
                                  &why) < 0)
        em_log_error("the counters of a check cannot be kept: %s", why.text);
}

void check_show(struct check *k, struct address *a, uint32_t number)
{
    struct em_check_totals before = { 0 };
    bool counted = a->totals.probes > 0;

    a->row.address_index = number;
    if (em_store_check_totals(k->all->store, k->edge->number, k->number, number, &before) < 0)
        return;
    a->totals.probes += before.probes;
    a->totals.failed_probes += before.failed_probes;
    a->totals.stun_retransmits += before.stun_retransmits;
    a->totals.tcp_retransmits += before.tcp_retransmits;
    if (counted)
        totals_keep(k, a);
}

static const char *issuer_note(const struct address *a, char to[NOTE_MAX])
{
    snprintf(to, NOTE_MAX, "issuer %u %u %s", a->row.edge, a->row.check, a->row.address);
    return to;
}

/* Without it, the next certificate counts as the first one. */
static void issuer_load(struct check *k, struct address *a)
{
    char name[NOTE_MAX];
    struct em_why why;
    int err = em_store_note(k->all->store, issuer_note(a, name), a->issuer, sizeof a->issuer, &why);

    if (err < 0 && err != EM_ERR_NOT_FOUND)
        em_log_error("the issuer of a certificate is not known any more: %s", why.text);
}

/* The first certificate that was taken says who issues them here; another issuer is somebody else. One that the configuration names was
 * judged by the probe, and becomes the one to know. */
static void issuer_judge(struct check *k, struct address *a, struct em_probe_result *r)
{
    char name[NOTE_MAX];
    struct em_why why;

    if (!r->certificate_expiry_us)
        return;
    if (a->issuer[0] && !k->shared->options.issuer[0])
        em_probe_judge_issuer(r, a->issuer);
    if (r->verdict == EM_VERDICT_TLS_FAILED || r->verdict == EM_VERDICT_INTERCEPTED ||
        strcmp(a->issuer, r->certificate_issuer) == 0)
        return;
    memcpy(a->issuer, r->certificate_issuer, sizeof a->issuer);
    if (em_store_note_put(k->all->store, issuer_note(a, name), a->issuer, &why) < 0)
        em_log_error("the issuer of a certificate cannot be kept: %s", why.text);
}

static struct address *address_add(struct check *k, const char *text)
{
    struct address *more = realloc(k->address, (k->address_n + 1) * sizeof *more), *a;

    if (!more)
        return NULL;
    k->address = more;
    a = &more[k->address_n++];
    *a = (struct address) { .row = { .edge = k->edge->number,
                                     .check = k->number,
                                     .port = k->uri.port,
                                     .transport = k->uri.transport,
                                     .dialect = k->uri.dialect,
                                     .verdict = EM_VERDICT_UNTESTED } };
    slice_copy(slice_of(k->edge->name), a->row.edge_name, sizeof a->row.edge_name);
    slice_copy(slice_of(k->name), a->row.name, sizeof a->row.name);
    slice_copy(slice_of(k->uri.text), a->row.uri, sizeof a->row.uri);
    slice_copy(slice_of(text), a->row.address, sizeof a->row.address);
    issuer_load(k, a);
    return a;
}

static struct address *address_of(struct check *k, const char *text)
{
    for (size_t i = 0; i < k->address_n; i++)
        if (strcmp(k->address[i].row.address, text) == 0)
            return &k->address[i];
    return NULL;
}

/* Once on the way down and once on the way up. */
static void log_change(const struct em_check_row *row, uint32_t before)
{
    bool was_up = em_verdict_up((enum em_verdict)before), is_up = row->up;

    if (was_up == is_up && before != EM_VERDICT_UNTESTED)
        return;
    em_log(!is_up                          ? EM_LOG_WARNING
           : before == EM_VERDICT_UNTESTED ? EM_LOG_DEBUG
                                           : EM_LOG_INFO,
           "check is %s: %s edge=\"%s\" check=\"%s\" address=%s verdict=%s", is_up ? "up" : "down",
           EM_LOG_TEXT(slice_of(row->reason)), EM_LOG_TEXT(slice_of(row->edge_name)),
           EM_LOG_TEXT(slice_of(row->name)), *row->address ? EM_LOG_TEXT(slice_of(row->address)) : "none",
           em_name_of(&em_verdict_names, row->verdict));
}

static void row_update(struct em_check_row *row, const struct em_probe_result *r, int64_t now_us)
{
    uint32_t before = row->verdict;

    row->port = r->port;
    row->transport = r->transport;
    row->dialect = r->dialect;
    row->verdict = r->verdict;
    row->up = em_verdict_up(r->verdict);
    row->probe_time = now_us;
    row->rtt_us = (uint64_t)r->rtt_us;
    row->resolve_us = (uint64_t)r->resolve_us;
    row->connect_us = (uint64_t)r->connect_us;
    row->tls_us = (uint64_t)r->tls_us;
    row->stun_us = (uint64_t)r->stun_us;
    row->allocate_us = (uint64_t)r->allocate_us;
    row->relay_us = (uint64_t)r->relay_us;
    memcpy(row->reason, r->reason, sizeof row->reason);
    memcpy(row->mapped_address, r->mapped_address, sizeof row->mapped_address);
    memcpy(row->relayed_address, r->relayed_address, sizeof row->relayed_address);
    memcpy(row->software, r->software, sizeof row->software);
    row->certificate_expiry = r->certificate_expiry_us;
    row->certificate_days_left = r->certificate_days_left > 0 ? (uint64_t)r->certificate_days_left : 0;
    memcpy(row->path_filter, r->path_filter, sizeof row->path_filter);
    row->path_hop = r->path_hop;
    memcpy(row->path_hop_address, r->path_hop_address, sizeof row->path_hop_address);
    memcpy(row->certificate_issuer, r->certificate_issuer, sizeof row->certificate_issuer);
    if (before != row->verdict) {
        row->changed_time = now_us;
        log_change(row, before);
    }
}

/* What tells the addresses of a check apart: with its port if that is not the URI's (of an SRV record). */
static void label_of(const struct check *k, const struct em_probe_result *r, char to[EM_ADDRESS_MAX])
{
    struct em_addr a;
    char endpoint[EM_ENDPOINT_MAX] = "";

    if (r->port != k->uri.port && em_addr_read(r->address, r->port, &a))
        em_addr_endpoint(&a, endpoint);
    slice_copy(slice_of(endpoint[0] ? endpoint : r->address), to, EM_ADDRESS_MAX);
}

/* The address of a result; a new one still has no number. NULL: it is not shown. */
static struct address *address_for(struct check *k, const struct em_probe_result *r)
{
    char text[EM_ADDRESS_MAX];
    struct address *a;

    label_of(k, r, text);
    a = address_of(k, text);
    if (a)
        return a;
    if (checks_addresses(k->all) >= EM_CHECKS_MAX) {
        em_log_warning("an address is not shown: more than %d addresses of checks", EM_CHECKS_MAX);
        return NULL;
    }
    if (!(a = address_add(k, text)))
        em_log_error("an address is not shown: no memory");
    return a;
}

static void history_keep(const struct check *k, const struct em_check_row *row,
                         const struct em_probe_result *r)
{
    const struct em_history_probe h = { .verdict = row->verdict,
                                        .us = { row->rtt_us, row->resolve_us, row->connect_us, row->tls_us,
                                                row->stun_us, row->allocate_us, row->relay_us },
                                        .failed_probes = !row->up,
                                        .stun_retransmits = r->retransmits,
                                        .tcp_retransmits = r->tcp_retransmits };

    em_store_probe(k->all->store, row->edge, row->check, row->address_index, &h);
}

static void probe_result(void *arg, const struct em_probe_result *r)
{
    struct check *k = arg;
    struct em_checks *c = k->all;
    struct address *a = address_for(k, r);
    struct em_probe_result judged = *r;
    int64_t now_us = em_wall_us(em_net_clock(c->net));

    if (!a)
        return;
    a->answered = true;
    issuer_judge(k, a, &judged);
    row_update(&a->row, &judged, now_us);
    a->totals.probes++;
    a->totals.failed_probes += !a->row.up;
    a->totals.stun_retransmits += r->retransmits;
    a->totals.tcp_retransmits += r->tcp_retransmits;
    if (a->row.address_index) {
        totals_keep(k, a);
        history_keep(k, &a->row, r);
    } else {
        checks_new_address(c);
    }
    edge_update(k->edge, now_us);
    c->changed(c->arg);
}

/* What is found at an address in one interval is judged together with what was found there before. No memory for that: it is judged alone. */
static struct em_path_memory *path_memory(void *arg, const struct em_probe_result *r)
{
    struct address *a = address_for(arg, r);

    if (a && !a->path)
        a->path = calloc(1, sizeof *a->path);
    return a ? a->path : NULL;
}

/* The old rows stay as long as the new ones are not shown. */
void check_prune(struct check *k)
{
    size_t kept = 0, answered = 0;

    if (k->probe)
        return; /* not everything that it finds is known yet */
    for (size_t i = 0; i < k->address_n; i++) {
        if (k->address[i].answered && !k->address[i].row.address_index)
            return;
        answered += k->address[i].answered;
    }
    for (size_t i = 0; i < k->address_n && answered > 0; i++)
        if (k->address[i].answered)
            k->address[kept++] = k->address[i];
        else
            free(k->address[i].path);
    if (answered > 0)
        k->address_n = kept;
}

static void probe_done(void *arg)
{
    struct check *k = arg;
    struct em_checks *c = k->all;

    k->probe = NULL;
    check_prune(k);
    edge_update(k->edge, em_wall_us(em_net_clock(c->net)));
    c->changed(c->arg);
    if (k->due) {
        k->due = false;
        em_job_done(k->job);
    }
}

static void job_due(void *arg)
{
    static const struct em_probe_events events = { probe_result, probe_done };
    struct check *k = arg;

    k->due = true;
    if (k->probe)
        return; /* of a former schedule; it tells when it is over */
    for (size_t i = 0; i < k->address_n; i++)
        k->address[i].answered = false;
    k->probe = em_probe_start(k->all->net, &k->uri, &k->shared->options, &events, k);
    if (k->probe && em_probe_is_path(&k->uri))
        em_probe_remember(k->probe, path_memory);
    if (!k->probe) {
        em_log_error("no memory for a probe");
        k->due = false;
        em_job_done(k->job);
    }
}

struct em_job *check_job(struct check *k, struct em_schedule *schedule, struct em_why *why)
{
    int64_t interval = k->interval_us, first = interval < FIRST_WITHIN_US ? interval : FIRST_WITHIN_US;
    struct em_job *job = em_job_add(schedule, interval, JITTER, first, job_due, k);

    if (!job)
        em_fail(why, EM_ERR_MEMORY, "no memory to run a check");
    return job;
}

struct check *check_new(struct em_checks *c, struct edge *e, const struct em_conf_check *conf,
                        struct em_schedule *schedule, struct em_why *why)
{
    struct check *k = calloc(1, sizeof *k);
    struct em_addr literal;
    char text[EM_ADDRESS_MAX] = "";
    uint32_t number;

    if (!k)
        goto no_memory;
    k->all = c;
    k->edge = e;
    slice_copy(slice_of(conf->name), k->name, sizeof k->name);
    k->uri = conf->uri;
    k->interval_us = conf->interval_us;
    if (!(k->shared = options_share(&c->options, &conf->options)))
        goto no_memory;
    if (em_addr_read(conf->uri.host, conf->uri.port, &literal))
        em_addr_text(&literal, text);
    if (em_store_number(c->store, "check", e->number, conf->name, &k->number, why) < 0)
        goto fail;
    if (!address_add(k, text))
        goto no_memory;
    if (check_number(k, &k->address[0], &number, why) < 0 || !(k->job = check_job(k, schedule, why)))
        goto fail;
    check_show(k, &k->address[0], number);
    return k;
no_memory:
    em_fail(why, EM_ERR_MEMORY, "no memory for a check");
fail:
    check_free(k);
    return NULL;
}

bool check_same(const struct check *k, const struct em_conf_check *conf)
{
    return strcmp(k->name, conf->name) == 0 && strcmp(k->uri.text, conf->uri.text) == 0 &&
           k->interval_us == conf->interval_us && options_same(&k->shared->options, &conf->options);
}
