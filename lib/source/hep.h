/* SPDX-License-Identifier: GPL-3.0-or-later
 * Type hep: a port at which capture agents (Kamailio, OpenSIPS, FreeSWITCH, heplify) send SIP messages as HEP of version 3, over UDP or TCP;
 * with a certificate over TLS, and nothing else: who does not get in must not get in over UDP either. The packets are those of evidence/hep.h.
 * Without client_ca agents are not authenticated: who can send to the port can count.
 */
#ifndef EM_SOURCE_HEP_H
#define EM_SOURCE_HEP_H

#include "source/source.h"

extern const struct em_source_kind em_hep_kind;

#endif
