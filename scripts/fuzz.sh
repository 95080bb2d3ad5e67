#!/usr/bin/env bash
# Fuzzes what reads bytes of others: extracts, interface files, HL7, acknowledgements.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/fuzz.sh [RUNS] [TARGET...]

Runs each target of tests/fuzz (extract, config, hl7, ack) with RUNS inputs
(default: 10000000), from the golden texts, the quickstart and what earlier runs
found (tests/fuzz/corpus, not committed). A crash or a hang ends it and leaves its
input in tests/fuzz/artifacts; the last lines say how to run that one again.

It needs a C++ compiler (Debian: g++) and builds cargo-fuzz below target/tools.

EXIT STATUS
  0  no panic, no hang
  other: of the fuzzer, which names the input
TEXT
}

case "${1:-}" in -h | --help) usage; exit 0 ;; esac
cd "$(dirname "$0")/.."
scripts/packages.sh g++
runs=${1:-10000000}
[[ $# -eq 0 ]] || shift
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(extract config hl7 ack)
tools=$PWD/target/tools
[[ -x $tools/bin/cargo-fuzz ]] || cargo install cargo-fuzz --version 0.13.2 --locked --root "$tools"
export PATH=$tools/bin:$PATH
# The sanitizers' switches are not stable yet; nothing else of nightly is used.
export RUSTC_BOOTSTRAP=1

# Seeds: small real inputs, each target's own.
seed() {
  local target=$1 file number=0
  mkdir -p "tests/fuzz/corpus/$target"
  shift
  for file in "$@"; do
    [[ -f $file ]] || continue
    number=$((number + 1))
    head -c 12000 "$file" >"tests/fuzz/corpus/$target/seed-$number"
  done
}
for kind in 0 1 2 3; do
  mkdir -p tests/fuzz/corpus/extract
  for file in examples/quickstart/*/*.csv tests/cases/ndjson/drop/*; do
    # The first byte says which kind and encoding the rest is read as.
    { printf "\\x0$kind"; head -c 12000 "$file"; } \
      >"tests/fuzz/corpus/extract/seed-$kind-$(basename "$(dirname "$file")")-$(basename "$file")"
  done
done
seed config config/interface.toml examples/quickstart/*.toml tests/cases/*/interface.toml
seed hl7 ../shared/spec/golden/*.hl7 tests/cases/*/expect/messages.txt
seed ack ../shared/spec/golden/*ack*.hl7 ../shared/spec/golden/*empty*.hl7

for target in "${targets[@]}"; do
  start=$SECONDS
  cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none "$target" -- \
    -runs="$runs" -max_len=16384 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 2>&1 | tail -n 12
  printf '%s: %s inputs, no panic, no hang, %d s\n' "$target" "$runs" $((SECONDS - start))
done
