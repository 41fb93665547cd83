#!/bin/sh
# Builds the fuzz targets and runs each for a bounded time from its seeds.
#
#   fuzz/run.sh [seconds-per-target, default 15] [target...]
#
# Exit status 0: nothing found. 1: a target crashed, hung or ran out of memory;
# the input that did it is kept in fuzz/artifacts/<target>/ and is run again with
#   fuzz/target/<triple>/release/<target> fuzz/artifacts/<target>/<file>
# 2: wrong usage, or the targets do not build.
#
# Needs cargo and a C++ compiler, neither cargo-fuzz nor a nightly toolchain: the
# coverage pass is an LLVM option that stable rustc takes, and RUSTC_BOOTSTRAP=1
# lets it take the sanitizer flag too. ASAN=0 leaves AddressSanitizer out.
set -eu
cd "$(dirname "$0")"

seconds=${1:-15}
case $seconds in
    '' | *[!0-9]*) echo "usage: fuzz/run.sh [seconds-per-target] [target...]" >&2; exit 2 ;;
esac
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- codec chunked routes responses opening proxy tls ws wishes hpack h2

host=$(rustc -vV | sed -n 's/^host: //p')
flags="--cfg fuzzing -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
[ "${ASAN:-1}" = 0 ] || flags="$flags -Zsanitizer=address"

# --target keeps the flags away from build scripts, which have no fuzzer to link.
RUSTC_BOOTSTRAP=1 RUSTFLAGS=$flags \
    cargo build --quiet --release --bins --target "$host" --target-dir target || exit 2

status=0
for target in "$@"; do
    found=target/corpus/$target
    mkdir -p "$found" "artifacts/$target"
    log=target/$target.log
    if "target/$host/release/$target" "$found" "seeds/$target" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=4096 \
        -artifact_prefix="artifacts/$target/" -print_final_stats=1 >"$log" 2>&1
    then
        verdict=ok
    else
        verdict=FAILED
        status=1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    inputs=$(find "seeds/$target" "$found" -type f | wc -l)
    echo "$target: $verdict, ${runs:-?} runs, ${coverage:-?} edges covered, $inputs inputs kept"
    [ $verdict = ok ] || tail -n 40 "$log" >&2
done
exit $status
