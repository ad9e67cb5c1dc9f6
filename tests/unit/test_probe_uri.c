/* SPDX-License-Identifier: GPL-3.0-or-later
 * The URIs of probes: what is taken, with which defaults, and the sentence for what is not. */
#include <string.h>

#include "harness.h"
#include "probe/probe.h"

START_TEST(good_uris)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        enum em_transport transport;
        enum em_dialect dialect;
    } rows[] = {
        { "stun:edge.example.com", "edge.example.com", 3478, EM_TRANSPORT_UDP, EM_DIALECT_RFC },
        { "STUN:edge.example.com.:65535", "edge.example.com.", 65535, EM_TRANSPORT_UDP, EM_DIALECT_RFC },
        { "stun:192.0.2.1?transport=tcp", "192.0.2.1", 3478, EM_TRANSPORT_TCP, EM_DIALECT_RFC },
        { "turn:[2001:db8::1]:443?transport=TCP", "2001:db8::1", 443, EM_TRANSPORT_TCP, EM_DIALECT_RFC },
        { "turn:[2001:db8::1]", "2001:db8::1", 3478, EM_TRANSPORT_UDP, EM_DIALECT_RFC },
        { "turn:edge_1.example.com?transport=udp", "edge_1.example.com", 3478, EM_TRANSPORT_UDP,
          EM_DIALECT_RFC },
        { "tcp:localhost:50000", "localhost", 50000, EM_TRANSPORT_TCP, EM_DIALECT_RFC },
        { "udp:[::1]:1", "::1", 1, EM_TRANSPORT_UDP, EM_DIALECT_RFC },
        { "msturn:edge", "edge", 3478, EM_TRANSPORT_UDP, EM_DIALECT_MS },
        { "msturn:edge?transport=tcp", "edge", 443, EM_TRANSPORT_TCP, EM_DIALECT_MS },
        { "MSTURN:[::1]:444?transport=TCP", "::1", 444, EM_TRANSPORT_TCP, EM_DIALECT_MS },
        { "msturn:edge:444?transport=udp", "edge", 444, EM_TRANSPORT_UDP, EM_DIALECT_MS },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct em_probe_uri u;
        struct em_why why = { "" };

        ck_assert_msg(em_probe_uri_read(rows[i].text, &u, &why) == 0, "%s: %s", rows[i].text, why.text);
        ck_assert_str_eq(u.text, rows[i].text);
        ck_assert_str_eq(u.host, rows[i].host);
        ck_assert_uint_eq(u.port, rows[i].port);
        ck_assert_uint_eq(u.transport, rows[i].transport);
        ck_assert_uint_eq(u.dialect, rows[i].dialect);
        ck_assert_ptr_nonnull(u.kind);
    }
}
END_TEST

START_TEST(relay_uris)
{
    static const struct {
        const char *text;
        uint16_t port;
        enum em_transport transport;
        const char *far;
        uint16_t far_port;
        bool relayed_tcp;
    } rows[] = {
        { "relay:edge", 3478, EM_TRANSPORT_UDP, "", 0, false },
        { "relay:edge?far=b", 3478, EM_TRANSPORT_UDP, "b", 3478, false },
        { "relay:edge:9?FAR=b.example.com:8&transport=tcp", 9, EM_TRANSPORT_TCP, "b.example.com", 8, false },
        { "relay:edge?transport=tcp&relayed=tcp&far=[2001:db8::1]:7", 3478, EM_TRANSPORT_TCP, "2001:db8::1",
          7, true },
        { "relay:edge?relayed=tcp&transport=tcp", 3478, EM_TRANSPORT_TCP, "", 0, true },
        { "relays:edge", 5349, EM_TRANSPORT_TLS, "", 0, false },
        { "msrelay:edge", 3478, EM_TRANSPORT_UDP, "", 0, false },
        { "msrelay:edge?far=b&transport=tcp", 443, EM_TRANSPORT_TCP, "b", 443, false },
        { "msrelay:edge:444?transport=tcp&far=b:7", 444, EM_TRANSPORT_TCP, "b", 7, false },
        { "relays:edge?relayed=TCP&far=b", 5349, EM_TRANSPORT_TLS, "b", 5349, true },
        { "relays:edge?transport=tcp&relayed=udp", 5349, EM_TRANSPORT_TLS, "", 0, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct em_probe_uri u;
        struct em_why why = { "" };

        ck_assert_msg(em_probe_uri_read(rows[i].text, &u, &why) == 0, "%s: %s", rows[i].text, why.text);
        ck_assert_str_eq(u.host, "edge");
        ck_assert_uint_eq(u.port, rows[i].port);
        ck_assert_uint_eq(u.transport, rows[i].transport);
        ck_assert_str_eq(u.far, rows[i].far);
        ck_assert_uint_eq(u.far_port, rows[i].far_port);
        ck_assert_uint_eq(u.relayed_tcp, rows[i].relayed_tcp);
    }
}
END_TEST

START_TEST(bad_uris)
{
    static const struct {
        const char *text;
        int err;
        const char *says;
    } rows[] = {
        { "", EM_ERR_INPUT, "is no URI of a probe" },
        { "edge.example.com", EM_ERR_INPUT, "stun: turn: stuns: turns: relay: relays: tcp: udp:" },
        { "http://edge.example.com", EM_ERR_INPUT, "stun: turn: stuns: turns: relay: relays: tcp: udp:" },
        { "stun", EM_ERR_INPUT, "is no URI of a probe" },
        { "stun:", EM_ERR_INPUT, "the host must be" },
        { "stun://edge.example.com", EM_ERR_INPUT, "no // after stun:" },
        { "stun:user@edge.example.com", EM_ERR_INPUT, "the host must be" },
        { "stun:2001:db8::1", EM_ERR_INPUT, "stands in []" },
        { "stun:::1", EM_ERR_INPUT, "IPv6 address in []" },
        { "stun:[2001:db8::1", EM_ERR_INPUT, "the host must be" },
        { "stun:[192.0.2.1]", EM_ERR_INPUT, "the host must be" },
        { "stun:a..b", EM_ERR_INPUT, "the host must be" },
        { "stun:.a", EM_ERR_INPUT, "the host must be" },
        { "stun:a b", EM_ERR_INPUT, "the host must be" },
        { "stun:edge:0", EM_ERR_INPUT, "from 1 to 65535" },
        { "stun:edge:65536", EM_ERR_INPUT, "from 1 to 65535" },
        { "stun:edge:", EM_ERR_INPUT, "from 1 to 65535" },
        { "stun:edge:34x", EM_ERR_INPUT, "understood" },
        { "stun:edge:-1", EM_ERR_INPUT, "from 1 to 65535" },
        { "turn:edge?transport=sctp", EM_ERR_INPUT, "udp or tcp" },
        { "turn:edge?transport=", EM_ERR_INPUT, "udp or tcp" },
        { "turn:edge?transport=tcp&x=1", EM_ERR_INPUT, "udp or tcp" },
        { "turn:edge?user=a", EM_ERR_INPUT, "only ?transport=udp" },
        { "turn:edge/path", EM_ERR_INPUT, "the host must be" },
        { "tcp:edge", EM_ERR_INPUT, "give the port, tcp:edge:PORT" },
        { "udp:edge:9?transport=tcp", EM_ERR_INPUT, "understood" },
        { "stun:edge\n", EM_ERR_INPUT, "control characters" },
        { "turns:edge?transport=udp", EM_ERR_UNSUPPORTED, "DTLS" },
        { "turns:edge?transport=sctp", EM_ERR_INPUT, "udp or tcp" },
        { "stuns:edge?x=1", EM_ERR_INPUT, "only ?transport=tcp" },
        { "turns://edge", EM_ERR_INPUT, "no //" },
        { "msturn:edge?transport=tls", EM_ERR_INPUT, "transport must be udp or tcp" },
        { "msturn://edge", EM_ERR_INPUT, "no //" },
        { "relay:edge?transport=sctp", EM_ERR_INPUT, "udp or tcp" },
        { "msrelay:edge?transport=tcp&relayed=tcp", EM_ERR_INPUT, "use transport=" },
        { "msrelay:edge?x=1", EM_ERR_INPUT, "transport= and far= may follow" },
        { "relay:edge?far=", EM_ERR_INPUT, "far must be a host" },
        { "relay:edge?far=a..b", EM_ERR_INPUT, "far must be a host" },
        { "relay:edge?far=b:0", EM_ERR_INPUT, "far must be a host" },
        { "relay:edge?far=2001:db8::1", EM_ERR_INPUT, "far must be a host" },
        { "relay:edge?far=b?transport=tcp", EM_ERR_INPUT, "far must be a host" },
        { "relay:edge&far=b", EM_ERR_INPUT, "transport=, far= and relayed= may follow" },
        { "relay:edge?far=b&x=1", EM_ERR_INPUT, "transport=, far= and relayed= may follow" },
        { "relay:edge?relayed=tcp", EM_ERR_INPUT, "need TCP to the server" },
        { "relay:edge?relayed=tls&transport=tcp", EM_ERR_INPUT, "relayed must be udp or tcp" },
        { "relays:edge?transport=udp", EM_ERR_UNSUPPORTED, "DTLS" },
        { "turn:edge?far=b", EM_ERR_INPUT, "only ?transport=udp" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct em_probe_uri u;
        struct em_why why = { "" };
        int err = em_probe_uri_read(rows[i].text, &u, &why);

        ck_assert_msg(err == rows[i].err, "%s: %d %s", rows[i].text, err, why.text);
        ck_assert_msg(strstr(why.text, rows[i].says) != NULL, "%s: %s", rows[i].text, why.text);
    }
}
END_TEST

START_TEST(lengths_have_a_maximum)
{
    struct em_probe_uri u;
    struct em_why why;
    char text[EM_URI_MAX + 2] = "stun:";

    for (size_t n = 5; n < EM_URI_MAX; n++) {
        text[n] = n % 60 == 0 ? '.' : 'a';
        text[n + 1] = '\0';
        ck_assert_int_eq(em_probe_uri_read(text, &u, &why), n + 1 >= EM_URI_MAX ? EM_ERR_LIMIT
                                                            : n + 1 - 5 > 253   ? EM_ERR_INPUT
                                                                                : 0);
    }
    memset(text, 0, sizeof text);
    memcpy(text, "stun:", 5);
    memset(text + 5, 'a', 63);
    ck_assert_int_eq(em_probe_uri_read(text, &u, &why), 0);
    text[68] = 'a'; /* a label of 64 */
    ck_assert_int_eq(em_probe_uri_read(text, &u, &why), EM_ERR_INPUT);
}
END_TEST

int main(void)
{
    TCase *t = em_case("probe uri");

    tcase_add_test(t, good_uris);
    tcase_add_test(t, relay_uris);
    tcase_add_test(t, bad_uris);
    tcase_add_test(t, lengths_have_a_maximum);
    return em_run();
}
