#!/usr/bin/env bash
# The long proof: simulated lives, kills and power cuts, as many as you like.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/faults.sh [--lives N] [--kills N] [--cuts N]

Builds the release program and lets it live through trouble, then looks whether a row
was lost, told twice or half told:

  --lives N   seeds of the simulation of clock, disk and server [100000]
  --kills N   kill -9 at random moments and at random SFTP requests, half of each, over
              a real OpenSSH server [10000]
  --cuts N    power cuts of a loop-mounted ext4 and of an xfs, N each [250]; needs
              root, e2fsprogs and xfsprogs

0 leaves one out. Prints a line with figures for each. The quick forms of the first two
are in `cargo test`; scripts/sweep.sh fails every named place, alone and in pairs.

EXIT STATUS
  0  nothing was lost
  1  something was, and the output says how to see it again
  2  wrong usage, or something this machine must have first
TEXT
}

lives=100000 kills=10000 cuts=250
while [[ $# -gt 0 ]]; do
  case "$1" in
    --lives) lives=$2; shift 2 ;;
    --kills) kills=$2; shift 2 ;;
    --cuts) cuts=$2; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
cd "$(dirname "$0")/.."
# Settings that a group could change are refused.
umask 022
scripts/packages.sh gcc libc6-dev pkg-config libssl-dev openssh-server openssh-client python3

# In memory, if there is some: these two look for what a process leaves, not a disk.
tmp=${TMPDIR:-/tmp}
[[ ! -w /dev/shm ]] || tmp=/dev/shm
suite() {
  TMPDIR=$tmp cargo test --release --locked --quiet --test suite "$1" -- --nocapture
}
if [[ $lives -gt 0 ]]; then HL7DROP_LIVES=$lives suite simulate::; fi
if [[ $kills -gt 0 ]]; then HL7DROP_KILLS=$kills suite kills::; fi
if [[ $cuts -gt 0 ]]; then
  scripts/packages.sh xfsprogs e2fsprogs
  cargo build --release --locked --quiet
  scripts/power-cut.py --cuts "$cuts"
fi
