#!/usr/bin/env python3
"""Delivers files by hl7drop and by sftp(1), turn by turn; `scripts/bench-sftp.sh --help`
says how. Standard library only.
"""

import argparse
import hashlib
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import site_of

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "release/hl7drop"
LARGE_BAR, SMALL_BAR = 0.95, 1.0
# With so many connections a line of 20 ms must carry so many times what `put` does.
CONNECTIONS, WIDE_BAR, WIDE_DELAY = 4, 2.5, 20
# A patient's message has about 306 bytes, a batch file of 33 of them about 10 KB.
BYTES_A_PATIENT, PATIENTS_A_FILE = 306, 33
HEADER = "event,patientid,lastname,firstname,dob,sex,address1,city,state,zip,mobilephone,email\n"


class Proxy:
    """Passes bytes on, each half a round trip after it came; a connection keeps its delay."""

    def __init__(self, to):
        self.to, self.delay = to, 0.0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.to))
            for one, other in [(client, server), (server, client)]:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                under_way = queue.Queue()
                for work in [self.take, self.give]:
                    args = (one, other, under_way, self.delay)
                    threading.Thread(target=work, args=args, daemon=True).start()

    @staticmethod
    def take(source, _, under_way, delay):
        while True:
            try:
                data = source.recv(1 << 18)
            except OSError:
                data = b""
            under_way.put((time.monotonic() + delay, data))
            if not data:
                return

    @staticmethod
    def give(_, to, under_way, __):
        while True:
            when, data = under_way.get()
            left = when - time.monotonic()
            if left > 0:
                time.sleep(left)
            try:
                if not data:
                    to.shutdown(socket.SHUT_WR)
                    return
                to.sendall(data)
            except OSError:
                return


def patients(first, count):
    """Rows with what makes a usual message of it."""
    row = ("add,{0},Doe{0},Ann,02/14/1987,F,{0} MAIN ST,SCRANTON,PA,18503,"
           "5705550{1:03},ann{0}@example.org\n")
    return HEADER + "".join(row.format(at, at % 1000) for at in range(first, first + count))


class Site:
    """An interface whose batch files wait, and which can be put back to that."""

    def __init__(self, place, server, port, connections=1):
        self.place, self.there = place, place.parent / "there"
        self.server, self.port = server, port
        place.mkdir()
        self.there.mkdir(exist_ok=True)
        known = [line.split(" ", 1)[1] for line in
                 Path(server["KNOWN_HOSTS"]).read_text().splitlines() if line]
        hosts = place / "known_hosts"
        hosts.write_text("".join(f"[127.0.0.1]:{port} {key}\n" for key in known))
        self.inbox = site_of.make(
            place, "bench",
            site_of.to_server(server, self.there, port, hosts) + f"\nconnections = {connections}")
        self.outbox = place / "spool/bench/test/outbox"

    def hl7drop(self, *args):
        command = [PROGRAM, "--config", self.place / "hl7drop.toml", *args]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def must(self, *args):
        done = self.hl7drop(*args)
        if done.returncode != 0:
            sys.exit(f"hl7drop {args[0]} ended with {done.returncode}: {done.stderr}{done.stdout}")

    def promise(self, sizes):
        """Makes a batch file of so many patients each, which wait; returns copies of them."""
        self.must("run")
        self.must("queue", "hold", "--interface", "bench", "--why", "bench")
        first = 1
        for count in sizes:
            (self.inbox / "patients.csv").write_text(patients(first, count))
            self.must("run")
            first += count
        self.must("queue", "release", "--interface", "bench")
        kept = self.place / "kept"
        kept.mkdir()
        for path in self.outbox.iterdir():
            if path.is_file():
                os.link(path, kept / path.name)
        return sorted(kept.iterdir())


def emptied(folder):
    for path in folder.iterdir():
        path.unlink()


def digests(paths):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def by_sftp(site, files, whole):
    lines = []
    for path in files:
        if whole:
            lines += [f"put -f {path} {site.there}/.{path.name}.part",
                      f"rename {site.there}/.{path.name}.part {site.there}/{path.name}"]
        else:
            lines.append(f"put {path} {site.there}/{path.name}")
    command = ["sftp", "-q", "-b", "-", "-P", str(site.port), "-i", site.server["KEY_FILE"],
               "-o", f"UserKnownHostsFile={site.place}/known_hosts", "-o", "IdentitiesOnly=yes",
               f"{site.server['USER']}@127.0.0.1"]
    done = subprocess.run(command, input="\n".join(lines) + "\n", text=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"sftp ended with {done.returncode}: {done.stderr[-2000:]}")


def timed(site, files, work):
    emptied(site.there)
    began = time.monotonic()
    work()
    took = time.monotonic() - began
    if digests(site.there.iterdir()) != digests(files):
        sys.exit("what arrived is not what was sent")
    return took


def measure(site, files, delay, proxy):
    """Returns seconds of each."""
    proxy.delay = delay / 2000
    return {
        "put": timed(site, files, lambda: by_sftp(site, files, False)),
        "the same": timed(site, files, lambda: by_sftp(site, files, True)),
        "hl7drop": timed(site, files, lambda: site.must("run")),
    }


def sites(what, options, delays, server, proxy):
    """Gives for each delay a site whose batch files wait, and these files."""
    if what == "small":
        for delay in delays:
            count = options.files // {0: 1, 20: 10}.get(delay, 20)
            for connections in [1, CONNECTIONS]:
                proxy.delay = 0
                site = Site(options.place / f"small-{delay}", server, proxy.port, connections)
                yield delay, connections, site, site.promise([PATIENTS_A_FILE] * count)
                shutil.rmtree(site.place)
        return
    site = Site(options.place / "large", server, proxy.port)
    files = site.promise([options.mib * 2**20 // BYTES_A_PATIENT])
    for turn, delay in enumerate(delays):
        if turn > 0:
            # The same bytes once more: to make them anew takes longer than to send them.
            emptied(site.there)
            proxy.delay = 0
            name = files[0].name
            site.must("queue", "resend", name, "--interface", "bench", "--why", "bench")
        yield delay, 1, site, files
    shutil.rmtree(site.place)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("place", type=Path)
    parse.add_argument("--mib", type=int, default=1024)
    parse.add_argument("--files", type=int, default=2000)
    parse.add_argument("--delays", default="0,20,80")
    parse.add_argument("--only", choices=["large", "small"])
    parse.add_argument("--json", type=Path)
    options = parse.parse_args()
    server = site_of.server_of(options.place / "server")
    proxy = Proxy(int(server["PORT"]))
    delays = [int(text) for text in options.delays.split(",")]
    rows, bad = [], []
    for what, first_bar in [("large", LARGE_BAR), ("small", SMALL_BAR)]:
        if options.only not in (None, what):
            continue
        for delay, connections, site, files in sites(what, options, delays, server, proxy):
            bar = first_bar
            if connections > 1:
                # At the other delays it is told only.
                bar = WIDE_BAR if delay == WIDE_DELAY else 0
            size = sum(path.stat().st_size for path in files)
            took = measure(site, files, delay, proxy)
            ratio = took["put"] / took["hl7drop"]
            rows.append({"what": what, "delay_ms": delay, "connections": connections,
                         "files": len(files), "bytes": size, "load": os.getloadavg()[0],
                         "seconds": took, "of_put": ratio,
                         "of_the_same": took["the same"] / took["hl7drop"]})
            shown = ", ".join(f"{name} {one:.2f} s" for name, one in took.items())
            rate = size / 1e6 if what == "large" else len(files)
            unit = "MB/s" if what == "large" else "files/s"
            rates = " / ".join(f"{rate / one:.1f}" for one in took.values())
            print(f"{what}, {delay} ms, connections = {connections}, load {os.getloadavg()[0]:.0f}: "
                  f"{len(files)} files, {size / 1e6:.1f} MB: {shown} "
                  f"({rates} {unit}); {ratio:.2f} of put, "
                  f"{rows[-1]['of_the_same']:.2f} of the same", flush=True)
            if ratio < bar:
                bad.append(f"{what} at {delay} ms, connections = {connections}: {ratio:.2f} of put, "
                           f"and {bar} is the bar")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    print("; ".join(bad) or "every bar held")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
