/* SPDX-License-Identifier: GPL-3.0-or-later
 * The scan of files that do not hold still: one gets shorter while it is mapped, one grows, one is not a file. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

    ck_assert(mapped_open(&m, fd, 0));
    raise(SIGBUS);
    raise(SIGBUS);
}
END_TEST

int main(void)
{
    TCase *t = em_case("scan");

    tcase_add_loop_test(t, a_file_that_changes_while_it_is_read, 0, sizeof rows / sizeof *rows);
    tcase_add_test(t, a_file_is_read_from_where_it_stands);
    tcase_add_test_raise_signal(t, another_fault_is_none_of_ours, SIGBUS);
    return em_run();
}
