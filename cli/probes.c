/* SPDX-License-Identifier: GPL-3.0-or-later
 * Several probes side by side in one loop. */
#include "cli/probes.h"

#include <stdlib.h>

#include "cli/loop.h"

struct all;
struct job { /* one URI */
    struct all *all;
    size_t uri;
    struct em_probe *probe;
};

struct all {
    struct cli_loop *loop;
    struct job *job;
    size_t jobs, running;
    cli_probe_fn each;
    void *arg;
};

static void each_result(void *arg, const struct em_probe_result *r)
{
    struct job *job = arg;

    if (!job->all->each(job->all->arg, job->uri, r))
        cli_loop_stop(job->all->loop);
}

static void each_done(void *arg)
{
    struct job *job = arg;

    job->probe = NULL;
    if (--job->all->running == 0)
        cli_loop_stop(job->all->loop);
}

int cli_probe_all(const struct em_probe_uri *uris, size_t n, const struct em_probe_options *options,
                  const char *name_servers, cli_probe_fn each, void *arg, struct em_why *why)
{
    static const struct em_probe_events events = { .result = each_result, .done = each_done };
    struct all all = { .job = calloc(n ? n : 1, sizeof *all.job), .each = each, .arg = arg };
    int err = 0;

    if (!all.job)
        return em_fail(why, EM_ERR_MEMORY, "%s", em_err_text(EM_ERR_MEMORY));
    if ((err = cli_loop_new(&all.loop, why)) < 0)
        goto done;
    if (name_servers)
        em_net_event_set_servers(cli_loop_net(all.loop), name_servers);
    for (; all.jobs < n; all.jobs++) {
        struct job *job = &all.job[all.jobs];

        *job = (struct job) { .all = &all, .uri = all.jobs };
        if ((job->probe = em_probe_start(cli_loop_net(all.loop), &uris[all.jobs], options, &events, job)))
            all.running++;
        else
            err = em_fail(why, EM_ERR_MEMORY, "%s", em_err_text(EM_ERR_MEMORY));
    }
    if (all.running > 0 && !cli_loop_run(all.loop))
        err = em_fail(why, EM_ERR_SYSTEM, "interrupted");
    for (size_t i = 0; i < all.jobs; i++)
        em_probe_stop(all.job[i].probe);
    cli_loop_free(all.loop);
done:
    free(all.job);
    return err;
}
