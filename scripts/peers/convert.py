#!/usr/bin/env python3
"""The patients half of `hl7drop convert` as one plain Python script: the yardstick.

    convert.py [options] patients.csv providers.csv departments.csv > batch.hl7

Standard library only, one thread, API column names only, the settings of the golden
texts. It checks and escapes as hl7drop does, so that bench.sh compares like with
like. Bad rows go to stderr as `row <n>: <code>`, and then it exits 3.
"""

import argparse
import csv
import datetime
import re
import sys
from pathlib import Path

CODES = Path(__file__).resolve().parents[2] / "config" / "codes"
ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\",
                         "\n": " ", "\r": " "})
DATE_US = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: (\d{1,2}):(\d{2})(?::(\d{2}))?)?$", re.ASCII)
DATE_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2}))?)?$", re.ASCII)
EVENTS = {"add": "A28", "a28": "A28", "update": "A31", "a31": "A31", "": "A28"}


class Bad(Exception):
    """A row that makes no message; says why by its code."""


class Codes:
    """A table of config/codes."""

    def __init__(self, name):
        title, *lines = (CODES / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
        self.system = title.rpartition("; written as ")[2]
        rows = [(line.split("\t") + [""])[:3] for line in lines]
        self.rows = {}
        texts = [text.lower() for _, text, _ in rows]
        for code, text, _ in rows:
            if texts.count(text.lower()) == 1:
                self.rows[text.lower()] = (code, text)
        for code, text, words in rows:
            for word in filter(None, words.split(";")):
                self.rows[word.lower()] = (code, text)
        for code, text, _ in rows:
            self.rows[code.lower()] = (code, text)

    def find(self, value):
        return self.rows.get(" ".join(value.lower().split()))

    def coded(self, value, fault):
        """Returns code^text^system, or nothing for an empty value."""
        if not value:
            return ""
        found = self.find(value)
        if not found:
            raise Bad(fault)
        return components(found[0], found[1], self.system)


def components(*values):
    return "^".join([value and value.translate(ESCAPES) for value in values]).rstrip("^")


def segment(name, fields):
    """Writes the fields, a dict by number, as one segment."""
    cells = [name] + [""] * max(fields)
    for number, value in fields.items():
        cells[number] = value
    return "|".join(cells).rstrip("|")


def moment(text, what="T001"):
    """Returns (YYYYMMDD, HHMMSS or nothing)."""
    if match := DATE_US.match(text):
        month, day, year, hour, minute, second = match.groups()
    elif match := DATE_ISO.match(text):
        year, month, day, hour, minute, second = match.groups()
    else:
        raise Bad(what)
    try:
        day = datetime.date(int(year), int(month), int(day))
        time = datetime.time(int(hour), int(minute), int(second or 0)) if hour else None
    except ValueError:
        raise Bad(what) from None
    return f"{day.year:04}{day.month:02}{day.day:02}", f"{time:%H%M%S}" if time else ""


def date(text):
    return moment(text)[0] if text else ""


def phone_digits(text):
    digits = "".join([char for char in text if char.isascii() and char.isdigit()])
    return digits[1:] if len(digits) == 11 and digits[0] == "1" else digits


def phone(text, use="", equipment=""):
    """Returns an XTN: with use and parts, or the bare number."""
    if not text or text.lower() == "declined":
        return ""
    digits = phone_digits(text)
    if len(digits) != 10:
        return components("", use, equipment, "", "", "", "", "", text)
    number = f"({digits[:3]}){digits[3:6]}-{digits[6:]}"
    if not use:
        return number
    return components(number, use, equipment, "", "1", digits[:3], digits[3:])


def email(text):
    if not text or text.lower() in ("declined", "no email"):
        return ""
    return components("", "NET", "Internet", text)


def repeat(*values):
    return "~".join([value for value in values if value])


def npi_is_good(npi):
    if len(npi) != 10 or not npi.isascii() or not npi.isdigit() or npi[0] not in "12":
        return False
    total = 24
    for place, digit in enumerate(reversed(npi)):
        digit = int(digit) * (1 + place % 2)
        total += digit - 9 if digit > 9 else digit
    return total % 10 == 0


def person(npi, last, first):
    return components(npi, last, first, "", "", "", "", "", "NPI", "", "", "", "NPI")


class Converter:
    def __init__(self, args, providers, departments):
        self.args = args
        # What a provider or department looks like is settled once, not once a row.
        self.providers = {
            number: npi_is_good(row["npi"])
            and person(row["npi"], row["lastname"], row["firstname"])
            for number, row in providers.items()}
        self.departments = {number: components(number, row["name"], "", row["name"])
                            for number, row in departments.items()}
        names = ("race", "ethnicity", "language", "sex", "marital", "relationship", "contact_role")
        self.codes = {name: Codes(name) for name in names}
        self.external = args.external_id.split(",") if args.external_id else None

    def message(self, get, number):
        """Returns one row's message; `get` gives the row's trimmed value of a column."""
        event = EVENTS.get(get("event").lower())
        if not event:
            raise Bad("E001")
        if not (get("patientid") and get("lastname") and get("firstname") and get("dob")):
            raise Bad("M001")  # a blank sex is U
        segments = [self.evn(get, event), self.pid(get), *self.pd1(get), *self.nk1(get)]
        segments += [self.pv1(get), *self.gt1(get), *self.in1(get)]
        text = "\r".join(segments)
        args = self.args
        header = segment("MSH", {  # MSH-1 is the separator itself, so all stand one earlier
            1: "^~\\&", 2: args.application, 3: components(args.context, args.practice),
            4: args.receiver, 5: args.facility, 6: args.clock, 8: f"ADT^{event}",
            9: f"{number}M{args.context}", 10: "T", 11: "2.3.1", 14: "NE", 15: "NE",
            17: "" if text.isascii() else "UNICODE UTF-8"})
        return f"{header}\r{text}\r"

    def evn(self, get, event):
        changed = get("lastmodified") or (get("registrationdate") if event == "A28" else "")
        recorded = "".join(moment(changed)) if changed else self.args.clock
        return segment("EVN", {1: event, 2: recorded, 5: components(get("lastmodifiedby"))})

    def pid(self, get):
        patient = components(get("patientid"))
        identifiers = components(get("patientid"), "", "", "ATHENA", "PI")
        if self.external and get(self.external[0]):
            column, authority, kind = self.external
            identifiers += "~" + components(get(column), "", "", authority, kind)
        sex = self.codes["sex"].find(get("sex") or "U")
        marital = self.codes["marital"].find(get("maritalstatus"))
        if not sex or (get("maritalstatus") and not marital):
            raise Bad("C001")
        work = phone(get("workphone"), "WPN", "PH")
        died = date(get("deceaseddate"))
        return segment("PID", {
            1: "1", 2: components(get("enterpriseid")) or patient, 3: identifiers, 4: patient,
            5: self.name(get, ""), 7: date(get("dob")), 8: sex[0],
            9: components(get("preferredname")), 10: self.races(get("race")),
            11: self.address(get, ""),
            13: repeat(phone(get("homephone"), "PRN", "PH"), work, email(get("email")),
                       phone(get("mobilephone"), "ORN", "CP")),
            14: work, 15: self.language(get("language6392code")),
            16: marital[0] if marital else "",
            22: self.unless_declined("ethnicity", get("ethnicitycode"), "R001"),
            29: died, 30: "Y" if died else ""})

    def unless_declined(self, table, value, fault):
        return "" if value.lower() == "declined" else self.codes[table].coded(value, fault)

    def races(self, text):
        values = [value.strip() for value in text.replace("\t", ";").split(";")]
        return repeat(*[self.unless_declined("race", value, "R001") for value in values])

    def language(self, text):
        if re.match(r"q[a-t][a-z]$", text, re.I | re.ASCII):
            return components(text.lower(), "", self.codes["language"].system)
        return self.unless_declined("language", text, "L001")

    def name(self, get, prefix):
        return components(get(prefix + "lastname"), get(prefix + "firstname"),
                          get(prefix + "middlename"), get(prefix + "suffix"))

    def address(self, get, prefix):
        return components(get(prefix + "address1"), get(prefix + "address2"), get(prefix + "city"),
                          get(prefix + "state"), get(prefix + "zip"), get(prefix + "countrycode"))

    def provider(self, get):
        if not get("primaryproviderid"):
            return ""
        if get("primaryproviderid") not in self.providers:
            raise Bad("P001")
        provider = self.providers[get("primaryproviderid")]
        if not provider:
            raise Bad("P002")
        return provider

    def outside(self, get, prefix):
        """Returns the PCP or the referring provider, who stand in the row itself."""
        npi = get(prefix + "npi")
        if npi and not npi_is_good(npi):
            raise Bad("P002")
        return person(npi, get(prefix + "lastname"), get(prefix + "firstname")) if npi else ""

    def pd1(self, get):
        doctor = self.outside(get, "pcp") or self.provider(get)
        return [segment("PD1", {4: doctor})] if doctor else []

    def nk1(self, get):
        roles = (("N", "nextkin", "phone"), ("C", "contact", "homephone"))
        lines = []
        for role, prefix, number in roles:
            if not get(prefix + "name"):
                continue
            last, _, first = get(prefix + "name").partition(",")
            role, text = self.codes["contact_role"].find(role)
            lines.append(segment("NK1", {
                1: str(len(lines) + 1), 2: components(last.strip(), first.strip()),
                3: self.codes["relationship"].coded(get(prefix + "relationship"), "C001"),
                5: phone(get(prefix + number)),
                7: components(role, text, self.codes["contact_role"].system)}))
        return lines

    def pv1(self, get):
        department = get("primarydepartmentid") or get("departmentid")
        if department and department not in self.departments:
            raise Bad("D001")
        place = self.departments.get(department, "")
        doctor = self.provider(get)
        return segment("PV1", {1: "1", 2: "O", 3: place, 7: doctor,
                               8: self.outside(get, "referringprovider"), 17: doctor})

    def gt1(self, get):
        name, address = self.name(get, "guarantor"), self.address(get, "guarantor")
        numbers = repeat(phone(get("guarantorphone"), "PRN", "PH"), email(get("guarantoremail")))
        relationship = get("guarantorrelationshiptopatient")
        relationship = self.codes["relationship"].coded(relationship, "I003")
        born = date(get("guarantordob"))
        if not name and (address or numbers or relationship or born):
            raise Bad("G001")
        fields = {1: "1", 3: name, 5: address, 6: numbers, 8: born, 11: relationship}
        return [segment("GT1", fields)] if name else []

    def in1(self, get):
        lines = []
        for place in (1, 2, 3):
            prefix = f"insurance{place}_"
            package, plan = get(prefix + "insurancepackageid"), get(prefix + "insuranceplanname")
            if plan == "*SELF PAY*" and not package:
                continue
            if not package:
                if plan or get(prefix + "insuranceidnumber"):
                    raise Bad("I001")
                continue
            if place > 1 and not get("insurance1_insurancepackageid"):
                raise Bad("I002")
            if get(prefix + "cancelled"):
                continue
            relationship = prefix + "relationshiptoinsured"
            relationship = get(relationship + "id") or get(relationship)
            sex = self.codes["sex"].find(get(prefix + "insuredsex"))
            office = components(
                get(prefix + "insurancepackageaddress1"), "", get(prefix + "insurancepackagecity"),
                get(prefix + "insurancepackagestate"), get(prefix + "insurancepackagezip"))
            lines.append(segment("IN1", {
                1: str(len(lines) + 1), 2: components(package, plan),
                3: components(get(prefix + "ircid") or package),
                4: components(get(prefix + "ircname") or plan), 5: office,
                7: phone(get(prefix + "insurancephone")),
                8: components(get(prefix + "policynumber")),
                12: date(get(prefix + "issuedate")), 13: date(get(prefix + "expirationdate")),
                15: components(get(prefix + "insurancetypecode")),
                16: self.name(get, prefix + "insured"),
                17: self.codes["relationship"].coded(relationship, "I003"),
                18: date(get(prefix + "insureddob")), 19: self.address(get, prefix + "insured"),
                22: str(place), 26: date(get(prefix + "eligibilitylastchecked")),
                36: components(get(prefix + "insuranceidnumber")), 43: sex[0] if sex else ""}))
        return lines


def reference(path, key):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return {row[key]: row for row in csv.DictReader(file)}


def records(path):
    """Gives each row's number, and its getter or nothing for a ragged one."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        for number, row in enumerate(rows, 1):
            if len(row) != len(header):
                yield number, None
                continue
            values = {name: value.strip() for name, value in zip(header, row) if value}
            yield number, lambda column, values=values: values.get(column, "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("patients")
    parser.add_argument("providers")
    parser.add_argument("departments")
    parser.add_argument("--clock", default="20260520110000")
    parser.add_argument("--first-control-id", type=int, default=1000001)
    parser.add_argument("--file-number", type=int, default=42)
    parser.add_argument("--context", default="99999")
    parser.add_argument("--practice", default="Riverbend Family Medicine")
    parser.add_argument("--application", default="ATHENANET")
    parser.add_argument("--receiver", default="CARESYNC")
    parser.add_argument("--facility", default="MERCY")
    parser.add_argument("--external-id", metavar="COLUMN,AUTHORITY,TYPE", help="a column for PID-3")
    args = parser.parse_args()

    converter = Converter(args, reference(args.providers, "providerid"),
                          reference(args.departments, "departmentid"))
    out = open(sys.stdout.fileno(), "w", encoding="utf-8", newline="", buffering=1 << 20)
    ends = f"^~\\&|{args.application}|{args.context}|{args.receiver}|{args.facility}|{args.clock}"
    out.write(f"FHS|{ends}||{args.context}-{args.file_number:06}|hl7drop backfill=N env=T"
              f"|{args.clock}{args.file_number:06}\r")
    out.write(f"BHS|{ends}||ADT|patients|{args.clock}{args.file_number * 10 + 1:06}\r")
    sent = bad = 0
    for number, get in records(args.patients):
        try:
            if get is None:
                raise Bad("V001")
            out.write(converter.message(get, args.first_control_id + sent))
            sent += 1
        except Bad as fault:
            bad += 1
            print(f"row {number}: {fault}", file=sys.stderr)
    out.write(f"BTS|{sent}|patients\rFTS|1|{sent} messages\r")
    out.close()
    return 3 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
