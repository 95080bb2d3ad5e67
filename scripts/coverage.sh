#!/usr/bin/env bash
# Which lines the tests run: in all, by module, and which of delivery and recovery they do not.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/coverage.sh [--report] [TEST ARGUMENT...]

Builds the program and its tests instrumented (target/coverage, some gigabytes), runs all
tests, processes that are killed included, and prints

  - lines of src/ that a test ran, in all and by module,
  - each line of the delivery and recovery machine that none did.

--report prints the figures of the last run again. Test arguments go to the tests, for
example `--test-threads 2`. The list of the machine's files stands in scripts/coverage.py.
A test that fails does not end it: the figures come first, then the exit status. Some
twice the time of `cargo test`.

It needs cargo-llvm-cov (`cargo install cargo-llvm-cov`, `rustup component add llvm-tools`).

EXIT STATUS
  0  all tests passed, and the figures are those asked for (90 % of all lines; of the
     machine all that scripts/coverage.py does not excuse)
  1  they are not
  2  wrong usage
TEXT
}

report=
case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  --report) report=1; shift ;;
esac
cd "$(dirname "$0")/.."
umask 022
export CARGO_TARGET_DIR=$PWD/target/coverage
# One file that all processes count in as they go, so those that are killed count too.
export RUSTFLAGS="-Cllvm-args=-runtime-counter-relocation"
# shellcheck disable=SC1090
source <(cargo llvm-cov show-env --sh 2>/dev/null)
export LLVM_PROFILE_FILE=$CARGO_TARGET_DIR/hl7drop-%c%m.profraw
failed=0
if [[ -z $report ]]; then
  cargo llvm-cov clean --profraw-only 2>/dev/null
  cargo test --locked --quiet --no-fail-fast --lib --bins --tests --examples -- "$@" || failed=1
fi
cargo llvm-cov report --lcov --output-path "$CARGO_TARGET_DIR/coverage.lcov" 2>/dev/null
scripts/coverage.py "$CARGO_TARGET_DIR/coverage.lcov" || failed=1
exit $failed
