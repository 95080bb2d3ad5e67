#!/usr/bin/env python3
"""How long a backfill takes, and how much memory, with the release build.

Usage: scripts/backfill.py [--patients N] [--narrow] [--ids] [--binary FILE] [--dir DIR]

Makes full extracts of a practice that does not exist, N patients and half as many
appointments, prepares a backfill of them, releases it, sends it to a folder without a
limit, and says of each step how long it took and how much memory it had at most. At the
end what arrived is counted: one A28 a patient, and one S12 an appointment to come.

  --patients N   [default: 1000000]
  --narrow       patients have seven columns: a third of the disk
  --ids          patients have an external ID, the first and the last one the same
  --binary FILE  the program [default: target/release/hl7drop]
  --dir DIR      where all of it lies, some 4 GB a million; it is removed at the end
                 [default: a new folder below $TMPDIR]

EXIT STATUS
  0  measured, and what arrived is what was to arrive
  1  it is not
  2  wrong usage, or something is missing on this machine
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CITIES = ["Scranton", "Dunmore", "Olyphant", "Archbald", "Carbondale"]


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("--patients", type=int, default=1_000_000)
    parser.add_argument("--narrow", action="store_true")
    parser.add_argument("--ids", action="store_true")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/hl7drop")
    parser.add_argument("--dir", type=Path)
    parser.add_argument("-h", "--help", action="store_true")
    args = parser.parse_args()
    if args.help:
        print(__doc__)
        sys.exit(0)
    if not args.binary.exists():
        print(f"backfill.py: {args.binary} is not there: cargo build --release", file=sys.stderr)
        sys.exit(2)
    return args


def extracts(folder, count, ids, narrow):
    """Writes the two extracts; returns how many appointments are to come."""
    patients, appointments = folder / "patients-full.csv", folder / "appointments-full.csv"
    with open(patients, "w") as out:
        more = "city" if narrow else "address1,city,state,zip,homephone"
        head = f"patientid,lastname,firstname,dob,sex,{more},lastmodified"
        out.write(head + (",customfield_21" if ids else "") + "\n")
        for number in range(1, count + 1):
            mrn = f",{1 if number == count else number:09}" if ids else ""
            city = CITIES[number % 5]
            place = (
                city
                if narrow
                else f"{number} Main St,{city},PA,185{number % 90 + 10},(570)555-{number % 10000:04}"
            )
            out.write(
                f"{number},Doe{number},Ann{number % 977},{number % 12 + 1:02}/"
                f"{number % 28 + 1:02}/{1930 + number % 90},{'FM'[number % 2]},{place},"
                f"05/18/2026 08:00:00{mrn}\n"
            )
    to_come = 0
    with open(appointments, "w") as out:
        out.write(
            "appointmentid,patientid,departmentid,providerid,date,starttime,duration,"
            "appointmentstatus,appointmenttype,lastmodified\n"
        )
        for number in range(1, count // 2 + 1):
            # Of one who is refused for the ID that two have, nothing can be told.
            patient = number * 2 if number * 2 < count else 2
            year, status = (2126, "f") if number % 4 else (2016, "3")
            to_come += year == 2126
            out.write(
                f"{number},{patient},12,27,{number % 12 + 1:02}/{number % 28 + 1:02}/{year},"
                f"{number % 10 + 8:02}:00,15,{status},Physical,05/18/2026 08:00:00\n"
            )
    return patients, appointments, to_come


def site(folder, ids):
    """Writes the settings of a site that delivers into a folder."""
    (folder / "partner").mkdir()
    (folder / "interfaces").mkdir()
    (folder / "hl7drop.toml").write_text("")
    custom = (
        '[[external_ids.patient]]\nname = "MRN"\ncustom_field_id = "21"\ncategory = "mrn"\n'
        'field = "PID-3"\n'
        if ids
        else ""
    )
    (folder / "interfaces/clinic.toml").write_text(
        '[project]\ninterface = "clinic"\ncontext_id = "99999"\npractice = "Nobody"\n'
        'environment = "test"\n[wire]\nreceiving_application = "CARESYNC"\n[connectivity.test]\n'
        'method = "folder"\nfolder = "../partner"\n[provider_id]\nuse = "athena"\n[backfill]\n'
        "messages_per_minute = 0\n" + custom
    )


def measured(what, rows, command):
    """Runs a command; says how long it took and how much memory it had at most."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    took = time.monotonic() - began
    code = os.waitstatus_to_exitcode(status)
    print(
        f"{what:<10} {took:8.1f} s {rows / took:12,.0f} rows a second "
        f"{used.ru_maxrss / 1024:8.1f} MiB at most, exit {code}",
        flush=True,
    )
    return output


def arrived(partner):
    """Counts the messages of each kind, and the files."""
    counts, files = {"A28": 0, "S12": 0}, 0
    for path in sorted(partner.iterdir()):
        files += 1
        text = path.read_bytes()
        assert b"|hl7drop backfill=Y env=T|" in text, path
        counts["A28"] += text.count(b"|ADT^A28|")
        counts["S12"] += text.count(b"|SIU^S12|")
    return counts, files


def main():
    args = arguments()
    folder = args.dir or Path(tempfile.mkdtemp(prefix="hl7drop-backfill-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    try:
        patients, appointments, to_come = extracts(folder, args.patients, args.ids, args.narrow)
        site(folder, args.ids)
        rows = args.patients + args.patients // 2
        program = [args.binary, "--config", folder / "hl7drop.toml", "backfill"]
        size = (patients.stat().st_size + appointments.stat().st_size) / 2**20
        print(f"{args.patients:,} patients, {args.patients // 2:,} appointments, {size:,.0f} MiB")
        start = measured("start", rows, program + ["start", "clinic", patients, appointments, "--json"])
        prepared = json.loads(start)["prepared"]
        measured("release", rows, program + ["release", "clinic"])
        measured("run", rows, program + ["run", "clinic"])
        status = json.loads(measured("status", rows, program + ["status", "clinic", "--json"]))[0]
        counts, files = arrived(folder / "partner")
        shared = 2 if args.ids else 0
        wanted = {"A28": args.patients - shared, "S12": to_come}
        print(f"{counts['A28']:,} A28 and {counts['S12']:,} S12 in {files:,} files")
        good = counts == wanted and status["stage"] == "done"
        good = good and prepared["not_unique_rows"] == shared
        if not good:
            print(f"wanted {wanted}; {status['stage']}", file=sys.stderr)
        return 0 if good else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
