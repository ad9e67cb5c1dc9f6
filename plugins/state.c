/* SPDX-License-Identifier: GPL-3.0-or-later
 * The four states: names and rank. */
#include "plugins/state.h"

#include "base/slice.h"

static const struct {
    const char *name;
    unsigned rank;
} states[STATE_COUNT] = {
    [STATE_OK] = { "OK", 0 },
    [STATE_WARNING] = { "WARNING", 2 },
    [STATE_CRITICAL] = { "CRITICAL", 3 },
    [STATE_UNKNOWN] = { "UNKNOWN", 1 },
};

const char *state_name(enum state s)
{
    return states[s].name;
}

unsigned state_rank(enum state s)
{
    return states[s].rank;
}

enum state state_worst(enum state a, enum state b)
{
    return states[a].rank >= states[b].rank ? a : b;
}

bool state_read(const char *text, enum state *s)
{
    for (int i = 0; i < STATE_COUNT; i++) {
        bool digit = text[0] == (char)('0' + i) && text[1] == '\0';

        if (digit || slice_eq_nocase(slice_of(text), slice_of(states[i].name))) {
            *s = (enum state)i;
            return true;
        }
    }
    return false;
}
