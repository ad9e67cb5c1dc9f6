#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How fast a range of 10,000 ports is swept: `edgemedia sweep` with a STUN exchange on each port beside nmap, which sends no payload over TCP.
# A pair of namespaces, both programs on one CPU, the responder on another, in turn; medians. Exit 1: a
# missed target, or a tool to compare with or to measure with is missing.
#
#     bench_sweep.sh     BENCH_RUNS (3); BENCH_NMAP_MAX (15), seconds after which an nmap that waits for silence is stopped
set -eu

runs=${BENCH_RUNS:-3}
most=${BENCH_NMAP_MAX:-15}
edgemedia=${EM_BUILDDIR:-.}/edgemedia
near=em-bnear-$$ far=em-bfar-$$ here=192.0.2.1 there=192.0.2.2 ports=50000-59999
for tool in nmap nft ip taskset python3 timeout /usr/bin/time; do
    command -v "$tool" >/dev/null || {
        echo "bench_sweep: no $tool; install it (nmap, nftables, iproute2, util-linux, python3, coreutils, time), or: ./quickstart bench"
        exit 1
    }
done
ip netns add "$near" || { echo "bench_sweep: no network namespace to sweep through; run it as root"; exit 1; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/edgemedia-bench-XXXXXX")
responder=
# shellcheck disable=SC2317
cleanup() {
    [ -z "$responder" ] || kill "$responder" 2>/dev/null || :
    ip netns del "$near" 2>/dev/null || :
    ip netns del "$far" 2>/dev/null || :
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
ip netns add "$far"
ip link add near0 netns "$near" type veth peer name far0 netns "$far"
ip -n "$near" addr add $here/24 dev near0
ip -n "$far" addr add $there/24 dev far0
for end in "$near near0" "$far far0"; do
    # shellcheck disable=SC2086
    set -- $end
    ip -n "$1" link set lo up
    ip -n "$1" link set "$2" up
done

# Seconds of one run on CPU 1 into $dir/NAME, a line for each. Memory is measured apart: a program inherits the high-water mark of who starts it.
cat >"$dir/measure" <<'END'
import os, sys, time
begin = time.monotonic()
pid = os.fork()
if pid == 0:
    null = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(null, 1)
    os.execvp(sys.argv[3], sys.argv[3:])
os.waitpid(pid, 0)
with open(sys.argv[1], "a") as f:
    print("%.4f" % (time.monotonic() - begin), file=f)
END
measure() {
    into=$1
    shift
    ip netns exec "$near" taskset -c 1 python3 "$dir/measure" "$dir/$into" "$dir/$into.out" "$@"
}
median() {
    sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
rules() {
    printf 'flush ruleset\ntable inet t { chain i { type filter hook input priority 0; policy accept\n%s\n}\n}\n' "$1" |
        ip netns exec "$far" nft -f -
}
respond() {
    [ -z "$responder" ] || { kill "$responder"; wait "$responder" 2>/dev/null || :; }
    ip netns exec "$far" taskset -c 0 "$edgemedia" respond "$1" $there $ports >"$dir/respond" 2>&1 &
    responder=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        ! grep -q listening "$dir/respond" || return 0
        sleep 1
    done
    cat "$dir/respond"
    exit 1
}

failed=0
# NAME TARGET WANT NMAP-OPTIONS SWEEP-OPTIONS PORTS: the ratio of the medians, and what the sweep must have found.
compare() {
    name=$1 target=$2 want=$3 with=$4 how=$5 which=$6
    i=0
    while [ $i -lt "$runs" ]; do
        # shellcheck disable=SC2086
        measure "$name" "$edgemedia" sweep --json --rate max --timeout 1 $how $there "$which"
        grep -q "\"verdicts\":{$want}" "$dir/$name.out" || { echo "$name: wrong: $(cut -c1-200 "$dir/$name.out")"; failed=1; }
        # shellcheck disable=SC2086
        { [ $i -gt 0 ] && [ "$most" -lt 60 ] && [ "$name" = dropped ]; } || measure "nmap-$name" timeout "$most" nmap $with -n -Pn -T5 -p "$which" $there
        i=$((i + 1))
    done
    # shellcheck disable=SC2086
    ip netns exec "$near" taskset -c 1 /usr/bin/time -o "$dir/rss.all" -f %M "$edgemedia" sweep --json --rate max --timeout 1 $how $there "$which" >/dev/null || :
    tail -n 1 "$dir/rss.all" >"$dir/rss"
    awk -v name="$name" -v target="$target" -v ours="$(median "$dir/$name")" -v its="$(median "$dir/nmap-$name")" \
        -v rss="$(cat "$dir/rss")" 'BEGIN {
        printf "%-8s %7.3f s, nmap %7.3f s: %.3f of it (target %s), %d KiB\n", name, ours, its, ours / its, target, rss
        exit ours / its > target || rss > 8192 || (name == "dropped" && ours > 1.15) }' || { echo "$name: missed"; failed=1; }
}

rules ""
respond --tcp
compare open 0.80 '"ok":10000' -sT --tcp $ports
compare closed 0.60 '"refused":10000' -sT --tcp 30000-39999
rules 'tcp dport 50000-53333 drop
tcp dport 53334-56666 reject with tcp reset'
compare mixed 0.30 '"ok":3333,"refused":3333,"filtered":3334' -sT --tcp $ports
rules "tcp dport $ports drop"
compare dropped 0.12 '"filtered":10000' -sT --tcp $ports
rules ""
respond --udp
compare udp 0.20 '"ok":10000' -sU --udp $ports
exit $failed
