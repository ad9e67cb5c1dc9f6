#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How fast the store takes failing calls and answers, and what a call costs on disk. The cost of a call must not grow with their number:
# 10,000, 100,000 and 1,000,000 calls (BENCH_CALLS: further numbers; 10000000 takes 3 minutes and 2 GB). Then a million reports of one call.
# Fails when a target is missed.
set -u
dir=$(mktemp -d "${TMPDIR:-/tmp}/edgemedia-bench-XXXXXX")
trap 'rm -rf "$dir"' EXIT
status=0
for calls in 10000 100000 1000000 ${BENCH_CALLS:-}; do
    rm -f "$dir"/db*
    taskset -c "${BENCH_CPU:-0}" "${EM_BUILDDIR:-.}/tests/bench/store" "$dir/db" "$calls" || status=1
done
rm -f "$dir"/db*
taskset -c "${BENCH_CPU:-0}" "${EM_BUILDDIR:-.}/tests/bench/store" "$dir/db" one 1000000 || status=1
exit $status
