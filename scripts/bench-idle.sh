#!/usr/bin/env bash
# Hundreds of interfaces that have nothing to do, in one daemon: what they cost.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/bench-idle.sh [--interfaces N] [--seconds N]

Builds the program and lets one `hl7drop watch` look after N interfaces [default: 500] in
whose inboxes nothing is dropped. Says what share of a core it takes over N seconds
[default: 120], counted from when it has settled, and its memory at its peak.

EXIT STATUS
  0  under 1 % of a core and under 128 MiB
  1  a bar did not hold; which is told
  2  wrong usage, or something is missing on this machine
TEXT
}

interfaces=500 seconds=120
while [[ $# -gt 0 ]]; do
  case "$1" in
    --interfaces) interfaces=$2 && shift 2 ;;
    --seconds) seconds=$2 && shift 2 ;;
    -h | --help | help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Settings that a group could change are refused.
umask 022
scripts/packages.sh python3
cargo build --locked --release --bin hl7drop >&2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
scripts/bench/idle.py "$place" "$interfaces" "$seconds" target/release/hl7drop
