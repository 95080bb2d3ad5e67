#!/usr/bin/env bash
# Delivery over SFTP side by side with sftp(1): one large file, and many small ones.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/bench-sftp.sh [--mib N] [--files N] [--delays MS,MS..] [--only large|small]
                             [--json FILE]

Builds the program, makes one batch file of N MiB [default: 1024] and N batch files of
10 KB [default: 2000] that wait to be delivered, starts an OpenSSH server that offers one
cipher on loopback, and delivers them through a proxy of its own that delays every byte by
half a round trip [default: 0,20,80 ms], turn by turn with sftp(1):

  put       sftp(1) puts each file under its name, and no more
  the same  sftp(1) puts it under a temporary name with fsync, and renames it
  hl7drop   `hl7drop run` from its start to its end: digest of what goes out, temporary
            name, fsync, size, rename, a look, and the commits between them

The small files go over one connection, and once more over four (`connections = 4`), beside
one of sftp(1) each time. Where a file costs round trips, a part of them tells the rate: of
N files all at 0 ms, a tenth at 20 ms, a twentieth at 80 ms.

EXIT STATUS
  0  every bar held: 0.95 of put with the large file, 1.0 with the small ones over one
     connection, 2.5 over four at 20 ms
  1  one did not, or a file did not arrive as it was; which is told
  2  wrong usage, or something is missing on this machine
TEXT
}

options=()
while [[ $# -gt 0 ]]; do
  case "$1" in
    --mib | --files | --delays | --only | --json) options+=("$1" "$2") && shift 2 ;;
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
  scripts/sftpd.sh stop "$place/sshd" >/dev/null || true
  rm -rf "$place"
}
trap end EXIT
export SFTPD_CONFIG="Ciphers chacha20-poly1305@openssh.com"
scripts/sftpd.sh start "$place/sshd" >"$place/server"
scripts/bench/sftp.py "$place" "${options[@]}"
