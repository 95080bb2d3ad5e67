#!/usr/bin/env python3
"""Says what a program did not make durable before it went on, from its strace log.

    strace -f -y -s 0 -o LOG -e trace=file,desc hl7drop --config FILE run
    scripts/fsync-audit.py LOG FOLDER...
    scripts/fsync-audit.py --each LOG FOLDER...

Only files below the FOLDERs count. The rules are those that src/disk.rs promises
to hold, and SQLite with synchronous=FULL:

 1. A step is a move, a removal, a new folder, a sync of the ledger, the end. Before
    each, all that was written, made, moved or removed is synced: its bytes, and the
    folders that name it. Only the name of a file that is moved needs no sync.
 2. When a file is made or moved, the ledger's log is synced: what was promised is
    on the disk.

Nobody needs these after a crash: locks, SQLite's shared memory (-shm), the copy
`.patients.plain`; nor that SQLite removed its log, of which all is in the ledger.
A drop with so many bad records that SQLite writes to its log before the commit
breaks rule 2 without harm.

--each takes out one sync at a time and lists those that no rule misses: the audit
would not see them go.

Exit status: 0 no fault, 1 faults, 2 wrong usage or a log without a single sync.
"""

import os
import re
import sys

EXEMPT = re.compile(r"/lock$|/incidents\.lock$|-shm$|/\.patients\.plain$")
LEDGER = re.compile(r"\.db(-wal)?$")

CALL = re.compile(r"^(\d+)\s+(\w+)\((.*)\)\s+= (-?\d+|\?)(?:<([^>]*)>)?")
UNFINISHED = re.compile(r"^(\d+)\s+(.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+)\s+<\.\.\. \w+ resumed>(.*)$")
OF_FILE = re.compile(r"^\d+<([^>]*)>")
PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"([^"]*)"')

WRITES = {"write", "writev", "pwrite64", "pwritev", "pwritev2", "ftruncate", "fallocate",
          "copy_file_range", "sendfile"}
SYNCS = {"fsync", "fdatasync"}
MOVES = {"rename", "renameat", "renameat2", "link", "linkat"}
REMOVES = {"unlink", "unlinkat"}
FOLDERS = {"mkdir", "mkdirat"}


def calls(lines):
    """Yields (line, name, arguments, file of the result) of the calls that worked."""
    halves = {}
    for number, line in enumerate(lines):
        line = line.rstrip("\n")
        if match := UNFINISHED.match(line):
            halves[match[1]] = match[2]
            continue
        if match := RESUMED.match(line):
            line = f"{match[1]} {halves.pop(match[1], '')}{match[2]}"
        match = CALL.match(line)
        if match and match[4] != "?" and int(match[4]) >= 0:
            yield number, match[2], match[3], match[5]


def paths(arguments):
    """Returns the paths among the arguments of a call, made absolute."""
    return [os.path.normpath(os.path.join(match[1] or "/", match[2]))
            for match in PATH.finditer(arguments)]


class Audit:
    """What is not yet on the disk, and what went wrong on the way."""

    def __init__(self, folders):
        self.folders = [os.path.realpath(folder) for folder in folders]
        self.dirty = set()  # files with bytes that are not synced
        self.fresh = {}  # file that was created -> the folder that must be synced
        self.moved = {}  # what was done to a name -> the folders that must be synced
        self.logs = set()  # logs of the ledger with something in them
        self.faults = []
        self.counts = {"moves": 0, "removals": 0, "creations": 0, "syncs": 0}

    def is_ours(self, path):
        ours = any(path == folder or path.startswith(folder + "/") for folder in self.folders)
        return ours and not EXEMPT.search(path)

    def fault(self, number, text):
        self.faults.append(f"line {number + 1}: {text}")

    def take(self, number, name, arguments, result):
        """Takes one call in."""
        if name in ("openat", "open", "creat") and result and self.is_ours(result):
            # Without O_EXCL it may have been there; that it is synced does no harm.
            if "O_CREAT" in arguments or name == "creat":
                self.counts["creations"] += 1
                if not LEDGER.search(result):
                    self.promised(number, f"make {result}")
                self.fresh.setdefault(result, os.path.dirname(result))
        elif name in WRITES or name in SYNCS:
            match = OF_FILE.match(arguments)
            if match and self.is_ours(match[1]):
                if name in SYNCS:
                    self.sync(number, match[1])
                else:
                    self.wrote(match[1])
        elif name in MOVES:
            source, target = paths(arguments)[:2]
            if self.is_ours(source) or self.is_ours(target):
                self.move(number, source, target, name.startswith("rename"))
        elif name in REMOVES:
            self.remove(number, paths(arguments)[0])
        elif name in FOLDERS and self.is_ours(path := paths(arguments)[0]):
            self.step(number, f"make {path}")
            self.moved[f"made folder {path}"] = {os.path.dirname(path)}

    def wrote(self, path):
        self.dirty.add(path)
        if path.endswith("-wal"):
            self.logs.add(path)

    def sync(self, number, path):
        self.counts["syncs"] += 1
        if LEDGER.search(path):
            self.step(number, f"sync {path}")
        self.dirty.discard(path)
        self.fresh = {file: folder for file, folder in self.fresh.items() if folder != path}
        for folders in self.moved.values():
            folders.discard(path)

    def step(self, number, what, source=None):
        """A next step: what came before it must be on the disk."""
        for moved, folders in self.moved.items():
            if folders:
                folders = " and ".join(sorted(folders))
                self.fault(number, f"{moved}, and {folders} was not synced before: {what}")
        self.moved.clear()
        for file in sorted(self.dirty):
            if not LEDGER.search(file):
                self.fault(number, f"the bytes of {file} were not synced before: {what}")
        for file in sorted(self.fresh):
            if not LEDGER.search(file) and file != source:
                self.fault(number, f"the name of {file} was not synced before: {what}")

    def promised(self, number, what):
        for log in sorted(self.logs):
            if log in self.dirty or log in self.fresh:
                self.fault(number, f"{log} was not synced before: {what}")

    def move(self, number, source, target, renamed):
        self.counts["moves"] += 1
        self.step(number, f"move to {target}", source)
        self.promised(number, f"move to {target}")
        folders = {os.path.dirname(target)}
        if renamed:
            folders.add(os.path.dirname(source))
            self.fresh.pop(source, None)
        self.moved[f"moved to {target}"] = {one for one in folders if self.is_ours(one)}

    def remove(self, number, path):
        if not self.is_ours(path):
            return
        self.dirty.discard(path)
        self.fresh.pop(path, None)
        self.logs.discard(path)
        if path.endswith("-wal"):
            return
        self.counts["removals"] += 1
        self.step(number, f"remove {path}")
        self.moved[f"removed {path}"] = {os.path.dirname(path)}

    def end(self, number):
        self.step(number, "the end")
        for file in sorted(self.dirty | set(self.fresh)):
            if LEDGER.search(file):
                self.fault(number, f"{file} was never synced")


def audit(log, folders):
    """Audits a log that was cut into calls."""
    state, number = Audit(folders), 0
    for number, name, arguments, result in log:
        state.take(number, name, arguments, result)
    state.end(number)
    return state


def unmissed(log, folders):
    """Returns the syncs that could go without a fault."""
    found = []
    for at, (number, name, arguments, _) in enumerate(log):
        match = OF_FILE.match(arguments) if name in SYNCS else None
        if match and Audit(folders).is_ours(match[1]):
            if not audit(log[:at] + log[at + 1:], folders).faults:
                found.append(f"line {number + 1}: {name} {match[1]}")
    return found


def main(words):
    each = words[:1] == ["--each"]
    words = words[1:] if each else words
    if len(words) < 2 or words[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    with open(words[0], encoding="utf-8", errors="replace") as file:
        log = list(calls(file))
    if each:
        print("\n".join(unmissed(log, words[1:])))
        return 0
    state = audit(log, words[1:])
    print(", ".join(f"{count} {what}" for what, count in state.counts.items())
          + f": {len(state.faults)} faults")
    print("\n".join(state.faults), end="\n" if state.faults else "")
    if not state.counts["syncs"]:
        print("there is no sync in this log; was it made with -y?", file=sys.stderr)
        return 2
    return 1 if state.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
