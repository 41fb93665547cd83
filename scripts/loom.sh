#!/bin/sh
# Model-checks the wake-up protocols of crates/server under loom.
set -eu
cd "$(dirname "$0")/.."
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom" RUSTFLAGS="--cfg loom" \
    cargo test --manifest-path crates/server/loom/Cargo.toml --release "$@"
