#!/usr/bin/env bash
# Would the tests notice? Changes the delivery and recovery machine, one thing at a time.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/mutants.sh [--minutes N] [--seed N] [--jobs N] [--only REGEX] [MODULE...]

Lists with cargo-mutants all it can change in what promises, sends and finds again (the
list is in scripts/coverage.py), weaves the mutants into one build of a copy of the tree
(target/mutants), and lets each meet the tests that reach its function, the quickest first.

  --minutes N    begin no mutant after so many; they come in an order that --seed gives
                 [all], so what was met is a fair sample
  --seed N       of that order [1]
  --jobs N       at a time [2]
  --only REGEX   only mutants whose names match, as `src/engine/doubt.rs` or `infer`
  MODULE...      of tests/suite, beside the unit tests [all that do not take minutes]

Names each mutant that no test caught. It builds cargo-mutants below target/tools. All
mutants take hours; HL7DROP_MUTANT=N lets the woven program be one, to look at it.

EXIT STATUS
  0  at least 95 % of the mutants that were met and compile were caught
  1  fewer
  2  wrong usage
TEXT
}

options=()
while [[ $# -gt 0 ]]; do
  case "$1" in
    --minutes | --seed | --jobs | --only) options+=("$1" "$2"); shift 2 ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) break ;;
  esac
done
modules=("$@")
[[ ${#modules[@]} -gt 0 ]] || modules=(acks backup delivery doubt encrypt guard input ledger
  manifest mend pickup register retention servers simulate)
cd "$(dirname "$0")/.."
umask 022
tools=$PWD/target/tools
[[ -x $tools/bin/cargo-mutants ]] ||
  cargo install cargo-mutants --version 27.1.0 --locked --root "$tools"

# What the coverage calls the machine, but for the parts that only tests have.
files=()
while read -r pattern; do
  files+=(--file "${pattern/%\*/**}")
done < <(scripts/coverage.py --machine)
for file in src/delivery/conform.rs src/crashpoint.rs; do files+=(--exclude "$file"); done

tree=$PWD/target/mutants/tree
rm -rf "$tree"
mkdir -p "$tree"
git ls-files --cached --others --exclude-standard -z | xargs -0 cp --parents -t "$tree"
# What is built already need not be built again.
target=$PWD/target/mutants/build
if [[ ! -d $target && -d target/debug ]]; then
  mkdir -p "$target/debug"
  cp -a target/debug/{deps,build,.fingerprint} "$target/debug"
fi
list=$PWD/target/mutants/list.json
"$tools/bin/cargo-mutants" mutants --list --json "${files[@]}" >"$list"
# Files of the tests in memory, if there is some: nothing here is about a disk.
if [[ -w /dev/shm ]]; then export TMPDIR=/dev/shm; fi
export HL7DROP_LIVES=${HL7DROP_LIVES:-12}
scripts/mutants.py --tree "$tree" --target "$target" --list "$list" "${options[@]}" "${modules[@]}"
