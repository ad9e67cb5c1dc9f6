/* SPDX-License-Identifier: GPL-3.0-or-later
 * Writing edgemedia.conf for a person to edit: every option of a block with its explanation, default and bounds, all from its row.
 */
#ifndef EM_AGENT_CONF_WRITE_H
#define EM_AGENT_CONF_WRITE_H

#include "agent/conf_rows.h"
#include "base/buf.h"

/* An option that is not left at its default. */
struct em_conf_word {
    const char *name, *value; /* value NULL ends a list of words */
};

/* All options of a block, each after `lead` (blanks, or a # behind them, which makes a comment of the whole block). Those in words are set;
 * the others stand as comments that say their default (not what is needed: that is for the
 * caller to set, or for the reader when lead makes a comment of it all). explain false: only those that are set. */
void em_conf_write_rows(const struct em_conf_block *b, const struct em_conf_word *words, const char *lead,
                        bool explain, struct buf *to);

/* In double quotes, so that libConfuse reads back the same bytes: neither an escape nor ${NAME} is left in it. */
void em_conf_write_text(const char *value, struct buf *to);

#endif
