/* SPDX-License-Identifier: GPL-3.0-or-later
 * Fragments of IP datagrams put together: an INVITE over UDP rarely fits into one packet. */
#include <stdlib.h>
#include <string.h>

#include "evidence/capture_inside.h"

enum { DATAGRAM_MAX = 65536, UNIT = 8, UNITS = DATAGRAM_MAX / UNIT };

struct datagram {
    struct capture_fragment what; /* its way, id and protocol */
    uint8_t *bytes;               /* DATAGRAM_MAX; NULL: free */
    size_t n;                     /* bytes in all, once the last fragment came; else 0 */
    size_t have;                  /* units that came */
    uint8_t came[UNITS / 8];
    uint64_t age;
};

struct capture_packets {
    struct datagram datagram[CAPTURE_FRAGMENTED_MAX];
    uint8_t *done; /* the one given last */
    uint64_t now;
};

struct capture_packets *capture_packets_new(void)
{
    return calloc(1, sizeof(struct capture_packets));
}

void capture_packets_free(struct capture_packets *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < CAPTURE_FRAGMENTED_MAX; i++)
        free(p->datagram[i].bytes);
    free(p->done);
    free(p);
}

static bool same(const struct capture_fragment *a, const struct capture_fragment *b)
{
    return a->id == b->id && a->protocol == b->protocol && a->way.v6 == b->way.v6 &&
           memcmp(a->way.from, b->way.from, 16) == 0 && memcmp(a->way.to, b->way.to, 16) == 0;
}

/* The datagram of the fragment, or a new one in the place of the oldest. NULL: no memory. */
static struct datagram *find(struct capture_packets *p, const struct capture_fragment *f)
{
    struct datagram *d = &p->datagram[0];
    uint8_t *bytes;

    for (size_t i = 0; i < CAPTURE_FRAGMENTED_MAX; i++) {
        struct datagram *other = &p->datagram[i];

        if (other->bytes && same(&other->what, f))
            return other;
        if (!other->bytes ? d->bytes != NULL : d->bytes && other->age < d->age)
            d = other;
    }
    bytes = d->bytes ? d->bytes : malloc(DATAGRAM_MAX);
    if (!bytes)
        return NULL;
    *d = (struct datagram) { .what = *f, .bytes = bytes, .age = ++p->now };
    return d;
}

/* Marks the units; those of the last fragment are counted up. */
static void mark(struct datagram *d, size_t at, size_t n)
{
    for (size_t unit = at / UNIT; unit < (at + n + UNIT - 1) / UNIT; unit++) {
        uint8_t bit = (uint8_t)(1U << (unit & 7));

        d->have += !(d->came[unit / 8] & bit);
        d->came[unit / 8] |= bit;
    }
}

bool capture_fragment(struct capture_packets *p, const struct capture_fragment *f, struct cur data,
                      struct cur *whole)
{
    size_t n = cur_left(&data);
    struct datagram *d;

    if (n == 0 || f->at + n > DATAGRAM_MAX || (f->more && n % UNIT != 0) || !(d = find(p, f)))
        return false;
    memcpy(d->bytes + f->at, data.p, n);
    mark(d, f->at, n);
    if (!f->more)
        d->n = f->at + n;
    if (d->n == 0 || d->have < (d->n + UNIT - 1) / UNIT)
        return false;
    *whole = cur_of(d->bytes, d->n);
    free(p->done);
    p->done = d->bytes;
    d->bytes = NULL;
    return true;
}
