/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the parts of the capture reader share: capture.c (libpcap, layers up to UDP), capture_ip.c (fragments), capture_tcp.c (streams) and
 * unpack_capture.c (captures that grow).
 */
#ifndef EM_EVIDENCE_CAPTURE_INSIDE_H
#define EM_EVIDENCE_CAPTURE_INSIDE_H

#include "base/cur.h"
#include "base/slice.h"
#include "evidence/capture.h"
#include "evidence/seen.h"

struct capture_packets; /* fragments */
struct capture_streams;

struct capture {
    capture_text_fn text;
    void *arg;
    bool stopped;
    int64_t time_us; /* of the packet */
    struct capture_packets *packets;
    struct capture_streams *streams;
};

/* A packet of libpcap's. link: of a type; NULL: not known. */
struct capture_link;
struct pcap_pkthdr;
const struct capture_link *capture_link(int type);
void capture_packet(struct capture *c, const struct capture_link *link, const struct pcap_pkthdr *h,
                    const uint8_t *bytes);

/* One message, or as much of it as there is. */
void capture_message(struct capture *c, const struct seen_way *way, struct slice message);

/* A fragment of a datagram. Returns the whole when this was what it lacked: valid until the next call. */
struct capture_packets *capture_packets_new(void);
void capture_packets_free(struct capture_packets *p);
struct capture_fragment {
    struct seen_way way; /* without ports */
    uint32_t id;
    uint8_t protocol;
    size_t at;
    bool more;
};
bool capture_fragment(struct capture_packets *p, const struct capture_fragment *f, struct cur data,
                      struct cur *whole);

/* A TCP segment. finish: what is not whole is given as far as it goes. */
struct capture_streams *capture_streams_new(void);
void capture_streams_free(struct capture_streams *s);
void capture_tcp(struct capture *c, const struct seen_way *way, struct cur segment);
void capture_tcp_finish(struct capture *c);

#endif
