/* SPDX-License-Identifier: GPL-3.0-or-later
 * Descriptors that are kept for whoever reads on; see keep.h. */
#include "source/keep.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"

enum { STATE_MAX = 320 }; /* with a name of systemd's, which has at most 255 bytes */

struct kept {
    char name[EM_KEEP_NAME_MAX];
    int fd;
    bool claimed;
};

struct em_keep {
    em_keep_tell_fn tell;
    struct kept kept[EM_KEEP_MAX];
    size_t n;
};

struct em_keep *em_keep_new(em_keep_tell_fn tell)
{
    struct em_keep *k = calloc(1, sizeof *k);

    if (k)
        k->tell = tell;
    return k;
}

void em_keep_free(struct em_keep *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->n; i++)
        (void)close(k->kept[i].fd);
    free(k);
}

static bool tell(const struct em_keep *k, const char *what, const char *name, int fd)
{
    char state[STATE_MAX];

    (void)snprintf(state, sizeof state, "%s=1\nFDNAME=%s", what, name);
    return k->tell(state, fd);
}

static struct kept *find(struct em_keep *k, const char *name)
{
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->kept[i].name, name) == 0)
            return &k->kept[i];
    return NULL;
}

static void enter(struct em_keep *k, const char *name, int fd, bool claimed)
{
    struct kept *new = &k->kept[k->n++];

    *new = (struct kept) { .fd = fd, .claimed = claimed };
    (void)slice_copy(slice_of(name), new->name, sizeof new->name);
}

void em_keep_add(struct em_keep *k, const char *name, int fd)
{
    if (find(k, name)) {
        (void)close(fd);
    } else if (em_keep_room(k) == 0 || strlen(name) >= EM_KEEP_NAME_MAX) {
        (void)tell(k, "FDSTOREREMOVE", name, -1);
        (void)close(fd);
    } else {
        enter(k, name, fd, false);
    }
}

size_t em_keep_room(const struct em_keep *k)
{
    return EM_KEEP_MAX - k->n;
}

bool em_keep_put(struct em_keep *k, const char *name, int fd)
{
    int own;

    if (find(k, name))
        return true;
    if (em_keep_room(k) == 0 || (own = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
        return false;
    if (!tell(k, "FDSTORE", name, own)) {
        (void)close(own);
        return false;
    }
    enter(k, name, own, true);
    return true;
}

static void drop(struct em_keep *k, struct kept *one)
{
    (void)tell(k, "FDSTOREREMOVE", one->name, -1);
    (void)close(one->fd);
    *one = k->kept[--k->n];
}

void em_keep_drop(struct em_keep *k, const char *name)
{
    struct kept *one = find(k, name);

    if (one)
        drop(k, one);
}

int em_keep_claim(struct em_keep *k, const char *prefix, char name[EM_KEEP_NAME_MAX])
{
    int fd = -1;

    for (size_t i = 0; i < k->n && fd < 0; i++) {
        struct kept *one = &k->kept[i];

        if (one->claimed || strncmp(one->name, prefix, strlen(prefix)) != 0)
            continue;
        if ((fd = fcntl(one->fd, F_DUPFD_CLOEXEC, 0)) >= 0) {
            one->claimed = true;
            (void)slice_copy(slice_of(one->name), name, EM_KEEP_NAME_MAX);
        }
    }
    return fd;
}

void em_keep_release(struct em_keep *k, const char *prefix)
{
    for (size_t i = 0; i < k->n; i++)
        if (strncmp(k->kept[i].name, prefix, strlen(prefix)) == 0)
            k->kept[i].claimed = false;
}

void em_keep_tidy(struct em_keep *k)
{
    for (size_t i = k->n; i-- > 0;)
        if (!k->kept[i].claimed)
            drop(k, &k->kept[i]);
}
