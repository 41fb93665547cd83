#!/bin/sh
# Compiles the C programs of bench/ into target/bench, skipping what is up to date.
set -eu
cd "$(dirname "$0")"
out=../target/bench
cc=${CC:-gcc}

command -v "$cc" >/dev/null || {
    echo "bench: $cc is missing; install it (Debian, Ubuntu: apt-get install gcc libc6-dev)" >&2
    exit 1
}
mkdir -p "$out"
for source in control/*.c tools/*.c; do
    [ -e "$source" ] || continue
    program=$out/$(basename "$source" .c)
    [ "$program" -nt "$source" ] && [ "$program" -nt build.sh ] && continue
    "$cc" -std=gnu11 -O2 -pthread -Wall -Wextra -Werror -o "$program" "$source"
    echo "bench: built ${program#../}" >&2
done
