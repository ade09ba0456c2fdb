#!/usr/bin/env bash
# Runs tests with a sanitized addon, built in a copy of the checkout under .sanitize/ so that the ordinary build stays:
#
#   bash scripts/sanitize.sh address           AddressSanitizer and UndefinedBehaviorSanitizer: hostile requests, tests
#   bash scripts/sanitize.sh pool              ThreadSanitizer: the worker pool by itself, without Node
#   bash scripts/sanitize.sh thread            ThreadSanitizer: the same, then the addon
#   bash scripts/sanitize.sh leaks             LeakSanitizer over 10⁵ calls
#   bash scripts/sanitize.sh address FILE…     the test files named, instead
#
# Needs g++. Any report ends the run with a status other than 0.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:?address, leaks, pool or thread}
shift
case $kind in
  address | leaks) flags=address,undefined ;;
  thread) flags=thread ;;
  pool) flags=thread ;;
  *) echo "$kind: no such kind; address, leaks, pool or thread" >&2 && exit 2 ;;
esac
copy=$PWD/.sanitize/${flags%%,*}
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard lib native scripts test package.json tsconfig.json CMakeLists.txt |
  tar --null --files-from - --create | tar --extract --directory "$copy"
ln -sfn "$PWD/node_modules" "$copy/node_modules"
cd "$copy"

if [ "$kind" = pool ] || [ "$kind" = thread ]; then
  cmake -S . -B pool -DCMAKE_BUILD_TYPE=Release -DPROMPT_ATTENTION_CHECKS=ON >/dev/null
  cmake --build pool --target pool_stress --parallel "$(nproc)"
  TSAN_OPTIONS=halt_on_error=1 pool/test/native/pool_stress 3000
  [ "$kind" = thread ] || exit 0
fi
node node_modules/cmake-js/bin/cmake-js compile "--CDPROMPT_ATTENTION_SANITIZE=$flags"

library() { g++ -print-file-name="$1"; }
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 OPENBLAS_NUM_THREADS=1
preload=$(library libstdc++.so.6)
case $kind in
  address)
    preload="$(library libasan.so) $preload"
    export ASAN_OPTIONS=detect_leaks=0
    ;;
  leaks)
    preload="$(library libasan.so) $preload"
    export ASAN_OPTIONS=detect_leaks=1
    ;;
  thread)
    preload="$(library libtsan.so) $preload"
    export TSAN_OPTIONS="halt_on_error=1 suppressions=$copy/test/native/thread-suppressions.txt"
    ;;
esac
sanitized() { LD_PRELOAD=$preload "$@"; }
fuzz() { sanitized node --import=tsx test/boundary/fuzz.ts "$@"; }
tests() { sanitized node node_modules/ava/entrypoints/cli.mjs "$@"; }

if [ $# -gt 0 ]; then
  tests "$@"
elif [ "$kind" = leaks ]; then
  fuzz --target native --runs 100000
elif [ "$kind" = address ]; then
  fuzz --target native --runs 10000
  tests test/mixture/pooling.test.ts test/models/models.test.ts test/models/given-tokens.test.ts test/models/held-examples.test.ts \
    test/boundary/native.test.ts test/images/tasks.test.ts test/heads/fit-head.test.ts test/text/learn.test.ts
else
  fuzz --target native --runs 5000
  tests test/models/held-examples.test.ts test/heads/fit-head.test.ts
fi
