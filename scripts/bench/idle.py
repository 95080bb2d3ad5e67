#!/usr/bin/env python3
"""Watches interfaces without traffic; `scripts/bench-idle.sh --help` says what it tells.

Standard library only. Arguments: a folder, how many interfaces, for how many seconds, the
program.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import site_of

SHARE_BAR = 0.01
MEMORY_BAR = 128
# Its first look at each interface is not what an idle hour costs.
SETTLE = 15


def on_the_cores(process):
    """Seconds that a process has had, its own and the kernel's."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(process):
    """Its memory at its peak, in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024


def main(place, interfaces, seconds, program):
    place, interfaces, seconds = Path(place), int(interfaces), int(seconds)
    for number in range(interfaces):
        there = place / "there" / str(number)
        there.mkdir(parents=True)
        site_of.make(place, f"practice{number:04}", site_of.to_folder(there))
    run = [program, "--config", place / "hl7drop.toml", "watch"]
    began = time.monotonic()
    with open(place / "said", "w", encoding="utf-8") as said:
        daemon = subprocess.Popen(run, stdout=said, stderr=said)
    ledgers = lambda: len(list((place / "spool").glob("*/test/ledger.db")))
    while daemon.poll() is None and ledgers() < interfaces and time.monotonic() - began < 300:
        time.sleep(0.5)
    took = time.monotonic() - began
    time.sleep(SETTLE)
    if daemon.poll() is not None or ledgers() < interfaces:
        print(f"it does not watch {interfaces} interfaces:", (place / "said").read_text()[-2000:])
        return 1
    before, at = on_the_cores(daemon.pid), time.monotonic()
    time.sleep(seconds)
    share = (on_the_cores(daemon.pid) - before) / (time.monotonic() - at)
    memory = peak(daemon.pid)
    daemon.send_signal(signal.SIGTERM)
    ended = daemon.wait(timeout=60)
    print(f"{interfaces} interfaces, all looked at after {took:.1f} s; then over {seconds} s "
          f"{share:.2%} of a core, {memory:.1f} MiB at most")
    bad = []
    if ended != 0:
        bad.append(f"hl7drop watch ended with {ended}")
    if share >= SHARE_BAR:
        bad.append("1 % of a core or more")
    if memory >= MEMORY_BAR:
        bad.append("128 MiB or more")
    print("; ".join(bad) or "every bar held")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
