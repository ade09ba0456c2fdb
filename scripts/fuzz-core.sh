#!/usr/bin/env bash
# Fuzzes the core by libFuzzer, under AddressSanitizer and UndefinedBehaviorSanitizer:
#
#   bash scripts/fuzz-core.sh [RUNS] [SEED]     runs of each fuzzer, by default 5000, from a fixed seed
#
# Inputs that once ended a fuzzer, test/native/found/FUZZER-…, run first. They mean what they did as long as fuzzers read the same
# numbers in the same order.
#
# Needs clang and its run-time library (Debian: clang libclang-rt-14-dev). What a fuzzer finds lies in .sanitize/fuzz/findings;
# `.sanitize/fuzz/test/native/FUZZER FILE` runs it again.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-5000}
seed=${2:-1}
build=$PWD/.sanitize/fuzz
cmake -S . -B "$build" -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=Release -DPROMPT_ATTENTION_CHECKS=ON >/dev/null
cmake --build "$build" --target fuzzers --parallel "$(nproc)"
mkdir -p "$build/findings"
export OPENBLAS_NUM_THREADS=1
fuzz() {
  local fuzzer=$1 log=$build/$1.log found
  for found in test/native/found/"$fuzzer"-*; do
    [ -e "$found" ] || continue
    "$build/test/native/fuzz_$fuzzer" "$found" >"$log" 2>&1 || { tail -n 60 "$log" && return 1; }
  done
  if ! "$build/test/native/fuzz_$fuzzer" -runs="$runs" -seed="$seed" -max_len=1024 -len_control=0 -timeout=60 -rss_limit_mb=4096 \
    -artifact_prefix="$build/findings/" >"$log" 2>&1; then
    tail -n 60 "$log"
    return 1
  fi
  echo "fuzz_$fuzzer: $(grep '^Done' "$log")"
}
export -f fuzz
export build runs seed
printf '%s\n' risk trials models samplers | xargs -P "$(nproc)" -I{} bash -euo pipefail -c 'fuzz {}'
