"""A mail server for the tests: TLS, a login, and each mail into a file.

    smtpd.py FOLDER CERT KEY MOOD

MOOD is starttls, tls, plain (offers no TLS) or refuse (refuses every login). Prints its
port. FOLDER gets 1.mail, 2.mail ...: how it came, from whom, to whom, and the mail.
"""

import base64
import os
import socket
import ssl
import sys
import threading

folder, cert, key, mood = sys.argv[1:5]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
lock = threading.Lock()
count = 0


def talk(line):
    global count
    secure, login, sender, to = mood == "tls", "", "", []
    if secure:
        line = context.wrap_socket(line, server_side=True)
    file = line.makefile("rwb")

    def say(text):
        file.write(text.encode() + b"\r\n")
        file.flush()

    say("220 test ready")
    while True:
        words = file.readline().decode().strip()
        verb = words.upper()
        if not words:
            return
        if verb.startswith("EHLO"):
            more = ["test", "8BITMIME"]
            if mood != "plain" and not secure:
                more.append("STARTTLS")
            if secure:
                more.append("AUTH PLAIN LOGIN")
            for word in more[:-1]:
                say("250-" + word)
            say("250 " + more[-1])
        elif verb == "STARTTLS" and mood != "plain":
            say("220 go on")
            line = context.wrap_socket(line, server_side=True)
            file, secure = line.makefile("rwb"), True
        elif verb.startswith("AUTH PLAIN"):
            login = base64.b64decode(words.split()[2]).decode().replace("\0", ":")[1:]
            say("535 no" if mood == "refuse" else "235 welcome")
        elif verb.startswith("MAIL FROM:"):
            sender = words[10:]
            say("250 ok")
        elif verb.startswith("RCPT TO:"):
            to.append(words[8:])
            say("250 ok")
        elif verb == "DATA":
            say("354 go on")
            lines = []
            while (text := file.readline()) != b".\r\n":
                lines.append(text)
            with lock:
                count += 1
                path = os.path.join(folder, f"{count}.mail")
            head = f"secure={secure} login={login} from={sender} to={','.join(to)}\n"
            with open(path + ".part", "wb") as out:
                out.write(head.encode() + b"".join(lines))
            os.rename(path + ".part", path)
            say("250 taken")
        elif verb == "QUIT":
            say("221 bye")
            return
        else:
            say("250 ok")


def serve(line):
    try:
        talk(line)
    except (OSError, ValueError):
        pass  # The other end went away, or does not trust us.
    finally:
        line.close()


server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
