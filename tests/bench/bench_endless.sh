#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A GiB each of NULs, of a line without an end and of blanks, in a log that the trace source follows: every record behind them is
# counted, and the process needs less than 4 MiB more at its peak (VmHWM). The same through `edgemedia scan`, from a file and from a pipe: 16 MiB
# at most, what is mapped of the file included. It takes 2 GiB below /tmp for a while.
set -u
test="${EM_BUILDDIR:?}/tests/unit/test_trace"
status=0

make -s -C "$EM_BUILDDIR" tests/unit/test_trace || exit 1
result=$(EM_ALL=1 CK_RUN_CASE=cases "$test" 2>/dev/null | grep endless_lines) || exit 1
echo "$result"
case $result in ok*) ;; *) status=1 ;; esac

[ -x /usr/bin/time ] || { echo "bench_endless: no /usr/bin/time to measure with; install the package time, or: ./quickstart bench"; exit 1; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/edgemedia-bench-XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
record='BYE sip:a@example.com SIP/2.0\r\nCall-ID: %s\r\nCSeq: 2 BYE\r\nms-client-diagnostics: 23; reason="failed"\r\n\r\n'
for fill in '\0' ' ' x; do
    # shellcheck disable=SC2059
    {
        printf "$record" before
        head -c 1073741824 /dev/zero | tr '\0' "$fill"
        printf "\r\n$record" behind
    } >"$dir/trace"
    for how in file pipe; do
        begin=$(date +%s%N)
        if [ $how = file ]; then
            /usr/bin/time -f %M -o "$dir/rss" "$EM_BUILDDIR/edgemedia" scan --json "$dir/trace"
        else
            # shellcheck disable=SC2002
            cat "$dir/trace" | /usr/bin/time -f %M -o "$dir/rss" "$EM_BUILDDIR/edgemedia" scan --json -
        fi >"$dir/out"
        took=$((($(date +%s%N) - begin) / 1000000)) rss=$(tail -n 1 "$dir/rss")
        calls=$(sed -n 's/.*"code_23":\([0-9]*\).*/\1/p' "$dir/out")
        printf "  scan, 1 GiB of '%s' in a %s: %s ms, %s calls (2), peak RSS %s KiB (at most 16384)\n" "$fill" $how "$took" "$calls" "$rss"
        { [ "$calls" = 2 ] && [ "$rss" -le 16384 ]; } || status=1
    done
done
exit $status
