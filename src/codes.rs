//! Code tables: from what an extract says to the code and text that HL7 wants.
//!
//! A table is a text file, `config/codes/*.tsv`: a title line `# <title>; HL7
//! table <n>; written as <coding system>`, then a row a line, `code<TAB>text` and
//! where needed `<TAB>words`: further inputs, `;` between, that mean this code. A
//! text that names one row only is an input too. Sources and rules: `interface.md`
//! section 6. Not being in a table is an answer here, not an error. An interface may
//! put words and rows of its own into a table ([`Table::with`]).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, LazyLock};

/// The longest input that a table can hold, in bytes; a longer one is not in it.
const INPUT_BYTES_MAX: usize = 128;

/// The tables that come with the program, by name.
const STANDARD: [(&str, &str); 10] = [
    ("contact_role", include_str!("../config/codes/contact_role.tsv")),
    ("ethnicity", include_str!("../config/codes/ethnicity.tsv")),
    ("ethnicity_hl7", include_str!("../config/codes/ethnicity_hl7.tsv")),
    ("language", include_str!("../config/codes/language.tsv")),
    ("language_b", include_str!("../config/codes/language.tsv")),
    ("marital", include_str!("../config/codes/marital.tsv")),
    ("race", include_str!("../config/codes/race.tsv")),
    ("relationship", include_str!("../config/codes/relationship.tsv")),
    ("sex", include_str!("../config/codes/sex.tsv")),
    ("status", include_str!("../config/codes/status.tsv")),
];

/// The languages whose bibliographic code (ISO 639-2/B) is another than their code for
/// terminology, which tables and athenaNet use: `T B`.
const BIBLIOGRAPHIC: [&str; 20] = [
    "sqi alb", "hye arm", "eus baq", "mya bur", "zho chi", "ces cze", "nld dut", "fra fre",
    "kat geo", "deu ger", "ell gre", "isl ice", "mkd mac", "mri mao", "msa may", "fas per",
    "ron rum", "slk slo", "bod tib", "cym wel",
];

/// Relationships as seen from the other side (`interface.md` 8.14); whatever does not
/// stand here is `OTH` from there.
const INVERSE: [&str; 8] =
    ["CHD PAR", "PAR CHD", "GCH GRP", "GRP GCH", "SEL SEL", "SPO SPO", "SIB SIB", "DOM DOM"];

/// One code of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The code as it is sent.
    pub code: String,
    /// Its text as it is sent: the second component of a CE field.
    pub text: String,
    /// Both as they stand in CE, if they need no escape; empty if they do.
    coded: Vec<u8>,
}

/// Bytes behind those of [`Row::coded`], so that whoever copies them may copy so many at once.
const SLACK: usize = 64;

impl Row {
    fn new(code: &str, text: &str) -> Row {
        Row { code: code.to_string(), text: text.to_string(), coded: Vec::new() }
    }

    /// Returns `code^text^system` where both go out as they stand: there is a text, and no
    /// byte of either means something on the wire. There is more behind it; its length is
    /// said beside it.
    pub fn coded(&self) -> Option<(&[u8], usize)> {
        let length = self.coded.len().checked_sub(SLACK)?;
        Some((&self.coded, length))
    }

    fn lay(&mut self, system: &str) {
        let good = |byte: u8| byte == b' ' || byte.is_ascii_graphic() && !b"|^~\\&".contains(&byte);
        let empty = self.code.is_empty() || self.text.is_empty();
        self.coded.clear();
        if !empty && self.code.bytes().chain(self.text.bytes()).all(good) {
            let parts = [self.code.as_str(), &self.text, system];
            let used = if system.is_empty() { 2 } else { 3 };
            self.coded = parts[..used].join("^").into_bytes();
            self.coded.resize(self.coded.len() + SLACK, 0);
        }
    }
}

/// What in a row an input was equal to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The code itself.
    Code,
    /// The text, or one of the further words.
    Word,
}

/// A code table, ready to be asked.
#[derive(Clone, Debug)]
pub struct Table {
    name: String,
    system: String,
    rows: Vec<Row>,
    inputs: HashMap<Box<[u8]>, (u32, Found), BuildHasherDefault<Fnv>>,
    /// The inputs of up to eight bytes again, by their hash, the first free place from
    /// there on; 0 is free. Nearly every input is one, and is found without a copy of it
    /// in lower case: 40 instructions, not 190, six times a record.
    short: Vec<(u64, u32, Found)>,
}

/// A word that an interface has for a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnWord {
    /// As the extract writes it.
    pub word: String,
    /// The code; one that the table does not have needs a text.
    pub code: String,
    /// The text of a code that the table does not have.
    pub text: Option<String>,
}

/// A table file that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("code table {table}, line {line}: {what}")]
pub struct TableError {
    /// The table's name.
    pub table: String,
    /// The line of its file, from 1.
    pub line: usize,
    /// What is wrong, and what to write instead.
    pub what: String,
}

/// Returns a table that comes with the program: `race`, `ethnicity`, `language`,
/// `sex`, `marital`, `relationship`, `contact_role` or `status`; also `language_b`,
/// which writes ISO 639-2/B, and `ethnicity_hl7`, which writes HL7 table 0189.
pub fn standard(name: &str) -> Option<&'static Arc<Table>> {
    // A test reads every one of them, so none is lost here.
    static TABLES: LazyLock<Vec<Arc<Table>>> = LazyLock::new(|| {
        let read = |(name, tsv): &(&str, &str)| Table::read(name, tsv).ok().map(Arc::new);
        STANDARD.iter().filter_map(read).collect()
    });
    TABLES.iter().find(|table| table.name == name)
}

impl Table {
    /// Reads a table from the text of its file.
    ///
    /// # Errors
    /// A missing title line, a row without code and text, an input that is too long,
    /// and a code or word that stands for two rows.
    pub fn read(name: &str, tsv: &str) -> Result<Table, TableError> {
        let fail = |line, what: String| TableError { table: name.to_string(), line, what };
        let mut lines = tsv.lines().enumerate().map(|(index, line)| (index + 1, line));
        let title =
            lines.next().and_then(|(_, line)| line.strip_prefix("# ")).ok_or_else(|| {
                fail(1, "no title; write `# <title>; HL7 table <n>; written as <system>`".into())
            })?;
        let system = title.rsplit_once("; written as ").map_or("", |(_, system)| system);
        let mut table = Table {
            name: name.to_string(),
            system: system.to_string(),
            rows: Vec::new(),
            inputs: HashMap::default(),
            short: Vec::new(),
        };
        let mut words = Vec::new();
        for (number, line) in lines {
            let mut cells = line.split('\t').map(str::trim);
            let (code, text, further) =
                (cells.next().unwrap_or(""), cells.next().unwrap_or(""), cells.next());
            if code.is_empty() || text.is_empty() || cells.next().is_some() {
                return Err(fail(number, "not a row; write `code<TAB>text<TAB>words`".into()));
            }
            let row = table.rows.len() as u32;
            table.rows.push(Row::new(code, text));
            table.add(code, row, Found::Code).map_err(|what| fail(number, what))?;
            let further = further.unwrap_or("").split(';').filter(|word| !word.is_empty());
            words.extend(further.map(|word| (number, row, word)));
        }
        // Codes first, so that a word which is a code of another row is seen as such.
        for (number, row, word) in words {
            table.add(word, row, Found::Word).map_err(|what| fail(number, what))?;
        }
        table.add_texts();
        if name == "language_b" {
            for row in &mut table.rows {
                let mut pairs = BIBLIOGRAPHIC.iter().filter_map(|pair| pair.split_once(' '));
                if let Some((_, b)) = pairs.find(|(t, _)| *t == row.code) {
                    row.code = b.to_string();
                }
            }
        }
        table.shorten();
        Ok(table)
    }

    /// Fills `short` from `inputs`, and lays out what is written.
    fn shorten(&mut self) {
        self.rows.iter_mut().for_each(|row| row.lay(&self.system));
        let short = self.inputs.iter().filter_map(|(key, found)| Some((packed(key)?, *found)));
        let short: Vec<(u64, (u32, Found))> = short.collect();
        self.short.clear();
        self.short.resize((short.len() * 2 + 1).next_power_of_two(), (0, 0, Found::Code));
        for (key, (row, found)) in short {
            let mut at = self.place(key);
            while self.short[at].0 != 0 {
                at = (at + 1) & (self.short.len() - 1);
            }
            self.short[at] = (key, row, found);
        }
    }

    fn place(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (self.short.len() - 1)
    }

    /// Returns the table with an interface's own words in it, which go before what it
    /// has, and its own coding system, if any. A word whose code is not there and has
    /// no text is left out; who reads the settings told so.
    pub fn with(&self, words: &[OwnWord], system: Option<&str>) -> Table {
        let mut table = self.clone();
        let mut buffer = [0; INPUT_BYTES_MAX];
        if let Some(system) = system {
            table.system = system.to_string();
        }
        for OwnWord { word, code, text } in words {
            let row = match (text, table.inputs.get(code.to_lowercase().as_bytes())) {
                (Some(text), _) => {
                    table.rows.push(Row::new(code, text));
                    (table.rows.len() - 1) as u32
                }
                (None, Some((row, _))) => *row,
                (None, None) => continue,
            };
            if let Some(key) = squeeze(word.as_bytes(), &mut buffer) {
                table.inputs.insert(key.into(), (row, Found::Code));
            }
        }
        table.shorten();
        table
    }

    /// Makes `input` stand for a row.
    fn add(&mut self, input: &str, row: u32, found: Found) -> Result<(), String> {
        let mut buffer = [0; INPUT_BYTES_MAX];
        let Some(key) = squeeze(input.as_bytes(), &mut buffer).filter(|key| !key.is_empty()) else {
            return Err(format!("`{input}` is not 1 to {INPUT_BYTES_MAX} bytes long"));
        };
        match self.inputs.insert(key.into(), (row, found)) {
            None => Ok(()),
            Some((other, _)) => {
                let other = &self.rows[other as usize].code;
                Err(format!("`{input}` stands for `{other}` already; take it out of one of them"))
            }
        }
    }

    /// Makes each text stand for its row, but where another row has it: Georgetown is
    /// two CDC races, and `Ga` is a language as well as the two letters of Irish.
    fn add_texts(&mut self) {
        let mut buffer = [0; INPUT_BYTES_MAX];
        let mut texts: HashMap<Box<[u8]>, Option<u32>> = HashMap::new();
        for (row, number) in self.rows.iter().zip(0..) {
            if let Some(key) = squeeze(row.text.as_bytes(), &mut buffer) {
                texts.entry(key.into()).and_modify(|row| *row = None).or_insert(Some(number));
            }
        }
        for (key, row) in texts {
            if let Some(row) = row {
                self.inputs.entry(key).or_insert((row, Found::Word));
            }
        }
    }

    /// Returns the row that `input` stands for: a code, a word or a text, in any case
    /// and with blanks squeezed. Does not allocate.
    pub fn find(&self, input: &[u8]) -> Option<(&Row, Found)> {
        if let Some(key) = packed(input) {
            let mut at = self.place(key);
            loop {
                match self.short[at] {
                    (0, ..) => return None,
                    (known, row, found) if known == key => {
                        return Some((&self.rows[row as usize], found));
                    }
                    _ => at = (at + 1) & (self.short.len() - 1),
                }
            }
        }
        let mut buffer = [0; INPUT_BYTES_MAX];
        let key = squeeze(input, &mut buffer)?;
        self.inputs.get(key).map(|&(row, found)| (&self.rows[row as usize], found))
    }

    /// Returns the table's name, which is its file's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the coding system as it is sent: the third component of a CE field,
    /// empty where there is none.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// Returns every row, in the order of the file.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

/// Returns one to eight letters, digits and signs as a number, in lower case: all of them
/// at once, for 30 instructions, not one by one for 80.
fn packed(input: &[u8]) -> Option<u64> {
    const ALL: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ALL;
    let length = input.len();
    let word = match *input {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c] => u64::from(u32::from_le_bytes([a, b, c, 0])),
        // The second four may be some of the first again.
        [a, b, c, d, ..] if length <= 8 => {
            let [.., e, f, g, h] = *input else { return None };
            let [first, second] = [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes);
            u64::from(first) | u64::from(second) << (8 * (length - 4))
        }
        _ => return None,
    };
    // What is not there counts as a letter.
    let filled = word | (b'a' as u64 * ALL).checked_shl(8 * length as u32).unwrap_or(0);
    let is_graphic = !filled & (filled | HIGH).wrapping_sub(0x21 * ALL) & HIGH == HIGH
        && filled.wrapping_add(ALL) & HIGH == 0;
    // The high bit of each byte that is a capital letter.
    let capital = word.wrapping_add((0x80 - b'A' as u64) * ALL)
        & !word.wrapping_add((0x7f - b'Z' as u64) * ALL)
        & HIGH;
    is_graphic.then_some(word | capital >> 2)
}

/// Puts `input` into `buffer` in lower case (ASCII letters), without blanks at its ends
/// and with one for each run inside; `None` if it does not fit.
fn squeeze<'a>(input: &[u8], buffer: &'a mut [u8; INPUT_BYTES_MAX]) -> Option<&'a [u8]> {
    let mut filled = 0;
    let mut blank = false;
    for &byte in input.trim_ascii() {
        if byte.is_ascii_whitespace() {
            blank = true;
            continue;
        }
        if blank {
            *buffer.get_mut(filled)? = b' ';
            filled += 1;
            blank = false;
        }
        *buffer.get_mut(filled)? = byte.to_ascii_lowercase();
        filled += 1;
    }
    Some(&buffer[..filled])
}

/// FNV-1a: the keys are short and the tables are ours or the practice's, so nothing need
/// be kept secret.
#[derive(Clone)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    // A slice hashes its length too; that needs no round a byte.
    fn write_usize(&mut self, length: usize) {
        self.0 ^= length as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Returns what a relationship is from the other side: the patient is the insured's
/// child, so the insured is the patient's parent.
pub fn inverse_relationship(code: &str) -> &'static str {
    let found = INVERSE.iter().filter_map(|pair| pair.split_once(' '));
    found.filter(|(from, _)| *from == code).map(|(_, to)| to).next().unwrap_or("OTH")
}

/// True for a code that is formed like CDC's race and ethnicity codes, `dddd-d`, and
/// whose last digit is the Luhn check digit over the others. All 964 codes are; so a
/// newer code than the table's can be told from a mistyped one.
pub fn cdc_check_digit(code: &str) -> bool {
    match code.as_bytes() {
        [number @ .., b'-', check] if number.len() == 4 => {
            luhn(number.iter().chain([check]).copied(), 0)
        }
        _ => false,
    }
}

/// True for a National Provider Identifier: ten digits, the first 1 or 2, the last the
/// Luhn check digit over `80840` (card issuer, United States) and the others.
pub fn npi_check_digit(npi: &str) -> bool {
    let npi = npi.as_bytes();
    // The digits of the prefix weigh 24 in every NPI.
    npi.len() == 10 && matches!(npi[0], b'1' | b'2') && luhn(npi.iter().copied(), 24)
}

/// True if every byte is a digit and the Luhn sum, begun with `start`, ends in zero.
fn luhn(digits: impl DoubleEndedIterator<Item = u8>, start: u32) -> bool {
    let mut sum = start;
    for (place, byte) in digits.rev().enumerate() {
        if !byte.is_ascii_digit() {
            return false;
        }
        let digit = u32::from(byte - b'0');
        // Doubled, the digits of 10 to 18 sum to nine less.
        sum += match place % 2 {
            0 => digit,
            _ if digit > 4 => 2 * digit - 9,
            _ => 2 * digit,
        };
    }
    sum.is_multiple_of(10)
}

/// True for `qaa` to `qtz`, in any case: ISO 639-2 leaves them to local use, so they
/// are sent as they are, and have no name.
pub fn is_private_language(code: &str) -> bool {
    match code.as_bytes() {
        [first, second, third] => {
            first.eq_ignore_ascii_case(&b'q')
                && matches!(second.to_ascii_lowercase(), b'a'..=b't')
                && third.is_ascii_alphabetic()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(table: &str, input: &str) -> Option<(String, String, Found)> {
        let (row, found) = standard(table).unwrap().find(input.as_bytes())?;
        Some((row.code.clone(), row.text.clone(), found))
    }

    fn code(table: &str, input: &str) -> String {
        find(table, input).map(|(code, _, _)| code).unwrap_or_default()
    }

    proptest::proptest! {
        #[test]
        fn a_short_input_is_packed_as_byte_by_byte(input in "[!-~A-Z]{0,9}|[ -~\u{e9}\u{0}]{0,9}") {
            let bytes = input.as_bytes();
            let good = (1..=8).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
            let pack = |byte: &u8, key| key << 8 | u64::from(byte.to_ascii_lowercase());
            proptest::prop_assert_eq!(packed(bytes), good.then(|| bytes.iter().rfold(0, |key, byte| pack(byte, key))));
        }
    }

    #[test]
    fn every_standard_table_reads() {
        for (name, tsv) in STANDARD {
            let table = Table::read(name, tsv).unwrap();
            assert_eq!(standard(name).unwrap().rows(), table.rows());
            assert_eq!(table.rows().len(), tsv.lines().count() - 1, "{name}");
        }
        assert!(standard("pets").is_none());
    }

    #[test]
    fn the_golden_texts_stand_in_the_tables() {
        for (table, input, code, text, system) in [
            ("race", "1019-9", "1019-9", "White Mountain Apache", "CDCREC"),
            ("ethnicity", "2186-5", "2186-5", "Not Hispanic or Latino", "CDCREC"),
            ("language", "eng", "eng", "English", "ISO6392"),
            ("language", "zho", "zho", "Chinese", "ISO6392"),
            ("relationship", "SPOUSE", "SPO", "Spouse", "HL70063"),
            ("relationship", "1", "SEL", "Self", "HL70063"),
            ("relationship", "3", "CHD", "Child", "HL70063"),
            ("relationship", "PARENT", "PAR", "Parent", "HL70063"),
            ("contact_role", "N", "N", "Next-of-Kin", "HL70131"),
            ("contact_role", "C", "C", "Emergency Contact", "HL70131"),
            ("status", "Filled", "f", "Filled", ""),
        ] {
            let table = standard(table).unwrap();
            let (row, _) = table.find(input.as_bytes()).unwrap();
            assert_eq!((row.code.as_str(), row.text.as_str()), (code, text));
            assert_eq!(table.system(), system);
        }
    }

    #[test]
    fn an_input_is_found_in_any_case_and_with_blanks_squeezed() {
        assert_eq!(code("race", "  white  mountain\tAPACHE "), "1019-9");
        assert_eq!(code("language", "CHI"), "zho");
        assert_eq!(code("language", "zh"), "zho");
        assert_eq!(code("language", "castilian"), "spa");
        assert_eq!(code("status", "CHECKED IN"), "2");
        assert_eq!(find("language", "ENG").unwrap().2, Found::Code);
        assert_eq!(find("language", "English").unwrap().2, Found::Word);
    }

    #[test]
    fn a_language_has_a_code_in_each_form() {
        let both =
            [("zho", "chi"), ("chi", "chi"), ("zh", "chi"), ("eng", "eng"), ("Chinese", "chi")];
        for (input, b) in both {
            assert_eq!(code("language_b", input), b, "{input}");
        }
        for pair in BIBLIOGRAPHIC {
            let (t, b) = pair.split_once(' ').unwrap();
            assert_eq!((code("language", b), code("language_b", t)), (t.into(), b.into()));
        }
    }

    #[test]
    fn every_ethnicity_is_hispanic_or_not_in_hl7s_own_table() {
        for row in standard("ethnicity").unwrap().rows() {
            let wanted = if row.code == "2186-5" { "N" } else { "H" };
            assert_eq!(code("ethnicity_hl7", &row.code), wanted, "{}", row.code);
            assert_eq!(code("ethnicity_hl7", &row.text), wanted, "{}", row.text);
        }
        assert_eq!(standard("ethnicity_hl7").unwrap().system(), "HL70189");
    }

    #[test]
    fn a_relationship_is_seen_from_the_other_side() {
        for (code, wanted) in [("CHD", "PAR"), ("PAR", "CHD"), ("GRP", "GCH"), ("SEL", "SEL")] {
            assert_eq!(inverse_relationship(code), wanted);
        }
        assert_eq!((inverse_relationship("EME"), inverse_relationship("")), ("OTH", "OTH"));
    }

    #[test]
    fn an_interface_puts_its_own_words_into_a_table() {
        let own = |word: &str, code: &str, text: Option<&str>| OwnWord {
            word: word.to_string(),
            code: code.to_string(),
            text: text.map(str::to_string),
        };
        let words = [
            own("Boss  Of", "eme", None),
            own("PARENT", "GRD", None),
            own("Neighbour", "NBR", Some("Neighbour")),
            own("lost", "XYZ", None),
        ];
        let table = standard("relationship").unwrap().with(&words, Some("LOCAL"));
        let code = |input: &str| table.find(input.as_bytes()).map(|(row, _)| row.code.as_str());
        assert_eq!(code("boss of"), Some("EME"));
        assert_eq!(code("parent"), Some("GRD"), "its own word counts");
        assert_eq!(code("NEIGHBOUR"), Some("NBR"));
        assert_eq!((code("lost"), table.system()), (None, "LOCAL"));
    }

    #[test]
    fn what_is_not_in_a_table_is_not_found() {
        let long = "x".repeat(INPUT_BYTES_MAX + 1);
        for input in ["", "   ", "2106", "9999-9", "white mountain apaches", &long] {
            assert_eq!(find("race", input), None, "{input}");
        }
        assert_eq!(find("race", "2186-5"), None, "an ethnicity is not a race");
    }

    #[test]
    fn a_text_that_names_two_rows_is_no_input() {
        assert_eq!(find("race", "Georgetown"), None);
        assert_eq!(code("language", "Ga"), "gle", "two letters are a code before they are a name");
    }

    #[test]
    fn athena_numbers_and_words_go_to_their_codes() {
        #[rustfmt::skip]
        let numbers = [
            ("SEL", "1"), ("SPO", "2"), ("CHD", "3 25 27 28 29 30"), ("OTH", "4 7 15 16 21 22 23 24"),
            ("GRP", "5"), ("GCH", "6"), ("FCH", "9"), ("WRD", "10"), ("SCH", "11 31 32"), ("EME", "12"),
            ("UNK", "13"), ("DEP", "14"), ("DOM", "17 26"), ("MTH", "18"), ("FTH", "19"),
        ];
        for (wanted, numbers) in numbers {
            for number in numbers.split(' ') {
                assert_eq!(code("relationship", number), wanted, "{number}");
            }
        }
        for (wanted, word) in
            [("SIB", "SIBLING"), ("FND", "Friend"), ("EXF", "COUSIN"), ("GRD", "guardian")]
        {
            assert_eq!(code("relationship", word), wanted);
        }
        assert_eq!((code("marital", "X"), code("marital", "SEPARATED")), ("A".into(), "A".into()));
        assert_eq!((code("marital", "PARTNER"), code("sex", "n")), ("P".into(), "U".into()));
    }

    #[test]
    fn a_table_that_says_two_things_is_refused_with_its_line() {
        let read = |tsv| Table::read("pets", tsv).map(|_| ()).unwrap_err().to_string();
        let title = "code table pets, line 1: no title; write `# <title>; HL7 table <n>; written as <system>`";
        assert_eq!(read(""), title);
        assert_eq!(read("a\tb\n"), title);
        let row = "not a row; write `code<TAB>text<TAB>words`";
        for bad in ["# Pets\nc\tCat\n\n", "# Pets\nc\tCat\nd\n", "# Pets\nc\tCat\nd\tDog\tx\ty\n"] {
            assert_eq!(read(bad), format!("code table pets, line 3: {row}"));
        }
        let taken = "stands for `c` already; take it out of one of them";
        for (bad, input) in [
            ("# Pets\nc\tCat\nC\tCow\n", "C"),
            ("# Pets\nc\tCat\nd\tDog\tbark;C\n", "C"),
            ("# Pets\nc\tCat\tpet\nd\tDog\tPET\n", "PET"),
        ] {
            assert_eq!(read(bad), format!("code table pets, line 3: `{input}` {taken}"));
        }
    }

    #[test]
    fn every_cdc_code_has_its_check_digit() {
        let codes = ["race", "ethnicity"].map(|name| standard(name).unwrap().rows());
        assert_eq!(codes.iter().map(|rows| rows.len()).sum::<usize>(), 964);
        assert!(codes.iter().all(|rows| rows.iter().all(|row| cdc_check_digit(&row.code))));
        for bad in ["", "2106-4", "21063", "2106-", "210-63", "210a-3", "02106-3", "2106-3 "] {
            assert!(!cdc_check_digit(bad), "{bad}");
        }
    }

    #[test]
    fn an_npi_is_known_by_its_check_digit() {
        for good in ["1234567893", "1558598797", "1000000012", "1000000020"] {
            assert!(npi_check_digit(good), "{good}");
        }
        for bad in ["", "1234567890", "123456789", "12345678930", "3234567893", "123456789x"] {
            assert!(!npi_check_digit(bad), "{bad}");
        }
    }

    #[test]
    fn the_private_languages_run_from_qaa_to_qtz() {
        for good in ["qaa", "QTZ", "qmm"] {
            assert!(is_private_language(good), "{good}");
        }
        for bad in ["qua", "qa", "qaaa", "que", "q-a", "paa"] {
            assert!(!is_private_language(bad), "{bad}");
        }
    }
}
