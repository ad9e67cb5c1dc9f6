/* SPDX-License-Identifier: GPL-3.0-or-later
 * The certificates of our own listeners; see tls_serve.h. */
#include "net/tls_serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "net/net_tls_words.h"

enum { FILES = 3 };

/* What tells whether a file is another one than before. */
struct state {
    struct stat of[FILES];
};

struct em_tls_serve {
    struct em_tls_files files;
    char who[EM_NAME_MAX + 16];
    struct state as_read, as_refused;
    SSL_CTX *context;
};

static const char *file_of(const struct em_tls_files *f, size_t i)
{
    return i == 0 ? f->certificate : i == 1 ? f->key : f->client_ca;
}

static int look(const struct em_tls_files *files, struct state *now, struct em_why *why)
{
    *now = (struct state) { 0 };
    for (size_t i = 0; i < FILES; i++)
        if (*file_of(files, i) && stat(file_of(files, i), &now->of[i]) != 0)
            return em_fail(why, EM_ERR_INPUT, "%s cannot be read: %s", file_of(files, i), strerror(errno));
    return 0;
}

static bool same(const struct state *a, const struct state *b)
{
    for (size_t i = 0; i < FILES; i++)
        if (a->of[i].st_dev != b->of[i].st_dev || a->of[i].st_ino != b->of[i].st_ino ||
            a->of[i].st_size != b->of[i].st_size || a->of[i].st_mtim.tv_sec != b->of[i].st_mtim.tv_sec ||
            a->of[i].st_mtim.tv_nsec != b->of[i].st_mtim.tv_nsec)
            return false;
    return true;
}

/* --- contexts ------------------------------------------------------------------------------------------------------ */

static int load_own(SSL_CTX *context, const struct em_tls_files *f, struct em_why *why)
{
    if (ssl.SSL_CTX_use_certificate_chain_file(context, f->certificate) != 1)
        return em_fail(why, EM_ERR_INPUT, "%s has no PEM certificate that can be read", f->certificate);
    if (ssl.SSL_CTX_use_PrivateKey_file(context, f->key, SSL_FILETYPE_PEM) == 1 &&
        ssl.SSL_CTX_check_private_key(context) == 1)
        return 0;
    return em_fail(why, EM_ERR_INPUT, "%s is not the key, without a passphrase, of the certificate in %s",
                   f->key, f->certificate);
}

static int load_clients(SSL_CTX *context, const struct em_tls_files *f, struct em_why *why)
{
    static const unsigned char name[] = "edgemediad";

    if (!f->client_ca[0])
        return 0;
    if (ssl.SSL_CTX_load_verify_file(context, f->client_ca) != 1)
        return em_fail(why, EM_ERR_INPUT, "%s has no PEM certificate that can be read", f->client_ca);
    ssl.SSL_CTX_set_client_CA_list(context, ssl.SSL_load_client_CA_file(f->client_ca));
    ssl.SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return ssl.SSL_CTX_set_session_id_context(context, name, sizeof name - 1) == 1
               ? 0
               : em_fail(why, EM_ERR_MEMORY, "no memory for TLS");
}

/* A key that asks for a passphrase must not stop the daemon at a terminal. */
static int no_passphrase(char *to, int size, int writing, void *arg)
{
    (void)writing;
    (void)arg;
    if (size > 0)
        *to = '\0';
    return 0;
}

static int load(const struct em_tls_files *f, SSL_CTX **context, struct em_why *why)
{
    SSL_CTX *x;
    int err = late_load(&ssl.late, why);

    if (err != 0)
        return err;
    ssl.ERR_clear_error();
    if (!(x = ssl.SSL_CTX_new(ssl.TLS_server_method())))
        return em_fail(why, EM_ERR_MEMORY, "no memory for TLS");
    (void)ssl.SSL_CTX_ctrl(x, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
    (void)ssl.SSL_CTX_ctrl(x, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, NULL);
    (void)ssl.SSL_CTX_ctrl(x, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
    ssl.SSL_CTX_set_options(x, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    ssl.SSL_CTX_set_default_passwd_cb(x, no_passphrase);
    err = load_own(x, f, why);
    if (err == 0)
        err = load_clients(x, f, why);
    ssl.ERR_clear_error();
    if (err == 0)
        *context = x;
    else
        ssl.SSL_CTX_free(x);
    return err;
}

int em_tls_files_check(const struct em_tls_files *files, struct em_why *why)
{
    SSL_CTX *context = NULL;
    struct state now;
    int err = look(files, &now, why);

    if (err == 0 && now.of[1].st_mode & S_IROTH)
        em_log_warning("everybody on this machine can read %s; chmod o-r it", files->key);
    if (err == 0)
        err = load(files, &context, why);
    if (context)
        ssl.SSL_CTX_free(context);
    return err;
}

/* --- a listener's -------------------------------------------------------------------------------------------------- */

struct em_tls_serve *em_tls_serve_new(const struct em_tls_files *files, const char *who, struct em_why *why)
{
    struct em_tls_serve *s = calloc(1, sizeof *s);

    if (!s) {
        (void)em_fail(why, EM_ERR_MEMORY, "no memory for TLS");
        return NULL;
    }
    s->files = *files;
    slice_copy(slice_of(who), s->who, sizeof s->who);
    if (look(files, &s->as_read, why) != 0 || load(files, &s->context, why) != 0) {
        free(s);
        return NULL;
    }
    s->as_refused = s->as_read;
    return s;
}

void em_tls_serve_free(struct em_tls_serve *s)
{
    if (!s)
        return;
    ssl.SSL_CTX_free(s->context);
    free(s);
}

/* Whoever renews writes one file after the other: what does not fit together yet is told once, and looked at again when it changes. */
static void renew(struct em_tls_serve *s)
{
    SSL_CTX *context;
    struct em_why why;
    struct state now;

    if (look(&s->files, &now, &why) != 0 || same(&now, &s->as_read) || same(&now, &s->as_refused))
        return;
    if (load(&s->files, &context, &why) != 0) {
        s->as_refused = now;
        em_log_warning("%s: the certificate that was read before stays in force: %s", s->who, why.text);
        return;
    }
    ssl.SSL_CTX_free(s->context); /* connections that use it keep it */
    s->context = context;
    s->as_read = s->as_refused = now;
    em_log_info("%s: the certificate was read again", s->who);
}

struct ssl_st *em_tls_serve_session(struct em_tls_serve *s)
{
    renew(s);
    ssl.ERR_clear_error();
    return ssl.SSL_new(s->context);
}
