/* SPDX-License-Identifier: GPL-3.0-or-later
 * Microsoft's TURN dialect from strangers: parse, frame, check integrity, answer a challenge; and the attributes of its ICE. Nothing may
 * crash, what is found lies within what came, and nothing is accepted under a key that the sender did not have. */
#include <stdlib.h>
#include <string.h>

#include "wire/msice.h"
#include "wire/msturn_auth.h"
#include "wire/rfc4571.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct slice s, const uint8_t *data, size_t size)
{
    if (s.p && ((const uint8_t *)s.p < data || (const uint8_t *)s.p + s.n > data + size))
        abort();
}

static void frames(const uint8_t *data, size_t size)
{
    struct msturn_frame frame;
    struct slice packet;
    int n = msturn_frame(data, size, &frame);

    if (n > 0 && (size_t)n != frame.payload.n + MSTURN_FRAME_HEADER_SIZE)
        abort();
    if (n > 0)
        within(frame.payload, data, size);
    n = rfc4571_frame(data, size, size, &packet);
    if (n > 0)
        within(packet, data, size);
}

/* A request that we sign in answer is one that we would accept. */
static void challenge(const struct msturn_msg *m, uint32_t version)
{
    struct msturn_auth auth;
    struct msturn_msg again;
    uint8_t room[STUN_REQUEST_MAX];
    struct buf b = buf_over(room, sizeof room);

    if (!msturn_auth_init(&auth, SLICE("user"), SLICE("password"), version))
        abort();
    if (msturn_auth_answer(&auth, m) == STUN_AUTH_RETRY) {
        msturn_begin(&b, MSTURN_ALLOCATE, m->tid);
        msturn_auth_sign(&auth, &b);
        if (b.full || msturn_parse(b.p, b.n, &again) != 0 ||
            msturn_check_integrity(&again, &auth.key, auth.sha256) != STUN_INTEGRITY_RIGHT)
            abort();
        if (msturn_auth_answer(&auth, m) == STUN_AUTH_SUCCESS)
            abort();
    }
    msturn_auth_fini(&auth);
}

static void ice(const uint8_t *data, size_t size)
{
    struct stun_msg m;
    struct msice_msg found;

    if (stun_parse(data, size, &m) != 0)
        return;
    msice_parse(&m, &found);
    within(found.candidate, data, size);
    if (msice_check_integrity(&m, SLICE("a password that no corpus holds")) == STUN_INTEGRITY_RIGHT)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stun_key secret = { .bytes = "a key that no corpus holds", .n = 26 };
    struct msturn_msg m;

    frames(data, size);
    ice(data, size);
    if (msturn_parse(data, size, &m) != 0)
        return 0;
    if (!msturn_begins(data, size / 2))
        abort();
    if (msturn_check_integrity(&m, &secret, m.integrity_size == 32) == STUN_INTEGRITY_RIGHT)
        abort();
    within(m.username, data, size);
    within(m.realm, data, size);
    within(m.nonce, data, size);
    within(m.software, data, size);
    within(m.data, data, size);
    within(m.error_reason, data, size);
    challenge(&m, MSTURN_VERSION_ICE);
    challenge(&m, MSTURN_VERSION_SHA256);
    return 0;
}
