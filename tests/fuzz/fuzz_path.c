/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a far end says to the payloads of the differential test: nothing may crash, what is an answer or a stranger's stays so when more bytes
 * come, and whoever is told to be a stranger is one in words that are safe to print. The first byte chooses payload and transport. */
#include <stdlib.h>
#include <string.h>

#include "probe/path_payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_words(enum em_path_answer is, enum em_verdict v, const char *reason)
{
    if ((is == EM_PATH_STRANGER) != (v != 0) || (is == EM_PATH_STRANGER && !*reason))
        abort();
    for (; *reason; reason++)
        if ((unsigned char)*reason < ' ' || *reason == 0x7F)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t random[EM_PATH_PAYLOAD_MAX] = {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
    };
    enum em_path_answer before = EM_PATH_WAIT;
    enum em_path_payload payload;
    enum em_transport transport;

    if (size < 1)
        return 0;
    payload = (enum em_path_payload)((data[0] & 0x7F) % EM_PATH_PAYLOADS);
    transport = data[0] & 0x80 ? EM_TRANSPORT_UDP : EM_TRANSPORT_TCP;
    for (size_t n = 0; n < size && n <= 600; n++) {
        char reason[EM_REASON_MAX] = "";
        enum em_verdict v;
        enum em_path_answer is =
            em_path_read(payload, transport, random, data + 1, n, &v, reason, sizeof reason);

        check_words(is, v, is == EM_PATH_STRANGER ? reason : "");
        if (transport == EM_TRANSPORT_TCP && before == EM_PATH_ANSWER && is == EM_PATH_STRANGER)
            abort();
        before = is;
    }
    return 0;
}
