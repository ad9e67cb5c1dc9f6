/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a cell is on the wire, by the kind of its field. */
#include <assert.h>
#include <string.h>
#include <time.h>

#include "agent/snmp_tree.h"
#include "base/clock.h"

enum { DATE_OCTETS = 11, NEVER_OCTETS = 8, TICKS_PER_S = 100 };

static void put_u32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* DateAndTime of RFC 2579 in UTC: year (2 octets), month, day, hour, minute, second, deci-second, '+', 0, 0. Without a time:
 * the short form, all zeros. */
static void date_and_time(int64_t wall_us, struct em_snmp_value *v)
{
    time_t seconds = (time_t)(wall_us / EM_US_PER_S);
    struct tm tm;

    v->type = EM_SNMP_OCTETS;
    v->n = NEVER_OCTETS;
    memset(v->octets, 0, DATE_OCTETS);
    if (wall_us <= 0 || !gmtime_r(&seconds, &tm))
        return;
    v->n = DATE_OCTETS;
    v->octets[0] = (uint8_t)((tm.tm_year + 1900) >> 8);
    v->octets[1] = (uint8_t)((tm.tm_year + 1900) & 0xff);
    v->octets[2] = (uint8_t)(tm.tm_mon + 1);
    v->octets[3] = (uint8_t)tm.tm_mday;
    v->octets[4] = (uint8_t)tm.tm_hour;
    v->octets[5] = (uint8_t)tm.tm_min;
    v->octets[6] = (uint8_t)tm.tm_sec;
    v->octets[7] = (uint8_t)(wall_us % EM_US_PER_S / (EM_US_PER_S / 10));
    v->octets[8] = '+';
}

/* Well-formed UTF-8 by its first byte: the length, and between which values the second byte lies (RFC 3629 section 4). */
static const struct {
    uint8_t first, last, length, low, high;
} utf8_forms[] = {
    { 0x00, 0x7f, 1, 0, 0 },       { 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
    { 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
    { 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

/* The number of bytes of the well-formed character at p, 0 if it is none. */
static size_t utf8_length(const uint8_t *p, size_t n)
{
    size_t i = 0;

    while (i < sizeof utf8_forms / sizeof *utf8_forms &&
           (p[0] < utf8_forms[i].first || p[0] > utf8_forms[i].last))
        i++;
    if (i == sizeof utf8_forms / sizeof *utf8_forms || utf8_forms[i].length > n)
        return 0;
    if (utf8_forms[i].length > 1 && (p[1] < utf8_forms[i].low || p[1] > utf8_forms[i].high))
        return 0;
    for (size_t k = 2; k < utf8_forms[i].length; k++)
        if ((p[k] & 0xc0) != 0x80)
            return 0;
    return utf8_forms[i].length;
}

/* Texts come from logs and peers: a byte that is not UTF-8 becomes '?', and a character is never cut in two. */
static void text(const char *from, size_t size, struct em_snmp_value *v)
{
    const uint8_t *p = (const uint8_t *)from;
    size_t n = strnlen(from, size);

    v->type = EM_SNMP_OCTETS;
    v->n = 0;
    while (n > 0) {
        size_t length = utf8_length(p, n), used = length ? length : 1;

        if (v->n + used > EM_SNMP_TEXT_MAX)
            return;
        if (length)
            memcpy(v->octets + v->n, p, length);
        else
            v->octets[v->n] = '?';
        v->n += used;
        p += used;
        n -= used;
    }
}

/* BITS of RFC 2578: bit 0 is the highest bit of the first octet; bit n of the sum is BITS bit n. */
static void bits(uint32_t sum, struct em_snmp_value *v)
{
    uint32_t mirrored = 0;

    for (int i = 0; i < 32; i++)
        if (sum & UINT32_C(1) << i)
            mirrored |= UINT32_C(0x80000000) >> i;
    v->type = EM_SNMP_OCTETS;
    v->n = sizeof mirrored;
    put_u32(v->octets, mirrored);
}

static void number(enum em_snmp_type type, uint64_t n, struct em_snmp_value *v)
{
    v->type = type;
    v->number = n;
    v->n = 0;
}

static uint32_t stamp(int64_t wall_us, int64_t master_start_us)
{
    if (master_start_us <= 0 || wall_us <= master_start_us)
        return 0;
    return (uint32_t)((wall_us - master_start_us) / (EM_US_PER_S / TICKS_PER_S)); /* modulo 2^32 */
}

void em_snmp_value_of(const struct em_snmp_cell *cell, int64_t master_start_us, struct em_snmp_value *v)
{
    const struct em_field *f = cell->column->field;
    uint64_t n;

    switch (f->kind) {
    case EM_KIND_TEXT:
        text(em_field_text(f, cell->row), f->size, v);
        break;
    case EM_KIND_TIME:
        date_and_time(em_field_time(f, cell->row), v);
        break;
    case EM_KIND_STAMP:
        number(EM_SNMP_TICKS, stamp(em_field_time(f, cell->row), master_start_us), v);
        break;
    case EM_KIND_ICE:
        bits((uint32_t)em_field_number(f, cell->row), v);
        break;
    case EM_KIND_ENUM:
        number(EM_SNMP_INTEGER, em_field_number(f, cell->row), v);
        break;
    case EM_KIND_COUNTER:
        number(EM_SNMP_COUNTER64, em_field_number(f, cell->row), v);
        break;
    case EM_KIND_INDEX:
    case EM_KIND_NUMBER:
    case EM_KIND_GAUGE:
        n = em_field_number(f, cell->row);
        number(EM_SNMP_GAUGE, n > UINT32_MAX ? UINT32_MAX : n, v);
        break;
    }
}
