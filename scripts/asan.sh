#!/bin/sh
# Runs the Rust tests under AddressSanitizer, leaks included. The sanitizers
# are an unstable option; RUSTC_BOOTSTRAP makes the stable compiler take it.
# Left out are the tests that weigh the process: under the sanitizer every
# allocation is larger and freed memory is kept.
set -eu
cd "$(dirname "$0")/.."
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/asan" RUSTC_BOOTSTRAP=1 \
    RUSTFLAGS="-Zsanitizer=address" ASAN_OPTIONS="detect_leaks=1" \
    cargo test --lib --tests --no-fail-fast --target x86_64-unknown-linux-gnu \
    -p reactor-sys -p reactor-proto -p reactor-route -p reactor-tls -p reactor-server -- \
    --skip readers_that_do_not_read_cost_bounded_memory \
    --skip thousands_of_slow_heads_cost_little_memory
