//! The limit: how fast the transformation of patients alone can be on this machine.
//!
//! A converter for one header and one set of settings, all of it fixed here: no
//! configuration, no checks, no account, no ledger, no digest, no sync. It writes the
//! very bytes that `hl7drop convert` writes for a generated extract without bad rows
//! (`scripts/bench.sh` compares them), so that its time is that of the same work.
//!
//! Tuned by hand: fields are split eight bytes at a time, values are copied in blocks
//! of sixteen, codes are packed into a word, two threads take turns at the file, and
//! whoever finished the next block writes it.
//!
//! `limit patients.csv providers.csv departments.csv OUT`

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Condvar, Mutex};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const BLOCK: usize = 1 << 18;
/// Bytes behind a text that may be read, since values are copied in sixteens.
const SLACK: usize = 16;
const FIRST_CONTROL: u64 = 1_000_001;
const HEAD: &[u8] = b"FHS|^~\\&|ATHENANET|99999|CARESYNC|MERCY|20260520110000||99999-000042|hl7drop backfill=N env=T|20260520110000000042\rBHS|^~\\&|ATHENANET|99999|CARESYNC|MERCY|20260520110000||ADT|patients|20260520110000000421\r";

// The columns of the generator's patients, in its order.
const ID: usize = 0;
const LAST: usize = 1;
const FIRST: usize = 2;
const MIDDLE: usize = 3;
const SUFFIX: usize = 4;
const PREFERRED: usize = 5;
const DOB: usize = 6;
const SEX: usize = 7;
const MARITAL: usize = 8;
const RACE: usize = 9;
const ETHNICITY: usize = 10;
const LANGUAGE: usize = 11;
const HOME: usize = 18;
const MOBILE: usize = 19;
const WORK: usize = 20;
const EMAIL: usize = 21;
const DECEASED: usize = 22;
const DEPARTMENT: usize = 23;
const PROVIDER: usize = 24;
const KIN: usize = 25;
const CONTACT: usize = 28;
const GUARANTOR: usize = 31;
const INSURANCE: usize = 40;
const INSURANCE_2: usize = 50;
const MODIFIED: usize = 57;
const MODIFIED_BY: usize = 58;
const WIDTH: usize = 59;

/// What rows are written with.
struct Tables {
    providers: Vec<Vec<u8>>,
    departments: Vec<Vec<u8>>,
    race: Codes,
    ethnicity: Codes,
    language: Codes,
    relationship: Codes,
}

/// A code table by the packed code; open addressing.
struct Codes {
    slots: Vec<(u64, Vec<u8>)>,
}

/// One record: its text with [`SLACK`] behind it, and where each value stands.
#[derive(Default)]
struct Record {
    text: Vec<u8>,
    cells: Vec<(u32, u32)>,
    plain: bool,
}

/// Messages of a block, and where their control numbers go.
struct Out {
    bytes: Vec<u8>,
    at: usize,
    slots: Vec<usize>,
}

/// What the two threads take turns at.
struct Input {
    file: File,
    rest: Vec<u8>,
    next: u64,
}

struct Output {
    file: File,
    next: u64,
    messages: u64,
}

fn main() -> Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let [patients, providers, departments, out] = names.as_slice() else {
        return Err("usage: limit patients.csv providers.csv departments.csv OUT".into());
    };
    let tables = Tables::read(providers, departments)?;
    let mut file = File::create_new(out)?;
    file.write_all(HEAD)?;
    let input = Mutex::new(Input { file: File::open(patients)?, rest: Vec::new(), next: 0 });
    let output = Mutex::new(Output { file, next: 0, messages: 0 });
    let turn = Condvar::new();
    std::thread::scope(|scope| -> Result<()> {
        let other = scope.spawn(|| work(&tables, &input, &output, &turn));
        work(&tables, &input, &output, &turn)?;
        other.join().map_err(|_| "a thread panicked")?
    })?;
    let mut output = output.into_inner().map_err(|_| "poisoned")?;
    let count = output.messages;
    write!(output.file, "BTS|{count}|patients\rFTS|1|{count} messages\r")?;
    Ok(())
}

/// One thread: takes the next block, converts it, and writes it when it is its turn.
fn work(
    tables: &Tables,
    input: &Mutex<Input>,
    output: &Mutex<Output>,
    turn: &Condvar,
) -> Result<()> {
    let mut block = Vec::with_capacity(2 * BLOCK);
    let mut out = Out { bytes: vec![0; 4 * BLOCK], at: 0, slots: Vec::new() };
    let mut record = Record::default();
    loop {
        let number = {
            let mut input = input.lock().map_err(|_| "poisoned")?;
            if !input.fill(&mut block)? {
                return Ok(());
            }
            input.next += 1;
            input.next - 1
        };
        out.at = 0;
        out.slots.clear();
        let from = if number == 0 { line_end(&block, 0) } else { 0 };
        convert(&block, from, tables, &mut record, &mut out);
        let mut output = output.lock().map_err(|_| "poisoned")?;
        while output.next != number {
            output = turn.wait(output).map_err(|_| "poisoned")?;
        }
        for (control, &slot) in (FIRST_CONTROL + output.messages..).zip(&out.slots) {
            // Seven digits, which last for nine million messages.
            let mut rest = control;
            for digit in out.bytes[slot..slot + 7].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        output.file.write_all(&out.bytes[..out.at])?;
        output.messages += out.slots.len() as u64;
        output.next += 1;
        turn.notify_all();
    }
}

impl Input {
    /// Reads whole lines into `block`, [`SLACK`] bytes behind them; false at the end.
    /// The extract has no line break inside a value.
    fn fill(&mut self, block: &mut Vec<u8>) -> Result<bool> {
        block.clear();
        block.append(&mut self.rest);
        let begin = block.len();
        block.resize(begin + BLOCK, 0);
        let mut filled = begin;
        while filled < block.len() {
            match self.file.read(&mut block[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        let end = memchr::memrchr(b'\n', &block[..filled]).map_or(filled, |at| at + 1);
        self.rest.extend_from_slice(&block[end..filled]);
        block.truncate(end);
        block.extend_from_slice(&[0; SLACK]);
        Ok(end > 0)
    }
}

fn line_end(block: &[u8], from: usize) -> usize {
    memchr::memchr(b'\n', &block[from..]).map_or(block.len() - SLACK, |at| from + at + 1)
}

fn convert(block: &[u8], from: usize, tables: &Tables, record: &mut Record, out: &mut Out) {
    let mut at = from;
    while at < block.len() - SLACK {
        let end = line_end(block, at);
        let line = &block[at..end - 1];
        record.cells.clear();
        record.plain = is_plain(line);
        if memchr::memchr(b'"', line).is_none() {
            split(&block[at..end + SLACK - 1], line.len(), &mut record.cells);
            message(&block[at..end + SLACK - 1], record, tables, out);
        } else {
            let mut text = std::mem::take(&mut record.text);
            unquote(line, &mut text, &mut record.cells);
            message(&text, record, tables, out);
            record.text = text;
        }
        at = end;
    }
}

/// Finds the commas of a line, eight bytes at a time.
fn split(text: &[u8], len: usize, cells: &mut Vec<(u32, u32)>) {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const COMMAS: u64 = 0x2c2c_2c2c_2c2c_2c2c;
    let mut start = 0;
    for (index, chunk) in text.chunks_exact(8).enumerate() {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        let word = u64::from_le_bytes(word) ^ COMMAS;
        // The high bit of each byte that is zero now, and of no other.
        let mut found = !(((word & LOW) + LOW) | word | LOW);
        while found != 0 {
            let at = index as u32 * 8 + found.trailing_zeros() / 8;
            if at as usize >= len {
                break;
            }
            cells.push((start, at));
            start = at + 1;
            found &= found - 1;
        }
    }
    cells.push((start, len as u32));
}

/// The same for a line with quotes, which are taken out on the way.
fn unquote(line: &[u8], text: &mut Vec<u8>, cells: &mut Vec<(u32, u32)>) {
    text.clear();
    let (mut start, mut quoted, mut at) = (0, false, 0);
    while at < line.len() {
        match line[at] {
            b'"' if quoted && line.get(at + 1) == Some(&b'"') => {
                text.push(b'"');
                at += 1;
            }
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                cells.push((start, text.len() as u32));
                start = text.len() as u32;
            }
            byte => text.push(byte),
        }
        at += 1;
    }
    cells.push((start, text.len() as u32));
    text.extend_from_slice(&[0; SLACK]);
}

fn is_special(byte: u8) -> bool {
    matches!(byte, 0..0x20 | 0x7f | b'|' | b'^' | b'~' | b'\\' | b'&')
}

fn is_plain(line: &[u8]) -> bool {
    !line.iter().fold(false, |special, &byte| special | is_special(byte))
}

/// Writes the message of a record.
fn message(text: &[u8], record: &Record, tables: &Tables, out: &mut Out) {
    if record.cells.len() != WIDTH {
        return;
    }
    let row = Row { text, cells: &record.cells, plain: record.plain };
    out.room(4096 + 4 * text.len());
    out.put(b"MSH|^~\\&|ATHENANET|99999^Riverbend Family Medicine|CARESYNC|MERCY|20260520110000||ADT^A28|");
    out.slots.push(out.at);
    out.put(b"0000000M99999|T|2.3.1|||NE|NE");
    let charset = out.at;
    out.put(b"\rEVN|A28|");
    let modified = row.get(MODIFIED);
    date(modified, out);
    if let [.., h1, h2, b':', m1, m2, b':', s1, s2] = modified {
        out.put(&[*h1, *h2, *m1, *m2, *s1, *s2]);
    }
    out.put(b"|||");
    row.value(MODIFIED_BY, out);
    out.put(b"\r");
    patient(&row, tables, out);
    let (provider, department) = (row.get(PROVIDER), row.get(DEPARTMENT));
    let provider = &tables.providers[number(provider)];
    out.put(b"PD1||||");
    out.put_slice(provider);
    out.put(b"\r");
    related(&row, tables, out);
    out.put(b"PV1|1|O|");
    out.put_slice(&tables.departments[number(department)]);
    out.put(b"||||");
    out.put_slice(provider);
    out.put(b"||||||||||");
    out.put_slice(provider);
    out.put(b"\r");
    guarantor(&row, tables, out);
    insurances(&row, tables, out);
    if !out.bytes[charset..out.at].is_ascii() {
        let name = b"||UNICODE UTF-8";
        out.bytes.copy_within(charset..out.at, charset + name.len());
        out.bytes[charset..charset + name.len()].copy_from_slice(name);
        out.at += name.len();
    }
}

fn patient(row: &Row<'_>, tables: &Tables, out: &mut Out) {
    out.put(b"PID|1|");
    row.value(ID, out);
    out.put(b"|");
    row.value(ID, out);
    out.put(b"^^^ATHENA^PI|");
    row.value(ID, out);
    out.put(b"|");
    row.parts(&[LAST, FIRST, MIDDLE, SUFFIX], out);
    out.put(b"||");
    date(row.get(DOB), out);
    out.put(b"|");
    match row.get(SEX) {
        [] | b"N" => out.put(b"U"),
        _ => row.value(SEX, out),
    }
    out.put(b"|");
    row.value(PREFERRED, out);
    out.put(b"|");
    let race = row.get(RACE);
    if race != b"declined" {
        for (at, one) in race.split(|&byte| byte == b';').enumerate() {
            if at > 0 {
                out.put(b"~");
            }
            out.put_slice(tables.race.get(one));
        }
    }
    out.put(b"|");
    row.parts(&[12, 13, 14, 15, 16, 17], out); // the address
    out.put(b"||");
    let begin = out.at;
    telecoms(row, out);
    codes(row, tables, out);
    if out.at == begin {
        // Nothing since the address: its separators go too.
        out.at -= 2;
    }
    out.put(b"\r");
}

/// Writes PID-13.
fn telecoms(row: &Row<'_>, out: &mut Out) {
    let mut tilde = false;
    for (cell, usage) in
        [(HOME, b"^PRN^PH"), (WORK, b"^WPN^PH"), (EMAIL, b""), (MOBILE, b"^ORN^CP")]
            as [(usize, &[u8]); 4]
    {
        if row.get(cell).is_empty() {
            continue;
        }
        if tilde {
            out.put(b"~");
        }
        tilde = true;
        if cell == EMAIL {
            out.put(b"^NET^Internet^");
            row.value(EMAIL, out);
        } else {
            phone(row.get(cell), usage, out);
        }
    }
}

/// Writes PID-14 to PID-30, and no separators behind the last of them.
fn codes(row: &Row<'_>, tables: &Tables, out: &mut Out) {
    let mut last = out.at;
    out.put(b"|");
    if !row.get(WORK).is_empty() {
        phone(row.get(WORK), b"^WPN^PH", out);
        last = out.at;
    }
    out.put(b"|");
    let language = tables.language.get(row.get(LANGUAGE));
    if !language.is_empty() {
        out.put_slice(language);
        last = out.at;
    }
    out.put(b"|");
    match row.get(MARITAL) {
        [] => {}
        b"X" => {
            out.put(b"A");
            last = out.at;
        }
        _ => {
            row.value(MARITAL, out);
            last = out.at;
        }
    }
    out.put(b"||||||");
    let ethnicity = tables.ethnicity.get(row.get(ETHNICITY));
    if !ethnicity.is_empty() {
        out.put_slice(ethnicity);
        last = out.at;
    }
    if !row.get(DECEASED).is_empty() {
        out.put(b"|||||||");
        date(row.get(DECEASED), out);
        out.put(b"|Y");
        last = out.at;
    }
    out.at = last;
}

fn related(row: &Row<'_>, tables: &Tables, out: &mut Out) {
    let mut set = b'1';
    let roles: [(usize, &[u8]); 2] =
        [(KIN, b"N^Next-of-Kin^HL70131\r"), (CONTACT, b"C^Emergency Contact^HL70131\r")];
    for (cell, role) in roles {
        if row.get(cell).is_empty() {
            continue;
        }
        out.put(&[b'N', b'K', b'1', b'|', set, b'|']);
        set += 1;
        let name = row.get(cell);
        let comma = memchr::memchr(b',', name).unwrap_or(name.len());
        row.escaped(&name[..comma], out);
        if comma < name.len() {
            out.put(b"^");
            row.escaped(name[comma + 1..].trim_ascii(), out);
        }
        out.put(b"|");
        out.put_slice(tables.relationship.get(row.get(cell + 1)));
        out.put(b"||");
        if !row.get(cell + 2).is_empty() {
            phone(row.get(cell + 2), b"", out);
        }
        out.put(b"||");
        out.put_slice(role);
    }
}

fn guarantor(row: &Row<'_>, tables: &Tables, out: &mut Out) {
    if row.get(GUARANTOR).is_empty() {
        return;
    }
    out.put(b"GT1|1||");
    row.parts(&[GUARANTOR, GUARANTOR + 1], out);
    out.put(b"||");
    row.value(GUARANTOR + 3, out);
    out.put(b"^^");
    row.parts(&[GUARANTOR + 4, GUARANTOR + 5, GUARANTOR + 6], out);
    out.put(b"|");
    if !row.get(GUARANTOR + 7).is_empty() {
        phone(row.get(GUARANTOR + 7), b"^PRN^PH", out);
    }
    out.put(b"||");
    date(row.get(GUARANTOR + 2), out);
    out.put(b"|||");
    out.put_slice(tables.relationship.get(row.get(GUARANTOR + 8)));
    out.put(b"\r");
}

fn insurances(row: &Row<'_>, tables: &Tables, out: &mut Out) {
    if !row.get(INSURANCE).is_empty() {
        out.put(b"IN1|1|");
        row.parts(&[INSURANCE, INSURANCE + 1], out);
        out.put(b"|");
        row.value(INSURANCE + 2, out);
        out.put(b"|");
        row.value(INSURANCE + 1, out);
        out.put(b"||||");
        row.value(INSURANCE + 4, out);
        out.put(b"||||");
        date(row.get(INSURANCE + 5), out);
        out.put(b"||||");
        row.parts(&[INSURANCE + 6, INSURANCE + 7], out);
        out.put(b"|");
        out.put_slice(tables.relationship.get(row.get(INSURANCE + 9)));
        out.put(b"|");
        date(row.get(INSURANCE + 8), out);
        out.put(b"||||1||||||||||||||");
        row.value(INSURANCE + 3, out);
        out.put(b"\r");
    }
    if !row.get(INSURANCE_2).is_empty() {
        out.put(b"IN1|2|");
        row.parts(&[INSURANCE_2, INSURANCE_2 + 1], out);
        out.put(b"|");
        row.value(INSURANCE_2, out);
        out.put(b"|");
        row.value(INSURANCE_2 + 1, out);
        out.put(b"||||||||||||");
        row.parts(&[INSURANCE_2 + 3, INSURANCE_2 + 4], out);
        out.put(b"|");
        out.put_slice(tables.relationship.get(row.get(INSURANCE_2 + 5)));
        out.put(b"|||||2||||||||||||||");
        row.value(INSURANCE_2 + 2, out);
        out.put(b"\r");
    }
}

/// The values of a record.
struct Row<'a> {
    text: &'a [u8],
    cells: &'a [(u32, u32)],
    plain: bool,
}

impl<'a> Row<'a> {
    fn get(&self, cell: usize) -> &'a [u8] {
        let (start, end) = self.cells[cell];
        &self.text[start as usize..end as usize]
    }

    fn value(&self, cell: usize, out: &mut Out) {
        let (start, end) = self.cells[cell];
        if self.plain {
            out.put_from(self.text, start as usize, end as usize);
        } else {
            self.escaped(&self.text[start as usize..end as usize], out);
        }
    }

    /// Writes components, without the empty ones at the end.
    fn parts(&self, cells: &[usize], out: &mut Out) {
        let mut last = out.at;
        for (at, &cell) in cells.iter().enumerate() {
            if at > 0 {
                out.put(b"^");
            }
            if self.cells[cell].0 != self.cells[cell].1 {
                self.value(cell, out);
                last = out.at;
            }
        }
        out.at = last;
    }

    fn escaped(&self, value: &[u8], out: &mut Out) {
        if self.plain {
            return out.put_slice(value);
        }
        for &byte in value {
            match byte {
                b'\\' => out.put(b"\\E\\"),
                b'|' => out.put(b"\\F\\"),
                b'^' => out.put(b"\\S\\"),
                b'~' => out.put(b"\\R\\"),
                b'&' => out.put(b"\\T\\"),
                b'\t' => out.put(b" "),
                0..0x20 | 0x7f => {}
                _ => out.put(&[byte]),
            }
        }
    }
}

impl Out {
    fn room(&mut self, bytes: usize) {
        if self.bytes.len() < self.at + bytes {
            self.bytes.resize(2 * (self.at + bytes), 0);
        }
    }

    fn put<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.bytes[self.at..self.at + N].copy_from_slice(bytes);
        self.at += N;
    }

    fn put_slice(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// Copies in sixteens, some bytes too many, which the next value overwrites: one
    /// move each, where a copy of unknown length is a call.
    fn put_from(&mut self, text: &[u8], start: usize, end: usize) {
        let mut from = start;
        let mut to = self.at;
        while from < end {
            self.bytes[to..to + 16].copy_from_slice(&text[from..from + 16]);
            (from, to) = (from + 16, to + 16);
        }
        self.at += end - start;
    }
}

/// `MM/DD/YYYY`, with whatever follows, as `YYYYMMDD`.
fn date(value: &[u8], out: &mut Out) {
    if let [m1, m2, b'/', d1, d2, b'/', y1, y2, y3, y4, ..] = value {
        out.put(&[*y1, *y2, *y3, *y4, *m1, *m2, *d1, *d2]);
    }
}

fn phone(value: &[u8], usage: &[u8], out: &mut Out) {
    let mut digits = [0; 16];
    let mut count = 0;
    for &byte in value {
        digits[count & 15] = byte;
        count += usize::from(byte.is_ascii_digit());
    }
    let [a, b, c, d, e, f, g, h, i, j, ..] = digits;
    out.put(&[b'(', a, b, c, b')', d, e, f, b'-', g, h, i, j]);
    if !usage.is_empty() {
        out.put_slice(usage);
        out.put(&[b'^', b'^', b'1', b'^', a, b, c, b'^', d, e, f, g, h, i, j]);
    }
}

fn number(digits: &[u8]) -> usize {
    digits.iter().fold(0, |number, digit| number * 10 + usize::from(digit & 15))
}

impl Tables {
    fn read(providers: &str, departments: &str) -> Result<Tables> {
        let mut tables = Tables {
            providers: vec![Vec::new(); 1000],
            departments: vec![Vec::new(); 1000],
            race: Codes::read(include_str!("../config/codes/race.tsv"), "CDCREC"),
            ethnicity: Codes::read(include_str!("../config/codes/ethnicity.tsv"), "CDCREC"),
            language: Codes::read(include_str!("../config/codes/language.tsv"), "ISO6392"),
            relationship: Codes::read(include_str!("../config/codes/relationship.tsv"), "HL70063"),
        };
        for record in csv::Reader::from_path(providers)?.records() {
            let record = record?;
            let text = format!("{}^{}^{}^^^^^^NPI^^^^NPI", &record[1], &record[2], &record[3]);
            tables.providers[number(record[0].as_bytes())] = text.into_bytes();
        }
        for record in csv::Reader::from_path(departments)?.records() {
            let record = record?;
            let text = format!("{}^{}^^{}", &record[0], &record[1], &record[1]);
            tables.departments[number(record[0].as_bytes())] = text.into_bytes();
        }
        Ok(tables)
    }
}

impl Codes {
    fn read(tsv: &str, system: &str) -> Codes {
        let mut codes = Codes { slots: vec![(0, Vec::new()); 1 << 13] };
        for line in tsv.lines().skip(1) {
            let cells: Vec<&str> = line.split('\t').collect();
            let text = format!("{}^{}^{system}", cells[0], cells[1]).into_bytes();
            let words = cells.get(2).into_iter().flat_map(|words| words.split(';'));
            for word in words.chain([cells[0], cells[1]]) {
                let slot = codes.slot(pack(word.as_bytes()));
                if codes.slots[slot].0 == 0 {
                    codes.slots[slot] = (pack(word.as_bytes()), text.clone());
                }
            }
        }
        codes
    }

    /// Returns `code^text^system`; nothing for what has no code.
    fn get(&self, code: &[u8]) -> &[u8] {
        &self.slots[self.slot(pack(code))].1
    }

    fn slot(&self, key: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51) as usize & mask;
        while self.slots[at].0 != 0 && self.slots[at].0 != key {
            at = (at + 1) & mask;
        }
        at
    }
}

/// The first eight bytes in upper case; the codes and words of the extract differ there.
fn pack(code: &[u8]) -> u64 {
    code.iter().take(8).fold(0, |word, &byte| word << 8 | u64::from(byte.to_ascii_uppercase()))
}
