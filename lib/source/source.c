/* SPDX-License-Identifier: GPL-3.0-or-later
 * The kinds of sources that this build has. */
#include "source/source.h"

#include "source/hep.h"
#include "source/http.h"
#include "source/listen_tls.h"
#include "source/sdn.h"
#include "source/sql.h"
#include "source/trace.h"

static const struct em_source_kind *const kinds[] = {
    &em_trace_kind, &em_hep_kind, &em_http_kind, &em_sdn_kind, &em_qoe_kind, &em_sql_kind,
};

const struct em_source_kind *em_source_kind(enum em_source_type type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i]->type == type)
            return kinds[i];
    return NULL;
}

static const struct {
    enum em_source_type type;
    int (*check)(struct em_source_conf *conf, const char **option, struct em_why *why);
} checks[] = {
    { EM_SOURCE_HTTP, em_http_source_check }, { EM_SOURCE_SQL, em_sql_source_check },
    { EM_SOURCE_HEP, em_listen_tls_check },   { EM_SOURCE_SDN, em_listen_tls_check },
    { EM_SOURCE_QOE, em_listen_tls_check },
};

int em_source_check(struct em_source_conf *conf, const char **option, struct em_why *why)
{
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (checks[i].type == conf->type)
            return checks[i].check(conf, option, why);
    return 0;
}
