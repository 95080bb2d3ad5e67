#!/usr/bin/env bash
# Holds our reading and writing of Word documents against LibreOffice.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/libreoffice.sh

Sends scope packages through LibreOffice and reads them again, and opens what
`hl7drop scope show --format docx` writes. LibreOffice is large, so this is no part of
the gate.

EXIT STATUS
  0  all is well
  1  a test failed
  2  something is missing; the sentence on standard error says what to install
TEXT
}

if [[ "${1:-}" == "--help" ]]; then
  usage
  exit 0
fi
cd "$(dirname "$0")/.."
if ! command -v soffice >/dev/null 2>&1; then
  scripts/packages.sh libreoffice-writer-nogui
fi
cargo test --locked --test suite -- --ignored libreoffice
