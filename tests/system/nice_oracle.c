/* SPDX-License-Identifier: GPL-3.0-or-later
 * libnice, an independent implementation of Microsoft's dialects, on the other side of ours: its requests are read and checked by our code, and
 * our challenge, success, requests and connectivity checks by its. Prints "ok" or "bad", and what, a line each. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Names that both have. */
#define STUN_REQUEST NICE_STUN_REQUEST
#define STUN_INDICATION NICE_STUN_INDICATION
#define STUN_ERROR NICE_STUN_ERROR
#define STUN_BINDING NICE_STUN_BINDING
#define STUN_ALLOCATE NICE_STUN_ALLOCATE
#define STUN_SEND NICE_STUN_SEND
#define STUN_CONNECT NICE_STUN_CONNECT
#define STUN_REFRESH NICE_STUN_REFRESH
#include <stun/stunagent.h>
#include <stun/usages/ice.h>
#include <stun/usages/turn.h>
#undef STUN_REQUEST
#undef STUN_INDICATION
#undef STUN_ERROR
#undef STUN_BINDING
#undef STUN_ALLOCATE
#undef STUN_SEND
#undef STUN_CONNECT
#undef STUN_REFRESH

#include "wire/msice.h"
#include "wire/msturn_auth.h"

enum { ROOM = 1024 };

static const uint16_t known[] = { 0x0001, 0x0006, 0x0008, 0x0009, 0x000D, 0x000E, 0x000F, 0x0014,
                                  0x0015, 0x0020, 0x0024, 0x0025, 0x8008, 0x8020, 0 };
static char user[] = "user1", password[] = "pass", check_user[] = "abcd:efgh",
            check_password[] = "passwordpassword";
static const struct stun_addr relayed = { 4, 50123, { 192, 0, 2, 7 } },
                              mapped = { 4, 40000, { 198, 51, 100, 1 } };

static void told(bool ok, const char *what)
{
    printf("%s %s\n", ok ? "ok" : "bad", what);
}

static bool give_password(StunAgent *agent, StunMessage *message, uint8_t *name, uint16_t name_n,
                          uint8_t **to, size_t *n, void *secret)
{
    (void)agent;
    (void)message;
    (void)name;
    (void)name_n;
    *to = secret;
    *n = strlen(secret);
    return true;
}

static StunAgent turn_agent(void)
{
    StunAgent a;

    stun_agent_init(&a, known, STUN_COMPATIBILITY_OC2007,
                    STUN_AGENT_USAGE_LONG_TERM_CREDENTIALS | STUN_AGENT_USAGE_NO_ALIGNED_ATTRIBUTES);
    return a;
}

static void challenge(struct buf *b, const uint8_t *tid)
{
    msturn_begin(b, MSTURN_ALLOCATE_ERROR, tid);
    msturn_put_error(b, 401, SLICE("Unauthorized, and not a multiple of 4"));
    msturn_put_text(b, MSTURN_ATTR_REALM, SLICE("realm"));
    msturn_put_text(b, MSTURN_ATTR_NONCE, SLICE("nonce12"));
}

/* libnice is the client, we are the relay. */
static void its_allocation(void)
{
    uint8_t bytes[ROOM], room[ROOM];
    struct buf b = buf_over(room, sizeof room);
    StunAgent agent = turn_agent();
    StunMessage request, answer;
    struct sockaddr_storage relay = { 0 }, seen = { 0 }, other = { 0 };
    socklen_t relay_n = sizeof relay, seen_n = sizeof seen, other_n = sizeof other;
    struct stun_key k;
    struct msturn_msg m;
    uint32_t bandwidth, lifetime;
    size_t n = stun_usage_turn_create(&agent, &request, bytes, sizeof bytes, NULL,
                                      STUN_USAGE_TURN_REQUEST_PORT_NORMAL, 0, 0, NULL, 0, NULL, 0,
                                      STUN_USAGE_TURN_COMPATIBILITY_OC2007);

    told(msturn_parse(bytes, n, &m) == 0 && m.type == MSTURN_ALLOCATE && m.version == 1,
         "its first request is read");
    challenge(&b, m.tid);
    told(stun_agent_validate(&agent, &answer, b.p, b.n, NULL, NULL) == STUN_VALIDATION_SUCCESS,
         "our challenge is read");
    n = stun_usage_turn_create(&agent, &request, bytes, sizeof bytes, &answer,
                               STUN_USAGE_TURN_REQUEST_PORT_NORMAL, 0, 0, (uint8_t *)user, strlen(user),
                               (uint8_t *)password, strlen(password), STUN_USAGE_TURN_COMPATIBILITY_OC2007);
    told(msturn_key(&k, false, slice_of(user), SLICE("realm"), SLICE("nonce12"), slice_of(password)) &&
             msturn_parse(bytes, n, &m) == 0 && msturn_check_integrity(&m, &k, false) == STUN_INTEGRITY_RIGHT,
         "its signed request is right");
    msturn_begin(&b, MSTURN_ALLOCATE_SUCCESS, m.tid);
    msturn_put_u32(&b, MSTURN_ATTR_LIFETIME, 60);
    msturn_put_addr(&b, MSTURN_ATTR_MAPPED_ADDRESS, &relayed);
    msturn_put_xor_addr(&b, MSTURN_ATTR_XOR_MAPPED_ADDRESS, &mapped);
    msturn_put_text(&b, MSTURN_ATTR_SOFTWARE, SLICE("1.2.3"));
    msturn_put_integrity(&b, &k, false);
    told(stun_agent_validate(&agent, &answer, b.p, b.n, NULL, NULL) == STUN_VALIDATION_SUCCESS,
         "our success is right");
    told(stun_usage_turn_process(&answer, &relay, &relay_n, &seen, &seen_n, &other, &other_n, &bandwidth,
                                 &lifetime, STUN_USAGE_TURN_COMPATIBILITY_OC2007) ==
                 STUN_USAGE_TURN_RETURN_MAPPED_SUCCESS &&
             ((struct sockaddr_in *)&relay)->sin_port == htons(relayed.port) &&
             memcmp(&((struct sockaddr_in *)&relay)->sin_addr, relayed.ip, 4) == 0 && lifetime == 60,
         "the relayed address of our success");
    told(((struct sockaddr_in *)&seen)->sin_port == htons(mapped.port) &&
             memcmp(&((struct sockaddr_in *)&seen)->sin_addr, mapped.ip, 4) == 0,
         "the mapped address of our success");
}

/* We are the client, libnice is the relay. */
static void our_allocation(bool wrong)
{
    static const uint8_t tid[MSTURN_TID_SIZE] = { 0x21, 0x12, 0xa4, 0x42, 1, 2,  3,  4,
                                                  5,    6,    7,    8,    9, 10, 11, 12 };
    uint8_t room[ROOM];
    struct buf b = buf_over(room, sizeof room);
    StunAgent agent = turn_agent();
    StunMessage request;
    StunValidationStatus got;
    struct msturn_auth a;
    struct msturn_msg m;

    challenge(&b, tid);
    told(msturn_auth_init(&a, slice_of(user), slice_of(password), MSTURN_VERSION_ICE) &&
             msturn_parse(b.p, b.n, &m) == 0 && msturn_auth_answer(&a, &m) == STUN_AUTH_RETRY,
         "our client signs");
    msturn_begin(&b, MSTURN_ALLOCATE, tid);
    msturn_put_u32(&b, MSTURN_ATTR_VERSION, a.version);
    msturn_auth_sign(&a, &b);
    got = stun_agent_validate(&agent, &request, b.p, b.n, give_password, wrong ? check_password : password);
    told(wrong ? got == STUN_VALIDATION_UNAUTHORIZED : got == STUN_VALIDATION_SUCCESS,
         wrong ? "our signed request is refused with another password" : "our signed request is right");
    msturn_auth_fini(&a);
}

static void checks(void)
{
    uint8_t bytes[ROOM], room[ROOM];
    static const uint8_t tid[STUN_TID_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    struct buf b = buf_over(room, sizeof room);
    StunAgent agent;
    StunMessage message;
    struct stun_msg m;
    struct msice_msg ice;
    size_t n;

    stun_agent_init(&agent, known, STUN_COMPATIBILITY_MSICE2,
                    STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
    n = stun_usage_ice_conncheck_create(&agent, &message, bytes, sizeof bytes, (uint8_t *)check_user,
                                        strlen(check_user), (uint8_t *)check_password, strlen(check_password),
                                        true, true, 0x7effffff, 42, "1234567",
                                        STUN_USAGE_ICE_COMPATIBILITY_MSICE2);
    told(stun_parse(bytes, n, &m) == 0 && m.fingerprint_right &&
             msice_check_integrity(&m, slice_of(check_password)) == STUN_INTEGRITY_RIGHT,
         "its connectivity check is right");
    msice_parse(&m, &ice);
    told(ice.version == 2 && slice_eq(ice.candidate, SLICE("1234567")), "the attributes of its check");

    stun_begin(&b, STUN_BINDING, STUN_REQUEST, tid);
    stun_put_u32(&b, STUN_ATTR_PRIORITY, 0x7effffff);
    stun_put_text(&b, STUN_ATTR_USERNAME, slice_of(check_user));
    stun_put_text(&b, MSICE_ATTR_CANDIDATE_IDENTIFIER, SLICE("1"));
    stun_put_u32(&b, MSICE_ATTR_IMPLEMENTATION_VERSION, MSICE_VERSION_OURS);
    msice_put_integrity(&b, slice_of(check_password));
    stun_put_fingerprint(&b);
    told(stun_agent_validate(&agent, &message, b.p, b.n, give_password, check_password) ==
             STUN_VALIDATION_SUCCESS,
         "our connectivity check is right");
    told(stun_agent_validate(&agent, &message, b.p, b.n, give_password, password) ==
             STUN_VALIDATION_UNAUTHORIZED,
         "our connectivity check is refused with another password");
}

int main(void)
{
    its_allocation();
    our_allocation(false);
    our_allocation(true);
    checks();
    return 0;
}
