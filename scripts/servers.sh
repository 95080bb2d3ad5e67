#!/usr/bin/env bash
# Delivers to SFTP servers that are not OpenSSH: ProFTPD and rclone, the real programs.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  cat <<'TEXT'
Usage: scripts/servers.sh

Installs proftpd-core, proftpd-mod-crypto and rclone where this runs as root on Debian, and
runs the tests of tests/suite/foreign.rs against them on loopback: the conformance suite,
`check --partner`, and deliveries over lines that break. Takes a few minutes.

EXIT STATUS
  0  all passed
  2  a program is missing; the sentence says what to install
TEXT
  exit 0
fi
if ! command -v proftpd >/dev/null || ! command -v rclone >/dev/null \
  || [[ ! -e /usr/lib/proftpd/mod_sftp.so ]]; then
  packages="proftpd-core proftpd-mod-crypto rclone"
  if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "not on this machine; run as root: apt-get install $packages" >&2
    exit 2
  fi
  # shellcheck disable=SC2086 # names of packages, a word each
  { apt-get update -q && apt-get install -qy --no-install-recommends $packages; } >&2
  # Only the program is wanted: port 21 stays closed.
  if command -v systemctl >/dev/null; then
    systemctl disable --now proftpd.service >&2 || true
  fi
fi
exec cargo test --locked --test suite -- --ignored foreign::
