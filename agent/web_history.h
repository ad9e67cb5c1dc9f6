/* SPDX-License-Identifier: GPL-3.0-or-later
 * /api/v1/history: the history of the store as JSON, one compact object in one line.
 *
 *     {"schema_version":1,"range":"24h","start":1700000000,"step":60,"slots":1440,"series":[
 *      {"series":"media_failures","values":[0,3,..]},
 *      {"series":"codes","code":23,"values":[..]},
 *      {"series":"ice_warnings","value":"0x100","name":"..","values":[..]},
 *      {"series":"media","media":"audio","values":[..]},
 *      {"series":"rtt_us","edge":"..","check":"..","address":"..","values":[null,1200,..]}],"truncated":false}
 *
 * Slot i begins at start + i * step (Unix seconds); the last is the one that runs. Calls, probes and retransmits are counts in the slot;
 * phases the mean in microseconds (null: it did not happen); a verdict the worst of the slot (null: nothing was tested). A range is a
 * check whose address is "".
 *
 * Parameters: range= (24h when it is not there), series= names with commas between (the four events when it is not there), edge= and
 * check= for the series of paths, which need an edge.
 */
#ifndef EM_AGENT_WEB_HISTORY_H
#define EM_AGENT_WEB_HISTORY_H

#include "agent/web_pages.h"

enum {
    EM_WEB_HISTORY_CODES_MAX = 20, /* codes in one answer: those with the most calls */
    EM_WEB_HISTORY_PATHS_MAX = 64, /* paths in one answer */
    EM_WEB_HISTORY_QUERY_MAX = 512,
};

void em_web_history(const struct em_web_source *source, const struct em_web_request *request,
                    struct em_web_page *page);

#endif
