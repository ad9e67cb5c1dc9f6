/* SPDX-License-Identifier: GPL-3.0-or-later
 * HTTP requests of strangers, one behind the other: however they are cut into pieces, the same is read, and bodies keep to their maximum. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "net/http_request.h"

enum { BODY_MAX = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t read_all(const uint8_t *data, size_t size, size_t piece)
{
    struct http_request r;
    uint64_t sum = 0;

    http_request_init(&r, BODY_MAX);
    for (size_t at = 0; at < size && r.state != HTTP_REFUSED;) {
        size_t n = size - at < piece ? size - at : piece, used = http_request_push(&r, data + at, n);

        if (used > n || (used < n && r.state != HTTP_DONE && r.state != HTTP_REFUSED) || r.body.n > BODY_MAX)
            abort();
        at += used;
        if (r.state == HTTP_REFUSED && (r.status < 400 || !*r.why))
            abort();
        if (r.state == HTTP_DONE) {
            sum = sum * 31 + em_hash(&em_hash_key_fixed, r.body.p ? r.body.p : data, r.body.n) +
                  strlen(r.method);
            http_request_next(&r);
        }
    }
    sum = sum * 31 + (uint64_t)r.state * 1000 + (uint64_t)r.status;
    http_request_fini(&r);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 && read_all(data + 1, size - 1, size) != read_all(data + 1, size - 1, 1 + data[0] % 16))
        abort();
    return 0;
}
