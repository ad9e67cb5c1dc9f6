/* SPDX-License-Identifier: GPL-3.0-or-later
 * Kinds tcp and udp: is the port open for a payload? The payload is a Binding request, and whoever answers it in STUN, be it with an error,
 * has proved that the path carries data both ways. */
#include "probe/attempt.h"

void em_port_answer(struct em_attempt *a, const struct stun_msg *m)
{
    em_ask_answered(a, m);
    em_attempt_good(a, m->class == STUN_SUCCESS ? "STUN answer" : "STUN error response", a->result.rtt_us);
}
