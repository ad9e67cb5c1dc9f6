/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemedia config init: asks for an edge and its logs, tries what the edge answers to, and writes a configuration that passes. */
#include "cli/config_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/conf_write.h"
#include "base/esc.h"
#include "cli/probes.h"
#include "cli/put.h"

enum { TEXT_MAX = 1024 * 1024, ANSWER_MAX = EM_URI_MAX, URI_ROOM = EM_URI_MAX + 32 };
#define AGENTX_OF_THE_PACKAGE "/run/agentx/master"

/* What is tried, in the order of what tells most. Where a row's `unless` answered, the row would tell nothing new. */
static const struct candidate {
    const char *name, *scheme, *query;
    int unless; /* index of another row, or -1 */
    bool usual; /* of an A/V edge: written when nothing answers */
} candidates[] = {
    { "msturn-udp", "msturn", "?transport=udp", -1, true },
    { "msturn-tcp", "msturn", "?transport=tcp", -1, true },
    { "turn-udp", "turn", "", -1, false },
    { "turn-tcp", "turn", "?transport=tcp", -1, false },
    { "turns", "turns", "", -1, false },
    { "stun-udp", "stun", "", 2, false },
    { "stun-tcp", "stun", "?transport=tcp", 3, false },
    { "stuns", "stuns", "", 4, false },
};
enum { CANDIDATES = sizeof candidates / sizeof *candidates };

struct init {
    const struct cli_config *c;
    char host[EM_URI_MAX]; /* as it stands in a URI: an IPv6 address in [], a port if one was given */
    char address[EM_URI_MAX], edge[EM_NAME_MAX];
    bool port_given;
    struct em_probe_uri uri[CANDIDATES];
    bool answered[CANDIDATES];
    char kept[EM_OPT_LIST_MAX][ANSWER_MAX]; /* patterns that were typed as answers */
    struct em_opt_list logs;
    struct cli_table tried;
    struct buf text; /* the configuration */
};

/* --- what is asked ----------------------------------------------------------------------------------------------------------- */

/* An empty answer is the one in brackets; to may be where it stands. False: the input ended, or the line is too long. */
static bool ask(const char *question, const char *initial, char to[ANSWER_MAX])
{
    char line[ANSWER_MAX], shown[ANSWER_MAX];

    fprintf(stderr, "%s%s%s%s: ", question, *initial ? " [" : "",
            esc_line_into(shown, sizeof shown, slice_of(initial)), *initial ? "]" : "");
    if (!fgets(line, sizeof line, stdin) || !strchr(line, '\n'))
        return false;
    line[strcspn(line, "\r\n")] = '\0';
    if (*line || to != initial)
        snprintf(to, ANSWER_MAX, "%s", *line ? line : initial);
    return true;
}

static bool ask_logs(struct init *i)
{
    const char *question = "Trace files to follow, such as /var/log/sfb/*.log (Enter: none)";

    while (i->logs.n < EM_OPT_LIST_MAX) {
        char *to = i->kept[i->logs.n];

        if (!ask(question, "", to))
            return false;
        if (!*to)
            return true;
        if (*to == '/')
            i->logs.item[i->logs.n++] = to;
        else
            fprintf(stderr, "A pattern begins with a slash.\n");
        question = "More of them (Enter: no)";
    }
    return true;
}

/* --- what was said ----------------------------------------------------------------------------------------------------------- */

static int read_host(struct init *i, const char *typed)
{
    struct em_probe_uri uri;
    struct em_addr literal;
    struct em_why why;
    char text[URI_ROOM];
    bool v6 = em_addr_read(typed, 0, &literal) && literal.u.any.sa_family == AF_INET6 && typed[0] != '[';

    if (strlen(typed) + 3 > sizeof i->host || !*typed || strpbrk(typed, "?&/#"))
        return cli_usage(&cli_config_program, "--address \"%s\" is not a name or an address", typed);
    snprintf(i->host, sizeof i->host, v6 ? "[%s]" : "%s", typed);
    snprintf(text, sizeof text, "stun:%s", i->host);
    if (em_probe_uri_read(text, &uri, &why) < 0)
        return cli_usage(&cli_config_program, "--address: %s", why.text);
    i->port_given = uri.port_given;
    memcpy(i->address, uri.host, sizeof i->address);
    return CLI_GOOD;
}

/* The first label of a name; the whole of an address. */
static void name_of(const struct init *i, char to[ANSWER_MAX])
{
    struct em_addr literal;
    size_t n = em_addr_read(i->address, 0, &literal) ? strlen(i->address) : strcspn(i->address, ".");

    snprintf(to, ANSWER_MAX, "%.*s", (int)n, i->address);
}

static int read_edge(struct init *i, const char *typed)
{
    for (const char *p = typed; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f || strchr("\"\\$", *p))
            return cli_usage(&cli_config_program, "--edge is a plain name without quotes, \\ and $");
    if (!*typed || !slice_copy(slice_of(typed), i->edge, sizeof i->edge))
        return cli_usage(&cli_config_program, "--edge is a name of 1 to %d bytes", EM_NAME_MAX - 1);
    return CLI_GOOD;
}

static int read_logs(const struct init *i)
{
    for (size_t n = 0; n < i->logs.n; n++)
        for (const char *p = i->logs.item[n]; p == i->logs.item[n] || *p; p++)
            if (i->logs.item[n][0] != '/' || (unsigned char)*p < ' ' || strlen(p) >= EM_URI_MAX)
                return cli_usage(&cli_config_program,
                                 "--logs \"%s\" is not a pattern that begins with a slash", i->logs.item[n]);
    return CLI_GOOD;
}

static int learn(struct init *i)
{
    bool person = isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && !i->c->address;
    char typed[ANSWER_MAX] = "", name[ANSWER_MAX];
    int status;

    if (!i->c->address && !person)
        return cli_usage(&cli_config_program, "--address is missing: the name or address of the edge");
    if (person && !ask("Name or address of the edge, such as edge.example.com", "", typed))
        return cli_fail("no answer");
    if ((status = read_host(i, person ? typed : i->c->address)) != CLI_GOOD)
        return status;
    name_of(i, name);
    if (person && !i->c->edge && !ask("What tables call it", name, name))
        return cli_fail("no answer");
    if ((status = read_edge(i, i->c->edge ? i->c->edge : name)) != CLI_GOOD)
        return status;
    if (person && i->logs.n == 0 && !ask_logs(i))
        return cli_fail("no answer");
    return read_logs(i);
}

/* --- what the edge answers --------------------------------------------------------------------------------------------------- */

static bool each_result(void *arg, size_t uri, const struct em_probe_result *r)
{
    struct init *i = arg;

    if (em_verdict_up(r->verdict))
        i->answered[uri] = true;
    cli_table_cell(&i->tried, i->uri[uri].text);
    cli_table_cell(&i->tried, r->address);
    cli_table_number(&i->tried, r->port);
    cli_table_cell(&i->tried, em_name_of(&em_verdict_names, r->verdict));
    cli_table_cell(&i->tried, r->reason);
    return true;
}

static int try_all(struct init *i, struct buf *table)
{
    static const char *const head[] = { "Tried", "Address", "Port", "Verdict", "Reason" };
    const struct em_probe_options options = { .timeout_us = i->c->timeout_us };
    struct em_why why;
    int err;

    if (i->c->untested)
        return CLI_GOOD;
    cli_table_init(&i->tried, sizeof head / sizeof *head);
    for (size_t h = 0; h < sizeof head / sizeof *head; h++)
        cli_table_cell(&i->tried, head[h]);
    err = cli_probe_all(i->uri, CANDIDATES, &options, i->c->name_servers, each_result, i, &why);
    cli_table_print(&i->tried, table);
    return err < 0 ? cli_fail("%s", why.text) : CLI_GOOD;
}

static bool make_uris(struct init *i)
{
    char text[URI_ROOM + 16];
    struct em_why why;

    for (size_t n = 0; n < CANDIDATES; n++) {
        snprintf(text, sizeof text, "%s:%s%s", candidates[n].scheme, i->host, candidates[n].query);
        if (em_probe_uri_read(text, &i->uri[n], &why) < 0) {
            (void)cli_usage(&cli_config_program, "--address: %s", why.text);
            return false;
        }
    }
    return true;
}

/* --- what is written --------------------------------------------------------------------------------------------------------- */

static const struct em_conf_word nothing[] = { { NULL, NULL } };

static void write_comment(struct buf *to, struct buf *table)
{
    struct slice rest = slice_of(buf_str(table)), line;

    while (rest.n > 0 && slice_until(&rest, '\n', &line)) {
        buf_text(to, "#   ");
        esc_controls(to, line);
        buf_u8(to, '\n');
    }
}

static void write_check(struct init *i, size_t n, bool explain)
{
    const struct em_conf_word words[] = { { "uri", i->uri[n].text }, { "interval", "30" }, { NULL, NULL } };

    buf_print(&i->text, "    check \"%s\" {\n", candidates[n].name);
    em_conf_write_rows(&em_conf_root.blocks[0].blocks[0], words, "        ", explain, &i->text);
    buf_text(&i->text, "    }\n");
}

/* Returns how many checks were written. */
static size_t write_checks(struct init *i, bool usual)
{
    size_t written = 0;

    for (size_t n = 0; n < CANDIDATES; n++) {
        int unless = candidates[n].unless;

        if (usual ? candidates[n].usual : i->answered[n] && (unless < 0 || !i->answered[unless]))
            write_check(i, n, written++ == 0);
    }
    return written;
}

static size_t write_edge(struct init *i)
{
    const struct em_conf_block *edge = &em_conf_root.blocks[0];
    const struct em_conf_word words[] = { { "address", i->address }, { NULL, NULL } };
    size_t answered;

    buf_print(&i->text, "\n# %s\nedge ", edge->help);
    em_conf_write_text(i->edge, &i->text);
    buf_text(&i->text, " {\n");
    em_conf_write_rows(edge, i->port_given ? nothing : words, "    ", true, &i->text);
    buf_print(&i->text, "\n    # %s\n", edge->blocks[0].help);
    answered = write_checks(i, false);
    if (answered == 0)
        write_checks(i, true);
    buf_print(&i->text,
              "\n    # %s Ask whoever owns the firewall before it is taken out of its comment.\n"
              "    #range \"media-tcp\" {\n",
              edge->blocks[1].help);
    em_conf_write_rows(&edge->blocks[1], nothing, "    #    ", true, &i->text);
    buf_text(&i->text, "    #}\n}\n");
    return answered;
}

static void write_sources(struct init *i)
{
    const struct em_conf_block *source = &em_conf_root.blocks[1];

    buf_print(&i->text, "\n# %s\n", source->help);
    for (size_t n = 0; n < i->logs.n; n++) {
        const struct em_conf_word words[] = { { "type", "trace" },
                                              { "path", i->logs.item[n] },
                                              { NULL, NULL } };

        buf_print(&i->text, "source \"logs%zu\" {\n", n + 1);
        em_conf_write_rows(source, words, "    ", n == 0, &i->text);
        buf_text(&i->text, "}\n");
    }
    if (i->logs.n > 0)
        return;
    buf_text(&i->text, "#source \"logs\" {\n");
    em_conf_write_rows(source, nothing, "#    ", true, &i->text);
    buf_text(&i->text, "#}\n");
}

static size_t write_all(struct init *i, struct buf *table)
{
    const struct em_conf_word words[] = { { "agentx_address", AGENTX_OF_THE_PACKAGE },
                                          { "name_servers", i->c->name_servers },
                                          { NULL, NULL } };
    bool packaged = access(AGENTX_OF_THE_PACKAGE, F_OK) == 0;
    size_t answered;

    buf_text(&i->text, "# Configuration of edgemediad, made by `edgemedia config init`. See "
                       "edgemedia.conf(5); after a change:\n"
                       "#   edgemedia config check FILE\n"
                       "# Options behind a # have the value that is shown, or none. Times are in seconds, or "
                       "with a unit: 500ms 10s 5m 1h.\n");
    if (i->c->untested) {
        buf_text(&i->text, "# Nothing was tested when this was written.\n");
    } else {
        buf_text(&i->text, "# What was tried when this was written:\n");
        write_comment(&i->text, table);
    }
    buf_u8(&i->text, '\n');
    em_conf_write_rows(&em_conf_root, packaged ? words : words + 1, "", true, &i->text);
    answered = write_edge(i);
    write_sources(i);
    return answered;
}

/* Only what passes is put in place; a link, other than a rename, leaves a file that is there. */
static int put(struct init *i, const char *path)
{
    struct em_conf *conf;

    if (em_conf_read(path, em_conf_print, NULL, &conf) < 0)
        return cli_fail("what was given does not make a configuration that passes; nothing was written");
    em_conf_free(conf);
    if (strcmp(i->c->file, "-") == 0)
        return cli_write(&i->text) ? CLI_GOOD : CLI_FAILED;
    if (i->c->force ? rename(path, i->c->file) == 0 : link(path, i->c->file) == 0)
        return CLI_GOOD;
    if (errno == EEXIST)
        return cli_fail("%s is there already; --force replaces it, or name another file", i->c->file);
    return cli_fail("cannot write %s: %s", i->c->file, strerror(errno));
}

static int deliver(struct init *i)
{
    char temp[CLI_PUT_PATH_MAX], draft[CLI_PUT_PATH_MAX];
    const char *tmp = getenv("TMPDIR"), *at = i->c->file;
    int status;

    if (strcmp(at, "-") == 0) {
        snprintf(draft, sizeof draft, "%s/edgemedia.conf", tmp && *tmp ? tmp : "/tmp");
        at = draft;
    }
    if (!cli_put_beside(at, &i->text, temp))
        return cli_fail("cannot write beside %s: %s", at, strerror(errno));
    status = put(i, temp);
    unlink(temp);
    return status;
}

static int tell(const struct init *i, size_t answered, struct buf *table)
{
    fputs(buf_str(table), stderr);
    if (strcmp(i->c->file, "-") != 0)
        fprintf(stderr,
                "%s is written and passes. Next: edit it, then\n"
                "  sudo systemctl enable --now edgemediad && sudo edgemedia status\n",
                i->c->file);
    if (answered > 0 || i->c->untested)
        return CLI_GOOD;
    fprintf(stderr,
            "Nothing answered at %s: the usual ports of an A/V edge are written. Look with\n"
            "  edgemedia probe %s\n",
            i->host, i->uri[0].text);
    return CLI_BAD_NEWS;
}

static int init(struct init *i)
{
    struct buf table = buf_heap(TEXT_MAX);
    size_t answered = 0;
    int status = learn(i);

    if (status == CLI_GOOD && !i->c->force && strcmp(i->c->file, "-") != 0 && access(i->c->file, F_OK) == 0)
        status = cli_fail("%s is there already; --force replaces it, or name another file", i->c->file);
    if (status == CLI_GOOD && !make_uris(i))
        status = CLI_FAILED;
    if (status == CLI_GOOD)
        status = try_all(i, &table);
    if (status == CLI_GOOD)
        answered = write_all(i, &table);
    if (status == CLI_GOOD && i->text.full)
        status = cli_fail("the configuration would be too long");
    if (status == CLI_GOOD)
        status = deliver(i);
    if (status == CLI_GOOD)
        status = tell(i, answered, &table);
    buf_fini(&table);
    return status;
}

int cli_config_init(struct cli_config *c)
{
    struct init *i = calloc(1, sizeof *i);
    int status;

    if (c->name_servers && !em_net_servers_ok(c->name_servers))
        status = cli_usage(&cli_config_program, "--name-server must be an address, with or without a port");
    else if (!i)
        status = cli_fail("%s", em_err_text(EM_ERR_MEMORY));
    else {
        i->c = c;
        i->logs = c->logs;
        i->text = buf_heap(TEXT_MAX);
        status = init(i);
        buf_fini(&i->text);
    }
    free(i);
    return status;
}
