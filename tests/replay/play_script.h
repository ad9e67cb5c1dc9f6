/* SPDX-License-Identifier: GPL-3.0-or-later
 * What stands at one address in a scenario, as a script. Its lines are done one after the other, from the moment when a connection to
 * the address is opened; behind the last line there is silence.
 *
 *     accept                      TCP: the handshake succeeds
 *     tls good|untrusted|refused|closed|broken|setup [days=N] [issuer=NAME] [: PHRASE]     how the TLS handshake ends; certificates
 *                                 expire N days from now (90); blanks of the issuer are written as +
 *     tls foreign HH HH ...       the first bytes that came instead of TLS
 *     refuse | reset | fin        TCP: RST in answer to the SYN; RST later; FIN
 *     icmp 3/13 from 192.0.2.254 [mtu 1400]       type/code; ICMPv6 if "from" is an IPv6 address
 *     local EMFILE                this machine cannot (EMFILE, EPERM, ENETUNREACH)
 *     gave-up                     the kernel's ETIMEDOUT
 *     after 600ms                 nothing happens until then
 *     expect binding|allocate|refresh|permission|channel|connect|bind|any [signed|unsigned] [lifetime=0] [peer=ENDPOINT] [relay=tcp]
 *                                 waits for a request; what comes while the script is elsewhere is lost on the way
 *     relay N [lose=COUNT] [alter=COUNT] [twice]     from now on this connection's data (ChannelData; raw: everything) comes out of the
 *                                 connection of the scenario's N-th "at", as the packet of a relay does: but for the first COUNT, which
 *                                 are lost; the next COUNT are altered; or all come twice
 *     raw                         what comes is data from now on
 *     attempt id=N peer=ENDPOINT  the indication that a peer has connected (RFC 6062)
 *     answer [key=value]...       a response to the last request; keys: error mapped plain-mapped relayed lifetime realm nonce
 *                                 alternate software id integrity=right|wrong fingerprint=right|wrong|none tid=wrong cut=BYTES
 *     again                       the last answer once more
 *     split BYTES [key=value]...  an answer that comes in pieces of so many bytes
 *     echo                        the request itself
 *     text HTTP/1.1 ...           a line, with CR and LF
 *     hex 15 03 ...               bytes
 *     info acked=0 retrans=4 unacked=1 soft=EHOSTUNREACH invalid     what TCP_INFO says from now on
 *     times 0 500 1500            checked at the end: when requests came, in ms since the connection was opened
 *     closed fin|rst              checked at the end: how the client closed its last connection
 */
#ifndef EM_TESTS_PLAY_SCRIPT_H
#define EM_TESTS_PLAY_SCRIPT_H

#include "base/slice.h"
#include "net_play.h"

/* The credentials that the server believes in. */
struct play_secrets {
    char user[64], password[64];
};

struct play_script;
/* cast: all scripts of the scenario, by the order of their "at"; it grows later. */
struct play_script *play_script_new(struct em_net *net, enum em_transport transport, const struct em_addr *at,
                                    const struct play_secrets *secrets, struct play_script *const *cast);
void play_script_add(struct play_script *s, struct slice line);

/* Silence from now on, and no checks at the end. */
void play_script_halt(struct play_script *s);

/* Fails the test if a line was not done, or a check does not hold. Frees. */
void play_script_finish(struct play_script *s);

#endif
