/* SPDX-License-Identifier: GPL-3.0-or-later
 * Descriptors of files that may have no name any more, kept for whoever reads on: the source that follows this one after a reload, and the next
 * process, for which a service manager holds copies (systemd's file descriptor store). A name says whose a descriptor is; it is unique,
 * printable ASCII without a colon, and shorter than EM_KEEP_NAME_MAX.
 *
 * One that was kept is claimed by its owner when that starts. Owners let go of theirs when they stop, and what nobody claims is dropped by
 * em_keep_tidy(), so that nothing keeps a deleted file's blocks for ever. A process that ends does not tidy: the copies stay.
 */
#ifndef EM_SOURCE_KEEP_H
#define EM_SOURCE_KEEP_H

#include <stdbool.h>
#include <stddef.h>

enum {
    EM_KEEP_MAX = 128, /* as FileDescriptorStoreMax in packaging/edgemediad.service.in */
    EM_KEEP_NAME_MAX = 64,
};

/* Tells the service manager: a line of sd_notify(3), with a descriptor or -1. False: it was not told, and may be later. */
typedef bool (*em_keep_tell_fn)(const char *state, int fd);

struct em_keep;

struct em_keep *em_keep_new(em_keep_tell_fn tell); /* NULL: no memory */
void em_keep_free(struct em_keep *k);              /* NULL is fine. Tells nobody */

/* What the service manager has kept and handed over at the start; fd is taken. What cannot be ours is given back at once. */
void em_keep_add(struct em_keep *k, const char *name, int fd);

/* Keeps a duplicate of fd. True: it is kept, or was already. False: there is no room, or it could not be told. */
bool em_keep_put(struct em_keep *k, const char *name, int fd);
void em_keep_drop(struct em_keep *k, const char *name);
size_t em_keep_room(const struct em_keep *k); /* for so many more */

/* The next unclaimed one whose name begins with prefix: a duplicate, which is the caller's, and its name; -1: there is none. */
int em_keep_claim(struct em_keep *k, const char *prefix, char name[EM_KEEP_NAME_MAX]);
void em_keep_release(struct em_keep *k, const char *prefix);
void em_keep_tidy(struct em_keep *k);

#endif
