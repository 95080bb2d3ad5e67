#!/usr/bin/env python3
"""Cuts the power under a running interface, again and again, and looks what is left.

The spool lies on a file system of its own in a loop-mounted file. At a random moment of a
run that file system is shut down without flushing its log, as when the power goes: what
was not synced is gone. Then it is mounted again, its journal replayed, and the next drop
comes. The vendor's folder lies elsewhere and keeps what it has. At the end every row that
was dropped must have been told exactly once, and the ledger must be whole.

Needs root, loop devices, xfsprogs and e2fsprogs (Debian's names).
"""

import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

SETTINGS = """[project]
interface = "clinic"
context_id = "99999"
practice = "Riverbend Family Medicine"
environment = "test"
[wire]
receiving_application = "CARESYNC"
[pickup]
settle_seconds = 0
disk_floor_mib = 16
[connectivity.test]
method = "folder"
folder = "../partner"
infer_window_seconds = 86400
"""
HEADER = "event,patientid,lastname,firstname,dob,sex\n"


def call(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Trial:
    """One interface on a file system that fails."""

    def __init__(self, kind, program, place, seed):
        self.kind, self.program, self.place = kind, program, place
        self.random = random.Random(seed)
        self.image, self.spool = place / "disk", place / "spool"
        self.rows, self.waits, self.shut = 0, [], 0
        self.written = []
        with open(self.image, "wb") as image:
            image.truncate(400 << 20)
        call(f"mkfs.{kind}", "-q", str(self.image))
        for folder in ("spool", "partner", "interfaces"):
            (place / folder).mkdir()
        (place / "hl7drop.toml").write_text("[run]\nworkers = 1\n")
        (place / "interfaces" / "clinic.toml").write_text(SETTINGS)
        self.mount()
        self.inbox = self.spool / "clinic" / "test" / "inbox"
        self.inbox.mkdir(parents=True, mode=0o700)
        call("sync", "-f", str(self.spool))

    def mount(self):
        call("mount", "-o", "loop", str(self.image), str(self.spool))

    def drop(self):
        """A file that its exporter has synced: what was dropped is on the disk."""
        count = self.random.randint(1, 40)
        rows = range(self.rows + 1, self.rows + count + 1)
        text = HEADER + "".join(f"add,{row},Doe,Ann,02/14/1987,F\n" for row in rows)
        self.rows += count
        path = self.inbox / f"patients-{self.rows:07}.csv"
        with open(path, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(self.inbox, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def run(self, *more):
        command = [self.program, "--config", str(self.place / "hl7drop.toml"), *more]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def cut(self):
        """One run with the power cut somewhere in it; true if it was cut in time."""
        process = self.run("run")
        time.sleep(self.random.uniform(0, 1.1 * max(self.waits[-8:])))
        in_time = process.poll() is None
        call("xfs_io", "-x", "-c", "shutdown", str(self.spool))
        process.communicate()
        call("umount", str(self.spool))
        self.mount()
        return in_time

    def whole(self):
        """A run that nobody disturbs."""
        began = time.monotonic()
        process = self.run("run", "--retry")
        said, _ = process.communicate()
        if process.returncode != 0:
            raise SystemExit(f"{self.kind}: a run after the cut ended with {process.returncode}:\n{said}")
        self.waits.append(time.monotonic() - began)

    def reckon(self):
        told = {}
        files = sorted((self.place / "partner").iterdir())
        for path in files:
            if path.name.startswith("."):
                raise SystemExit(f"{self.kind}: {path.name} was left behind")
            text = path.read_bytes().decode()
            if "\rFTS|" not in text or not text.endswith("\r"):
                raise SystemExit(f"{self.kind}: {path.name} is half of a file")
            for segment in text.split("\r"):
                if segment.startswith("PID|"):
                    row = int(segment.split("|")[2])
                    told[row] = told.get(row, 0) + 1
        lost = [row for row in range(1, self.rows + 1) if row not in told]
        doubled = [row for row, times in told.items() if times > 1]
        if lost or doubled or len(told) != self.rows:
            raise SystemExit(f"{self.kind}: lost {lost[:9]}, doubled {doubled[:9]}")
        process = self.run("check")
        said, _ = process.communicate()
        if process.returncode != 0:
            raise SystemExit(f"{self.kind}: check says\n{said}")
        return len(files)

    def close(self):
        subprocess.run(["umount", str(self.spool)], capture_output=True)


def main():
    os.umask(0o077)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/hl7drop")
    parser.add_argument("--cuts", type=int, default=250, help="for each file system [%(default)s]")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    program = str(pathlib.Path(asked.program).resolve())
    for kind in ("ext4", "xfs"):
        with tempfile.TemporaryDirectory(prefix="hl7drop-power.") as place:
            trial = Trial(kind, program, pathlib.Path(place), asked.seed)
            try:
                began, cuts = time.monotonic(), 0
                trial.drop()
                trial.whole()
                while cuts < asked.cuts:
                    if trial.random.random() < 0.7:
                        trial.drop()
                    cuts += trial.cut()
                    # Some cuts follow each other with no whole run in between.
                    if trial.random.random() < 0.5:
                        trial.whole()
                trial.whole()
                files = trial.reckon()
                took = time.monotonic() - began
                print(f"{kind}: {cuts} power cuts, {trial.rows} rows in {files} files, "
                      f"none lost, doubled or partial, {took:.0f} s", flush=True)
            finally:
                trial.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
