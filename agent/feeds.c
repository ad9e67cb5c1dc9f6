/* SPDX-License-Identifier: GPL-3.0-or-later
 * Sources of evidence: started, kept over a reload, shown. */
#include "agent/feeds.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct feed {
    struct em_source_conf conf;
    uint32_t number;
    const struct em_source_kind *kind;
    void *source; /* NULL: it could not be started; error says why */
    char error[EM_REASON_MAX];
};

struct em_feeds_plan {
    struct em_feeds *feeds;
    struct feed *feed;
    size_t n;
};

struct em_feeds {
    struct em_net *net;
    struct em_store *store;
    struct em_keep *keep;
    void (*changed)(void *arg);
    void *arg;
    struct feed *feed;
    size_t n;
};

static void start(struct em_feeds *f, struct feed *feed)
{
    const struct em_source_env env = { f->net, f->store, feed->number, f->changed, f->arg, f->keep };
    struct em_why why;

    if (feed->kind->start(&env, &feed->conf, &feed->source, &why) == 0)
        return;
    feed->source = NULL;
    slice_copy(slice_of(why.text), feed->error, sizeof feed->error);
    em_log_error("a source cannot be started: %s source=\"%s\"", why.text,
                 EM_LOG_TEXT(slice_of(feed->conf.name)));
}

/* The running one moves to its new place; what is left in the old list is stopped. */
static void take_over(struct em_feeds *f, struct feed *to)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->feed[i].source && memcmp(&f->feed[i].conf, &to->conf, sizeof to->conf) == 0) {
            to->source = f->feed[i].source;
            f->feed[i].source = NULL;
            return;
        }
}

/* What is configured may hold secrets. */
static void free_list(struct feed *feed, size_t n)
{
    if (feed)
        explicit_bzero(feed, n * sizeof *feed);
    free(feed);
}

static void stop_all(struct feed *feed, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (feed[i].source)
            feed[i].kind->stop(feed[i].source);
    free_list(feed, n);
}

void em_feeds_discard(struct em_feeds_plan *plan)
{
    if (plan)
        free_list(plan->feed, plan->n);
    free(plan);
}

int em_feeds_prepare(struct em_feeds *f, const struct em_conf *conf, struct em_feeds_plan **plan,
                     struct em_why *why)
{
    struct em_feeds_plan *p = calloc(1, sizeof *p);
    int err = 0;

    if (!p || !(p->feed = calloc(conf->sources_n + 1, sizeof *p->feed)))
        err = em_fail(why, EM_ERR_MEMORY, "no memory for sources");
    for (size_t i = 0; i < conf->sources_n && err == 0; i++) {
        memcpy(&p->feed[i].conf, &conf->sources[i], sizeof p->feed[i].conf);
        p->feed[i].kind = em_source_kind(conf->sources[i].type);
        p->n++;
        err = em_store_number(f->store, "source", 0, p->feed[i].conf.name, &p->feed[i].number, why);
    }
    if (err < 0) {
        em_feeds_discard(p);
        return err;
    }
    p->feeds = f;
    *plan = p;
    return 0;
}

void em_feeds_commit(struct em_feeds_plan *plan)
{
    struct em_feeds *f = plan->feeds;

    for (size_t i = 0; i < plan->n; i++)
        take_over(f, &plan->feed[i]);
    stop_all(f->feed, f->n); /* before new ones start: two of them must not read for the same source */
    f->feed = plan->feed;
    f->n = plan->n;
    for (size_t i = 0; i < f->n; i++)
        if (!f->feed[i].source)
            start(f, &f->feed[i]);
    em_keep_tidy(f->keep);
    free(plan);
    f->changed(f->arg);
}

const char *em_feeds_failure(const struct em_feeds *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->feed[i].source && *f->feed[i].kind->failure(f->feed[i].source))
            return f->feed[i].kind->failure(f->feed[i].source);
    return "";
}

size_t em_feeds_count(const struct em_feeds *f)
{
    return f->n;
}

void em_feeds_fill(const struct em_feeds *f, struct em_snapshot *s)
{
    struct em_daemon *d = em_snapshot_row(s, EM_T_DAEMON, 0);

    for (size_t i = 0; i < f->n && i < s->t[EM_T_SOURCE].n; i++) {
        const struct feed *feed = &f->feed[i];
        struct em_source_row *row = em_snapshot_row(s, EM_T_SOURCE, i);

        em_store_source_row(f->store, feed->number, row);
        row->source = feed->number;
        row->type = feed->conf.type;
        row->state = EM_SOURCE_FAILED;
        slice_copy(slice_of(feed->conf.name), row->name, sizeof row->name);
        slice_copy(slice_of(feed->conf.path[0]), row->location, sizeof row->location);
        slice_copy(slice_of(feed->error), row->error, sizeof row->error);
        if (feed->source)
            feed->kind->row(feed->source, row);
        d->sources++;
        d->sources_failed += row->state == EM_SOURCE_FAILED;
    }
}

struct em_feeds *em_feeds_new(struct em_net *net, struct em_store *store, struct em_keep *keep,
                              void (*changed)(void *arg), void *arg)
{
    struct em_feeds *f = calloc(1, sizeof *f);

    if (f)
        *f = (struct em_feeds) { .net = net, .store = store, .keep = keep, .changed = changed, .arg = arg };
    return f;
}

void em_feeds_free(struct em_feeds *f)
{
    if (!f)
        return;
    stop_all(f->feed, f->n);
    free(f);
}
