/* SPDX-License-Identifier: GPL-3.0-or-later
 * TLS of sources that listen; see listen_tls.h. */
#include "source/listen_tls.h"

#include <stdio.h>

#include "base/log.h"

enum { TELL_S = 60 };

static int option_error(const char **option, const char *name, struct em_why *why, const char *text)
{
    *option = name;
    return em_fail(why, EM_ERR_INPUT, "%s: %s", name, text);
}

int em_listen_tls_check(struct em_source_conf *conf, const char **option, struct em_why *why)
{
    const struct em_tls_files *f = &conf->tls;
    struct em_why what;

    if (!f->certificate[0] && !f->key[0] && !f->client_ca[0])
        return 0;
    if (!f->certificate[0])
        return option_error(option, f->key[0] ? "key" : "client_ca", why,
                            "goes with a certificate of this listener's own");
    if (!f->key[0])
        return option_error(option, "certificate", why, "needs its key");
    return em_tls_files_check(f, &what) == 0 ? 0 : option_error(option, "certificate", why, what.text);
}

int em_listen_tls_open(struct em_listen_tls *t, const char *source, struct em_why *why)
{
    char who[EM_NAME_MAX + 16];

    if (!em_listen_tls_wanted(t) || t->serve)
        return 0;
    (void)snprintf(who, sizeof who, "source %s", source);
    t->serve = em_tls_serve_new(&t->files, who, why);
    return t->serve ? 0 : EM_ERR_INPUT;
}

void em_listen_tls_close(struct em_listen_tls *t)
{
    em_tls_serve_free(t->serve);
    t->serve = NULL;
}

void em_listen_tls_untrusted(struct em_listen_tls *t, const struct em_source_env *env, const char *source,
                             const struct em_addr *from, const char *what, char *error)
{
    int64_t now_us = em_mono_us(em_net_clock(env->net));
    char endpoint[EM_ENDPOINT_MAX];

    em_addr_endpoint(from, endpoint);
    (void)snprintf(error, EM_REASON_MAX, "%s did not get in: %s", endpoint, what);
    if (!t->told_us || now_us - t->told_us >= TELL_S * EM_US_PER_S) {
        em_log_warning("source %s: %s", source, error);
        t->told_us = now_us;
    }
    env->changed(env->arg);
}
