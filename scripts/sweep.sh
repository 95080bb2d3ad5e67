#!/usr/bin/env bash
# The long fault sweep: every place, alone and in pairs, over a folder and over SFTP.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/sweep.sh

Lets the real program fail at every place it names, then looks whether anything
was lost, sent twice or half made, and prints places, pairs and times. It takes
about half an hour on two cores; `cargo test` does the quick part of it.

It needs cargo and an OpenSSH server (Debian: openssh-server).

EXIT STATUS
  0  nothing was lost
  1  a test failed, and says at which place
  2  wrong usage
TEXT
}

case "$*" in
  "") ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
# Settings that a group could change are refused.
umask 022
export HL7DROP_SWEEP=long
start=$SECONDS
# One test at a time: each runs as many programs as the machine has room for.
if cargo test --quiet --test suite crash:: -- \
  --include-ignored --nocapture --test-threads=1; then
  printf 'sweep: all is well, %d seconds\n' $((SECONDS - start))
else
  printf 'sweep: FAILED, %d seconds\n' $((SECONDS - start)) >&2
  exit 1
fi
