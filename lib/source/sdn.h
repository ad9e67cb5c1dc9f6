/* SPDX-License-Identifier: GPL-3.0-or-later
 * Types sdn and qoe: a port to which the SDN Manager of Skype for Business posts its messages, and front ends their QoE reports. Both types take
 * both, told apart by what is posted (evidence/sdn.h). Whoever posts is told 200 when what it said is committed, 503 when the database
 * cannot take it, 400 when it is not understood; what is posted again within SDN_REPEATS_US counts nothing and is told 200, too.
 */
#ifndef EM_SOURCE_SDN_H
#define EM_SOURCE_SDN_H

#include "source/source.h"

#define SDN_REPEATS_US (INT64_C(24) * 3600 * 1000 * 1000)

extern const struct em_source_kind em_sdn_kind, em_qoe_kind;

#endif
