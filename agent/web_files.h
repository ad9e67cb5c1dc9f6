/* SPDX-License-Identifier: GPL-3.0-or-later
 * The files of the web page, put into the program when it is built (web/webgen.c): nothing is read from disk, so no path leads out.
 */
#ifndef EM_AGENT_WEB_FILES_H
#define EM_AGENT_WEB_FILES_H

#include <stddef.h>

struct em_web_file {
    const char *path, *type;
    const char *etag; /* with its quotation marks; of the plain bytes */
    const unsigned char *plain;
    size_t plain_n;
    const unsigned char *gzip;
    size_t gzip_n; /* 0: built without zlib */
};

extern const struct em_web_file em_web_files[];
extern const size_t em_web_files_n;

#endif
