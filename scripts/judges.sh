#!/usr/bin/env bash
# Installs the readers that judge our batch files in the tests, pinned, below target/.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/judges.sh

Installs hl7apy 1.3.5 and python-hl7 0.4.5 (pip, with hashes) and node-hl7-client
3.2.0 (npm, with its lock file) into target/judges, unless they are there. The test
`judges` of the suite runs them; nothing else does, and nothing of them is shipped.

EXIT STATUS
  0  they are there
  2  something this machine must have first: Python with venv, Node 20 with npm, or
     the way to the two registries
TEXT
}

if [[ $# -gt 0 ]]; then
  usage
  [[ "$1" == -h || "$1" == --help ]] && exit 0 || exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
wanted=$(cat scripts/judges/*.txt scripts/judges/*.json | sha256sum)
place="${CARGO_TARGET_DIR:-target}/judges"
if [[ -f "$place/installed" && "$(cat "$place/installed")" == "$wanted" ]]; then
  exit 0
fi
scripts/packages.sh python3 python3-venv nodejs npm
rm -rf "$place"
mkdir -p "$place/npm"
fail() {
  echo "judges.sh: $1 could not be installed; is its registry reachable?" >&2
  exit 2
}
python3 -m venv "$place/venv" || fail "a Python environment"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
  --requirement scripts/judges/requirements.txt || fail "hl7apy or python-hl7"
cp scripts/judges/package.json scripts/judges/package-lock.json "$place/npm/"
npm ci --prefix "$place/npm" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 ||
  fail "node-hl7-client"
printf '%s\n' "$wanted" >"$place/installed"
