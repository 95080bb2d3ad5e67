//! What a filled scope package says: answers for the interface file, and questions that
//! it leaves open, each with its place in the document.

use std::fmt;

/// Where something stands in a document; tables count as its captions say, rows from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The table, as people call it: `table 4`, `the table of connectivity`.
    pub table: String,
    /// The row, the header being one; none for the whole table.
    pub row: Option<usize>,
}

impl Spot {
    /// Returns a row of a table; rows count from 1.
    pub fn row(table: &str, row: usize) -> Spot {
        Spot { table: table.to_string(), row: Some(row) }
    }

    /// Returns a whole table, or the document.
    pub fn of(table: &str) -> Spot {
        Spot { table: table.to_string(), row: None }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.table)?;
        self.row.map_or(Ok(()), |row| write!(out, ", row {row}"))
    }
}

/// A value of an interface file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(u64),
    /// A list of texts.
    Names(Vec<String>),
}

/// One key of the interface file, and where the document says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledKey {
    /// The section: `project`.
    pub section: &'static str,
    /// The key: `context_id`.
    pub key: &'static str,
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub spot: Spot,
}

/// One `[[row]]` of the interface file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledRow {
    /// The array: `external_ids.patient`.
    pub section: &'static str,
    /// Its keys, in order.
    pub keys: Vec<(&'static str, Value)>,
    /// Where it stands.
    pub spot: Spot,
}

/// Something that a person must answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where in the document.
    pub spot: Spot,
    /// What is not known.
    pub what: String,
    /// What to set in the interface file.
    pub set: String,
}

impl fmt::Display for Question {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}; {}", self.spot, self.what, self.set)
    }
}

/// All that a filled package says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Keys, in the order of the document; none twice.
    pub keys: Vec<FilledKey>,
    /// Rows, in the order of the document.
    pub rows: Vec<FilledRow>,
    /// What it leaves open, in the order of the document.
    pub questions: Vec<Question>,
    /// What it says and no setting holds, such as contacts; for people.
    pub notes: Vec<(Spot, String)>,
}

impl Answers {
    /// Returns the text of a key, if it has an answer.
    pub fn text(&self, section: &str, key: &str) -> Option<&str> {
        let known = self.keys.iter().find(|known| known.section == section && known.key == key)?;
        match &known.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Asks a question.
    pub fn ask(&mut self, spot: Spot, what: impl Into<String>, set: impl Into<String>) {
        self.questions.push(Question { spot, what: what.into(), set: set.into() });
    }

    /// Takes a key. A second answer to it that differs is a question: the first one holds.
    pub fn answer(&mut self, section: &'static str, key: &'static str, value: Value, spot: Spot) {
        let known = self.keys.iter().find(|known| known.section == section && known.key == key);
        match known {
            None => self.keys.push(FilledKey { section, key, value, spot }),
            Some(known) if known.value == value => {}
            Some(known) => {
                let what = format!("it says of `{key}` something else than {}", known.spot);
                self.ask(spot, what, format!("look which is right, and set {key} in [{section}]"));
            }
        }
    }
}
