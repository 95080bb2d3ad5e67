#!/usr/bin/env bash
# Installs what drives a real browser in the tests, pinned, below target/.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/browser.sh

Installs Debian's Chromium and Node, and playwright-core and axe-core (npm, with
their lock file) into target/browser, unless they are there. The test `browser` of the
suite uses them; nothing of them is shipped.

EXIT STATUS
  0  they are there
  2  something this machine must have first: Chromium, Node 18 with npm, or the way
     to the registry
TEXT
}

if [[ $# -gt 0 ]]; then
  usage
  [[ "$1" == -h || "$1" == --help ]] && exit 0 || exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/packages.sh chromium nodejs npm
wanted=$(cat scripts/browser/*.json | sha256sum)
place="${CARGO_TARGET_DIR:-target}/browser"
if [[ -f "$place/installed" && "$(cat "$place/installed")" == "$wanted" ]]; then
  exit 0
fi
rm -rf "$place"
mkdir -p "$place"
cp scripts/browser/package.json scripts/browser/package-lock.json "$place/"
npm ci --prefix "$place" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || {
  echo "browser.sh: playwright-core or axe-core could not be installed; is the registry reachable?" >&2
  exit 2
}
printf '%s\n' "$wanted" >"$place/installed"
