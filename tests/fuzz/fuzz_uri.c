/* SPDX-License-Identifier: GPL-3.0-or-later
 * URIs of probes from anywhere (configuration, command line, plugin options): nothing may crash; what is taken is whole and within bounds, and its
 * refusal says why without a control character. */
#include <stdlib.h>
#include <string.h>

#include "probe/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct em_probe_uri *u, const char *text)
{
    bool relay = !u->far[0] && u->far_port == 0;

    if (!u->kind || u->port == 0 || !u->host[0] || strcmp(u->text, text) != 0)
        abort();
    if (!relay && (u->far_port == 0 || !u->far[0]))
        abort();
    if (u->relayed_tcp && u->transport == EM_TRANSPORT_UDP)
        abort();
    for (const char *p = u->text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7F)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct em_probe_uri u;
    struct em_why why = { "" };
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (em_probe_uri_read(text, &u, &why) == 0)
        check(&u, text);
    else if (!why.text[0])
        abort();
    for (const char *p = why.text; *p; p++)
        if ((unsigned char)*p < ' ')
            abort();
    free(text);
    return 0;
}
