/* SPDX-License-Identifier: GPL-3.0-or-later
 * The trace source: every message that is written is counted once, whatever happens to the files and whenever the daemon is down.
 *
 * The clock is moved by hand and only timers and inotify drive the source, so that seconds take no time. A scenario is a few steps;
 * each is done in every one of four ways (see enum way): every fifth of all combinations, and every 23rd with somebody who keeps descriptors
 * while the daemon is down, or with EM_ALL set in the environment all of them.
 */
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "evidence/capture.h"
#include "harness.h"
#include "net/net_ops.h"
#include "source/follow.h"
#include "source/keep.h"
#include "store/state.h"

/* --- a network of timers and watches, with a clock that the test moves --------------------------------------------- */

enum { OBJECTS_MAX = 8 };

struct play_timer {
    struct em_timer is;
    void (*fire)(void *arg);
    void *arg;
    int64_t deadline_us; /* 0: stopped */
};
struct play_watch {
    struct em_watch is;
    int fd, spare;
    void (*readable)(void *arg);
    void *arg;
};

static struct em_clock_fake moved;
static struct em_clock test_clock;
static struct play_timer *timers[OBJECTS_MAX];
static struct play_watch *watches[OBJECTS_MAX];
static unsigned turns;
static const struct em_net_ops play_ops;
static struct em_net play = { &play_ops };

static const struct em_clock *play_clock(struct em_net *n)
{
    (void)n;
    return &test_clock;
}

static struct em_timer *play_timer_new(struct em_net *n, void (*fire)(void *arg), void *arg)
{
    struct play_timer *t = calloc(1, sizeof *t);
    size_t i = 0;

    (void)n;
    ck_assert_ptr_nonnull(t);
    *t = (struct play_timer) { { &play_ops }, fire, arg, 0 };
    while (timers[i])
        i++;
    timers[i] = t;
    return &t->is;
}

static void play_timer_at(struct em_timer *t, int64_t deadline_us)
{
    ((struct play_timer *)t)->deadline_us = deadline_us > 0 ? deadline_us : 1;
}

static void play_timer_stop(struct em_timer *t)
{
    ((struct play_timer *)t)->deadline_us = 0;
}

static void play_timer_free(struct em_timer *t)
{
    for (size_t i = 0; i < OBJECTS_MAX; i++)
        if (timers[i] == (struct play_timer *)t)
            timers[i] = NULL;
    free(t);
}

/* Whoever closes an inotify descriptor last waits for the kernel for long, so a thread closes what the source had. */
static int spare = -1;

static void *close_it(void *arg)
{
    (void)close((int)(intptr_t)arg);
    return NULL;
}

static void close_spare(void)
{
    pthread_t thread;

    if (spare >= 0 && pthread_create(&thread, NULL, close_it, (void *)(intptr_t)spare) == 0)
        pthread_detach(thread);
    spare = -1;
}

static struct em_watch *play_watch_new(struct em_net *n, int fd, void (*readable)(void *arg), void *arg)
{
    struct play_watch *w = calloc(1, sizeof *w);
    size_t i = 0;

    (void)n;
    ck_assert_ptr_nonnull(w);
    close_spare();
    *w = (struct play_watch) { { &play_ops }, fd, dup(fd), readable, arg };
    while (watches[i])
        i++;
    watches[i] = w;
    return &w->is;
}

static void play_watch_free(struct em_watch *w)
{
    for (size_t i = 0; i < OBJECTS_MAX; i++)
        if (watches[i] == (struct play_watch *)w)
            watches[i] = NULL;
    close_spare();
    spare = ((struct play_watch *)w)->spare;
    free(w);
}

static const struct em_net_ops play_ops = { .clock = play_clock,
                                            .timer_new = play_timer_new,
                                            .timer_at = play_timer_at,
                                            .timer_stop = play_timer_stop,
                                            .timer_free = play_timer_free,
                                            .watch = play_watch_new,
                                            .watch_free = play_watch_free };

/* One turn of the loop: what is readable, then the timers that are due. */
static void play_turn(void)
{
    for (size_t i = 0; i < OBJECTS_MAX; i++)
        if (watches[i]) {
            struct pollfd p = { .fd = watches[i]->fd, .events = POLLIN };

            if (poll(&p, 1, 0) == 1)
                watches[i]->readable(watches[i]->arg);
        }
    for (size_t i = 0; i < OBJECTS_MAX; i++)
        if (timers[i] && timers[i]->deadline_us && timers[i]->deadline_us <= moved.mono) {
            timers[i]->deadline_us = 0;
            turns++;
            timers[i]->fire(timers[i]->arg);
        }
}

/* --- the daemon under test, and the writer ------------------------------------------------------------------------- */

static char dir[64], database_dir[64], database[96];
static struct em_store *store;
static struct em_trace *trace;
static const char *patterns[4];
static size_t patterns_n;
static bool from_start = true;
static struct em_why why;
static uint64_t written, written_bytes; /* messages; bytes */

/* A path in the test's directory; a few live at a time. */
static const char *at(const char *name)
{
    static char room[8][160];
    static unsigned next;
    char *to = room[next++ % 8];

    snprintf(to, sizeof room[0], "%s/%s", dir, name);
    return to;
}

/* What keeps descriptors while the daemon is down, as systemd does. */
static struct {
    bool there;
    char name[EM_KEEP_MAX][EM_KEEP_NAME_MAX];
    int fd[EM_KEEP_MAX];
    size_t n;
} manager;
static struct em_keep *keep; /* NULL: there is no manager */

static bool manager_told(const char *state, int fd)
{
    const char *name = strstr(state, "\nFDNAME=");
    size_t i = 0;

    ck_assert_ptr_nonnull(name);
    name += strlen("\nFDNAME=");
    while (i < manager.n && strcmp(manager.name[i], name) != 0)
        i++;
    if (strncmp(state, "FDSTORE=1\n", 10) == 0) {
        ck_assert_msg(i == manager.n && i < EM_KEEP_MAX, "%s as number %zu", name, i);
        ck_assert_int_ge(manager.fd[i] = dup(fd), 0);
        ck_assert(slice_copy(slice_of(name), manager.name[i], sizeof manager.name[i]));
        manager.n++;
    } else {
        ck_assert_int_eq(strncmp(state, "FDSTOREREMOVE=1\n", 16), 0);
        ck_assert_msg(i < manager.n, "%s is not kept", name);
        close(manager.fd[i]);
        manager.fd[i] = manager.fd[--manager.n];
        memmove(manager.name[i], manager.name[manager.n], sizeof manager.name[i]);
    }
    return true;
}

static void manager_hands_over(void)
{
    if (!manager.there)
        return;
    keep = em_keep_new(manager_told);
    for (size_t i = 0; i < manager.n; i++)
        em_keep_add(keep, manager.name[i], dup(manager.fd[i]));
}

static void up(void)
{
    struct em_source_env env = { .net = &play, .number = 1 };
    struct em_source_conf conf = {
        .name = "fe01", .type = EM_SOURCE_TRACE, .path_n = patterns_n, .from_start = from_start
    };

    void *source;

    if (trace)
        return;
    for (size_t i = 0; i < patterns_n; i++)
        ck_assert(slice_copy(slice_of(patterns[i]), conf.path[i], sizeof conf.path[i]));
    OK(em_store_open(database, &test_clock, &store, &why));
    manager_hands_over();
    env.store = store;
    env.keep = keep;
    OK(em_trace_kind.start(&env, &conf, &source, &why));
    trace = source;
    if (keep)
        em_keep_tidy(keep);
}

static void down(void)
{
    em_trace_kind.stop(trace);
    em_store_close(store);
    em_keep_free(keep);
    keep = NULL;
    trace = NULL;
    store = NULL;
}

static void pattern(const char *p)
{
    ck_assert_uint_lt(patterns_n, sizeof patterns / sizeof *patterns);
    patterns[patterns_n++] = strdup(at(p));
}

static void setup(void)
{
    memcpy(dir, "/tmp/em-trace-XXXXXX", sizeof "/tmp/em-trace-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(chmod(dir, 0755), 0);
    ck_assert_int_eq(mkdir(at("logs"), 0755), 0);
    memcpy(database_dir,
           access("/dev/shm", W_OK) == 0 ? "/dev/shm/em-trace-XXXXXX" : "/tmp/em-tracedb-XXXXXX",
           sizeof "/dev/shm/em-trace-XXXXXX"); /* where nothing waits for a disk */
    ck_assert_ptr_nonnull(mkdtemp(database_dir));
    snprintf(database, sizeof database, "%s/em.db", database_dir);
    moved = (struct em_clock_fake) { .mono = 1000000, .wall = em_wall_us(&em_clock_system), .seed = 1 };
    test_clock = em_clock_fake(&moved);
    em_log_set_level(EM_LOG_ERROR);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void teardown(void)
{
    if (trace)
        down();
    while (manager.n > 0)
        close(manager.fd[--manager.n]);
    manager.there = false;
    for (size_t i = 0; i < patterns_n; i++) {
        char *p = NULL;

        memcpy(&p, &patterns[i], sizeof p);
        free(p);
    }
    if (getuid() == 0 && geteuid() != 0)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    ck_assert_int_eq(nftw(database_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static struct em_totals totals(void)
{
    return store->now.totals;
}

static struct em_source_row row(void)
{
    struct em_source_row r = { 0 };

    em_trace_kind.row(trace, &r);
    return r;
}

/* Lets time pass, at most so long, until everything written is counted. */
static void run(int64_t most_us)
{
    int64_t end_us = moved.mono + most_us;

    up();
    play_turn();
    while (moved.mono < end_us && totals().messages < written) {
        em_clock_fake_advance(&moved, 10 * EM_US_PER_MS);
        play_turn();
    }
}

/* Lets time pass, whatever is counted. */
static void wait_s(int seconds)
{
    up();
    for (int i = 0; i < seconds; i++) {
        em_clock_fake_advance(&moved, EM_US_PER_S);
        play_turn();
    }
}

/* Lets time pass, and nothing may be counted twice or come too much. */
static void check(const char *what)
{
    struct em_totals t;

    run(8 * EM_US_PER_S);
    ck_assert_msg(totals().messages == written, "%s: %llu messages of %llu", what,
                  (unsigned long long)totals().messages, (unsigned long long)written);
    for (int i = 0; i < 240; i++) { /* 12 s more */
        em_clock_fake_advance(&moved, 50 * EM_US_PER_MS);
        play_turn();
    }
    t = totals();
    ck_assert_msg(t.messages == written && t.reports == written && t.calls == written && t.duplicates == 0 &&
                      t.malformed == 0 && t.unkeyed == 0,
                  "%s: %llu messages, %llu reports, %llu calls, %llu duplicates, %llu malformed of %llu",
                  what, (unsigned long long)t.messages, (unsigned long long)t.reports,
                  (unsigned long long)t.calls, (unsigned long long)t.duplicates,
                  (unsigned long long)t.malformed, (unsigned long long)written);
    ck_assert_msg(t.bytes == written_bytes, "%s: %llu bytes of %llu", what, (unsigned long long)t.bytes,
                  (unsigned long long)written_bytes);
}

/* One message with a diagnostics header, of a call of its own. */
static size_t message(char *to, size_t size)
{
    int n = snprintf(
        to, size,
        "TL_INFO(TF_PROTOCOL) [0]0A1C.0F24::11/23/2026-05:02:11.123.%08llx (SIPStack,SIPAdminLog::"
        "ProtocolRecord::Flush:2387.idx(196))[1404220475]\r\n"
        "$$begin_record\r\nTrace-Correlation-Id: 1404220475\r\nInstance-Id: %06llX\r\nDirection: incoming\r\n"
        "Peer: 192.0.2.10:51000\r\nMessage-Type: request\r\n"
        "Start-Line: BYE sip:alice@example.com SIP/2.0\r\n"
        "From: <sip:bob@example.com>;tag=1\r\nTo: <sip:alice@example.com>;tag=2\r\n"
        "CSeq: 3 BYE\r\nCall-ID: call-%llu\r\nContent-Length: 0\r\n"
        "ms-client-diagnostics: 23; reason=\"Call failed to establish due to a media connectivity failure "
        "when one "
        "endpoint is internal and the other is "
        "remote\";CalleeMediaDebug=\"application-sharing:ICEWarn=0x8000100\"\r\n"
        "Message-Body: -\r\n$$end_record\r\n",
        (unsigned long long)written, (unsigned long long)written, (unsigned long long)written);

    written++;
    return (size_t)n;
}

static void put_bytes(const char *path, const char *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, p, n), (ssize_t)n);
    close(fd);
}

static void put_text(const char *path, const char *text)
{
    put_bytes(path, text, strlen(text));
    written_bytes += strlen(text);
}

static void put(const char *name, unsigned messages)
{
    char text[2048];

    for (unsigned i = 0; i < messages; i++) {
        size_t n = message(text, sizeof text);

        put_bytes(at(name), text, n);
        written_bytes += n;
    }
}

/* Everything of one file to another, new or not. */
static void copy(const char *from, const char *to)
{
    static char bytes[256 * 1024];
    int in = open(at(from), O_RDONLY | O_CLOEXEC),
        out = open(at(to), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ssize_t n;

    while ((n = read(in, bytes, sizeof bytes)) > 0)
        ck_assert_int_eq(write(out, bytes, (size_t)n), n);
    close(in);
    close(out);
}

static void cut(const char *name)
{
    ck_assert_int_eq(truncate(at(name), 0), 0);
}
static void move(const char *from, const char *to)
{
    ck_assert_int_eq(rename(at(from), at(to)), 0);
}
static void delete (const char *name)
{
    ck_assert_int_eq(unlink(at(name)), 0);
}

/* --- scenarios ----------------------------------------------------------------------------------------------------- */

/* What the daemon does while a step happens. */
enum way {
    READ_BEFORE,        /* it has read all, and runs */
    NOT_READ,           /* it runs, but had no time to read what was written last */
    READ_THEN_DOWN,     /* it has read all, and is down */
    NOT_READ_THEN_DOWN, /* it is down, and had not read what was written last */
    WAYS
};

static int ways; /* digits to the base WAYS, one for each step */

static void step(void)
{
    enum way w = (enum way)(ways % WAYS);

    ways /= WAYS;
    if (w == READ_BEFORE || w == READ_THEN_DOWN)
        run(3 * EM_US_PER_S);
    else
        up(); /* it was there, but no turn of the loop came */
    if (w == READ_THEN_DOWN || w == NOT_READ_THEN_DOWN)
        down();
}

/* The same, for steps that take unread bytes out of the world: then it must have read them. */
static void step_read(void)
{
    ways = ways / WAYS * WAYS + (ways % WAYS & ~1);
    step();
}

static void growth(void)
{
    char text[2048];
    size_t n;

    pattern("logs/*.log");
    put("logs/a.log", 3);
    step();
    put("logs/a.log", 2);
    put("logs/b.log", 2);
    step();
    n = message(text, sizeof text); /* one that comes in three pieces */
    written--;
    put_bytes(at("logs/b.log"), text, 100);
    step();
    put_bytes(at("logs/b.log"), text + 100, 500);
    step();
    written++;
    put_bytes(at("logs/b.log"), text + 600, n - 600);
    written_bytes += n;
}

static void rename_out_of_the_pattern(void)
{
    pattern("logs/a.log");
    put("logs/a.log", 3);
    run(3 * EM_US_PER_S);
    put("logs/a.log", 2);
    step();
    move("logs/a.log", "logs/a.old");
    put("logs/a.old", 1); /* the writer still has it open */
    put("logs/a.log", 2);
    step();
    put("logs/a.old", 1);
    put("logs/a.log", 1);
}

static void rename_within_the_pattern(void)
{
    pattern("logs/a.log*");
    put("logs/a.log", 3);
    step();
    move("logs/a.log", "logs/a.log.1");
    put("logs/a.log", 2);
    step();
    put("logs/a.log.1", 1);
    move("logs/a.log.1", "logs/a.log.2");
    move("logs/a.log", "logs/a.log.1");
    put("logs/a.log", 2);
    step();
    put("logs/a.log", 2);
}

static void copy_and_truncate_out_of_the_pattern(void)
{
    pattern("logs/a.log");
    put("logs/a.log", 20);
    run(3 * EM_US_PER_S);
    put("logs/a.log", 2);
    step();
    copy("logs/a.log", "logs/a.copy");
    cut("logs/a.log");
    step();
    put("logs/a.log", 3);
    run(3 * EM_US_PER_S);
    put("logs/a.log", 1);
    step();
    copy("logs/a.log", "logs/a.copy2");
    cut("logs/a.log");
    put("logs/a.log", 40); /* beyond the old place */
}

static void copy_and_truncate_within_the_pattern(void)
{
    pattern("logs/a.*");
    put("logs/a.log", 4);
    step();
    copy("logs/a.log", "logs/a.1");
    step();
    put("logs/a.log", 0);
    cut("logs/a.log");
    step();
    put("logs/a.log", 2);
    step();
    move("logs/a.1", "logs/a.2");
    copy("logs/a.log", "logs/a.1");
    cut("logs/a.log");
    put("logs/a.log", 9);
}

static void truncation_and_regrowth(void)
{
    pattern("logs/*.log");
    put("logs/a.log", 5);
    step_read();
    cut("logs/a.log");
    put("logs/a.log", 2);
    step_read();
    cut("logs/a.log");
    put("logs/a.log", 7); /* longer than before */
    step_read();
    cut("logs/a.log");
    step_read();
    put("logs/a.log", 1);
}

static void same_banner_in_every_generation(void)
{
    static const char banner[] =
        "TL_INFO(TF_COMPONENT) [0]0A1C.0F24::11/23/2026-05:02:11.123.00000000 (x)started\r\n";

    pattern("logs/a.log");
    put_text(at("logs/a.log"), banner);
    put("logs/a.log", 2);
    step_read();
    cut("logs/a.log");
    put_text(at("logs/a.log"), banner);
    put("logs/a.log", 12);
    step_read();
    move("logs/a.log", "logs/a.old");
    put_text(at("logs/a.log"), banner);
    put("logs/a.log", 1);
}

static void deletion(void)
{
    pattern("logs/*.log");
    put("logs/a.log", 3);
    run(3 * EM_US_PER_S);
    step_read();
    delete ("logs/a.log");
    step_read();
    put("logs/a.log", 2);
    step_read();
    delete ("logs/a.log");
    put("logs/b.log", 2);
}

static void another_file_under_the_old_name(void)
{
    pattern("logs/a.log");
    put("logs/a.log", 3);
    step_read();
    put("logs/new", 5);
    move("logs/new", "logs/a.log");
    step_read();
    put("logs/a.log", 1);
}

static void one_file_with_many_names(void)
{
    pattern("logs/*.log");
    pattern("logs/a*");
    put("logs/a.log", 3);
    ck_assert_int_eq(link(at("logs/a.log"), at("logs/b.log")), 0);
    ck_assert_int_eq(symlink("a.log", at("logs/c.log")), 0);
    ck_assert_int_eq(symlink("c.log", at("logs/d.log")), 0);
    step();
    put("logs/b.log", 2);
    step();
    delete ("logs/a.log");
    put("logs/b.log", 1);
    step();
    put("logs/b.log", 1);
}

static void symlink_to_the_current_file(void)
{
    pattern("logs/current");
    ck_assert_int_eq(mkdir(at("data"), 0755), 0);
    put("data/1", 3);
    ck_assert_int_eq(symlink("../data/1", at("logs/current")), 0);
    run(3 * EM_US_PER_S);
    put("data/1", 2);
    step();
    ck_assert_int_eq(symlink("../data/2", at("logs/next")), 0);
    put("data/2", 2);
    move("logs/next", "logs/current");
    step();
    put("data/2", 2);
}

static void a_directory_that_comes_later(void)
{
    pattern("later/*/x.log");
    step();
    ck_assert_int_eq(mkdir(at("later"), 0755), 0);
    step();
    ck_assert_int_eq(mkdir(at("later/on"), 0755), 0);
    put("later/on/x.log", 2);
    step();
    put("later/on/x.log", 2);
}

static void a_file_that_begins_short(void)
{
    pattern("logs/*.log");
    put_text(at("logs/a.log"), "x\r\n");
    step();
    put_text(at("logs/a.log"), "y\r\n");
    put_text(at("logs/b.log"), "x\r\n"); /* begins like the other: not its copy */
    step();
    put("logs/a.log", 1);
    put("logs/b.log", 1);
    step();
    put("logs/a.log", 10);
    step();
    put("logs/a.log", 1);
}

static void a_backup_copy(void)
{
    pattern("logs/*");
    put("logs/a.log", 8);
    run(3 * EM_US_PER_S);
    copy("logs/a.log", "logs/a.log.backup");
    step();
    put("logs/a.log", 2);
    step_read();
    delete ("logs/a.log");
    wait_s(3); /* or nobody knows where the copy ended */
    step();
    put("logs/a.log.backup", 1);
}

/* The copies begin with all sizes: within a message, at the end of one, longer than what there are samples of. */
static void shorter_copies_of_what_vanished(void)
{
    static const char *const names[] = { "logs/b", "logs/c", "logs/d", "logs/e" };
    static const off_t sizes[] = { 1500, 3000, 9000, 20000 };

    pattern("logs/*");
    put("logs/a", 30);
    step_read();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        copy("logs/a", names[i]);
        ck_assert_int_eq(truncate(at(names[i]), sizes[i]), 0);
    }
    delete ("logs/a");
    wait_s(3);
    step();
    put_text(at("logs/e"), "\r\n");
    put("logs/e", 2);
    put("logs/f", 2);
    step();
    put("logs/e", 1);
}

/* Closed or not when it moves: a subdirectory, one beside ours, and the one above. */
static void moved_to_another_directory(void)
{
    pattern("logs/a.log*");
    ck_assert_int_eq(mkdir(at("logs/old"), 0755), 0);
    ck_assert_int_eq(mkdir(at("archive"), 0755), 0);
    put("logs/a.log.1", 3);
    put("logs/a.log.2", 2);
    put("logs/a.log.3", 2);
    run(3 * EM_US_PER_S);
    step();
    put("logs/a.log.1", 1);
    put("logs/a.log.2", 1);
    move("logs/a.log.1", "archive/20261123");
    move("logs/a.log.2", "logs/old/a.log.2");
    move("logs/a.log.3", "a");
    step();
    if (trace)
        wait_s(65);
    put("archive/20261123", 2);
    put("logs/old/a.log.2", 2);
    put("a", 1);
    if (trace)
        wait_s(65);
}

static void a_file_moved_to_another_device(void) /* to another inode with another name: content alone tells */
{
    pattern("logs/*.log");
    put("logs/a.log", 8);
    step_read();
    copy("logs/a.log", "logs/b.log");
    delete ("logs/a.log");
    put("logs/b.log", 2);
    step();
    put("logs/b.log", 2);
}

static const struct {
    const char *name;
    void (*go)(void);
    int steps;
} scenarios[] = {
    { "growth", growth, 4 },
    { "rename out of the pattern", rename_out_of_the_pattern, 2 },
    { "rename within the pattern", rename_within_the_pattern, 3 },
    { "copy and truncate out of the pattern", copy_and_truncate_out_of_the_pattern, 3 },
    { "copy and truncate within the pattern", copy_and_truncate_within_the_pattern, 4 },
    { "truncation and regrowth", truncation_and_regrowth, 4 },
    { "same banner in every generation", same_banner_in_every_generation, 2 },
    { "deletion", deletion, 3 },
    { "another file under the old name", another_file_under_the_old_name, 2 },
    { "one file with many names", one_file_with_many_names, 3 },
    { "symbolic link to the current file", symlink_to_the_current_file, 2 },
    { "a directory that comes later", a_directory_that_comes_later, 3 },
    { "a file that begins short", a_file_that_begins_short, 4 },
    { "a backup copy", a_backup_copy, 3 },
    { "shorter copies of what vanished", shorter_copies_of_what_vanished, 3 },
    { "moved to another directory", moved_to_another_directory, 2 },
    { "a file moved to another device", a_file_moved_to_another_device, 2 },
};

START_TEST(every_message_once)
{
    int combinations = 1, stride = getenv("EM_ALL") || scenarios[_i].steps < 3 ? 1 : 5;

    for (int i = 0; i < scenarios[_i].steps; i++)
        combinations *= WAYS;
    for (int c = 0; c < 2 * combinations; c += c < combinations || getenv("EM_ALL") ? stride : 23) {
        char what[128];

        setup();
        manager.there = c >= combinations; /* the same again, and fewer of them */
        written = written_bytes = 0;
        patterns_n = 0;
        ways = c % combinations;
        snprintf(what, sizeof what, "%s, ways %d", scenarios[_i].name, c);
        scenarios[_i].go();
        check(what);
        down();
        check(what); /* and once more after a restart at rest */
        teardown();
    }
}
END_TEST

/* --- single cases --------------------------------------------------------------------------------------------------- */

static void fresh(void)
{
    setup();
    written = written_bytes = 0;
    patterns_n = 0;
    from_start = true;
}

/* Runs until the source says so, at most 10 s. */
static struct em_source_row until(enum em_source_state state)
{
    for (int i = 0; i < 1000 && row().state != state; i++) {
        em_clock_fake_advance(&moved, 10 * EM_US_PER_MS);
        play_turn();
    }
    ck_assert_msg(row().state == state, "state %s, not %s: %s",
                  em_name_of(&em_source_state_names, row().state), em_name_of(&em_source_state_names, state),
                  row().error);
    return row();
}

START_TEST(the_row_tells_how_it_is)
{
    struct em_source_row r;

    pattern("logs/*.log");
    pattern("more/*.txt");
    up();
    ck_assert_uint_eq(row().state, EM_SOURCE_STARTING);
    r = until(EM_SOURCE_WAITING);
    ck_assert_ptr_nonnull(strstr(r.location, "/logs/*.log "));
    ck_assert_uint_eq(r.files, 0);
    put("logs/a.log", 2);
    r = until(EM_SOURCE_CAUGHT_UP);
    ck_assert_uint_eq(r.files, 1);
    ck_assert_uint_eq(r.lag_bytes, 0);
    ck_assert_str_eq(r.error, "");
    check("row");
}
END_TEST

START_TEST(a_turn_is_bounded)
{
    unsigned before;

    pattern("logs/*.log");
    for (int i = 0; i < 5; i++) {
        char name[32];

        snprintf(name, sizeof name, "logs/%d.log", i);
        put(name, 400);
    }
    up();
    play_turn();
    ck_assert_uint_eq(row().state, EM_SOURCE_READING);
    ck_assert_uint_gt(row().lag_bytes, written_bytes / 2);
    ck_assert_uint_le(totals().bytes, EM_TRACE_TURN_BYTES);
    before = turns;
    while (row().lag_bytes > 0)
        play_turn(); /* without any time passing */
    ck_assert_uint_ge((turns - before + 2) * (uint64_t)EM_TRACE_TURN_BYTES, written_bytes);
    check("bounded");
}
END_TEST

START_TEST(growth_is_committed_at_most_20_times_a_second)
{
    unsigned before;

    pattern("logs/*.log");
    put("logs/a.log", 1);
    run(3 * EM_US_PER_S);
    before = turns;
    for (int i = 0; i < 1000; i++) {
        put("logs/a.log", 1);
        em_clock_fake_advance(&moved, EM_US_PER_MS);
        play_turn();
    }
    ck_assert_uint_le(turns - before, 22);
    ck_assert_uint_ge(totals().messages, 900);
    check("throttled");
}
END_TEST

START_TEST(old_files_when_only_new_text_is_wanted)
{
    pattern("logs/*.log");
    from_start = false;
    put("logs/a.log", 5);
    put("logs/b.log", 5);
    written = written_bytes = 0;
    up();
    (void)until(EM_SOURCE_CAUGHT_UP);
    check("nothing");
    put("logs/a.log", 0);
    down();
    {
        char text[2048];
        size_t n;

        written = 100; /* Call-IDs of their own */
        n = message(text, sizeof text);
        put_bytes(at("logs/a.log"), text, n);
        put_bytes(at("logs/c.log"), text, n); /* came while we were down: all of it is new */
        up();
        (void)until(EM_SOURCE_CAUGHT_UP);
        written = 2;
        run(8 * EM_US_PER_S);
        ck_assert_uint_eq(totals().messages, 2);
        ck_assert_uint_eq(totals().calls, 1);
        ck_assert_uint_eq(totals().bytes, 2 * n);
    }
}
END_TEST

/* More files than one turn looks at, and the process is gone after the first commit. */
START_TEST(a_first_scan_that_was_cut_off_makes_no_new_files_of_old_ones)
{
    pattern("logs/*.log");
    from_start = false;
    for (int i = 0; i < 40; i++) {
        char name[32];

        snprintf(name, sizeof name, "logs/%02d.log", i);
        put(name, 3);
    }
    up();
    play_turn();
    ck_assert_uint_eq(row().state, EM_SOURCE_READING); /* there was more to look at */
    down();
    written_bytes = 0;
    written = 1000;        /* Call-IDs of their own */
    put("logs/38.log", 2); /* before anybody looked at it */
    put("logs/newer.log", 1);
    move("logs/37.log", "logs/37.old");
    put("logs/37.old", 1);
    put("logs/37.log", 1);
    written = 5;
    check("what came before it was looked at");
    down();
    written = 2000;
    put("logs/39.log", 1);
    put("logs/new.log", 1);
    written = 7;
    check("what came");
}
END_TEST

/* More files than can be followed: those that are not are old, too, when they grow later. */
START_TEST(old_files_that_are_not_followed_stay_old)
{
    pattern("logs/*.log");
    from_start = false;
    for (int i = 0; i < EM_TRACE_FILES_MAX + 5; i++) {
        const struct timespec then[2] = { { 1000000000 - i, 0 }, { 1000000000 - i, 0 } };
        char name[32];

        snprintf(name, sizeof name, "logs/%04d.log", i);
        put(name, 1);
        ck_assert_int_eq(utimensat(AT_FDCWD, at(name), then, 0), 0);
    }
    written = written_bytes = 0;
    up();
    (void)until(EM_SOURCE_CAUGHT_UP);
    check("nothing");
    written = 5000;
    put("logs/1003.log", 2);
    written = 2;
    check("one of them grew");
}
END_TEST

START_TEST(an_unreadable_file_is_tried_again)
{
    struct em_source_row r;

    pattern("logs/*.log");
    put("logs/a.log", 2);
    ck_assert_int_eq(chmod(at("logs/a.log"), 0), 0);
    ck_assert_int_eq(chmod(database_dir, 0777), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    up();
    r = until(EM_SOURCE_FAILED);
    ck_assert_msg(strstr(r.error, "a.log") && strstr(r.error, "Permission denied"), "%s", r.error);
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(at("logs/a.log"), 0644), 0);
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    r = until(EM_SOURCE_CAUGHT_UP);
    ck_assert_str_eq(r.error, "");
    check("unreadable");
}
END_TEST

START_TEST(a_binary_file_is_refused_until_it_changes)
{
    static const char binary[100000] = { '\x7f', 'E', 'L', 'F', 1, 2, 3 };
    struct em_source_row r;

    pattern("logs/*");
    put_bytes(at("logs/a.etl"), binary, sizeof binary);
    put("logs/b.log", 2);
    up();
    (void)until(EM_SOURCE_CAUGHT_UP);
    run(3 * EM_US_PER_S);
    r = row();
    ck_assert_msg(strstr(r.error, "a.etl"), "%s", r.error);
    ck_assert_uint_eq(r.files, 1);
    ck_assert_uint_eq(totals().bytes, written_bytes);
    put_bytes(at("logs/c.bin"), binary, 100); /* too short to be decided upon at once */
    run(8 * EM_US_PER_S);
    (void)until(EM_SOURCE_CAUGHT_UP);
    for (int i = 0; i < 300; i++) {
        em_clock_fake_advance(&moved, 10 * EM_US_PER_MS);
        play_turn();
    }
    ck_assert_uint_eq(row().files, 1);
    delete ("logs/c.bin");
    cut("logs/a.etl");
    put("logs/a.etl", 2);
    check("refused");
    ck_assert_str_eq(row().error, "");
}
END_TEST

START_TEST(the_last_message_of_a_quiet_file_is_reported)
{
    static const char text[] = "2026/11/23 05:02:11.123456 192.0.2.10:5060 -> 192.0.2.20:5060\n"
                               "BYE sip:alice@example.com SIP/2.0\nCall-ID: quiet\nCSeq: 3 BYE\n"
                               "ms-client-diagnostics: 23; reason=\"x\"\nContent-Length: 0\n\n";

    pattern("logs/*.log");
    up();
    put_text(at("logs/a.log"), text);
    for (int i = 0; i < 190; i++) {
        em_clock_fake_advance(&moved, 10 * EM_US_PER_MS);
        play_turn();
    }
    ck_assert_uint_eq(totals().reports, 0);
    for (int i = 0; i < 60; i++) {
        em_clock_fake_advance(&moved, 10 * EM_US_PER_MS);
        play_turn();
    }
    ck_assert_uint_eq(totals().reports, 1);
    put_text(at("logs/a.log"), text);
    written = 2;
    run(8 * EM_US_PER_S);
    ck_assert_uint_eq(totals().reports, 2);
    ck_assert_uint_eq(totals().duplicates, 1);
}
END_TEST

/* The writer is silent in the middle of a message, before its diagnostics header. */
START_TEST(a_message_that_pauses_is_counted_whole)
{
    static const char start[] = "2026/11/23 05:02:11.123456 192.0.2.10:5060 -> 192.0.2.20:5060\n"
                                "BYE sip:alice@example.com SIP/2.0\nCall-ID: paused\nCSeq: 3 BYE\n",
                      rest[] = "ms-client-diagnostics: 23; reason=\"x\"\nContent-Length: 0\n\n";

    pattern("logs/*.log");
    for (int how = 0; how < 3; how++) {
        put_text(at("logs/a.log"), start);
        written = (uint64_t)how + 1;
        run(8 * EM_US_PER_S);
        if (how == 1)
            down();
        if (how == 2)
            em_clock_fake_advance(&moved, 100 * EM_US_PER_S); /* the file is closed meanwhile */
        run(8 * EM_US_PER_S);
        put_text(at("logs/a.log"), rest);
        for (int i = 0; i < 50; i++) {
            em_clock_fake_advance(&moved, 100 * EM_US_PER_MS);
            play_turn();
        }
        ck_assert_uint_eq(totals().reports, (uint64_t)how + 1);
        ck_assert_uint_eq(totals().messages, (uint64_t)how + 1);
        ck_assert_uint_eq(totals().calls, 1);
        ck_assert_uint_eq(totals().bytes, written_bytes);
    }
}
END_TEST

/* What every message counts, and bytes: a shorter copy is not read when what it is a copy of loses its name, or its content, at rest. */
START_TEST(a_shorter_copy_outlives_its_original)
{
    static const char *const hows[] = { "moved", "deleted", "truncated", "moved, then a restart",
                                        "truncated when read" };

    pattern("logs/*.log");
    for (int how = 0; how < 5; how++) {
        char name[32], copied[32];

        snprintf(name, sizeof name, "logs/%d.log", how);
        snprintf(copied, sizeof copied, "logs/%d-copy.log", how);
        put(name, 8);
        run(3 * EM_US_PER_S);
        copy(name, copied);
        wait_s(3);
        put(name, 2);
        check("copied");
        if (how < 4)
            wait_s(100); /* both are closed */
        if (how == 0 || how == 3)
            move(name, "logs/gone");
        else if (how == 1)
            delete (name);
        else
            cut(name);
        check(hows[how]);
        if (how == 3)
            down();
        check("later");
    }
}
END_TEST

static struct em_source_row doubts(void)
{
    struct em_source_row r = { 0 };

    em_store_source_row(store, 1, &r);
    return r;
}

/* What cannot be known is counted, once, and what can be known is not. */
START_TEST(doubts_are_counted)
{
    const struct timespec now = { moved.wall / EM_US_PER_S + 100, 0 }; /* when b.log grows */

    pattern("logs/*.log");
    put("logs/a.log", 3);
    put("logs/b.log", 3);
    put("logs/c.log", 3);
    run(3 * EM_US_PER_S);
    cut("logs/a.log"); /* and no copy of it */
    put("logs/a.log", 1);
    check("truncated");
    ck_assert_uint_eq(doubts().missed, 1);
    wait_s(100);
    put("logs/b.log", 1);
    ck_assert_int_eq(utimensat(AT_FDCWD, at("logs/b.log"), (struct timespec[2]) { now, now }, 0), 0);
    run(3 * EM_US_PER_S);
    down();
    delete ("logs/b.log"); /* somebody wrote to it until just now */
    delete ("logs/c.log"); /* at rest */
    check("deleted");
    wait_s(3);
    ck_assert_uint_eq(doubts().missed, 2);
    down();
    check("once");
    ck_assert_uint_eq(doubts().missed, 2);
    ck_assert_uint_eq(doubts().repeated, 0);
}
END_TEST

/* A copy that went on by itself before anybody looked at it: where it ended is not known, and no call counts twice. */
START_TEST(a_copy_that_went_on_unseen)
{
    pattern("logs/*.log");
    put("logs/a.log", 300);
    run(3 * EM_US_PER_S);
    down();
    move("logs/a.log", "a.gone"); /* where it is found, too, but as a file of another name */
    copy("a.gone", "logs/b.log");
    ck_assert_int_eq(truncate(at("logs/b.log"), 100000), 0);
    put("logs/b.log", 1);
    delete ("a.gone");
    wait_s(10);
    ck_assert_uint_eq(totals().calls, written);
    ck_assert_uint_eq(doubts().repeated, 1);
}
END_TEST

/* Longer than there are samples of every piece; each copy is shorter by a bit more. */
START_TEST(shorter_copies_of_a_longer_file)
{
    struct em_totals before;

    pattern("logs/*.log");
    put("logs/a.log", 1000);
    run(3 * EM_US_PER_S);
    down();
    for (int i = 0; i < 8; i++) {
        char name[32];

        snprintf(name, sizeof name, "logs/copy%d.log", i);
        copy("logs/a.log", name);
        ck_assert_int_eq(truncate(at(name), 600000 >> i), 0);
    }
    delete ("logs/a.log");
    up();
    before = totals();
    wait_s(5);
    ck_assert_uint_eq(totals().messages, before.messages);
    ck_assert_uint_eq(totals().bytes, before.bytes);
    put("logs/copy0.log", 1);
    wait_s(5);
    ck_assert_uint_eq(totals().calls, written);
    ck_assert_uint_eq(totals().duplicates, 0);
}
END_TEST

/* The most memory that this process ever had, in KiB. */
static unsigned long peak_kib(void)
{
    char line[256];
    unsigned long kib = 0;
    FILE *f = fopen("/proc/self/status", "re");

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoul(line + 6, NULL, 10);
    fclose(f);
    return kib;
}

/* Lines without an end, and the NULs that a crash leaves: 32 MiB of each, or a GiB with EM_ALL in the environment. */
START_TEST(endless_lines_and_nuls_take_no_memory)
{
    const size_t size = getenv("EM_ALL") ? (size_t)1 << 30 : (size_t)32 << 20;
    static const char fills[] = { '\0', 'x', ' ' };
    static char block[1 << 20];
    unsigned long before;

    pattern("logs/*.log");
    put("logs/a.log", 2);
    run(3 * EM_US_PER_S);
    before = peak_kib();
    for (size_t i = 0; i < sizeof fills; i++) {
        struct stat st;

        if (fills[i] == '\0') {
            ck_assert_int_eq(stat(at("logs/a.log"), &st), 0);
            ck_assert_int_eq(truncate(at("logs/a.log"), st.st_size + (off_t)size), 0);
        } else {
            memset(block, fills[i], sizeof block);
            for (size_t n = 0; n < size; n += sizeof block)
                put_bytes(at("logs/a.log"), block, sizeof block);
        }
        written_bytes += size;
        if (fills[i] != '\0')
            put_text(at("logs/a.log"), "\n");
        put("logs/a.log", 1);
        for (int k = 0; k < 1 << 16 && totals().messages < written; k++) {
            em_clock_fake_advance(&moved, EM_US_PER_MS);
            play_turn();
        }
        check("endless");
    }
    ck_assert_msg(EM_SANITIZED || peak_kib() - before < 4096, "%lu KiB more", peak_kib() - before);
}
END_TEST

static void limit_pages(int pages)
{
    char sql[64];

    snprintf(sql, sizeof sql, "PRAGMA max_page_count = %d", pages);
    ck_assert_int_eq(sqlite3_exec(store->db.sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
}

START_TEST(a_full_database_stops_reading_and_nothing_is_lost)
{
    struct em_source_row r;
    uint64_t before;

    pattern("logs/*.log");
    put("logs/a.log", 3);
    put("logs/b.log", 1);
    run(3 * EM_US_PER_S);
    limit_pages(40);
    put("logs/a.log", 300);
    put("logs/b.log", 300);
    r = until(EM_SOURCE_FAILED);
    ck_assert_msg(strstr(r.error, "full"), "%s", r.error);
    before = totals().messages;
    ck_assert_uint_lt(before, written);
    move("logs/a.log", "logs/a.old"); /* meanwhile the world goes on */
    put("logs/a.log", 3);
    delete ("logs/b.log");
    run(5 * EM_US_PER_S);
    ck_assert_uint_eq(row().state, EM_SOURCE_FAILED);
    limit_pages(100000);
    (void)until(EM_SOURCE_CAUGHT_UP);
    check("full");
}
END_TEST

START_TEST(more_files_than_can_be_followed)
{
    const struct timespec long_ago[2] = { { 1000000000, 0 }, { 1000000000, 0 } };

    pattern("logs/*.log");
    for (int i = 0; i < EM_TRACE_FILES_MAX + 1; i++) {
        char name[32];

        snprintf(name, sizeof name, "logs/%04d.log", i);
        if (i != 500) {
            put(name, 1);
        } else {
            put_bytes(at(name), "x", 1);
            ck_assert_int_eq(utimensat(AT_FDCWD, at(name), long_ago, 0), 0);
        }
    }
    for (int again = 0; again < 2; again++) {
        up();
        run(8 * EM_US_PER_S);
        ck_assert_uint_eq(totals().messages, written);
        ck_assert_uint_eq(row().files, EM_TRACE_FILES_MAX);
        ck_assert_msg(strstr(row().error, "more files"), "%s", row().error);
        for (int i = 0; i < 100; i++) {
            em_clock_fake_advance(&moved, 1000 * EM_US_PER_MS);
            play_turn();
        }
        put("logs/new.log", 1); /* goes before an older one that is at rest */
        run(8 * EM_US_PER_S);
        ck_assert_uint_eq(totals().messages, written);
        ck_assert_uint_eq(totals().duplicates, 0);
        down();
    }
}
END_TEST

START_TEST(quiet_files_are_closed_and_opened_again)
{
    pattern("logs/*.log");
    put("logs/a.log", 2);
    run(3 * EM_US_PER_S);
    em_clock_fake_advance(&moved, 100 * EM_US_PER_S);
    play_turn();
    ck_assert_uint_eq(trace->files_n, 1);
    ck_assert_int_eq(trace->file[0]->state, TRACE_RESTING);
    ck_assert_int_eq(trace->file[0]->fd, -1);
    put("logs/a.log", 1);
    check("resting");
    em_clock_fake_advance(&moved, 100 * EM_US_PER_S);
    play_turn();
    put("logs/a.log", 1);
    move("logs/a.log", "logs/gone"); /* while it was closed */
    put("logs/a.log", 1);
    check("renamed at rest");
    em_clock_fake_advance(&moved, 100 * EM_US_PER_S);
    play_turn();
    put("logs/a.log", 1);
    copy("logs/a.log", "logs/copied");
    cut("logs/a.log");
    put("logs/a.log", 1);
    check("truncated at rest");
}
END_TEST

/* A writer may keep the old file open for long after a rotation, be silent, and write again. */
START_TEST(a_renamed_file_is_followed_for_long)
{
    pattern("logs/a.log");
    put("logs/a.log", 3);
    run(3 * EM_US_PER_S);
    move("logs/a.log", "logs/a.old");
    put("logs/a.log", 1);
    wait_s(9);
    put("logs/a.old", 1);
    check("after 9 s");
    wait_s(600);
    put("logs/a.old", 2);
    check("after 10 minutes");
    wait_s(4000);
    ck_assert_uint_eq(trace->files_n, 1); /* nobody holds it any more */
    put("logs/a.old", 1);
    wait_s(60);
    check("after an hour");
    down();
    put("logs/a.old", 1);
    check("after a restart");
    wait_s(4000);
    down();
    put("logs/a.old", 1);
    check("after the end and a restart");
}
END_TEST

START_TEST(a_deleted_file_is_followed_for_a_while)
{
    char text[2048];
    size_t n;
    int fd;

    pattern("logs/a.log");
    put("logs/a.log", 3);
    run(3 * EM_US_PER_S);
    fd = open(at("logs/a.log"), O_WRONLY | O_APPEND | O_CLOEXEC);
    delete ("logs/a.log");
    wait_s(60);
    n = message(text, sizeof text);
    ck_assert_int_eq(write(fd, text, n), (ssize_t)n);
    written_bytes += n;
    close(fd);
    check("deleted");
    wait_s(650);
    ck_assert_uint_eq(trace->files_n, 0); /* the disk gets its room back */
}
END_TEST

/* Nothing leads to it any more, so that is said; and only then. */
START_TEST(a_deleted_file_is_gone_after_a_restart)
{
    char text[2048];
    size_t n;
    int fd;

    pattern("logs/*.log");
    put("logs/a.log", 3);
    put("logs/b.log", 3);
    run(3 * EM_US_PER_S);
    fd = open(at("logs/a.log"), O_WRONLY | O_APPEND | O_CLOEXEC);
    delete ("logs/a.log");
    wait_s(20);
    n = message(text, sizeof text);
    ck_assert_int_eq(write(fd, text, n), (ssize_t)n);
    written_bytes += n;
    check("deleted");
    ck_assert_uint_eq(doubts().missed, 0);
    down();
    ck_assert_int_eq(write(fd, text, n), (ssize_t)n);
    close(fd);
    for (int again = 0; again < 2; again++) {
        check("what was read before");
        ck_assert_uint_eq(doubts().missed, 1);
        down();
    }
}
END_TEST

static void write_one(int fd)
{
    char text[2048];
    size_t n = message(text, sizeof text);

    ck_assert_int_eq(write(fd, text, n), (ssize_t)n);
    written_bytes += n;
}

/* With descriptors that are kept, what is written to a deleted file counts whether anybody runs here or not. */
START_TEST(a_deleted_file_is_read_on_after_a_restart)
{
    int before, meanwhile;

    manager.there = true;
    pattern("logs/*.log");
    put("logs/before.log", 3);
    put("logs/meanwhile.log", 3);
    put("logs/stays.log", 3);
    run(3 * EM_US_PER_S);
    before = open(at("logs/before.log"), O_WRONLY | O_APPEND | O_CLOEXEC);
    meanwhile = open(at("logs/meanwhile.log"), O_WRONLY | O_APPEND | O_CLOEXEC);
    delete ("logs/before.log");
    wait_s(2);
    for (int again = 0; again < 3; again++) {
        down();
        if (again == 0)
            delete ("logs/meanwhile.log");
        write_one(before);
        write_one(meanwhile);
        check("written while nobody ran");
        write_one(before);
        check("written while it ran");
        ck_assert_uint_eq(doubts().missed, 0);
    }
    close(before);
    close(meanwhile);
    wait_s(650);
    ck_assert_uint_eq(trace->files_n, 1);
    ck_assert_uint_eq(manager.n, 0); /* the disk gets its room back */
    down();
    check("at the end");
    ck_assert_uint_eq(doubts().missed, 0);
}
END_TEST

/* A changed source is another one of the same name: what the last one kept is its own, and what nobody wants goes. */
START_TEST(what_is_kept_changes_hands)
{
    const int gone = open("/", O_RDONLY | O_CLOEXEC);
    int fd;

    manager.there = true;
    pattern("logs/*.log");
    put("logs/a.log", 3);
    run(3 * EM_US_PER_S);
    fd = open(at("logs/a.log"), O_WRONLY | O_APPEND | O_CLOEXEC);
    delete ("logs/a.log");
    wait_s(2);
    ck_assert_uint_eq(manager.n, 1);
    down();
    ck_assert(manager_told("FDSTORE=1\nFDNAME=trace-2-1-1", gone)); /* no such source any more */
    ck_assert(manager_told("FDSTORE=1\nFDNAME=trace-1-1-1", gone)); /* no file */
    ck_assert(manager_told("FDSTORE=1\nFDNAME=other", gone));
    close(gone);
    pattern("other/*.log");
    write_one(fd);
    close(fd);
    check("kept");
    ck_assert_uint_eq(manager.n, 1);
    down();
    OK(unlink(database));
    from_start = false;
    written = written_bytes = 0;
    check("what was written before is not wanted");
    ck_assert_uint_eq(manager.n, 0);
}
END_TEST

static void check_kept(size_t n)
{
    for (size_t i = 0; i < trace->files_n; i++)
        if (!trace->file[i]->listed)
            ck_assert_msg(trace->file[i]->kept, "%s", trace->file[i]->path);
    ck_assert_uint_eq(manager.n, n);
}

/* Files that have a name leave room for those that have none, and give way to them. */
START_TEST(only_so_many_descriptors_are_kept)
{
    enum { OTHERS = EM_KEEP_MAX / 2, FILES = EM_KEEP_MAX / 2 + 20 };
    char name[32];
    int other = open("/", O_RDONLY | O_CLOEXEC);

    pattern("logs/*.log");
    manager.there = true;
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "logs/%d.log", i);
        put(name, 1);
    }
    run(8 * EM_US_PER_S);
    check_kept(EM_KEEP_MAX / 2);
    for (int i = 0; i < OTHERS; i++) { /* of another source */
        snprintf(name, sizeof name, "trace-2-0-%d", i);
        ck_assert(em_keep_put(keep, name, other));
    }
    close(other);
    ck_assert_uint_eq(em_keep_room(keep), 0);
    for (int i = FILES - 1; i > 5; i -= 10) {
        snprintf(name, sizeof name, "logs/%d.log", i);
        delete (name);
        wait_s(1);
        check_kept(EM_KEEP_MAX);
    }
    check("many");
}
END_TEST

START_TEST(only_so_many_files_without_a_name_stay_open)
{
    pattern("logs/*.log");
    for (int i = 0; i < TRACE_NAMELESS_MAX + 10; i++) {
        char name[32], old[32];

        snprintf(name, sizeof name, "logs/%d.log", i);
        snprintf(old, sizeof old, "logs/%d.old", i);
        put(name, 1);
        run(3 * EM_US_PER_S);
        move(name, old);
    }
    wait_s(20);
    ck_assert_uint_eq(trace->files_n, TRACE_NAMELESS_MAX);
    put("logs/5.old", 1);
    put("logs/70.old", 1);
    wait_s(120);
    check("many");
}
END_TEST

/* --- compressed files ------------------------------------------------------------------------------------------------ */

/* As logrotate does: the new file is made beside the old one, which goes when it is complete. */
static void pack(const char *tool, const char *from, const char *to)
{
    char command[512];

    snprintf(command, sizeof command, "%s -c '%s' > '%s'", tool, at(from), at(to));
    ck_assert_int_eq(system(command), 0);
}

static const char *const tools[][2] = { { "gzip", ".gz" }, { "xz -0", ".xz" }, { "zstd -q", ".zst" } };
static const char *tool, *ending;

static const char *packed(const char *name)
{
    static char room[4][64];
    static unsigned next;
    char *to = room[next++ % 4];

    snprintf(to, sizeof room[0], "%s%s", name, ending);
    return to;
}

static void compressed_when_rotated(void)
{
    pattern("logs/a.log*");
    put("logs/a.log", 9);
    step();
    put("logs/a.log", 3);
    move("logs/a.log", "logs/a.log.1");
    put("logs/a.log", 1);
    step();
    pack(tool, "logs/a.log.1", packed("logs/a.log.1"));
    step();
    delete ("logs/a.log.1");
    put("logs/a.log", 2);
    step();
    move(packed("logs/a.log.1"), packed("logs/a.log.2"));
    move("logs/a.log", "logs/a.log.1");
    pack(tool, "logs/a.log.1", packed("logs/a.log.1"));
    put("logs/a.log", 2);
    delete ("logs/a.log.1");
}

/* Nobody ever saw the text, or only the beginning of it. */
static void compressed_unseen(void)
{
    pattern("logs/a.log*");
    put("logs/a.log", 5);
    step();
    put("logs/a.log", 100);
    pack(tool, "logs/a.log", packed("logs/a.log.1"));
    cut("logs/a.log");
    put("logs/a.log", 2);
    put("other", 200);
    pack(tool, "other", packed("logs/a.log.2"));
    step();
    copy(packed("logs/a.log.2"), packed("logs/a.log.3"));
    pack("gzip -1", "other", "logs/a.log.4.gz");
    copy("other", "logs/a.log.5");
    step();
    put("logs/a.log.5", 1);
}

static const struct {
    const char *name;
    void (*go)(void);
    int steps;
} packings[] = {
    { "compressed when rotated", compressed_when_rotated, 4 },
    { "compressed unseen", compressed_unseen, 3 },
};

START_TEST(every_compressed_message_once)
{
    int combinations = 1, n = (int)(sizeof packings / sizeof *packings);
    int steps = packings[_i % n].steps, stride = getenv("EM_ALL") ? 1 : 23;

    tool = tools[_i / n][0];
    ending = tools[_i / n][1];
    for (int i = 0; i < steps; i++)
        combinations *= WAYS;
    for (int c = 0; c < combinations; c += stride) {
        char what[128];

        fresh();
        ways = c;
        snprintf(what, sizeof what, "%s by %s, ways %d", packings[_i % n].name, tool, c);
        packings[_i % n].go();
        wait_s(20);
        check(what);
        down();
        wait_s(20);
        check(what);
        teardown();
    }
}
END_TEST

/* Cut in its middle, then damaged there: what is before it counts once, and the row says what is wrong. */
START_TEST(a_damaged_compressed_file_yields_what_it_holds)
{
    static char noise[100];
    int fd;
    struct stat st;
    uint64_t some;

    pattern("logs/*.gz");
    put("other", 500);
    pack("gzip", "other", "whole");
    copy("whole", "logs/a.gz");
    ck_assert_int_eq(stat(at("whole"), &st), 0);
    ck_assert_int_eq(truncate(at("logs/a.gz"), st.st_size / 2), 0);
    wait_s(20);
    some = totals().messages;
    ck_assert(some > 10 && some < written);
    ck_assert_msg(strstr(row().error, "a.gz") && strstr(row().error, "end too early"), "%s", row().error);
    ck_assert_uint_eq(row().state, EM_SOURCE_CAUGHT_UP);
    down();
    wait_s(20);
    ck_assert_uint_eq(totals().messages, some);
    ck_assert_msg(strstr(row().error, "end too early"), "%s", row().error);
    copy("whole", "logs/a.gz");
    wait_s(20);
    check("whole at last");
    ck_assert_str_eq(row().error, "");
    put("another", 500);
    pack("gzip", "another", "logs/b.gz");
    fd = open(at("logs/b.gz"), O_WRONLY | O_CLOEXEC);
    memset(noise, 0xff, sizeof noise);
    ck_assert_int_eq(pwrite(fd, noise, sizeof noise, st.st_size / 2), sizeof noise);
    close(fd);
    wait_s(20);
    ck_assert_msg(strstr(row().error, "are damaged"), "%s", row().error);
    ck_assert(totals().messages > written - 500 && totals().messages < written);
}
END_TEST

/* Zeros without end, and a text that is longer than is allowed. */
START_TEST(bombs_end)
{
    pattern("logs/*.gz");
    put("other", 50);
    ck_assert_int_eq(truncate(at("other"), 100 * 1024 * 1024), 0);
    pack("gzip", "other", "logs/a.gz");
    wait_s(10);
    for (int i = 0; i < 2000 && row().state != EM_SOURCE_CAUGHT_UP; i++)
        play_turn();
    ck_assert_msg(strstr(row().error, "far more than a log"), "%s", row().error);
    ck_assert_uint_eq(totals().messages, 50);
    down();
    delete ("logs/a.gz");
    delete ("other");
    put("other", 100);
    pack("gzip", "other", "logs/b.gz");
    up();
    trace->unpacked_max = 40000;
    wait_s(20);
    ck_assert_msg(strstr(row().error, "more than a log may have"), "%s", row().error);
    ck_assert(totals().messages > 90 && totals().messages < 150 &&
              totals().bytes < 50 * 1024 * 1024 * UINT64_C(2));
}
END_TEST

/* from_start = no: compressed files are old, too. */
START_TEST(old_compressed_files_stay_old)
{
    pattern("logs/*");
    from_start = false;
    put("other", 20);
    pack("gzip", "other", "logs/a.1.gz");
    written = written_bytes = 0;
    wait_s(20);
    check("old");
    written = 100;
    put("logs/a.2", 3);
    pack("gzip", "logs/a.2", "logs/a.2.gz");
    written = 3;
    wait_s(20);
    check("new");
}
END_TEST

/* --- packet captures ------------------------------------------------------------------------------------------------- */

static void le(struct buf *b, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_u8(b, (uint8_t)(value >> 8 * i));
}

enum { PCAP, PCAPNG, KINDS };

static void put_capture_head(const char *name, int kind)
{
    uint8_t room[64];
    struct buf b = buf_over(room, sizeof room);
    static const uint32_t pcap[] = { 0xa1b2c3d4, 0x00040002, 0, 0, 262144, 101 },
                          ng[] = { 0x0a0d0d0a, 28, 0x1a2b3c4d, 1,      UINT32_MAX,
                                   UINT32_MAX, 28,                           /* section */
                                   1,          20, 101,        262144, 20 }; /* interface */
    const uint32_t *head = kind == PCAP ? pcap : ng;

    for (size_t i = 0; i < (kind == PCAP ? sizeof pcap : sizeof ng) / sizeof *pcap; i++)
        le(&b, head[i], 4);
    put_bytes(at(name), (const char *)b.p, b.n);
}

/* Raw IPv4 and UDP around it. */
static void packet(struct buf *b, const char *text)
{
    size_t n = strlen(text);

    buf_bytes(b, "\x45\0", 2);
    buf_u16(b, (uint16_t)(n + 28));
    buf_bytes(b, "\0\0\0\0\x40\x11\0\0\xc0\0\2\1\xc0\0\2\2\x13\xc4\x13\xc4", 20);
    buf_u16(b, (uint16_t)(n + 8));
    buf_u16(b, 0);
    buf_bytes(b, text, n);
}

/* A call that failed, as one record. */
static size_t record(int kind, char *to, size_t size)
{
    uint8_t room[1024];
    struct buf p = buf_over(room, sizeof room), b = buf_over(to, size);
    char text[512];
    size_t padding;

    snprintf(text, sizeof text,
             "BYE sip:anna@contoso.example SIP/2.0\r\nCall-ID: call-%llu\r\nCSeq: 2 BYE\r\n"
             "ms-client-diagnostics: 23; reason=\"Call failed\"\r\nContent-Length: 0\r\n\r\n",
             (unsigned long long)written++);
    packet(&p, text);
    padding = -p.n & 3;
    if (kind == PCAPNG) {
        le(&b, 6, 4);
        le(&b, (uint32_t)(32 + p.n + padding), 4);
        le(&b, 0, 4);
    }
    le(&b, 1443434400, 4);
    le(&b, (uint32_t)written, 4);
    le(&b, (uint32_t)p.n, 4);
    le(&b, (uint32_t)p.n, 4);
    buf_bytes(&b, p.p, p.n);
    if (kind == PCAPNG) {
        le(&b, 0, (int)padding);
        le(&b, (uint32_t)(32 + p.n + padding), 4);
    }
    ck_assert(!b.full);
    return b.n;
}

static void put_packets(const char *name, int kind, unsigned messages)
{
    char bytes[2048];

    for (unsigned i = 0; i < messages; i++)
        put_bytes(at(name), bytes, record(kind, bytes, sizeof bytes));
}

static void check_captures(const char *what)
{
    struct em_totals t;

    run(20 * EM_US_PER_S);
    wait_s(15);
    t = totals();
    ck_assert_msg(t.messages == written && t.calls == written && t.malformed == 0 && row().error[0] == '\0',
                  "%s: %llu messages, %llu calls, %llu malformed of %llu; %s", what,
                  (unsigned long long)t.messages, (unsigned long long)t.calls,
                  (unsigned long long)t.malformed, (unsigned long long)written, row().error);
}

START_TEST(captures_are_followed)
{
    char bytes[2048];
    size_t n;

    if (!capture_recognise("\xd4\xc3\xb2\xa1", 4)) /* a build without libpcap */
        return;
    pattern("logs/*.pcap*");
    put_capture_head("logs/a.pcap", _i);
    check_captures("nothing yet");
    put_packets("logs/a.pcap", _i, 3);
    check_captures("begun");
    put_packets("logs/a.pcap", _i, 2);
    n = record(_i, bytes, sizeof bytes);
    written--;
    put_bytes(at("logs/a.pcap"), bytes, 30);
    check_captures("within a record");
    put_bytes(at("logs/a.pcap"), bytes + 30, n - 30);
    written++;
    down();
    put_packets("logs/a.pcap", _i, 2);
    check_captures("while nobody ran");
    down();
    check_captures("after a restart");
    put_packets("logs/a.pcap", _i, 1);
    up(); /* no turn of the loop */
    move("logs/a.pcap", "logs/a.pcap1");
    put_capture_head("logs/a.pcap", _i);
    put_packets("logs/a.pcap", _i, 2);
    put_packets("logs/a.pcap1", _i, 1);
    check_captures("rotated");
    down();
    move("logs/a.pcap1", "logs/a.pcap2");
    put_packets("logs/a.pcap", _i, 1);
    check_captures("rotated while nobody ran");
    ck_assert_uint_eq(trace->places_n, 2);
    for (int i = 0; i < 30; i++) { /* never quiet */
        put_packets("logs/a.pcap", _i, 1);
        wait_s(1);
    }
    ck_assert_uint_ge(totals().messages + 10, written);
    check_captures("quiet again");
    ck_assert_uint_eq(doubts().missed, 0);
}
END_TEST

/* With from_start = no; and what does not go. */
START_TEST(captures_that_are_not_read)
{
    if (!capture_recognise("\xd4\xc3\xb2\xa1", 4))
        return;
    pattern("logs/*");
    from_start = false;
    put_capture_head("logs/a", _i);
    put_packets("logs/a", _i, 5);
    written = 0;
    check_captures("old");
    written = 100;
    put_packets("logs/a", _i, 2);
    written = 2;
    check_captures("new");
    put_bytes(at("logs/a"), "\1\2\3\4\5\6\7\10\377\377\377\377\377\377\377\377", 16);
    wait_s(20);
    ck_assert_msg(strstr(row().error, "its packet capture data are damaged"), "%s", row().error);
    ck_assert_uint_eq(totals().messages, written);
    delete ("logs/a");
    wait_s(20);
    put_bytes(at("logs/b"), "\xd4\xc3\xb2\xa1\2\0\4\0\0\0\0\0\0\0\0\0\0\0\4\0\x7f\0\0\0", 24);
    wait_s(20);
    ck_assert_msg(strstr(row().error, "link layer that is not known"), "%s", row().error);
}
END_TEST

int main(void)
{
    TCase *t = em_case("files");

    tcase_add_loop_test(t, every_message_once, 0, (int)(sizeof scenarios / sizeof *scenarios));
    tcase_add_loop_test(t, every_compressed_message_once, 0,
                        (int)(sizeof packings / sizeof *packings * sizeof tools / sizeof *tools));
    t = em_case("cases");
    tcase_add_checked_fixture(t, fresh, teardown);
    tcase_add_test(t, the_row_tells_how_it_is);
    tcase_add_test(t, a_turn_is_bounded);
    tcase_add_test(t, growth_is_committed_at_most_20_times_a_second);
    tcase_add_test(t, old_files_when_only_new_text_is_wanted);
    tcase_add_test(t, a_first_scan_that_was_cut_off_makes_no_new_files_of_old_ones);
    tcase_add_test(t, old_files_that_are_not_followed_stay_old);
    tcase_add_test(t, an_unreadable_file_is_tried_again);
    tcase_add_test(t, a_binary_file_is_refused_until_it_changes);
    tcase_add_test(t, the_last_message_of_a_quiet_file_is_reported);
    tcase_add_test(t, a_message_that_pauses_is_counted_whole);
    tcase_add_test(t, a_shorter_copy_outlives_its_original);
    tcase_add_test(t, doubts_are_counted);
    tcase_add_test(t, a_damaged_compressed_file_yields_what_it_holds);
    tcase_add_test(t, bombs_end);
    tcase_add_test(t, old_compressed_files_stay_old);
    tcase_add_loop_test(t, captures_are_followed, 0, KINDS);
    tcase_add_loop_test(t, captures_that_are_not_read, 0, KINDS);
    tcase_add_test(t, a_copy_that_went_on_unseen);
    tcase_add_test(t, shorter_copies_of_a_longer_file);
    tcase_add_test(t, endless_lines_and_nuls_take_no_memory);
    tcase_add_test(t, a_full_database_stops_reading_and_nothing_is_lost);
    tcase_add_test(t, more_files_than_can_be_followed);
    tcase_add_test(t, quiet_files_are_closed_and_opened_again);
    tcase_add_test(t, a_renamed_file_is_followed_for_long);
    tcase_add_test(t, a_deleted_file_is_followed_for_a_while);
    tcase_add_test(t, a_deleted_file_is_gone_after_a_restart);
    tcase_add_test(t, a_deleted_file_is_read_on_after_a_restart);
    tcase_add_test(t, what_is_kept_changes_hands);
    tcase_add_test(t, only_so_many_descriptors_are_kept);
    tcase_add_test(t, only_so_many_files_without_a_name_stay_open);
    return em_run();
}
