//! A header bound to the vocabulary: which cell of a row is which column.

use std::collections::HashMap;

use super::scope::ExtractKind;
use crate::tame;

/// Unknown header names that are shown, and characters of each.
const UNKNOWN_MAX: (usize, usize) = (10, 40);

/// What the name of a patient's column begins with, where it stands beside others.
pub const OF_PATIENT: &str = "patient.";

/// Where the columns of one extract stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// What the extract holds.
    pub kind: ExtractKind,
    /// Values a row must have.
    pub width: usize,
    /// The byte between values, where the records are delimited.
    pub delimiter: u8,
    /// Of NDJSON what each name is; none: the records are delimited.
    pub json: Option<HashMap<String, Name>>,
    /// What byte offsets count from, for people: `the file`, or what was made of it.
    pub text: &'static str,
    /// The cells of IDs and codes, with their columns.
    pub ids: Vec<Id>,
    /// The header as it was written.
    pub header: String,
    /// Header names that mean nothing to us, fit to be shown: the first ten, each cut
    /// short and without control characters, then how many more there are.
    pub unknown: Vec<String>,
    /// Columns that stand in the header more than once, with their cells, which
    /// must agree (`interface.md` 5.2a).
    pub repeated: Vec<(String, Vec<usize>)>,
    own: HashMap<String, Vec<usize>>,
    patient: HashMap<String, Vec<usize>>,
}

/// A cell of an ID or a code, which must be as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    /// The cell.
    pub cell: usize,
    /// Its column, by its canonical name.
    pub column: String,
    /// Whether zeros at its front count, so that a JSON number cannot hold it.
    pub leading_zeros: bool,
}

/// A name in the records of an NDJSON extract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its cell.
    pub cell: usize,
    /// Its column, by its canonical name; empty where it means nothing to us, and any
    /// value will do then.
    pub column: String,
    /// True of an ID or a code: a number must be whole.
    pub is_id: bool,
    /// See [`Id`].
    pub leading_zeros: bool,
}

/// What a header cell means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A column of this kind of extract, by its canonical name.
    Own(String),
    /// A patient column in an appointments extract (`interface.md` 5.4, last row).
    Patient(String),
    /// Known, and of no use.
    Ignored,
    /// Not known.
    Unknown(String),
}

impl Layout {
    /// Lays out the cells of a header.
    pub fn new(kind: ExtractKind, delimiter: u8, header: String, cells: Vec<Cell>) -> Layout {
        let mut layout = Layout {
            kind,
            width: cells.len(),
            delimiter,
            json: None,
            text: "the file",
            ids: Vec::new(),
            header,
            unknown: Vec::new(),
            repeated: Vec::new(),
            own: HashMap::new(),
            patient: HashMap::new(),
        };
        let mut unknown = Vec::new();
        for (at, cell) in cells.into_iter().enumerate() {
            match cell {
                Cell::Own(column) => layout.own.entry(column).or_default().push(at),
                Cell::Patient(column) => layout.patient.entry(column).or_default().push(at),
                Cell::Ignored => {}
                Cell::Unknown(name) if unknown.contains(&name) => {}
                Cell::Unknown(name) => unknown.push(name),
            }
        }
        layout.unknown = shown(&unknown);
        layout.repeated = layout
            .own
            .iter()
            .chain(&layout.patient)
            .filter(|(_, cells)| cells.len() > 1)
            .map(|(column, cells)| (column.clone(), cells.clone()))
            .collect();
        layout.repeated.sort();
        layout
    }

    /// Returns the cells of a column, in order; most columns have one or none.
    pub fn cells(&self, column: &str) -> &[usize] {
        self.own.get(column).map_or(&[], Vec::as_slice)
    }

    /// Returns the cells of a column of the patient: in a patients extract its own.
    pub fn patient_cells(&self, column: &str) -> &[usize] {
        match self.patient.get(column) {
            Some(cells) => cells,
            None if self.kind == ExtractKind::Patients || column == "patientid" => {
                self.cells(column)
            }
            None => &[],
        }
    }

    /// Returns each column with its cells, in no order; those of the patient in an
    /// appointments extract begin with [`OF_PATIENT`].
    pub fn columns(&self) -> impl Iterator<Item = (String, &[usize])> {
        let own = self.own.iter().map(|(name, cells)| (name.clone(), cells.as_slice()));
        let of_patient = |(name, cells): (&String, _)| (format!("{OF_PATIENT}{name}"), cells);
        own.chain(self.patient.iter().map(|(name, cells)| (name, cells.as_slice())).map(of_patient))
    }

    /// Returns the column that a cell belongs to.
    pub fn column_at(&self, cell: usize) -> Option<&str> {
        let all = self.own.iter().chain(&self.patient);
        all.filter(|(_, cells)| cells.contains(&cell)).map(|(column, _)| column.as_str()).next()
    }

    /// True if the extract has the column.
    pub fn has(&self, column: &str) -> bool {
        self.own.contains_key(column)
    }

    /// True if an appointments extract can name its patients by itself.
    pub fn names_patients(&self) -> bool {
        ["lastname", "firstname"].iter().all(|column| self.patient.contains_key(*column))
    }
}

/// Makes names fit to be shown: a header can be any text, even a record.
fn shown(names: &[String]) -> Vec<String> {
    let (count, length) = UNKNOWN_MAX;
    let plain = |name: &String| -> String {
        let escaped = tame::line(name);
        match escaped.char_indices().nth(length) {
            Some((end, _)) => format!("{}...", &escaped[..end]),
            None => escaped.into_owned(),
        }
    };
    let mut shown: Vec<String> = names.iter().take(count).map(plain).collect();
    if names.len() > count {
        shown.push(format!("and {} more", names.len() - count));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_shown_short_few_and_tame() {
        let names = ["Room Colour", "\u{1b}[31mred\n", &"x".repeat(41), "\u{202e}back"];
        let names: Vec<Cell> = names.iter().map(|name| Cell::Unknown(name.to_string())).collect();
        let layout = Layout::new(ExtractKind::Patients, b',', String::new(), names);
        let cut = "x".repeat(40) + "...";
        let shown = ["Room Colour", "\\u{1b}[31mred\\n", cut.as_str(), "\\u{202e}back"];
        assert_eq!(layout.unknown, shown);
        let many = (0..12).map(|at| Cell::Unknown(at.to_string())).collect();
        let layout = Layout::new(ExtractKind::Patients, b',', String::new(), many);
        assert_eq!((layout.unknown.len(), layout.unknown[10].as_str()), (11, "and 2 more"));
    }

    #[test]
    fn a_cell_knows_its_column() {
        let cells = vec![Cell::Own("dob".into()), Cell::Ignored, Cell::Patient("sex".into())];
        let layout = Layout::new(ExtractKind::Appointments, b',', String::new(), cells);
        let columns = [0, 1, 2].map(|cell| layout.column_at(cell));
        assert_eq!(columns, [Some("dob"), None, Some("sex")]);
    }
}
