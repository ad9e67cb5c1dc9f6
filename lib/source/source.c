/* SPDX-License-Identifier: GPL-3.0-or-later
 * The kinds of sources that this build has. */
#include "source/source.h"

#include "source/hep.h"
#include "source/trace.h"

static const struct em_source_kind *const kinds[] = {
    &em_trace_kind,
    &em_hep_kind,
};

const struct em_source_kind *em_source_kind(enum em_source_type type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i]->type == type)
            return kinds[i];
    return NULL;
}
