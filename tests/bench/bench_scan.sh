#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How fast a trace is counted: `edgemedia scan` with one job and with two, beside ripgrep, which only looks for one string, and mawk, which makes the
# same de-duplicated count of code-23 calls. File in page cache, in turn; one CPU, two for two jobs. Medians, and the best runs, which other load
# disturbs least: the targets are judged by those. Exit 1: a wrong count, a missed target, or a tool to compare with is missing.
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
for tool in rg mawk taskset /usr/bin/time; do
    command -v "$tool" >/dev/null || { echo "bench_scan: no $tool to compare with; install it (ripgrep, mawk, util-linux, time)"; exit 1; }
done

dir=$(mktemp -d "${TMPDIR:-/tmp}/edgemedia-bench-XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
trace=$dir/trace
"$build/tests/bench/gen_trace" --format "$format" --plain --bytes $((mib * 1048576)) --out "$trace" --truth "$dir/truth"
cat "$trace" >/dev/null

# What each of the runs does; 1 from the scan: it found failures.
run_scan() {
    "$edgemedia" scan --json "$trace" || [ $? -eq 1 ]
}
run_scan2() {
    taskset -c "$two" "$edgemedia" scan --json --jobs 2 "$trace" || [ $? -eq 1 ]
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

cpus=$(taskset -cp $$ | sed 's/.*: //')
cpu=${cpus##*[,-]}
two=$cpus
taskset -cp "$cpu" $$ >/dev/null
i=0
while [ "$i" -lt "$runs" ]; do
    for what in scan scan2 rg mawk; do
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
status=0
truth=$(number truth code_23)
echo "$mib MiB of $format, CPU $cpu (two jobs: $two), $runs runs; code-23 calls: truth $truth, scan $(number scan.out code_23)," \
    "two jobs $(number scan2.out code_23), mawk $(cat "$dir/mawk.out")"
for what in scan scan2; do
    [ "$truth" = "$(number $what.out code_23)" ] || { echo "bench_scan: $what counts wrong"; status=1; }
done
for which in median:$(((runs + 1) / 2)) best:1; do
    n=${which#*:}
    awk -v which="${which%:*}" -v s="$(nth scan "$n")" -v t="$(nth scan2 "$n")" -v r="$(nth rg "$n")" -v m="$(nth mawk "$n")" -v mib="$mib" 'BEGIN {
        printf "  %-6s scan %.3f s (%.0f MiB/s), two jobs %.3f s, rg %.3f s, mawk %.3f s\n", which, s / 1e6, mib / s * 1e6, t / 1e6, r / 1e6, m / 1e6
        printf "         scan/rg %.2f (target: at most 1.8), two jobs/rg %.2f (1.0), scan/mawk %.3f (0.10)\n", s / r, t / r, s / m
        exit which == "best" && (s / r > 1.8 || t / r > 1 || s / m > 0.10) }' || { echo "bench_scan: a target is missed"; status=1; }
done
/usr/bin/time -f '%M' "$edgemedia" scan --json "$trace" 2>"$dir/rss" >/dev/null || [ $? -eq 1 ]
rss=$(tail -n 1 "$dir/rss")
echo "  scan, peak RSS with what is mapped of the file $rss KiB (target: at most 16384)"
[ "$rss" -le 16384 ] || { echo "bench_scan: it takes too much memory"; status=1; }
[ "$status" = 0 ]
