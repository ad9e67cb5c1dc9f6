/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the reading of edgemedia.conf: what conf.c, conf_names.c, conf_values.c, conf_checks.c and conf_blocks.c know together. Nobody else
 * needs this. Whatever is wrong is complained of with its line, and the reading goes on, so that all errors are told in one run.
 */
#ifndef EM_AGENT_CONF_READ_H
#define EM_AGENT_CONF_READ_H

#include <confuse.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "agent/conf.h"
#include "agent/conf_rows.h"
#include "agent/conf_scan.h"

struct conf_error;

struct reading {
    const char *file;
    char *text;
    size_t size;
    struct em_conf_places places;
    struct em_conf *conf;
    struct conf_error *errors;
    size_t errors_n, checks_n;
    size_t ranges_n; /* so far, of all edges */
    bool no_memory;
};

/* Keeps an error of that line (0: of the file as a whole); what comes after EM_CONF_ERRORS_MAX is dropped. */
void conf_complain(struct reading *r, unsigned line, const char *fmt, ...) EM_PRINTF(3, 4);

/* At most max bytes of a regular file, NUL behind them; the caller frees. 0, or EM_ERR_SYSTEM, EM_ERR_INPUT, EM_ERR_MEMORY. */
int conf_slurp(const char *path, size_t max, char **text, size_t *size, struct stat *st,
               struct em_why *why) EM_MUST_CHECK;

/* Every name of the file: known where it stands, unique, and of this version. The rest is blanked out of the text. */
void conf_check_names(struct reading *r);

/* The line of the option of that name in the block at place, or of the block when it is not written. */
unsigned conf_line_of(struct reading *r, int place, const char *name);

/* value into raw, where the row has its place; all values of the block at place into raw. */
void conf_set(struct reading *r, unsigned line, const struct em_conf_row *row, void *raw, const char *value);
void conf_set_all(struct reading *r, cfg_t *cfg, int place, const struct em_conf_block *b, void *raw);

/* A password or shared secret: the file without the line end behind it. */
void conf_read_secret(struct reading *r, unsigned line, const char *path, char to[EM_SECRET_MAX]);
void conf_read_line(struct reading *r, unsigned line, const char *path, char *to, size_t size);

/* The options outside of blocks, when they have been set; then the blocks. */
void conf_check_root(struct reading *r);
void conf_read_blocks(struct reading *r, cfg_t *cfg);

/* The name that stands for a host in a URI: an IPv6 literal is in []. False: it is neither a name nor an address. */
bool conf_host_text(const char *address, char host[EM_URI_MAX]);

/* A check block of the edge; then a check for each address that has none. */
void conf_read_check(struct reading *r, cfg_t *cfg, int place, const struct em_conf_texts *address,
                     struct em_conf_edge *e);
void conf_read_addresses(struct reading *r, int place, const struct em_conf_texts *address,
                         struct em_conf_edge *e);

#endif
