#!/usr/bin/env bash
# Lists what the program is made of, in CycloneDX form (JSON), from `cargo metadata`.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/sbom.sh [FILE]

Writes a software bill of materials, CycloneDX 1.5 as JSON, of the locked dependencies that
the program is built from (no tests, no benchmarks) to FILE, or to standard output.

EXIT STATUS
  0  written
  2  wrong usage, or something is missing on this machine
TEXT
}

case "${1:-}" in -h | --help | help) usage && exit 0 ;; -*) usage >&2 && exit 2 ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/packages.sh python3
cargo metadata --locked --format-version 1 | python3 -c '
import json, sys

meta = json.load(sys.stdin)
packages = {package["id"]: package for package in meta["packages"]}
nodes = {node["id"]: node for node in meta["resolve"]["nodes"]}

def needed(node):
    for dep in node["deps"]:
        if any(kind["kind"] != "dev" for kind in dep["dep_kinds"]):
            yield dep["pkg"]

root, seen = meta["resolve"]["root"], set()
todo = [root]
while todo:
    one = todo.pop()
    if one not in seen:
        seen.add(one)
        todo.extend(needed(nodes[one]))

def purl(package):
    return "pkg:cargo/{name}@{version}".format(**package)

def component(package, kind):
    one = {"type": kind, "bom-ref": purl(package), "name": package["name"],
           "version": package["version"], "purl": purl(package)}
    if package["license"]:
        one["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    return one

deps = sorted((packages[one] for one in seen if one != root), key=purl)
print(json.dumps({
    "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
    "metadata": {"component": component(packages[root], "application")},
    "components": [component(one, "library") for one in deps],
    "dependencies": [
        {"ref": purl(packages[one]),
         "dependsOn": sorted(purl(packages[dep]) for dep in needed(nodes[one]))}
        for one in sorted(seen)],
}, indent=1))' >"${1:-/dev/stdout}"
