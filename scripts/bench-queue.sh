#!/usr/bin/env bash
# The message queue over ten million messages: searches, pages, the cost of tracking.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/bench-queue.sh [--drops N] [--rows N] [--keep FOLDER]

Drops N extracts [default: 1000] of N rows [default: 10000], one after the other, each
through an `hl7drop run` of its own with a folder as the vendor's end, so ledger, register
and indexes are those of a practice after months; each patient is told four times. Then it
asks the release program, a process each time, and says for each of these whether its bar
holds:

  by patient ID, by control ID      under 50 ms, at the 95th percentile
  a page of each state              under 100 ms, at the 95th percentile
  tracking                          at most 15 % of the time of `run`
  start-up of `run`, nothing to do  under 50 ms, the median

The bars are held against time on the cores, since a machine has other work; the clock is told
beside it. Ten million messages take some twenty minutes and ten gigabytes.

  --keep FOLDER  builds the site there, or goes on with the one that is there

EXIT STATUS
  0  measured, and every bar held
  1  measured, and a bar did not hold; which one is told
  2  wrong usage, or something is missing on this machine
TEXT
}

drops=1000 rows=10000 keep=
while [[ $# -gt 0 ]]; do
  case "$1" in
    --drops) drops=$2 && shift 2 ;;
    --rows) rows=$2 && shift 2 ;;
    --keep) keep=$2 && shift 2 ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Settings that a group could change are refused.
umask 022
scripts/packages.sh python3
cargo build --locked --release --bin hl7drop --example track >&2
target=$(realpath "${CARGO_TARGET_DIR:-target}")
place=${keep:-$(mktemp -d)}
mkdir -p "$place"
[[ -n "$keep" ]] || trap 'rm -rf "$place"' EXIT
python3 scripts/bench/messages.py "$place" "$drops" "$rows" "$target/release"
