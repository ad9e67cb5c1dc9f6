/* SPDX-License-Identifier: GPL-3.0-or-later
 * The rows of the model: plain structs that are copied with =. Each member that a user sees has its line in catalogue.c,
 * which gives it its names, unit and help; look there for what a member means.
 *
 * Conventions: the leading uint32_t members are the row's index, in order. Text is NUL-terminated within its array.
 * Durations are microseconds with the suffix _us, 0 = did not happen. Times are Unix microseconds (int64_t), 0 = never.
 * Enumerations are uint32_t with the values of names.h, never 0.
 */
#ifndef EM_MODEL_ROWS_H
#define EM_MODEL_ROWS_H

#include <stdint.h>

#include "model/names.h"

enum {
    EM_NAME_MAX = 64, /* configured names, with the NUL */
    EM_URI_MAX = 256,
    EM_ADDRESS_MAX = 48,  /* an IPv6 address as text */
    EM_ENDPOINT_MAX = 64, /* address and port as text: "192.0.2.1:3478", "[2001:db8::1]:3478" */
    EM_FILTER_MAX = 16,   /* a word of em_path_filter_names */
    EM_REASON_MAX = 160,  /* why a verdict is what it is */
    EM_TEXT_MAX = 256,    /* texts from a peer or a log, cut */

    EM_EDGES_MAX = 1000,
    EM_CHECKS_MAX = 20000, /* rows: checks times addresses */
    EM_RANGES_MAX = 500,
    EM_EXCEPTIONS_MAX = 8000, /* of all ranges together */
    EM_SOURCES_MAX = 256,
    EM_CODES_MAX = 512, /* distinct diagnostic codes that are told apart */
    EM_ICE_BITS = 32,
    EM_PEERS_KEPT = 64,                   /* far relays, and as many far domains, that are told apart */
    EM_PEERS_MAX = 2 * EM_PEERS_KEPT + 2, /* the others are a row for each of the two */
    EM_RECENT_MAX = 200,                  /* recent failures that are kept in the snapshot */
    EM_FINDINGS_MAX = 1000,
    EM_EVIDENCE_MAX = 8, /* observations that are kept of one finding */
};

/* Totals since the database was made. They never fall. */
struct em_totals {
    uint64_t bytes, messages, reports, duplicates, unkeyed, malformed, calls;
    uint64_t media_failures, code_23, tcp_nat_check, code_23_tcp_nat;
    int64_t discontinuity_time;
};

/* Calls whose failure happened within the last 5 minutes, hour, day (by the time in the record, else the time of reading). */
struct em_windows {
    uint64_t media_failures_5m, media_failures_1h, media_failures_1d;
    uint64_t code_23_5m, code_23_1h, code_23_1d;
    uint64_t tcp_nat_check_5m, tcp_nat_check_1h, tcp_nat_check_1d;
    uint64_t code_23_tcp_nat_5m, code_23_tcp_nat_1h, code_23_tcp_nat_1d;
    uint64_t failure_threshold; /* of media_failures_5m, as configured */
};

struct em_daemon {
    char version[EM_NAME_MAX];
    int64_t start_time, config_time, snapshot_time;
    uint64_t edges, checks, checks_up, checks_down, checks_untested, sources, sources_failed;
    uint64_t snmp_connected, snmp_connections; /* snmp_connected: 1 or 0 */
    uint64_t notifications_sent, notifications_dropped, notifications_pending;
};

struct em_edge_row {
    uint32_t edge; /* index */
    char name[EM_NAME_MAX];
    uint32_t verdict; /* the worst of its checks */
    uint32_t checks, checks_up;
    int64_t changed_time; /* when the verdict last changed */
};

struct em_check_row {
    uint32_t edge, check, address_index; /* index */
    char edge_name[EM_NAME_MAX], name[EM_NAME_MAX], uri[EM_URI_MAX], address[EM_ADDRESS_MAX];
    uint32_t port, transport, dialect, verdict, up; /* up: 1 or 0 */
    char reason[EM_REASON_MAX];
    int64_t probe_time, changed_time;
    uint64_t probes, failed_probes;
    uint64_t rtt_us, resolve_us, connect_us, tls_us, stun_us, allocate_us, relay_us;
    uint64_t stun_retransmits, tcp_retransmits; /* totals */
    char mapped_address[EM_ENDPOINT_MAX], relayed_address[EM_ENDPOINT_MAX], software[EM_NAME_MAX];
    int64_t certificate_expiry;
    uint64_t certificate_days_left;
    char certificate_issuer[EM_TEXT_MAX];
    char path_filter[EM_FILTER_MAX];
    uint64_t path_hop;
    char path_hop_address[EM_ADDRESS_MAX];
};

/* What the last sweep of a range found, over all addresses of it. */
struct em_range_row {
    uint32_t edge, range; /* index */
    char edge_name[EM_NAME_MAX], name[EM_NAME_MAX], host[EM_URI_MAX];
    uint32_t first_port, last_port, transport, verdict, clear; /* clear: 1 or 0 */
    char reason[EM_REASON_MAX];
    int64_t sweep_time, changed_time;
    uint64_t sweeps, failed_sweeps, tcp_retransmits; /* totals */
    uint64_t addresses, tested, sweep_us, rtt_us;
    uint64_t ports_ok, ports_degraded, ports_refused, ports_filtered, ports_prohibited, ports_unreachable,
        ports_blackholed, ports_silent, ports_reset, ports_intercepted, ports_mangled, ports_protocol_error,
        ports_error;
};

/* Tested ports of a range, one after the other, with the same verdict that is not ok. */
struct em_exception_row {
    uint32_t edge, range, exception; /* index */
    char edge_name[EM_NAME_MAX], range_name[EM_NAME_MAX], address[EM_ADDRESS_MAX];
    uint32_t first_port, last_port, verdict;
    uint64_t ports; /* how many of them were tested */
};

struct em_source_row {
    uint32_t source; /* index */
    char name[EM_NAME_MAX];
    uint32_t type, state;
    char location[EM_URI_MAX], error[EM_REASON_MAX];
    uint64_t files, lag_bytes;
    uint64_t bytes, messages, reports, duplicates, unkeyed, malformed;
    uint64_t missed, repeated; /* what could not be made sure of */
    int64_t read_time, report_time;
};

struct em_code_row {
    uint32_t code;   /* index: the diagnostic code itself, plus one (an SNMP index is never 0) */
    uint32_t number; /* the code */
    char meaning[EM_REASON_MAX];
    uint32_t code_class;
    uint64_t calls;
};

struct em_ice_row {
    uint32_t bit;   /* index: number of the bit, from 1 (0x1) to 32 (0x80000000) */
    char value[16]; /* "0x100" */
    char name[EM_NAME_MAX], text[EM_REASON_MAX];
    uint32_t benign; /* em_truth_names */
    uint64_t calls;
};

struct em_media_row {
    uint32_t media; /* index: enum em_media */
    char name[EM_NAME_MAX];
    uint64_t calls;
};

/* Calls with a media failure by whom they failed with: an address or a domain, never a user. */
struct em_peer_row {
    uint32_t peer; /* index; the same for the same row as long as it is kept, never another row's */
    uint32_t kind;
    char name[EM_TEXT_MAX]; /* an IP address without its port, or a domain in lower case; "": the others */
    uint64_t media_failures, code_23, code_23_tcp_nat;
    uint64_t media_failures_1h;
    int64_t first_time, last_time;
    uint32_t own; /* em_truth_names */
};

/* One call and code: the first report of it. Also one line of `edgemedia scan --failures`. */
struct em_failure_row {
    uint32_t failure; /* index: counts up for ever, modulo 2^31 */
    int64_t time;
    char call_id[EM_TEXT_MAX], cseq[EM_NAME_MAX];
    uint32_t code, code_class;
    char reason[EM_TEXT_MAX];
    uint32_t side, media;
    uint32_t ice_known;    /* em_truth_names */
    uint32_t ice_warnings; /* the sum of bits; only when ice_known is true */
    char local_relay[EM_ENDPOINT_MAX], remote_relay[EM_ENDPOINT_MAX];
    char from[EM_TEXT_MAX], to[EM_TEXT_MAX];
    uint32_t format;
    char source[EM_NAME_MAX], file[EM_TEXT_MAX];
    uint64_t offset; /* of the message in the (decompressed) file */
};

/* What is believed to be wrong, and why. */
struct em_finding_row {
    uint32_t id; /* index; the same for the same kind, edge and path, for ever */
    uint32_t kind, severity, confidence;
    char edge[EM_NAME_MAX], path[EM_TEXT_MAX];
    char text[EM_TEXT_MAX], advice[EM_TEXT_MAX], refute[EM_TEXT_MAX];
    int64_t since, seen;
    uint64_t observations;
};

struct em_evidence_row {
    uint32_t id, evidence; /* index: the finding, and a number from 1 */
    int64_t time;
    char source[EM_NAME_MAX], value[EM_TEXT_MAX];
};

/* How many findings of a kind an edge has; a pair stays, with 0, once it was there. */
struct em_finding_count_row {
    uint32_t number; /* index */
    char edge[EM_NAME_MAX];
    uint32_t kind, severity;
    uint64_t findings;
};

#endif
