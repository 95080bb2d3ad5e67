#!/usr/bin/env python3
"""The work of scripts/mutants.sh: weaves mutants into a copy of the tree, maps tests, runs them.

cargo-mutants builds the program anew for each mutant, which for this one takes a minute. Here
all mutants that it lists are woven into one build: each function with mutants asks at its
beginning which one is wanted (HL7DROP_MUTANT) and goes on in that one's copy of its body.
What does not compile is taken out again ("unviable"). A run of each test alone notes which
functions it reaches, its child processes among them, so that a mutant meets only those tests
that can see it, the quickest first.
"""
import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

SWITCH = '''//! Which mutant is wanted; part of no program that anybody uses.
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static WANTED: OnceLock<u32> = OnceLock::new();
static REACHED: [AtomicBool; PLACES] = [const { AtomicBool::new(false) }; PLACES];

/// Returns the number of the wanted mutant; notes that this place was reached.
pub fn at(place: usize) -> u32 {
    if !REACHED[place].swap(true, Ordering::Relaxed) {
        if let Some(path) = std::env::var_os("HL7DROP_REACHED") {
            let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
            let _ = file.and_then(|mut file| file.write_all(format!("{place}\\n").as_bytes()));
        }
    }
    *WANTED.get_or_init(|| {
        std::env::var("HL7DROP_MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    })
}
'''


def offset_of(text):
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return lambda place: starts[place["line"] - 1] + place["column"] - 1


def body_of(text, begin, end):
    """Returns where the body of a function begins and ends, without its braces."""
    at = re.compile(r"\bfn\s").search(
        # What stands in comments and attributes before is not the head.
        re.sub(r"(?m)^\s*(//|#\[).*$", lambda m: " " * len(m.group()), text[begin:end]))
    depth = 0
    for place in range(begin + at.start(), end):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        # A brace within the parentheses takes an argument apart.
        if text[place] == "{" and depth == 0:
            return place + 1, end - 1
    sys.exit(f"no body in {text[begin:end]}")


def weave(listed, tree, out):
    """Weaves into the sources below `tree` the mutants of the list that `out` does not name."""
    functions = defaultdict(list)
    for number, one in enumerate(listed, 1):
        if one["function"] and number not in out:
            span = one["function"]["span"]
            functions[(one["file"], json.dumps(span))].append((number, one))
    edits, places = defaultdict(list), []
    for (file, span), mutants in functions.items():
        text = Path(file).read_text(encoding="utf-8")
        span, offset = json.loads(span), offset_of(text)
        begin, end = body_of(text, offset(span["start"]), offset(span["end"]))
        head, body = text[offset(span["start"]):begin], text[begin:end]
        if re.search(r"\bconst fn\b|->\s*impl\b", head):
            out.update({number: "a head that has no room for two bodies" for number, _ in mutants})
            continue
        arms = []
        for number, one in mutants:
            if one["genre"] == "FnValue":
                arm = one["replacement"]
            else:
                first, last = offset(one["span"]["start"]), offset(one["span"]["end"])
                if not begin <= first <= last <= end:
                    out[number] = "outside of a body"
                    continue
                arm = text[begin:first] + one["replacement"] + text[last:end]
            arms.append((number, arm))
        place = len(places)
        places.append({"file": file, "function": one["function"]["function_name"],
                       "mutants": [number for number, _ in arms]})
        edits[file].append((begin, end, place, body, arms))
    lines = defaultdict(list)
    for file, all_edits in edits.items():
        text, woven, done = Path(file).read_text(encoding="utf-8"), "", 0
        for begin, end, place, body, arms in sorted(all_edits):
            if begin < done:
                out.update({number: "inside another function" for number, _ in arms})
                places[place]["mutants"] = []
                continue
            woven += text[done:begin] + f"match crate::mutant::at({place}) {{\n"
            for number, arm in arms:
                first = woven.count("\n") + 1
                woven += f"{number} => {{{arm}}}\n"
                lines[file].append((first, woven.count("\n"), number))
            woven += f"_ => {{{body}}}\n}}"
            done = end
        (tree / file).write_text(woven + text[done:], encoding="utf-8")
    (tree / "src/mutant.rs").write_text(SWITCH.replace("PLACES", str(max(len(places), 1))))
    library = Path("src/lib.rs").read_text(encoding="utf-8").split("\n")
    head = next(at for at, line in enumerate(library) if not line.startswith("//!"))
    # What a mutant computes may be seen to fail by the compiler; it is to fail at a test.
    library.insert(head, "#![allow(warnings, arithmetic_overflow, unconditional_panic)]")
    (tree / "src/lib.rs").write_text("\n".join(library) + "\npub mod mutant;\n")
    return places, lines


def compile_woven(listed, tree, target):
    """Weaves and checks until all that is left compiles; returns the places and the unviable."""
    out = {}
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    while True:
        places, lines = weave(listed, tree, out)
        checked = subprocess.run(
            ["cargo", "check", "--locked", "--lib", "--quiet", "--message-format=json"],
            cwd=tree, env=environment, capture_output=True, text=True)
        before, strange = len(out), []
        for line in checked.stdout.splitlines():
            message = json.loads(line).get("message") or {}
            if message.get("level") != "error" or not message.get("spans"):
                continue
            blamed = False
            for span in [s for s in message["spans"] if s["is_primary"]]:
                for first, last, number in lines[span["file_name"]]:
                    if first <= span["line_start"] <= last:
                        out[number], blamed = message["message"], True
            if not blamed:
                strange.append(message.get("rendered", ""))
        print(f"woven: {len(listed) - len(out)} mutants, {len(out)} unviable", flush=True)
        if checked.returncode == 0:
            return places, out
        if len(out) == before:
            sys.exit("the woven tree does not compile:\n" + "\n".join(strange or [checked.stderr]))


def run_test(test, environment, limit):
    """Runs one test alone; returns whether it passed, and its seconds."""
    binary, name = test
    begun = time.monotonic()
    child = subprocess.Popen(
        [binary, name, "--exact", "--test-threads=1"], env={**os.environ, **environment},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        cwd=environment.get("PWD"))
    try:
        code = child.wait(limit)
    except subprocess.TimeoutExpired:
        code = "slow"
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
    return code, time.monotonic() - begun


def map_tests(tests, tree, jobs):
    """Runs each test once; returns which places it reaches, and how long it takes."""
    reach = {}

    def one(test):
        note = tree / f"reached-{os.getpid()}-{abs(hash(test))}"
        code, seconds = run_test(test, {"HL7DROP_REACHED": str(note), "PWD": str(tree)}, 300)
        places = set()
        if note.exists():
            places = {int(line) for line in note.read_text().split()}
            note.unlink()
        return test, code, seconds, places

    with ThreadPoolExecutor(jobs) as pool:
        for test, code, seconds, places in pool.map(one, tests):
            if code == 0 and places:
                reach[test] = (seconds, places)
            elif code != 0:
                print(f"left out, it fails without a mutant ({code}): {test[1]}", flush=True)
    return reach


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("--tree", type=Path, required=True)
    asked.add_argument("--target", type=Path, required=True)
    asked.add_argument("--list", type=Path, required=True)
    asked.add_argument("--minutes", type=float, default=1e9)
    asked.add_argument("--jobs", type=int, default=2)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--only", default="")
    asked.add_argument("modules", nargs="*")
    asked = asked.parse_args()
    listed = json.loads(asked.list.read_text())
    places, unviable = compile_woven(listed, asked.tree, asked.target)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(asked.target)}
    built = subprocess.run(
        ["cargo", "test", "--locked", "--no-run", "--lib", "--bins", "--test", "suite", "--message-format=json",
         "--quiet"], cwd=asked.tree, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    binaries = {}
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["profile"]["test"]:
            binaries[message["target"]["kind"][0]] = message["executable"]
    tests = []
    for kind, only in (("lib", None), ("test", tuple(f"{one}::" for one in asked.modules))):
        names = subprocess.run([binaries[kind], "--list", "--format=terse"], cwd=asked.tree,
                               capture_output=True, text=True, check=True).stdout
        names = [line.removesuffix(": test") for line in names.splitlines() if line.endswith(": test")]
        tests += [(binaries[kind], name) for name in names if only is None or name.startswith(only)]
    begun = time.monotonic()
    reach = map_tests(tests, asked.tree, asked.jobs)
    print(f"{len(reach)} of {len(tests)} tests reach a mutant, {time.monotonic() - begun:.0f} s", flush=True)

    place_of = {number: at for at, place in enumerate(places) for number in place["mutants"]}
    numbers = sorted(number for number in place_of if number not in unviable)
    if asked.only:
        numbers = [n for n in numbers if re.search(asked.only, listed[n - 1]["name"])]
    random.Random(asked.seed).shuffle(numbers)
    until, lock = time.monotonic() + asked.minutes * 60, Lock()
    results = {}

    def meet(number):
        if time.monotonic() > until:
            return
        at = place_of[number]
        able = sorted((seconds, test) for test, (seconds, reached) in reach.items() if at in reached)
        result = "missed" if able else "not reached"
        for seconds, test in able:
            wanted = {"HL7DROP_MUTANT": str(number), "PWD": str(asked.tree)}
            code, _ = run_test(test, wanted, 20 + 6 * seconds)
            # Twice, so a test that fails by chance catches nothing.
            if code != 0 and (code == "slow" or run_test(test, wanted, 20 + 6 * seconds)[0] != 0):
                result = f"caught by {test[1]}" + (" (never ends)" if code == "slow" else "")
                break
        with lock:
            results[number] = result
            print(f"{len(results)}/{len(numbers)} {listed[number - 1]['name']}: {result}", flush=True)

    with ThreadPoolExecutor(asked.jobs) as pool:
        list(pool.map(meet, numbers))
    caught = sum(1 for result in results.values() if result.startswith("caught"))
    print("\nnot caught:")
    for number, result in sorted(results.items()):
        if not result.startswith("caught"):
            print(f"  {listed[number - 1]['name']} ({result})")
    share = 100.0 * caught / max(len(results), 1)
    print(f"\n{len(listed)} mutants, {len(unviable)} unviable; met {len(results)} of {len(numbers)}: "
          f"{caught} caught, {len(results) - caught} not, {share:.1f} %")
    sys.exit(0 if share >= 95 else 1)


main()
