#!/usr/bin/env bash
# Sees that this machine has what the scripts need, by the names of Debian packages.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/packages.sh [--look] PACKAGE...

Looks for what each of the Debian packages brings. What is missing is installed
through apt where this runs as root on Debian or Ubuntu; elsewhere one sentence
names it. With --look nothing is installed.

EXIT STATUS
  0  everything is there
  2  something is missing; the sentence on standard error says what to install
TEXT
}

# True if what the package brings is there, whoever installed it.
have() {
  case "$1" in
    gcc) command -v cc ;;
    libc6-dev) [[ -e /usr/include/stdio.h ]] ;;
    libssl-dev) pkg-config --exists openssl || [[ -n "${OPENSSL_DIR:-}" ]] ;;
    # sshd is called by its full path, which need not be in PATH.
    openssh-server) [[ -x /usr/sbin/sshd || -x /usr/local/sbin/sshd ]] || command -v sshd ;;
    openssh-client) command -v ssh-keygen ;;
    libreoffice-writer-nogui) command -v soffice ;;
    python3-venv) python3 -c 'import venv, ensurepip' ;;
    gnupg) command -v gpg ;;
    nodejs) command -v node ;;
    xfsprogs) command -v mkfs.xfs ;;
    e2fsprogs) command -v mkfs.ext4 ;;
    # nginx is called by its full path, which need not be in PATH.
    proftpd-core) command -v proftpd ;;
    proftpd-mod-crypto) command -v proftpd && [[ -e /usr/lib/proftpd/mod_sftp.so ]] ;;
    nginx-light) [[ -x /usr/sbin/nginx ]] || command -v nginx ;;
    *) command -v "$1" ;;
  esac
} >/dev/null 2>&1

missing() {
  local package
  for package in "$@"; do
    have "$package" || printf '%s ' "$package"
  done
}

refuse() {
  printf '%s; run as root: apt-get install %s\n' "$1" "${2% }" >&2
  exit 2
}

install() {
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -q && apt-get install -qy --no-install-recommends "$@"; } >&2 || return 1
  # Of the SSH server only the program is wanted: port 22 stays closed.
  if [[ " $* " == *" openssh-server "* ]] && command -v systemctl >/dev/null; then
    systemctl disable --now ssh.service >&2 || true
  fi
  # ... and of nginx: port 80 stays closed.
  if [[ " $* " == *" nginx-light "* ]] && command -v systemctl >/dev/null; then
    systemctl disable --now nginx.service >&2 || true
  fi
  # ... and of Caddy, which would take port 80 too.
  if [[ " $* " == *" caddy "* ]] && command -v systemctl >/dev/null; then
    systemctl disable --now caddy.service >&2 || true
  fi
  # ... and of ProFTPD: port 21 stays closed.
  if [[ " $* " == *" proftpd-core "* ]] && command -v systemctl >/dev/null; then
    systemctl disable --now proftpd.service >&2 || true
  fi
}

[[ $# -gt 0 ]] || { usage >&2; exit 2; }
[[ "$1" != -h && "$1" != --help ]] || { usage; exit 0; }
look=
if [[ "$1" == --look ]]; then look=1 && shift; fi
wanted=$(missing "$@")
[[ -n "$wanted" ]] || exit 0
[[ -z "$look" ]] || exit 2
if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
  refuse "not on this machine: ${wanted% }" "$wanted"
fi
echo "installing $wanted" >&2
# shellcheck disable=SC2086 # names of packages, a word each
install $wanted || refuse "apt could not install: ${wanted% }" "$wanted"
wanted=$(missing "$@")
[[ -z "$wanted" ]] || refuse "still not on this machine: ${wanted% }" "$wanted"
