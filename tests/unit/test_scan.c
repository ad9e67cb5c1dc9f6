/* SPDX-License-Identifier: GPL-3.0-or-later
 * The scan of files that do not hold still: one gets shorter while it is mapped, one grows, one is not a file. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evidence/mapped.h"
#include "evidence/scan.h"
#include "harness.h"

enum {
    MESSAGE = 1024,
    MIB = 1024 * 1024,
    AFTER = 4 * MIB
}; /* each message is so long that they divide a page */

/* Message number n: a failing call of its own. */
static void put_message(char to[MESSAGE + 1], unsigned n)
{
    int used = snprintf(to, MESSAGE + 1,
                        "BYE sip:a@b.example SIP/2.0\r\nCall-ID: %08u\r\nCSeq: 2 BYE\r\n"
                        "ms-client-diagnostics: 23; reason=\"failed\"\r\nX-Fill: ",
                        n);

    memset(to + used, 'x', (size_t)(MESSAGE - 4 - used));
    memcpy(to + MESSAGE - 4, "\r\n\r\n", 5);
}

static void append(int fd, unsigned first, unsigned messages)
{
    char text[MESSAGE + 1];

    for (unsigned i = 0; i < messages; i++) {
        put_message(text, first + i);
        ck_assert_int_eq(write(fd, text, MESSAGE), MESSAGE);
    }
}

/* An unnamed file of n messages. */
static int file_of(unsigned messages)
{
    char path[] = "/tmp/edgemedia-scan-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(unlink(path), 0);
    append(fd, 0, messages);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* What happens to the file when AFTER bytes of it were read. */
struct event {
    int fd;
    unsigned messages; /* so many it has then */
    unsigned had;
    bool happened;
};

static bool on_progress(void *arg, uint64_t bytes)
{
    struct event *e = arg;

    if (e->happened || bytes < AFTER)
        return true;
    e->happened = true;
    if (e->messages < e->had) {
        ck_assert_int_eq(ftruncate(e->fd, (off_t)e->messages * MESSAGE), 0);
    } else {
        int end = dup(e->fd);
        char path[64];

        ck_assert_int_ge(end, 0);
        close(end);
        snprintf(path, sizeof path, "/proc/self/fd/%d", e->fd); /* an offset of its own */
        end = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
        ck_assert_int_ge(end, 0);
        append(end, e->had, e->messages - e->had);
        close(end);
    }
    return true;
}

static const struct row {
    const char *name;
    unsigned had, messages;
    int err;
    unsigned least, most; /* calls that are found */
} rows[] = {
    { "holds still", 12 * MIB / MESSAGE, 12 * MIB / MESSAGE, 0, 12 * MIB / MESSAGE, 12 * MIB / MESSAGE },
    { "grows", 12 * MIB / MESSAGE, 14 * MIB / MESSAGE, 0, 14 * MIB / MESSAGE, 14 * MIB / MESSAGE },
    { "to nothing", 12 * MIB / MESSAGE, 0, EM_ERR_INPUT, AFTER / MESSAGE - 1, 12 * MIB / MESSAGE - 1 },
    { "by one page", 12 * MIB / MESSAGE, 12 * MIB / MESSAGE - 4, EM_ERR_INPUT, 12 * MIB / MESSAGE - 4,
      12 * MIB / MESSAGE - 4 },
    { "within a page", 12 * MIB / MESSAGE, 12 * MIB / MESSAGE - 5, EM_ERR_INPUT, 12 * MIB / MESSAGE - 5,
      12 * MIB / MESSAGE - 5 },
    { "by half", 16 * MIB / MESSAGE, 8 * MIB / MESSAGE, EM_ERR_INPUT, 8 * MIB / MESSAGE, 8 * MIB / MESSAGE },
};

START_TEST(a_file_that_changes_while_it_is_read)
{
    const struct row *row = &rows[_i];
    int fd = file_of(row->had);
    struct event event = { .fd = fd, .messages = row->messages, .had = row->had };
    struct em_scan *s = em_scan_new(NULL, NULL);
    struct em_why why = { "" };
    uint64_t calls;

    ck_assert_int_eq(em_scan_fd(s, fd, "f", on_progress, &event, &why), row->err);
    calls = em_scan_result(s)->totals.calls;
    ck_assert_msg(calls >= row->least && calls <= row->most, "%s: %llu calls", row->name,
                  (unsigned long long)calls);
    if (row->err)
        ck_assert_ptr_nonnull(strstr(why.text, "became shorter"));
    else
        ck_assert_uint_eq(em_scan_result(s)->totals.bytes, (uint64_t)row->messages * MESSAGE);
    em_scan_free(s);
    close(fd);
}
END_TEST

/* Standard input can be a file that somebody has read a part of. */
START_TEST(a_file_is_read_from_where_it_stands)
{
    int fd = file_of(2 * MIB / MESSAGE);
    struct em_scan *s = em_scan_new(NULL, NULL);

    ck_assert_int_eq(lseek(fd, 100 * MESSAGE, SEEK_SET), 100 * MESSAGE);
    ck_assert_int_eq(em_scan_fd(s, fd, "f", NULL, NULL, NULL), 0);
    ck_assert_uint_eq(em_scan_result(s)->totals.calls, 2 * MIB / MESSAGE - 100);
    ck_assert_uint_eq(em_scan_result(s)->totals.bytes, 2 * MIB - 100 * MESSAGE);
    em_scan_free(s);
    close(fd);
}
END_TEST

/* A page fault elsewhere still ends the process as it did before. */
START_TEST(another_fault_is_none_of_ours)
{
    int fd = file_of(MIB / MESSAGE);
    struct mapped m;

    ck_assert(mapped_open(&m, fd, 0, UINT64_MAX));
    raise(SIGBUS);
    raise(SIGBUS);
}
END_TEST

/* --- several processes -------------------------------------------------------------------------------------------- */

struct told {
    unsigned problems, kills;
    size_t file;
    int err;
    char why[512];
};

static void on_problem(void *arg, size_t file, int err, const char *why)
{
    struct told *told = arg;

    told->problems++;
    told->file = file;
    told->err = err;
    snprintf(told->why, sizeof told->why, "%s", why);
}

START_TEST(a_file_that_cannot_be_read_is_told)
{
    const char *const paths[] = { "/dev/null", "/nonexistent/\033[31m", "/dev/null", "/dev/null" };
    struct told told = { 0 };
    const struct em_scan_watch watch = { &told, NULL, on_problem };
    struct em_scan *s = em_scan_new(NULL, NULL);

    ck_assert_int_eq(em_scan_files(s, paths, 4, (unsigned)_i + 1, &watch, NULL), 0);
    ck_assert_uint_eq(told.problems, 1);
    ck_assert_uint_eq(told.file, 1);
    ck_assert_int_eq(told.err, EM_ERR_SYSTEM);
    ck_assert_ptr_nonnull(strstr(told.why, "No such file"));
    ck_assert_ptr_null(strchr(told.why, '\033'));
    em_scan_free(s);
}
END_TEST

/* Ends one of the processes, as the kernel does when there is no memory. They wait for a FIFO that nobody writes. */
static bool end_one(void *arg, uint64_t bytes)
{
    struct told *told = arg;
    char path[64], text[64] = "";
    FILE *f;

    (void)bytes;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(text, sizeof text, f));
    fclose(f);
    if (told->kills++ == 0)
        for (char *p = text; *p; p = p + strspn(p, " \n")) {
            ck_assert_int_eq(kill((pid_t)strtol(p, &p, 10), SIGKILL), 0);
        }
    return true;
}

START_TEST(a_process_that_is_killed_is_told)
{
    char fifo[] = "/tmp/edgemedia-scan-XXXXXX";
    const char *const paths[] = { fifo, fifo };
    struct told told = { 0 };
    const struct em_scan_watch watch = { &told, end_one, on_problem };
    struct em_scan *s = em_scan_new(NULL, NULL);
    struct em_why why = { "" };

    ck_assert_int_ge(mkstemp(fifo), 0);
    ck_assert_int_eq(unlink(fifo), 0);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    ck_assert_int_eq(em_scan_files(s, paths, 2, 2, &watch, &why), EM_ERR_SYSTEM);
    ck_assert_ptr_nonnull(strstr(why.text, "ended by signal 9"));
    ck_assert_int_eq(unlink(fifo), 0);
    em_scan_free(s);
}
END_TEST

/* --- a window of time --------------------------------------------------------------------------------------------- */

START_TEST(only_what_lies_in_the_window_counts)
{
    static const char text[] =
        "2026/11/01 10:00:00.000000 192.0.2.1:5060 -> 192.0.2.2:5060\n"
        "BYE sip:a@b.example SIP/2.0\nCall-ID: 1\nms-client-diagnostics: 23; reason=\"r\"\n\n"
        "2026/11/01 11:00:00.000000 192.0.2.1:5060 -> 192.0.2.2:5060\n"
        "BYE sip:a@b.example SIP/2.0\nCall-ID: 1\nms-client-diagnostics: 24; reason=\"r\"\n\n"
        "2026/11/01 12:00:00.000000 192.0.2.1:5060 -> 192.0.2.2:5060\n"
        "BYE sip:a@b.example SIP/2.0\nCall-ID: 2\nms-client-diagnostics: 23; reason=\"r\"\n\n";
    static const char untimed[] =
        "BYE sip:a@b.example SIP/2.0\nCall-ID: 3\nms-client-diagnostics: 23; reason=\"r\"\n\n";
    const int64_t eleven = INT64_C(1793530800) * 1000000;
    struct em_scan *s = em_scan_new(NULL, NULL);
    const struct em_scan_result *r = em_scan_result(s);
    FILE *f = tmpfile(), *g = tmpfile();

    ck_assert(fputs(text, f) >= 0 && fputs(untimed, g) >= 0);
    rewind(f);
    rewind(g);
    em_scan_between(s, eleven, eleven + INT64_C(3600) * 1000000);
    ck_assert_int_eq(em_scan_fd(s, fileno(f), "f", NULL, NULL, NULL), 0);
    ck_assert_int_eq(em_scan_fd(s, fileno(g), "g", NULL, NULL, NULL), 0);
    ck_assert_uint_eq(r->totals.messages, 4);
    ck_assert_uint_eq(r->totals.reports, 1);
    ck_assert_uint_eq(r->totals.calls, 1);
    ck_assert_uint_eq(r->totals.code_23, 0);
    ck_assert_uint_eq(r->untimed, 1);
    fclose(f);
    fclose(g);
    em_scan_free(s);
}
END_TEST

int main(void)
{
    TCase *t = em_case("scan");

    tcase_add_loop_test(t, a_file_that_changes_while_it_is_read, 0, sizeof rows / sizeof *rows);
    tcase_add_test(t, a_file_is_read_from_where_it_stands);
    tcase_add_test_raise_signal(t, another_fault_is_none_of_ours, SIGBUS);
    tcase_add_loop_test(t, a_file_that_cannot_be_read_is_told, 0, 3);
    tcase_add_test(t, a_process_that_is_killed_is_told);
    tcase_add_test(t, only_what_lies_in_the_window_counts);
    return em_run();
}
