/* SPDX-License-Identifier: GPL-3.0-or-later
 * What stands where a pseudo-TLS hello should be: nothing may crash, a judgement never changes when more bytes come, and only the
 * hello is the hello. */
#include <stdlib.h>
#include <string.h>

#include "wire/pseudotls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void grow(enum pseudotls (*read)(const uint8_t *p, size_t n), const uint8_t *data, size_t size)
{
    enum pseudotls before = PSEUDOTLS_MORE;

    for (size_t n = 0; n <= size && n <= 2 * PSEUDOTLS_HELLO_MAX; n++) {
        enum pseudotls now = read(data, n);

        if (before != PSEUDOTLS_MORE && now != before)
            abort();
        before = now;
    }
    if (size >= PSEUDOTLS_HELLO_MAX && read(data, size) == PSEUDOTLS_MORE)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t hello[PSEUDOTLS_SERVER_SIZE];

    grow(pseudotls_read_server, data, size);
    grow(pseudotls_read_client, data, size);
    if (pseudotls_read_server(data, size) == PSEUDOTLS_RIGHT) {
        pseudotls_put_server(hello, data + 11, data + 44);
        if (memcmp(hello, data, PSEUDOTLS_SERVER_SIZE) != 0)
            abort();
    }
    if (pseudotls_read_client(data, size) == PSEUDOTLS_RIGHT) {
        pseudotls_put_client(hello, data + 11);
        if (memcmp(hello, data, PSEUDOTLS_CLIENT_SIZE) != 0)
            abort();
    }
    return 0;
}
