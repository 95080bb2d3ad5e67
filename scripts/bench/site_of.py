"""A site with one interface, as the benchmarks use it: they differ in where its files go."""

from pathlib import Path

SETTINGS = """[project]
interface = "{name}"
context_id = "99999"
practice = "Riverbend Family Medicine"
environment = "test"
[wire]
receiving_application = "CARESYNC"
[pickup]
settle_seconds = 0
{more}[connectivity.test]
{way}
"""


def to_folder(folder):
    """Files go into a folder."""
    return f'method = "folder"\nfolder = "{folder}"'


def to_server(server, folder, port=None, known_hosts=None):
    """Files go to a server of `scripts/sftpd.sh start`, or to a proxy before it."""
    return "\n".join([
        'method = "sftp"',
        f'host = "{server["HOST"]}"',
        f'port = {port or server["PORT"]}',
        f'user = "{server["USER"]}"',
        f'key_file = "{server["KEY_FILE"]}"',
        f'known_hosts = "{known_hosts or server["KNOWN_HOSTS"]}"',
        f'folder = "{folder}"',
    ])


def server_of(file):
    """What `scripts/sftpd.sh start` wrote."""
    return dict(line.split("=", 1) for line in Path(file).read_text().splitlines() if line)


def make(place, name, way, more=""):
    """Writes the settings, and makes the inbox, if they are not there; returns that."""
    place = Path(place)
    (place / "interfaces").mkdir(parents=True, exist_ok=True)
    (place / "hl7drop.toml").write_text("")
    text = SETTINGS.format(name=name, way=way, more=more)
    (place / f"interfaces/{name}.toml").write_text(text)
    inbox = place / "spool" / name / "test/inbox"
    inbox.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in [place / "spool", place / "spool" / name, inbox.parent]:
        folder.chmod(0o700)
    return inbox
