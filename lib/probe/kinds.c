/* SPDX-License-Identifier: GPL-3.0-or-later
 * The kinds of probes, a row each. */
#include "probe/probe_kind.h"

const struct em_probe_kind em_probe_kinds[] = {
    { "stun", 3478, EM_TRANSPORT_UDP, true, EM_DIALECT_RFC, NULL, NULL },
    { "turn", 3478, EM_TRANSPORT_UDP, true, EM_DIALECT_RFC, NULL, NULL },
    { "tcp", 0, EM_TRANSPORT_TCP, false, EM_DIALECT_NONE, NULL, NULL },
    { "udp", 0, EM_TRANSPORT_UDP, false, EM_DIALECT_NONE, NULL, NULL },
    { "stuns", 5349, EM_TRANSPORT_TLS, false, EM_DIALECT_RFC,
      "STUN over TLS is not in this version; stun:HOST:PORT?transport=tcp tests the port without TLS", NULL },
    { "turns", 5349, EM_TRANSPORT_TLS, true, EM_DIALECT_RFC,
      "TURN over TLS is not in this version; tcp:HOST:PORT tests the port without TLS", NULL },
    { "msturn", 3478, EM_TRANSPORT_UDP, true, EM_DIALECT_MS,
      "the Microsoft dialect is not in this version; turn: or tcp:HOST:PORT test what is the same in both",
      NULL },
    { "relay", 3478, EM_TRANSPORT_UDP, true, EM_DIALECT_RFC,
      "a test through the relay is not in this version; turn: with credentials makes and releases an "
      "allocation",
      NULL },
    { 0 },
};
