/* SPDX-License-Identifier: GPL-3.0-or-later
 * Closed lists of words: every enumeration that a user sees is a table of names here, and its numbers are the SNMP
 * enumeration (from 1). The order is part of the MIB: append, never insert.
 */
#ifndef EM_MODEL_NAMES_H
#define EM_MODEL_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct em_name {
    const char
        *name; /* as in JSON, metrics, command line: "auth-failed"; SNMP labels drop the hyphen: authFailed */
    const char *help;
};

/* names[value - 1] is the name of value. */
struct em_names {
    const char *title;
    const struct em_name *names;
    uint32_t n;
};

/* What one probe of one address, or of one port of a sweep, came to. */
enum em_verdict {
    EM_VERDICT_OK = 1,
    EM_VERDICT_DEGRADED,    /* answered, with retransmits, loss or slowness over the threshold */
    EM_VERDICT_REFUSED,     /* RST or ICMP port unreachable: the path is open, nobody listens */
    EM_VERDICT_FILTERED,    /* silence */
    EM_VERDICT_PROHIBITED,  /* ICMP administratively prohibited */
    EM_VERDICT_UNREACHABLE, /* ICMP net or host unreachable */
    EM_VERDICT_BLACKHOLED, /* TCP connected, payload never acknowledged: the path drops data after a good handshake */
    EM_VERDICT_SILENT,      /* TCP connected, payload acknowledged, no answer */
    EM_VERDICT_RESET,       /* TCP connected, then reset once payload was sent */
    EM_VERDICT_INTERCEPTED, /* somebody else answered */
    EM_VERDICT_MANGLED,     /* the peer answered, but addresses or payload were rewritten on the way */
    EM_VERDICT_AUTH_FAILED,
    EM_VERDICT_DNS_FAILED,
    EM_VERDICT_TLS_FAILED,
    EM_VERDICT_PROTOCOL_ERROR, /* an answer that is not the protocol */
    EM_VERDICT_ERROR,          /* local: no sockets, no permission */
    EM_VERDICT_UNTESTED,       /* no probe has ended yet */
};
enum { EM_VERDICT_COUNT = EM_VERDICT_UNTESTED };

enum em_transport { EM_TRANSPORT_UDP = 1, EM_TRANSPORT_TCP, EM_TRANSPORT_TLS };
enum em_dialect { EM_DIALECT_NONE = 1, EM_DIALECT_RFC, EM_DIALECT_MS };

enum em_side { EM_SIDE_UNKNOWN = 1, EM_SIDE_CALLER, EM_SIDE_CALLEE };

/* Bits of a media set are 1u << (value - 1). */
enum em_media {
    EM_MEDIA_UNKNOWN = 1,
    EM_MEDIA_AUDIO,
    EM_MEDIA_VIDEO,
    EM_MEDIA_APPLICATION_SHARING,
    EM_MEDIA_PANORAMIC_VIDEO,
    EM_MEDIA_DATA,
};
enum { EM_MEDIA_COUNT = EM_MEDIA_DATA };

enum em_code_class { EM_CODE_MEDIA_FAILURE = 1, EM_CODE_OTHER_FAILURE, EM_CODE_INFORMATION };

enum em_source_type {
    EM_SOURCE_TRACE = 1,
    EM_SOURCE_SDN,
    EM_SOURCE_HTTP,
    EM_SOURCE_SQL,
    EM_SOURCE_HEP,
    EM_SOURCE_QOE
};
enum em_source_state {
    EM_SOURCE_STARTING = 1, /* nothing read yet */
    EM_SOURCE_READING,      /* behind: more is there to be read */
    EM_SOURCE_CAUGHT_UP,    /* everything that is there was read */
    EM_SOURCE_WAITING,      /* no file matches, or nothing to connect to */
    EM_SOURCE_FAILED,       /* see the row's error */
};

/* Of an evidence text; see evidence/reader.h. */
enum em_format {
    EM_FORMAT_UNKNOWN = 1,
    EM_FORMAT_OCSLOGGER,
    EM_FORMAT_UCCAPI,
    EM_FORMAT_SIP,
    EM_FORMAT_SDN,
    EM_FORMAT_QOE,
    EM_FORMAT_ROW,
};

/* What a finding says; lib/diagnose/rules.c has the condition and the words of each. */
enum em_finding_kind {
    EM_FINDING_RANGE_BLOCKED = 1,
    EM_FINDING_UDP_BLOCKED,
    EM_FINDING_TLS_INSPECTION,
    EM_FINDING_APPLICATION_INSPECTION,
    EM_FINDING_NAT_ADDRESS_WRONG,
    EM_FINDING_CREDENTIALS_REJECTED,
    EM_FINDING_PORTS_EXHAUSTED,
    EM_FINDING_RELAY_DOWN,
    EM_FINDING_PARTNER_ONLY,
    EM_FINDING_MEDIA_ONLY,
    EM_FINDING_ADDRESS_BROKEN,
    EM_FINDING_NAME_WRONG,
    EM_FINDING_CERTIFICATE_ENDING,
    EM_FINDING_CALLS_FAIL_PROBES_PASS,
    EM_FINDING_PROBES_FAIL_CALLS_PASS,
    EM_FINDING_SOURCE_SILENT,
    EM_FINDING_CLOCK_SKEW,
    EM_FINDING_EDGE_UNREACHABLE,
    EM_FINDING_REWRITTEN,
};
enum { EM_FINDING_KINDS = EM_FINDING_REWRITTEN };

/* Whom calls failed with; evidence/peer.h has how that is read. */
enum em_peer_kind { EM_PEER_RELAY = 1, EM_PEER_DOMAIN, EM_PEER_OTHER_RELAYS, EM_PEER_OTHER_DOMAINS };

/* What the differential test of a path found; lib/probe/path_judge.h has how. */
enum em_path_filter {
    EM_PATH_NONE = 1,
    EM_PATH_PORT,    /* connections to the port come about never, or not all of them */
    EM_PATH_CONTENT, /* they do, and what they carry decides what becomes of them */
    EM_PATH_LOSS,    /* packets get lost, whatever they carry */
    EM_PATH_SIZE,    /* large packets do not get through */
};

enum em_severity { EM_SEVERITY_NOTICE = 1, EM_SEVERITY_WARNING, EM_SEVERITY_CRITICAL };
enum em_confidence { EM_CONFIDENCE_LOW = 1, EM_CONFIDENCE_MEDIUM, EM_CONFIDENCE_HIGH };

extern const struct em_names em_finding_kind_names, em_severity_names, em_confidence_names;
extern const struct em_names em_verdict_names, em_transport_names, em_dialect_names, em_side_names,
    em_media_names, em_code_class_names, em_source_type_names, em_source_state_names, em_format_names,
    em_truth_names, em_path_filter_names, em_peer_kind_names;

/* The name, or "unknown-N"-free "?" for a value outside the list (our bug). Never NULL. */
const char *em_name_of(const struct em_names *names, uint32_t value);

/* The value of a name (exact), or 0. */
uint32_t em_name_value(const struct em_names *names, const char *name);

/* What to do next where a path has this verdict: one or more sentences. Never NULL. */
const char *em_verdict_advice(enum em_verdict v);

/* ok and degraded are up; everything else is not. */
bool em_verdict_up(enum em_verdict v);

/* Orders verdicts for "worst of": higher is worse; untested is worse than ok and better than any failure. */
unsigned em_verdict_severity(enum em_verdict v);

#endif
