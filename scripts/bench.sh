#!/usr/bin/env bash
# How fast, and with how much memory: the program beside a plain scan, cp and Python.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh [--rows N,N...] [--repeat N] [--against BINARY] [--json FILE]
                        [--keep]
       scripts/bench.sh --small [--keep]

Builds the program, makes extracts of a practice that does not exist (kept in
target/bench), and measures side by side, turn by turn:

  convert   hl7drop convert to a file
  run       hl7drop run: inbox to a folder endpoint, everything on
  run, known     the same of the same patients with other values: the register has all
  nothing to do  hl7drop run once more
  limit     the same transformation, fixed and tuned by hand (benches/limit.rs)
  scan      the csv crate's plain scan of the same file (examples/scan.rs)
  cp        of the batch file that convert wrote
  python    scripts/peers/convert.py, one thread, where rows <= 100,000
  gzip      convert from the compressed extract
  gzip -d   of the same extract, alone
  self-check  what the check before publishing costs: of the batch file that convert
            wrote, alone, and the same without the check (examples/selfcheck.rs)
  joined    convert of the patients and of appointments, six for each ten patients

and prints the medians as a table, and each bar of the issue with the figure of the
last run that was kept. A busy machine makes it slower, not different:
the ratios count.

  --rows N,N...     patients [default: 100000,1000000]
  --repeat N        turns of each [default: 5]
  --against BINARY  another hl7drop, an older one for example, in the same turns
  --json FILE       writes the figures there too; - is standard output, and no table
  --keep            keeps the figures in benches/figures.json, to be committed
  --small           convert, run and python on 5,000 rows with the debug build: fails only
                    if one is ten times slower than kept; what the gate runs

EXIT STATUS
  0  measured, and every bar held
  1  measured, and a bar did not hold; which one is told last
  2  wrong usage, or something is missing on this machine
TEXT
}

case "${1:-}" in -h | --help | help) usage && exit 0 ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Settings that a group could change are refused.
umask 022
for tool in cargo python3 gzip; do
  if ! command -v "$tool" >/dev/null; then
    echo "bench.sh: needs $tool, which is not here" >&2
    exit 2
  fi
done
if [[ " $* " == *" --small "* ]]; then
  cargo build --locked --bin hl7drop --example generate >&2
else
  cargo build --locked --release --bin hl7drop --example generate --example scan \
    --example limit --example selfcheck >&2
fi
exec python3 scripts/bench/measure.py "$@"
