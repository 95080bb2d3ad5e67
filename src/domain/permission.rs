//! What a person may do in the browser: the scope package's table 20, by its words.

use std::fmt;

/// One permission; a user has any number of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Sees messages and records, and so patient data.
    ViewMessageQueue,
    /// Mends what waits for billing: maps insurances.
    MapInsuranceMessages,
    /// Mends everything else, and decides about deliveries.
    MapMessages,
    /// Drops extracts in the browser.
    FileUpload,
    /// Manages users; ours, not of table 20. Shows no patient data.
    UserAdministration,
}

impl Permission {
    /// Every permission, in the order of table 20.
    pub const ALL: [Permission; 5] = [
        Permission::ViewMessageQueue,
        Permission::MapInsuranceMessages,
        Permission::MapMessages,
        Permission::FileUpload,
        Permission::UserAdministration,
    ];

    /// Returns the word that is typed and kept: `view`.
    pub const fn word(self) -> &'static str {
        match self {
            Permission::ViewMessageQueue => "view",
            Permission::MapInsuranceMessages => "map-insurance",
            Permission::MapMessages => "map-messages",
            Permission::FileUpload => "upload",
            Permission::UserAdministration => "admin",
        }
    }

    /// Returns the words of table 20.
    pub const fn title(self) -> &'static str {
        match self {
            Permission::ViewMessageQueue => "View Message Queue",
            Permission::MapInsuranceMessages => "Map Insurance Messages",
            Permission::MapMessages => "Map Messages except Insurances",
            Permission::FileUpload => "File Upload Interface",
            Permission::UserAdministration => "User Administration",
        }
    }

    /// Reads a permission as it is typed.
    pub fn of_word(word: &str) -> Option<Permission> {
        Permission::ALL.into_iter().find(|permission| permission.word() == word)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.title())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_reads_back_and_has_its_words_of_table_20() {
        for permission in Permission::ALL {
            assert_eq!(Permission::of_word(permission.word()), Some(permission));
        }
        assert_eq!(Permission::of_word("View Message Queue"), None);
        assert_eq!(Permission::MapMessages.to_string(), "Map Messages except Insurances");
    }
}
