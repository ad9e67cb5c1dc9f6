/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a configured SQL source must have, and what its presets ask. */
#include "config.h"

#include "source/sql.h"

#include "base/buf.h"

#ifdef WITH_ODBC
enum { HAVE_WORKER = 1 };
#else
enum { HAVE_WORKER = 0 };
#endif

/* The tables by their bare names: the connection says in which database they are. */
static const struct {
    const char *name, *query;
} presets[] = {
    { "lcscdr", "SELECT ErrorTime, ErrorReportSeq, DialogId, MsDiagId, MsDiagHeader, FromUri, ToUri FROM "
                "ErrorReportView "
                "WHERE ErrorTime >= ? ORDER BY ErrorTime, ErrorReportSeq" },
    { "qoemetrics",
      "SELECT m.ConferenceDateTime, m.SessionSeq, m.MediaLineLabel, m.CallerIceWarningFlags, "
      "m.CalleeIceWarningFlags, d.DialogID "
      "FROM MediaLine m LEFT JOIN Dialog d ON d.ConferenceDateTime = m.ConferenceDateTime AND d.SessionSeq = "
      "m.SessionSeq "
      "WHERE m.ConferenceDateTime >= ? ORDER BY m.ConferenceDateTime, m.SessionSeq, m.MediaLineLabel" },
    { "query", NULL },
};

const char *em_sql_query(const struct em_source_conf *conf)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (strcmp(conf->preset, presets[i].name) == 0)
            return presets[i].query ? presets[i].query : conf->query;
    return "";
}

static int complain(const char **option, const char *name, struct em_why *why, const char *text)
{
    *option = name;
    return em_fail(why, EM_ERR_INPUT, "%s: %s", name, text);
}

/* Question marks that stand for a value: not those in quotes or comments. */
static size_t markers(const char *query)
{
    size_t n = 0;
    char quote = '\0';

    for (const char *p = query; *p; p++) {
        if (quote)
            quote = *p == quote ? '\0' : quote;
        else if (strchr("'\"", *p))
            quote = *p;
        else
            n += *p == '?';
    }
    return n;
}

static int check_query(const struct em_source_conf *conf, const char **option, struct em_why *why)
{
    const char *query = em_sql_query(conf);
    struct slice s = slice_of(query);

    if (strcmp(conf->preset, "query") != 0)
        return conf->query[0] ? complain(option, "query", why, "is for preset query")
               : *query       ? 0
                              : complain(option, "preset", why, "write lcscdr, qoemetrics or query");
    slice_skip_blanks(&s);
    if (!slice_starts_nocase(s, SLICE("SELECT")) && !slice_starts_nocase(s, SLICE("WITH")))
        return complain(option, "query", why,
                        "write a SELECT whose columns are named as edgemedia.conf(5) says");
    if (markers(query) != 1)
        return complain(option, "query", why,
                        "needs one ? for the time to begin at, as in: WHERE t >= ? ORDER BY t");
    return 0;
}

static int check_connection(const struct em_source_conf *conf, const char **option, struct em_why *why)
{
    static const char *const secrets[] = { "PWD", "PASSWORD", "UID", "USER", "USERNAME" };
    struct slice rest = slice_of(conf->sql.connection), part, key;
    bool more = rest.n > 0;

    if (!more)
        return complain(
            option, "connection", why,
            "is missing; write one such as Driver=FreeTDS;Server=sql.example.com;Port=1433;Database=LcsCDR");
    while (more) {
        more = slice_until(&rest, ';', &part);
        part = more ? part : rest;
        key = slice_until(&part, '=', &key) ? slice_trim(key) : part;
        for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
            if (slice_eq_nocase(key, slice_of(secrets[i])))
                return complain(option, "connection", why,
                                "who logs in stands in user and password_file, not here");
    }
    return 0;
}

int em_sql_source_check(struct em_source_conf *conf, const char **option, struct em_why *why)
{
    int err = check_query(conf, option, why);

    if (err == 0)
        err = check_connection(conf, option, why);
    if (err == 0 && conf->password[0] && !conf->user[0])
        err = complain(option, "user", why, "is missing; password_file needs it");
    if (err == 0 && !HAVE_WORKER)
        err = complain(
            option, "type", why,
            "this edgemediad was built without ODBC (configure --without-odbc); install one that has it");
    return err;
}
