//! `ack` and what goes with it, of an endpoint: whether and how it acknowledges.

use std::path::PathBuf;

use super::check::{Check, Place};
use super::raw::{self, Text};
use crate::domain::{Ack, Method};

/// A month; a vendor who answers later does not answer.
const WITHIN_MAX_MINUTES: i64 = 31 * 24 * 60;
/// A day.
const POLL_MAX_S: i64 = 24 * 3600;

impl Check<'_> {
    /// Checks the keys; `Some(None)` where nothing is acknowledged. The method of what it
    /// returns has no folder yet: that is the second part, empty for the endpoint's own.
    pub fn ack(
        &mut self,
        place: Place,
        endpoint: &mut raw::Endpoint,
    ) -> Option<Option<(Ack, String)>> {
        let words = [("none", false), ("batch", true)];
        let ack = self.word(place, "ack", endpoint.ack.take(), &words);
        let folder = endpoint.ack_folder.take();
        let folder = folder.map(|folder| self.one_line("ack_folder", folder));
        let files = self.ack_files(place, endpoint.ack_files.take());
        let words = [("delete", false), ("rename", true)];
        let after = self.word(place, "ack_after", endpoint.ack_after.take(), &words);
        let renamed = endpoint.ack_renamed.take();
        let start = renamed.as_ref().map_or(0, |renamed| renamed.span().start).max(place.start);
        let renamed = self.text(place, "ack_renamed", renamed, "\"{name}.done\"");
        let renamed =
            renamed.and_then(|value| self.name_template("ack_renamed", value, &["name"], "name"));
        let (key, bounds) = ("ack_within_minutes", 1..=WITHIN_MAX_MINUTES);
        let within = self.number(place, key, endpoint.ack_within_minutes.take(), bounds);
        let (key, bounds) = ("ack_poll_seconds", 1..=POLL_MAX_S);
        let poll = self.number(place, key, endpoint.ack_poll_seconds.take(), bounds);
        let folder =
            folder.map_or(Some(String::new()), |folder| folder.map(|text| text.into_inner()));
        let (files, renamed) = (files?, renamed?);
        let renamed = after?.then_some(renamed);
        if let Some(renamed) = &renamed
            && ack?
            && files.matches(&renamed.replace("{name}", "a.ack"))
            && files.matches("a.ack")
        {
            let what = format!(
                "`ack_renamed` gives names that `ack_files` ({}) takes again; choose another end",
                files.as_str()
            );
            self.problem(start, what);
            return None;
        }
        let (within_s, poll_s) = (within? * 60, poll?);
        let method = Method::Folder(PathBuf::new());
        let ack = ack?.then_some(Ack { method, files, renamed, within_s, poll_s });
        Some(ack.zip(Some(folder?)))
    }

    fn ack_files(&mut self, place: Place, value: Text) -> Option<glob::Pattern> {
        let value = self.text(place, "ack_files", value, "\"*.ack\"")?;
        let start = value.span().start;
        match glob::Pattern::new(value.as_ref()) {
            Ok(pattern) if !value.as_ref().contains('/') => Some(pattern),
            _ => {
                let what = format!(
                    "`{}` is no pattern of file names; write one with * ? [ab], such as \"*.ack\"",
                    value.as_ref()
                );
                self.problem(start, what);
                None
            }
        }
    }

    /// Puts an acknowledging endpoint's folder into its method.
    pub fn ack_at(&self, ack: Ack, folder: String, method: &Method) -> Ack {
        let method = match method {
            method if folder.is_empty() => method.clone(),
            Method::Folder(_) => Method::Folder(self.whole_path(&folder)),
            Method::Sftp(sftp) => Method::Sftp(crate::domain::Sftp { folder, ..sftp.clone() }),
        };
        Ack { method, ..ack }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, problems, scope};
    use super::*;

    fn folder_of(ack: &Ack) -> &str {
        match &ack.method {
            Method::Sftp(sftp) => &sftp.folder,
            Method::Folder(folder) => folder.to_str().unwrap(),
        }
    }

    #[test]
    fn nothing_is_acknowledged_unless_agreed() {
        assert_eq!(scope(GOOD).endpoints[0].ack, None);
        let ack = scope(&added("ack = \"batch\"")).endpoints.remove(0).ack.unwrap();
        assert_eq!(folder_of(&ack), "/inbound", "without a word of it, beside our files");
        assert!(ack.files.matches("x.ack") && !ack.files.matches("99999-000001.hl7"));
        assert_eq!((ack.renamed, ack.within_s, ack.poll_s), (None, 24 * 3600, 300));
    }

    #[test]
    fn response_files_may_lie_elsewhere_and_be_renamed() {
        let text = "ack = \"batch\"\nack_folder = \"/outbound\"\nack_files = \"RESP_*\"\n\
                    ack_after = \"rename\"\nack_renamed = \"done.{name}\"\nack_within_minutes = 5\n\
                    ack_poll_seconds = 60";
        let ack = scope(&added(text)).endpoints.remove(0).ack.unwrap();
        assert_eq!(folder_of(&ack), "/outbound");
        assert_eq!((ack.renamed.as_deref(), ack.within_s), (Some("done.{name}"), 300));
        let folder = GOOD.split("method").next().unwrap().to_string()
            + "method = \"folder\"\nfolder = \"out\"\nack = \"batch\"\nack_folder = \"in\"";
        let ack = scope(&folder).endpoints.remove(0).ack.unwrap();
        assert_eq!(folder_of(&ack), "/etc/hl7drop/in");
    }

    #[test]
    fn what_cannot_be_read_back_is_told() {
        let text = "ack = \"maybe\"\nack_files = \"a/*\"\nack_after = \"keep\"\n\
                    ack_within_minutes = 0";
        assert_eq!(
            problems(&added(text)),
            [
                "line 15: `maybe` is no ack; write \"none\" or \"batch\"",
                "line 16: `a/*` is no pattern of file names; write one with * ? [ab], such as \
                 \"*.ack\"",
                "line 17: `keep` is no ack_after; write \"delete\" or \"rename\"",
                "line 18: `ack_within_minutes` is 0; write a number from 1 to 44640",
            ]
        );
        let text = "ack = \"batch\"\nack_files = \"*\"\nack_after = \"rename\"";
        let told = "line 8: `ack_renamed` gives names that `ack_files` (*) takes again; choose \
                    another end";
        assert_eq!(problems(&added(text)), [told]);
    }
}
