/* SPDX-License-Identifier: GPL-3.0-or-later
 * The catalogue as a tree of object identifiers, and a cell of it as an SNMP value. Pure: no net-snmp, no allocation, so that
 * tests walk everything without an agent.
 *
 * Identifiers here begin behind the objects arc (root.1): a scalar is ARC.subid.0, a column is ARC.1.subid.index. Numbers are
 * net-snmp's oid (unsigned long). Index columns are not accessible and have no cell.
 */
#ifndef EM_AGENT_SNMP_TREE_H
#define EM_AGENT_SNMP_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/snapshot.h"

enum {
    EM_SNMP_COLUMNS_MAX = 256,
    EM_SNMP_INDEX_MAX = 4,
    EM_SNMP_PREFIX_MAX = 3,
    EM_SNMP_ID_MAX = EM_SNMP_PREFIX_MAX + EM_SNMP_INDEX_MAX,
    EM_SNMP_TEXT_MAX = 255, /* octets of a text value, the MIB's EmText */
    EM_SNMP_ROOT_MAX = 32,
};

/* The module's root, as configured; the objects arc is root.1. */
extern const unsigned long em_snmp_root[];
extern const size_t em_snmp_root_n;

struct em_snmp_column {
    const struct em_table *table;
    const struct em_field *field;
    enum em_table_id id;
    unsigned long prefix[EM_SNMP_PREFIX_MAX];
    size_t prefix_n;
};

/* All columns and scalars in the order of their identifiers. */
struct em_snmp_tree {
    struct em_snmp_column column[EM_SNMP_COLUMNS_MAX];
    size_t n;
};

struct em_snmp_cell {
    const struct em_snmp_column *column;
    const void *row;
};

enum em_snmp_found { EM_SNMP_NO_OBJECT, EM_SNMP_NO_INSTANCE, EM_SNMP_FOUND };

void em_snmp_tree_init(struct em_snmp_tree *tree);

/* The cell of exactly this identifier. s NULL (nothing measured yet): no instance. cell is set only when found. */
enum em_snmp_found em_snmp_get(const struct em_snmp_tree *tree, const struct em_snapshot *s,
                               const unsigned long *id, size_t n, struct em_snmp_cell *cell) EM_MUST_CHECK;

/* The first cell behind the identifier, which may be of any length, down to 0. False at the end. */
bool em_snmp_next(const struct em_snmp_tree *tree, const struct em_snapshot *s, const unsigned long *id,
                  size_t n, struct em_snmp_cell *cell) EM_MUST_CHECK;

/* Writes the cell's identifier, returns its length. */
size_t em_snmp_cell_id(const struct em_snmp_cell *cell, unsigned long id[EM_SNMP_ID_MAX]);

/* The type numbers are those of BER, which are net-snmp's too. */
enum em_snmp_type {
    EM_SNMP_INTEGER = 0x02,
    EM_SNMP_OCTETS = 0x04,
    EM_SNMP_GAUGE = 0x42, /* Gauge32 and Unsigned32 are one type on the wire */
    EM_SNMP_TICKS = 0x43,
    EM_SNMP_COUNTER64 = 0x46,
};

struct em_snmp_value {
    enum em_snmp_type type;
    uint64_t number; /* all types but octets */
    size_t n;        /* octets */
    uint8_t octets[EM_SNMP_TEXT_MAX];
};

/* Every cell has a value. master_start_us: the wall time at which the master's sysUpTime was 0, for time stamps; a moment
 * before it, or 0, gives the stamp 0. */
void em_snmp_value_of(const struct em_snmp_cell *cell, int64_t master_start_us, struct em_snmp_value *value);

#endif
