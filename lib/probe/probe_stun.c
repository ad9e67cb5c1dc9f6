/* SPDX-License-Identifier: GPL-3.0-or-later
 * Kind stun: a Binding request must be answered with our reflexive address. */
#include "probe/attempt.h"

void em_stun_begin(struct em_attempt *a)
{
    uint8_t bytes[EM_REQUEST_MAX];
    struct buf b = buf_over(bytes, sizeof bytes);

    em_ask_begin(a, &b, STUN_BINDING);
    em_ask(a, &b);
}

void em_stun_answer(struct em_attempt *a, const struct stun_msg *m)
{
    const struct stun_addr *mapped = m->xor_mapped.family ? &m->xor_mapped : &m->mapped;

    if (m->class == STUN_SUCCESS && !em_address_usable(mapped)) {
        em_ask_ignore(a, EM_VERDICT_PROTOCOL_ERROR, "an answer without a usable mapped address");
        return;
    }
    em_ask_answered(a, m);
    if (m->class == STUN_SUCCESS)
        em_attempt_good(a, "STUN answer", a->result.rtt_us);
    else
        em_judge_error(a, m, false);
}
