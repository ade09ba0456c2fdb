#!/usr/bin/env bash
# Sets up everything on a fresh Debian or Ubuntu machine, builds the package, then runs the command given as arguments:
#
#   bash scripts/bootstrap.sh npm run main-job
#   bash scripts/bootstrap.sh npm test
#
# Safe to run again: what is there is kept. Needs root or sudo only when a system package is missing. Where the system's
# Node is missing or older than the package needs, a newer one is installed from npm into .runtime/ of this folder.
set -euo pipefail
cd "$(dirname "$0")/.."

# Make, unlike Ninja, builds one file at a time unless told otherwise.
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}

packages=()
command -v g++ >/dev/null || packages+=(g++)
command -v make >/dev/null || packages+=(make)
command -v cmake >/dev/null || packages+=(cmake)
command -v npm >/dev/null || packages+=(nodejs npm)
dpkg -s libopenblas-dev >/dev/null 2>&1 || packages+=(libopenblas-dev)
dpkg -s libhwy-dev >/dev/null 2>&1 || packages+=(libhwy-dev)
if [ "${#packages[@]}" -gt 0 ]; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"
fi

# The smallest Node that every dependency supports; npm's `node` package carries the binary inside the registry.
node_is_recent() { node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 17) ? 0 : 1)'; }
if [ -x .runtime/node_modules/node/bin/node ]; then export PATH="$PWD/.runtime/node_modules/node/bin:$PATH"; fi
if ! node_is_recent; then
  npm install --prefix .runtime --no-save --no-audit --no-fund node@22
  export PATH="$PWD/.runtime/node_modules/node/bin:$PATH"
  node_is_recent
fi

# The versions of package-lock.json, not `npm ci`: that insists on lock entries for the optional packages of every platform,
# which not every registry has. It also builds the native addon and dist/ (prepare script), and is
# skipped if nothing changed.
stamp=node_modules/.bootstrap-stamp
state=$(cat package-lock.json package.json native/sources.txt CMakeLists.txt | sha256sum; node -p process.versions.modules)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$state" ]; then
  npm install --no-save --no-audit --no-fund
  printf '%s' "$state" >"$stamp"
else
  npm run --silent build
fi

exec "$@"
