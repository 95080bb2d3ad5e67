#!/usr/bin/env bash
# From dropped extracts to verified batch files on an SFTP server, in one command.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/quickstart.sh [--debug] [DIR]

Builds hl7drop, starts a throwaway OpenSSH server on loopback, makes two example
interfaces in DIR (or in a new temporary folder), drops the extracts of
examples/quickstart into their inboxes, runs hl7drop once, and looks at the
server's side whether what arrived is right. The server is stopped at the end;
the folder stays, to look around in. All data is made up.

--debug  build and use the debug binary; the build is shorter

EXIT STATUS
  0  everything arrived and was verified
  1  something did not; the output says what
  2  wrong usage, or something this machine must have first
TEXT
}

fail() {
  printf 'quickstart.sh: %s\n' "$2" >&2
  exit "$1"
}

step() {
  printf '\n== %s\n' "$*"
}

# Runs a command that must end with one of these codes: expect 0,3 COMMAND...
expect() {
  local codes=$1 code=0
  shift
  printf '$ %s\n' "$*"
  "$@" || code=$?
  [[ ",$codes," == *",$code,"* ]] || fail 1 "that ended with $code instead of $codes"
}

# Parses the command line into: flags, profile, dir.
arguments() {
  flags=(--release) profile=release dir=""
  while [[ $# -gt 0 ]]; do
    case "$1" in
      --debug) flags=() profile=debug ;;
      -h | --help) usage; exit 0 ;;
      -*) usage >&2; exit 2 ;;
      *) [[ -z "$dir" ]] || { usage >&2; exit 2; }; dir=$1 ;;
    esac
    shift
  done
}

# Makes the folder, and refuses one with other things in it.
make_dir() {
  if [[ -z "$dir" ]]; then
    dir=$(mktemp -d "${TMPDIR:-/tmp}/hl7drop-quickstart.XXXXXX")
  else
    mkdir -p "$dir"
    [[ -f "$dir/.quickstart" || -z "$(ls -A "$dir")" ]] ||
      fail 2 "$dir is not empty, and no earlier run of this made it; name another folder"
  fi
  dir=$(cd "$dir" && pwd -P)
  touch "$dir/.quickstart"
}

build() {
  local target
  command -v cargo >/dev/null ||
    fail 2 "there is no Rust here; install it from https://rustup.rs or with apt-get install cargo"
  expect 0 cargo build --locked ${flags[@]+"${flags[@]}"}
  target=$(cargo metadata --locked --no-deps --format-version 1 |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
  PATH="$target/$profile:$PATH"
}

# Prints a text as a TOML string.
toml() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# Writes an example interface file with the login of our server: fill_in EXAMPLE
fill_in() {
  local line to
  while IFS= read -r line; do
    case "$line" in
      "port "*) printf 'port        = %s\n' "$PORT" ;;
      "user "*) printf 'user        = %s\n' "$(toml "$USER")" ;;
      "folder "*)
        to="$FOLDER/$(basename "${line//\"/}")"
        mkdir -p "$to"
        printf 'folder      = %s\n' "$(toml "$to")"
        ;;
      *) printf '%s\n' "$line" ;;
    esac
  done <"$1"
}

# Makes an interface as `init` does, then puts the example's agreed settings in.
make_interface() {
  local name=$1 file="interfaces/$1.toml"
  [[ -f "$file" ]] || expect 0 hl7drop init "$name"
  fill_in "$examples/$name.toml" >"$file.new"
  mv "$file.new" "$file"
  echo "       its settings are now those of examples/quickstart/$name.toml"
}

drop() {
  local inbox="spool/$1/test/inbox"
  shift
  cp "$@" "$inbox/"
  echo "dropped into $inbox: $(basename -a "$@" | paste -sd ' ')"
}

# Shows a folder, deeper things indented.
tree() {
  (cd "$(dirname "$1")" && find "$(basename "$1")" -type d -printf '%p/\n' -o -printf '%p\n') |
    LC_ALL=C sort | sed -E ':again; s|^( *)[^/ ]+/(.+)$|\1  \2|; t again'
}

# The head of a batch file and its first message, one segment a line.
first_message() {
  tr '\r' '\n' <"$1" | awk '/^MSH/ { seen++ } seen < 2'
}

work() {
  local batches why
  step "4. Two interfaces"
  cd "$dir"
  make_interface example-api
  make_interface example-report
  expect 0 hl7drop check

  step "5. Drop extracts, among them one that broke off on its way"
  drop example-api "$examples"/api/*.csv "$examples/patients-cut.csv.gz"
  drop example-report "$examples"/report/*.csv

  step "6. Convert and deliver"
  # 3: done, and something waits for a person, as the bad rows must.
  expect 3 hl7drop run

  step "7. Look at the server's side, without hl7drop"
  hl7drop status --json >status.json || [[ $? -eq 3 ]] || fail 1 "hl7drop status failed"
  "$scripts/verify.py" spool server <status.json || fail 1 "what arrived is not right"

  step "8. What waits for a person, and why"
  expect 3 hl7drop queue
  echo
  for why in spool/*/test/error/*.why.toml; do
    echo "$why"
    sed 's/^/  /' "$why"
  done

  step "9. Where everything stands"
  expect 3 hl7drop status
  echo
  tree spool/example-api
  echo
  tree server/inbound

  step "10. The first message, a segment a line"
  batches=(server/inbound/ridge/*.hl7)
  echo "${batches[0]}"
  first_message "${batches[0]}"
}

summary() {
  cat <<TEXT

== All verified
Dropped rows became messages, the messages went out in one batch file for each
interface, and the server has those files byte for byte. Bad rows wait in the
queue with their reasons; the good rows beside them went out. The extract that
broke off is in error/ and nothing of it was sent. The server is stopped.

Everything is in $dir, to look around in:
  export HL7DROP_CONFIG="$dir/hl7drop.toml" PATH="\$PATH:$(dirname "$(command -v hl7drop)")"
  hl7drop status
  rm -r "$dir"      # when you have seen enough
TEXT
}

start=$PWD
arguments "$@"
[[ -z "$dir" || "$dir" == /* ]] || dir="$start/$dir"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# The interface files are written here, and those that a group could change are refused.
umask 022
scripts="$PWD/scripts" examples="$PWD/examples/quickstart"

step "1. What this machine must have"
"$scripts/packages.sh" gcc libc6-dev pkg-config libssl-dev openssh-server openssh-client python3
echo "it has it"

step "2. Build"
build
make_dir

step "3. A throwaway SFTP server, its host key pinned in server/known_hosts"
trap '"$scripts/sftpd.sh" stop "$dir/server"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
lines=$("$scripts/sftpd.sh" start "$dir/server")
eval "$lines"
echo "it listens on $HOST:$PORT and serves $FOLDER"

unset HL7DROP_CONFIG
# The summaries say it all; no log lines between them.
export RUST_LOG=off
work
summary
