/* SPDX-License-Identifier: GPL-3.0-or-later
 * GET /api/v1/failures: the failures that fit, newest first, as JSON or CSV. edgemediad(8) lists the parameters.
 */
#ifndef EM_AGENT_WEB_FAILURES_H
#define EM_AGENT_WEB_FAILURES_H

#include "agent/web_pages.h"

void em_web_failures(const struct em_web_source *source, const struct em_web_request *request,
                     struct em_web_page *page);

#endif
