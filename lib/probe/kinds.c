/* SPDX-License-Identifier: GPL-3.0-or-later
 * The kinds of probes, a row each. */
#include "probe/probe_kind.h"

const struct em_probe_kind em_probe_kinds[] = {
    { "stun", 3478, EM_TRANSPORT_UDP, true, EM_DIALECT_RFC, NULL, em_stun_begin, em_stun_answer, NULL, NULL },
    { "turn", 3478, EM_TRANSPORT_UDP, true, EM_DIALECT_RFC, NULL, em_turn_begin, em_turn_answer, em_turn_lost,
      em_turn_abandon },
    { "stuns", 5349, EM_TRANSPORT_TLS, true, EM_DIALECT_RFC, NULL, em_stun_begin, em_stun_answer, NULL,
      NULL },
    { "turns", 5349, EM_TRANSPORT_TLS, true, EM_DIALECT_RFC, NULL, em_turn_begin, em_turn_answer,
      em_turn_lost, em_turn_abandon },
    { "tcp", 0, EM_TRANSPORT_TCP, false, EM_DIALECT_NONE, NULL, em_stun_begin, em_port_answer, NULL, NULL },
    { "udp", 0, EM_TRANSPORT_UDP, false, EM_DIALECT_NONE, NULL, em_stun_begin, em_port_answer, NULL, NULL },
    { .scheme = "msturn",
      .missing =
          "the Microsoft dialect is not in this version; tcp:HOST:PORT and udp:HOST:PORT test the ports" },
    { .scheme = "relay",
      .missing =
          "a test through the relay is not in this version; turn: with credentials makes and releases an "
          "allocation" },
    { 0 },
};
