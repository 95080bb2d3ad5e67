#!/usr/bin/env python3
"""Measures hl7drop beside its yardsticks; `scripts/bench.sh --help` says how.

Standard library only. Every program runs as a child of its own, so that the kernel's
account of its time on the cores is exactly its. The largest resident size is its own
VmHWM, read while it runs: the kernel's account of it (`ru_maxrss`) would begin with
the size of this Python.
"""

import argparse
import csv
import filecmp
import hashlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
RELEASE = TARGET / ("debug" if "--small" in sys.argv else "release")
WORK = TARGET / "bench"
LAST = ROOT / "benches/figures.json"
GOLDEN = ROOT / "tests/cases/golden-v231/interface.toml"
PYTHON_ROWS_MAX = 100_000
MEMORY_BAR = 64 * 2**20
PYTHON_BAR = 10
LIMIT_BARS = {"convert": 0.6, "run": 0.35}
KNOWN_BAR = 0.5
JOINED_BAR = 0.5
GZIP_BAR = 0.9
GROWTH_BAR = 10.5
CHECK_BAR = 0.15
NOTHING_BAR = 0.05
# The small form: rows, turns, and how much slower than its last committed figures it
# may be. It runs in CI, beside whatever else is there, on a binary that is not optimized.
SMALL_ROWS, SMALL_TURNS, SMALL_FACTOR = 5_000, 3, 10
# The same clock and first numbers as the defaults of scripts/peers/convert.py.
SETTLED = ["--clock", "2026-05-20T11:00:00", "--first-control-id", "1000001",
           "--file-number", "42"]


class Peak(threading.Thread):
    """Reads the largest resident size of a process until it ends."""

    def __init__(self, pid):
        super().__init__()
        self.status, self.bytes = Path(f"/proc/{pid}/status"), 0

    def run(self):
        while True:
            try:
                found = re.search(r"^VmHWM:\s+(\d+) kB", self.status.read_text(), re.M)
            except OSError:
                return
            if not found:  # it has ended, and has no memory any more
                return
            self.bytes = max(self.bytes, int(found[1]) * 1024)
            time.sleep(0.004)


class Case:
    """A program to be measured."""

    def __init__(self, name, rows, argv, reads, writes, before=None, stdout=None):
        self.name, self.rows, self.argv = name, rows, [str(word) for word in argv]
        self.reads, self.writes = reads, writes
        self.before, self.stdout = before, stdout
        self.turns = []

    def turn(self):
        """Runs once: prepared, and with nothing left to write from the turn before."""
        if self.before:
            self.before()
        elif self.writes:
            self.writes().unlink(missing_ok=True)
        os.sync()
        with open(self.stdout or os.devnull, "wb") as out, open(WORK / "stderr", "w+b") as err:
            begun = time.perf_counter()
            child = subprocess.Popen(self.argv, stdout=out, stderr=err)
            peak = Peak(child.pid)
            peak.start()
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.perf_counter() - begun
            peak.join()
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode != 0:
                err.seek(0)
                text = err.read().decode(errors="replace")
                sys.exit(f"bench: `{self.name}` exited with {child.returncode}\n{text[-2000:]}")
        self.turns.append((wall, usage.ru_utime + usage.ru_stime, peak.bytes))

    def figures(self):
        """Returns the medians; the memory is the largest of all turns."""
        wall, cores = (statistics.median(column) for column in list(zip(*self.turns))[:2])
        size_in = sum(path.stat().st_size for path in self.reads)
        size_out = self.writes().stat().st_size if self.writes else 0
        return {
            "name": self.name, "rows": self.rows, "turns": len(self.turns),
            "seconds": round(wall, 4), "core_seconds": round(cores, 4),
            "seconds_all": [round(turn[0], 4) for turn in self.turns],
            "rows_per_second": round(self.rows / wall),
            "mb_in_per_second": round(size_in / wall / 1e6, 1),
            "mb_out_per_second": round(size_out / wall / 1e6, 1),
            "bytes_in": size_in, "bytes_out": size_out,
            "peak_bytes": max(turn[2] for turn in self.turns),
        }


def extracts(rows):
    """Returns the folder of generated extracts, made once for each generator."""
    sources = sorted((ROOT / "examples/generate").glob("*.rs"))
    maker = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    folder = WORK / str(rows)
    if (folder / "maker").is_file() and (folder / "maker").read_text() == maker:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    print(f"making {rows:,} patients", file=sys.stderr)
    made = [RELEASE / "examples/generate", "--rows", rows, "--seed", 1,
            "--appointments", rows * 6 // 10, "--out", folder]
    subprocess.run([str(word) for word in made], check=True, stdout=subprocess.DEVNULL)
    # The same patients with other values.
    made[made.index("--seed") + 1] = 2
    made[-1] = folder / "other"
    subprocess.run([str(word) for word in made], check=True, stdout=subprocess.DEVNULL)
    with open(folder / "patients.csv.gz", "wb") as out:
        subprocess.run(["gzip", "-6", "-c", str(folder / "patients.csv")], check=True, stdout=out)
    with open(folder / "appointments.csv", newline="", encoding="utf-8") as file:
        (folder / "appointments").write_text(str(sum(1 for _ in csv.reader(file)) - 1))
    (folder / "maker").write_text(maker)
    return folder


def convert(name, binary, rows, files, out):
    argv = [binary, "convert", "--interface", GOLDEN, *SETTLED, "-o", out, *files]
    return Case(name, rows, argv, files, lambda: out)


class House:
    """An interface of its own with a folder endpoint, new for each turn."""

    def __init__(self, files):
        self.files, self.root = files, WORK / "house"

    def build(self):
        shutil.rmtree(self.root, ignore_errors=True)
        (self.root / "interfaces/delivered").mkdir(parents=True)
        (self.root / "hl7drop.toml").write_text("")
        text = GOLDEN.read_text() + "\n[pickup]\nsettle_seconds = 0\n"
        # Half of the known patients change at once: else the drop waits for a person.
        text += "[guard]\nchanges_percent_max = 100\n"
        (self.root / "interfaces/golden-v231.toml").write_text(text)
        inbox = self.root / "spool/golden-v231/test/inbox"
        inbox.mkdir(parents=True, mode=0o700)
        for path in self.files:
            shutil.copyfile(path, inbox / path.name)

    def build_known(self, run, files):
        """All of it is known to the register, and other values are dropped."""
        self.build()
        subprocess.run([str(word) for word in run], check=True, stdout=subprocess.DEVNULL)
        for path in files:
            shutil.copyfile(path, self.root / "spool/golden-v231/test/inbox" / path.name)

    def delivered(self):
        found = sorted((self.root / "interfaces/delivered").iterdir())
        if len(found) not in (1, 2):
            sys.exit(f"bench: run delivered {len(found)} files")
        return found[-1]


def cases(rows, args):
    """Returns what is measured on so many patients, in the order of its turns."""
    folder = extracts(rows)
    references = [folder / "providers.csv", folder / "departments.csv"]
    files = [folder / "patients.csv", *references]
    others = [folder / "other/patients.csv"]
    batch, copy, other = WORK / "convert.hl7", WORK / "copy.hl7", WORK / "other.hl7"
    plain, limit = WORK / "plain.hl7", WORK / "limit.hl7"
    house = House(files)
    run = [RELEASE / "hl7drop", "--config", house.root / "hl7drop.toml", "run"]
    found = [
        convert("convert", RELEASE / "hl7drop", rows, files, batch),
        Case("run", rows, run, files, house.delivered, before=house.build),
        Case("run, known", rows, run, others, house.delivered,
             before=lambda: house.build_known(run, others)),
        Case("nothing to do", 0, run, [], None, before=lambda: None),
        Case("limit", rows, [RELEASE / "examples/limit", *files, limit], files, lambda: limit),
        Case("scan", rows, [RELEASE / "examples/scan", files[0]], files[:1], None),
        Case("cp", rows, ["cp", batch, copy], [batch], lambda: copy),
        convert("gzip", RELEASE / "hl7drop", rows,
                [folder / "patients.csv.gz", *references], WORK / "gzip.hl7"),
        Case("gzip -d", rows, ["gzip", "-dc", folder / "patients.csv.gz"],
             [folder / "patients.csv.gz"], lambda: plain, stdout=plain),
        convert("joined", RELEASE / "hl7drop", rows + int((folder / "appointments").read_text()),
                [*files, folder / "appointments.csv"], WORK / "joined.hl7"),
    ]
    alone = [RELEASE / "examples/selfcheck", GOLDEN, batch]
    found.append(Case("self-check", rows, alone, [batch], None))
    found.append(Case("self-check, split", rows, [*alone, "--split"], [batch], None))
    if args.against:
        found.insert(1, convert("against", args.against, rows, files, other))
    if rows <= PYTHON_ROWS_MAX:
        script = [sys.executable, ROOT / "scripts/peers/convert.py", *files]
        out = WORK / "python.hl7"
        found.append(Case("python", rows, script, files, lambda: out, stdout=out))
    return found


def measure(group, repeat):
    for number in range(repeat):
        print(f"turn {number + 1} of {repeat}: {group[0].rows:,} rows", file=sys.stderr)
        for case in group:
            case.turn()
    figures = [case.figures() for case in group]
    limit = next((one for one in figures if one["name"] == "limit"), figures[0])
    for one in figures:
        one["patients"] = group[0].rows
        one["cores_to_limit"] = round(limit["core_seconds"] / one["core_seconds"], 3)
        one["to_limit"] = round(limit["seconds"] / one["seconds"], 3)
        one["ratio_to_convert"] = round(figures[0]["seconds"] / one["seconds"], 3)
        one["core_ratio_to_convert"] = round(figures[0]["core_seconds"] / one["core_seconds"], 3)
    return figures


def messages(path):
    """Returns the messages of a batch file, and all around them."""
    parts = re.split(rb"(?=^MSH\|)", path.read_bytes().replace(b"\r", b"\n"), flags=re.M)
    last, _, trailer = parts[-1].partition(b"BTS|")
    return parts[1:-1] + [last], parts[0], b"BTS|" + trailer


def compare():
    """Says how what Python wrote differs from what convert wrote."""
    ours, theirs = messages(WORK / "convert.hl7"), messages(WORK / "python.hl7")
    pairs = list(zip(ours[0], theirs[0]))
    others = sum(one != other for one, other in pairs) + abs(len(ours[0]) - len(theirs[0]))
    around = "same" if ours[1:] == theirs[1:] else "other"
    return {"messages": len(ours[0]), "other_messages": others, "around_them": around}


def joined_rate(group):
    """Returns the rate of appointments alone to that of patients, by bytes written."""
    patients, both = group["convert"], group["joined"]
    rest = (both["bytes_out"] - patients["bytes_out"]) / (both["seconds"] - patients["seconds"])
    return rest / (patients["bytes_out"] / patients["seconds"])


def bars(figures, rows):
    """Returns what issues 2, 3 and 5 ask for, each with its figure and whether it holds."""
    found = []

    def bar(what, figure, unit, least):
        found.append({"bar": what, "figure": f"{figure:.2f}{unit}", "holds": figure >= least})

    for one in figures:
        if one["name"] in ("convert", "run", "joined"):
            mib = one["peak_bytes"] / 2**20
            what = f"peak memory of {one['name']} at {one['patients']:,} patients under 64 MiB"
            holds = one["peak_bytes"] < MEMORY_BAR
            found.append({"bar": what, "figure": f"{mib:.1f} MiB", "holds": holds})
    for count in rows:
        group = {one["name"]: one for one in figures if one["patients"] == count}
        at = f"at {count:,} patients"
        if "python" in group:
            times = group["convert"]["rows_per_second"] / group["python"]["rows_per_second"]
            bar(f"convert at least {PYTHON_BAR} times plain Python {at}", times, "", PYTHON_BAR)
        for name, least in LIMIT_BARS.items():
            for clock, key in (("time", "seconds"), ("core time", "core_seconds")):
                bar(f"{name} at least {least} of the limit program {at}, by {clock}",
                    group["limit"][key] / group[name][key], "", least)
        for clock, key in (("time", "seconds"), ("core time", "core_seconds")):
            bar(f"run with all patients known at least {KNOWN_BAR} of run {at}, by {clock}",
                group["run"][key] / group["run, known"][key], "", KNOWN_BAR)
            more = [one for one in figures
                    if one["name"] == "convert" and one["patients"] == 10 * count]
            if more:
                times = more[0][key] / group["convert"][key]
                found.append({"bar": f"ten times {count:,} patients at most {GROWTH_BAR} times "
                                     f"their {clock}",
                              "figure": f"{times:.2f}", "holds": times <= GROWTH_BAR})
        idle = group["nothing to do"]["seconds"]
        found.append({"bar": f"start-up of run with nothing to do under {NOTHING_BAR * 1000:.0f} "
                             f"ms, {2 * count:,} messages in the ledger",
                      "figure": f"{idle * 1000:.0f} ms", "holds": idle < NOTHING_BAR})
        check = (group["self-check"]["core_seconds"] - group["self-check, split"]["core_seconds"])
        share = check / max(group["convert"]["core_seconds"] - check, 0.001)
        found.append({"bar": f"self-check at most {CHECK_BAR} of the conversion without it {at}, "
                             f"by core time",
                      "figure": f"{share:.2f}", "holds": share <= CHECK_BAR})
        bar(f"joined appointments at least {JOINED_BAR} of the patients' rate {at}",
            joined_rate(group), "", JOINED_BAR)
        bar(f"gzip at least {GZIP_BAR} of gzip -d {at}",
            group["gzip -d"]["seconds"] / group["gzip"]["seconds"], "", GZIP_BAR)
    return found


def machine():
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
                            capture_output=True, text=True, check=False).stdout.strip()
    return {"cores": os.cpu_count(), "cpu": cpu[1] if cpu else platform.processor(),
            "load_before": round(os.getloadavg()[0], 2), "commit": commit,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def table(report):
    where = report["machine"]
    print(f"{where['at']}, commit {where['commit']}, {where['cores']} cores ({where['cpu']}), "
          f"load {where['load_before']} before; medians, ratios by time\n")
    print("| | rows | seconds | on the cores | rows/s | MB/s in | MB/s out | peak MiB | of the "
          "limit | by core time |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for one in report["figures"]:
        print(f"| {one['name']} | {one['rows']:,} | {one['seconds']:.2f} | "
              f"{one['core_seconds']:.2f} | {one['rows_per_second']:,} | "
              f"{one['mb_in_per_second']:.0f} | {one['mb_out_per_second']:.0f} | "
              f"{one['peak_bytes'] / 2**20:.1f} | {one['to_limit']:.2f} | "
              f"{one['cores_to_limit']:.2f} |")
    print()
    if report["python"]:
        told = report["python"]
        print(f"Python's messages: {told['messages']:,}, other than ours: "
              f"{told['other_messages']:,}; headers and trailers: {told['around_them']}")
    last = json.loads(LAST.read_text()) if LAST.is_file() else {"bars": []}
    before = {bar["bar"]: bar["figure"] for bar in last["bars"]}
    for bar in report["bars"]:
        was = before.get(bar["bar"])
        was = f" (last committed: {was})" if was else ""
        print(f"{'holds' if bar['holds'] else 'DOES NOT HOLD'}: {bar['bar']}: "
              f"{bar['figure']}{was}")


def arguments():
    parser = argparse.ArgumentParser(prog="bench.sh")
    parser.add_argument("--rows", default="100000,1000000")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--json")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    try:
        args.rows = sorted(int(rows) for rows in args.rows.split(","))
    except ValueError:
        parser.error("--rows wants numbers with commas between them")
    if args.repeat < 1 or args.rows[0] < 1:
        parser.error("--rows and --repeat want numbers above 0")
    if args.against and not args.against.is_file():
        parser.error(f"there is no {args.against}")
    return args


def small(args):
    """Compares with Python in the same run; fails on an order of magnitude only."""
    folder = extracts(SMALL_ROWS)
    files = [folder / name for name in ("patients.csv", "providers.csv", "departments.csv")]
    batch, plain, house = WORK / "convert.hl7", WORK / "python.hl7", House(files)
    run = [RELEASE / "hl7drop", "--config", house.root / "hl7drop.toml", "run"]
    script = [sys.executable, ROOT / "scripts/peers/convert.py", *files]
    group = [convert("convert", RELEASE / "hl7drop", SMALL_ROWS, files, batch),
             Case("run", SMALL_ROWS, run, files, house.delivered, before=house.build),
             Case("python", SMALL_ROWS, script, files, lambda: plain, stdout=plain)]
    convert_, run_, python = measure(group, SMALL_TURNS)
    now = {one["name"]: round(python["core_seconds"] / one["core_seconds"], 3)
           for one in (convert_, run_)}
    last = json.loads(LAST.read_text()) if LAST.is_file() else {"bars": []}
    if args.keep:
        LAST.write_text(json.dumps(last | {"small": now}, indent=1) + "\n")
    good = True
    for name, times in now.items():
        least = last.get("small", {}).get(name, 0) / SMALL_FACTOR
        good &= times >= least
        print(f"{'holds' if times >= least else 'DOES NOT HOLD'}: {name} of a debug build is "
              f"{times:.2f} times as fast as plain Python by core time; at least {least:.2f}")
    shutil.rmtree(house.root, ignore_errors=True)
    return 0 if good else 1


def main():
    args = arguments()
    WORK.mkdir(parents=True, exist_ok=True)
    if args.small:
        return small(args)
    report = {"machine": machine(), "figures": [], "python": None}
    for rows in args.rows:
        group = cases(rows, args)
        report["figures"] += measure(group, args.repeat)
        if not filecmp.cmp(WORK / "convert.hl7", WORK / "limit.hl7", shallow=False):
            sys.exit("bench: the limit program wrote other bytes than convert")
        if any(case.name == "python" for case in group):
            report["python"] = compare()
    report["bars"] = bars(report["figures"], args.rows)
    if args.keep:
        kept = json.loads(LAST.read_text()) if LAST.is_file() else {}
        LAST.write_text(json.dumps(kept | report, indent=1) + "\n")
    if args.json == "-":
        print(json.dumps(report, indent=1))
    else:
        table(report)
        if args.json:
            Path(args.json).write_text(json.dumps(report, indent=1) + "\n")
    for path in WORK.glob("*.hl7"):
        path.unlink()
    shutil.rmtree(WORK / "house", ignore_errors=True)
    return 0 if all(bar["holds"] for bar in report["bars"]) else 1


if __name__ == "__main__":
    sys.exit(main())
