/* SPDX-License-Identifier: GPL-3.0-or-later
 * The pseudo-TLS hello of Microsoft relays on TCP 443 ([MS-TURN] section 2.1.1): one record each way that looks like the beginning of a TLS
 * handshake, so that a proxy lets the connection pass; then plain frames (msturn.h) follow. Nothing is negotiated and nothing is encrypted.
 * Whoever answers the hello in any other way is no relay: the cipher suite that it offers, alone, needs no certificate and is refused by
 * every real TLS server. Pure.
 *
 *     client, 50 bytes: record 16 0301 002d, hello 01 000029, 0301, time and random (32), session id 00, suites 0002 0018, compression 01 00
 *     server, 83 bytes: record 16 0301 004e, hello 02 000046, 0301, random (32), session id 20 (32), suite 0018, 00; done 0e 000000
 *
 * Both messages of the server come in one record. A proxy that cuts them into two, or writes other lengths, breaks the relay's clients.
 */
#ifndef EM_WIRE_PSEUDOTLS_H
#define EM_WIRE_PSEUDOTLS_H

#include <stddef.h>
#include <stdint.h>

enum {
    PSEUDOTLS_CLIENT_SIZE = 50,
    PSEUDOTLS_SERVER_SIZE = 83,
    PSEUDOTLS_RANDOM_SIZE = 32,
    PSEUDOTLS_HELLO_MAX = 512, /* bytes of another hello that are looked at before it is judged */
};

void pseudotls_put_client(uint8_t to[PSEUDOTLS_CLIENT_SIZE], const uint8_t random[PSEUDOTLS_RANDOM_SIZE]);
void pseudotls_put_server(uint8_t to[PSEUDOTLS_SERVER_SIZE], const uint8_t random[PSEUDOTLS_RANDOM_SIZE],
                          const uint8_t session[PSEUDOTLS_RANDOM_SIZE]);

enum pseudotls {
    PSEUDOTLS_MORE,    /* it may still become the hello: more bytes are needed */
    PSEUDOTLS_RIGHT,   /* the hello, PSEUDOTLS_CLIENT_SIZE or PSEUDOTLS_SERVER_SIZE bytes of it */
    PSEUDOTLS_CHANGED, /* the relay's hello, but somebody on the way cut or rewrote it */
    PSEUDOTLS_ALERT,   /* a TLS alert */
    PSEUDOTLS_TLS,     /* another TLS record: a real handshake */
    PSEUDOTLS_OTHER,   /* no TLS at all */
};

/* What the first bytes of a stream are, in answer to the client's hello, and in the server's place. Known as early as the bytes allow. */
enum pseudotls pseudotls_read_server(const uint8_t *p, size_t n);
enum pseudotls pseudotls_read_client(const uint8_t *p, size_t n);

#endif
