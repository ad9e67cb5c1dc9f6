/* SPDX-License-Identifier: GPL-3.0-or-later
 * What this layer takes from OpenSSL's libcrypto. It is loaded when the first signature is made or checked: see base/late.h. */
#ifndef EM_WIRE_CRYPTO_H
#define EM_WIRE_CRYPTO_H

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/late.h"

/* clang-format off */
#define CRYPTO_SYMBOLS(S) \
    S(OSSL_PARAM_construct_utf8_string) S(OSSL_PARAM_construct_end) S(EVP_MAC_fetch) S(EVP_MAC_free) \
    S(EVP_MAC_CTX_new) S(EVP_MAC_CTX_free) S(EVP_MAC_init) S(EVP_MAC_update) S(EVP_MAC_final) \
    S(EVP_MD_CTX_new) S(EVP_MD_CTX_free) S(EVP_DigestInit_ex) S(EVP_DigestUpdate) S(EVP_DigestFinal_ex) \
    S(EVP_md5) S(EVP_sha1) S(EVP_sha256) S(EVP_EncodeBlock) S(EVP_DecodeBlock) S(HMAC)
/* clang-format on */
LATE_DECLARE(crypto, CRYPTO_SYMBOLS);

/* False: it is not on this machine, which was logged; nothing in `crypto` may be called. */
bool crypto_ready(void);

#endif
