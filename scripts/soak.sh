#!/bin/sh
# Runs many seeds of the reactor's simulation on one core, optimised but with
# all assertions: scripts/soak.sh [runs]
set -eu
cd "$(dirname "$0")/.."
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/soak" CARGO_PROFILE_TEST_OPT_LEVEL=2 \
    REACTOR_SIM_RUNS="${1:-100000}" \
    cargo test -p reactor-server --lib sim -- --nocapture
