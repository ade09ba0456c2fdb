#!/usr/bin/env bash
# The native code: who includes whom, clang-format and clang-tidy; needs clang-format, clang-tidy and cmake.
#
#   bash scripts/lint-native.sh [paths]     with `paths`, the static analyzer of clang follows execution paths too: minutes more
set -euo pipefail
cd "$(dirname "$0")/.."
node scripts/check-rooms.mjs
clang-format --dry-run --Werror native/*/*/*.h native/*/*/*.cpp native/portable/*.cpp
database=$(mktemp -d)
trap 'rm -rf "$database"' EXIT
cmake -S . -B "$database" >/dev/null
checks=()
[ "${1:-}" != paths ] || checks=(--checks='clang-analyzer-*')
printf '%s\n' native/*/*/*.cpp native/portable/*.cpp |
  xargs -P "$(nproc)" -n 2 clang-tidy --quiet -p "$database" "${checks[@]}"
