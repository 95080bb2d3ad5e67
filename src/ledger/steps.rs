//! The way of a delivery: which step may follow which, for every store.
//!
//! | step | from | to |
//! |---|---|---|
//! | `encrypted` | waiting, sending, once | the same |
//! | `sending` | waiting, sending, uncertain, conflict | sending |
//! | `verified` | sending, verified, uncertain, conflict, under a temporary name | verified |
//! | `delivered` | any but delivered | delivered |
//! | `failed` | any but delivered | the same, or any but verified and delivered |
//! | `retry` | any but delivered and uncertain | the same |
//! | a person's *delivered* | any but delivered; held too | delivered |
//! | a person's *resend* | any but delivered | sending |
//! | a person's *retry* | any but delivered | the same |
//! | `await_answer` | any but delivered | the same |
//! | `answered` | delivered | the same |
//! | `hold` | waiting | held |
//! | `release` | held | waiting |
//! | `delete` | held, and no try was ever made | deleted |
//! | `resend` | delivered | waiting |
//!
//! | an older ledger is put back | any but delivered; held too | uncertain, resp. delivered |
//!
//! Nothing else is decided about a delivery that is held: it is released first.
//! These four are steps of the queue too (`domain/queue.rs`), which has the last word.
//!
//! The row that guards the promise is the first: from *verified* no upload begins,
//! since the rename may have happened (`delivery.md` section 3). Who wants to send
//! the bytes again says so first, by a `failed` that names the stage to go to.

use super::{
    Decision, DeliveryRow, Encrypted, Failure, Holding, LedgerError, Receipt, Result, Sign, Stage,
    Temp, Wait,
};
use crate::domain::Step;

impl DeliveryRow {
    /// What goes out is frozen: from now on every try sends these bytes under this name.
    pub(super) fn encrypted(mut self, file: &Encrypted) -> Result<DeliveryRow> {
        use Stage::*;
        self.guard("encrypted", &[Waiting, Sending])?;
        if self.encrypted.is_some() {
            return Err(self.refused("is encrypted already"));
        }
        self.encrypted = Some(file.clone());
        Ok(self)
    }

    /// A try begins under a temporary name.
    pub(super) fn sending(mut self, temp: &Temp) -> Result<DeliveryRow> {
        use Stage::*;
        self.guard("sending", &[Waiting, Sending, Uncertain, Conflict])?;
        self.stage = Sending;
        self.temp = Some(temp.clone());
        self.rename_at = None;
        self.tries += 1;
        if let Some(failure) = &mut self.failure {
            (failure.stopped, failure.again_at) = (false, None);
        }
        Ok(self)
    }

    /// The temporary file is whole and its rename begins.
    pub(super) fn verified(mut self, at: i64) -> Result<DeliveryRow> {
        use Stage::*;
        self.guard("verified", &[Sending, Verified, Uncertain, Conflict])?;
        if self.temp.is_none() {
            return Err(self.refused("cannot be verified: no file was uploaded"));
        }
        self.stage = Verified;
        self.rename_at = Some(at);
        Ok(self)
    }

    /// The endpoint has it.
    pub(super) fn delivered(mut self, receipt: &Receipt) -> Result<DeliveryRow> {
        use Stage::*;
        self.guard("delivered", &[Waiting, Sending, Verified, Uncertain, Conflict])?;
        self.stage = Delivered;
        self.failure = None;
        self.receipt = Some(receipt.clone());
        Ok(self)
    }

    /// A try failed; the stage stays, or goes where the failure says.
    pub(super) fn failed(mut self, failure: &Failure) -> Result<DeliveryRow> {
        use Stage::*;
        self.guard("failed", &[Waiting, Sending, Verified, Uncertain, Conflict])?;
        let to = failure.stage.unwrap_or(self.stage);
        if to != self.stage && matches!(to, Verified | Delivered) {
            return Err(self.refused(&format!("cannot become {to} by a failure")));
        }
        if matches!(to, Waiting | Sending) {
            self.rename_at = None;
        }
        self.stage = to;
        self.failures += 1;
        self.failure = Some(Failure { stage: None, ..failure.clone() });
        Ok(self)
    }

    /// Its endpoint acknowledges what it gets.
    pub(super) fn await_answer(mut self, within_s: i64) -> Result<DeliveryRow> {
        use Stage::*;
        self.guard("awaited", &[Waiting, Sending, Verified, Uncertain, Conflict])?;
        self.wait = Some(Wait { within_s, answered_at: None });
        Ok(self)
    }

    /// Every message has its answer.
    pub(super) fn answered(mut self, at: i64) -> Result<DeliveryRow> {
        self.guard("answered", &[Stage::Delivered])?;
        if let Some(wait) = &mut self.wait {
            wait.answered_at.get_or_insert(at);
        }
        Ok(self)
    }

    /// An operator wants a delivery that waits tried again; `None` if it does not wait.
    pub(super) fn retry(mut self) -> Option<DeliveryRow> {
        let failure = self.failure.as_ref()?;
        let waits = failure.stopped || failure.again_at.is_some();
        if !waits || failure.stopped && self.stage == Stage::Uncertain {
            return None;
        }
        self.go_on();
        Some(self)
    }

    /// Somebody decided, who may know what the server cannot tell.
    pub(super) fn decide(mut self, decision: Decision, sign: &Sign) -> Result<DeliveryRow> {
        match self.stage {
            Stage::Delivered => return Err(self.refused("is delivered already")),
            // What was told before, by a file that this ledger does not know.
            Stage::Held if decision == Decision::Delivered => return Ok(self.went(sign)),
            Stage::Held => return Err(self.refused("is held; release it first")),
            Stage::Deleted => return Err(self.refused("is deleted")),
            _ => self.go_on(),
        }
        match decision {
            Decision::Delivered => {
                let receipt = self.told(sign);
                self.delivered(&receipt)
            }
            Decision::Resend => {
                // What was written under the final name itself is the vendor's now.
                let name = self.name().to_string();
                self.temp = self.temp.filter(|temp| temp.name != name);
                self.stage = if self.temp.is_some() { Stage::Sending } else { Stage::Waiting };
                self.rename_at = None;
                self.resent += 1;
                Ok(self)
            }
            Decision::Retry => Ok(self),
        }
    }

    /// It went out, by all that is known: nothing is sent.
    pub(super) fn went(mut self, sign: &Sign) -> DeliveryRow {
        let receipt = self.told(sign);
        (self.stage, self.receipt) = (Stage::Delivered, Some(receipt));
        (self.failure, self.held_until) = (None, None);
        self
    }

    /// An older ledger was put back: whether it went out since then, nobody knows, and no
    /// temporary file of then is a token any more. What was encrypted then is in no backup.
    pub(super) fn doubted(mut self, what: &str, sign: &Sign) -> DeliveryRow {
        (self.stage, self.encrypted) = (Stage::Uncertain, None);
        (self.temp, self.rename_at, self.held_until) = (None, None, None);
        self.failures += 1;
        let what = what.to_string();
        self.failure =
            Some(Failure { what, stopped: true, again_at: None, stage: None, at: sign.at });
        self
    }

    /// An operator sets it aside, until a time or for as long as it takes.
    pub(super) fn hold(mut self, until: Option<i64>) -> Result<DeliveryRow> {
        self.may(Step::Hold, "held: only what waits for its first step can be")?;
        (self.stage, self.held_until) = (Stage::Held, until);
        Ok(self)
    }

    /// A new delivery of an interface whose new batches may be held.
    pub(super) fn under(self, holding: Holding) -> Result<DeliveryRow> {
        match holding {
            Holding::No => Ok(self),
            Holding::Open => self.hold(None),
            Holding::Until(at) => self.hold(Some(at)),
        }
    }

    /// Its time came, or an operator lets it go.
    pub(super) fn release(mut self) -> Result<DeliveryRow> {
        self.may(Step::Release, "released")?;
        (self.stage, self.held_until) = (Stage::Waiting, None);
        Ok(self)
    }

    /// An operator gives it up. Where a try was made something of it may be seen at the
    /// other end, so it cannot be taken back.
    pub(super) fn delete(mut self) -> Result<DeliveryRow> {
        self.may(Step::Delete, "deleted: hold it first")?;
        if self.tries > 0 || self.resent > 0 {
            return Err(self.refused("cannot be deleted: a try to send it was made"));
        }
        (self.stage, self.held_until) = (Stage::Deleted, None);
        Ok(self)
    }

    /// An operator wants the same batch sent to somebody who had it. One that was encrypted
    /// is encrypted anew: that the old key is lost is a reason to ask.
    pub(super) fn resend(mut self) -> Result<DeliveryRow> {
        self.may(Step::Resend, "sent again: only what was delivered can be")?;
        (self.stage, self.receipt, self.failure) = (Stage::Waiting, None, None);
        (self.temp, self.rename_at, self.failures) = (None, None, 0);
        self.encrypted = None;
        self.resent += 1;
        if let Some(wait) = &mut self.wait {
            wait.answered_at = None;
        }
        Ok(self)
    }

    /// Asks the table of the queue.
    fn may(&self, step: Step, what: &str) -> Result<()> {
        match self.stage.queue_state().after(step) {
            Some(_) => Ok(()),
            None => Err(self.refused(&format!("is {} and cannot be {what}", self.stage))),
        }
    }

    /// What failed before is told, and stops nothing any more.
    fn go_on(&mut self) {
        self.failures = 0;
        if let Some(failure) = &mut self.failure {
            (failure.stopped, failure.again_at) = (false, None);
        }
    }

    /// The receipt where the word of a person is all there is.
    fn told(&self, sign: &Sign) -> Receipt {
        Receipt {
            path: self.name().to_string(),
            bytes: self.bytes(),
            evidence: "told".to_string(),
            server: self.temp.as_ref().map_or_else(String::new, |temp| temp.place.clone()),
            host_key: String::new(),
            at: sign.at,
        }
    }

    fn guard(&self, step: &str, from: &[Stage]) -> Result<()> {
        if from.contains(&self.stage) {
            return Ok(());
        }
        Err(self.refused(&format!("is {} and cannot become {step}", self.stage)))
    }

    fn refused(&self, what: &str) -> LedgerError {
        let (number, endpoint) = (self.batch.number, &self.endpoint);
        LedgerError::Failed(format!("batch {number} to {endpoint} {what}"))
    }
}

/// Returns the error for a batch that nobody promised.
pub(super) fn no_batch(batch: u64) -> LedgerError {
    LedgerError::Failed(format!("there is no batch {batch}"))
}

/// Returns the error for a delivery that nobody promised.
pub(super) fn no_delivery(batch: u64, endpoint: &str) -> LedgerError {
    LedgerError::Failed(format!("there is no delivery of batch {batch} to {endpoint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::ledger::BatchRow;

    fn at(stage: Stage) -> DeliveryRow {
        let batch = BatchRow {
            number: 7,
            name: "seven.hl7".into(),
            digest: Digest::of(b"seven"),
            bytes: 5,
            first_control: 1,
            messages: 1,
            made_at: 0,
        };
        let temp = (stage != Stage::Waiting).then(temp);
        let rename_at = (stage == Stage::Verified).then_some(1);
        DeliveryRow { stage, temp, rename_at, ..DeliveryRow::waiting(&batch, "test") }
    }

    fn temp() -> Temp {
        Temp { name: ".seven.part".into(), place: "sftp.vendor.example".into() }
    }

    fn failure(stage: Option<Stage>) -> Failure {
        Failure { what: "the line was lost".into(), stopped: true, again_at: None, stage, at: 2 }
    }

    #[test]
    fn the_table_above_is_what_the_code_does() {
        use Stage::*;
        let receipt = Receipt {
            path: "in/seven.hl7".into(),
            bytes: 5,
            evidence: "renamed".into(),
            server: "localhost:22".into(),
            host_key: String::new(),
            at: 3,
        };
        let allowed = |step: &dyn Fn(DeliveryRow) -> Result<DeliveryRow>| -> Vec<Stage> {
            Stage::ALL.into_iter().filter(|&stage| step(at(stage)).is_ok()).collect()
        };
        let file = Encrypted { name: "seven.hl7.pgp".into(), digest: Digest::of(b"7"), bytes: 1 };
        assert_eq!(allowed(&|row| row.encrypted(&file)), [Waiting, Sending]);
        assert_eq!(allowed(&|row| row.encrypted(&file)?.encrypted(&file)), []);
        assert_eq!(allowed(&|row| row.sending(&temp())), [Waiting, Sending, Uncertain, Conflict]);
        assert_eq!(allowed(&|row| row.verified(1)), [Sending, Verified, Uncertain, Conflict]);
        let not_delivered = [Waiting, Sending, Verified, Uncertain, Conflict];
        assert_eq!(allowed(&|row| row.delivered(&receipt)), not_delivered);
        assert_eq!(allowed(&|row| row.failed(&failure(None))), not_delivered);
        for to in [Waiting, Sending, Uncertain, Conflict] {
            assert_eq!(allowed(&|row| row.failed(&failure(Some(to)))), not_delivered, "{to}");
        }
        let sign = Sign { by: "anna".into(), why: "they said so".into(), at: 4 };
        for decision in [Decision::Resend, Decision::Retry] {
            assert_eq!(allowed(&|row| row.decide(decision, &sign)), not_delivered, "{decision:?}");
        }
        let told = allowed(&|row| row.decide(Decision::Delivered, &sign));
        assert_eq!(
            told,
            Stage::ALL
                .into_iter()
                .filter(|&stage| stage != Delivered && stage != Deleted)
                .collect::<Vec<_>>()
        );
        assert_eq!(allowed(&|row| row.await_answer(60)), not_delivered);
        assert_eq!(allowed(&|row| row.answered(60)), [Delivered]);
        assert_eq!(allowed(&|row| row.hold(None)), [Waiting]);
        assert_eq!(allowed(&DeliveryRow::release), [Held]);
        assert_eq!(allowed(&DeliveryRow::delete), [Held]);
        assert_eq!(allowed(&DeliveryRow::resend), [Delivered]);
        assert_eq!(allowed(&|row| row.failed(&failure(Some(Verified)))), [Verified]);
        assert_eq!(allowed(&|row| row.failed(&failure(Some(Delivered)))), []);
    }

    #[test]
    fn what_was_never_uploaded_is_never_verified() {
        let row = DeliveryRow { temp: None, ..at(Stage::Sending) };
        assert!(row.verified(1).unwrap_err().to_string().contains("no file was uploaded"));
    }

    #[test]
    fn what_is_sent_once_more_waits_for_an_answer_once_more() {
        let answered = at(Stage::Sending).await_answer(60).unwrap();
        let receipt = answered.told(&Sign { by: "anna".into(), why: "asked".into(), at: 3 });
        let answered = answered.delivered(&receipt).unwrap().answered(4).unwrap();
        assert_eq!(answered.wait, Some(Wait { within_s: 60, answered_at: Some(4) }));
        // The first answer is the one that counts.
        let again = answered.clone().answered(5).unwrap();
        assert_eq!(again.wait, answered.wait);
        let row = answered.resend().unwrap();
        assert_eq!(row.wait, Some(Wait { within_s: 60, answered_at: None }));
        assert_eq!((row.stage, &row.receipt, &row.temp), (Stage::Waiting, &None, &None));
        assert_eq!((row.resent, row.rename_at), (1, None));
    }

    #[test]
    fn what_was_tried_once_is_never_deleted() {
        let tried = DeliveryRow { tries: 1, ..at(Stage::Held) };
        assert!(tried.delete().unwrap_err().to_string().contains("a try to send it was made"));
        let again = at(Stage::Delivered).resend().unwrap().hold(None).unwrap();
        assert!(again.delete().is_err(), "it was delivered once");
    }

    #[test]
    fn what_an_older_ledger_sent_or_not_is_for_a_person_and_never_sent_by_itself() {
        let sign = Sign { by: "anna".into(), why: "the disk failed".into(), at: 4 };
        for stage in [Stage::Waiting, Stage::Sending, Stage::Verified, Stage::Held] {
            let row = at(stage).doubted("it may have been sent", &sign);
            assert_eq!((row.stage, &row.temp, row.rename_at), (Stage::Uncertain, &None, None));
            assert!(row.failure.as_ref().unwrap().stopped);
            assert_eq!(row.failures, 1, "it is told like a try that failed");
            assert!(row.clone().retry().is_none(), "run --retry sends nothing of it");
            assert_eq!(row.decide(Decision::Resend, &sign).unwrap().stage, Stage::Waiting);
        }
        let told = at(Stage::Held).decide(Decision::Delivered, &sign).unwrap();
        assert_eq!(
            (told.stage, told.receipt.unwrap().evidence.as_str()),
            (Stage::Delivered, "told")
        );
    }

    #[test]
    fn a_rename_is_remembered_until_it_is_known_not_to_have_happened() {
        let lost = at(Stage::Verified).failed(&failure(Some(Stage::Uncertain))).unwrap();
        assert_eq!(lost.rename_at, Some(1));
        let again = lost.failed(&failure(Some(Stage::Sending))).unwrap();
        assert_eq!(again.rename_at, None);
    }

    #[test]
    fn who_wants_it_sent_again_gives_up_the_rename_and_is_counted() {
        let sign = Sign { by: "anna".into(), why: "they lost it".into(), at: 4 };
        let stopped = at(Stage::Verified).failed(&failure(Some(Stage::Uncertain))).unwrap();
        let again = stopped.clone().decide(Decision::Resend, &sign).unwrap();
        assert_eq!((again.stage, again.rename_at, again.resent), (Stage::Sending, None, 1));
        assert!(!again.failure.as_ref().unwrap().stopped);
        again.sending(&temp()).unwrap();
        let look = stopped.decide(Decision::Retry, &sign).unwrap();
        assert_eq!((look.stage, look.rename_at, look.resent), (Stage::Uncertain, Some(1), 0));
        assert!(!look.failure.unwrap().stopped);
    }

    #[test]
    fn failures_are_counted_until_somebody_asks_for_a_try() {
        let sign = Sign { by: "anna".into(), why: "x".into(), at: 4 };
        let later = Failure { stopped: false, again_at: Some(9), ..failure(None) };
        let twice = at(Stage::Sending).failed(&later).unwrap().failed(&later).unwrap();
        assert_eq!((twice.failures, twice.clone().retry().unwrap().failures), (2, 0));
        let asked = twice.clone().decide(Decision::Retry, &sign).unwrap();
        assert_eq!((asked.failures, asked.failure.unwrap().again_at), (0, None));
        let sent = twice.sending(&temp()).unwrap();
        assert_eq!((sent.failures, sent.failure.unwrap().again_at), (2, None), "it goes on");
    }

    #[test]
    fn a_refusal_names_the_batch_and_both_stages() {
        let text = at(Stage::Verified).sending(&temp()).unwrap_err().to_string();
        assert_eq!(
            text,
            "the ledger failed: batch 7 to test is verified and cannot become sending"
        );
    }
}
