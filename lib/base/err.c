/* SPDX-License-Identifier: GPL-3.0-or-later
 * The words of the error codes. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

const char *em_err_text(int err)
{
    static const char *const words[] = {
        [-EM_OK] = "no error",
        [-EM_ERR_MEMORY] = "no memory",
        [-EM_ERR_SYSTEM] = "system call failed",
        [-EM_ERR_INPUT] = "not well formed",
        [-EM_ERR_LIMIT] = "limit reached",
        [-EM_ERR_NOT_FOUND] = "not found",
        [-EM_ERR_FULL] = "disk or database full",
        [-EM_ERR_READ_ONLY] = "read-only",
        [-EM_ERR_CORRUPT] = "damaged",
        [-EM_ERR_NEWER] = "written by a newer version",
        [-EM_ERR_BUSY] = "in use",
        [-EM_ERR_TIMEOUT] = "timed out",
        [-EM_ERR_UNSUPPORTED] = "not supported",
    };
    size_t i = (size_t)-err;

    return err <= 0 && i < sizeof words / sizeof *words ? words[i] : "unknown error";
}

int em_fail(struct em_why *why, int err, const char *fmt, ...)
{
    va_list ap;

    if (why) {
        va_start(ap, fmt);
        vsnprintf(why->text, sizeof why->text, fmt, ap);
        va_end(ap);
    }
    return err;
}
