/* SPDX-License-Identifier: GPL-3.0-or-later
 * A wait that doubles, bounded, and never the same. */
#include "agent/snmp_retry.h"

int64_t em_snmp_retry_us(const struct em_clock *c, unsigned failed)
{
    int64_t most_us = EM_SNMP_RETRY_FIRST_S * EM_US_PER_S;

    while (failed-- > 0 && most_us < EM_SNMP_RETRY_MOST_S * EM_US_PER_S)
        most_us *= 2;
    if (most_us > EM_SNMP_RETRY_MOST_S * EM_US_PER_S)
        most_us = EM_SNMP_RETRY_MOST_S * EM_US_PER_S;
    return most_us / 2 + em_random_below(c, (uint32_t)(most_us / 2 + 1));
}
