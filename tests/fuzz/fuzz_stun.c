/* SPDX-License-Identifier: GPL-3.0-or-later
 * STUN from strangers: parse, frame, check integrity, answer a challenge. Nothing may crash, and nothing may be accepted under a key
 * that the sender did not have. */
#include <stdlib.h>
#include <string.h>

#include "wire/stun_auth.h"
#include "wire/turn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a stranger's frame claims is never more than what is there, and what goes out again is what came in. */
static void frames(const uint8_t *data, size_t size)
{
    uint8_t room[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);
    int framed = stun_frame(data, size);
    struct slice payload;
    uint16_t channel;

    if (framed > 0 && (size_t)framed > size)
        abort();
    if (turn_read_channel_data(data, size, &channel, &payload) != 0)
        return;
    turn_put_channel_data(&b, channel, payload, false);
    if (!b.full && (b.n > size || memcmp(b.p, data, b.n) != 0))
        abort();
}

/* Only what lies in the message may be shown, each attribute behind the one before it. */
static void walk(const struct stun_msg *m)
{
    struct stun_walk w = stun_walk_of(m);
    struct turn_msg t;
    size_t before = 0;

    while (stun_walk_next(&w)) {
        if (w.at <= before || w.value.p < m->bytes + w.at + 4 || w.value.end > m->bytes + m->size)
            abort();
        before = w.at;
    }
    if (turn_parse(m, &t) == 0 && t.relayed_n > TURN_RELAYED_MAX)
        abort();
}

/* A request that we sign in answer is one that we would accept. */
static void challenge(const struct stun_msg *m)
{
    struct stun_auth auth;
    struct stun_msg again;
    uint8_t room[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);

    if (!stun_auth_init(&auth, "user", "password"))
        abort();
    if (stun_auth_answer(&auth, m) == STUN_AUTH_RETRY) {
        stun_begin(&b, STUN_ALLOCATE, STUN_REQUEST, m->tid);
        stun_auth_sign(&auth, &b);
        if (!b.full && (stun_parse(b.p, b.n, &again) != 0 ||
                        stun_check_integrity(&again, &auth.key) != STUN_INTEGRITY_RIGHT))
            abort();
        if (stun_auth_answer(&auth, m) == STUN_AUTH_SUCCESS)
            abort();
    }
    stun_auth_fini(&auth);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stun_key secret = { .bytes = "a key that no corpus holds", .n = 26 };
    struct stun_msg m;

    frames(data, size);
    if (stun_parse(data, size, &m) != 0)
        return 0;
    if (stun_check_integrity(&m, &secret) == STUN_INTEGRITY_RIGHT)
        abort();
    walk(&m);
    challenge(&m);
    return 0;
}
