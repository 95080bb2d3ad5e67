#!/usr/bin/env python3
"""Prints which lines of src/ the tests ran, from the lcov file of scripts/coverage.sh.

Tests beside the code do not count as code. Of the delivery and recovery machine (MACHINE)
each line that no test ran is shown; EXCUSED says of which it is known why. `--machine` prints
MACHINE alone, for scripts/mutants.sh.
"""
import fnmatch
import re
import sys
from collections import defaultdict

ALL_AT_LEAST = 90.0

# What takes a file in, promises it, sends it and finds it again after a crash.
MACHINE = [
    "src/crashpoint.rs",
    "src/delivery/*",
    "src/disk.rs",
    "src/engine/asked.rs",
    "src/engine/attempt.rs",
    "src/engine/backoff.rs",
    "src/engine/deliver.rs",
    "src/engine/direct.rs",
    "src/engine/doubt.rs",
    "src/engine/encrypt.rs",
    "src/engine/intake.rs",
    "src/engine/lanes.rs",
    "src/engine/pass.rs",
    "src/engine/poison.rs",
    "src/engine/recover.rs",
    "src/engine/window.rs",
    "src/ledger/open_drop.rs",
    "src/ledger/steps.rs",
    "src/spool/*",
]

# File, text of the line, and why no test of this machine can run it.
EXCUSED = [
    ("src/delivery/sftp/files.rs", "the whole file took too long",
     "no file has less than a minute"),
    ("src/delivery/sftp/line.rs", "|err: io::Error| DeliveryError::Unreachable",
     "no descriptor is left for a second handle of the socket"),
    ("src/delivery/sftp/login.rs", "return Ok(None);",
     "by_password is called only where one of its two methods is asked for"),
    ("src/delivery/sftp/login.rs", "it asks for more than a password",
     "a second question comes of PAM modules that Debian's sshd does not bring"),
    ("src/delivery/sftp/login.rs", "PASSWORD_EXPIRED =>",
     "an account of this machine would have to expire"),
    ("src/delivery/sftp/login.rs", "_ => return Err(self.failed(&err)),",
     "libssh2 names no other error there"),
    ("src/disk.rs", 'failed("move", to)(io::ErrorKind::AlreadyExists.into())',
     "Linux looks itself before it asks a file system that knows no such rename"),
    ("src/spool/mod.rs", "TryLockError::Error", "a file system without locks"),
]


def lines_of(lcov):
    """Returns {file: {line: count}} of src/ without the tests beside the code."""
    found, counts = {}, None
    for line in open(lcov, encoding="utf-8"):
        if line.startswith("SF:"):
            at = re.search(r"/(src/.*\.rs)$", line[3:].strip())
            counts = found.setdefault(at.group(1), {}) if at else None
        elif line.startswith("DA:") and counts is not None:
            number, count = line[3:].split(",")[:2]
            number = int(number)
            counts[number] = counts.get(number, 0) + int(count)
    for name, counts in found.items():
        text = open(name, encoding="utf-8").read().split("\n")
        tests = next((n for n, t in enumerate(text, 1) if t.startswith("#[cfg(test)]")
                      and any(after.startswith("mod tests {") for after in text[n:n + 4])), None)
        for number in [n for n in counts if tests and n >= tests]:
            del counts[number]
    return found


def percent(ran, lines):
    return 100.0 * ran / lines if lines else 100.0


def main():
    if sys.argv[1:] == ["--machine"]:
        print(*MACHINE, sep="\n")
        return 0
    found = lines_of(sys.argv[1])
    modules, files = defaultdict(lambda: [0, 0]), {}
    for name, counts in found.items():
        ran = sum(1 for count in counts.values() if count)
        files[name] = (ran, len(counts))
        module = name.split("/")[1].removesuffix(".rs")
        modules[module][0] += ran
        modules[module][1] += len(counts)
    for module, (ran, lines) in sorted(modules.items()):
        print(f"{module:12} {ran:6} of {lines:6}  {percent(ran, lines):6.2f} %")
    ran, lines = (sum(one[n] for one in files.values()) for n in (0, 1))
    total = percent(ran, lines)
    print(f"{'all':12} {ran:6} of {lines:6}  {total:6.2f} %")

    print("\nthe delivery and recovery machine:")
    missed, excused, all_ran, all_lines = [], [], 0, 0
    for name in sorted(files):
        # A suite of tests itself.
        if name == "src/delivery/conform.rs":
            continue
        if not any(fnmatch.fnmatch(name, pattern) for pattern in MACHINE):
            continue
        ran, lines = files[name]
        all_ran, all_lines = all_ran + ran, all_lines + lines
        print(f"  {name:32} {ran:5} of {lines:5}  {percent(ran, lines):6.2f} %")
        text = open(name, encoding="utf-8").read().split("\n")
        for number, count in sorted(found[name].items()):
            if count:
                continue
            line = text[number - 1].strip()
            why = next((w for f, t, w in EXCUSED if f == name and t in line), None)
            place = f"  {name}:{number}: {line}"
            (missed if why is None else excused).append(place + (f"  ({why})" if why else ""))
    print(f"  {'all':32} {all_ran:5} of {all_lines:5}  {percent(all_ran, all_lines):6.2f} %")
    for what, places in (("not run, and known why", excused), ("not run", missed)):
        if places:
            print(f"\n{what}:", *places, sep="\n")
    return 0 if total >= ALL_AT_LEAST and not missed else 1


sys.exit(main())
