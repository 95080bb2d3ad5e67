#!/usr/bin/env bash
# Builds what is installed: a Debian package and a tarball, with the documentation in them.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/release.sh [deb|tar]

Builds, in target/dist:

  hl7drop_VERSION-1_ARCH.deb       for Debian 12 and Ubuntu 22.04, and newer ones
  hl7drop-VERSION-ARCH.tar.gz      for any Linux with glibc 2.34 or newer; OpenSSL is inside
  SHA256SUMS

Each has the program, systemd units, manual pages, completions, the documentation as
HTML and as text, the examples, and what the program is made of, with the licences. Then
each is unpacked into a throw-away folder, and its program is asked for its version, its
settings and a conversion. With a word only that one is built.

Needs pandoc, and cargo-deb, which is installed into target/tools if it is not there.

EXIT STATUS
  0  built and tried
  2  something this machine must have first
  other: of the command that failed
TEXT
}

case "${1:-all}" in
  -h | --help) usage; exit 0 ;;
  all | deb | tar) what=${1:-all} ;;
  *) usage >&2; exit 2 ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/packages.sh gcc libc6-dev pkg-config libssl-dev pandoc
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
arch=$(uname -m)
dist=target/dist
stage=$dist/stage
rm -rf "$dist"
mkdir -p "$stage"

# A page of the documentation as HTML; links between pages lead to the HTML.
page() {
  local from=$1 to=$2
  pandoc --from gfm --to html5 --standalone --wrap none --include-in-header scripts/release/head.html \
    --metadata pagetitle="$(sed -n 's/^# //p' "$from" | head -1)" "$from" \
    | sed -E -e 's|href="docs/README\.md|href="index.html|g' -e 's|href="(\.\./)?([A-Z]+)\.md|href="\2.html|g' -e 's|href="docs/|href="|g' -e 's|href="LICENSE|href="../LICENSE|g' \
      -e 's|href="([a-z]+)\.md|href="\1.html|g' -e 's|href="(\.\./)?config/|href="../config/|g' \
      -e 's|href="(\.\./)?examples/|href="../examples/|g' >"$to"
}

# No link may lead nowhere.
links() {
  local page link missing=0
  for page in "$1"/*.html; do
    while read -r link; do
      link=${link%%#*}
      if [[ -n "$link" && ! -e "$1/$link" ]]; then
        echo "release.sh: ${page##*/} has a dead link: $link" >&2
        missing=1
      fi
    done < <(grep -o 'href="[^"]*"' "$page" | sed -e 's/^href="//' -e 's/"$//' | grep -v '^[a-z]*:')
  done
  return $missing
}

documents() {
  local doc=$stage/doc file
  mkdir -p "$doc/html" "$doc/text" "$doc/examples" "$doc/config"
  cp -r examples/quickstart examples/package.docx examples/*.rs "$doc/examples"
  cp -r config/* "$doc/config"
  rm -rf "$doc/config/deb" "$doc/examples/quickstart/.gitattributes"
  cp -r docs "$doc/text/docs"
  cp README.md CHANGELOG.md ARCHITECTURE.md CONTRIBUTING.md BENCHMARKS.md SECURITY.md "$doc/text"
  cp LICENSE-* config/deb/copyright "$doc"
  scripts/sbom.sh "$doc/sbom.cdx.json"
  scripts/release/notices.py "$doc/sbom.cdx.json" >"$doc/THIRD-PARTY"
  for file in docs/*.md; do
    # The guide's own first page is the index of all.
    if [[ $file == docs/README.md ]]; then
      page "$file" "$doc/html/index.html"
    else
      page "$file" "$doc/html/$(basename "$file" .md).html"
    fi
  done
  for file in README CHANGELOG ARCHITECTURE CONTRIBUTING BENCHMARKS SECURITY; do
    page "$file.md" "$doc/html/$file.html"
  done
  links "$doc/html"
}

# What the program says of itself.
generated() {
  local program=$1
  "$program" man "$stage/man" >/dev/null
  mkdir -p "$stage/bash" "$stage/zsh" "$stage/fish" "$stage/systemd"
  "$program" completions bash >"$stage/bash/hl7drop"
  "$program" completions zsh >"$stage/zsh/_hl7drop"
  "$program" completions fish >"$stage/fish/hl7drop.fish"
}

units() {
  local unit
  for unit in hl7drop hl7drop-serve hl7drop-run; do
    sed "s|/usr/local/bin/|$1/bin/|" "config/systemd/$unit.service" >"$stage/systemd/$unit.service"
  done
  cp config/systemd/hl7drop-run.timer "$stage/systemd"
}

# Tries a program where it was unpacked: as whoever installs it does first.
try() {
  local program=$1 site
  site=$(mktemp -d)
  [[ "$("$program" --version)" == "hl7drop $version" ]]
  "$program" init try --dir "$site" >/dev/null
  "$program" --config "$site/hl7drop.toml" check --offline try
  cp examples/quickstart/api/{providers,departments}.csv "$site/spool/try/test/inbox"
  "$program" --config "$site/hl7drop.toml" run try
  rm -rf "$site"
}

deb() {
  local tools=target/tools/bin root file
  PATH="$PWD/$tools:$PATH"
  command -v cargo-deb >/dev/null || cargo install cargo-deb --locked --root target/tools
  cargo build --release --locked
  generated target/release/hl7drop
  units /usr
  cargo deb --no-build --output "$dist/"
  file=$(ls "$dist"/*.deb)
  dpkg-deb --info "$file"
  dpkg-deb --contents "$file"
  for script in config/deb/postinst config/deb/prerm; do sh -n "$script"; done
  if command -v lintian >/dev/null; then lintian --tag-display-limit 0 --allow-root "$file" || true; fi
  root=$(mktemp -d)
  mkdir -p "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info"
  touch "$root/var/lib/dpkg/status"
  # The package's scripts want a whole system: unpacked only.
  dpkg --root="$root" --force-not-root --force-depends --log=/dev/null --unpack "$file"
  try "$root/usr/bin/hl7drop"
  rm -rf "$root"
}

tarball() {
  local name=hl7drop-$version-$arch tree libraries root
  tree=$dist/$name
  libraries=$(pkg-config --variable=libdir libssl)
  # OpenSSL and zlib go inside, so that nothing but glibc is asked of the machine.
  OPENSSL_STATIC=1 OPENSSL_LIB_DIR=$libraries OPENSSL_INCLUDE_DIR=$(pkg-config --variable=includedir libssl) \
    LIBZ_SYS_STATIC=1 cargo build --release --locked --target-dir target/static
  generated target/static/release/hl7drop
  units /usr/local
  mkdir -p "$tree/bin" "$tree/lib/systemd/system" "$tree/share/man/man1" "$tree/share/doc" \
    "$tree/share/bash-completion/completions" "$tree/share/zsh/site-functions" \
    "$tree/share/fish/vendor_completions.d"
  cp target/static/release/hl7drop "$tree/bin"
  cp "$stage"/systemd/* config/systemd/hl7drop-user.service "$tree/lib/systemd/system"
  cp "$stage"/man/* "$tree/share/man/man1"
  cp -r "$stage/doc" "$tree/share/doc/hl7drop"
  cat /usr/share/doc/libssl-dev/copyright >>"$tree/share/doc/hl7drop/THIRD-PARTY"
  cp "$stage/bash/hl7drop" "$tree/share/bash-completion/completions"
  cp "$stage/zsh/_hl7drop" "$tree/share/zsh/site-functions"
  cp "$stage/fish/hl7drop.fish" "$tree/share/fish/vendor_completions.d"
  cat >"$tree/INSTALL" <<'TEXT'
As root: cp -r bin lib share /usr/local/
Then read /usr/local/share/doc/hl7drop/html/index.html, or share/doc/hl7drop/text/docs/README.md.
TEXT
  tar --sort=name --owner=0 --group=0 --numeric-owner -C "$dist" -czf "$dist/$name.tar.gz" "$name"
  rm -rf "$tree"
  root=$(mktemp -d)
  tar -C "$root" -xzf "$dist/$name.tar.gz"
  echo "asked of the machine: $(objdump -p "$root/$name/bin/hl7drop" | awk '/NEEDED/ {print $2}' | tr '\n' ' ')"
  echo "newest glibc: $(objdump -T "$root/$name/bin/hl7drop" | grep -o 'GLIBC_[0-9.]*' | sort -V | tail -1)"
  if objdump -p "$root/$name/bin/hl7drop" | grep -qE 'NEEDED.*(ssl|crypto|libz)'; then
    echo "release.sh: OpenSSL or zlib is not inside" >&2
    return 1
  fi
  try "$root/$name/bin/hl7drop"
  rm -rf "$root"
}

documents
[[ $what == tar ]] || deb
[[ $what == deb ]] || tarball
rm -rf "$stage"
(cd "$dist" && sha256sum -- *.deb *.tar.gz 2>/dev/null >SHA256SUMS || true; cat SHA256SUMS)
