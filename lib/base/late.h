/* SPDX-License-Identifier: GPL-3.0-or-later
 * Libraries that most runs do not need (TLS, signatures, DNS, unpackers, captures, SNMP ...) are loaded when they are first needed: binding
 * them at the start was measured to cost several times what a whole probe does.
 *
 * A file says once what it takes from a library, and calls it through that set:
 *
 *     #define SYMBOLS(S) S(ZSTD_createDStream) S(ZSTD_freeDStream)
 *     LATE_SET(lib, LATE_ZSTD, SYMBOLS);
 *     ...
 *     if (late_load(&lib.late, why) == 0)
 *         stream = lib.ZSTD_createDStream();
 *
 * The types are those of the library's own header. Until late_load() has returned 0 for a set, nothing in it may be called; a library that
 * was loaded stays. `configure --disable-late-libraries` binds everything at the start, as a static build needs it: then late_load()
 * has nothing to do. Symbols are functions, or data, of which the set has the address.
 */
#ifndef EM_BASE_LATE_H
#define EM_BASE_LATE_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Those from LATE_PLUGIN_FIRST on are loaded by the plugin only. */
enum late_library {
    LATE_ZLIB,
    LATE_LZMA,
    LATE_ZSTD,
    LATE_PCAP,
    LATE_EXPAT,
    LATE_CARES,
    LATE_CRYPTO,
    LATE_SSL,
    LATE_UNISTRING,
    LATE_MATH,
    LATE_CURL,
    LATE_EVENT_OPENSSL,
    LATE_RSVG,
    LATE_PLUGIN_FIRST,
    LATE_JSON = LATE_PLUGIN_FIRST,
    LATE_NETSNMP,
    LATE_N,
};
enum { LATE_SYMBOLS_MAX = 64 }; /* of one set */

struct late {
    enum late_library library;
    const char *names; /* each with its zero; as many as there are addresses behind this */
    size_t n;
    atomic_bool loaded;
};

#define LATE_SLOT(symbol) __typeof__(symbol) *symbol;
#define LATE_NAME(symbol) #symbol "\0"
#define LATE_ADDRESS(symbol) .symbol = &symbol,
#ifdef EM_LATE
#define LATE_BOUND(symbols)
#else
#define LATE_BOUND(symbols) symbols(LATE_ADDRESS)
#endif

/* For a set that several files use: the type and its one object, for a header and for a file. */
#define LATE_DECLARE(set, symbols)                                                                           \
    struct set##_late {                                                                                      \
        struct late late;                                                                                    \
        symbols(LATE_SLOT)                                                                                   \
    };                                                                                                       \
    extern struct set##_late set
#define LATE_DEFINE(set, from, symbols)                                                                      \
    struct set##_late set = { .late = { .library = (from),                                                   \
                                        .names = symbols(LATE_NAME),                                         \
                                        .n = (sizeof(struct set##_late) - sizeof(struct late)) /             \
                                             sizeof(void *) },                                               \
                              LATE_BOUND(symbols) }

/* For a set of one file. */
#define LATE_SET(set, from, symbols)                                                                         \
    struct set##_late {                                                                                      \
        struct late late;                                                                                    \
        symbols(LATE_SLOT)                                                                                   \
    };                                                                                                       \
    static LATE_DEFINE(set, from, symbols)

/* From any thread. EM_ERR_UNSUPPORTED: the library, or a symbol in it, is not on this machine; why names the file, what it is for and what
 * to do, and that is logged once for each library. */
int late_load(struct late *set, struct em_why *why) EM_MUST_CHECK;

/* The same for a file and names of the caller's choice; addresses has place for n. */
int late_open(const char *file, const char *names, size_t n, void **addresses,
              struct em_why *why) EM_MUST_CHECK;

/* A line for each of the libraries before end that this build loads late: "  libz.so.1         gzip files", with a word where it is missing. */
void late_list(struct buf *to, enum late_library end);

#endif
