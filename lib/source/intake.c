/* SPDX-License-Identifier: GPL-3.0-or-later
 * One transaction for what a source brought and the place behind it. */
#include "source/intake.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "evidence/textin.h"

void em_intake_init(struct em_intake *in, const struct em_source_env *env, const char *name)
{
    *in = (struct em_intake) { .name = name, .store = env->store, .number = env->number };
}

int em_intake_begin(struct em_intake *in)
{
    in->seen_put = in->seen_gone = 0;
    return in->err = em_store_begin(in->store, &in->why);
}

int em_intake_report(struct em_intake *in, const char *file, const struct em_report *r)
{
    if (in->err == 0)
        in->err = em_store_report(in->store, in->number, r, file, &in->why);
    return in->err;
}

int em_intake_count(struct em_intake *in, const struct em_reader_stats *delta)
{
    if (in->err == 0)
        in->err = em_store_read(in->store, in->number, delta, &in->why);
    return in->err;
}

static void on_report(void *arg, const struct em_report *r)
{
    struct em_intake *in = arg;
    struct em_report timed = *r;

    timed.time_us = r->time_us != 0 ? r->time_us : in->time_us;
    (void)em_intake_report(in, in->file, &timed);
}

int em_intake_text(struct em_intake *in, const char *file, const void *bytes, size_t n)
{
    static const struct em_reader_mark as_bytes = { .encoding = TEXTIN_BYTES };
    struct em_reader_stats read = { 0 };
    struct em_reader_mark mark;
    struct em_reader *r;
    int err;

    if (in->err != 0)
        return in->err;
    in->file = file;
    if (!(r = em_reader_new(on_report, in, in->plain ? &as_bytes : NULL)))
        return in->err = em_fail(&in->why, EM_ERR_MEMORY, "source %s: no memory", in->name);
    if ((err = em_reader_push(r, bytes, n)) == 0) {
        em_reader_finish(r);
        em_reader_mark(r, &mark, &read);
    } else if (err == EM_ERR_UNSUPPORTED) {
        read = (struct em_reader_stats) { .bytes = n, .messages = 1, .malformed = 1 };
    } else if (in->err == 0) {
        in->err = em_fail(&in->why, err, "source %s: no memory", in->name);
    }
    em_reader_free(r);
    (void)em_intake_count(in, &read);
    return in->err != 0 ? in->err : err;
}

int em_intake_seen(struct em_intake *in, uint64_t key, int64_t at_us, bool *before)
{
    *before = false;
    if (in->err == 0)
        in->err = em_store_seen(in->store, in->number, key, at_us, before, &in->why);
    in->seen_put += in->err == 0 && !*before;
    return in->err;
}

int em_intake_forget(struct em_intake *in, int64_t before_us)
{
    uint64_t n = in->seen_n + in->seen_put, removed = 0, most = EM_INTAKE_SEEN_STEP;

    if (n > EM_INTAKE_SEEN_MAX) {
        before_us = INT64_MAX;
        most = n - EM_INTAKE_SEEN_MAX;
    }
    if (in->err == 0)
        in->err = em_store_seen_forget(in->store, in->number, before_us, most, &removed, &in->why);
    in->seen_gone += removed;
    return in->err;
}

/* The store keeps it as a note. */
static void place_name(const struct em_intake *in, char name[EM_NAME_MAX])
{
    (void)snprintf(name, EM_NAME_MAX, "place %u", in->number);
}

int em_intake_place(struct em_intake *in, const char *place)
{
    char name[EM_NAME_MAX];

    if (in->err != 0)
        return in->err;
    if (strlen(place) >= EM_INTAKE_PLACE_MAX)
        return in->err =
                   em_fail(&in->why, EM_ERR_LIMIT, "source %s: the place to go on at is longer than %d bytes",
                           in->name, EM_INTAKE_PLACE_MAX - 1);
    place_name(in, name);
    return in->err = em_store_note_put(in->store, name, place, &in->why);
}

int em_intake_end(struct em_intake *in)
{
    int err = in->err;

    in->err = 0;
    if (err == 0)
        err = em_store_commit(in->store, &in->why);
    if (err != 0) {
        em_store_rollback(in->store);
        if (!in->failing)
            em_log_error("source %s: reading stops until the database can be written: %s", in->name,
                         in->why.text);
    } else if (in->failing) {
        em_log_info("source %s: reading goes on", in->name);
    }
    if (err == 0) {
        in->seen_n += in->seen_put;
        in->seen_n -= in->seen_gone < in->seen_n ? in->seen_gone : in->seen_n;
    }
    in->failing = err != 0;
    return err;
}

int em_intake_load(struct em_intake *in, char to[EM_INTAKE_PLACE_MAX], struct em_why *why)
{
    char name[EM_NAME_MAX];
    int err;

    place_name(in, name);
    to[0] = '\0';
    err = em_store_note(in->store, name, to, EM_INTAKE_PLACE_MAX, why);
    if (err != 0 && err != EM_ERR_NOT_FOUND)
        return err;
    return em_store_seen_count(in->store, in->number, &in->seen_n, why);
}

const char *em_intake_failure(const struct em_intake *in)
{
    return in->failing ? in->why.text : "";
}
