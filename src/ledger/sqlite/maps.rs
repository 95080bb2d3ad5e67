//! The store of the mappings: one small SQLite file for all interfaces of a program,
//! beside their folders. Everybody may write it at any time: nothing holds it for longer
//! than a commit takes, so nobody has to wait for a pass.

use std::path::Path;

use rusqlite::{Connection, Row, TransactionBehavior, params_from_iter};

use super::action;
use super::open::{MAPS, open_beside, peek_beside};
use super::query::{all, at_most, one};
use super::row::{check_seal, sealed};
use crate::crashpoint::crashpoint;
use crate::domain::{Mapped, Translations};
use crate::ledger::{Act, ActionRow, LedgerError, Result, Sign};

/// A value, and the one that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRow {
    /// Whose; none: all interfaces'.
    pub interface: Option<String>,
    /// What the value is.
    pub kind: Mapped,
    /// As it is dropped.
    pub value: String,
    /// As it is meant.
    pub becomes: String,
    /// Who mapped it when; why is its note.
    pub sign: Sign,
}

/// What came of putting mappings in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// So many are new or changed; the others were so already.
    Done(usize),
    /// Somebody mapped one of the values to something else; nothing was put in.
    Taken(Box<MapRow>),
}

/// The mappings of all interfaces.
pub struct Maps {
    conn: Connection,
}

const ROW: &str = "interface, kind, value, becomes, note, actor, at, seal";
const ROW_END: usize = 7;

impl Maps {
    /// Opens the file, and makes it if there is none; its folder must be there.
    ///
    /// # Errors
    /// [`LedgerError`], each variant.
    pub fn open(path: &Path) -> Result<Maps> {
        Ok(Maps { conn: open_beside(path, &MAPS)? })
    }

    /// Opens the file to read it, if there is one.
    ///
    /// # Errors
    /// As [`Maps::open`].
    pub fn peek(path: &Path) -> Result<Option<Maps>> {
        Ok(peek_beside(path, &MAPS)?.map(|conn| Maps { conn }))
    }

    /// Returns all mappings: those for all interfaces first, then by kind and value.
    ///
    /// # Errors
    /// Those of the store.
    pub fn rows(&self) -> Result<Vec<MapRow>> {
        let sql = format!("SELECT {ROW} FROM mapping ORDER BY interface, kind, value");
        all(&self.conn, &sql, [], read)
    }

    /// Returns what holds for an interface: its own mappings before those of all.
    ///
    /// # Errors
    /// Those of the store.
    pub fn of(&self, interface: &str) -> Result<Translations> {
        let mut translations = Translations::default();
        for row in self.rows()? {
            if row.interface.as_deref().is_none_or(|of| of == interface) {
                translations.add(row.kind, &row.value, &row.becomes);
            }
        }
        Ok(translations)
    }

    /// Puts mappings in, all or none. One whose value is mapped to something else is
    /// refused, unless that is to be replaced.
    ///
    /// # Errors
    /// Those of the store.
    pub fn put(&mut self, rows: &[MapRow], replace: bool) -> Result<Put> {
        let change = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut done = 0;
        for row in rows {
            let before = find(&change, row.interface.as_deref(), row.kind, &row.value)?;
            match before {
                Some(before) if before.becomes == row.becomes => continue,
                Some(before) if !replace => return Ok(Put::Taken(Box::new(before))),
                before => {
                    insert(&change, row)?;
                    let was = before.map_or_else(String::new, |before| before.becomes);
                    let now = row.becomes.clone();
                    let act = Act { verb: "map", about: about(row), was, now };
                    action::insert(&change, &act, &row.sign)?;
                    done += 1;
                }
            }
        }
        crashpoint("maps.put.before")?;
        change.commit()?;
        crashpoint("maps.put.after")?;
        Ok(Put::Done(done))
    }

    /// Takes a mapping out; returns it, or `None` if there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub fn remove(
        &mut self,
        interface: Option<&str>,
        kind: Mapped,
        value: &str,
        sign: &Sign,
    ) -> Result<Option<MapRow>> {
        let change = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Some(row) = find(&change, interface, kind, value)? else { return Ok(None) };
        let sql = "DELETE FROM mapping WHERE interface = $1 AND kind = $2 AND value = $3";
        change.execute(sql, (interface.unwrap_or_default(), kind.word(), value))?;
        let (was, now) = (row.becomes.clone(), String::new());
        action::insert(&change, &Act { verb: "unmap", about: about(&row), was, now }, sign)?;
        crashpoint("maps.remove.before")?;
        change.commit()?;
        crashpoint("maps.remove.after")?;
        Ok(Some(row))
    }

    /// Returns who changed what, newest first, at most `limit` of them.
    ///
    /// # Errors
    /// Those of the store.
    pub fn changes(&self, limit: u64) -> Result<Vec<ActionRow>> {
        action::newest(&self.conn, at_most(limit))
    }

    /// Returns what does not fit together, a sentence each.
    ///
    /// # Errors
    /// Those of the store.
    pub fn integrity(&self) -> Result<Vec<String>> {
        self.rows()?;
        action::broken_links(&self.conn)
    }
}

fn find(
    conn: &Connection,
    interface: Option<&str>,
    kind: Mapped,
    value: &str,
) -> Result<Option<MapRow>> {
    let sql =
        format!("SELECT {ROW} FROM mapping WHERE interface = $1 AND kind = $2 AND value = $3");
    one(conn, &sql, (interface.unwrap_or_default(), kind.word(), value), read)
}

fn insert(conn: &Connection, row: &MapRow) -> Result<()> {
    let values = sealed(vec![
        row.interface.clone().unwrap_or_default().into(),
        row.kind.word().to_string().into(),
        row.value.clone().into(),
        row.becomes.clone().into(),
        row.sign.why.clone().into(),
        row.sign.by.clone().into(),
        row.sign.at.into(),
    ]);
    let sql = format!(
        "INSERT INTO mapping ({ROW}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (interface, kind, value) DO UPDATE SET becomes = excluded.becomes, \
         note = excluded.note, actor = excluded.actor, at = excluded.at, seal = excluded.seal"
    );
    conn.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<MapRow> {
    check_seal(row, 0, ROW_END)?;
    let (interface, kind): (String, String) = (row.get(0)?, row.get(1)?);
    let kind = Mapped::of_word(&kind)
        .ok_or_else(|| LedgerError::Damaged("a value of kind cannot be read".to_string()))?;
    Ok(MapRow {
        interface: (!interface.is_empty()).then_some(interface),
        kind,
        value: row.get(2)?,
        becomes: row.get(3)?,
        sign: Sign { why: row.get(4)?, by: row.get(5)?, at: row.get(6)? },
    })
}

/// Returns a mapping in the words that the chain of changes keeps.
fn about(row: &MapRow) -> String {
    let whose = row.interface.as_deref().unwrap_or("all interfaces");
    format!("{} {} of {whose}", row.kind.word(), row.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(interface: Option<&str>, value: &str, becomes: &str, by: &str) -> MapRow {
        let sign = Sign { by: by.to_string(), why: "as on the phone".to_string(), at: 7 };
        MapRow {
            interface: interface.map(str::to_string),
            kind: Mapped::Department,
            value: value.to_string(),
            becomes: becomes.to_string(),
            sign,
        }
    }

    #[test]
    fn the_second_of_two_people_is_told_of_the_first() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("maps.db");
        assert!(Maps::peek(&path).unwrap().is_none());
        let (mut anna, mut bob) = (Maps::open(&path).unwrap(), Maps::open(&path).unwrap());
        let first = row(None, "ENDO2", "12", "anna");
        assert_eq!(anna.put(std::slice::from_ref(&first), false).unwrap(), Put::Done(1));
        let other = [row(None, "NEW", "15", "bob"), row(None, "ENDO2", "15", "bob")];
        assert_eq!(bob.put(&other, false).unwrap(), Put::Taken(Box::new(first.clone())));
        assert_eq!(bob.rows().unwrap(), [first], "nothing of it was put in");
        assert_eq!(bob.put(&[row(None, "ENDO2", "12", "bob")], false).unwrap(), Put::Done(0));
        assert_eq!(bob.put(&other, true).unwrap(), Put::Done(2));
        let rows = Maps::peek(&path).unwrap().unwrap().rows().unwrap();
        assert_eq!(rows, [row(None, "ENDO2", "15", "bob"), row(None, "NEW", "15", "bob")]);
        let changes = anna.changes(9).unwrap();
        let told: Vec<_> =
            changes.iter().map(|one| (&*one.was, &*one.now, &*one.sign.by)).collect();
        assert_eq!(told, [("12", "15", "bob"), ("", "15", "bob"), ("", "12", "anna")]);
        assert_eq!(anna.integrity().unwrap(), [""; 0]);
    }

    #[test]
    fn an_interface_goes_by_its_own_mapping_before_that_of_all() {
        let place = tempfile::tempdir().unwrap();
        let mut maps = Maps::open(&place.path().join("maps.db")).unwrap();
        let rows = [row(Some("ridge"), "ENDO2", "15", "anna"), row(None, "ENDO2", "12", "anna")];
        maps.put(&rows, false).unwrap();
        let becomes = |maps: &Maps, interface: &str| {
            let of = maps.of(interface).unwrap();
            of.table(Mapped::Department).and_then(|table| table.get(b"ENDO2".as_slice()).cloned())
        };
        assert_eq!(becomes(&maps, "ridge"), Some(b"15".to_vec()));
        assert_eq!(becomes(&maps, "harbor"), Some(b"12".to_vec()));
        let sign = Sign { by: "bob".into(), why: "wrong".into(), at: 8 };
        let kind = Mapped::Department;
        assert!(maps.remove(Some("ridge"), kind, "ENDO2", &sign).unwrap().is_some());
        assert!(maps.remove(Some("ridge"), kind, "ENDO2", &sign).unwrap().is_none());
        assert_eq!(becomes(&maps, "ridge"), Some(b"12".to_vec()));
        assert_eq!(maps.changes(1).unwrap()[0].about, "department ENDO2 of ridge");
    }

    #[test]
    fn a_mapping_that_was_changed_from_outside_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("maps.db");
        let mut maps = Maps::open(&path).unwrap();
        maps.put(&[row(None, "ENDO2", "12", "anna")], false).unwrap();
        maps.conn.execute("UPDATE mapping SET becomes = '13'", []).unwrap();
        let err = Maps::peek(&path).unwrap().unwrap().of("ridge").unwrap_err();
        assert!(matches!(err, LedgerError::Damaged(_)), "{err}");
    }
}
