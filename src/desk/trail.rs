//! The trail: what people did and saw, chained.

use rusqlite::{Connection, OptionalExtension, params};

use super::{By, Desk, DeskError, Result};
use crate::digest::Digester;

/// Something that was done or seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// Its number; they have no gaps.
    pub id: i64,
    /// Who, where from, when.
    pub by: By,
    /// A word or two: `sign in`, `view`, `upload`.
    pub verb: String,
    /// What it was about, by IDs of ours; never a patient.
    pub about: String,
}

/// The newest deeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// Newest first.
    pub deeds: Vec<Deed>,
    /// True if the chain of those that were read is whole.
    pub whole: bool,
}

impl Desk {
    /// Writes down what was done or seen.
    ///
    /// # Errors
    /// [`DeskError`]: then it must not be done or shown.
    pub fn note(&mut self, by: &By, verb: &str, about: &str) -> Result<()> {
        let noting = self.conn.transaction()?;
        note(&noting, by, verb, about)?;
        Ok(noting.commit()?)
    }

    /// Returns the newest deeds before the one numbered `before`, at most `limit`.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn trail(&self, before: Option<i64>, limit: u64) -> Result<Trail> {
        let sql = "SELECT id, at, actor, address, verb, about, seal FROM trail \
                   WHERE id < $1 ORDER BY id DESC LIMIT $2";
        let mut statement = self.conn.prepare_cached(sql)?;
        // One more: the seal before the last one that is shown.
        let limit = i64::try_from(limit).unwrap_or(i64::MAX - 1);
        let rows = statement.query_map(params![before.unwrap_or(i64::MAX), limit + 1], |row| {
            let by = By { at: row.get(1)?, name: row.get(2)?, address: row.get(3)? };
            let deed = Deed { id: row.get(0)?, by, verb: row.get(4)?, about: row.get(5)? };
            Ok((deed, row.get::<_, String>(6)?))
        })?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let links = rows.windows(2).all(|pair| {
            pair[0].1 == seal(&pair[0].0, &pair[1].1) && pair[0].0.id == pair[1].0.id + 1
        });
        let more = rows.len() as i64 > limit;
        let first = rows.last().is_none_or(|(deed, kept)| deed.id == 1 && *kept == seal(deed, ""));
        let mut deeds: Vec<Deed> = rows.into_iter().map(|(deed, _)| deed).collect();
        deeds.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(Trail { deeds, whole: links && (more || first) })
    }
}

/// Writes a deed down within a transaction that changes something else too.
pub(super) fn note(conn: &Connection, by: &By, verb: &str, about: &str) -> Result<()> {
    let sql = "SELECT id, seal FROM trail ORDER BY id DESC LIMIT 1";
    let last =
        conn.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?))).optional()?;
    let (last, before): (i64, String) = last.unwrap_or_default();
    let (verb, about) = (verb.to_string(), about.to_string());
    let deed = Deed { id: last + 1, by: by.clone(), verb, about };
    let sql = "INSERT INTO trail (id, at, actor, address, verb, about, seal) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let sealed = seal(&deed, &before);
    let Deed { id, by, verb, about } = &deed;
    conn.execute(sql, params![id, by.at, by.name, by.address, verb, about, sealed])
        .map(drop)
        .map_err(DeskError::from)
}

fn seal(deed: &Deed, before: &str) -> String {
    let mut digester = Digester::default();
    let (id, at) = (deed.id.to_string(), deed.by.at.to_string());
    for text in [before, &id, &at, &deed.by.name, &deed.by.address, &deed.verb, &deed.about] {
        // With its length, so that no text can run into the next one.
        digester.update(&(text.len() as u64).to_be_bytes());
        digester.update(text.as_bytes());
    }
    let mut seal = digester.finish().to_string();
    seal.truncate(32);
    seal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(at: i64) -> By {
        By { name: "anna".into(), address: "127.0.0.1".into(), at }
    }

    #[test]
    fn a_trail_is_read_back_newest_first_and_in_pages() {
        let place = tempfile::tempdir().unwrap();
        let mut desk = Desk::open(&place.path().join("desk.db")).unwrap();
        assert!(desk.trail(None, 5).unwrap().whole);
        for at in 1..=7 {
            desk.note(&by(at), "view", &format!("record {at}")).unwrap();
        }
        let ids = |trail: &Trail| trail.deeds.iter().map(|deed| deed.id).collect::<Vec<_>>();
        let page = desk.trail(None, 3).unwrap();
        assert_eq!((ids(&page), page.whole), (vec![7, 6, 5], true));
        let rest = desk.trail(Some(5), 9).unwrap();
        assert_eq!((ids(&rest), rest.whole), (vec![4, 3, 2, 1], true));
        assert_eq!(page.deeds[0].about, "record 7");
    }

    #[test]
    fn a_deed_that_was_changed_or_taken_out_is_seen() {
        for change in [
            "UPDATE trail SET actor = 'nobody' WHERE id = 2",
            "DELETE FROM trail WHERE id = 2",
            "DELETE FROM trail WHERE id = 1",
        ] {
            let place = tempfile::tempdir().unwrap();
            let mut desk = Desk::open(&place.path().join("desk.db")).unwrap();
            (1..=3).for_each(|at| desk.note(&by(at), "view", "record 1").unwrap());
            desk.conn.execute_batch(change).unwrap();
            assert!(!desk.trail(None, 10).unwrap().whole, "{change}");
        }
    }
}
