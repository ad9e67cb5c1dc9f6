/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside the trace source: the files it follows and the places it has read up to. Only lib/source/trace*.c and its tests include it.
 *
 * A place is what the store remembers of a file: where reading goes on, and by what its content is known again. A file is
 * something that has a name at the moment. A file is looked at (FRESH) before anything of it is read, and then is
 *
 *     EMPTY       nothing in it yet
 *     ACTIVE      open, with a reader; owns its place
 *     RESTING     owns its place, read to its end, without a reader because nothing comes. It is closed if it has a name, and kept
 *                 open if it has none: whoever writes to it may still hold it open, too
 *     COPY        holds what another file of the same directory holds; nothing of it is read. When the other one is truncated,
 *                 its unread rest is read here
 *     WAITING     compressed, and still being written, or the files that it may be made of are not read to their ends
 *     UNPACKING   compressed; owns its place when it is known
 *     REFUSED     not text; looked at again when it changes
 *     UNREADABLE  tried again at every scan
 *
 * Whatever happened to a file meanwhile is decided by content: it is the one we know if it begins as it did and if the bytes
 * before the place are those that were read. That is why a restart needs no other rules than a running process does, and why
 * anything that goes wrong with the database is answered with trace_reset(): forget everything, and take the places from the
 * store again.
 */
#ifndef EM_SOURCE_FOLLOW_H
#define EM_SOURCE_FOLLOW_H

#include <sys/stat.h>

#include "evidence/reader.h"
#include "source/trace.h"

enum {
    TRACE_CHUNK = 64 * 1024,        /* bytes of one file before the next has its turn */
    TRACE_LOOK_COST = 16 * 1024,    /* what looking at a fresh file costs of a turn's bytes */
    TRACE_RECENT_MAX = 1024 * 1024, /* bytes kept before the place of reading */
    TRACE_DIRS_MAX = 256,           /* directories that are watched */
    TRACE_ENTRIES_MAX = 20000,      /* entries of a directory in which a copy is looked for */
    TRACE_PLACES_TIDY = 2000, /* more places than this: the oldest of files that are gone are forgotten */
    TRACE_SCAN_US = 2 * 1000 * 1000,  /* patterns are looked at again, whatever inotify says */
    TRACE_SCAN_PAUSE_US = 200 * 1000, /* between two scans, however many files come and go */
    TRACE_PAUSE_US = 50 * 1000, /* between two turns that follow growing files: at most 20 commits a second */
    TRACE_IDLE_US = 2 * 1000 * 1000,   /* then the last message of a quiet file is reported */
    TRACE_LEAVE_US = 5 * 1000 * 1000,  /* then a file without a name in the patterns needs no reader */
    TRACE_NAMELESS_MAX = 64,           /* quiet files without a name that are kept open */
    TRACE_RETRY_US = 2 * 1000 * 1000,  /* the database is tried again */
    TRACE_REST_US = 60 * 1000 * 1000,  /* then a quiet file is closed */
    TRACE_TIDY_US = 600 * 1000 * 1000, /* between two looks for places to forget */
    TRACE_NOTES_MAX = 5000,            /* files that are noted when only what is new is wanted */
    TRACE_NEAR_DIRS_MAX =
        64, /* directories beside those of the files in which a moved one is looked for, and */
    TRACE_NEAR_ENTRIES_MAX = 20000, /* entries of all of them */
    TRACE_SAMPLED_MIN = 1024,       /* less than this that is the same does not make a copy */
};
/* from_start = no: the first scan notes how long each file is, before any of them is looked at, in one transaction with a row without a
 * file, which says that it was done. A note is a place without a head. */
enum {
    TRACE_FIRST_DONE = 0,
    TRACE_FIRST_UNDER_WAY = 1
}; /* the row's offset; the latter was written by older versions */
#define TRACE_LINGER_US (INT64_C(3600) * EM_US_PER_S) /* then a file without a name is at its end */
#define TRACE_DELETED_US (INT64_C(600) * EM_US_PER_S) /* the same when it is deleted: it takes up the disk */
#define TRACE_REVISIT_US (INT64_C(60) * EM_US_PER_S)  /* between two looks whether such an end has moved */
#define TRACE_FORGET_US (INT64_C(30) * 24 * 3600 * EM_US_PER_S)

struct trace_head { /* the first bytes of a file */
    uint8_t bytes[EM_HEAD_MAX];
    size_t n;
};

struct trace_file;

struct trace_place {
    int64_t id; /* in the store; 0 = not yet */
    struct em_reader_mark mark;
    uint64_t device, inode, head_hash, tail_hash;
    uint32_t head_size, tail_size;
    int64_t seen_us;
    char *path; /* without links */
    bool ended, rested;
    bool searched;   /* its directory was looked through since it lost its file */
    uint64_t packed; /* see struct em_position */
    struct em_samples samples;
    struct trace_file *owner;
    const struct trace_file
        *fits; /* the compressed file in whose text the bytes before the place were found */
};

enum trace_state {
    TRACE_FRESH,
    TRACE_EMPTY,
    TRACE_ACTIVE,
    TRACE_RESTING,
    TRACE_COPY,
    TRACE_WAITING,
    TRACE_UNPACKING,
    TRACE_REFUSED,
    TRACE_UNREADABLE
};

struct trace_file {
    struct em_trace *trace;
    enum trace_state state;
    char *path; /* as the pattern found it */
    char *real; /* without links */
    uint64_t device, inode;
    bool listed;      /* the last scan found it by a pattern */
    bool named;       /* during a scan: by this path */
    char *other_path; /* during a scan: by another one */
    int fd;           /* -1: closed */
    bool kept;        /* a copy of the descriptor is in trace->keep */
    uint64_t size;
    int64_t mtime_ns; /* as of the last look */

    bool is_packed; /* compressed, or a capture; the sizes of its place are of its text */
    bool is_capture;
    int64_t unpacked_us;            /* monotonic time of the last time that was begun; 0: never */
    uint64_t unpacked_size;         /* of the file then */
    struct trace_packed *packed;    /* UNPACKING */
    struct trace_place *place;      /* ACTIVE, RESTING, UNPACKING */
    struct trace_file *original;    /* COPY */
    uint64_t copied, copied_head;   /* it was one: so much of it; hash of its head */
    struct em_reader *reader;       /* ACTIVE */
    struct em_reader_stats counted; /* what of the reader's counts is in the store */
    bool dirty;                     /* the place must be written although nothing was read */
    uint64_t pushed;                /* bytes up to here were given to the reader */
    uint8_t *recent; /* the bytes before `pushed`: from the mark on, and EM_TAIL_MAX before it */
    size_t recent_n, recent_room;
    int64_t grown_us; /* monotonic time of the last growth */
    bool idled;
    char error[EM_REASON_MAX];
};

struct em_trace {
    struct em_net *net;
    const struct em_clock *clock;
    struct em_store *store;
    struct em_keep *keep; /* NULL: nothing is kept over a restart */
    uint32_t source;
    char name[EM_NAME_MAX];
    char *pattern[EM_SOURCE_PATHS_MAX];
    size_t patterns_n;
    bool from_start;
    uint64_t unpacked_max; /* EM_TRACE_UNPACKED_MAX, or what a test sets */
    void (*changed)(void *arg);
    void *arg;

    struct em_timer *timer;
    struct em_watch *watch;
    int inotify; /* -1: none, scans alone must do */
    int dir[TRACE_DIRS_MAX];
    size_t dirs_n;

    struct trace_file **file;
    size_t files_n, files_room, next; /* next: whose turn it is */
    struct trace_place **place;
    size_t places_n, places_room;
    uint8_t *chunk;          /* TRACE_CHUNK + EM_TAIL_MAX bytes */
    struct trace_head *head; /* room for any */
    struct trace_head *look; /* of the file that trace_look() is at */

    uint64_t moves;     /* counts what trace_replaced() changed: files may have gone */
    bool loaded;        /* the places are those of the store */
    bool first;         /* the first scan is not done: files that are there are old */
    bool under_way;     /* the store says that the first scan was not done */
    int64_t sentinel;   /* id of the row that says how far the first scan came; 0: none */
    bool scanned;       /* at least once */
    bool peek;          /* inotify said something: look at the quiet files, too */
    bool too_many;      /* more files than EM_TRACE_FILES_MAX match */
    bool transaction;   /* open in the store */
    bool broken;        /* something of the store failed in this turn: why tells */
    bool failed;        /* the store is being tried again */
    int64_t scan_us;    /* monotonic time of the next scan */
    int64_t turn_us;    /* of the last turn */
    int64_t retry_us;   /* after a failure */
    int64_t scanned_us; /* of the last scan */
    int64_t tidied_us;  /* places were tidied */
    int64_t revisit_us; /* monotonic time of the next look at ended places */
    struct em_why why;
    struct em_source_row told; /* state and error as of the last call of changed */
};

/* trace_content.c: what a file holds. All of them read with pread and believe nothing that does not hold at the moment. */
bool trace_head_read(int fd, struct trace_head *h);
uint64_t trace_head_hash(const struct trace_head *h, size_t n);
bool trace_place_fits(int fd, uint64_t size, const struct trace_head *h, const struct trace_place *p);
bool trace_is_prefix(int fd, uint64_t size, int other,
                     uint64_t other_size); /* the first file's bytes begin the other's */
void trace_place_tail(struct trace_place *p, const struct trace_file *f);
/* The n bytes before `end` were read. */
void trace_samples_add(struct em_samples *s, const uint8_t *bytes, size_t n, uint64_t end);
void trace_samples_take(struct em_samples *s, int fd, uint64_t size); /* of a file up to there */
/* How far the file, which ends before what the samples are of, is the same: at the last sample, or 0. */
uint64_t trace_samples_fit(const struct em_samples *s, int fd, uint64_t size);

/* A file of the first scan that nobody has looked at. */
static inline bool trace_is_note(const struct trace_place *p)
{
    return p->head_size == 0 && p->mark.offset > 0;
}

/* A file that has no name any more, open so that what somebody still writes to it is seen. */
static inline bool trace_lingers(const struct trace_file *f)
{
    return !f->listed && f->state == TRACE_RESTING && f->fd >= 0;
}

static inline bool trace_holds_place(const struct trace_file *f)
{
    return f->state == TRACE_ACTIVE || f->state == TRACE_RESTING;
}

/* trace_file.c: one file. */
struct trace_file *trace_file_add(struct em_trace *t, const char *path,
                                  const struct stat *st); /* NULL: no memory */
void trace_file_remove(struct em_trace *t, struct trace_file *f);
void trace_file_again(struct trace_file *f); /* to FRESH: gives back place and reader, keeps the descriptor */
bool trace_file_open(
    struct trace_file *f); /* false: state and error are set, or it is gone (state FRESH, fd -1) */
bool trace_file_attach(struct trace_file *f, struct trace_place *p); /* to ACTIVE at the place */
void trace_file_named(struct trace_file *f); /* its name or inode changed: so does its place */
bool trace_file_at_end(struct trace_file *f, uint64_t size); /* an old file: only what comes counts */
size_t trace_file_read(struct trace_file *f, size_t most);   /* one chunk; bytes read */
void trace_file_refused(struct trace_file *f);               /* as the reader says */
size_t trace_file_push(struct trace_file *f, const uint8_t *p, size_t n);
/* A reader at the place, behind these n bytes, at most EM_TAIL_MAX. */
bool trace_file_go_on(struct trace_file *f, const uint8_t *before, size_t n);
void trace_file_rest(struct trace_file *f);  /* to RESTING */
bool trace_file_quiet(struct trace_file *f); /* idle, end, rest: what time brings */
bool trace_file_save(struct trace_file *f);  /* counts and place into the transaction */
/* The file lets go of its place: what its copies hold was read, and they stand on their own from now on, at their ends. */
void trace_settle_copies(struct trace_file *f);
void trace_file_close(struct trace_file *f);
bool trace_file_leave(struct trace_file *f); /* nothing more comes: finished, saved, removed; false: broken */
void trace_file_error(struct trace_file *f, enum trace_state state, const char *fmt, ...) EM_PRINTF(3, 4);
int64_t trace_file_deadline(
    const struct trace_file *f); /* when trace_file_quiet() has something to do; INT64_MAX: never */

/* trace_packed.c: compressed files and captures. */
bool trace_is_packed(const struct trace_head *h);
void trace_packed_look(struct trace_file *f); /* open, not empty, and begins as a compressed one */
size_t trace_packed_step(struct trace_file *f,
                         size_t most); /* UNPACKING: what it costs of the turn's bytes */
uint64_t trace_packed_lag(const struct trace_file *f);
void trace_packed_free(struct trace_file *f);

/* trace_find.c: which files there are, and what each of them is. */
void trace_scan(struct em_trace *t);
void trace_peek(struct em_trace *t);
void trace_look(struct em_trace *t, struct trace_file *f); /* at a FRESH one; it may be gone afterwards */
bool trace_has_own_place(const struct em_trace *t, const struct trace_file *f);
struct trace_file *trace_by_inode(const struct em_trace *t, const struct stat *st); /* NULL: none */
size_t trace_dir_length(const char *path); /* of the directory's part, with its slash */
bool trace_same_dir(const char *a, const char *b);
bool trace_continues(struct em_trace *t, const struct trace_file *f, int fd,
                     uint64_t size); /* is the open file what f was, up to the place of reading? */
/* What was read of f up to now goes on in `to`, which is open and no file of its own afterwards. */
void trace_take_over(struct trace_file *f, struct trace_file *to);

/* trace_lost.c: the rest of what was truncated or lost its name. */
void trace_replaced(struct trace_file *f);   /* its content went away under us */
void trace_orphans(struct em_trace *t);      /* places without a file: look for their files */
void trace_revisit(struct em_trace *t);      /* places without a file: has one of theirs grown, or moved? */
void trace_count_missed(struct em_trace *t); /* places whose file was not found */

/* trace_keep.c: descriptors that are kept over a restart. */
void trace_keep_start(struct em_trace *t); /* those of the last time become files */
void trace_keep(struct em_trace *t);       /* what should be kept is, and nothing else */
void trace_unkeep(struct trace_file *f);   /* it goes, or becomes another one */
void trace_keep_stop(struct em_trace *t);  /* whoever comes next may have them */

/* trace_place.c: the places of the source. */
bool trace_room(void **list, size_t n,
                size_t *room); /* in a list of pointers for one more; false: no memory */
int trace_places_load(struct em_trace *t, struct em_why *why) EM_MUST_CHECK;
void trace_places_free(struct em_trace *t);
struct trace_place *trace_place_new(struct em_trace *t);          /* NULL: no memory */
void trace_place_drop(struct em_trace *t, struct trace_place *p); /* from memory only */
void trace_places_tidy(struct em_trace *t);
bool trace_place_save(struct em_trace *t, struct trace_place *p); /* into the transaction; false: broken */
void trace_place_note(struct em_trace *t, const char *path, const struct stat *st);
struct trace_place *trace_note_of(const struct em_trace *t, const struct stat *st); /* NULL: none */
void trace_doubt(struct em_trace *t, uint64_t missed, uint64_t repeated);

/* trace.c */
bool trace_begin(struct em_trace *t); /* opens the turn's transaction; false: broken */
void trace_break(struct em_trace *t, const char *what);

static inline uint64_t trace_lag(const struct trace_file *f)
{
    return (f->state == TRACE_ACTIVE && f->size > f->pushed) ? f->size - f->pushed
           : f->state == TRACE_UNPACKING                     ? trace_packed_lag(f)
           : f->state == TRACE_FRESH || f->state == TRACE_WAITING
               ? f->size - (f->unpacked_size < f->size ? f->unpacked_size : 0)
               : 0;
}

#endif
