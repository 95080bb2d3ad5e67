#!/usr/bin/env python3
"""Looks at what arrived at scripts/sftpd.sh's server, without any code of hl7drop.

Usage: hl7drop status --json | scripts/verify.py SPOOL SERVER

SPOOL is the spool folder of hl7drop.toml, SERVER the folder of sftpd.sh. For each
batch file with a receipt it compares the file in the server's folder with the one
in sent/ and with the receipt, counts its messages against its trailers, and sees
that nothing else lies there. Then it sees that every row is accounted for.

EXIT STATUS
  0  all is as it says; at least one batch file was looked at
  1  something is not; the lines that begin with WRONG say what
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

wrong = 0


def check(what, fine):
    """Tells one thing that was looked at."""
    global wrong
    wrong += not fine
    print(f"  {'ok   ' if fine else 'WRONG'}  {what}")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def fingerprint(server):
    """The server's own host key, as OpenSSH writes fingerprints."""
    key = base64.b64decode((server / "host_key.pub").read_text().split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def segments(path):
    """The fields of each segment."""
    text = path.read_bytes().decode("utf-8")  # read_text would change the line ends
    return [line.split("|") for line in text.split("\r") if line]


def check_batch(name, sent, batch, host_key):
    receipt, stored = batch["receipt"], Path(batch["receipt"]["path"])
    check(f"{name}: {stored.name} is at the server under its final name", stored.is_file())
    digests = {batch["sha256"], sha256(stored), *map(sha256, sent.glob(f"*/{batch['batch']}"))}
    check(f"{name}: SHA-256 {batch['sha256'][:12]}.. there, in sent/ and in the receipt",
          len(digests) == 1 and any(sent.glob(f"*/{batch['batch']}")))
    check(f"{name}: the host key in the receipt is the server's", receipt["host_key"] == host_key)
    if not stored.is_file():
        return []
    found = segments(stored)
    messages = [fields for fields in found if fields[0] == "MSH"]
    batches = [int(fields[1]) for fields in found if fields[0] == "BTS"]
    files = [int(fields[1]) for fields in found if fields[0] == "FTS"]
    check(f"{name}: {len(messages)} MSH = {' + '.join(map(str, batches))} in the BTS = ledger",
          len(messages) == sum(batches) == batch["messages"])
    check(f"{name}: {len(batches)} BTS = {files[0] if files else 'none'} in the FTS",
          files == [len(batches)])
    return [fields[9] for fields in messages]


def check_interface(status, spool, host_key):
    name = status["interface"]
    sent = spool / name / status["environment"] / "sent"
    controls, places = [], {}
    for batch in status["delivered"]:
        controls += check_batch(name, sent, batch, host_key)
        stored = Path(batch["receipt"]["path"])
        places.setdefault(stored.parent, set()).add(stored.name)
    check(f"{name}: {len(controls)} control IDs, each given once",
          0 < len(controls) == len(set(controls)))
    for place, names in places.items():
        check(f"{name}: nothing else in {place.name}/ at the server",
              place.is_dir() and names == {path.name for path in place.iterdir()})
    check(f"{name}: nothing is left undelivered", not status["undelivered"])
    counts = [extract["counts"] for extract in status["extracts"]]
    check(f"{name}: rows = sent + filtered + error + duplicate in each of {len(counts)} extracts",
          all(c["rows"] == c["sent"] + c["filtered"] + c["error"] + c["duplicate"]
              for c in counts))
    check(f"{name}: the messages of the extracts are those of the batch files",
          sum(c["messages"] for c in counts) == len(controls))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    spool, server = map(Path, sys.argv[1:])
    statuses = json.load(sys.stdin)
    host_key = fingerprint(server)
    for status in statuses:
        check_interface(status, spool, host_key)
    if not statuses:
        check("there is no interface", False)
    sys.exit(1 if wrong else 0)


main()
