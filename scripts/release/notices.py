#!/usr/bin/env python3
"""Writes the licences of all that the program is built of, each text once.

Usage: scripts/release/notices.py SBOM >FILE

SBOM is what scripts/sbom.sh writes. A crate that brings no text is named with its licence.
What it brings from others (libssh2, SQLite, zlib) has its text a folder deeper.
"""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path


WORDS = ("LICEN", "COPYING", "NOTICE", "UNLICENSE")


def is_text(path):
    return path.is_file() and path.name.upper().startswith(WORDS) and path.suffix not in (".rs", ".py")


def main():
    components = json.loads(Path(sys.argv[1]).read_text())["components"]
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    packages = json.loads(subprocess.check_output(command))["packages"]
    folders = {(one["name"], one["version"]): Path(one["manifest_path"]).parent for one in packages}
    users, without = defaultdict(list), []
    for one in components:
        name = f"{one['name']} {one['version']}"
        folder = folders[one["name"], one["version"]]
        found = [path for glob in ("*", "*/*") for path in sorted(folder.glob(glob)) if is_text(path)]
        for path in found:
            users[path.read_text(errors="replace").strip()].append(name)
        if not found:
            said = " or ".join(each["expression"] for each in one.get("licenses", []))
            without.append(f"{name}: {said}")
    print("hl7drop is built of what is named here, each under its own licence.")
    if without:
        print("\nWithout a text of their own:\n" + "\n".join(f"  {line}" for line in without))
    for text, names in sorted(users.items(), key=lambda item: item[1]):
        print("\n" + "=" * 78 + "\n" + ", ".join(names) + "\n" + "-" * 78 + "\n" + text)


if __name__ == "__main__":
    main()
