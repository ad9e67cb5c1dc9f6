/* SPDX-License-Identifier: GPL-3.0-or-later
 * The daemon's own process as the conventional process_* metrics.
 */
#ifndef EM_AGENT_PROCESS_H
#define EM_AGENT_PROCESS_H

#include <stdbool.h>

#include "base/buf.h"

/* Goes before em_expo_metrics(), which ends the text. What /proc does not tell is left out. */
void em_process_metrics(bool openmetrics, struct buf *to);

#endif
