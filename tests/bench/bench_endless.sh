#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A GiB each of NULs, of a line without an end and of blanks, in a log that the trace source follows: every record behind them is
# counted, and the process needs less than 4 MiB more at its peak (VmHWM). It takes 2 GiB below /tmp for a while.
set -u
test="${EM_BUILDDIR:?}/tests/unit/test_trace"

make -s -C "$EM_BUILDDIR" tests/unit/test_trace || exit 1
result=$(EM_ALL=1 CK_RUN_CASE=cases "$test" 2>/dev/null | grep endless_lines) || exit 1
echo "$result"
case $result in ok*) exit 0 ;; *) exit 1 ;; esac
