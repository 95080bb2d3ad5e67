"""An SFTP server that lies: OpenSSH's own, and this between it and the client.

sshd starts it as `ForceCommand python3 liar.py MODE`. It passes packets on
(draft-ietf-secsh-filexfer-02) but for those that MODE tells it to change.
`kills FILE` ends the process whose number stands in FILE with SIGKILL, once: before or
after the server has done the request whose number stands behind it. `drops FILE` hangs up
in the second WRITE of a session, unless FILE is there, which it makes. `counts FILE` answers
late, and adds a byte to FILE for each round trip: each request that came while no other was
unanswered.
"""

import os
import signal
import struct
import subprocess
import sys
import threading
import time

WRITE, RENAME, EXTENDED, STATUS, ATTRS = 6, 18, 200, 101, 105
SERVERS = ["/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server"]

mode = sys.argv[1]
server = subprocess.Popen(
    [next(path for path in SERVERS if os.path.exists(path))],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
)
renames, lock = set(), threading.Lock()
requests = writes = unanswered = 0


def packets(stream):
    while True:
        head = read(stream, 4)
        if head is None:
            return
        yield read(stream, struct.unpack(">I", head)[0])


def read(stream, count):
    data = b""
    while len(data) < count:
        more = os.read(stream.fileno(), count - len(data))
        if not more:
            return None
        data += more
    return data


def send(stream, packet):
    packet = struct.pack(">I", len(packet)) + packet
    with lock:
        while packet:
            packet = packet[os.write(stream.fileno(), packet):]


def status(ident, code):
    return bytes([STATUS]) + ident + struct.pack(">I", code) + b"\0\0\0\2no\0\0\0\0"


def written(packet, change):
    """Changes the bytes of a WRITE: id, handle, offset, bytes."""
    at = 5 + 4 + struct.unpack(">I", packet[5:9])[0] + 8
    data = change(packet[at + 4:])
    return packet[:at] + struct.pack(">I", len(data)) + data


def kill(moment):
    """Ends the victim if its moment is now; it is gone before anything goes on."""
    victim, at, when = open(sys.argv[2]).read().split()
    if (int(at), when) != (requests, moment):
        return
    try:
        os.kill(int(victim), signal.SIGKILL)
    except ProcessLookupError:
        pass


def orders():
    """Of `answers FILE`: the kinds of packets in FILE, each with a status to answer; for
    ATTRS, whose sizes are left out, it says nothing."""
    numbers = [int(word) for word in open(sys.argv[2]).read().split()]
    return dict(zip(numbers[::2], numbers[1::2]))


def to_server(packet):
    global requests, writes, unanswered
    kind, ident = packet[0], packet[1:5]
    if mode == "kills":
        requests += 1
        kill("before")
    if mode == "counts":
        with lock:
            if unanswered == 0:
                open(sys.argv[2], "ab").write(b".")
            unanswered += 1
    if kind == WRITE and mode == "drops":
        writes += 1
        if writes == 2 and not os.path.exists(sys.argv[2]):
            open(sys.argv[2], "w").close()
            os._exit(0)
    if kind == WRITE and mode == "flips":
        return written(packet, lambda data: bytes([data[0] ^ 1]) + data[1:])
    if kind == WRITE and mode in ("shortens", "shortens-and-hides-it"):
        return written(packet, lambda data: data[:-1])
    if kind == RENAME and mode == "renames-nothing":
        send(sys.stdout, status(ident, 0))
        return None
    if kind == RENAME and mode == "overwrites":
        name = b"posix-rename@openssh.com"
        return bytes([EXTENDED]) + ident + struct.pack(">I", len(name)) + name + packet[5:]
    if kind == RENAME:
        renames.add(ident)
    if mode == "answers" and kind in orders():
        send(sys.stdout, status(ident, orders()[kind]))
        return None
    return packet


def to_client(packet):
    global unanswered
    kind, ident = packet[0], packet[1:5]
    if mode == "counts":
        time.sleep(0.03)
        with lock:
            unanswered -= 1
    if mode == "kills":
        kill("after")
    if kind == ATTRS and mode == "shortens-and-hides-it":
        size = struct.unpack(">Q", packet[9:17])[0]
        return packet[:9] + struct.pack(">Q", size + 1) + packet[17:]
    if kind == ATTRS and mode == "answers" and kind in orders():
        flags = struct.unpack(">I", packet[5:9])[0]
        return packet[:5] + struct.pack(">I", flags & ~1) + packet[9 + 8 * (flags & 1):]
    if kind == STATUS and ident in renames:
        renames.discard(ident)
        if mode == "renames-and-hangs-up":
            os._exit(0)
        if mode == "renames-and-denies-it":
            return status(ident, 4)
    return packet


def back():
    for packet in packets(server.stdout):
        send(sys.stdout, to_client(packet))
    os._exit(0)


threading.Thread(target=back, daemon=True).start()
for packet in packets(sys.stdin):
    packet = to_server(packet)
    if packet is not None:
        packet = struct.pack(">I", len(packet)) + packet
        while packet:
            packet = packet[server.stdin.write(packet):]
server.kill()
