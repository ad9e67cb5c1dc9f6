/* SPDX-License-Identifier: GPL-3.0-or-later
 * HMAC with SHA-1 and SHA-256 over pieces, by OpenSSL's EVP_MAC. */
#include "wire/hmac.h"

#include "wire/crypto.h"

LATE_DEFINE(crypto, LATE_CRYPTO, CRYPTO_SYMBOLS);

bool crypto_ready(void)
{
    return late_load(&crypto.late, NULL) == 0;
}

size_t hmac_size(bool sha256)
{
    return sha256 ? HMAC_SHA256_SIZE : HMAC_SHA1_SIZE;
}

bool hmac_of(bool sha256, struct slice key, const struct slice *pieces, size_t pieces_n,
             uint8_t digest[HMAC_SHA256_SIZE])
{
    char sha1_name[] = "SHA1", sha256_name[] = "SHA256";
    OSSL_PARAM how[2];
    EVP_MAC *mac;
    EVP_MAC_CTX *ctx;
    size_t size = 0;
    bool ok;

    if (!crypto_ready())
        return false;
    how[0] =
        crypto.OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256 ? sha256_name : sha1_name, 0);
    how[1] = crypto.OSSL_PARAM_construct_end();
    mac = crypto.EVP_MAC_fetch(NULL, "HMAC", NULL);
    ctx = mac ? crypto.EVP_MAC_CTX_new(mac) : NULL;
    ok = ctx && crypto.EVP_MAC_init(ctx, (const uint8_t *)key.p, key.n, how);

    for (size_t i = 0; i < pieces_n && ok; i++)
        ok = pieces[i].n == 0 || crypto.EVP_MAC_update(ctx, (const uint8_t *)pieces[i].p, pieces[i].n);
    ok = ok && crypto.EVP_MAC_final(ctx, digest, &size, HMAC_SHA256_SIZE) && size == hmac_size(sha256);
    crypto.EVP_MAC_CTX_free(ctx);
    crypto.EVP_MAC_free(mac);
    return ok;
}

bool secret_same(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t differ = 0;

    for (size_t i = 0; i < n; i++)
        differ = (uint8_t)(differ | (x[i] ^ y[i]));
    return differ == 0;
}
