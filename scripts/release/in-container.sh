#!/bin/sh
# Builds the binding in the folder's own container: manylinux2014 (glibc 2.17) or
# Alpine (musl). For the release workflow, on a runner of the target's processor.
#
#   scripts/release/in-container.sh linux-x64-gnu
set -eu

target=$1
case $target in
  linux-x64-gnu) triple=x86_64-unknown-linux-gnu image=quay.io/pypa/manylinux2014_x86_64 ;;
  linux-arm64-gnu) triple=aarch64-unknown-linux-gnu image=quay.io/pypa/manylinux2014_aarch64 ;;
  linux-x64-musl) triple=x86_64-unknown-linux-musl image=rust:1.95-alpine ;;
  linux-arm64-musl) triple=aarch64-unknown-linux-musl image=rust:1.95-alpine ;;
  *)
    echo "in-container.sh: \"$target\" is no target" >&2
    exit 1
    ;;
esac

case $target in
  *-gnu)
    prepare='curl --proto =https -sSf https://sh.rustup.rs | sh -s -- -y -q --profile minimal --default-toolchain 1.95.0 && . "$HOME/.cargo/env"'
    flags=
    ;;
  *)
    prepare='apk add --no-cache musl-dev'
    # Node brings the libc; one inside the binding would be a second one.
    flags=-Ctarget-feature=-crt-static
    ;;
esac

docker run --rm --volume "$PWD:/work" --workdir /work --env RUSTFLAGS="$flags" "$image" sh -c "
  set -eu
  $prepare
  cargo build --release --locked --target $triple --target-dir target/container
"
cp "target/container/$triple/release/libreactor_rs.so" "npm/$target/reactor-rs.$target.node"
