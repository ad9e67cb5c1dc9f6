/* SPDX-License-Identifier: GPL-3.0-or-later
 * Relay loops over TCP allocations (RFC 6062): the near leg has its server connect to the far relayed address, each side binds a connection of
 * its own to that, and raw bytes go both ways.
 *
 *     far: CreatePermission --> near: Connect --success, connection id--> near data connection: ConnectionBind --+--> bound
 *                                   far: ConnectionAttempt, connection id --> far data connection: ConnectionBind --+
 *
 * A data connection goes to the same server address as its leg's, with the same user (section 4.3); signed at once with
 * the nonce of its leg, since coturn 4.6.1 resets a connection that begins without. */
#include <stdlib.h>

#include "probe/relay.h"
#include "wire/turn.h"

static struct em_attempt *other_leg(const struct em_attempt *leg)
{
    return leg->relay->is_far ? leg->relay->near : leg->relay->far;
}

void em_relay_tcp_bind(struct em_attempt *leg)
{
    uint8_t bytes[EM_REQUEST_MAX];
    struct buf b = buf_over(bytes, sizeof bytes);

    leg->relay->step = EM_RELAY_BINDING;
    em_ask_begin(leg, &b, leg->relay->is_far ? STUN_CREATE_PERMISSION : STUN_CONNECT);
    turn_put_peers(&b, &other_leg(leg)->relay->relayed, 1);
    stun_auth_sign(&leg->turn.auth, &b);
    em_ask(leg, &b);
}

void em_relay_tcp_begin(struct em_attempt *data)
{
    uint8_t bytes[EM_REQUEST_MAX];
    struct buf b = buf_over(bytes, sizeof bytes);

    em_ask_begin(data, &b, STUN_CONNECTION_BIND);
    stun_put_u32(&b, STUN_ATTR_CONNECTION_ID, data->relay->connection_id);
    stun_auth_sign(&data->turn.auth, &b);
    em_ask(data, &b);
}

static void open_data(struct em_attempt *leg, uint32_t connection_id)
{
    struct em_attempt *data = calloc(1, sizeof *data);

    if (!data || em_attempt_init(data, leg->probe, &leg->remote) != 0 ||
        !em_relay_new(data, leg->relay->near)) {
        if (data)
            em_timer_free(data->resend);
        free(data);
        em_relay_no_memory(leg);
        return;
    }
    data->whole = leg;
    data->relay->control = leg;
    data->relay->is_far = leg->relay->is_far;
    data->relay->far = leg->relay->far;
    data->relay->step = EM_RELAY_BINDING;
    data->relay->connection_id = connection_id;
    data->turn.has_credentials = leg->turn.has_credentials;
    data->turn.auth = leg->turn.auth;
    leg->relay->data = data;
    em_attempt_open(data);
}

void em_relay_tcp_answered(struct em_attempt *a, const struct stun_msg *m)
{
    struct turn_msg t;

    if (a->relay->control) {
        a->relay->step = EM_RELAY_BOUND;
        em_relay_bound(a->relay->control);
    } else if (a->relay->is_far) {
        em_relay_tcp_bind(a->relay->near);
    } else if (turn_parse(m, &t) != 0 || !t.has_connection_id) {
        em_attempt_end(a, EM_VERDICT_PROTOCOL_ERROR, "a connection to the peer without its id");
    } else {
        open_data(a, t.connection_id);
    }
}

bool em_relay_indication(struct em_attempt *a, const struct stun_msg *m)
{
    struct turn_msg t;

    if (m->method != STUN_CONNECTION_ATTEMPT || !em_relay_by_tcp(a))
        return false;
    if (!a->relay->control && a->relay->is_far && !a->relay->data && a->relay->step == EM_RELAY_BINDING &&
        turn_parse(m, &t) == 0 && t.has_connection_id)
        open_data(a, t.connection_id);
    return true;
}

/* After ConnectionBind the stream is the peer's bytes; a packet of ours is cut off its front. */
bool em_relay_raw(const struct em_attempt *a)
{
    return a->relay->control && a->relay->step == EM_RELAY_BOUND;
}

bool em_relay_raw_heard(struct em_attempt *a)
{
    if (a->in_n < EM_RELAY_PACKET_SIZE)
        return false;
    em_relay_packet(a->relay->control, (struct slice) { (const char *)a->in, EM_RELAY_PACKET_SIZE });
    if (!a->ended)
        em_ask_drop(a, EM_RELAY_PACKET_SIZE);
    return !a->ended;
}
