#!/usr/bin/env bash
# Thousands of small extracts dropped at once: how fast, and with how much memory.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/bench-many.sh [--files N] [--rows N] [--sftp]

Builds the program, drops N extracts [default: 10000] of a few rows each [default: 3] at
once, and lets one `hl7drop run` take them in and deliver them: into a folder, or with
--sftp to an OpenSSH server on loopback. Says files a second and the memory at its peak,
and sees that each row was told once.

EXIT STATUS
  0  at least 200 files a second, under 64 MiB, each row told once
  1  a bar did not hold, or a row was lost or doubled; which is told
  2  wrong usage, or something is missing on this machine
TEXT
}

files=10000 rows=3 sftp=
while [[ $# -gt 0 ]]; do
  case "$1" in
    --files) files=$2 && shift 2 ;;
    --rows) rows=$2 && shift 2 ;;
    --sftp) sftp=1 && shift ;;
    -h | --help | help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Settings that a group could change are refused.
umask 022
scripts/packages.sh python3 openssh-server openssh-client
cargo build --locked --release --bin hl7drop >&2
place=$(mktemp -d)
end() {
  [[ -z "$sftp" ]] || scripts/sftpd.sh stop "$place/sshd" >/dev/null || true
  rm -rf "$place"
}
trap end EXIT
server=()
if [[ -n "$sftp" ]]; then
  scripts/sftpd.sh start "$place/sshd" >"$place/server"
  server=("$place/server")
fi
scripts/bench/many.py "$place" "$files" "$rows" target/release/hl7drop "${server[@]}"
