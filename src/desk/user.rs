//! Users and their permissions.

use rusqlite::{OptionalExtension, Transaction, params};

use super::trail::note;
use super::{By, Desk, DeskError, Result};
use crate::domain::Permission;

/// A person who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// As they sign in; lower case.
    pub name: String,
    /// What they may do.
    pub permissions: Vec<Permission>,
    /// When they were made, unix seconds.
    pub made_at: i64,
    /// When they signed in last.
    pub seen_at: Option<i64>,
    /// How many sessions they have.
    pub sessions: u64,
}

/// Returns a user's name as it is kept.
///
/// # Errors
/// [`DeskError::Name`].
pub fn good_name(name: &str) -> Result<String> {
    let lower = name.trim().to_ascii_lowercase();
    let good = |char: char| char.is_ascii_alphanumeric() || "._-@".contains(char);
    let first = lower.starts_with(|char: char| char.is_ascii_alphanumeric());
    if !first || lower.len() > 64 || !lower.chars().all(good) {
        let shown = name.chars().filter(|char| !char.is_control()).take(80).collect();
        return Err(DeskError::Name(shown));
    }
    Ok(lower)
}

impl Desk {
    /// Returns every user, by name.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn users(&self) -> Result<Vec<User>> {
        let sql = "SELECT name, made_at, seen_at, \
                   (SELECT count(*) FROM session WHERE person = name) FROM person ORDER BY name";
        let mut statement = self.conn.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            let sessions: i64 = row.get(3)?;
            Ok(User {
                name: row.get(0)?,
                permissions: Vec::new(),
                made_at: row.get(1)?,
                seen_at: row.get(2)?,
                sessions: sessions.unsigned_abs(),
            })
        })?;
        let mut users = rows.collect::<rusqlite::Result<Vec<User>>>()?;
        for user in &mut users {
            user.permissions = self.permissions(&user.name)?;
        }
        Ok(users)
    }

    /// Returns what a user may do.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn permissions(&self, name: &str) -> Result<Vec<Permission>> {
        let sql = "SELECT word FROM permission WHERE person = $1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let words = statement.query_map([name], |row| row.get::<_, String>(0))?;
        let words = words.collect::<rusqlite::Result<Vec<String>>>()?;
        let mut permissions: Vec<Permission> =
            words.iter().filter_map(|word| Permission::of_word(word)).collect();
        permissions.sort();
        Ok(permissions)
    }

    /// Makes a user.
    ///
    /// # Errors
    /// [`DeskError::Name`], [`DeskError::Exists`].
    pub fn add(&mut self, name: &str, kept: &str, may: &[Permission], by: &By) -> Result<()> {
        let name = good_name(name)?;
        let adding = self.conn.transaction()?;
        let sql = "INSERT OR IGNORE INTO person (name, password, made_at) VALUES ($1, $2, $3)";
        if adding.execute(sql, params![name, kept, by.at])? == 0 {
            return Err(DeskError::Exists(name));
        }
        note(&adding, by, "add user", &name)?;
        for permission in may {
            give(&adding, &name, *permission, by)?;
        }
        Ok(adding.commit()?)
    }

    /// Gives a user a new password and ends all of their sessions.
    ///
    /// # Errors
    /// [`DeskError::Unknown`].
    pub fn passwd(&mut self, name: &str, kept: &str, by: &By) -> Result<()> {
        let changing = self.conn.transaction()?;
        let sql = "UPDATE person SET password = $1 WHERE name = $2";
        if changing.execute(sql, params![kept, name])? == 0 {
            return Err(DeskError::Unknown(name.to_string()));
        }
        changing.execute("DELETE FROM session WHERE person = $1", [name])?;
        changing.execute("DELETE FROM tries WHERE subject = $1", [format!("user {name}")])?;
        note(&changing, by, "new password", name)?;
        Ok(changing.commit()?)
    }

    /// Returns what is kept of a user's password, to hold one against it.
    ///
    /// # Errors
    /// [`DeskError::Unknown`].
    pub fn kept(&self, name: &str) -> Result<String> {
        let sql = "SELECT password FROM person WHERE name = $1";
        let found = self.conn.query_row(sql, [name], |row| row.get(0)).optional()?;
        found.ok_or_else(|| DeskError::Unknown(name.to_string()))
    }

    /// Sets what a user may do. Nobody is left without somebody who manages users, if
    /// there was one and it is done in the browser.
    ///
    /// # Errors
    /// [`DeskError::Unknown`], [`DeskError::LastAdministrator`].
    pub fn permit(&mut self, name: &str, may: &[Permission], by: &By) -> Result<()> {
        let had = self.permissions(name)?;
        let permitting = self.conn.transaction()?;
        known(&permitting, name)?;
        for permission in Permission::ALL {
            match (had.contains(&permission), may.contains(&permission)) {
                (false, true) => give(&permitting, name, permission, by)?,
                (true, false) => {
                    let sql = "DELETE FROM permission WHERE person = $1 AND word = $2";
                    permitting.execute(sql, params![name, permission.word()])?;
                    note(&permitting, by, "revoke", &format!("{permission} from {name}"))?;
                }
                _ => {}
            }
        }
        administered(&permitting, &had, name, by)?;
        Ok(permitting.commit()?)
    }

    /// Removes a user with their sessions. What they did stays in the trail.
    ///
    /// # Errors
    /// [`DeskError::Unknown`], [`DeskError::LastAdministrator`].
    pub fn remove(&mut self, name: &str, by: &By) -> Result<()> {
        let had = self.permissions(name)?;
        let removing = self.conn.transaction()?;
        known(&removing, name)?;
        removing.execute("DELETE FROM person WHERE name = $1", [name])?;
        note(&removing, by, "remove user", name)?;
        administered(&removing, &had, name, by)?;
        Ok(removing.commit()?)
    }
}

fn known(conn: &Transaction<'_>, name: &str) -> Result<()> {
    let sql = "SELECT count(*) FROM person WHERE name = $1";
    match conn.query_row(sql, [name], |row| row.get::<_, i64>(0))? {
        0 => Err(DeskError::Unknown(name.to_string())),
        _ => Ok(()),
    }
}

fn give(conn: &Transaction<'_>, name: &str, what: Permission, by: &By) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO permission (person, word) VALUES ($1, $2)";
    conn.execute(sql, params![name, what.word()])?;
    note(conn, by, "grant", &format!("{what} to {name}"))
}

/// From the shell everything can be mended, and so everything done.
fn administered(conn: &Transaction<'_>, had: &[Permission], name: &str, by: &By) -> Result<()> {
    let administration = Permission::UserAdministration;
    if by.address.is_empty() || !had.contains(&administration) {
        return Ok(());
    }
    let sql = "SELECT count(*) FROM permission WHERE word = $1";
    match conn.query_row(sql, [administration.word()], |row| row.get::<_, i64>(0))? {
        0 => Err(DeskError::LastAdministrator(name.to_string())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(address: &str) -> By {
        By { name: "root".into(), address: address.into(), at: 7 }
    }

    #[test]
    fn users_come_and_go_and_the_trail_says_by_whom() {
        let place = tempfile::tempdir().unwrap();
        let mut desk = Desk::open(&place.path().join("desk.db")).unwrap();
        assert_eq!(desk.users().unwrap(), [], "there is no default account");
        let may = [Permission::FileUpload, Permission::ViewMessageQueue];
        desk.add("Anna", "kept", &may, &by("")).unwrap();
        assert!(matches!(desk.add("anna", "x", &[], &by("")), Err(DeskError::Exists(_))));
        desk.permit("anna", &[Permission::MapMessages], &by("")).unwrap();
        assert_eq!(desk.permissions("anna").unwrap(), [Permission::MapMessages]);
        assert!(matches!(desk.permit("bert", &[], &by("")), Err(DeskError::Unknown(_))));
        desk.remove("anna", &by("")).unwrap();
        assert_eq!(desk.users().unwrap(), []);
        assert_eq!(desk.permissions("anna").unwrap(), []);
        let told: Vec<String> = desk
            .trail(None, 20)
            .unwrap()
            .deeds
            .into_iter()
            .rev()
            .map(|deed| format!("{} {}", deed.verb, deed.about))
            .collect();
        assert_eq!(
            told,
            [
                "add user anna",
                "grant File Upload Interface to anna",
                "grant View Message Queue to anna",
                "revoke View Message Queue from anna",
                "grant Map Messages except Insurances to anna",
                "revoke File Upload Interface from anna",
                "remove user anna",
            ]
        );
    }

    #[test]
    fn the_last_administrator_stays_unless_the_shell_says_so() {
        let place = tempfile::tempdir().unwrap();
        let mut desk = Desk::open(&place.path().join("desk.db")).unwrap();
        let admin = [Permission::UserAdministration];
        desk.add("anna", "x", &admin, &by("")).unwrap();
        let refused = |done: Result<()>| matches!(done, Err(DeskError::LastAdministrator(_)));
        assert!(refused(desk.permit("anna", &[], &by("::1"))));
        assert!(refused(desk.remove("anna", &by("::1"))));
        assert_eq!(desk.permissions("anna").unwrap(), admin);
        desk.add("bert", "x", &admin, &by("::1")).unwrap();
        desk.remove("anna", &by("::1")).unwrap();
        desk.remove("bert", &by("")).unwrap();
    }

    #[test]
    fn a_name_is_a_name() {
        assert_eq!(good_name(" Anna.B@x-y_1 ").unwrap(), "anna.b@x-y_1");
        for bad in ["", "-a", "a b", "<script>", "a\nb", &"x".repeat(65), "\u{e9}ve"] {
            assert!(good_name(bad).is_err(), "{bad}");
        }
    }
}
