//! What is done about a batch whose rename may have happened.
//!
//! The temporary file is a token that a rename can use up only once. It is whole and
//! its being whole is committed before the first rename, so that after any crash the
//! question "did it happen?" is one that the server can answer: [`decide`].

use super::attempt::{Attempt, Broken, End};
use crate::domain::{OnDoubt, Verify};
use crate::ledger::Stage;

/// What a look at a name said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// There is none.
    Absent,
    /// There, and as far as can be seen ours.
    Ours,
    /// There, with other bytes.
    Other,
    /// The server does not let us look.
    Refused,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Rename,
    /// Delivered; the evidence.
    Done(&'static str),
    /// Delivered, and our temporary name is to be removed.
    DoneAndRemove,
    Infer,
    /// Our temporary file is there, so nothing was renamed; it is not what it was.
    SendAgain,
    Conflict,
}

/// The decision table of `delivery.md` section 3: a look at the temporary and at the
/// final name.
fn decide(temp: Look, last: Look) -> Next {
    match (temp, last) {
        (_, Look::Other) => Next::Conflict,
        (Look::Ours | Look::Other, Look::Ours) => Next::DoneAndRemove,
        (Look::Refused | Look::Absent, Look::Ours) => Next::Done("seen"),
        (Look::Absent, Look::Absent) => Next::Infer,
        (Look::Other, _) => Next::SendAgain,
        (_, Look::Absent | Look::Refused) => Next::Rename,
    }
}

impl Attempt<'_> {
    /// A batch that was verified, and whose rename may have happened.
    pub fn settle(&mut self, temp: &str, since: i64) -> Result<End, Broken> {
        let before = self.look_at_temp(temp)?;
        self.seen = before == Look::Ours;
        let next = decide(before, self.look(self.row.name(), true)?);
        // It is there, so no rename happened yet: the one that begins now is the first.
        let since = match next {
            Next::Rename if self.seen => self.verified()?,
            _ => since,
        };
        self.act(next, temp, since)
    }

    /// A batch of a ledger that was put back: it may have gone out since then, and no
    /// temporary file can tell. No upload begins before a person says so.
    pub fn only_look(&mut self) -> Result<End, Broken> {
        Ok(match self.look(self.row.name(), true)? {
            Look::Ours => End::Done("seen"),
            Look::Other => self.conflict(),
            Look::Absent | Look::Refused => self.uncertain(
                "the ledger is one of earlier, and the file is not to be seen at the server: it \
                 was taken there, or never sent",
            ),
        })
    }

    /// A rename that was refused: what do both names say now? Never renames again.
    pub fn after_refusal(&mut self, temp: &str, since: i64, gone: bool) -> Result<End, Broken> {
        let (before, last) = (self.look_at_temp(temp)?, self.look(self.row.name(), true)?);
        if before == Look::Refused || last == Look::Refused {
            if gone {
                return Ok(self.infer(since));
            }
            let what = "the server refused the rename and does not let us look";
            return Ok(self.uncertain(what));
        }
        match decide(before, last) {
            Next::Rename => Ok(End::Wait(
                "the server refused to rename the file; ask the vendor for that permission".into(),
                None,
            )),
            next => self.act(next, temp, since),
        }
    }

    /// What is published was looked at as closely as before its first rename.
    fn look_at_temp(&mut self, temp: &str) -> Result<Look, Broken> {
        self.look(temp, self.verify == Verify::Hash)
    }

    fn act(&mut self, next: Next, temp: &str, since: i64) -> Result<End, Broken> {
        match next {
            Next::Rename => self.rename(temp, since),
            Next::Done(evidence) => Ok(End::Done(evidence)),
            Next::DoneAndRemove => {
                self.tidy(temp)?;
                Ok(End::Done("seen"))
            }
            Next::Infer => Ok(self.infer(since)),
            Next::SendAgain => {
                let path = self.there.path(temp);
                let what = format!(
                    "{path} changed after it was verified, so it was not published; ask the \
                     vendor what happened at the server, then send it again"
                );
                Ok(End::Wait(what, Some(Stage::Sending)))
            }
            Next::Conflict => Ok(self.conflict()),
        }
    }

    /// Both names are gone: only our own rename can have used the temporary one up,
    /// unless we look at another place than the one it was in, or so much time has
    /// passed that somebody may have cleaned up there.
    fn infer(&mut self, since: i64) -> End {
        // The only rename since then was refused, so it was not ours that took it.
        if self.seen {
            return self.uncertain("the temporary file was gone before it could be renamed");
        }
        if let Some(temp) = self.row.temp.as_ref().filter(|temp| temp.place != self.place) {
            return self.uncertain(&format!(
                "the file was on its way to {}; the endpoint is now {}, where nothing can be \
                 seen of it",
                temp.place, self.place
            ));
        }
        if self.row.stage != Stage::Verified {
            return self.uncertain("the file is not at the server");
        }
        let protocol = &self.endpoint.protocol;
        let age = self.engine.clock.unix() - since;
        if !(0..=protocol.infer_window_s).contains(&age) {
            return self.uncertain(
                "the file was taken or removed at the server, longer ago than can be told",
            );
        }
        match protocol.on_inferred {
            OnDoubt::Accept => End::Done("inferred"),
            _ => self.uncertain("the file was renamed and is gone again; on_inferred = \"hold\""),
        }
    }

    /// The end that only a person can tell.
    pub fn uncertain(&self, what: &str) -> End {
        let what = format!("delivery uncertain: {what}. Ask the vendor whether they have it");
        End::Wait(what, Some(Stage::Uncertain))
    }

    /// The end where somebody else's file has our name.
    pub fn conflict(&self) -> End {
        let path = self.there.path(self.row.name());
        let what = format!(
            "conflict: {path} exists with other bytes; it is not overwritten. \
             Ask the vendor where it came from"
        );
        End::Wait(what, Some(Stage::Conflict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decision_table_is_the_specification_s() {
        use Look::*;
        for (temp, last, next) in [
            (Ours, Absent, Next::Rename),
            (Absent, Ours, Next::Done("seen")),
            (Absent, Absent, Next::Infer),
            (Ours, Ours, Next::DoneAndRemove),
            (Ours, Other, Next::Conflict),
            (Absent, Other, Next::Conflict),
            (Other, Absent, Next::SendAgain),
            (Other, Refused, Next::SendAgain),
            (Other, Ours, Next::DoneAndRemove),
            (Refused, Refused, Next::Rename),
            (Refused, Absent, Next::Rename),
            (Ours, Refused, Next::Rename),
            (Refused, Ours, Next::Done("seen")),
            (Refused, Other, Next::Conflict),
        ] {
            assert_eq!(decide(temp, last), next, "{temp:?} {last:?}");
        }
    }
}
