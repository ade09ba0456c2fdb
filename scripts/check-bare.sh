#!/usr/bin/env bash
# `npm run check:bare`: packs, then installs and uses the tarballs on a bare Debian with nothing but Node: no compiler, no CMake, no
# OpenBLAS, no Highway, an empty home. Then leaves the addon out: the package must say what to install, and build from source once that
# is installed. Needs root, debootstrap and a Debian mirror; keeps nothing. The release may be given:
#   npm run check:bare -- trixie
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${1:-bookworm}
folder=$(mktemp -d)
machine=$folder/machine
cleanup() {
  if mountpoint -q "$machine/proc"; then umount "$machine/proc"; fi
  rm -rf --one-file-system "$folder"
}
trap cleanup EXIT

# Prints how long a command took, and what it said if it failed.
step() {
  local title=$1 begin
  begin=$(date +%s%N)
  shift
  # In the background, because what runs as the condition of an `if` goes on after errors.
  "$@" >"$folder/log" 2>&1 &
  if ! wait $!; then
    cat "$folder/log"
    printf 'failed: %s\n' "$title" >&2
    return 1
  fi
  printf '%4d.%d s  %s\n' $((($(date +%s%N) - begin) / 1000000000)) $((($(date +%s%N) - begin) / 100000000 % 10)) "$title"
}

# Runs a shell command of the stranger's machine, in the project.
there() {
  chroot "$machine" /usr/bin/env -i HOME=/home/stranger PATH=/usr/bin:/bin:/usr/sbin:/sbin DEBIAN_FRONTEND=noninteractive \
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt npm_config_registry="$(npm config get registry)" \
    npm_config_update_notifier=false sh -euc "cd /home/stranger/project; $1"
}

prepare_machine() {
  debootstrap --variant=minbase "$suite" "$machine"
  mount -t proc proc "$machine/proc"
  cp /etc/resolv.conf /etc/hosts "$machine/etc/"
  mkdir -p "$machine/etc/ssl/certs" "$machine/usr/lib/node_modules" "$machine/home/stranger/project"
  cp -L /etc/ssl/certs/ca-certificates.crt "$machine/etc/ssl/certs/"
  cp "$(node -p process.execPath)" "$machine/usr/bin/node"
  cp -r "$(npm root --global)/npm" "$machine/usr/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$machine/usr/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$machine/usr/bin/npx"
  cp "$folder"/*.tgz "$machine/home/stranger/"
}

is_bare() {
  # shellcheck disable=SC2016
  there 'for tool in cc c++ g++ make cmake python3; do if command -v $tool; then exit 1; fi; done
    test -z "$(find /usr /lib -name "libopenblas*" -o -name "libhwy*" -o -name "libgfortran*")"
    test "$(ls -A /home/stranger)" = "$(printf "addon.tgz\npackage.tgz\nproject")"'
}

pack() {
  npm run pack:all -- "$folder"
  mv "$folder"/prompt-attention-linux-x64-gnu-*.tgz "$folder/addon.tgz"
  rm -f "$folder"/prompt-attention-linux-arm64-gnu-*.tgz
  mv "$folder"/prompt-attention-[0-9]*.tgz "$folder/package.tgz"
}

first_use='npm init --yes >/dev/null && npm install --no-audit --no-fund'
for_figures='vega@6 vega-lite@6 vega-interpreter@2'
mixture='{ tokens: 10, dimension: 2, relevantFraction: 0.6, contextNorm: 1, signalNorm: 1 }'

fails_with_advice() {
  if there "npx prompt-attention separation '$mixture'" >"$folder/failure" 2>&1; then return 1; fi
  grep -F '@prompt-attention/linux-x64-gnu is an optional dependency' "$folder/failure"
  if there 'npx prompt-attention build' >"$folder/failure" 2>&1; then return 1; fi
  grep -F 'Debian, Ubuntu: apt-get install' "$folder/failure"
}

install_what_it_named() {
  local advice
  advice=$(sed -n 's/.*Debian, Ubuntu: //p' "$folder/failure" | head -n 1)
  printf 'deb http://deb.debian.org/debian %s main\n' "$suite" >"$machine/etc/apt/sources.list"
  there "apt-get update && ${advice/install/install -y --no-install-recommends}"
}

step 'npm run pack:all' pack
step "a bare Debian $suite with Node" prepare_machine
step 'it has no compiler, CMake, OpenBLAS or Highway, and an empty home' is_bare
step 'npm install' there "$first_use /home/stranger/addon.tgz /home/stranger/package.tgz"
step 'first result, import' there "node --input-type=module -e 'import { engineInfo } from \"prompt-attention\"; engineInfo();'"
step 'first result, require()' there "node -e 'require(\"prompt-attention\").engineInfo();'"
step 'first result, command line' there "npx prompt-attention separation '$mixture'"
step 'npm install of what figures need' there "npm install --no-audit --no-fund $for_figures"
step 'first figure' there 'npx prompt-attention run node_modules/prompt-attention/examples/benefit-of-context.yaml --figure benefit.svg &&
  test -s benefit.svg'
step 'prompt-attention doctor' there 'npx prompt-attention doctor'
cat "$folder/log"
there 'rm -r node_modules package.json package-lock.json'
step 'npm install without the addon' there "$first_use --omit=optional /home/stranger/package.tgz"
step 'a first use fails and says how to build; that fails and says what to install' fails_with_advice
sed -n '/could not be built/,/Then:/p' "$folder/failure"
step 'apt-get install of what it named' install_what_it_named
step 'prompt-attention build' there 'npx prompt-attention build'
step 'prompt-attention doctor' there 'npx prompt-attention doctor'
cat "$folder/log"
