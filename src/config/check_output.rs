//! `[batch]` and `[pickup]`: how files are named, and when they are taken.

use toml::Spanned;

use super::check::{Check, Place, open};
use super::raw;
use crate::domain::{Batching, FilePer, ManifestForm, Pickup, Wrappers, is_unfinished};

/// A day; a file that changes for longer is no extract.
const WAIT_MAX_S: i64 = 24 * 3600;

/// A pebibyte; more is a slip of the finger.
const DISK_FLOOR_MAX_MIB: i64 = 1 << 30;
const FILE_MAX_MIB: i64 = 1 << 30;
/// Then it is as good as never.
const POISON_AFTER_MAX: i64 = 1000;

const FILE_NAME_PARTS: [&str; 6] =
    ["context_id", "interface", "environment", "date", "time", "file_number"];

const WRAPPERS: [(&str, Wrappers); 3] =
    [("fhs+bhs", Wrappers::File), ("bhs", Wrappers::Batch), ("none", Wrappers::None)];

const FILE_PER: [(&str, FilePer); 2] = [("run", FilePer::Run), ("type", FilePer::Type)];

const MANIFEST: [(&str, Option<ManifestForm>); 3] =
    [("none", None), ("csv", Some(ManifestForm::Csv)), ("json", Some(ManifestForm::Json))];

impl Check<'_> {
    /// Checks `[manifest]`; the inner none: nothing is delivered.
    pub fn manifest(
        &mut self,
        section: Option<Spanned<raw::Manifest>>,
    ) -> Option<Option<ManifestForm>> {
        let (place, manifest) = open("manifest", section);
        self.word(place, "deliver", manifest.deliver, &MANIFEST)
    }

    /// Checks `[batch]`.
    pub fn batching(&mut self, section: Option<Spanned<raw::Batch>>) -> Option<Batching> {
        let (place, batch) = open("batch", section);
        let file_name = self.file_name(place, batch.file_name);
        if batch.send_empty.is_none() {
            self.missing(place, "send_empty", "false");
        }
        let start = batch.send_empty.as_ref().map_or(place.start, |empty| empty.span().start);
        let send_empty = batch.send_empty.map(Spanned::into_inner);
        let wrappers = self.word(place, "wrappers", batch.wrappers, &WRAPPERS);
        if wrappers == Some(Wrappers::None) && send_empty == Some(true) {
            let what = "a file without wrappers has nothing to be sent empty; write false";
            self.problem(start, what.to_string());
        }
        let file_per = self.word(place, "file_per", batch.file_per, &FILE_PER);
        Some(Batching {
            file_name: file_name?,
            send_empty: send_empty?,
            wrappers: wrappers?,
            file_per: file_per?,
        })
    }

    fn file_name(&mut self, place: Place, value: raw::Text) -> Option<String> {
        let key = "file_name";
        let value = self.text(place, key, value, "\"{context_id}-{file_number}.hl7\"")?;
        if value.as_ref().starts_with('.') {
            let what = "`file_name` begins with a dot, which hides the file; leave it out";
            self.problem(value.span().start, what.to_string());
            return None;
        }
        self.name_template(key, value, &FILE_NAME_PARTS, "file_number")
    }

    /// Checks `[pickup]`.
    pub fn pickup(&mut self, section: Option<Spanned<raw::Pickup>>) -> Option<Pickup> {
        let (place, pickup) = open("pickup", section);
        let settle_ms = self.settle_ms(place, pickup.settle_seconds);
        let bounds = 0..=WAIT_MAX_S;
        let wait = self.number(place, "empty_wait_seconds", pickup.empty_wait_seconds, bounds);
        let done_marker = self.done_marker(place, pickup.done_marker);
        let bounds = 0..=DISK_FLOOR_MAX_MIB;
        let floor = self.number(place, "disk_floor_mib", pickup.disk_floor_mib, bounds);
        let bounds = 1..=FILE_MAX_MIB;
        let file = self.number(place, "file_mib_max", pickup.file_mib_max, bounds);
        let bounds = 1..=POISON_AFTER_MAX;
        let poison = self.number(place, "poison_after", pickup.poison_after, bounds);
        Some(Pickup {
            file_bytes_max: u64::try_from(file?).ok()? << 20,
            poison_after: u64::try_from(poison?).ok()?,
            settle_ms: settle_ms?,
            empty_wait_s: u64::try_from(wait?).ok()?,
            done_marker: done_marker?,
            disk_floor_mib: u64::try_from(floor?).ok()?,
        })
    }

    fn done_marker(&mut self, place: Place, value: raw::Text) -> Option<String> {
        let Some(value) = value else {
            self.missing(place, "done_marker", "\"\"");
            return None;
        };
        let marker = value.as_ref();
        let good = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
        if marker.is_empty()
            || marker.starts_with('.')
                && (2..=20).contains(&marker.len())
                && marker.chars().all(good)
                && !is_unfinished(marker)
        {
            return Some(value.into_inner());
        }
        let what = format!(
            "{marker:?} is no end of a marker's name; write one such as \".done\", or \"\" where \
             exporters write no marker"
        );
        self.problem(value.span().start, what);
        None
    }

    fn settle_ms(&mut self, place: Place, value: Option<Spanned<f64>>) -> Option<u64> {
        let Some(value) = value else {
            self.missing(place, "settle_seconds", "2");
            return None;
        };
        let seconds = *value.as_ref();
        if !(0.0..=WAIT_MAX_S as f64).contains(&seconds) {
            let what =
                format!("`settle_seconds` is {seconds}; write a number from 0 to {WAIT_MAX_S}");
            self.problem(value.span().start, what);
            return None;
        }
        Some((seconds * 1000.0).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, problems, scope};
    use super::*;

    #[test]
    fn a_file_name_takes_every_placeholder() {
        let default = "{context_id}-{file_number}.hl7";
        let file_name = default.to_string();
        let batching = Batching {
            file_name,
            send_empty: false,
            wrappers: Wrappers::File,
            file_per: FilePer::Run,
        };
        assert_eq!(scope(GOOD).batching, batching);
        let name = "{interface}_{environment}_{date}_{time}_{context_id}_{file_number}.hl7";
        let text = added(&format!(
            "[batch]\nsend_empty = true\nfile_per = \"type\"\nwrappers = \"bhs\"\nfile_name = \"{name}\""
        ));
        let file_name = name.to_string();
        let batching = Batching {
            file_name,
            send_empty: true,
            wrappers: Wrappers::Batch,
            file_per: FilePer::Type,
        };
        assert_eq!(scope(&text).batching, batching);
    }

    #[test]
    fn wrappers_are_of_the_file_of_the_batch_or_none() {
        let text = "[batch]\nwrappers = \"mllp\"";
        let told = "line 16: `mllp` is no wrappers; write \"fhs+bhs\" or \"bhs\" or \"none\"";
        assert_eq!(problems(&added(text)), [told]);
        let text = "[batch]\nwrappers = \"none\"\nsend_empty = true";
        let told = "line 17: a file without wrappers has nothing to be sent empty; write false";
        assert_eq!(problems(&added(text)), [told]);
    }

    #[test]
    fn a_file_name_that_could_come_twice_or_leave_its_folder_is_refused() {
        let told = |name: &str| problems(&added(&format!("[batch]\nfile_name = \"{name}\"")));
        assert_eq!(
            told("{date}.hl7"),
            [
                "line 16: `file_name` does not hold {file_number}; add it, as it makes each name its own"
            ]
        );
        assert_eq!(
            told("../{sequence} {file_number}"),
            ["line 16: `file_name` begins with a dot, which hides the file; leave it out"]
        );
        assert_eq!(
            told("a/{sequence}"),
            [
                "line 16: {sequence} is no placeholder of `file_name`; it takes {context_id}, \
                 {interface}, {environment}, {date}, {time}, {file_number}",
                "line 16: `file_name` holds '/'; use letters, digits, `.`, `_`, `-` and \
                 placeholders",
                "line 16: `file_name` does not hold {file_number}; add it, as it makes each name its own",
            ]
        );
        assert_eq!(
            told("{file_number}}.hl7"),
            ["line 16: `file_name` holds '}'; use letters, digits, `.`, `_`, `-` and \
                 placeholders"]
        );
    }

    #[test]
    fn a_file_settles_in_fractions_of_a_second_or_at_once() {
        let with = |seconds: &str| added(&format!("[pickup]\nsettle_seconds = {seconds}"));
        assert_eq!(scope(&with("0")).pickup.settle_ms, 0);
        assert_eq!(scope(&with("0.25")).pickup.settle_ms, 250);
        assert_eq!(
            scope(GOOD).pickup,
            Pickup {
                settle_ms: 2000,
                empty_wait_s: 300,
                done_marker: String::new(),
                disk_floor_mib: 256,
                file_bytes_max: 8 << 30,
                poison_after: 3,
            }
        );
        for seconds in ["-1", "NaN", "inf", "86401"] {
            let told =
                format!("line 16: `settle_seconds` is {seconds}; write a number from 0 to 86400");
            assert_eq!(problems(&with(&seconds.to_lowercase())), [told]);
        }
        assert_eq!(scope(&added("[pickup]\ndone_marker = \".ok\"")).pickup.done_marker, ".ok");
        for marker in ["done", ".", "./x", ".part", ".a b"] {
            let told = format!(
                "line 16: {marker:?} is no end of a marker's name; write one such as \".done\", or \
                 \"\" where exporters write no marker"
            );
            assert_eq!(problems(&added(&format!("[pickup]\ndone_marker = {marker:?}"))), [told]);
        }
        let told = "line 16: `empty_wait_seconds` is -5; write a number from 0 to 86400";
        assert_eq!(problems(&added("[pickup]\nempty_wait_seconds = -5")), [told]);
    }
}
