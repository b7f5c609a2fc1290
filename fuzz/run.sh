#!/usr/bin/env bash
# Fuzzes the parsers of outside bytes, one after the other.
#
#   fuzz/run.sh                    every target, 600 seconds each
#   fuzz/run.sh 60 scheme          one target, one minute
#
# Needs `cargo install cargo-fuzz` and a C++ compiler. The corpus grows in fuzz/corpus from the tests' own cases; an
# input that fails is left in fuzz/artifacts. Exit status: 0 nothing found, otherwise that of the first target that failed.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds="${1:-600}"
if (($# > 1)); then targets=("${@:2}"); else mapfile -t targets < <(cd fuzz && cargo fuzz list); fi

# The sanitizer is an unstable option of the compiler; the stable compiler takes it when told so.
export RUSTC_BOOTSTRAP=1
python3 fuzz/seeds.py
for target in "${targets[@]}"; do
  printf '\n== %s, %s seconds\n' "$target" "$seconds"
  cargo fuzz run --fuzz-dir fuzz "$target" -- \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512 -max_len=65536 \
    -print_final_stats=1 -verbosity=0
done
