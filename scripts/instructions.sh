#!/usr/bin/env bash
# How many instructions a patient and an appointment cost: the same on any day.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/instructions.sh [--keep] [--profile]

Converts made-up extracts under callgrind, with one worker and the release build, and
compares the instructions of a record with those in benches/instructions.txt. Unlike a
clock this does not care what else runs here; other compilers and libraries move it by
some per cent, so only more than 15 per cent too many are a failure. What a start costs
is taken away: two runs, one of few records, one of many.

  --keep     writes the figures to benches/instructions.txt, to be committed
  --profile  shows where they went, too

EXIT STATUS
  0  no record costs more than 15 per cent more than kept
  1  one does
  2  wrong usage, or something is missing on this machine
TEXT
}

keep=0 profile=0
for word in "$@"; do
  case "$word" in
    --keep) keep=1 ;;
    --profile) profile=1 ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/packages.sh valgrind
cargo build --locked --release --bin hl7drop --example generate >&2
target=${CARGO_TARGET_DIR:-target}
kept=benches/instructions.txt
dir=$(mktemp -d "${TMPDIR:-/tmp}/hl7drop-instructions.XXXXXX")
trap 'rm -rf "$dir"' EXIT

# Makes extracts of so many patients, six appointments for each ten.
make() {
  "$target/release/examples/generate" --rows "$1" --appointments "$(($1 * 6 / 10))" --seed 1 \
    --out "$dir/$1" >/dev/null
}

# Converts extracts of so many patients, and those named; prints the instructions.
count() {
  local rows=$1 files=() name
  shift
  for name in patients.csv providers.csv departments.csv "$@"; do files+=("$dir/$rows/$name"); done
  valgrind --tool=callgrind --callgrind-out-file="$dir/out" "$target/release/hl7drop" convert \
    --interface tests/cases/golden-v231/interface.toml --clock 2026-05-20T11:00:00 --workers 1 \
    -o "$dir/batch.hl7" "${files[@]}" 2>&1 | sed -n 's/.*Collected : //p'
  rm -f "$dir/batch.hl7"
}

make 500
make 4500
appointments() { python3 -c 'import csv,sys; print(sum(1 for _ in csv.reader(open(sys.argv[1]))) - 1)' \
  "$dir/$1/appointments.csv"; }
few=$(count 500) many=$(count 4500)
patient=$(((many - few) / 4000))
joined=$(((($(count 4500 appointments.csv) - many) - ($(count 500 appointments.csv) - few)) \
  / ($(appointments 4500) - $(appointments 500))))
code=0
for line in "patient $patient" "appointment $joined" "start $((few - 500 * patient))"; do
  read -r what now <<<"$line"
  before=$(sed -n "s/^$what //p" "$kept" 2>/dev/null || true)
  echo "$what: $now instructions${before:+, kept: $before}"
  if [[ -n "$before" && "$now" -gt $((before * 115 / 100)) ]]; then
    echo "instructions.sh: $what costs more than 15 per cent more than kept" >&2
    code=1
  fi
  [[ $keep -eq 0 ]] || echo "$line" >>"$dir/kept"
done
[[ $keep -eq 0 ]] || mv "$dir/kept" "$kept"
if [[ $profile -eq 1 ]]; then
  count 4500 >/dev/null
  callgrind_annotate --threshold=90 "$dir/out"
fi
exit "$code"
