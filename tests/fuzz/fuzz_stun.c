/* SPDX-License-Identifier: GPL-3.0-or-later
 * STUN from strangers: parse, frame, check integrity, answer a challenge. Nothing may crash, and nothing may be accepted under a key
 * that the sender did not have. */
#include <stdlib.h>

#include "wire/stun_auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stun_key secret = { .bytes = "a key that no corpus holds", .n = 26 };
    struct stun_auth auth;
    struct stun_msg m;
    int framed = stun_frame(data, size);

    if (framed > 0 && (size_t)framed > size)
        abort();
    if (stun_parse(data, size, &m) != 0)
        return 0;
    if (stun_check_integrity(&m, &secret) == STUN_INTEGRITY_RIGHT)
        abort();
    stun_auth_init(&auth, "user", "password");
    if (stun_auth_answer(&auth, &m) == STUN_AUTH_RETRY) {
        uint8_t room[STUN_REQUEST_MAX];
        struct buf b = buf_over(room, sizeof room);
        struct stun_msg again;

        stun_begin(&b, STUN_ALLOCATE, STUN_REQUEST, m.tid);
        stun_auth_sign(&auth, &b);
        if (!b.full && (stun_parse(b.p, b.n, &again) != 0 ||
                        stun_check_integrity(&again, &auth.key) != STUN_INTEGRITY_RIGHT))
            abort();
    }
    stun_auth_fini(&auth);
    return 0;
}
