#!/usr/bin/env python3
"""Builds a site with many messages and asks it; `scripts/bench-queue.sh --help` says what.

Standard library only. Whoever asks is a process of its own each time, as an analyst's
shell is: its start is in every figure.
"""

import json
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import site_of

PLACE, DROPS, ROWS, RELEASE = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
# How often each patient is told, and how often each question is asked.
TIMES, ASKED = 4, 200
HEAD = "event,patientid,lastname,firstname,dob,sex\n"
STATES = ["SCHEDULED", "NEW", "DISTRIBUTED", "PENDING", "PROCESSED", "ERROR", "CBOERROR",
          "ATHENAERROR", "DELETED", "FILTERED"]


def program(*words):
    """Runs hl7drop; returns what it wrote, and its seconds by the clock and on the cores."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    argv = [RELEASE / "hl7drop", "--config", PLACE / "hl7drop.toml", *words]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 3):
        sys.exit(f"hl7drop {' '.join(map(str, words))} ended with {done.returncode}: {done.stderr}")
    cores = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, took, cores


def first_of(drop):
    """The first patient of a drop: after a quarter of them all are told again."""
    return drop % max(DROPS // TIMES, 1) * ROWS + 1


def drop_one(drop, inbox):
    """A drop: patients, the last of them with a date of birth that does not exist."""
    event = "add" if drop < DROPS // TIMES else "update"
    first = first_of(drop)
    rows = [f"{event},{first + at},Doe{drop},Ann,02/14/1987,F\n" for at in range(ROWS)]
    rows.append(f"{event},{10**12 + drop},Roe,Jon,02/30/1987,M\n")
    part = PLACE / "patients.part"
    part.write_text(HEAD + "".join(rows))
    part.rename(inbox / f"patients-{drop:06}.csv")


def build(inbox, there):
    """Lets the program take drop after drop; returns its seconds on the cores."""
    done, kept = PLACE / "built", PLACE / "cores.json"
    begun = int(done.read_text()) if done.exists() else 0
    cores = json.loads(kept.read_text()) if kept.exists() else []
    for drop in range(begun, DROPS):
        drop_one(drop, inbox)
        if drop == DROPS - 1:
            program("queue", "hold", "--interface", "many", "--why", "bench")
        _, _, used = program("run")
        cores.append(used)
        done.write_text(str(drop + 1))
        kept.write_text(json.dumps(cores))
        shutil.rmtree(there)  # the vendor took it
        there.mkdir()
        if (drop + 1) % 100 == 0:
            print(f"{drop + 1} of {DROPS} drops", file=sys.stderr)
    return cores


def ask(words_of, times=ASKED):
    """Asks; returns the hits of the last answer, and all seconds."""
    took, cores, hits = [], [], 0
    for number in range(times):
        out, seconds, used = program("queue", "search", "many", "--json", *words_of(number))
        took.append(seconds)
        cores.append(used)
        hits = sum(len(one["hits"]) for one in json.loads(out))
    return hits, took, cores


def ms(seconds):
    return f"{seconds * 1000:.1f} ms"


def p95(values):
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


def tracking(run_cores):
    """The share of tracking in the time of `run` on the cores, by the same drops."""
    folder, drops = PLACE / "track", 20
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([RELEASE / "examples/track", folder, str(drops), str(ROWS)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(folder)
    own = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / drops
    return own, own / statistics.median(run_cores)


def main():
    there = PLACE / "there"
    there.mkdir(parents=True, exist_ok=True)
    way, guard = site_of.to_folder(there), "[guard]\nchanges_percent_max = 100\n"
    inbox = site_of.make(PLACE, "many", way, guard)
    cores = build(inbox, there)
    pick = random.Random(1)
    ledger = sum(path.stat().st_size for path in inbox.parent.glob("ledger*"))
    index = sum(path.stat().st_size for path in (inbox.parent / "index").iterdir())
    print(f"{DROPS * ROWS:,} messages of {DROPS:,} drops; ledger and register {ledger >> 20} MiB, "
          f"indexes {index >> 20} MiB; load {os.getloadavg()[0]:.1f}")
    bad = []

    def held(holds, text):
        print(("holds: " if holds else "DOES NOT HOLD: ") + text)
        bad.extend([text] * (not holds))

    def told(name, bar, took, used, hits):
        held(p95(used) < bar, f"{name} under {ms(bar)} at the 95th percentile: {ms(p95(used))} on the "
             f"cores, median {ms(statistics.median(used))}; by the clock {ms(p95(took))}, median "
             f"{ms(statistics.median(took))}; {hits} hits")

    patients = max(DROPS // TIMES, 1) * ROWS
    one = {
        "by patient ID": lambda _: ("--patient", str(pick.randint(1, patients))),
        "by control ID": lambda _: ("--control", str(pick.randint(1, DROPS * ROWS))),
    }
    for name, words in one.items():
        hits, took, used = ask(words)
        told(name, 0.05, took, used, hits)
    for state in STATES:
        hits, took, used = ask(lambda _, state=state: ("--state", state), 20)
        told(f"a page of {state}", 0.1, took, used, hits)
    if cores and (RELEASE / "examples/track").exists():
        own, share = tracking(cores)
        held(share <= 0.15, f"tracking at most 15 % of `run`: {share * 100:.1f} %, {ms(own)} of "
             f"{ms(statistics.median(cores))} on the cores for each drop")
    program("queue", "release", "--interface", "many", "--why", "bench")
    program("run")
    nothing = [program("run")[1:] for _ in range(20)]
    clock, used = (statistics.median(column) for column in zip(*nothing))
    held(used < 0.05, f"start-up of `run` with nothing to do under 50 ms: {ms(used)} on the cores, "
         f"{ms(clock)} by the clock")
    sys.exit(1 if bad else 0)


main()
