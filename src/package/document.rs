//! From XML to tables of cells: texts, ticks and choices, however they were filled in.
//!
//! Three generations of forms are read alike: legacy form fields (`w:ffData` of a
//! `w:fldChar`), content controls (`w:sdt`), and whatever was typed or drawn into a cell.
//! Text that a reviewer deleted is not there; what nobody accepted yet is, and counts.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::archive::{PackageError, attribute, event, local, xml_damage};

/// Elements that may stand in each other.
const DEPTH_MAX: usize = 512;

/// Paragraphs above a table in which its caption is looked for.
const LEAD: usize = 4;

/// What the parts of a document are, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Its tables; one within a cell of another counts by itself.
    pub tables: Vec<Table>,
    /// Whether it has changes that nobody accepted or rejected.
    pub tracked: bool,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The paragraphs above it, the nearest last.
    pub lead: Vec<String>,
    /// Its rows, all with at least one cell.
    pub rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pieces: Vec<Piece>,
    /// The column of the grid it begins at.
    column: usize,
    /// Whether it only goes on from the cell above it.
    merged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Tick(bool),
    Break,
}

impl Cell {
    /// Returns its lines, blanks squeezed, empty lines and fillers left out.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![String::new()];
        for piece in &self.pieces {
            match (piece, lines.last_mut()) {
                (Piece::Text(text), Some(line)) => line.push_str(text),
                (Piece::Break, _) => lines.push(String::new()),
                _ => {}
            }
        }
        lines.iter().map(|line| squeezed(line)).filter(|line| !is_filler(line)).collect()
    }

    /// Returns its text on one line.
    pub fn text(&self) -> String {
        self.lines().join(" ")
    }

    /// Returns its boxes, each with what is written beside it. Where a line ends with a
    /// text, labels stand behind their boxes (`[] Yes [] No`), else before them.
    pub fn ticks(&self) -> Vec<(bool, String)> {
        let mut ticks = Vec::new();
        for line in self.pieces.split(|piece| *piece == Piece::Break) {
            let (mut boxes, mut texts) = (Vec::new(), vec![String::new()]);
            for piece in line {
                match (piece, texts.last_mut()) {
                    (Piece::Tick(on), _) => {
                        boxes.push(*on);
                        texts.push(String::new());
                    }
                    (Piece::Text(text), Some(last)) => last.push_str(text),
                    _ => {}
                }
            }
            let behind = texts.last().is_some_and(|text| !squeezed(text).is_empty());
            let labels = texts.iter().skip(usize::from(behind)).map(|text| squeezed(text));
            ticks.extend(boxes.into_iter().zip(labels));
        }
        ticks
    }
}

/// Returns a text with single blanks; Word's own blanks are blanks.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// True of what Word shows where nothing was filled in, and of nothing.
fn is_filler(line: &str) -> bool {
    let line = line.trim_matches(['_', '.', '-', ' ', '[', ']', '<', '>']).to_lowercase();
    let start = ["click here", "click or tap", "choose an item", "select one", "enter text"];
    line.is_empty() || start.iter().any(|start| line.starts_with(start))
}

/// A form field or a content control that is open.
#[derive(Default)]
struct Field {
    /// Of a legacy field: a box; its state as drawn, and as it was at first.
    is_box: bool,
    default: Option<bool>,
    checked: Option<bool>,
    /// Of a drop-down list.
    is_list: bool,
    entries: Vec<String>,
    first: usize,
    chosen: Option<usize>,
    /// Of a content control: its text only asks for one.
    placeholder: bool,
}

impl Field {
    /// True if what it shows is not its value.
    fn hides(&self) -> bool {
        self.is_box || self.is_list || self.placeholder
    }

    fn value(&self) -> Option<Piece> {
        if self.is_box {
            return Some(Piece::Tick(self.checked.or(self.default).unwrap_or_default()));
        }
        let chosen = self.entries.get(self.chosen.unwrap_or(self.first))?;
        Some(Piece::Text(chosen.clone()))
    }
}

/// A table that is being read.
#[derive(Default)]
struct OpenTable {
    table: Table,
    row: Option<Vec<Cell>>,
    cell: Option<Cell>,
    /// The column of the grid that the next cell begins at.
    column: usize,
}

#[derive(Default)]
struct Walker {
    document: Document,
    /// The tables that are open, the innermost last.
    open: Vec<OpenTable>,
    lead: Vec<String>,
    paragraph: String,
    /// Legacy fields that are open.
    fields: Vec<Field>,
    /// Content controls that are open.
    controls: Vec<Field>,
    /// Names of the open elements.
    path: Vec<String>,
    /// How deep the element is that is left out, if one is.
    skip: Option<usize>,
}

/// Reads the tables of a document.
///
/// # Errors
/// [`PackageError`]: XML that is cut off, broken, or made to harm.
pub fn read(xml: &str) -> Result<Document, PackageError> {
    let mut reader = Reader::from_str(xml);
    let mut walker = Walker::default();
    loop {
        match event(&mut reader)? {
            Event::Start(tag) => {
                if walker.path.len() == DEPTH_MAX {
                    let what = format!("its XML is nested over {DEPTH_MAX} deep");
                    return Err(PackageError::Hostile(what));
                }
                walker.begin(&tag)?;
                walker.path.push(local(&tag).to_string());
            }
            Event::Empty(tag) => {
                walker.begin(&tag)?;
                walker.path.push(local(&tag).to_string());
                walker.end();
            }
            Event::End(_) => walker.end(),
            Event::Text(text) => walker.text(&text.xml10_content()),
            Event::CData(text) => walker.text(&text.xml10_content()),
            Event::GeneralRef(reference) => walker.text(&character(&reference)?),
            Event::Eof if walker.path.is_empty() => break,
            Event::Eof => return Err(xml_damage(&reader)),
            _ => {}
        }
    }
    Ok(walker.document)
}

fn character(reference: &BytesRef<'_>) -> Result<String, PackageError> {
    let known = match reference.as_ref() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => reference.resolve_char_ref().ok().flatten(),
    };
    let what = "its XML has an entity that nothing of Word's has";
    known.map(String::from).ok_or_else(|| PackageError::Hostile(what.to_string()))
}

/// Returns what `w:val` says of something that is on or off.
fn is_on(tag: &BytesStart<'_>) -> Result<bool, PackageError> {
    let value = attribute(tag, "val")?;
    Ok(!matches!(value.as_deref(), Some("0" | "false" | "off")))
}

fn number(tag: &BytesStart<'_>, name: &str) -> Result<usize, PackageError> {
    Ok(attribute(tag, name)?.and_then(|value| value.parse().ok()).unwrap_or_default())
}

impl Walker {
    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<(), PackageError> {
        if self.skip.is_some() {
            return Ok(());
        }
        let name = local(tag);
        match name {
            "del" | "moveFrom" | "Fallback" => {
                self.document.tracked |= name != "Fallback";
                self.skip = Some(self.path.len());
            }
            "ins" | "moveTo" => self.document.tracked = true,
            "tbl" => {
                let lead = std::mem::take(&mut self.lead);
                let table = Table { lead, rows: Vec::new() };
                self.open.push(OpenTable { table, ..OpenTable::default() });
            }
            "tr" => {
                if let Some(open) = self.open.last_mut() {
                    (open.row, open.column) = (Some(Vec::new()), 0);
                }
            }
            "tc" => {
                if let Some(open) = self.open.last_mut() {
                    open.cell = Some(Cell { column: open.column, ..Cell::default() });
                    open.column += 1;
                }
            }
            "gridSpan" => {
                let span = number(tag, "val")?.clamp(1, 64);
                if let Some(open) = self.open.last_mut() {
                    open.column += span - 1;
                }
            }
            "vMerge" => {
                let goes_on = attribute(tag, "val")?.as_deref() != Some("restart");
                if let Some(cell) = self.open.last_mut().and_then(|open| open.cell.as_mut()) {
                    cell.merged = goes_on;
                }
            }
            "br" | "cr" => self.put(Piece::Break),
            "tab" | "noBreakHyphen" | "sym" if self.parent() == "r" => {
                let text = match name {
                    "tab" => Piece::Text(" ".to_string()),
                    "sym" => symbol(&attribute(tag, "char")?.unwrap_or_default()),
                    _ => Piece::Text("-".to_string()),
                };
                self.put(text);
            }
            "fldChar" => match attribute(tag, "fldCharType")?.as_deref() {
                Some("begin") => self.fields.push(Field::default()),
                Some("end") => {
                    if let Some(value) = self.fields.pop().and_then(|field| field.value()) {
                        self.put(value);
                    }
                }
                _ => {}
            },
            "sdt" => self.controls.push(Field::default()),
            "sdtContent" => {
                if let Some(value) = self.controls.last().and_then(Field::value) {
                    self.put(value);
                }
            }
            _ => self.form(name, tag)?,
        }
        Ok(())
    }

    /// Takes the settings of the field or control that is open.
    fn form(&mut self, name: &str, tag: &BytesStart<'_>) -> Result<(), PackageError> {
        let of_control = self.path.iter().any(|open| open == "sdtPr");
        let of_field = self.path.iter().any(|open| open == "ffData");
        let field = match (of_control, of_field) {
            (true, _) => self.controls.last_mut(),
            (_, true) => self.fields.last_mut(),
            _ => None,
        };
        let Some(field) = field else { return Ok(()) };
        let in_list = self.path.last().is_some_and(|open| open == "ddList");
        match name {
            "showingPlcHdr" => field.placeholder = is_on(tag)?,
            "checkBox" | "checkbox" => field.is_box = true,
            "checked" => field.checked = Some(is_on(tag)?),
            "default" if in_list => field.first = number(tag, "val")?,
            "default" if field.is_box => field.default = Some(is_on(tag)?),
            "ddList" => field.is_list = true,
            "result" if in_list => field.chosen = Some(number(tag, "val")?),
            "listEntry" if in_list => {
                field.entries.push(attribute(tag, "val")?.unwrap_or_default().into_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self) {
        let Some(name) = self.path.pop() else { return };
        if let Some(depth) = self.skip {
            self.skip = (self.path.len() > depth).then_some(depth);
            return;
        }
        match name.as_str() {
            "p" => self.end_paragraph(),
            "tc" => {
                if let Some(OpenTable { row: Some(row), cell, .. }) = self.open.last_mut() {
                    row.extend(cell.take());
                }
            }
            "tr" => {
                if let Some(OpenTable { table, row, .. }) = self.open.last_mut() {
                    let row = row.take().unwrap_or_default();
                    if !row.is_empty() {
                        let row = merged(row, table.rows.last());
                        table.rows.push(row);
                    }
                }
            }
            "tbl" => {
                if let Some(open) = self.open.pop() {
                    self.document.tables.push(open.table);
                }
            }
            "sdt" => drop(self.controls.pop()),
            _ => {}
        }
    }

    fn end_paragraph(&mut self) {
        if !self.open.is_empty() {
            self.put(Piece::Break);
            return;
        }
        let text = squeezed(&std::mem::take(&mut self.paragraph));
        if !text.is_empty() {
            if self.lead.len() == LEAD {
                self.lead.remove(0);
            }
            self.lead.push(text);
        }
    }

    fn text(&mut self, text: &str) {
        let hidden = self.fields.iter().chain(&self.controls).any(Field::hides);
        if self.skip.is_some() || hidden || self.parent() != "t" {
            return;
        }
        let mut plain = String::new();
        for char in text.chars() {
            let tick = match char {
                '\u{2611}' | '\u{2612}' | '\u{2713}' | '\u{2714}' | '\u{2717}' | '\u{2718}' => true,
                '\u{2610}' | '\u{25a1}' => false,
                _ => {
                    plain.push(char);
                    continue;
                }
            };
            self.put(Piece::Text(std::mem::take(&mut plain)));
            self.put(Piece::Tick(tick));
        }
        self.put(Piece::Text(plain));
    }

    fn put(&mut self, piece: Piece) {
        match self.open.last_mut() {
            Some(OpenTable { cell: Some(cell), .. }) => cell.pieces.push(piece),
            Some(_) => {}
            None => match piece {
                Piece::Text(text) => self.paragraph.push_str(&text),
                Piece::Break => self.paragraph.push(' '),
                Piece::Tick(_) => {}
            },
        }
    }

    fn parent(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }
}

/// Returns a sign of the fonts that have boxes (Wingdings), by its place there.
fn symbol(char: &str) -> Piece {
    match char.to_ascii_uppercase().as_str() {
        "F0FE" | "F0FD" | "F0FC" | "F0FB" | "F052" | "F053" | "F054" => Piece::Tick(true),
        "F0A8" | "F06F" | "F0A3" | "F071" | "F072" => Piece::Tick(false),
        _ => Piece::Text(String::new()),
    }
}

/// Gives each cell that only goes on from above what stands there.
fn merged(mut row: Vec<Cell>, above: Option<&Vec<Cell>>) -> Vec<Cell> {
    for cell in row.iter_mut().filter(|cell| cell.merged) {
        let same = above.into_iter().flatten().find(|above| above.column == cell.column);
        cell.pieces = same.map(|above| above.pieces.clone()).unwrap_or_default();
    }
    row
}
