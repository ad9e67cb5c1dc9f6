/* SPDX-License-Identifier: GPL-3.0-or-later
 * Which libraries are loaded late, and how. */
#include "base/late.h"

#include "config.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "base/log.h"

/* The file names are those that the linker found when this was configured; NULL: not in this build, or bound at the start. */
static struct library {
    const char *file, *what;
    bool complained;
} libraries[LATE_N] = {
#ifdef EM_LATE /* tests/unit/test_late_bound is built without it */
#ifdef EM_LATE_ZLIB
    [LATE_ZLIB] = { .file = EM_LATE_ZLIB, .what = "gzip files" },
#endif
#ifdef EM_LATE_LZMA
    [LATE_LZMA] = { .file = EM_LATE_LZMA, .what = "xz files" },
#endif
#ifdef EM_LATE_ZSTD
    [LATE_ZSTD] = { .file = EM_LATE_ZSTD, .what = "zstd files" },
#endif
#ifdef EM_LATE_PCAP
    [LATE_PCAP] = { .file = EM_LATE_PCAP, .what = "packet captures" },
#endif
#ifdef EM_LATE_EXPAT
    [LATE_EXPAT] = { .file = EM_LATE_EXPAT, .what = "quality reports in XML" },
#endif
#ifdef EM_LATE_CARES
    [LATE_CARES] = { .file = EM_LATE_CARES, .what = "DNS" },
#endif
#ifdef EM_LATE_CRYPTO
    [LATE_CRYPTO] = { .file = EM_LATE_CRYPTO, .what = "message integrity" },
#endif
#ifdef EM_LATE_SSL
    [LATE_SSL] = { .file = EM_LATE_SSL, .what = "TLS" },
#endif
#ifdef EM_LATE_UNISTRING
    [LATE_UNISTRING] = { .file = EM_LATE_UNISTRING, .what = "names that are not ASCII" },
#endif
#ifdef EM_LATE_MATH
    [LATE_MATH] = { .file = EM_LATE_MATH, .what = "statistics of paths" },
#endif
#ifdef EM_LATE_CURL
    [LATE_CURL] = { .file = EM_LATE_CURL, .what = "HTTP" },
#endif
#ifdef EM_LATE_EVENT_OPENSSL
    [LATE_EVENT_OPENSSL] = { .file = EM_LATE_EVENT_OPENSSL, .what = "TLS of the web endpoint" },
#endif
#ifdef EM_LATE_RSVG
    [LATE_RSVG] = { .file = EM_LATE_RSVG, .what = "graphs as PNG" },
#endif
#ifdef EM_LATE_JSON
    [LATE_JSON] = { .file = EM_LATE_JSON, .what = "JSON" },
#endif
#ifdef EM_LATE_NETSNMP
    [LATE_NETSNMP] = { .file = EM_LATE_NETSNMP, .what = "SNMP" },
#endif
#endif
};
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static int fail(const char *file, struct em_why *why)
{
    const char *error = dlerror();

    return em_fail(why, EM_ERR_UNSUPPORTED,
                   "the library %s cannot be loaded: install its package; the loader says: %s", file,
                   error ? error : "nothing");
}

int late_open(const char *file, const char *names, size_t n, void **addresses, struct em_why *why)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);

    if (!handle)
        return fail(file, why);
    for (size_t i = 0; i < n; i++, names += strlen(names) + 1)
        if (!(addresses[i] = dlsym(handle, names)))
            return fail(file, why);
    return 0;
}

/* The addresses stand right behind the set, whatever the types are that they point to. */
static int load(struct late *set, struct em_why *why)
{
    struct library *l = &libraries[set->library];
    void *addresses[LATE_SYMBOLS_MAX];
    struct em_why own;
    int err;

    if (!l->file)
        return 0;
    if (set->n > LATE_SYMBOLS_MAX)
        return em_fail(why, EM_ERR_LIMIT, "more than %d symbols of %s", LATE_SYMBOLS_MAX, l->file);
    if ((err = late_open(l->file, set->names, set->n, addresses, &own)) == 0) {
        memcpy(set + 1, addresses, set->n * sizeof *addresses);
        return 0;
    }
    if (!l->complained)
        em_log_error("%s feature=\"%s\"", own.text, l->what);
    l->complained = true;
    return em_fail(why, err, "%s", own.text);
}

int late_load(struct late *set, struct em_why *why)
{
    int err = 0;

    if (atomic_load_explicit(&set->loaded, memory_order_acquire))
        return 0;
    (void)pthread_mutex_lock(&one_at_a_time);
    if (!atomic_load_explicit(&set->loaded, memory_order_relaxed) && (err = load(set, why)) == 0)
        atomic_store_explicit(&set->loaded, true, memory_order_release);
    (void)pthread_mutex_unlock(&one_at_a_time);
    return err;
}

void late_list(struct buf *to, enum late_library end)
{
    for (size_t i = 0; i < (size_t)end; i++) {
        const struct library *l = &libraries[i];

        if (l->file)
            buf_print(to, "  %-18s %s%s\n", l->file, l->what,
                      late_open(l->file, "", 0, NULL, NULL) == 0 ? "" : " (not on this machine)");
    }
}
