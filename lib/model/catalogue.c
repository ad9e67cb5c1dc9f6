/* SPDX-License-Identifier: GPL-3.0-or-later
 * Every quantity that a user can see, once. A new counter is a struct member in rows.h and a line here; the MIB, the
 * metrics, the JSON and the field reference follow. Sub-ids are never reused; lines are in sub-id order. */
#include "model/catalogue.h"

#include <assert.h>
#include <string.h>

#include "model/rows.h"

#define F(id, k, member, ...)                                                                                \
    {                                                                                                        \
        .json = #member, .kind = EM_KIND_##k, .subid = id, .off = offsetof(struct ROW, member),              \
        .size = sizeof((struct ROW *)0)->member, __VA_ARGS__                                                 \
    }

#define ROW em_totals
static const struct em_field totals[] = {
    F(1, COUNTER, code_23, .snmp = "Code23Failures", .metric = "code23_failures", .unit = "calls",
      .help = "Calls with at least one report of diagnostic code 23: media connectivity failed while one "
              "endpoint was "
              "inside and the other remote. Each call counts once, however often it was logged."),
    F(2, COUNTER, tcp_nat_check, .snmp = "TcpNatCheckFailures", .metric = "tcp_nat_check_failures",
      .unit = "calls",
      .help = "Calls with ICE warning bit 0x100 (TCP NAT connectivity failed) in any report. The bit alone "
              "may be benign."),
    F(3, COUNTER, code_23_tcp_nat, .snmp = "Code23TcpNatFailures", .metric = "code23_tcp_nat_failures",
      .unit = "calls",
      .help = "Calls that have both diagnostic code 23 and ICE warning bit 0x100. This is the counter to "
              "alarm on."),
    F(4, COUNTER, media_failures, .snmp = "MediaFailures", .metric = "media_failures", .unit = "calls",
      .help = "Calls with at least one diagnostic code that means a media failure (21 to 39)."),
    F(5, COUNTER, reports, .snmp = "Reports", .metric = "reports", .unit = "reports",
      .help = "Diagnostics headers, or their equivalents, seen in all sources."),
    F(6, COUNTER, duplicates, .snmp = "DuplicateReports", .metric = "duplicate_reports", .unit = "reports",
      .help = "Reports whose call, code, side, media and ICE value were all seen before."),
    F(7, COUNTER, unkeyed, .snmp = "UnkeyedReports", .metric = "unkeyed_reports", .unit = "reports",
      .help = "Reports that no Call-ID could be tied to. They are in no other call counter."),
    F(8, COUNTER, malformed, .snmp = "MalformedMessages", .metric = "malformed_messages", .unit = "messages",
      .help = "Messages that were framed as such but not understood."),
    F(9, COUNTER, calls, .snmp = "Calls", .metric = "calls", .unit = "calls",
      .help = "Distinct Call-IDs with a report."),
    F(10, COUNTER, messages, .snmp = "Messages", .metric = "messages", .unit = "messages",
      .help = "Messages read in all sources."),
    F(11, COUNTER, bytes, .snmp = "Bytes", .metric = "read_bytes", .unit = "bytes",
      .help = "Bytes read from all sources."),
    F(12, STAMP, discontinuity_time, .snmp = "DiscontinuityTime",
      .help =
          "The value of sysUpTime when a counter of this module last suffered a discontinuity other than a "
          "re-initialization of the management system, such as the start with a new database. Zero if that "
          "was before "
          "the agent started."),
};
#undef ROW

/* One window gauge; WINDOW is written three times for each counter below, the texts once. */
#define ROW em_windows
#define WINDOW(id, counter, object, what, suffix, Suffix, words)                                             \
    F(id, GAUGE, counter##_##suffix, .snmp = object Suffix, .metric = "recent_" #counter "_calls",           \
      .label = "window=\"" #suffix "\"", .unit = "calls",                                                    \
      .help = what " recently. The window is the last " words ".")
#define WINDOWS(id, counter, object, what)                                                                   \
    WINDOW(id, counter, object, what, 5m, "Last5Minutes", "5 minutes"),                                      \
        WINDOW(id + 1, counter, object, what, 1h, "LastHour", "hour"),                                       \
        WINDOW(id + 2, counter, object, what, 1d, "LastDay", "day")
static const struct em_field windows[] = {
    WINDOWS(1, code_23, "Code23", "Calls that failed with diagnostic code 23"),
    WINDOWS(4, tcp_nat_check, "TcpNatCheck", "Calls with ICE warning bit 0x100"),
    WINDOWS(7, code_23_tcp_nat, "Code23TcpNat",
            "Calls with both diagnostic code 23 and ICE warning bit 0x100"),
    WINDOWS(10, media_failures, "MediaFailures", "Calls with a media failure"),
    F(13, GAUGE, failure_threshold, .snmp = "FailureThreshold", .metric = "failure_threshold_calls",
      .unit = "calls",
      .help =
          "Calls with a media failure in 5 minutes at which emFailureRateHigh is sent. Zero if it never is."),
};
#undef ROW

#define ROW em_daemon
static const struct em_field daemon_fields[] = {
    F(1, TEXT, version, .snmp = "Version", .metric = "build_info", .label = "version",
      .help = "Version of edgemediad."),
    F(2, TIME, start_time, .snmp = "StartTime", .metric = "start_timestamp_seconds",
      .help = "When edgemediad started."),
    F(3, TIME, config_time, .snmp = "ConfigTime", .metric = "config_timestamp_seconds",
      .help = "When the configuration in force was read."),
    F(4, TIME, snapshot_time, .snmp = "SnapshotTime", .metric = "snapshot_timestamp_seconds",
      .help = "The moment that all values of one answer belong to."),
    F(5, GAUGE, edges, .snmp = "Edges", .metric = "edges", .help = "Configured edges."),
    F(6, GAUGE, checks, .snmp = "Checks", .metric = "checks",
      .help = "Rows of the check table: checks times addresses."),
    F(7, GAUGE, checks_up, .snmp = "ChecksUp", .metric = "checks_up",
      .help = "Checks whose verdict is ok or degraded."),
    F(8, GAUGE, checks_down, .snmp = "ChecksDown", .metric = "checks_down",
      .help = "Checks whose verdict is neither ok nor degraded nor untested."),
    F(9, GAUGE, checks_untested, .snmp = "ChecksUntested", .metric = "checks_untested",
      .help = "Checks that no probe has ended for yet."),
    F(10, GAUGE, sources, .snmp = "Sources", .metric = "sources", .help = "Configured evidence sources."),
    F(11, GAUGE, sources_failed, .snmp = "SourcesFailed", .metric = "sources_failed",
      .help = "Evidence sources that cannot be read."),
    F(12, GAUGE, snmp_connected, .snmp = "SnmpConnected", .metric = "snmp_connected",
      .help = "1 if the SNMP master agent is connected, else 0."),
    F(13, COUNTER, snmp_connections, .snmp = "SnmpConnections", .metric = "snmp_connections",
      .help = "Connections that were made to the SNMP master agent since edgemediad started."),
    F(14, COUNTER, notifications_sent, .snmp = "NotificationsSent", .metric = "notifications_sent",
      .help = "Notifications that the SNMP master agent has taken since edgemediad started."),
    F(15, COUNTER, notifications_dropped, .snmp = "NotificationsDropped", .metric = "notifications_dropped",
      .help =
          "Notifications that were not sent since edgemediad started. The change had been undone before its "
          "turn came, too many were raised at once, or the SNMP master agent refused them."),
    F(16, GAUGE, notifications_pending, .snmp = "NotificationsPending", .metric = "notifications_pending",
      .help = "Notifications that wait for the rate limit or for the SNMP master agent."),
};
#undef ROW

#define ROW em_edge_row
static const struct em_field edge_fields[] = {
    F(1, INDEX, edge, .snmp = "Index",
      .help = "Number of the edge. It survives restarts and is never reused."),
    F(2, TEXT, name, .snmp = "Name", .label = "edge", .help = "Configured name of the edge."),
    F(3, ENUM, verdict, .snmp = "Verdict", .names = &em_verdict_names,
      .help = "The worst verdict of its checks."),
    F(4, GAUGE, checks, .snmp = "Checks", .metric = "edge_checks",
      .help = "Checks of this edge, one for each address."),
    F(5, GAUGE, checks_up, .snmp = "ChecksUp", .metric = "edge_checks_up",
      .help = "Checks of this edge whose verdict is ok or degraded."),
    F(6, TIME, changed_time, .snmp = "ChangedTime", .help = "When the verdict last changed."),
};
#undef ROW

#define ROW em_check_row
#define PHASE(id, member, object, word, text)                                                                \
    F(id, GAUGE, member, .snmp = object, .metric = "check_phase_seconds", .label = "phase=\"" word "\"",     \
      .unit = "microseconds", .flags = EM_FIELD_ABSENT_IF_ZERO,                                              \
      .help = "Time that each phase of the last probe took. " text " Zero if the probe did not get there.")
static const struct em_field check_fields[] = {
    F(0, INDEX, edge, .snmp = "emEdgeIndex", .flags = EM_FIELD_FOREIGN_INDEX,
      .help = "The edge that the check belongs to."),
    F(1, INDEX, check, .snmp = "Index",
      .help = "Number of the check within its edge. It survives restarts and is never reused."),
    F(2, INDEX, address_index, .snmp = "AddressIndex",
      .help = "Number of the address within its check. It survives restarts and is never reused."),
    F(3, TEXT, edge_name, .snmp = "EdgeName", .label = "edge", .help = "Configured name of the edge."),
    F(4, TEXT, name, .snmp = "Name", .label = "check", .help = "Configured name of the check."),
    F(5, TEXT, uri, .snmp = "Uri", .help = "What is tested, as it is configured."),
    F(6, TEXT, address, .snmp = "Address", .label = "address",
      .help = "The address that is tested, as text. Empty while the name has not resolved."),
    F(7, NUMBER, port, .snmp = "Port", .help = "The port that is tested."),
    F(8, ENUM, transport, .snmp = "Transport", .names = &em_transport_names,
      .help = "The transport of the check."),
    F(9, ENUM, dialect, .snmp = "Dialect", .names = &em_dialect_names,
      .help = "The dialect of STUN that is spoken."),
    F(10, ENUM, verdict, .snmp = "Verdict", .names = &em_verdict_names,
      .help = "What the last probe came to."),
    F(11, GAUGE, up, .snmp = "Up", .metric = "check_up",
      .help = "1 if the verdict is ok or degraded, else 0."),
    F(12, TEXT, reason, .snmp = "Reason", .help = "Why the verdict is what it is."),
    F(13, TIME, probe_time, .snmp = "ProbeTime", .metric = "check_last_probe_timestamp_seconds",
      .help = "When the last probe ended."),
    F(14, TIME, changed_time, .snmp = "ChangedTime", .help = "When the verdict last changed."),
    F(15, COUNTER, probes, .snmp = "Probes", .metric = "check_probes", .help = "Probes that ended."),
    F(16, COUNTER, failed_probes, .snmp = "FailedProbes", .metric = "check_failed_probes",
      .help = "Probes that ended with a verdict other than ok or degraded."),
    F(17, GAUGE, rtt_us, .snmp = "Rtt", .metric = "check_rtt_seconds", .unit = "microseconds",
      .flags = EM_FIELD_ABSENT_IF_ZERO,
      .help = "Round trip of the last answered request. Zero if there was no answer."),
    PHASE(18, resolve_us, "ResolveTime", "resolve", "This is the time to resolve the name."),
    PHASE(19, connect_us, "ConnectTime", "connect", "This is the time of the TCP handshake."),
    PHASE(20, tls_us, "TlsTime", "tls", "This is the time of the TLS handshake."),
    PHASE(21, stun_us, "StunTime", "stun", "This is the time from the first STUN request to its answer."),
    PHASE(22, allocate_us, "AllocateTime", "allocate", "This is the time to make the allocation."),
    PHASE(23, relay_us, "RelayTime", "relay", "This is the time of the data through the relay."),
    F(24, COUNTER, stun_retransmits, .snmp = "StunRetransmits", .metric = "stun_retransmits",
      .help = "STUN requests over UDP that were sent again."),
    F(25, COUNTER, tcp_retransmits, .snmp = "TcpRetransmits", .metric = "tcp_retransmits", .unit = "segments",
      .help = "TCP segments that this machine had to send again to the edge."),
    F(26, TEXT, mapped_address, .snmp = "MappedAddress", .help = "Our address as the server sees it."),
    F(27, TEXT, relayed_address, .snmp = "RelayedAddress", .help = "The address that the server allocated."),
    F(28, TEXT, software, .snmp = "Software", .help = "What the server says that it is."),
    F(29, TIME, certificate_expiry, .snmp = "CertificateExpiry",
      .metric = "check_certificate_expiry_timestamp_seconds",
      .help = "When the certificate of the server expires. Zero if none was seen."),
    F(30, GAUGE, certificate_days_left, .snmp = "CertificateDaysLeft", .unit = "days",
      .flags = EM_FIELD_ABSENT_IF_ZERO,
      .help = "Whole days until the certificate of the server expires. Zero if it has expired, or none was "
              "seen."),
    F(31, TEXT, certificate_issuer, .snmp = "CertificateIssuer", .flags = EM_FIELD_ABSENT_IF_ZERO,
      .help = "Who issued the certificate of the server: the distinguished name by RFC 2253."),
    F(32, TEXT, path_filter, .snmp = "PathFilter", .flags = EM_FIELD_ABSENT_IF_ZERO,
      .help =
          "What the differential test of a path found. It is none, port, content, loss or size, and empty "
          "for other checks."),
    F(33, GAUGE, path_hop, .snmp = "PathHop", .flags = EM_FIELD_ABSENT_IF_ZERO,
      .help = "The hop after which packets vanish, counted from this machine. Zero if none was found."),
    F(34, TEXT, path_hop_address, .snmp = "PathHopAddress", .flags = EM_FIELD_ABSENT_IF_ZERO,
      .help = "The address of the hop after which packets vanish. Empty if it is not known."),
};
#undef ROW

/* One verdict's share of a range: all of them are samples of one metric. */
#define PORTS(id, member, object, verdict)                                                                   \
    F(id, GAUGE, member, .snmp = object, .metric = "range_ports", .label = "verdict=\"" verdict "\"",        \
      .unit = "ports", .help = "Ports by verdict in the last sweep. Here those that are " verdict ".")

#define ROW em_range_row
static const struct em_field range_fields[] = {
    F(0, INDEX, edge, .snmp = "emEdgeIndex", .flags = EM_FIELD_FOREIGN_INDEX,
      .help = "The edge that the range belongs to."),
    F(1, INDEX, range, .snmp = "Index",
      .help = "Number of the range within its edge. It survives restarts and is never reused."),
    F(2, TEXT, edge_name, .snmp = "EdgeName", .label = "edge", .help = "Configured name of the edge."),
    F(3, TEXT, name, .snmp = "Name", .label = "range", .help = "Configured name of the range."),
    F(4, TEXT, host, .snmp = "Host",
      .help = "The names or addresses that are swept, as they are configured."),
    F(5, NUMBER, first_port, .snmp = "FirstPort", .help = "The first port of the range."),
    F(6, NUMBER, last_port, .snmp = "LastPort", .help = "The last port of the range."),
    F(7, ENUM, transport, .snmp = "Transport", .names = &em_transport_names,
      .help = "The transport that is swept."),
    F(8, ENUM, verdict, .snmp = "Verdict", .names = &em_verdict_names,
      .help = "The worst verdict of the last sweep. It is ok if every path is clear and a port answered, and "
              "refused if every path is clear and nobody listens."),
    F(9, GAUGE, clear, .snmp = "Clear", .metric = "range_clear",
      .help = "1 if the path to every tested port is clear, which means ok, degraded or refused, else 0."),
    F(10, TEXT, reason, .snmp = "Reason", .help = "Why the verdict is what it is."),
    F(11, TIME, sweep_time, .snmp = "SweepTime", .metric = "range_last_sweep_timestamp_seconds",
      .help = "When the last sweep ended."),
    F(12, TIME, changed_time, .snmp = "ChangedTime", .help = "When the verdict last changed."),
    F(13, COUNTER, sweeps, .snmp = "Sweeps", .metric = "range_sweeps", .help = "Sweeps that ended."),
    F(14, COUNTER, failed_sweeps, .snmp = "FailedSweeps", .metric = "range_failed_sweeps",
      .help = "Sweeps that found a path that is not clear."),
    F(15, COUNTER, tcp_retransmits, .snmp = "Retransmits", .metric = "range_retransmits",
      .help = "TCP segments and requests that had to be sent again in sweeps."),
    F(16, GAUGE, addresses, .snmp = "Addresses", .metric = "range_addresses",
      .help = "Addresses that were swept in the last sweep."),
    F(17, GAUGE, tested, .snmp = "Tested", .metric = "range_tested_ports", .unit = "ports",
      .help = "Ports that were tested in the last sweep, those of each address counted."),
    F(18, GAUGE, sweep_us, .snmp = "SweepDuration", .metric = "range_sweep_seconds", .unit = "microseconds",
      .flags = EM_FIELD_ABSENT_IF_ZERO, .help = "How long the last sweep took."),
    F(19, GAUGE, rtt_us, .snmp = "Rtt", .metric = "range_rtt_seconds", .unit = "microseconds",
      .flags = EM_FIELD_ABSENT_IF_ZERO,
      .help = "Smoothed round trip of the last sweep. Zero if nothing answered."),
    PORTS(20, ports_ok, "PortsOk", "ok"),
    PORTS(21, ports_degraded, "PortsDegraded", "degraded"),
    PORTS(22, ports_refused, "PortsRefused", "refused"),
    PORTS(23, ports_filtered, "PortsFiltered", "filtered"),
    PORTS(24, ports_prohibited, "PortsProhibited", "prohibited"),
    PORTS(25, ports_unreachable, "PortsUnreachable", "unreachable"),
    PORTS(26, ports_blackholed, "PortsBlackholed", "blackholed"),
    PORTS(27, ports_silent, "PortsSilent", "silent"),
    PORTS(28, ports_reset, "PortsReset", "reset"),
    PORTS(29, ports_intercepted, "PortsIntercepted", "intercepted"),
    PORTS(30, ports_mangled, "PortsMangled", "mangled"),
    PORTS(31, ports_protocol_error, "PortsProtocolError", "protocol-error"),
    PORTS(32, ports_error, "PortsError", "error"),
};
#undef ROW

#define ROW em_exception_row
static const struct em_field exception_fields[] = {
    F(0, INDEX, edge, .snmp = "emEdgeIndex", .flags = EM_FIELD_FOREIGN_INDEX,
      .help = "The edge that the range belongs to."),
    F(0, INDEX, range, .snmp = "emRangeIndex", .flags = EM_FIELD_FOREIGN_INDEX, .help = "The range."),
    F(1, INDEX, exception, .snmp = "Index", .help = "Number of the row within the range's last sweep."),
    F(2, TEXT, edge_name, .snmp = "EdgeName", .help = "Configured name of the edge."),
    F(3, TEXT, range_name, .snmp = "RangeName", .help = "Configured name of the range."),
    F(4, TEXT, address, .snmp = "Address", .help = "The address that was swept."),
    F(5, NUMBER, first_port, .snmp = "FirstPort", .help = "The first of the ports."),
    F(6, NUMBER, last_port, .snmp = "LastPort", .help = "The last of the ports."),
    F(7, ENUM, verdict, .snmp = "Verdict", .names = &em_verdict_names,
      .help = "What each tested port from the first to the last came to."),
    F(8, GAUGE, ports, .snmp = "Tested", .unit = "ports", .help = "How many of these ports were tested."),
};
#undef ROW

#define ROW em_source_row
static const struct em_field source_fields[] = {
    F(1, INDEX, source, .snmp = "Index",
      .help = "Number of the source. It survives restarts and is never reused."),
    F(2, TEXT, name, .snmp = "Name", .label = "source", .help = "Configured name of the source."),
    F(3, ENUM, type, .snmp = "Type", .names = &em_source_type_names, .help = "What kind of source it is."),
    F(4, ENUM, state, .snmp = "State", .names = &em_source_state_names, .help = "How the source stands."),
    F(5, TEXT, location, .snmp = "Location", .help = "Where it reads from: a path, a pattern or an address."),
    F(6, TEXT, error, .snmp = "Error", .help = "Why it cannot be read. Empty if it can."),
    F(7, GAUGE, files, .snmp = "Files", .metric = "source_files", .unit = "files",
      .help = "Files that are being read."),
    F(8, GAUGE, lag_bytes, .snmp = "Lag", .metric = "source_lag_bytes", .unit = "bytes",
      .help = "Bytes that are there and not read yet."),
    F(9, COUNTER, bytes, .snmp = "Bytes", .metric = "source_read_bytes", .unit = "bytes",
      .help = "Bytes read from the source."),
    F(10, COUNTER, messages, .snmp = "Messages", .metric = "source_messages", .unit = "messages",
      .help = "Messages read from the source."),
    F(11, COUNTER, reports, .snmp = "Reports", .metric = "source_reports", .unit = "reports",
      .help = "Reports seen in the source."),
    F(12, COUNTER, duplicates, .snmp = "DuplicateReports", .metric = "source_duplicate_reports",
      .unit = "reports", .help = "Reports of the source that were known already."),
    F(13, COUNTER, unkeyed, .snmp = "UnkeyedReports", .metric = "source_unkeyed_reports", .unit = "reports",
      .help = "Reports of the source without a Call-ID."),
    F(14, COUNTER, malformed, .snmp = "MalformedMessages", .metric = "source_malformed_messages",
      .unit = "messages", .help = "Messages of the source that were not understood."),
    F(15, TIME, read_time, .snmp = "ReadTime", .metric = "source_last_read_timestamp_seconds",
      .help = "When something was last read from the source."),
    F(16, TIME, report_time, .snmp = "ReportTime", .metric = "source_last_report_timestamp_seconds",
      .help = "When the last report of the source was read."),
    F(17, COUNTER, missed, .snmp = "PossiblyMissed", .metric = "source_possibly_missed", .unit = "files",
      .help = "Files whose content went, by truncation or deletion, before anybody knew that all of it was "
              "read."),
    F(18, COUNTER, repeated, .snmp = "PossiblyRepeated", .metric = "source_possibly_repeated",
      .unit = "files", .help = "Files that begin as one read before and were read from their beginning."),
};
#undef ROW

#define ROW em_code_row
static const struct em_field code_fields[] = {
    F(1, INDEX, code, .snmp = "Index", .flags = EM_FIELD_NO_JSON,
      .help = "The diagnostic code plus one, since an index is never zero."),
    F(2, NUMBER, number, .snmp = "Number", .label = "code", .help = "The diagnostic code."),
    F(3, TEXT, meaning, .snmp = "Meaning", .help = "What the code means."),
    F(4, ENUM, code_class, .snmp = "Class", .names = &em_code_class_names,
      .help = "What a call with this code counts as."),
    F(5, COUNTER, calls, .snmp = "Calls", .metric = "call_failures", .unit = "calls",
      .help = "Calls with at least one report of this diagnostic code. Informational codes have a row too; "
              "they are no failures."),
};
#undef ROW

#define ROW em_ice_row
static const struct em_field ice_fields[] = {
    F(1, INDEX, bit, .snmp = "Index", .flags = EM_FIELD_NO_JSON,
      .help = "Number of the bit, from 1 for 0x1 to 32 for 0x80000000."),
    F(2, TEXT, value, .snmp = "Value", .label = "warning", .help = "The bit in hexadecimal, such as 0x100."),
    F(3, TEXT, name, .snmp = "Name", .label = "name", .help = "Short name of the warning."),
    F(4, TEXT, text, .snmp = "Text", .help = "What the warning means."),
    F(5, ENUM, benign, .snmp = "Benign", .names = &em_truth_names,
      .help = "True if the warning can occur in calls that work."),
    F(6, COUNTER, calls, .snmp = "Calls", .metric = "ice_warnings", .unit = "calls",
      .help = "Calls with this ICE warning bit in any report. Each call counts once for a bit."),
};
#undef ROW

#define ROW em_media_row
static const struct em_field media_fields[] = {
    F(1, INDEX, media, .snmp = "Index", .flags = EM_FIELD_NO_JSON, .help = "Number of the kind of media."),
    F(2, TEXT, name, .snmp = "Name", .label = "media",
      .help = "The kind of media, such as application-sharing."),
    F(3, COUNTER, calls, .snmp = "Calls", .metric = "media_call_failures", .unit = "calls",
      .help = "Calls with a media failure whose reports name this kind of media."),
};
#undef ROW

#define ROW em_peer_row
static const struct em_field peer_fields[] = {
    F(1, INDEX, peer, .snmp = "Index",
      .help = "Number of the row. It survives restarts. A peer that made room for others and came back has "
              "a new one."),
    F(2, ENUM, kind, .snmp = "Kind", .names = &em_peer_kind_names, .label = "kind",
      .help = "What the name is, and what the row counts."),
    F(3, TEXT, name, .snmp = "Name", .label = "peer",
      .help = "The far relay's address without its port, or the far party's domain. Empty if the row is the "
              "sum of those that have none of their own."),
    F(4, COUNTER, media_failures, .snmp = "MediaFailures", .metric = "peer_media_failures", .unit = "calls",
      .help = "Calls with a media failure that had this peer. Each call counts for one relay and for one "
              "domain at most, those that a report of it names first."),
    F(5, COUNTER, code_23, .snmp = "Code23Failures", .metric = "peer_code23_failures", .unit = "calls",
      .help = "Calls with diagnostic code 23 that had this peer."),
    F(6, COUNTER, code_23_tcp_nat, .snmp = "Code23TcpNatFailures", .metric = "peer_code23_tcp_nat_failures",
      .unit = "calls",
      .help = "Calls with both diagnostic code 23 and ICE warning bit 0x100 that had this peer."),
    F(7, GAUGE, media_failures_1h, .snmp = "MediaFailuresLastHour", .metric = "peer_recent_failures_calls",
      .label = "window=\"1h\"", .unit = "calls",
      .help = "Calls with a media failure that had this peer recently. The window is the last hour."),
    F(8, TIME, first_time, .snmp = "FirstTime", .help = "When the first of these calls failed."),
    F(9, TIME, last_time, .snmp = "LastTime", .help = "When the latest of these calls failed."),
    F(10, ENUM, own, .snmp = "Own", .names = &em_truth_names,
      .help = "True if a configured edge is tested at this address: then the far side reported, and the row "
              "is no partner."),
};
#undef ROW

#define ROW em_failure_row
static const struct em_field failure_fields[] = {
    F(1, INDEX, failure, .snmp = "Index", .flags = EM_FIELD_NO_JSON,
      .help = "Number of the failure. It counts up; a new row never takes the number of an older one."),
    F(2, TIME, time, .snmp = "Time",
      .help = "When the call failed, by the record. All zeros if the record does not tell."),
    F(3, TEXT, call_id, .snmp = "CallId", .help = "Call-ID, cut to 255 octets."),
    F(4, TEXT, cseq, .snmp = "CSeq", .help = "CSeq of the message that carried the report."),
    F(5, NUMBER, code, .snmp = "Code", .help = "The diagnostic code."),
    F(6, ENUM, code_class, .snmp = "Class", .names = &em_code_class_names, .flags = EM_FIELD_NO_JSON,
      .help = "What the code counts as."),
    F(7, TEXT, reason, .snmp = "Reason", .help = "Reason text of the report."),
    F(8, ENUM, side, .snmp = "Side", .names = &em_side_names, .help = "Which side of the call reported."),
    F(9, ENUM, media, .snmp = "Media", .names = &em_media_names, .help = "The kind of media that failed."),
    F(10, ENUM, ice_known, .snmp = "IceKnown", .names = &em_truth_names, .flags = EM_FIELD_NO_JSON,
      .help = "True if the report carried ICE warnings; without, none of the bits means anything."),
    F(11, ICE, ice_warnings, .snmp = "IceWarnings", .flags = EM_FIELD_ICE_KNOWN,
      .help = "The ICE warnings of the report."),
    F(12, TEXT, local_relay, .snmp = "LocalRelay", .help = "Relay address of the reporting side."),
    F(13, TEXT, remote_relay, .snmp = "RemoteRelay",
      .help = "Relay address of the far side: the partner's edge."),
    F(14, TEXT, from, .snmp = "From", .help = "From header."),
    F(15, TEXT, to, .snmp = "To", .help = "To header."),
    F(16, ENUM, format, .snmp = "Format", .names = &em_format_names,
      .help = "Format of the text that the report was found in."),
    F(17, TEXT, source, .snmp = "Source", .flags = EM_FIELD_ABSENT_IF_ZERO,
      .help = "Configured name of the source."),
    F(18, TEXT, file, .snmp = "File", .help = "The file that the report was found in."),
    F(19, GAUGE, offset, .snmp = "Offset", .unit = "bytes", .help = "Where in the file the message begins."),
};
#undef ROW

#define ROW em_finding_row
static const struct em_field finding_fields[] = {
    F(1, INDEX, id, .snmp = "Index",
      .help = "Number of the finding. The same kind of finding on the same edge and path has the same number "
              "for ever."),
    F(2, ENUM, kind, .snmp = "Kind", .names = &em_finding_kind_names,
      .help = "What is believed to be wrong."),
    F(3, ENUM, severity, .snmp = "Severity", .names = &em_severity_names, .help = "How bad it is for users."),
    F(4, ENUM, confidence, .snmp = "Confidence", .names = &em_confidence_names,
      .help = "How sure it is, by the number and kind of independent observations."),
    F(5, TEXT, edge, .snmp = "Edge",
      .help = "Configured name of the edge. Empty if it is not about one edge."),
    F(6, TEXT, path, .snmp = "Path",
      .help = "What it is about on that edge: transport, address and ports, a far relay, or a source."),
    F(7, TEXT, text, .snmp = "Text", .help = "What was found, in one sentence."),
    F(8, TEXT, advice, .snmp = "Advice", .help = "What to do next."),
    F(9, TEXT, refute, .snmp = "Refute", .help = "What would show that the finding is wrong."),
    F(10, TIME, since, .snmp = "Since", .help = "When the finding was raised."),
    F(11, TIME, seen, .snmp = "Seen", .help = "The time of the newest observation that it rests on."),
    F(12, GAUGE, observations, .snmp = "Observations",
      .help = "Independent observations that it rests on: probes that saw it, and calls that failed by it."),
};
#undef ROW

#define ROW em_evidence_row
static const struct em_field evidence_fields[] = {
    F(0, INDEX, id, .snmp = "emFindingIndex", .flags = EM_FIELD_FOREIGN_INDEX,
      .help = "The finding that the observation supports."),
    F(1, INDEX, evidence, .snmp = "Index", .help = "Number of the observation within its finding."),
    F(2, TIME, time, .snmp = "Time", .help = "When it was observed."),
    F(3, TEXT, source, .snmp = "Source", .help = "Where it comes from: a check, a call, an evidence source."),
    F(4, TEXT, value, .snmp = "Value", .help = "What was observed."),
};
#undef ROW

#define ROW em_finding_count_row
static const struct em_field finding_count_fields[] = {
    F(1, INDEX, number, .snmp = "Index", .flags = EM_FIELD_NO_JSON, .help = "Number of the row."),
    F(2, TEXT, edge, .snmp = "Edge", .label = "edge",
      .help = "Configured name of the edge. Empty if the findings are not about one edge."),
    F(3, ENUM, kind, .snmp = "Kind", .names = &em_finding_kind_names, .label = "kind",
      .help = "What is believed to be wrong."),
    F(4, ENUM, severity, .snmp = "Severity", .names = &em_severity_names, .label = "severity",
      .help = "How bad it is for users."),
    F(5, GAUGE, findings, .snmp = "Findings", .metric = "findings",
      .help = "Findings of this kind that are raised now."),
};
#undef ROW

#define TABLE(id, key, prefix, number, row, list, indexes, most, text)                                       \
    [id] = { .json = key,                                                                                    \
             .snmp = prefix,                                                                                 \
             .arc = number,                                                                                  \
             .fields = list,                                                                                 \
             .fields_n = sizeof list / sizeof *list,                                                         \
             .row_size = sizeof(struct row),                                                                 \
             .index_n = indexes,                                                                             \
             .max = most,                                                                                    \
             .help = text }

const struct em_table em_catalogue[EM_T_COUNT] = {
    TABLE(EM_T_TOTALS, "totals", "em", 1, em_totals, totals, 0, 1,
          "Totals over all sources since the database was made."),
    TABLE(EM_T_WINDOWS, "recent", "em", 2, em_windows, windows, 0, 1, "Calls that failed a short time ago."),
    TABLE(EM_T_DAEMON, "daemon", "emDaemon", 3, em_daemon, daemon_fields, 0, 1, "The daemon itself."),
    TABLE(EM_T_EDGE, "edges", "emEdge", 10, em_edge_row, edge_fields, 1, EM_EDGES_MAX,
          "The configured edges."),
    TABLE(EM_T_CHECK, "checks", "emCheck", 12, em_check_row, check_fields, 3, EM_CHECKS_MAX,
          "The configured tests, a row for each address that is tested."),
    TABLE(EM_T_RANGE, "ranges", "emRange", 13, em_range_row, range_fields, 2, EM_RANGES_MAX,
          "The configured ranges of ports, with what the last sweep of each found."),
    TABLE(EM_T_EXCEPTION, "port_exceptions", "emPortException", 14, em_exception_row, exception_fields, 3,
          EM_EXCEPTIONS_MAX, "Ports of the last sweeps that are not ok, in runs of equal verdicts."),
    TABLE(EM_T_SOURCE, "sources", "emSource", 15, em_source_row, source_fields, 1, EM_SOURCES_MAX,
          "The sources of evidence about failed calls."),
    TABLE(EM_T_CODE, "diagnostic_codes", "emDiagnosticCode", 16, em_code_row, code_fields, 1, EM_CODES_MAX,
          "Calls by diagnostic code."),
    TABLE(EM_T_ICE, "ice_warning_bits", "emIceWarning", 17, em_ice_row, ice_fields, 1, EM_ICE_BITS,
          "Calls by ICE warning bit."),
    TABLE(EM_T_MEDIA, "media_kinds", "emMedia", 18, em_media_row, media_fields, 1, EM_MEDIA_COUNT,
          "Calls with a media failure by kind of media."),
    TABLE(EM_T_PEER, "peers", "emPeer", 19, em_peer_row, peer_fields, 1, EM_PEERS_MAX,
          "Calls with a media failure by the relay and by the domain of the far side, seen from the party "
          "that reported. The relays and the domains that failed last have rows of their own, 64 of each; "
          "what a row had counted when it made room for another is in the row of the others."),
    TABLE(EM_T_FAILURE, "recent_failures", "emRecentFailure", 20, em_failure_row, failure_fields, 1,
          EM_RECENT_MAX, "The most recent failures, one row for each call and code."),
    TABLE(EM_T_FINDING, "findings", "emFinding", 21, em_finding_row, finding_fields, 1, EM_FINDINGS_MAX,
          "What is believed to be wrong now, and what to do about it."),
    TABLE(EM_T_EVIDENCE, "finding_evidence", "emFindingEvidence", 22, em_evidence_row, evidence_fields, 2,
          EM_FINDINGS_MAX *EM_EVIDENCE_MAX, "The observations that the findings rest on."),
    TABLE(EM_T_FINDING_COUNT, "finding_counts", "emFindingCount", 23, em_finding_count_row,
          finding_count_fields, 1, EM_FINDINGS_MAX, "How many findings of each kind each edge has."),
};

uint64_t em_field_number(const struct em_field *f, const void *row)
{
    const char *p = (const char *)row + f->off;
    uint64_t wide;
    uint32_t narrow;

    if (f->size == sizeof narrow) {
        memcpy(&narrow, p, sizeof narrow);
        return narrow;
    }
    assert(f->size == sizeof wide);
    memcpy(&wide, p, sizeof wide);
    return wide;
}

int64_t em_field_time(const struct em_field *f, const void *row)
{
    int64_t t;

    assert(f->size == sizeof t && (f->kind == EM_KIND_TIME || f->kind == EM_KIND_STAMP));
    memcpy(&t, (const char *)row + f->off, sizeof t);
    return t;
}

const char *em_field_text(const struct em_field *f, const void *row)
{
    assert(f->kind == EM_KIND_TEXT);
    return (const char *)row + f->off;
}

const struct em_field *em_field_find(const struct em_table *t, const char *json)
{
    for (size_t i = 0; i < t->fields_n; i++)
        if (strcmp(t->fields[i].json, json) == 0)
            return &t->fields[i];
    return NULL;
}
