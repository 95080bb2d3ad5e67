#!/usr/bin/env python3
"""Reads batch files with hl7apy (strict) and python-hl7; says what they do not read as meant.

    judge.py hl7apy|python-hl7 BATCH EXPECTED

EXPECTED is JSON: {"version", "every", "values": [[message, segment, field, component,
text], ...]}: the messages counted from 0, the first segment and repetition of each
kind. `every` n: hl7apy, which takes 15 ms a message, reads each nth.
Prints JSON, a list of what is wrong; none is the verdict that is wanted.
"""

import json
import sys
from collections import defaultdict

# hl7apy 1.3.5 cannot tell the structure of a 2.3.1 message without MSH-9.3, and knows
# that of A28 and A31 by the name of A01 only, which has the same segments.
STRUCTURES = {"ADT": "ADT_A01", "SIU": "SIU_S12"}
# The longest value of type ST that hl7apy's strict mode takes; 2.3.1 has no such limit.
ST_MAX = 199


def messages_of(text):
    """The messages of a batch file, cut at CR by ourselves."""
    messages = []
    for segment in text.split("\r"):
        if segment.startswith("MSH"):
            messages.append([])
        if messages and segment and segment[:3] not in ("FHS", "BHS", "BTS", "FTS"):
            messages[-1].append(segment)
    return messages


def hl7apy(text, expected):
    from hl7apy.base_datatypes import ST
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.exceptions import MaxLengthReached
    from hl7apy.parser import parse_message

    values = defaultdict(list)
    for message, segment, field, component, value in expected["values"]:
        values[message].append((segment, field, component, value))
    wrong = []
    for number, segments in enumerate(messages_of(text)):
        if number % expected["every"]:
            continue
        if any(len(value) > ST_MAX for *_, value in values[number]):
            continue
        header = segments[0].split("|")
        kind = header[8].split("^")
        if len(kind) == 2:
            header[8] += "^" + STRUCTURES[kind[0]]
        given = "\r".join(["|".join(header), *segments[1:]]) + "\r"
        strict, tolerant = VALIDATION_LEVEL.STRICT, VALIDATION_LEVEL.TOLERANT
        try:
            try:
                parsed = parse_message(given, validation_level=strict)
                parsed.validate()
            except MaxLengthReached:
                # A length is a warning to us (rule H203): a department's name in PL-2,
                # where athenaNet has it, is longer than its 20 characters from 2.5 on.
                parsed = parse_message(given, validation_level=tolerant)
        except Exception as err:  # any refusal is a verdict
            wrong.append([number, type(err).__name__, str(err)])
            continue
        # It writes again what it read, but for values of blanks of any script: these are
        # none to it (U+3000 is one).
        blank = any(value.isspace() for *_, value in values[number])
        if not blank and parsed.to_er7().rstrip("\r") != given.rstrip("\r"):
            wrong.append([number, "writes something else", parsed.to_er7()])
        for segment, field, component, value in values[number]:
            raw = next(s for s in segments if s.startswith(segment)).split("|")
            raw = raw[field] if field < len(raw) else ""
            raw = (raw.split("~")[0].split("^") + [""] * component)[component - 1]
            # Its own escape of the value gives the same bytes as ours.
            wrote = ST(value, validation_level=VALIDATION_LEVEL.TOLERANT)
            wrote = wrote.to_er7() if value else ""
            if wrote != raw and "\\.br\\" not in raw:
                wrong.append([number, segment, field, component, wrote, raw])
    return wrong


def python_hl7(text, expected):
    import hl7

    # parse_file cuts lines where Python's splitlines does, at U+0085, U+2028 and
    # U+2029 too, and parse strips no such character; so the messages are cut at CR
    # by ourselves where a value has one of them.
    cut = [c for c in "\x85\u2028\u2029" if c in text]
    if cut:
        messages = [hl7.parse("\r".join(m) + "\r") for m in messages_of(text)]
    else:
        messages = [m for batch in hl7.parse_file(text) for m in batch]
    wrong = []
    if len(messages) != len(messages_of(text)):
        return [["messages", len(messages)]]
    for number, segment, field, component, value in expected["values"]:
        message = messages[number]
        try:
            read = message.extract_field(segment, 1, field, 1, component, 1)
        except (IndexError, KeyError):
            read = None
        if (read or "") != value:
            wrong.append([number, segment, field, component, read, value])
    return wrong


def main(judge, batch, expected):
    with open(batch, encoding="utf-8", newline="") as file:
        text = file.read()
    with open(expected, encoding="utf-8") as file:
        expected = json.load(file)
    wrong = {"hl7apy": hl7apy, "python-hl7": python_hl7}[judge](text, expected)
    print(json.dumps(wrong))


if __name__ == "__main__":
    main(*sys.argv[1:])
