#!/usr/bin/env python3
"""Makes config/hl7/{fields,types,names,tables}.tsv, what hl7drop knows of HL7 2.3.1 to 2.5.1.

    python3 -m venv venv && venv/bin/pip install hl7apy==1.3.5
    venv/bin/python scripts/hl7_fields.py ../shared/spec/hl7_fields.json config/hl7

hl7_fields.json: the field tables beside the specification (from the npm package
hl7-dictionary 1.0.1, MIT). hl7apy 1.3.5 (MIT) has the code tables. Both are read once,
when a version is added; what is made is committed, and is the same for the same input.
"""

import importlib
import json
import sys
from pathlib import Path

VERSIONS = ["2.3.1", "2.4", "2.5", "2.5.1"]
# HL7's own tables: a value outside is wrong. Where a table is the user's, a value
# outside is only unusual. Tables 0276 to 0278 are left out: each site has its own.
CLOSED = ["0008", "0076", "0103", "0104", "0136", "0155", "0206", "0207", "0211"]
OPEN = ["0001", "0002", "0004", "0063", "0131", "0190", "0200", "0201", "0202", "0203", "0305"]
# What hl7apy leaves out in older versions and interface.md gives for all of them
# (3.4 for 0211, 6 for the others): taken from the version named.
SINCE_EVER = {"0002": "2.4", "0063": "2.4", "0131": "2.5", "0305": "2.4"}
MORE = {"0063": ["UNK"], "0211": ["UNICODE UTF-8"]}
# Words about a table that hl7apy lists among its values.
NO_CODES = {"not present", "Not present", "NNxxx"}


def main(source, folder):
    spec = json.loads(Path(source).read_text(encoding="utf-8"))
    folder = Path(folder)
    fields, types, names = {}, {}, {}
    for version in VERSIONS:
        for name, rows in spec[version]["segments"].items():
            for row in rows:
                told = (row["dt"], row["len"], row["opt"], row["rep"], row["table"])
                fields.setdefault((name, row["seq"]), {})[version] = told
                names.setdefault((name, row["seq"]), {})[version] = row["name"]
        for name, rows in spec[version]["types"].items():
            for row in rows:
                types.setdefault((name, row["seq"]), {})[version] = component(spec, name, row)
    write(folder / "fields.tsv", "segment field since type length use repeats table", fields)
    write(folder / "types.tsv", "type component since type length use repeats table", types)
    write_names(folder / "names.tsv", names)
    write_tables(folder / "tables.tsv")


def component(spec, name, row):
    """A component; 2.3.1 and 2.4 name few of its tables, so 2.5.1's are taken."""
    newest = [r for r in spec["2.5.1"]["types"].get(name, []) if r["seq"] == row["seq"]]
    table = row["table"] or (newest[0]["table"] if newest else None)
    kind = "DTM" if (name, row["seq"]) == ("TS", 1) else row["dt"]
    return kind, row["len"], row["opt"], 1, table


def write(path, title, rows):
    """Writes a line for each version in which a row changes; `-` says it is not there."""
    lines = ["# " + "\t".join(title.split())]
    for (name, number), told in rows.items():
        before = None
        for version in VERSIONS:
            now = told.get(version)
            if now != before:
                cells = ["-"] if now is None else [
                    now[0], now[1] or "-", now[2], "many" if now[3] == "*" else now[3],
                    f"{now[4]:04}" if now[4] else "-"]
                lines.append("\t".join([name, str(number), version, *map(str, cells)]))
            before = now
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_names(path, names):
    """Writes a line for each version in which a field's name changes."""
    lines = ["# segment\tfield\tsince\tname"]
    for (segment, number), told in sorted(names.items()):
        before = None
        for version in VERSIONS:
            now = told.get(version)
            if now != before:
                lines.append("\t".join([segment, str(number), version, now or "-"]))
            before = now
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_tables(path):
    known = {v: importlib.import_module(f"hl7apy.v{v.replace('.', '_')}.tables").TABLES
             for v in VERSIONS}
    lines = ["# table\tkind\tsince\tcodes"]
    for number in sorted(CLOSED + OPEN):
        before = None
        for version in VERSIONS:
            source = SINCE_EVER.get(number, version)
            table = known[max(version, source)].get(f"HL7{number}")
            if table is None:
                raise SystemExit(f"hl7apy has no table {number} for {version}")
            codes = sorted(set(table[1]) - NO_CODES | set(MORE.get(number, [])))
            if codes != before:
                kind = "closed" if number in CLOSED else "open"
                lines.append("\t".join([number, kind, version, ";".join(codes)]))
            before = codes
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
