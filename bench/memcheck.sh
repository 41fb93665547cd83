#!/bin/sh
# Runs the example server under valgrind with a scripted load, stops it with
# SIGTERM, and fails on an invalid access, on a leak of memory or sockets, on a
# wrong answer, and on an exit code other than 0.
#
# usage: bench/memcheck.sh [-p PORT] [-i N] [-w N] [-- COMMAND …]
#
# COMMAND runs instead of the example server; it must listen on PORT (18400).
set -u
cd "$(dirname "$0")/.."
port=18400 io=2 workers=2
while getopts p:i:w: option; do
    case $option in
    p) port=$OPTARG ;;
    i) io=$OPTARG ;;
    w) workers=$OPTARG ;;
    *) sed -n '6s/^# //p' "$0" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))

for program in valgrind wrk node; do
    command -v "$program" >/dev/null || {
        echo "bench: $program is missing; install it (Debian, Ubuntu: apt-get install $program)" >&2
        exit 1
    }
done
if [ $# -eq 0 ]; then
    cargo build --profile profiling -p reactor-server --example serve || exit 1
    set -- target/profiling/examples/serve -p "$port" -i "$io" -w "$workers"
fi
in_use='require("net").connect(+process.argv[1], "127.0.0.1")
    .on("connect", () => process.exit(0)).on("error", () => process.exit(1))'
if node -e "$in_use" "$port"; then
    echo "bench: port $port is in use; choose another with -p" >&2
    exit 1
fi

mkdir -p target/bench
log=target/bench/memcheck.log
# Fair scheduling: valgrind runs one thread at a time, and without it a busy thread
# can keep the others out for seconds.
valgrind --leak-check=full --show-leak-kinds=definite,possible \
    --errors-for-leak-kinds=definite,possible --error-exitcode=9 \
    --fair-sched=try --track-fds=yes --log-file="$log" "$@" &
server=$!
trap 'kill -KILL $server 2>/dev/null' EXIT INT TERM

node bench/lib/scripted.mjs "$port" $server # sends the SIGTERM
load=$?
[ $load -eq 0 ] || kill -TERM $server 2>/dev/null
waited=0
while kill -0 $server 2>/dev/null && [ $waited -lt 60 ]; do
    sleep 1
    waited=$((waited + 1))
done
if kill -0 $server 2>/dev/null; then
    echo "bench: the server does not stop within 60 s of SIGTERM" >&2
    exit 1
fi
wait $server
code=$?
trap - EXIT INT TERM

sockets=$(grep -c 'Open AF_' "$log")
sed -n '/HEAP SUMMARY/,$p' "$log"
case $code in
0) ;;
9) echo "bench: valgrind found errors, see $log" >&2 ;;
*) echo "bench: the server ended with exit code $code, see $log" >&2 ;;
esac
[ "$sockets" -eq 0 ] || echo "bench: $sockets sockets were open at the end, see $log" >&2
[ $code -eq 0 ] && [ $load -eq 0 ] && [ "$sockets" -eq 0 ]
