#!/usr/bin/env bash
# The gate: what passes here may be merged; nothing else decides.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/check.sh

Runs, in this order, and stops at the first that fails: the packages that the tests
need, the readers that judge our output, a browser, other SFTP servers, proxies,
rustfmt, clippy with every warning an error,
the tests, the documentation with every warning an error, the quickstart with the
debug binary, and the small benchmark, which fails only on an order of magnitude.

CI=true makes the tests fail, not skip, where something they need is missing.

EXIT STATUS
  0  all of it passed
  2  something this machine must have first
  other: of the command that failed, which was named last
TEXT
}

run() {
  printf '\n$ %s\n' "$*"
  local since=$SECONDS
  "$@"
  printf '(%s s)\n' "$((SECONDS - since))"
}

quickstart() {
  local dir code=0
  dir=$(mktemp -d "${TMPDIR:-/tmp}/hl7drop-check.XXXXXX")
  scripts/quickstart.sh --debug "$dir" >"$dir.log" 2>&1 || code=$?
  if [[ $code -ne 0 ]]; then cat "$dir.log" >&2; fi
  rm -rf "$dir" "$dir.log"
  return "$code"
}

if [[ $# -gt 0 ]]; then
  usage
  [[ "$1" == -h || "$1" == --help ]] && exit 0 || exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# The tests write settings, and those that a group could change are refused.
umask 022
run scripts/packages.sh gcc libc6-dev pkg-config libssl-dev openssh-server openssh-client \
  openssl python3 strace gnupg
if ! command -v cargo >/dev/null; then
  echo "check.sh: there is no Rust here; install it from https://rustup.rs" >&2
  exit 2
fi
# Without them the test that needs them is skipped, but for CI, where it fails.
run scripts/judges.sh || [[ "${CI:-}" != true ]]
run scripts/browser.sh || [[ "${CI:-}" != true ]]
run scripts/packages.sh proftpd-core proftpd-mod-crypto rclone nginx-light caddy curl || [[ "${CI:-}" != true ]]
run cargo fmt --check
run cargo clippy --locked --all-targets -- -D warnings
run cargo test --locked
RUSTDOCFLAGS="-D warnings" run cargo doc --locked --no-deps --document-private-items
run quickstart
run scripts/bench.sh --small
printf '\nall of it passed in %s s\n' "$SECONDS"
