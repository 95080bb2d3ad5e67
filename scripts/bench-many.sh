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
there="$place/there"
mkdir "$there" "$place/interfaces"
way="method = \"folder\"
folder = \"$there\""
if [[ -n "$sftp" ]]; then
  declare -A server
  while IFS='=' read -r key value; do server[$key]=$value; done < <(scripts/sftpd.sh start "$place/sshd")
  way="method = \"sftp\"
host = \"${server[HOST]}\"
port = ${server[PORT]}
user = \"${server[USER]}\"
key_file = \"${server[KEY_FILE]}\"
known_hosts = \"${server[KNOWN_HOSTS]}\"
folder = \"$there\""
fi
: >"$place/hl7drop.toml"
cat >"$place/interfaces/many.toml" <<TOML
[project]
interface = "many"
context_id = "99999"
practice = "Riverbend Family Medicine"
environment = "test"
[wire]
receiving_application = "CARESYNC"
[pickup]
settle_seconds = 0
[connectivity.test]
$way
TOML
python3 - "$place" "$files" "$rows" target/release/hl7drop "$there" <<'PYTHON'
import pathlib, re, resource, subprocess, sys, time

place, files, rows, program, there = sys.argv[1:]
files, rows = int(files), int(rows)
inbox = pathlib.Path(place, "spool/many/test/inbox")
inbox.mkdir(parents=True, mode=0o700)
head = "event,patientid,lastname,firstname,dob,sex\n"
for number in range(files):
    ids = range(number * rows, (number + 1) * rows)
    text = head + "".join(f"add,{i + 1},Doe,Ann,02/14/1987,F\n" for i in ids)
    (inbox / f"patients-{number:06}.csv").write_text(text)
began = time.monotonic()
run = [program, "--config", f"{place}/hl7drop.toml", "run"]
done = subprocess.run(run, stdout=subprocess.DEVNULL)
took = time.monotonic() - began
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
told = {}
for file in pathlib.Path(there).iterdir():
    for found in re.finditer(rb"\rPID\|1?\|?[^|]*\|([0-9]+)", file.read_bytes()):
        told[int(found[1])] = told.get(int(found[1]), 0) + 1
wrong = [i for i in range(1, files * rows + 1) if told.get(i) != 1]
rate = files / took
print(f"{files} files of {rows} rows in {took:.1f} s: {rate:.0f} files/s, {peak:.1f} MiB at most")
bad = []
if done.returncode != 0:
    bad.append(f"hl7drop run ended with {done.returncode}")
if wrong:
    bad.append(f"{len(wrong)} rows were not told once, for example patient {wrong[0]}")
if rate < 200:
    bad.append("fewer than 200 files/s")
if peak >= 64:
    bad.append("64 MiB or more")
print("; ".join(bad) or "every bar held")
sys.exit(1 if bad else 0)
PYTHON
