#!/usr/bin/env bash
# clang-format and clang-tidy over the native code; needs clang-format, clang-tidy and cmake.
set -euo pipefail
cd "$(dirname "$0")/.."
clang-format --dry-run --Werror native/*/*.h native/*/*.cpp
database=$(mktemp -d)
trap 'rm -rf "$database"' EXIT
cmake -S . -B "$database" >/dev/null
printf '%s\n' native/*/*.cpp | xargs -P "$(nproc)" -n 2 clang-tidy --quiet -p "$database"
