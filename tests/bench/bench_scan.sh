#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How fast a trace is counted: `edgemedia scan` beside ripgrep, which only looks for one string, and mawk, which makes the same
# de-duplicated count of code-23 calls. One CPU, file in page cache, in turn; medians, and the best runs, which other load disturbs least.
#
#     bench_scan.sh [MIB]     size of the trace, 1024; BENCH_RUNS (5), BENCH_FORMAT (ocslogger)
set -eu

mib=${1:-${BENCH_MIB:-1024}}
runs=${BENCH_RUNS:-5}
format=${BENCH_FORMAT:-ocslogger}
build=${EM_BUILDDIR:-.}
edgemedia=$build/edgemedia
case $format in # how a record begins: what mawk has to forget the last Call-ID at
ocslogger) record='[$][$]begin_record' ;;
uccapi) record='(Packet|Received) - ' ;;
*) record=' -> ' ;;
esac
for tool in rg mawk taskset; do
    command -v "$tool" >/dev/null || { echo "bench_scan: skipped, no $tool"; exit 0; }
done

dir=$(mktemp -d "${TMPDIR:-/tmp}/edgemedia-bench-XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
trace=$dir/trace
"$build/tests/bench/gen_trace" --format "$format" --plain --bytes $((mib * 1048576)) --out "$trace" --truth "$dir/truth"
cat "$trace" >/dev/null

run_scan() {
    "$edgemedia" scan --json "$trace" || [ $? -eq 1 ] # 1: it found failures
}
run_rg() {
    rg -c -F 'ms-client-diagnostics: 23' "$trace"
}
# shellcheck disable=SC2016
run_mawk() {
    mawk "/$record/"' { id = "" }
          /^Call-ID: / { id = $2 }
          /^ms-client-diagnostics: 23;/ && id != "" && !(id in seen) { seen[id]; n++ }
          END { print n + 0 }' "$trace"
}

cpu=$(taskset -cp $$ | sed 's/.*[ ,-]//')
taskset -cp "$cpu" $$ >/dev/null
i=0
while [ "$i" -lt "$runs" ]; do
    for what in scan rg mawk; do
        begin=$(date +%s%N)
        "run_$what" >"$dir/$what.out"
        echo $((($(date +%s%N) - begin) / 1000)) >>"$dir/$what.us"
    done
    i=$((i + 1))
done

nth() { # of the runs of $1, the one that $2 runs were not slower than
    sort -n "$dir/$1.us" | sed -n "$2p"
}
number() {
    sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p" "$dir/$1"
}
truth=$(number truth code_23) scanned=$(number scan.out code_23) awked=$(cat "$dir/mawk.out")
echo "$mib MiB of $format, CPU $cpu, $runs runs; code-23 calls: truth $truth, scan $scanned, mawk $awked"
for which in median:$(((runs + 1) / 2)) best:1; do
    n=${which#*:}
    awk -v which="${which%:*}" -v s="$(nth scan "$n")" -v r="$(nth rg "$n")" -v m="$(nth mawk "$n")" -v mib="$mib" 'BEGIN {
        printf "  %-6s scan %.3f s (%.0f MiB/s), rg %.3f s, mawk %.3f s; scan/rg %.2f (target: at most 2.5), scan/mawk %.3f (0.15)\n",
            which, s / 1e6, mib / s * 1e6, r / 1e6, m / 1e6, s / r, s / m }'
done
if [ -x /usr/bin/time ]; then
    /usr/bin/time -f '%M' "$edgemedia" scan --json "$trace" 2>"$dir/rss" >/dev/null || [ $? -eq 1 ]
    echo "  scan, peak RSS $(tail -n 1 "$dir/rss") KiB (target: at most 16384)"
fi
[ "$truth" = "$scanned" ] || { echo "bench_scan: the scan's number is wrong"; exit 1; }
