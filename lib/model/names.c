/* SPDX-License-Identifier: GPL-3.0-or-later
 * The closed lists and their words. */
#include "model/names.h"

#include <string.h>

#define NAMES(var, what, ...)                                                                                \
    static const struct em_name var##_list[] = { __VA_ARGS__ };                                              \
    const struct em_names var = { what, var##_list, sizeof var##_list / sizeof *var##_list }

NAMES(em_verdict_names, "verdict", { "ok", "the expected answer came in time" },
      { "degraded", "answered, but with retransmits, loss or slowness over the threshold" },
      { "refused", "TCP reset or ICMP port unreachable: the path is open and nobody listens" },
      { "filtered", "no answer of any kind" },
      { "prohibited", "an ICMP message said that the path is administratively prohibited" },
      { "unreachable",
        "no way to the network or host: an ICMP message said so, or this machine has no route" },
      { "blackholed",
        "TCP connected, but the payload was never acknowledged: the path drops data after a good handshake" },
      { "silent", "TCP connected and the payload was acknowledged, but no answer came" },
      { "reset", "TCP connected, then the connection was reset once payload was sent" },
      { "intercepted", "something other than the edge answered" },
      { "mangled", "the edge answered, but addresses or payload were rewritten on the way" },
      { "auth-failed", "the server refused the credentials" }, { "dns-failed", "the name did not resolve" },
      { "tls-failed", "the TLS handshake failed" },
      { "protocol-error", "the answer was not the expected protocol" },
      { "error", "the probe could not be made on this machine" }, { "untested", "no probe has ended yet" });

NAMES(em_transport_names, "transport", { "udp", "UDP" }, { "tcp", "TCP" }, { "tls", "TLS over TCP" });
NAMES(em_dialect_names, "dialect", { "none", "no STUN spoken" },
      { "rfc", "STUN and TURN by RFC 8489 and RFC 8656" }, { "ms", "Microsoft TURN by [MS-TURN]" });
NAMES(em_side_names, "side", { "unknown", "not told" }, { "caller", "reported by the caller" },
      { "callee", "reported by the callee" });
NAMES(em_media_names, "media", { "unknown", "not told" }, { "audio", "audio" }, { "video", "video" },
      { "application-sharing", "application or desktop sharing" }, { "panoramic-video", "panoramic video" },
      { "data", "data" });
NAMES(em_code_class_names, "code class", { "media-failure", "the media of a call failed" },
      { "other-failure", "a call failed for another reason" }, { "information", "not a failure" });
NAMES(em_source_type_names, "source type", { "trace", "trace files that are tailed" },
      { "sdn", "SDN Interface posts" }, { "http", "polled over HTTP" }, { "sql", "polled from a database" },
      { "hep", "HEP packets" }, { "qoe", "QoE reports" });
NAMES(em_source_state_names, "source state", { "starting", "nothing was read yet" },
      { "reading", "more is there to be read" }, { "caught-up", "everything that is there was read" },
      { "waiting", "nothing is there to read from" }, { "failed", "it cannot be read; the error tells why" });
NAMES(em_format_names, "format", { "unknown", "not recognised" }, { "ocslogger", "OCSLogger or CLS text" },
      { "uccapi", "UCCAPI client log" }, { "sip", "plain SIP text" },
      { "sdn", "message of the SDN Interface" }, { "qoe", "QoE report" }, { "row", "row of a database" });
NAMES(em_finding_kind_names, "finding",
      { "range-blocked", "media ports of the edge are blocked on the path" },
      { "udp-blocked", "UDP to the edge is blocked while TCP works" },
      { "tls-inspection", "something on the path terminates TLS in place of the edge" },
      { "application-inspection",
        "something on the path lets connections open and disturbs the media in them" },
      { "nat-address-wrong", "the edge hands out relay addresses that nobody outside can reach" },
      { "credentials-rejected", "the relay refuses credentials" },
      { "ports-exhausted", "the relay has no free media port" },
      { "relay-down", "the relay service does not work while its machine answers" },
      { "partner-only", "all failed calls share one far relay" },
      { "media-only", "all failed calls are of one kind of media" },
      { "address-broken", "one of several addresses of a name does not work" },
      { "name-wrong", "the name of an edge does not resolve" },
      { "certificate-ending", "a certificate ends soon or has ended" },
      { "calls-fail-probes-pass", "calls fail while every check is up" },
      { "probes-fail-calls-pass", "checks fail while calls go on without a media failure" },
      { "source-silent", "a source of evidence brings nothing" },
      { "clock-skew", "a source reports times in the future" },
      { "edge-unreachable", "nothing of the edge answers" },
      { "rewritten", "something on the path rewrites addresses or payload" });
NAMES(em_path_filter_names, "path filter", { "none", "everything gets through" },
      { "port", "the port is blocked" }, { "content", "what is sent decides whether it gets through" },
      { "loss", "packets get lost, whatever they carry" }, { "size", "large packets do not get through" });
NAMES(em_peer_kind_names, "peer kind", { "relay", "calls whose far relay has this address" },
      { "domain", "calls whose far party has an address in this domain" },
      { "other-relays", "calls whose far relay has no row of its own" },
      { "other-domains", "calls whose far party's domain has no row of its own" });
NAMES(em_severity_names, "severity", { "notice", "worth knowing" },
      { "warning", "some users are affected, or soon will be" }, { "critical", "users are affected now" });
NAMES(em_confidence_names, "confidence", { "low", "one observation" },
      { "medium", "several observations of one kind" },
      { "high", "many observations, or checks and calls agree" });
NAMES(em_truth_names, "truth", { "true", "yes" }, { "false", "no" });

const char *em_name_of(const struct em_names *names, uint32_t value)
{
    return value >= 1 && value <= names->n ? names->names[value - 1].name : "?";
}

uint32_t em_name_value(const struct em_names *names, const char *name)
{
    for (uint32_t i = 0; i < names->n; i++)
        if (strcmp(names->names[i].name, name) == 0)
            return i + 1;
    return 0;
}

const char *em_verdict_advice(enum em_verdict v)
{
    static const char *const advices[EM_VERDICT_COUNT + 1] = {
        [EM_VERDICT_OK] =
            "Nothing. If users still complain, their path is another one: place a probe where they are.",
        [EM_VERDICT_DEGRADED] = "Look at the retransmits and the round trip. `edgemedia path` tells loss of "
                                "packets from a filter.",
        [EM_VERDICT_REFUSED] =
            "Look at the service on the edge, and at the port in the configuration: the network lets packets "
            "through.",
        [EM_VERDICT_FILTERED] =
            "A firewall drops the packets, or the machine is off. `edgemedia path` with `--good-port` names "
            "the hop after which they vanish.",
        [EM_VERDICT_PROHIBITED] = "The reason names the address that said so: ask who runs it for the rule.",
        [EM_VERDICT_UNREACHABLE] =
            "The reason names who said so. Look at the routes there, and whether the machine is on.",
        [EM_VERDICT_BLACKHOLED] =
            "Look for application inspection on each firewall of the path: a handshake passes and media do "
            "not. `edgemedia path` tells which payload is dropped, and after which hop.",
        [EM_VERDICT_SILENT] =
            "The far TCP took the request. Look whether the service hangs, or something else listens on the "
            "port.",
        [EM_VERDICT_RESET] = "Look for an inspection that ends connections once it has seen what they carry. "
                             "`edgemedia path` tells which payload it is, and after which hop.",
        [EM_VERDICT_INTERCEPTED] =
            "Read the first bytes or the issuer in the reason: a proxy or TLS inspection answers in place of "
            "the edge. Exempt the edge's addresses from it.",
        [EM_VERDICT_MANGLED] =
            "Switch off SIP and STUN helpers (ALG) for the edge's addresses on the firewalls of the path.",
        [EM_VERDICT_AUTH_FAILED] =
            "Compare user name, password or shared secret with the server's, and both clocks: short-lived "
            "credentials expire.",
        [EM_VERDICT_DNS_FAILED] =
            "Ask the name server that users ask for the A, AAAA and SRV records, and compare them with the "
            "edge's addresses.",
        [EM_VERDICT_TLS_FAILED] =
            "Read the reason: a chain that is not trusted, another name, an end that has passed. Compare the "
            "issuer with that of the edge's certificate.",
        [EM_VERDICT_PROTOCOL_ERROR] =
            "Compare the scheme of the URI with the service: `turn:` is a TURN server, `msturn:` an A/V "
            "Edge.",
        [EM_VERDICT_ERROR] =
            "Read the reason: descriptors, memory, permission or addresses of the machine that probes.",
        [EM_VERDICT_UNTESTED] = "Wait for the next probe. If it stays, read the log of edgemediad.",
    };

    return v >= EM_VERDICT_OK && v <= EM_VERDICT_UNTESTED ? advices[v] : "";
}

bool em_verdict_up(enum em_verdict v)
{
    return v == EM_VERDICT_OK || v == EM_VERDICT_DEGRADED;
}

unsigned em_verdict_severity(enum em_verdict v)
{
    switch (v) {
    case EM_VERDICT_OK:
        return 0;
    case EM_VERDICT_UNTESTED:
        return 1;
    case EM_VERDICT_DEGRADED:
        return 2;
    default:
        return 3 + (unsigned)v;
    }
}
