/* SPDX-License-Identifier: GPL-3.0-or-later
 * The lines of a script, a function each. */
#include "play_script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "harness.h"
#include "wire/stun_auth.h"

enum { STEPS_MAX = 48, TIMES_MAX = 32, MESSAGE_MAX = 4096 };

struct play_script {
    struct em_net *net;
    enum em_transport transport;
    struct em_addr at;
    const struct play_secrets *secrets;
    struct slice steps[STEPS_MAX], times, closed;
    size_t n, next;
    struct em_timer *timer;
    struct em_conn *conn;
    int64_t opened_us;
    bool opened, waiting, got; /* waiting: for a request */
    uint8_t request[MESSAGE_MAX], answer[MESSAGE_MAX];
    size_t request_n, answer_n;
    char realm[64], nonce[64];
    int64_t came[TIMES_MAX];
    size_t came_n;
    bool reset;
    struct play_script *const *cast;
    uint32_t relay_to; /* counted from 1; 0: nowhere */
    uint32_t lose, alter;
    bool twice, raw;
};

/* --- small readers ------------------------------------------------------------------------------------------------ */

static struct slice word(struct slice *rest)
{
    struct slice w;

    *rest = slice_trim(*rest);
    if (!slice_until(rest, ' ', &w)) {
        w = *rest;
        *rest = slice_from(*rest, rest->n);
    }
    return w;
}

static const char *text(struct slice s, char *to, size_t size)
{
    ck_assert(slice_copy(s, to, size));
    return to;
}

static uint32_t number(struct slice s)
{
    uint32_t v = 0;

    ck_assert_msg(slice_u32(&s, UINT32_MAX, &v), "a number: %.*s", SLICE_ARG(s));
    return v;
}

static int64_t duration(struct slice s)
{
    char t[32];
    int64_t us = 0;

    ck_assert_msg(em_read_duration(text(s, t, sizeof t), &us), "a duration: %.*s", SLICE_ARG(s));
    return us;
}

static int error_number(struct slice s)
{
    static const struct {
        const char *name;
        int value;
    } names[] = { { "EMFILE", EMFILE },
                  { "EPERM", EPERM },
                  { "EAFNOSUPPORT", EAFNOSUPPORT },
                  { "EADDRNOTAVAIL", EADDRNOTAVAIL },
                  { "ENETUNREACH", ENETUNREACH },
                  { "EHOSTUNREACH", EHOSTUNREACH } };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_eq(s, slice_of(names[i].name)))
            return names[i].value;
    ck_abort_msg("an errno: %.*s", SLICE_ARG(s));
}

/* "192.0.2.1:3478", "[2001:db8::1]:3478", or without port. */
static struct em_addr endpoint(struct slice s)
{
    struct em_addr a = { 0 };
    size_t colon = s.n;
    char t[64];
    uint16_t port = 0;

    while (colon > 0 && s.p[colon - 1] != ':' && s.p[colon - 1] != ']')
        colon--;
    if (colon > 0 && s.p[colon - 1] == ':' && (s.p[0] == '[' || slice_find_char(s, ':') == colon - 1)) {
        port = (uint16_t)number(slice_from(s, colon));
        s = slice_upto(s, colon - 1);
    }
    ck_assert_msg(em_addr_read(text(s, t, sizeof t), port, &a), "an address: %s", t);
    return a;
}

static struct stun_addr stun_endpoint(struct slice s)
{
    struct em_addr a = endpoint(s);
    struct stun_addr to = { .family = a.u.any.sa_family == AF_INET6 ? 6 : 4, .port = em_addr_port(&a) };

    if (to.family == 6)
        memcpy(to.ip, &a.u.v6.sin6_addr, 16);
    else
        memcpy(to.ip, &a.u.v4.sin_addr, 4);
    return to;
}

static uint16_t method(struct slice s)
{
    return slice_eq(s, SLICE("binding"))      ? STUN_BINDING
           : slice_eq(s, SLICE("allocate"))   ? STUN_ALLOCATE
           : slice_eq(s, SLICE("refresh"))    ? STUN_REFRESH
           : slice_eq(s, SLICE("permission")) ? STUN_CREATE_PERMISSION
           : slice_eq(s, SLICE("channel"))    ? STUN_CHANNEL_BIND
           : slice_eq(s, SLICE("connect"))    ? STUN_CONNECT
           : slice_eq(s, SLICE("bind"))       ? STUN_CONNECTION_BIND
                                              : 0;
}

static struct stun_key key_of(const struct play_script *s, const char *password)
{
    struct stun_key k;

    ck_assert(stun_key_long(&k, false, slice_of(s->secrets->user), slice_of(s->realm), slice_of(password)));
    return k;
}

/* --- the lines: each returns false when the script has to wait ------------------------------------------------------ */

static bool do_accept(struct play_script *s, struct slice rest)
{
    (void)rest;
    em_play_accept(s->conn);
    return true;
}

static void tls_certificate(struct play_script *s, struct slice *rest, struct em_tls_info *info)
{
    int64_t days = 90, wall = em_wall_us(em_net_clock(s->net));
    struct slice option;

    slice_copy(SLICE("CN=Good CA,O=Example"), info->issuer, sizeof info->issuer);
    while ((option = word(rest)).n && !slice_eq(option, SLICE(":")))
        if (slice_skip(&option, SLICE("days=")))
            days = slice_skip(&option, SLICE("-")) ? -(int64_t)number(option) : (int64_t)number(option);
        else if (slice_skip(&option, SLICE("issuer=")))
            text(option, info->issuer, sizeof info->issuer);
        else
            ck_abort_msg("tls: %.*s", SLICE_ARG(option));
    for (char *p = info->issuer; *p; p++)
        *p = *p == '+' ? ' ' : *p;
    info->has_certificate = true;
    info->expiry_us = wall + days * 24 * 3600 * EM_US_PER_S + 3600 * EM_US_PER_S;
}

static bool do_tls(struct play_script *s, struct slice rest)
{
    static const struct {
        const char *word;
        enum em_tls_end end;
        bool certificate;
    } ends[] = { { "good", EM_TLS_NONE, true },        { "untrusted", EM_TLS_UNTRUSTED, true },
                 { "refused", EM_TLS_REFUSED, false }, { "foreign", EM_TLS_FOREIGN, false },
                 { "closed", EM_TLS_CLOSED, false },   { "broken", EM_TLS_BROKEN, false },
                 { "setup", EM_TLS_SETUP, false } };
    struct em_tls_info info = { 0 };
    struct slice w = word(&rest);
    char t[128];
    size_t i = 0;

    while (i < sizeof ends / sizeof *ends && !slice_eq(w, slice_of(ends[i].word)))
        i++;
    ck_assert_msg(i < sizeof ends / sizeof *ends, "tls: %.*s", SLICE_ARG(w));
    info.end = ends[i].end;
    if (info.end == EM_TLS_FOREIGN) {
        info.first_n = em_unhex(text(rest, t, sizeof t), info.first, sizeof info.first);
    } else if (ends[i].certificate) {
        tls_certificate(s, &rest, &info);
        info.verified = info.end == EM_TLS_NONE;
    } else {
        slice_skip(&rest, SLICE(": "));
    }
    if (info.end != EM_TLS_FOREIGN)
        slice_copy(slice_trim(rest), info.failure, sizeof info.failure);
    em_play_tls(s->conn, &info);
    return true;
}

static bool send_error(struct play_script *s, enum em_net_error_kind kind, int error)
{
    struct em_net_error e = { .kind = kind, .error = error };

    em_play_error(s->conn, &e);
    return true;
}

static bool do_refuse(struct play_script *s, struct slice rest)
{
    (void)rest;
    return send_error(s, EM_NET_REFUSED_RST, ECONNREFUSED);
}

static bool do_reset(struct play_script *s, struct slice rest)
{
    (void)rest;
    return send_error(s, EM_NET_RESET, ECONNRESET);
}

static bool do_gave_up(struct play_script *s, struct slice rest)
{
    (void)rest;
    return send_error(s, EM_NET_TIMED_OUT, ETIMEDOUT);
}

static bool do_local(struct play_script *s, struct slice rest)
{
    return send_error(s, EM_NET_LOCAL, error_number(word(&rest)));
}

static bool do_fin(struct play_script *s, struct slice rest)
{
    (void)rest;
    em_play_eof(s->conn);
    return true;
}

/* The kinds as net.h tells them; that the kernel's codes come to these kinds is tested in test_net. */
static enum em_net_error_kind icmp_kind(bool v6, uint32_t type, uint32_t code)
{
    static const struct {
        uint32_t type, code;
        enum em_net_error_kind kind;
    } v4[] = { { 3, 0, EM_NET_ICMP_UNREACHABLE },
               { 3, 1, EM_NET_ICMP_UNREACHABLE },
               { 3, 3, EM_NET_ICMP_PORT },
               { 3, 4, EM_NET_ICMP_TOO_BIG },
               { 11, 0, EM_NET_ICMP_TTL } },
      six[] = { { 1, 0, EM_NET_ICMP_UNREACHABLE },
                { 1, 3, EM_NET_ICMP_UNREACHABLE },
                { 1, 4, EM_NET_ICMP_PORT },
                { 2, 0, EM_NET_ICMP_TOO_BIG },
                { 3, 0, EM_NET_ICMP_TTL } };

    for (size_t i = 0; i < 5; i++) {
        if (!v6 && v4[i].type == type && v4[i].code == code)
            return v4[i].kind;
        if (v6 && six[i].type == type && six[i].code == code)
            return six[i].kind;
    }
    return EM_NET_ICMP_PROHIBITED;
}

static bool do_icmp(struct play_script *s, struct slice rest)
{
    struct slice codes = word(&rest), type;
    struct em_net_error e = { .error = EHOSTUNREACH };

    ck_assert(slice_until(&codes, '/', &type));
    e.icmp_type = (uint8_t)number(type);
    e.icmp_code = (uint8_t)number(codes);
    ck_assert(slice_eq(word(&rest), SLICE("from")));
    e.offender = endpoint(word(&rest));
    if (slice_eq(word(&rest), SLICE("mtu")))
        e.mtu = number(word(&rest));
    e.kind = icmp_kind(e.offender.u.any.sa_family == AF_INET6, e.icmp_type, e.icmp_code);
    em_play_error(s->conn, &e);
    return true;
}

static bool do_after(struct play_script *s, struct slice rest)
{
    em_timer_at(s->timer, em_play_now(s->net) + duration(word(&rest)));
    return false;
}

static void check_signature(struct play_script *s, const struct stun_msg *m, bool wanted)
{
    struct stun_key k = key_of(s, s->secrets->password);

    ck_assert_msg((m->username.p != NULL) == wanted, "USERNAME");
    if (!wanted) {
        ck_assert(!m->realm.p && !m->nonce.p && !m->integrity_at && !m->integrity256_at);
        return;
    }
    ck_assert(slice_eq(m->username, slice_of(s->secrets->user)) && slice_eq(m->realm, slice_of(s->realm)) &&
              slice_eq(m->nonce, slice_of(s->nonce)));
    ck_assert_int_eq(stun_check_integrity(m, &k), STUN_INTEGRITY_RIGHT);
}

static void check_peer(const struct stun_msg *m, struct slice want)
{
    struct stun_addr peer = stun_endpoint(want);

    ck_assert_msg(m->xor_peer.family == peer.family && m->xor_peer.port == peer.port &&
                      memcmp(m->xor_peer.ip, peer.ip, peer.family == 6 ? 16 : 4) == 0,
                  "the peer is not %.*s", SLICE_ARG(want));
}

static bool do_expect(struct play_script *s, struct slice rest)
{
    struct stun_msg m;
    uint16_t want = method(word(&rest));
    struct slice option;

    s->waiting = !s->got;
    if (!s->got)
        return false;
    s->got = false;
    ck_assert_int_eq(stun_parse(s->request, s->request_n, &m), 0);
    ck_assert_int_eq(m.class, STUN_REQUEST);
    ck_assert(m.fingerprint_present && m.fingerprint_right);
    if (want)
        ck_assert_uint_eq(m.method, want);
    if (m.method == STUN_ALLOCATE)
        ck_assert(m.has_requested_transport && (m.requested_transport == 17 || m.requested_transport == 6));
    while ((option = word(&rest)).n) {
        if (slice_eq(option, SLICE("signed")) || slice_eq(option, SLICE("unsigned")))
            check_signature(s, &m, option.p[0] == 's');
        else if (slice_skip(&option, SLICE("lifetime=")))
            ck_assert(m.has_lifetime && m.lifetime == number(option));
        else if (slice_skip(&option, SLICE("peer=")))
            check_peer(&m, option);
        else if (slice_eq(option, SLICE("relay=tcp")))
            ck_assert_uint_eq(m.requested_transport, 6);
        else
            ck_abort_msg("expect: %.*s", SLICE_ARG(option));
    }
    return true;
}

/* What an answer is made of. */
struct recipe {
    uint16_t error;
    struct slice mapped, plain, relayed, alternate, realm, nonce, software, lifetime, id, integrity,
        fingerprint, tid, cut;
};

static struct recipe read_recipe(struct slice rest)
{
    struct recipe r = { 0 };
    struct slice error = { 0 }, pair, key;
    struct {
        const char *key;
        struct slice *value;
    } rows[] = { { "error", &error },
                 { "mapped", &r.mapped },
                 { "plain-mapped", &r.plain },
                 { "relayed", &r.relayed },
                 { "alternate", &r.alternate },
                 { "realm", &r.realm },
                 { "nonce", &r.nonce },
                 { "software", &r.software },
                 { "lifetime", &r.lifetime },
                 { "id", &r.id },
                 { "integrity", &r.integrity },
                 { "fingerprint", &r.fingerprint },
                 { "tid", &r.tid },
                 { "cut", &r.cut } };

    while ((pair = word(&rest)).n) {
        bool known = false;

        ck_assert_msg(slice_until(&pair, '=', &key), "answer: %.*s", SLICE_ARG(pair));
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            if (slice_eq(key, slice_of(rows[i].key))) {
                *rows[i].value = pair;
                known = true;
            }
        ck_assert_msg(known, "answer: %.*s", SLICE_ARG(key));
    }
    r.error = error.n ? (uint16_t)number(error) : 0;
    return r;
}

static void put_endpoint(struct buf *b, uint16_t type, struct slice s, bool xored)
{
    struct stun_addr a;

    if (!s.n)
        return;
    a = stun_endpoint(s);
    if (xored)
        stun_put_xor_addr(b, type, &a);
    else
        stun_put_addr(b, type, &a);
}

static void build(struct play_script *s, struct buf *b, const struct recipe *r, const struct stun_msg *to)
{
    uint8_t tid[STUN_TID_SIZE];
    struct stun_key k;

    memcpy(tid, to->tid, sizeof tid);
    if (r->tid.n)
        tid[0] ^= 0xFF;
    stun_begin(b, to->method, r->error ? STUN_ERROR : STUN_SUCCESS, tid);
    if (r->error)
        stun_put_error(b, r->error, SLICE("a reason\x1b"));
    put_endpoint(b, STUN_ATTR_XOR_MAPPED_ADDRESS, r->mapped, true);
    put_endpoint(b, STUN_ATTR_MAPPED_ADDRESS, r->plain, false);
    put_endpoint(b, STUN_ATTR_XOR_RELAYED_ADDRESS, r->relayed, true);
    put_endpoint(b, STUN_ATTR_ALTERNATE_SERVER, r->alternate, false);
    if (r->lifetime.n)
        stun_put_u32(b, STUN_ATTR_LIFETIME, number(r->lifetime));
    if (r->id.n)
        stun_put_u32(b, STUN_ATTR_CONNECTION_ID, number(r->id));
    if (r->realm.n)
        stun_put_text(b, STUN_ATTR_REALM, slice_of(text(r->realm, s->realm, sizeof s->realm)));
    if (r->nonce.n)
        stun_put_text(b, STUN_ATTR_NONCE, slice_of(text(r->nonce, s->nonce, sizeof s->nonce)));
    if (r->software.n)
        stun_put_text(b, STUN_ATTR_SOFTWARE, r->software);
    if (r->integrity.n) {
        k = key_of(s, slice_eq(r->integrity, SLICE("right")) ? s->secrets->password : "not the password");
        stun_put_integrity(b, &k, false);
    }
    if (!slice_eq(r->fingerprint, SLICE("none")))
        stun_put_fingerprint(b);
    if (slice_eq(r->fingerprint, SLICE("wrong")))
        b->p[b->n - 1] ^= 1;
}

static bool do_again(struct play_script *s, struct slice rest)
{
    (void)rest;
    em_play_data(s->conn, s->answer, s->answer_n, NULL);
    return true;
}

static bool do_answer(struct play_script *s, struct slice rest)
{
    struct recipe r = read_recipe(rest);
    struct buf b = buf_over(s->answer, sizeof s->answer);
    struct stun_msg m;

    ck_assert_int_eq(stun_parse(s->request, s->request_n, &m), 0);
    build(s, &b, &r, &m);
    ck_assert(!b.full);
    s->answer_n = r.cut.n ? number(r.cut) : b.n;
    return do_again(s, rest);
}

/* "split 7 key=value...": an answer that comes in pieces of 7 bytes. */
static bool do_split(struct play_script *s, struct slice rest)
{
    size_t piece = number(word(&rest));
    struct recipe r = read_recipe(rest);
    struct buf b = buf_over(s->answer, sizeof s->answer);
    struct stun_msg m;

    ck_assert_int_eq(stun_parse(s->request, s->request_n, &m), 0);
    build(s, &b, &r, &m);
    for (size_t at = 0; at < b.n; at += piece)
        em_play_data(s->conn, b.p + at, b.n - at < piece ? b.n - at : piece, NULL);
    return true;
}

static bool do_relay(struct play_script *s, struct slice rest)
{
    struct slice option;

    s->relay_to = number(word(&rest));
    while ((option = word(&rest)).n)
        if (slice_skip(&option, SLICE("lose=")))
            s->lose = number(option);
        else if (slice_skip(&option, SLICE("alter=")))
            s->alter = number(option);
        else if (slice_eq(option, SLICE("twice")))
            s->twice = true;
        else
            ck_abort_msg("relay: %.*s", SLICE_ARG(option));
    return true;
}

static bool do_raw(struct play_script *s, struct slice rest)
{
    (void)rest;
    s->raw = true;
    return true;
}

static bool do_attempt(struct play_script *s, struct slice rest)
{
    static const uint8_t tid[STUN_TID_SIZE] = { 1 };
    struct buf b = buf_over(s->answer, sizeof s->answer);
    struct slice id = word(&rest), peer = word(&rest);
    struct stun_addr a;

    ck_assert(slice_skip(&id, SLICE("id=")) && slice_skip(&peer, SLICE("peer=")));
    a = stun_endpoint(peer);
    stun_begin(&b, STUN_CONNECTION_ATTEMPT, STUN_INDICATION, tid);
    stun_put_u32(&b, STUN_ATTR_CONNECTION_ID, number(id));
    stun_put_xor_addr(&b, STUN_ATTR_XOR_PEER_ADDRESS, &a);
    em_play_data(s->conn, b.p, b.n, NULL);
    return true;
}

/* True: it was data, and has been passed on. */
static bool relayed(struct play_script *s, const uint8_t *p, size_t n)
{
    struct play_script *to = s->relay_to ? s->cast[s->relay_to - 1] : NULL;
    uint8_t bytes[MESSAGE_MAX];

    if (!to || (!s->raw && (p[0] & 0xC0) != 0x40))
        return false;
    if (s->lose > 0) {
        s->lose--;
        return true;
    }
    ck_assert_uint_le(n, sizeof bytes);
    memcpy(bytes, p, n);
    if (s->alter > 0) {
        s->alter--;
        bytes[n - 1] ^= 1;
    }
    for (int i = 0; i <= s->twice && to->conn; i++)
        em_play_data(to->conn, bytes, n, NULL);
    return true;
}

static bool do_echo(struct play_script *s, struct slice rest)
{
    (void)rest;
    em_play_data(s->conn, s->request, s->request_n, NULL);
    return true;
}

static bool do_text(struct play_script *s, struct slice rest)
{
    char line[256];
    struct buf b = buf_over(line, sizeof line);

    rest = slice_trim(rest);
    buf_print(&b, "%.*s\r\n", SLICE_ARG(rest));
    em_play_data(s->conn, b.p, b.n, NULL);
    return true;
}

static bool do_hex(struct play_script *s, struct slice rest)
{
    char t[512];
    uint8_t bytes[256];

    em_play_data(s->conn, bytes, em_unhex(text(rest, t, sizeof t), bytes, sizeof bytes), NULL);
    return true;
}

static bool do_info(struct play_script *s, struct slice rest)
{
    struct em_tcp_info info = { .valid = true };
    struct slice option;

    while ((option = word(&rest)).n) {
        if (slice_skip(&option, SLICE("acked=")))
            info.bytes_acked = number(option);
        else if (slice_skip(&option, SLICE("retrans=")))
            info.total_retrans = number(option);
        else if (slice_skip(&option, SLICE("unacked=")))
            info.unacked = number(option);
        else if (slice_skip(&option, SLICE("soft=")))
            info.soft_error = error_number(option);
        else if (slice_eq(option, SLICE("invalid")))
            info.valid = false;
        else
            ck_abort_msg("info: %.*s", SLICE_ARG(option));
    }
    em_play_info(s->conn, &info);
    return true;
}

static const struct {
    const char *word;
    bool (*act)(struct play_script *s, struct slice rest);
} acts[] = {
    { "accept", do_accept }, { "refuse", do_refuse }, { "reset", do_reset },     { "fin", do_fin },
    { "icmp", do_icmp },     { "local", do_local },   { "gave-up", do_gave_up }, { "after", do_after },
    { "expect", do_expect }, { "answer", do_answer }, { "again", do_again },     { "text", do_text },
    { "tls", do_tls },       { "hex", do_hex },       { "split", do_split },     { "echo", do_echo },
    { "info", do_info },     { "relay", do_relay },   { "raw", do_raw },         { "attempt", do_attempt },
};

/* --- running -------------------------------------------------------------------------------------------------------- */

static bool act(struct play_script *s, struct slice line)
{
    struct slice rest = line, w = word(&rest);

    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (slice_eq(w, slice_of(acts[i].word)))
            return acts[i].act(s, rest);
    ck_abort_msg("unknown line: %.*s", SLICE_ARG(line));
}

static void go_on(struct play_script *s)
{
    while (s->conn && s->next < s->n) {
        size_t now = s->next;

        if (!act(s, s->steps[now])) {
            s->next += !s->waiting; /* a pause is over when its timer fires; an expectation is tried again */
            return;
        }
        s->next++;
    }
}

static void on_timer(void *arg)
{
    go_on(arg);
}

static void on_opened(void *arg, struct em_conn *c)
{
    struct play_script *s = arg;

    s->conn = c;
    s->opened = true;
    s->opened_us = em_play_now(s->net);
    go_on(s);
}

static void on_sent(void *arg, struct em_conn *c, const uint8_t *p, size_t n)
{
    struct play_script *s = arg;

    s->conn = c;
    if (relayed(s, p, n))
        return;
    ck_assert_uint_lt(s->came_n, TIMES_MAX);
    s->came[s->came_n++] = em_play_now(s->net) - s->opened_us;
    if (!s->waiting)
        return;
    ck_assert_uint_le(n, sizeof s->request);
    memcpy(s->request, p, n);
    s->request_n = n;
    s->got = true;
    s->waiting = false;
    go_on(s);
}

static void on_closed(void *arg, struct em_conn *c, bool reset)
{
    struct play_script *s = arg;

    (void)c;
    s->conn = NULL;
    s->reset = reset;
    em_timer_stop(s->timer);
}

struct play_script *play_script_new(struct em_net *net, enum em_transport transport, const struct em_addr *at,
                                    const struct play_secrets *secrets, struct play_script *const *cast)
{
    static const struct em_play_host host = { on_opened, on_sent, on_closed };
    struct play_script *s = calloc(1, sizeof *s);

    ck_assert_ptr_nonnull(s);
    *s = (struct play_script) {
        .net = net, .transport = transport, .at = *at, .secrets = secrets, .cast = cast
    };
    s->timer = em_timer_new(net, on_timer, s);
    em_play_host(net, transport, at, &host, s);
    return s;
}

void play_script_add(struct play_script *s, struct slice line)
{
    struct slice rest = line, w = word(&rest);

    if (slice_eq(w, SLICE("times"))) {
        s->times = rest;
    } else if (slice_eq(w, SLICE("closed"))) {
        s->closed = slice_trim(rest);
    } else {
        ck_assert_uint_lt(s->n, STEPS_MAX);
        s->steps[s->n++] = slice_trim(line);
    }
}

void play_script_halt(struct play_script *s)
{
    s->next = s->n;
    s->waiting = false;
    s->times = s->closed = (struct slice) { 0 };
}

void play_script_finish(struct play_script *s)
{
    struct slice w;
    size_t i = 0;

    ck_assert_msg(s->next == s->n, "this line was not reached: %.*s", SLICE_ARG(s->steps[s->next]));
    while ((w = word(&s->times)).n) {
        ck_assert_msg(i < s->came_n, "only %zu requests came", s->came_n);
        ck_assert_int_eq(s->came[i], (int64_t)number(w) * EM_US_PER_MS);
        i++;
    }
    if (i)
        ck_assert_uint_eq(i, s->came_n);
    if (s->closed.n)
        ck_assert_int_eq(s->reset, slice_eq(s->closed, SLICE("rst")));
    em_timer_free(s->timer);
    free(s);
}
