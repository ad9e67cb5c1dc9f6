/* SPDX-License-Identifier: GPL-3.0-or-later
 * The kinds of probes, a row each. */
#include "probe/probe_kind.h"

bool em_probe_is_path(const struct em_probe_uri *uri)
{
    return uri->kind && uri->kind->run == em_path_run;
}

bool em_probe_carried(const struct em_probe_uri *uri, const struct em_probe_result *r)
{
    return !uri->kind->carries || r->packets_back > 0;
}

const struct em_probe_kind em_probe_kinds[] = {
    { "stun", 3478, EM_TRANSPORT_UDP, true, EM_DIALECT_RFC, NULL, em_stun_begin, em_stun_answer, NULL, NULL,
      .datagram = NULL },
    { "turn", 3478, EM_TRANSPORT_UDP, true, EM_DIALECT_RFC, NULL, em_turn_begin, em_turn_answer, em_turn_lost,
      em_turn_abandon, .datagram = NULL },
    { "stuns", 5349, EM_TRANSPORT_TLS, true, EM_DIALECT_RFC, NULL, em_stun_begin, em_stun_answer, NULL, NULL,
      .datagram = NULL },
    { "turns", 5349, EM_TRANSPORT_TLS, true, EM_DIALECT_RFC, NULL, em_turn_begin, em_turn_answer,
      em_turn_lost, em_turn_abandon, .datagram = NULL },
    { "relay", 3478, EM_TRANSPORT_UDP, true, EM_DIALECT_RFC, NULL, em_relay_begin, em_relay_answer,
      em_relay_lost, em_relay_abandon, .carries = true },
    { "relays", 5349, EM_TRANSPORT_TLS, true, EM_DIALECT_RFC, NULL, em_relay_begin, em_relay_answer,
      em_relay_lost, em_relay_abandon, .carries = true },
    { "tcp", 0, EM_TRANSPORT_TCP, false, EM_DIALECT_RFC, NULL, em_stun_begin, em_port_answer, NULL, NULL,
      .datagram = NULL },
    { "udp", 0, EM_TRANSPORT_UDP, false, EM_DIALECT_RFC, NULL, em_stun_begin, em_port_answer, NULL, NULL,
      .datagram = NULL },
    { .scheme = "path",
      .transport = EM_TRANSPORT_TCP,
      .query = true,
      .dialect = EM_DIALECT_NONE,
      .run = em_path_run,
      .lost = em_path_lost },
    { .scheme = "msturn",
      .port = 3478,
      .transport = EM_TRANSPORT_UDP,
      .query = true,
      .dialect = EM_DIALECT_MS,
      .begin = em_msturn_begin,
      .lost = em_msturn_lost,
      .abandon = em_msturn_abandon,
      .datagram = em_msturn_datagram,
      .stream = em_msturn_stream,
      .unconnected = true,
      .stream_port = 443 },
    { .scheme = "msrelay",
      .port = 3478,
      .transport = EM_TRANSPORT_UDP,
      .query = true,
      .dialect = EM_DIALECT_MS,
      .begin = em_relay_begin,
      .lost = em_relay_lost,
      .abandon = em_relay_abandon,
      .datagram = em_msturn_datagram,
      .stream = em_msturn_stream,
      .carries = true,
      .unconnected = true,
      .stream_port = 443 },
    { 0 },
};
