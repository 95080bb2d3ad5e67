//! Mappings, as people keep them in tables: CSV in, CSV out.

use std::borrow::Cow;

use crate::domain::{Mapped, wrong_value};
use crate::engine::agreement::Agreement;
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;
use crate::ledger::{MapRow, Maps, Sign};

/// The columns of such a table; the last two are only written.
const COLUMNS: [&str; 7] = ["interface", "kind", "value", "becomes", "note", "by", "at"];

impl Engine {
    /// Returns what was agreed, with what people mapped as it stands now.
    pub(in crate::engine) fn translated(&self) -> Result<Cow<'_, Agreement>, EngineError> {
        let interface = self.agreement.scope.interface.as_str();
        let translations = match Maps::peek(&self.maps)? {
            Some(maps) => maps.of(interface)?,
            None => return Ok(Cow::Borrowed(&self.agreement)),
        };
        Ok(match translations.is_empty() {
            true => Cow::Borrowed(&self.agreement),
            false => Cow::Owned(self.agreement.translated(translations)),
        })
    }
}

/// Writes mappings as CSV. An interface that is empty is all of them.
///
/// # Errors
/// Those of writing to memory, which there are none of.
pub fn maps_to_csv(rows: &[MapRow]) -> Result<String, EngineError> {
    let wrong = |what: String| EngineError::Refused { what };
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut write = |record: &[&str]| {
        out.write_record(record).map_err(|err| wrong(format!("cannot write CSV: {err}")))
    };
    write(&COLUMNS)?;
    for row in rows {
        let at = row.sign.at.to_string();
        write(&[
            row.interface.as_deref().unwrap_or_default(),
            row.kind.word(),
            &row.value,
            &row.becomes,
            &row.sign.why,
            &row.sign.by,
            &at,
        ])?;
    }
    let bytes = out.into_inner().map_err(|err| wrong(format!("cannot write CSV: {err}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads mappings from CSV with a header: `kind`, `value` and `becomes` must be there,
/// `interface` and `note` may; `interface` is whose they are where the file does not say.
/// All are put in under the name of who signs.
///
/// # Errors
/// [`EngineError::Refused`] names the first line that is wrong, and the column.
pub fn read_maps_csv(
    text: &[u8],
    interface: Option<&str>,
    sign: &Sign,
) -> Result<Vec<MapRow>, EngineError> {
    let wrong = |what: String| EngineError::Refused { what: format!("the CSV file: {what}") };
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let header = reader.headers().map_err(|err| wrong(err.to_string()))?.clone();
    let place = |name: &str| header.iter().position(|one| one.eq_ignore_ascii_case(name));
    let needed = |name: &str| place(name).ok_or_else(|| wrong(format!("it has no column {name}")));
    let (kind, value, becomes) = (needed("kind")?, needed("value")?, needed("becomes")?);
    let (whose, note) = (place("interface"), place("note"));
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|err| wrong(err.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |at: usize| record.get(at).unwrap_or_default().to_string();
        let word = cell(kind);
        let Some(kind) = Mapped::of_word(&word.to_ascii_lowercase()) else {
            let what = format!("line {line}: kind is provider, department or insurance");
            return Err(wrong(what));
        };
        for (name, at) in [("value", value), ("becomes", becomes)] {
            if let Some(what) = wrong_value(&cell(at)) {
                return Err(wrong(format!("line {line}: {name} {what}")));
            }
        }
        let own = whose.map(cell).filter(|own| !own.is_empty());
        let why = note.map(cell).filter(|note| !note.is_empty());
        let sign = Sign { why: why.unwrap_or_else(|| sign.why.clone()), ..sign.clone() };
        let interface = own.or_else(|| interface.map(str::to_string));
        rows.push(MapRow { interface, kind, value: cell(value), becomes: cell(becomes), sign });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign() -> Sign {
        Sign { by: "anna".into(), why: "import".into(), at: 7 }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = "kind,value,becomes,note\nDepartment,ENDO2,12,\"as told, by phone\"\n\
                    insurance,AETNA PPO,982,\n";
        let rows = read_maps_csv(text.as_bytes(), Some("ridge"), &sign()).unwrap();
        let whys: Vec<&str> = rows.iter().map(|row| row.sign.why.as_str()).collect();
        assert_eq!(whys, ["as told, by phone", "import"]);
        let csv = maps_to_csv(&rows).unwrap();
        assert_eq!(read_maps_csv(csv.as_bytes(), None, &sign()).unwrap(), rows);
    }

    #[test]
    fn a_bad_line_is_named_with_its_column() {
        for (text, what) in [
            ("kind,value\n", "it has no column becomes"),
            ("kind,value,becomes\nroom,1,2\n", "line 2: kind is provider, department or insurance"),
            ("kind,value,becomes\nprovider,1,\n", "line 2: becomes is empty"),
        ] {
            let err = read_maps_csv(text.as_bytes(), None, &sign()).unwrap_err();
            assert_eq!(err.to_string(), format!("the CSV file: {what}"));
        }
    }
}
