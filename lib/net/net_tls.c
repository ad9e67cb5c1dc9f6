/* SPDX-License-Identifier: GPL-3.0-or-later
 * TLS on top of a TCP connection of this layer: OpenSSL sees memory only, and the bytes go through the queue and the readiness of
 * net_tcp.c. So nothing blocks, the maxima are those of TCP, and the socket stays ours (TCP_INFO, its error queue).
 *
 *     connected --begin: ClientHello--> shaking --done, certificate good--> secured --close_notify or FIN--> ended
 *                                          |                                   |
 *                                          +--- error event EM_NET_TLS --------+
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "net/net_event.h"
#include "net/net_tls_words.h"
#include "net/tls_serve.h"

/* The certificates of one CA file, as the file was when they were read. */
struct ev_tls_context {
    SSL_CTX *context;
    char file[EM_URI_MAX]; /* "": those of the system */
    struct stat as_it_was;
    struct ev_tls_context *next;
};

struct ev_tls {
    char name[EM_URI_MAX], ca_file[EM_URI_MAX];
    bool insecure, ended; /* ended: the peer's end was told */
    bool accepts;         /* the peer began: whether it may come is the context's to say */
    void (*secured)(void *arg);
    SSL *ssl;
    BIO *in, *out; /* ssl's own */
    struct em_tls_info info;
};

bool em_tls_new(struct ev_conn *c, const struct em_tls_how *how)
{
    struct ev_tls *t = calloc(1, sizeof *t);
    struct slice name = slice_of(how->name);

    if (!t)
        return false;
    if (name.n > 1 && name.p[name.n - 1] == '.')
        name.n--; /* a name in DNS, but neither in SNI (RFC 6066 section 3) nor in a certificate */
    slice_copy(name, t->name, sizeof t->name);
    slice_copy(slice_of(how->ca_file ? how->ca_file : ""), t->ca_file, sizeof t->ca_file);
    t->insecure = how->insecure;
    t->secured = how->secured;
    c->tls = t;
    return true;
}

void em_tls_free(struct ev_tls *t)
{
    if (!t)
        return;
    if (t->ssl)
        ssl.SSL_free(t->ssl);
    free(t);
}

/* --- contexts ------------------------------------------------------------------------------------------------------- */

static void context_free(struct ev_tls_context *x)
{
    if (x->context)
        ssl.SSL_CTX_free(x->context); /* connections that use it keep it */
    free(x);
}

void em_tls_forget(struct ev_net *n)
{
    while (n->contexts) {
        struct ev_tls_context *x = n->contexts;

        n->contexts = x->next;
        context_free(x);
    }
}

static bool unchanged(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Drops what is too old, and the last of too many. */
static struct ev_tls_context *known(struct ev_net *n, const char *file, const struct stat *now)
{
    struct ev_tls_context **at = &n->contexts;
    int count = 0;

    while (*at) {
        struct ev_tls_context *x = *at;
        bool same = strcmp(x->file, file) == 0;

        if (same && unchanged(&x->as_it_was, now))
            return x;
        if (same || ++count >= EM_TLS_CONTEXTS_MAX) {
            *at = x->next;
            context_free(x);
        } else {
            at = &x->next;
        }
    }
    return NULL;
}

static bool load(SSL_CTX *context, const char *file)
{
    /* the chain is judged after the handshake, where its certificate can be told, too */
    ssl.SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    (void)ssl.SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, NULL);
    ssl.SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    return *file ? ssl.SSL_CTX_load_verify_file(context, file) == 1
                 : ssl.SSL_CTX_set_default_verify_paths(context) == 1;
}

/* NULL: failure tells. */
static SSL_CTX *context_of(struct ev_net *n, const char *file, char *failure, size_t size)
{
    struct stat now = { 0 };
    struct ev_tls_context *x;
    char why[48];
    struct em_why late;

    if (*file && stat(file, &now) != 0) {
        snprintf(failure, size, "this machine: the CA file %.80s cannot be read: %s", file,
                 strerror_r(errno, why, sizeof why));
        return NULL;
    }
    if ((x = known(n, file, &now)))
        return x->context;
    if (late_load(&ssl.late, &late) < 0) {
        snprintf(failure, size, "this machine: %.140s", late.text);
        return NULL;
    }
    x = calloc(1, sizeof *x);
    if (x)
        x->context = ssl.SSL_CTX_new(ssl.TLS_client_method());
    if (!x || !x->context || !load(x->context, file)) {
        snprintf(failure, size,
                 *file ? "this machine: the CA file %.80s has no PEM certificate that can be read"
                       : "this machine: TLS cannot start%.1s",
                 file);
        ssl.ERR_clear_error();
        if (x)
            context_free(x);
        return NULL;
    }
    slice_copy(slice_of(file), x->file, sizeof x->file);
    x->as_it_was = now;
    x->next = n->contexts;
    n->contexts = x;
    return x->context;
}

/* --- the connection -------------------------------------------------------------------------------------------------- */

static void fail(struct ev_conn *c, enum em_tls_end end)
{
    c->tls->info.end = end;
    em_tcp_fail(c, (struct em_net_error) { .kind = EM_NET_TLS });
}

/* What OpenSSL wrote goes to the peer. */
static void drain(struct ev_conn *c)
{
    char *p;
    long n = ssl.BIO_ctrl(c->tls->out, BIO_CTRL_INFO, 0, &p);

    if (n <= 0)
        return;
    c->tls->info.wire_sent += (size_t)n;
    em_tcp_send(c, p, (size_t)n);
    (void)ssl.BIO_ctrl(c->tls->out, BIO_CTRL_RESET, 0, NULL);
}

static bool expect_name(struct ev_tls *t)
{
    X509_VERIFY_PARAM *param = ssl.SSL_get0_param(t->ssl);
    struct em_addr literal;

    if (em_addr_read(t->name, 0, &literal))
        return ssl.X509_VERIFY_PARAM_set1_ip_asc(param, t->name) == 1;
    ssl.SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return ssl.SSL_ctrl(t->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, t->name) == 1 &&
           ssl.SSL_set1_host(t->ssl, t->name) == 1;
}

static void trust(struct ev_conn *c)
{
    struct ev_tls *t = c->tls;
    X509 *certificate = ssl.SSL_get1_peer_certificate(t->ssl);
    long result = ssl.SSL_get_verify_result(t->ssl);

    if (certificate) {
        em_tls_certificate(certificate, &t->info);
        t->info.verified = result == X509_V_OK;
        if (!t->info.verified)
            em_tls_distrust(certificate, result, t->name, em_wall_us(&em_clock_system), &t->info);
        ssl.X509_free(certificate);
    } else {
        snprintf(t->info.failure, sizeof t->info.failure, "the server showed no certificate");
    }
    if (!t->info.verified && !t->insecure) {
        fail(c, EM_TLS_UNTRUSTED);
        return;
    }
    t->info.secured = true;
    t->secured(c->arg);
}

/* Of a client whose certificate we refuse, the certificate says more than the handshake. */
static void tell_failure(struct ev_tls *t)
{
    long result = t->accepts ? ssl.SSL_get_verify_result(t->ssl) : X509_V_OK;

    em_tls_broken(&t->info);
    if (result != X509_V_OK)
        snprintf(t->info.failure, sizeof t->info.failure, "the certificate of the client is not good: %s",
                 ssl.X509_verify_cert_error_string(result));
}

static void shaken(struct ev_conn *c)
{
    if (c->tls->accepts)
        c->tls->info.secured = true;
    else
        trust(c);
}

static void shake(struct ev_conn *c)
{
    int rc, error;

    ssl.ERR_clear_error();
    rc = ssl.SSL_do_handshake(c->tls->ssl);
    error = rc == 1 ? SSL_ERROR_NONE : ssl.SSL_get_error(c->tls->ssl, rc);
    drain(c);
    if (c->over || error == SSL_ERROR_WANT_READ)
        return;
    if (error == SSL_ERROR_NONE) {
        shaken(c);
        return;
    }
    tell_failure(c->tls);
    fail(c, c->tls->info.end);
}

/* t->ssl is there, or there was no memory. */
static bool join(struct ev_tls *t)
{
    t->in = ssl.BIO_new(ssl.BIO_s_mem());
    t->out = ssl.BIO_new(ssl.BIO_s_mem());
    if (t->ssl && t->in && t->out && (t->accepts || expect_name(t))) {
        ssl.SSL_set_bio(t->ssl, t->in, t->out);
        return true;
    }
    ssl.BIO_free(t->in);
    ssl.BIO_free(t->out);
    ssl.ERR_clear_error();
    snprintf(t->info.failure, sizeof t->info.failure, "this machine: no memory for TLS");
    return false;
}

void em_tls_begin(struct ev_conn *c)
{
    struct ev_tls *t = c->tls;
    SSL_CTX *context = context_of(c->net, t->ca_file, t->info.failure, sizeof t->info.failure);

    if (context)
        t->ssl = ssl.SSL_new(context);
    if (!context || !join(t)) {
        fail(c, EM_TLS_SETUP);
        return;
    }
    ssl.SSL_set_connect_state(t->ssl);
    shake(c);
}

bool em_tls_accept(struct ev_conn *c, struct em_tls_serve *serve)
{
    struct ev_tls *t = calloc(1, sizeof *t);

    if (!t)
        return false;
    t->accepts = true;
    t->ssl = em_tls_serve_session(serve);
    if (!join(t)) {
        em_tls_free(t);
        return false;
    }
    ssl.SSL_set_accept_state(t->ssl);
    c->tls = t;
    return true;
}

/* What came is kept until it is known for what it is. True: it is no TLS, and that was told. */
static bool foreign(struct ev_conn *c, const uint8_t *p, size_t n)
{
    struct em_tls_info *i = &c->tls->info;
    size_t some = n < sizeof i->first - i->first_n ? n : sizeof i->first - i->first_n;

    memcpy(i->first + i->first_n, p, some);
    i->first_n += some;
    i->wire_received += n;
    if (em_tls_record(i->first, i->first_n))
        return false;
    snprintf(i->failure, sizeof i->failure,
             c->tls->accepts ? "what came is not TLS" : "the answer is not TLS");
    fail(c, EM_TLS_FOREIGN);
    return true;
}

static void end_of_tls(struct ev_conn *c)
{
    if (c->tls->ended)
        return;
    c->tls->ended = true;
    if (c->events.eof)
        c->events.eof(c->arg);
}

/* What is inside of the records that are complete. */
static void read_plain(struct ev_conn *c)
{
    while (!c->closed && !c->over && !c->tls->ended) {
        int n, error;

        ssl.ERR_clear_error();
        n = ssl.SSL_read(c->tls->ssl, c->net->plain, sizeof c->net->plain);
        error = n > 0 ? SSL_ERROR_NONE : ssl.SSL_get_error(c->tls->ssl, n);
        drain(c);
        if (error == SSL_ERROR_NONE) {
            if (c->events.data)
                c->events.data(c->arg, c->net->plain, (size_t)n, &c->how.remote);
        } else if (error == SSL_ERROR_ZERO_RETURN) {
            end_of_tls(c);
        } else if (error != SSL_ERROR_WANT_READ) {
            em_tls_broken(&c->tls->info);
            fail(c, c->tls->info.end);
        } else {
            return;
        }
    }
}

void em_tls_input(struct ev_conn *c, const uint8_t *p, size_t n)
{
    struct ev_tls *t = c->tls;

    if (foreign(c, p, n))
        return;
    if (ssl.BIO_write(t->in, p, (int)n) != (int)n) {
        em_tcp_fail(c, (struct em_net_error) { .kind = EM_NET_LOCAL, .error = ENOMEM });
        return;
    }
    if (!t->info.secured)
        shake(c);
    if (t->info.secured)
        read_plain(c);
}

bool em_tls_eof(struct ev_conn *c)
{
    struct em_tls_info *i = &c->tls->info;

    if (!i->secured) {
        snprintf(i->failure, sizeof i->failure,
                 "the connection was closed during the TLS handshake, after %llu bytes from the peer",
                 (unsigned long long)i->wire_received);
        fail(c, EM_TLS_CLOSED);
        return true;
    }
    if (c->tls->ended)
        return true;
    c->tls->ended = true;
    return false;
}

void em_tls_send(struct ev_conn *c, const void *p, size_t n)
{
    if (!c->tls->info.secured || n == 0)
        return;
    ssl.ERR_clear_error();
    if (n <= EM_CONN_QUEUE_MAX && ssl.SSL_write(c->tls->ssl, p, (int)n) == (int)n) {
        drain(c);
        return;
    }
    c->over = true;
    em_conn_post(c, (struct em_net_error) { .kind = EM_NET_LOCAL, .error = ENOBUFS });
}

void em_tls_finish(struct ev_conn *c)
{
    if (!c->tls->ssl || !c->tls->info.secured)
        return;
    ssl.ERR_clear_error();
    ssl.SSL_shutdown(c->tls->ssl);
    ssl.ERR_clear_error();
    drain(c);
}

void em_conn_tls_event(struct em_conn *conn, struct em_tls_info *info)
{
    const struct ev_conn *c = (const struct ev_conn *)conn;

    if (c->tls)
        *info = c->tls->info;
}
