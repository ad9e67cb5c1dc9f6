/* SPDX-License-Identifier: GPL-3.0-or-later
 * A source of evidence about failed calls, whatever its kind: log files that are followed, servers that are asked, ports that are listened
 * at. A kind is a file in this folder, a row of the table in source.c, and the rows of its options in agent/conf_rows.c.
 *
 * Whatever a source brings reaches the store together with the place behind it, in one transaction (trace.c has its own for files,
 * intake.h is that of all others), so that nothing counts twice and nothing is lost, whenever the process ends.
 *
 * Everything here runs in the main thread and must not block: no DNS, no connect, no read that waits.
 */
#ifndef EM_SOURCE_SOURCE_H
#define EM_SOURCE_SOURCE_H

#include "net/net.h"
#include "net/tls_serve.h"
#include "store/store.h"

enum {
    EM_SOURCE_PATHS_MAX = 16,
    EM_SOURCE_URL_MAX = 1024,
    EM_SOURCE_QUERY_MAX = 2048,
    EM_SOURCE_SECRET_MAX = 512,
    EM_SOURCE_TOKEN_MAX = 4096,
    EM_SOURCE_POINTER_MAX = 256,
};

/* What only http has. */
enum em_http_preset { EM_HTTP_HOMER7 = 1, EM_HTTP_LOKI, EM_HTTP_ELASTICSEARCH, EM_HTTP_GENERIC };
struct em_source_http {
    enum em_http_preset preset; /* what em_source_conf.preset says */
    char url[EM_SOURCE_URL_MAX], index[EM_URI_MAX], tenant[EM_NAME_MAX], token[EM_SOURCE_TOKEN_MAX];
    char text[EM_SOURCE_POINTER_MAX], time_field[EM_SOURCE_POINTER_MAX], cursor[EM_SOURCE_POINTER_MAX];
    char proxy[EM_URI_MAX], proxy_user[EM_URI_MAX], proxy_password[EM_SOURCE_SECRET_MAX];
};

/* What only sql has: an ODBC connection string without who logs in. */
struct em_source_sql {
    char connection[EM_SOURCE_URL_MAX];
};

/* What is configured. Made zeroed, and filled with options of its own kind only: two of them are the same if their bytes are. Secrets are in
 * it, read from their files; whoever frees one clears it. */
struct em_source_conf {
    char name[EM_NAME_MAX];
    enum em_source_type type;

    char path[EM_SOURCE_PATHS_MAX][EM_URI_MAX]; /* trace: glob(7) patterns of absolute paths */
    size_t path_n;
    bool from_start; /* trace: at the very first start, read what the files hold already */

    struct em_addr listen;   /* hep, sdn, qoe */
    struct em_tls_files tls; /* the same */

    /* Of several kinds; "" and 0 where nothing is configured. */
    char preset[EM_NAME_MAX], query[EM_SOURCE_QUERY_MAX];
    char user[EM_URI_MAX], password[EM_SOURCE_SECRET_MAX], ca_file[EM_URI_MAX];
    bool insecure;
    uint32_t page; /* records of one answer */
    int64_t interval_us, since_us, overlap_us, timeout_us;

    struct em_source_http http;
    struct em_source_sql sql;
};

/* What a source works with. changed is called after each commit that brought something, and when state or error of the row change, so that a
 * new snapshot can be made. number is the source's own in the store. All of it outlives the source. */
struct em_source_env {
    struct em_net *net;
    struct em_store *store;
    uint32_t number;
    void (*changed)(void *arg);
    void *arg;
    struct em_keep *keep; /* trace: for descriptors, see keep.h; NULL: none are kept */
};

struct em_source_kind {
    enum em_source_type type;
    /* conf is only good for the call. A source that fails at what may mend itself (a server that is away, a port that is taken) starts
     * nevertheless, says so in its row and tries again; an error is for what cannot. */
    int (*start)(const struct em_source_env *env, const struct em_source_conf *conf, void **source,
                 struct em_why *why);
    void (*stop)(void *source); /* NULL is fine */
    /* Fills location, state, error, files and lag_bytes; the counters come from the store. */
    void (*row)(const void *source, struct em_source_row *row);
    /* Why it has stopped until the database can be written again; "": it goes on. */
    const char *(*failure)(const void *source);
};

/* What is wrong with a configuration beyond its words: 0, or EM_ERR_INPUT and the name of the option. Fills in what follows from the words. */
int em_source_check(struct em_source_conf *conf, const char **option, struct em_why *why) EM_MUST_CHECK;

/* NULL: this build has no sources of that type. */
const struct em_source_kind *em_source_kind(enum em_source_type type);

#endif
