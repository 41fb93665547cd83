#!/bin/sh
# Runs seeds of the reactor's simulation that nobody has tried, with all assertions:
# scripts/soak.sh [runs] [first seed]
# Twenty thousand or more are run optimised, which pays for compiling that anew.
# Without a first seed it draws one. It prints it, so that the run can be repeated; a seed that
# fails is printed too, and REACTOR_SIM_SEED repeats that one alone.
set -eu
cd "$(dirname "$0")/.."
base="${2:-$(od -An -N5 -tu8 /dev/urandom | tr -d ' ')}"
runs="${1:-100000}"
echo "seeds $base to $((base + runs - 1))"
if [ "$runs" -ge 20000 ]; then
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/soak" CARGO_PROFILE_TEST_OPT_LEVEL=2
fi
REACTOR_SIM_RUNS="$runs" REACTOR_SIM_BASE="$base" \
    cargo test -p reactor-server --lib sim -- --nocapture
