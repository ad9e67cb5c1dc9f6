/* SPDX-License-Identifier: GPL-3.0-or-later
 * A scan in several processes. The files are cut into parts at places where a reader can begin anew; each process takes the next part
 * that nobody has taken, and in the end leaves what it knows in a file: the sets of calls, codes and reports, not their sums. The parent
 * joins the sets, so a call that several processes saw counts once. Failures are told in the order of the parts, each by whoever saw it first. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/esc.h"
#include "evidence/scan_state.h"

enum {
    PARTS_PER_JOB = 32, /* so that nobody waits long for the last one */
    JOBS_MAX = 256,
    LOOK_EVERY_MS = 100, /* at the progress */
};

uint64_t scan_part_min = UINT64_C(8) * 1024 * 1024;

struct part {
    uint32_t file;
    uint64_t from, to;
};

/* What all processes see. */
struct shared {
    _Atomic uint64_t bytes;
    _Atomic uint32_t next; /* the part that is to be taken next */
    _Atomic bool stop;
};

struct job {
    pid_t pid;
    FILE *left; /* what it leaves */
    struct record {
        enum { FAILURE = 1, PROBLEM, SETS } kind;
        uint32_t part;
        uint64_t key; /* FAILURE: the member of codes; PROBLEM: the error, negated */
        uint32_t n;   /* bytes that follow */
    } head;
};

struct work {
    struct em_scan *s;
    const char *const *paths;
    size_t paths_n;
    const struct em_scan_watch *watch;
    struct part *parts;
    size_t parts_n, parts_room;
    struct shared *shared;
    struct job jobs[JOBS_MAX];
    unsigned jobs_n;
    /* In a process that was started: */
    struct job *me;
    uint32_t part;     /* that it reads */
    uint64_t told;     /* bytes of it that are in shared->bytes */
    bool write_failed; /* what it leaves is not whole */
};

/* --- the parts ---------------------------------------------------------------------------------------------------- */

static int add_part(struct work *w, struct part part)
{
    if (w->parts_n == w->parts_room) {
        size_t room = w->parts_room ? 2 * w->parts_room : 64;
        struct part *wide = realloc(w->parts, room * sizeof *wide);

        if (!wide)
            return EM_ERR_MEMORY;
        w->parts = wide;
        w->parts_room = room;
    }
    w->parts[w->parts_n++] = part;
    return 0;
}

static uint64_t size_of(const char *path)
{
    struct stat st;

    return strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

/* Cuts one file into parts of about `size` bytes. The last one goes on to the file's end, wherever that is by then. */
static int cut_file(struct work *w, uint32_t file, uint64_t size)
{
    uint64_t all = size_of(w->paths[file]);
    struct part part = { .file = file, .to = UINT64_MAX };
    int fd = all >= 2 * size ? open(w->paths[file], O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1, err = 0;

    if (fd >= 0 && scan_can_split(fd)) {
        while (!err && part.from < all && all - part.from > size + size / 2) {
            part.to = scan_split(fd, part.from + size);
            if (part.to == UINT64_MAX)
                break;
            err = add_part(w, part);
            part = (struct part) { .file = file, .from = part.to, .to = UINT64_MAX };
        }
    }
    if (fd >= 0)
        close(fd);
    return err ? err : add_part(w, part);
}

static int cut_all(struct work *w, unsigned jobs)
{
    uint64_t all = 0, size;
    int err = 0;

    for (size_t i = 0; i < w->paths_n; i++)
        all += size_of(w->paths[i]);
    size = jobs > 1 ? all / ((uint64_t)jobs * PARTS_PER_JOB) : UINT64_MAX / 2;
    if (size < scan_part_min)
        size = scan_part_min;
    for (size_t i = 0; !err && i < w->paths_n; i++)
        err = cut_file(w, (uint32_t)i, size);
    return err;
}

/* --- one part ----------------------------------------------------------------------------------------------------- */

static int read_part(struct work *w, const struct part *part, bool (*progress)(void *, uint64_t),
                     struct em_why *why)
{
    const char *path = w->paths[part->file];
    const struct scan_range range = { .name = path, .from = part->from, .to = part->to };
    bool standard_input = strcmp(path, "-") == 0;
    int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), err;
    char shown[256];
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode))) {
        err = scan_range(w->s, fd, &range, progress, w, why);
    } else {
        int why_not = fd >= 0 ? EISDIR : errno;

        esc_line_into(shown, sizeof shown, slice_of(path));
        err = em_fail(why, EM_ERR_SYSTEM, "%s: %s", shown, strerror(why_not));
    }
    if (fd >= 0 && !standard_input)
        close(fd);
    return err;
}

/* --- in this process ---------------------------------------------------------------------------------------------- */

static bool progress_here(void *arg, uint64_t bytes)
{
    struct work *w = arg;
    bool more;

    w->shared->bytes += bytes - w->told;
    w->told = bytes;
    more = !w->watch->progress || w->watch->progress(w->watch->arg, w->shared->bytes);
    w->shared->stop |= !more;
    return more;
}

/* A limit or a lack of memory makes all numbers wrong; other errors are those of one file. */
static bool ends_all(int err)
{
    return err == EM_ERR_LIMIT || err == EM_ERR_MEMORY;
}

static int read_here(struct work *w, struct em_why *why)
{
    for (size_t i = 0; i < w->parts_n && !w->shared->stop; i++) {
        int err;

        w->told = 0;
        err = read_part(w, &w->parts[i], progress_here, why);
        if (ends_all(err))
            return err;
        if (err && w->watch->problem)
            w->watch->problem(w->watch->arg, w->parts[i].file, err, why->text);
    }
    return 0;
}

/* --- in a process that was started -------------------------------------------------------------------------------- */

static void leave(struct work *w, struct record head, const void *bytes)
{
    if (fwrite(&head, sizeof head, 1, w->me->left) != 1 ||
        (bytes && head.n > 0 && fwrite(bytes, head.n, 1, w->me->left) != 1))
        w->write_failed = true;
}

/* Most of a row are the zeros behind its texts: they are left out. Pieces of a number of zeros and a number of bytes that follow, 16 bits
 * each, and the bytes. */
enum { ROW = sizeof(struct em_failure_row), ROW_PACKED_MAX = 2 * ROW, ZEROS_WORTH = 4 };

static uint32_t pack_row(const struct em_failure_row *row, uint8_t to[ROW_PACKED_MAX])
{
    const uint8_t *p = (const uint8_t *)row;
    uint32_t n = 0;

    for (size_t i = 0; i < ROW;) {
        size_t zeros = i, bytes, run = 0;
        uint16_t counts[2];

        while (zeros < ROW && p[zeros] == 0)
            zeros++;
        for (bytes = zeros; bytes < ROW && run < ZEROS_WORTH; bytes++)
            run = p[bytes] == 0 ? run + 1 : 0;
        bytes -= run;
        counts[0] = (uint16_t)(zeros - i);
        counts[1] = (uint16_t)(bytes - zeros);
        memcpy(to + n, counts, sizeof counts);
        memcpy(to + n + sizeof counts, p + zeros, counts[1]);
        n += (uint32_t)sizeof counts + counts[1];
        i = bytes;
    }
    return n;
}

static bool unpack_row(const uint8_t *from, size_t n, struct em_failure_row *row)
{
    uint8_t *to = (uint8_t *)row;
    size_t at = 0;
    uint16_t counts[2];

    memset(row, 0, sizeof *row);
    while (n >= sizeof counts) {
        memcpy(counts, from, sizeof counts);
        from += sizeof counts;
        n -= sizeof counts;
        if (counts[1] > n || (size_t)counts[0] + counts[1] > ROW - at)
            return false;
        memcpy(to + at + counts[0], from, counts[1]);
        at += (size_t)counts[0] + counts[1];
        from += counts[1];
        n -= counts[1];
    }
    return n == 0 && at == ROW;
}

static void failure_there(void *arg, const struct em_failure_row *row)
{
    struct work *w = arg;
    uint8_t packed[ROW_PACKED_MAX];

    leave(w, (struct record) { FAILURE, w->part, w->s->code_key, pack_row(row, packed) }, packed);
}

static bool progress_there(void *arg, uint64_t bytes)
{
    struct work *w = arg;

    w->shared->bytes += bytes - w->told;
    w->told = bytes;
    return !w->shared->stop;
}

/* Takes parts until there are none. Never returns. */
static _Noreturn void be_a_job(struct work *w, struct job *me)
{
    struct em_why why = { "" };
    uint32_t part;

    w->me = me;
    w->s->arg = w;
    w->s->failure = w->s->failure ? failure_there : NULL;
    while (!w->shared->stop && !w->write_failed && (part = w->shared->next++) < w->parts_n) {
        int err;

        w->part = part;
        w->told = 0;
        err = read_part(w, &w->parts[part], progress_there, &why);
        if (err)
            leave(w, (struct record) { PROBLEM, part, (uint64_t)-err, (uint32_t)strlen(why.text) }, why.text);
        if (ends_all(err))
            w->shared->stop = true;
    }
    leave(w, (struct record) { .kind = SETS, .part = UINT32_MAX }, NULL);
    if (w->write_failed || scan_save(w->s, me->left) != 0 || fflush(me->left) != 0)
        _exit(1);
    _exit(0);
}

/* --- starting and waiting ----------------------------------------------------------------------------------------- */

/* An unnamed file; what is left can be more than memory should hold. */
static FILE *unnamed_file(void)
{
    const char *dir = getenv("TMPDIR");
    int fd = open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w+") : tmpfile();

    if (!f && fd >= 0)
        close(fd);
    return f;
}

/* alive: closed on its own when a process ends, so that the parent sees it. */
static int start(struct work *w, int alive[2], struct em_why *why)
{
    struct job *job = &w->jobs[w->jobs_n];
    pid_t parent = getpid();

    *job = (struct job) { .left = unnamed_file() };
    if (!job->left)
        return em_fail(why, EM_ERR_SYSTEM,
                       "no temporary file can be made: %s; set TMPDIR to a directory with room",
                       strerror(errno));
    job->pid = fork();
    if (job->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        close(alive[0]);
        be_a_job(w, job);
    }
    if (job->pid < 0) {
        fclose(job->left);
        return em_fail(why, EM_ERR_SYSTEM, "no further process can be started: %s; use fewer --jobs",
                       strerror(errno));
    }
    w->jobs_n++;
    return 0;
}

static void watch_them(struct work *w, int alive)
{
    struct pollfd all_gone = { .fd = alive, .events = POLLIN };

    while (poll(&all_gone, 1, LOOK_EVERY_MS) <= 0)
        if (w->watch->progress && !w->watch->progress(w->watch->arg, w->shared->bytes))
            w->shared->stop = true;
}

/* All of them, whatever became of them. */
static int reap(struct work *w, struct em_why *why)
{
    int err = 0, status;

    for (unsigned i = 0; i < w->jobs_n; i++) {
        while (waitpid(w->jobs[i].pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (WIFSIGNALED(status))
            err =
                em_fail(why, EM_ERR_SYSTEM,
                        "a process of the scan was ended by signal %d; nothing is counted", WTERMSIG(status));
        else if (WEXITSTATUS(status) != 0)
            err = em_fail(
                why, EM_ERR_SYSTEM,
                "a process of the scan could not write what it found; set TMPDIR to a directory with room");
    }
    return err;
}

/* --- joining ------------------------------------------------------------------------------------------------------ */

static bool next_record(struct job *job)
{
    return fread(&job->head, sizeof job->head, 1, job->left) == 1;
}

static int join_failure(struct work *w, struct job *job)
{
    uint8_t packed[ROW_PACKED_MAX];
    struct em_failure_row row;

    if (job->head.n > sizeof packed || fread(packed, 1, job->head.n, job->left) != job->head.n ||
        !unpack_row(packed, job->head.n, &row))
        return EM_ERR_CORRUPT;
    return scan_join_failure(w->s, job->head.key, &row);
}

static int join_problem(struct work *w, struct job *job, struct em_why *why)
{
    struct em_why text = { "" };
    int err = -(int)job->head.key;

    if (job->head.n >= sizeof text.text ||
        (job->head.n > 0 && fread(text.text, job->head.n, 1, job->left) != 1))
        return EM_ERR_CORRUPT;
    if (ends_all(err))
        return em_fail(why, err, "%s", text.text);
    if (w->watch->problem)
        w->watch->problem(w->watch->arg, w->parts[job->head.part].file, err, text.text);
    return 0;
}

/* Records in the order of their parts; within a part they are one process's. */
static struct job *first_record(struct work *w)
{
    struct job *first = NULL;

    for (unsigned i = 0; i < w->jobs_n; i++)
        if (w->jobs[i].head.kind != SETS && (!first || w->jobs[i].head.part < first->head.part))
            first = &w->jobs[i];
    return first;
}

static int join(struct work *w, struct em_why *why)
{
    struct job *job;
    int err = 0;

    for (unsigned i = 0; i < w->jobs_n; i++) {
        rewind(w->jobs[i].left);
        if (!next_record(&w->jobs[i]))
            return EM_ERR_CORRUPT;
    }
    while (!err && (job = first_record(w)) != NULL) {
        err = job->head.kind == FAILURE ? join_failure(w, job) : join_problem(w, job, why);
        if (!err && !next_record(job))
            err = EM_ERR_CORRUPT;
    }
    for (unsigned i = 0; !err && i < w->jobs_n; i++)
        err = scan_load(w->s, w->jobs[i].left);
    return err;
}

static int read_there(struct work *w, unsigned jobs, struct em_why *why)
{
    int alive[2], err = 0, end;

    if (pipe2(alive, O_CLOEXEC) != 0)
        return em_fail(why, EM_ERR_SYSTEM, "no pipe can be made: %s", strerror(errno));
    while (!err && w->jobs_n < jobs)
        err = start(w, alive, why);
    close(alive[1]);
    w->shared->stop |= err != 0;
    watch_them(w, alive[0]);
    close(alive[0]);
    end = reap(w, why);
    if (!err)
        err = end;
    if (!err && (err = join(w, why)) == EM_ERR_CORRUPT)
        (void)em_fail(why, err,
                      "what a process of the scan left is not whole; set TMPDIR to a directory with room");
    for (unsigned i = 0; i < w->jobs_n; i++)
        fclose(w->jobs[i].left);
    return err;
}

int em_scan_files(struct em_scan *s, const char *const *paths, size_t n, unsigned jobs,
                  const struct em_scan_watch *watch, struct em_why *why)
{
    static const struct em_scan_watch nobody = { 0 };
    struct work *w = calloc(1, sizeof *w);
    void *shared = mmap(NULL, sizeof *w->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct em_why unasked = { "" };
    int err = EM_ERR_MEMORY;

    why = why ? why : &unasked;
    if (w && shared != MAP_FAILED) {
        *w = (struct work) {
            .s = s, .paths = paths, .paths_n = n, .watch = watch ? watch : &nobody, .shared = shared
        };
        err = cut_all(w, jobs);
        if (jobs > w->parts_n)
            jobs = (unsigned)w->parts_n;
        if (jobs > JOBS_MAX)
            jobs = JOBS_MAX;
        if (!err)
            err = jobs > 1 ? read_there(w, jobs, why) : read_here(w, why);
    }
    if (err == EM_ERR_MEMORY)
        (void)em_fail(why, err, "%s", em_err_text(err));
    if (w)
        free(w->parts);
    if (shared != MAP_FAILED)
        munmap(shared, sizeof *w->shared);
    free(w);
    return err;
}
