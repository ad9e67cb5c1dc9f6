#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How long the rules of lib/diagnose take over 1,000 edges. Fails over 20 ms.
exec taskset -c "${BENCH_CPU:-0}" "${EM_BUILDDIR:-.}/tests/bench/findings"
