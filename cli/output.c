/* SPDX-License-Identifier: GPL-3.0-or-later
 * Options, messages and results of all subcommands, the same way. */
#include "cli/cli.h"

#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/esc.h"

enum { MESSAGE_MAX = 4096 };

/* Whatever a caller forgot to escape (a file's name, an option as it was typed) does not reach the terminal as it is. */
static void tell(const char *who, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

static void tell(const char *who, const char *fmt, va_list ap)
{
    char text[MESSAGE_MAX];
    struct buf line = buf_heap(4 * MESSAGE_MAX + 64);

    vsnprintf(text, sizeof text, fmt, ap);
    esc_controls(&line, slice_of(text));
    fprintf(stderr, "%s: %s\n", who, buf_str(&line));
    buf_fini(&line);
}

int cli_fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    tell("edgemedia", fmt, ap);
    va_end(ap);
    return CLI_FAILED;
}

int cli_usage(const struct em_opt_program *p, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    tell(p->name, fmt, ap);
    va_end(ap);
    fprintf(stderr, "Usage: %s %s\nSee %s --help.\n", p->name, p->usage, p->name);
    return CLI_FAILED;
}

int cli_options(const struct em_opt_program *p, void *conf, int argc, char **argv, int *first, bool *done)
{
    struct buf help = buf_heap(CLI_OUTPUT_MAX);
    struct em_why why;
    int answer = em_opt_parse(p, conf, argc, argv, first, &why);

    *done = answer != EM_OPT_GO;
    if (answer < 0)
        return cli_usage(p, "%s", why.text);
    if (answer == EM_OPT_HELP) {
        em_opt_help(p, &help);
        answer = cli_write(&help) ? CLI_GOOD : CLI_FAILED;
        buf_fini(&help);
        return answer;
    }
    if (answer == EM_OPT_VERSION)
        printf("%s %s\n", p->name, PACKAGE_VERSION);
    return CLI_GOOD;
}

bool cli_write(struct buf *b)
{
    bool complete = !b->full;

    if (!complete)
        cli_fail("the result is larger than %d MiB", CLI_OUTPUT_MAX >> 20);
    if (complete && b->n > 0 && fwrite(b->p, 1, b->n, stdout) != b->n)
        complete = false;
    buf_reset(b);
    return complete;
}

bool cli_colour(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

const char *cli_ms(int64_t us, char to[32])
{
    if (us <= 0)
        return "";
    snprintf(to, 32, "%" PRId64 ".%03" PRId64, us / EM_US_PER_MS, us % EM_US_PER_MS);
    return to;
}

const char *cli_bytes(uint64_t n, char to[32])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    double value = (double)n;
    size_t unit = 0;

    for (; value >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        value /= 1024;
    snprintf(to, 32, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return to;
}

int cli_read_line(const char *path, char *to, size_t size, struct em_why *why)
{
    FILE *f = fopen(path, "re");
    size_t n;

    if (!f)
        return em_fail(why, EM_ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    n = fread(to, 1, size, f);
    fclose(f);
    for (size_t i = 0; i < n; i++)
        if (to[i] == '\n' || to[i] == '\r' || to[i] == '\0')
            n = i;
    if (n == 0 || n == size)
        return em_fail(why, EM_ERR_INPUT, "%s: the first line must hold 1 to %zu bytes", path, size - 1);
    to[n] = '\0';
    return 0;
}
