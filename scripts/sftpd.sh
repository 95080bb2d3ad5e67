#!/usr/bin/env bash
# A throwaway OpenSSH server on loopback: for the tests, the quickstart, and playing.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/sftpd.sh start DIR [PORT]
       scripts/sftpd.sh stop DIR

start  Makes in DIR what is not there yet (host key, client key, known_hosts,
       sshd_config, inbound/), starts an SSH server that only serves SFTP on
       127.0.0.1, waits until it answers, and prints where it is as lines that a
       shell can source: HOST PORT USER KEY_FILE KNOWN_HOSTS FOLDER PID.
       Without PORT (or with 0) it takes a free one. A server that runs in DIR
       already is left running.
stop   Ends the server of DIR and leaves the files.

The current user logs in as itself with the client key; nobody else can. Lines
in the environment variable SFTPD_CONFIG come first in sshd_config, where the
first line about a matter counts:

  SFTPD_CONFIG='PasswordAuthentication yes' scripts/sftpd.sh start /tmp/sftp

EXIT STATUS
  0  done
  1  the server did not start; DIR/sshd.log says why
  2  wrong usage, or no OpenSSH server on this machine
TEXT
}

fail() {
  printf 'sftpd.sh: %s\n' "$2" >&2
  exit "$1"
}

# sshd wants to be called by its full path.
find_sshd() {
  local path
  for path in /usr/sbin/sshd /usr/local/sbin/sshd "$(command -v sshd || true)"; do
    if [[ -n "$path" && -x "$path" ]]; then
      printf '%s\n' "$path"
      return 0
    fi
  done
  return 1
}

# Prints the server's process ID if it runs.
running() {
  local pid
  pid=$(cat "$1/sshd.pid" 2>/dev/null) || return 1
  [[ -n "$pid" ]] && kill -0 "$pid" 2>/dev/null || return 1
  # A number that another process got since is not ours.
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$1/sshd_config" || return 1
  printf '%s\n' "$pid"
}

answers() {
  local greeting=""
  # In a shell of its own: a refused connection ends it.
  greeting=$(
    exec 3<>"/dev/tcp/127.0.0.1/$1" && read -r -t 2 line <&3 && printf '%s' "$line"
  ) 2>/dev/null || return 1
  [[ "$greeting" == SSH-2.0-* ]]
}

# Prints a port that nothing listens on: below those that the system hands out
# by itself, so that it stays free until the server takes it.
free_port() {
  local port
  for _ in {1..100}; do
    port=$((10000 + (RANDOM * 32768 + RANDOM) % 20000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf '%s\n' "$port"
      return 0
    fi
  done
  return 1
}

make_keys() {
  local dir=$1
  [[ -f "$dir/host_key" ]] || ssh-keygen -q -t ed25519 -N '' -C '' -f "$dir/host_key"
  [[ -f "$dir/client_key" ]] || ssh-keygen -q -t ed25519 -N '' -C hl7drop -f "$dir/client_key"
  cp "$dir/client_key.pub" "$dir/authorized_keys"
  chmod 600 "$dir/authorized_keys"
}

# A root account without a password is locked on many machines, and sshd takes a
# key for a locked account only by way of PAM.
use_pam() {
  if [[ $EUID -eq 0 ]] && getent shadow "$(id -un)" | cut -d: -f2 | grep -q '^!'; then
    printf 'yes\n'
  else
    printf 'no\n'
  fi
}

write_config() {
  local dir=$1 port=$2 sshd=$3
  cat >"$dir/sshd_config" <<TEXT
${SFTPD_CONFIG:-}
ListenAddress 127.0.0.1
Port $port
HostKey "$dir/host_key"
PidFile "$dir/sshd.pid"
AuthorizedKeysFile "$dir/authorized_keys"
AllowUsers $(id -un)
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
StrictModes no
UsePAM $(use_pam)
UseDNS no
PrintMotd no
MaxStartups 100
AllowTcpForwarding no
X11Forwarding no
$(grep -q '^Subsystem ' <<<"${SFTPD_CONFIG:-}" || echo 'Subsystem sftp internal-sftp')
ForceCommand internal-sftp
TEXT
  # Newer servers lock out an address after refused logins; this one is asked for them.
  if "$sshd" -t -f "$dir/sshd_config" -o PerSourcePenalties=no 2>/dev/null; then
    echo 'PerSourcePenalties no' >>"$dir/sshd_config"
  fi
}

write_known_hosts() {
  local dir=$1 port=$2 kind key
  read -r kind key _ <"$dir/host_key.pub"
  if [[ "$port" -eq 22 ]]; then
    printf '127.0.0.1 %s %s\n' "$kind" "$key"
  else
    printf '[127.0.0.1]:%s %s %s\n' "$port" "$kind" "$key"
  fi >"$dir/known_hosts"
}

print_lines() {
  local dir=$1 port=$2 pid=$3
  printf 'HOST=127.0.0.1\nPORT=%s\nUSER=%q\n' "$port" "$(id -un)"
  printf 'KEY_FILE=%q\nKNOWN_HOSTS=%q\n' "$dir/client_key" "$dir/known_hosts"
  printf 'FOLDER=%q\nPID=%s\n' "$dir/inbound" "$pid"
}

start() {
  local dir=$1 port=${2:-0} pid sshd
  [[ "$port" =~ ^[0-9]+$ && "$port" -le 65535 ]] || fail 2 "$port is no port"
  "$(dirname "${BASH_SOURCE[0]}")/packages.sh" openssh-server openssh-client || exit 2
  sshd=$(find_sshd) || fail 2 "no OpenSSH server here; install the Debian package openssh-server"
  mkdir -p "$dir/inbound"
  dir=$(cd "$dir" && pwd -P)
  if pid=$(running "$dir"); then
    port=$(sed -n 's/^Port //p' "$dir/sshd_config" | head -n 1)
    print_lines "$dir" "$port" "$pid"
    return 0
  fi
  # Where sshd drops its privileges.
  [[ $EUID -ne 0 || -d /run/sshd ]] || mkdir -m 0755 /run/sshd 2>/dev/null || true
  [[ "$port" -ne 0 ]] || port=$(free_port) || fail 1 "found no free port"
  make_keys "$dir"
  write_config "$dir" "$port" "$sshd"
  write_known_hosts "$dir" "$port"
  rm -f "$dir/sshd.pid"
  "$sshd" -f "$dir/sshd_config" -E "$dir/sshd.log" </dev/null >/dev/null ||
    fail 1 "sshd did not start; see $dir/sshd.log"
  for _ in {1..100}; do
    if pid=$(running "$dir") && answers "$port"; then
      print_lines "$dir" "$port" "$pid"
      return 0
    fi
    sleep 0.1
  done
  fail 1 "sshd does not answer on port $port; see $dir/sshd.log"
}

stop() {
  local dir pid
  [[ -d "$1" ]] || fail 2 "there is no folder $1"
  dir=$(cd "$1" && pwd -P)
  pid=$(running "$dir") || return 0
  kill "$pid"
  for _ in {1..100}; do
    running "$dir" >/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$pid"
}

case "${1:-}" in
  start) [[ $# -eq 2 || $# -eq 3 ]] || { usage >&2; exit 2; } ; shift; start "$@" ;;
  stop) [[ $# -eq 2 ]] || { usage >&2; exit 2; } ; stop "$2" ;;
  -h | --help | help) usage ;;
  *) usage >&2; exit 2 ;;
esac
