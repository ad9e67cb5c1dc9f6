/* SPDX-License-Identifier: GPL-3.0-or-later
 * Every word of edgemedia.conf, once. A new option is a member and a row here. */
#include "agent/conf_rows.h"

#define OPTION(word, k, row, member, ...)                                                                    \
    {                                                                                                        \
        .name = word, .kind = EM_CONF_##k, .off = offsetof(struct row, member),                              \
        .size = sizeof((struct row *)0)->member, __VA_ARGS__                                                 \
    }
#define LATER(word, text)                                                                                    \
    {                                                                                                        \
        .name = word, .kind = EM_CONF_LATER, .help = text                                                    \
    }
#define ROWS(list) list, sizeof list / sizeof *list

static const struct em_conf_row root_rows[] = {
    OPTION("database", ABSOLUTE, em_conf, database, .initial = EM_LOCALSTATEDIR "/lib/edgemedia/edgemedia.db",
           .help = "Where calls, counters and read positions are kept."),
    OPTION("retention", DURATION, em_conf, retention_us, .initial = "60d", .min = 86400, .max = 315360000,
           .help = "Calls that were not seen for this time are forgotten; counters stay."),
    OPTION("database_size", UINT, em_conf, database_mib, .initial = "4096", .min = 64, .max = 1048576,
           .help = "MiB of the database, at most: beyond it the oldest calls are forgotten."),
    OPTION("web_listen", TEXT, em_conf, web_listen, .initial = "127.0.0.1:9823",
           .help = "Address and port of the web endpoint; empty: none."),
    OPTION("web_remote", TRUTH, em_conf, web_remote, .initial = "no",
           .help = "web_listen may be an address that others reach, without TLS."),
    OPTION("web_certificate", ABSOLUTE, em_conf, web_tls.certificate,
           .help = "Certificate of the web endpoint and its chain (PEM): with it, it speaks TLS."),
    OPTION("web_key", ABSOLUTE, em_conf, web_tls.key, .help = "Key of that certificate (PEM)."),
    OPTION("web_client_ca", ABSOLUTE, em_conf, web_tls.client_ca,
           .help = "Only who shows a certificate that these (PEM) have signed is answered."),
    OPTION("web_names", TEXT, em_conf, web_names,
           .help = "Names that a browser may use for the web endpoint, separated by commas."),
    OPTION("control_socket", TEXT, em_conf, control_socket, .initial = "/run/edgemedia/control",
           .help = "Unix socket for the edgemedia command and the plugin; empty: none."),
    OPTION("agentx_address", TEXT, em_conf, agentx_address, .initial = "/var/agentx/master",
           .help = "Where the SNMP master agent listens; empty: no SNMP."),
    OPTION("name_servers", TEXT, em_conf, name_servers,
           .help = "Name servers to ask instead of the system's."),
    OPTION("notification_rate", UINT, em_conf, notification_rate, .initial = "60", .min = 0, .max = 600,
           .help = "SNMP notifications in a minute, at most; 0: none."),
    OPTION("notification_delay", DURATION, em_conf, notification_delay_us, .initial = "10", .min = 0,
           .max = 3600, .help = "A change that does not last so long is not notified."),
    OPTION("finding_delay", DURATION, em_conf, finding.raise_after_us, .initial = "30", .min = 0, .max = 3600,
           .help = "What neither probes nor calls confirm is a finding after this time."),
    OPTION("finding_clear", DURATION, em_conf, finding.clear_after_us, .initial = "90", .min = 1,
           .max = 86400, .help = "A finding ends when nothing has supported it for this time."),
    OPTION("finding_calls", UINT, em_conf, finding.calls_few, .initial = "3", .min = 1, .max = 1000,
           .help = "Failed calls alike that make a finding."),
    OPTION("finding_calls_window", DURATION, em_conf, finding.calls_window_us, .initial = "3600", .min = 1,
           .max = 86400, .help = "Calls that failed longer ago support no finding."),
    OPTION("finding_source_silent", DURATION, em_conf, finding.source_silent_us, .initial = "6h", .min = 1,
           .max = 864000, .help = "A source that brings nothing for this time is silent."),
    OPTION("finding_clock_skew", DURATION, em_conf, finding.skew_us, .initial = "120", .min = 1, .max = 86400,
           .help = "A record that is so far in the future is of another clock."),
    OPTION("finding_certificate_days", UINT, em_conf, finding.certificate_days, .initial = "21", .min = 1,
           .max = 3650, .help = "Days before its end at which a certificate is a finding."),
    OPTION("failure_threshold", UINT, em_conf, failure_threshold, .initial = "5", .min = 0, .max = 1000000,
           .help = "Failed calls in 5 minutes that are notified; 0: never."),
    OPTION("concurrent_probes", UINT, em_conf, concurrent_probes, .initial = "64", .min = 1, .max = 1000,
           .help = "Probes that run at the same time, at most."),
};

static const struct em_conf_row check_rows[] = {
    OPTION("uri", TEXT, em_conf_raw_check, uri, .needed = true,
           .help = "What is tested, and how; without a host: each address of the edge."),
    OPTION("interval", DURATION, em_conf_raw_check, interval_us, .initial = "30", .min = 1, .max = 86400,
           .help = "Time from one probe to the next."),
    OPTION("timeout", DURATION, em_conf_raw_check, timeout_us, .initial = "10", .min = 0.1, .max = 60,
           .help = "A probe without an answer ends after this time."),
    OPTION("degraded_rtt", DURATION, em_conf_raw_check, degraded_rtt_us, .min = 0, .max = 60,
           .help = "An answer that took longer is degraded; 0: no threshold."),
    OPTION("source_ports", PORTS, em_conf_raw_check, source_ports,
           .help = "Local ports to probe from, such as 50000-59999."),
    OPTION("relay_ports", PORTS, em_conf_raw_check, relay_ports,
           .help = "Ports that the relay may give out; another one is degraded."),
    OPTION("rounds", UINT, em_conf_raw_check, rounds, .initial = "20", .min = 1, .max = 1000,
           .help = "path: how often each payload is sent in an interval."),
    OPTION("good_port", UINT, em_conf_raw_check, good_port, .initial = "0", .min = 0, .max = 65535,
           .help = "path: a port that does work, to compare hops with; 0: none."),
    OPTION("user", TEXT, em_conf_raw_check, user, .help = "User name of the long-term credentials."),
    OPTION("password_file", ABSOLUTE, em_conf_raw_check, password_file,
           .help = "File that holds the password."),
    OPTION("secret_file", ABSOLUTE, em_conf_raw_check, secret_file,
           .help = "File that holds the shared secret of the TURN REST scheme."),
    OPTION("ca_file", ABSOLUTE, em_conf_raw_check, ca_file,
           .help = "PEM certificates that a TLS server is checked against; empty: those of the system."),
    OPTION("insecure", TRUTH, em_conf_raw_check, insecure, .initial = "no",
           .help = "Whether any certificate of a TLS server will do."),
    OPTION("issuer", TEXT, em_conf_raw_check, issuer,
           .help = "Issuer of the TLS server's certificate; empty: the one that was seen first."),
};

static const struct em_conf_row range_rows[] = {
    OPTION("ports", PORTS, em_conf_raw_range, ports, .needed = true,
           .help = "Ports to sweep, such as 50000-59999."),
    OPTION("transport", TEXT, em_conf_raw_range, transport, .initial = "tcp", .help = "udp or tcp."),
    OPTION("host", TEXT, em_conf_raw_range, host,
           .help = "Name or address to sweep; without it: each address of the edge."),
    OPTION("sample", UINT, em_conf_raw_range, sample, .initial = "200", .min = 1, .max = 65535,
           .help = "Ports of each sweep, others each time; of a smaller range all."),
    OPTION("interval", DURATION, em_conf_raw_range, interval_us, .initial = "300", .min = 1, .max = 86400,
           .help = "Time from one sweep to the next."),
    OPTION("source_ports", PORTS, em_conf_raw_range, source_ports,
           .help = "Local ports to sweep from, such as 50000-59999."),
    OPTION("payload", TEXT, em_conf_raw_range, payload, .initial = "stun",
           .help = "stun, or sharing: what desktop sharing looks like, which needs edgemedia respond."),
    OPTION("rate", UINT, em_conf_raw_range, rate, .initial = "500", .min = 1, .max = 100000,
           .help = "Ports in a second, at most."),
    OPTION("timeout", DURATION, em_conf_raw_range, timeout_us, .initial = "3", .min = 0.1, .max = 60,
           .help = "Time to wait for a port, at most."),
    OPTION("key_file", ABSOLUTE, em_conf_raw_range, key_file,
           .help = "File whose first line is the key shared with the responder."),
};

static const struct em_conf_row edge_rows[] = {
    OPTION("address", TEXTS, em_conf_raw_edge, address,
           .help = "Names and addresses of the edge; each is tested."),
};

#define POLLED (EM_CONF_OF(EM_SOURCE_HTTP) | EM_CONF_OF(EM_SOURCE_SQL))
#define LISTENING (EM_CONF_OF(EM_SOURCE_HEP) | EM_CONF_OF(EM_SOURCE_SDN) | EM_CONF_OF(EM_SOURCE_QOE))

static const struct em_conf_row source_rows[] = {
    OPTION("type", SOURCE, em_conf_raw_source, type, .needed = true, .help = "What kind of source it is."),
    OPTION("path", TEXTS, em_conf_raw_source, path, .needed = true, .of = EM_CONF_OF(EM_SOURCE_TRACE),
           .help = "Patterns of the files to follow; each begins with a slash."),
    OPTION("from_start", TRUTH, em_conf_raw_source, conf.from_start, .initial = "yes",
           .of = EM_CONF_OF(EM_SOURCE_TRACE),
           .help = "Whether files that are there at the first start are read from their beginning."),
    OPTION("listen", TEXT, em_conf_raw_source, listen, .needed = true, .of = LISTENING,
           .help = "Address and port to listen at."),
    OPTION("remote", TRUTH, em_conf_raw_source, remote, .initial = "no", .of = LISTENING,
           .help = "listen may be an address that others reach, though they are not authenticated."),
    OPTION("certificate", ABSOLUTE, em_conf_raw_source, conf.tls.certificate, .of = LISTENING,
           .help = "Certificate of this listener and its chain (PEM): with it, it speaks TLS."),
    OPTION("key", ABSOLUTE, em_conf_raw_source, conf.tls.key, .of = LISTENING,
           .help = "Key of that certificate (PEM)."),
    OPTION("client_ca", ABSOLUTE, em_conf_raw_source, conf.tls.client_ca, .of = LISTENING,
           .help = "Only who shows a certificate that these (PEM) have signed may send."),
    OPTION("preset", TEXT, em_conf_raw_source, conf.preset, .needed = true, .of = POLLED,
           .help = "http: homer7, loki, elasticsearch, opensearch, generic; sql: lcscdr, qoemetrics, query."),
    OPTION("connection", TEXT, em_conf_raw_source, conf.sql.connection, .needed = true,
           .of = EM_CONF_OF(EM_SOURCE_SQL),
           .help = "ODBC connection: driver and database, without user and password."),
    OPTION("url", TEXT, em_conf_raw_source, conf.http.url, .needed = true, .of = EM_CONF_OF(EM_SOURCE_HTTP),
           .help = "Server that is asked; of generic the whole URL, with {start}, {cursor} and the like."),
    OPTION("query", TEXT, em_conf_raw_source, conf.query, .of = POLLED,
           .help = "What to ask it for, in its own language."),
    OPTION("index", TEXT, em_conf_raw_source, conf.http.index, .of = EM_CONF_OF(EM_SOURCE_HTTP),
           .help = "Index that is searched, or table of HOMER."),
    OPTION("tenant", TEXT, em_conf_raw_source, conf.http.tenant, .of = EM_CONF_OF(EM_SOURCE_HTTP),
           .help = "Tenant of Loki."),
    OPTION("text", TEXT, em_conf_raw_source, conf.http.text, .of = EM_CONF_OF(EM_SOURCE_HTTP),
           .help = "Where the text of each record is in an answer: a JSON Pointer."),
    OPTION("time_field", TEXT, em_conf_raw_source, conf.http.time_field, .of = EM_CONF_OF(EM_SOURCE_HTTP),
           .help = "Where the time is: a field of Elasticsearch, or a JSON Pointer."),
    OPTION("cursor", TEXT, em_conf_raw_source, conf.http.cursor, .of = EM_CONF_OF(EM_SOURCE_HTTP),
           .help = "Where the cursor to the next page is: a JSON Pointer."),
    OPTION("interval", DURATION, em_conf_raw_source, conf.interval_us, .initial = "10", .min = 1,
           .max = 86400, .of = POLLED, .help = "Time from one question to the next."),
    OPTION("since", DURATION, em_conf_raw_source, conf.since_us, .initial = "3600", .min = 0, .max = 31536000,
           .of = POLLED, .help = "How far back the very first question goes."),
    OPTION("overlap", DURATION, em_conf_raw_source, conf.overlap_us, .initial = "60", .min = 0, .max = 86400,
           .of = EM_CONF_OF(EM_SOURCE_HTTP), .help = "How late a record may reach the server."),
    OPTION("overlap", DURATION, em_conf_raw_source, conf.overlap_us, .initial = "900", .min = 0, .max = 86400,
           .of = EM_CONF_OF(EM_SOURCE_SQL), .help = "How late a row may reach the database."),
    OPTION("timeout", DURATION, em_conf_raw_source, conf.timeout_us, .initial = "30", .min = 0.1, .max = 600,
           .of = POLLED, .help = "Time for a whole answer, at most."),
    OPTION("page", UINT, em_conf_raw_source, conf.page, .initial = "0", .min = 0, .max = 10000, .of = POLLED,
           .help = "Records of one answer, at most; 0: what suits the server."),
    OPTION("user", TEXT, em_conf_raw_source, conf.user, .of = POLLED, .help = "User name."),
    OPTION("password_file", SECRET, em_conf_raw_source, conf.password, .of = POLLED,
           .help = "File whose first line is the password."),
    OPTION("token_file", SECRET, em_conf_raw_source, conf.http.token, .of = EM_CONF_OF(EM_SOURCE_HTTP),
           .help = "File whose first line is a token in place of user and password."),
    OPTION("ca_file", ABSOLUTE, em_conf_raw_source, conf.ca_file, .of = EM_CONF_OF(EM_SOURCE_HTTP),
           .help = "Certificates to trust instead of those of the system."),
    OPTION("insecure", TRUTH, em_conf_raw_source, conf.insecure, .initial = "no",
           .of = EM_CONF_OF(EM_SOURCE_HTTP),
           .help = "Go on although the certificate of the server is not good."),
    OPTION("proxy", TEXT, em_conf_raw_source, conf.http.proxy, .of = EM_CONF_OF(EM_SOURCE_HTTP),
           .help = "Proxy to ask through; the environment is not looked at."),
    OPTION("proxy_user", TEXT, em_conf_raw_source, conf.http.proxy_user, .of = EM_CONF_OF(EM_SOURCE_HTTP),
           .help = "User name for the proxy."),
    OPTION("proxy_password_file", SECRET, em_conf_raw_source, conf.http.proxy_password,
           .of = EM_CONF_OF(EM_SOURCE_HTTP), .help = "File whose first line is the password for the proxy."),
    LATER("ice_numbering", "Numbering of the ICE warnings."),
};

static const struct em_conf_block edge_blocks[] = {
    { "check", ROWS(check_rows), NULL, 0, false, "A test of one URI at intervals." },
    { "range", ROWS(range_rows), NULL, 0, false, "A range of ports that is swept." },
};

static const struct em_conf_block root_blocks[] = {
    { "edge", ROWS(edge_rows), ROWS(edge_blocks), false, "An edge and its checks." },
    { "source", ROWS(source_rows), NULL, 0, false, "A source of evidence about failed calls." },
};

const struct em_conf_block em_conf_root = { NULL, ROWS(root_rows), ROWS(root_blocks), false,
                                            "The daemon itself." };
