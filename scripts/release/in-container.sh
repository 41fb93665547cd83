#!/bin/sh
# Builds the binding in a container with the target's C library: manylinux2014 (glibc
# 2.17) or musllinux_1_2. For the release workflow, on a runner of the target's
# processor. Images and rustup are pinned by digest.
#
#   scripts/release/in-container.sh linux-x64-gnu
set -eu

case ${1-} in
  linux-x64-gnu)
    triple=x86_64-unknown-linux-gnu
    image=quay.io/pypa/manylinux2014_x86_64@sha256:95440e0e72dd3a81dc8d2cf59a84d57af661456620f5bc821ff92048d0e54ff9
    rustup=4acc9acc76d5079515b46346a485974457b5a79893cfb01112423c89aeb5aa10
    ;;
  linux-arm64-gnu)
    triple=aarch64-unknown-linux-gnu
    image=quay.io/pypa/manylinux2014_aarch64@sha256:b63ff749fee6f3f2a6b67ed3101a073db3211df1791da19e9acf96f43c0dd6ff
    rustup=9732d6c5e2a098d3521fca8145d826ae0aaa067ef2385ead08e6feac88fa5792
    ;;
  linux-x64-musl)
    triple=x86_64-unknown-linux-musl
    image=quay.io/pypa/musllinux_1_2_x86_64@sha256:75327606c7666fc971bd9239c6b220fd205b4bb9563b588075164622609219ca
    rustup=9cd3fda5fd293890e36ab271af6a786ee22084b5f6c2b83fd8323cec6f0992c1
    ;;
  linux-arm64-musl)
    triple=aarch64-unknown-linux-musl
    image=quay.io/pypa/musllinux_1_2_aarch64@sha256:cea133e28484a93e9c40fc661256e8f1ec69b2887d0b64acbfaf48f26bbab103
    rustup=88761caacddb92cd79b0b1f939f3990ba1997d701a38b3e8dd6746a562f2a759
    ;;
  *)
    echo "in-container.sh: \"${1-}\" is no target" >&2
    exit 1
    ;;
esac

case $triple in
  # Node brings the libc; one inside the binding would be a second one.
  *-musl) flags=-Ctarget-feature=-crt-static ;;
  *) flags= ;;
esac

built=target/container/$triple/release/libreactor_rs.so
binary=npm/$1/reactor-rs.$1.node
# Where the build fails there is no binary, nor an older one.
rm -f "$built" "$binary"

# The folders have the names that build.mjs gives them with --remap-path-prefix, which
# panics would tell.
docker run --rm --volume "$PWD:/reactor-rs" --workdir /reactor-rs \
  --env CARGO_HOME=/cargo --env RUSTUP_HOME=/rustup --env RUSTFLAGS="$flags" \
  "$image" sh -euc "
    curl --proto =https --tlsv1.2 -sSfo /tmp/rustup-init \
      https://static.rust-lang.org/rustup/archive/1.29.0/$triple/rustup-init
    echo '$rustup  /tmp/rustup-init' | sha256sum -c -
    chmod +x /tmp/rustup-init
    /tmp/rustup-init -y -q --no-modify-path --profile minimal --default-host $triple --default-toolchain 1.95.0
    /cargo/bin/cargo build --release --locked --target $triple --target-dir target/container
  "
cp "$built" "$binary"
