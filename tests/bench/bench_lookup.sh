#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What a cell of the SNMP tables costs by the number of rows, and a publication of 10,000 changed rows. Fails when a target is missed.
test -x "${EM_BUILDDIR:-.}/tests/bench/lookup" || { echo 'bench_lookup: this build has no agent, so there is nothing to measure'; exit 0; }
exec taskset -c "${BENCH_CPU:-0}" "${EM_BUILDDIR:-.}/tests/bench/lookup"
