#!/usr/bin/env python3
"""Drops thousands of small extracts at once; `scripts/bench-many.sh --help` says what it tells.

Standard library only. Arguments: a folder, how many extracts, rows of each, the program, and
what `scripts/sftpd.sh start` wrote, where they go to a server.
"""

import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import site_of

HEAD = "event,patientid,lastname,firstname,dob,sex\n"


def drop(inbox, files, rows):
    for number in range(files):
        ids = range(number * rows, (number + 1) * rows)
        text = HEAD + "".join(f"add,{i + 1},Doe,Ann,02/14/1987,F\n" for i in ids)
        (inbox / f"patients-{number:06}.csv").write_text(text)


def told(there):
    """How often each patient was told."""
    found = {}
    for file in there.iterdir():
        for patient in re.finditer(rb"\rPID\|1?\|?[^|]*\|([0-9]+)", file.read_bytes()):
            found[int(patient[1])] = found.get(int(patient[1]), 0) + 1
    return found


def main(place, files, rows, program, server=None):
    place, files, rows = Path(place), int(files), int(rows)
    there = place / "there"
    there.mkdir()
    way = site_of.to_server(site_of.server_of(server), there) if server else site_of.to_folder(there)
    drop(site_of.make(place, "many", way), files, rows)
    began = time.monotonic()
    run = [program, "--config", place / "hl7drop.toml", "run"]
    done = subprocess.run(run, stdout=subprocess.DEVNULL)
    took = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    times = told(there)
    wrong = [i for i in range(1, files * rows + 1) if times.get(i) != 1]
    rate = files / took
    print(f"{files} files of {rows} rows in {took:.1f} s: {rate:.0f} files/s, "
          f"{peak:.1f} MiB at most")
    bad = []
    if done.returncode != 0:
        bad.append(f"hl7drop run ended with {done.returncode}")
    if wrong:
        bad.append(f"{len(wrong)} rows were not told once, for example patient {wrong[0]}")
    if rate < 200:
        bad.append("fewer than 200 files/s")
    if peak >= 64:
        bad.append("64 MiB or more")
    print("; ".join(bad) or "every bar held")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
