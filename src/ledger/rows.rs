//! What a ledger keeps, row by row.

use std::fmt;

use serde::Serialize;

use crate::digest::Digest;
use crate::domain::{Code, Counts, ExtractKind, Notes, QueueState, rebuilt_batch};

/// The next free numbers; each is given once, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// For MSH-10.
    pub control: u64,
    /// For FHS-9 and FHS-11.
    pub file: u64,
}

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers { control: 1, file: 1 }
    }
}

/// An extract inside a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtractId(pub i64);

/// An extract that is being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewExtract {
    /// SHA-256 of the bytes as dropped.
    pub digest: Digest,
    /// File name, cleaned.
    pub name: String,
    /// What it holds.
    pub kind: ExtractKind,
    /// Size as dropped.
    pub bytes: u64,
    /// Which file it was, and since when it stood there: the same bytes, and the same
    /// file, may be dropped again.
    pub inode: u64,
    /// The header line, so that a queued record can be read again.
    pub header: String,
    /// Unix seconds.
    pub taken_at: i64,
}

/// A committed extract and its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractRow {
    /// Its row.
    pub id: ExtractId,
    /// As it was begun.
    pub extract: NewExtract,
    /// What became of its rows.
    pub counts: Counts,
    /// What was noticed.
    pub notes: Notes,
    /// The batch file that its first message went into, if it made any.
    pub batch: Option<u64>,
    /// The first extract of its drop, which stands for the drop.
    pub drop: ExtractId,
    /// When its messages left with their time, unix seconds: it has no batch any more, and
    /// is here for the faults that wait still.
    pub left_at: Option<i64>,
}

/// A drop that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropRow {
    /// Its number: that of its first extract; newer drops have higher ones. A rebuilt batch is
    /// one of its own, with the extracts of the first ([`drop_of_rebuilt`](crate::domain::drop_of_rebuilt)).
    pub number: u64,
    /// Its extracts, in the order they were read.
    pub extracts: Vec<ExtractRow>,
    /// The batch files that it became, in order; none where there were no messages.
    pub batches: Vec<BatchRow>,
}

impl DropRow {
    /// True once its messages left with their time.
    pub fn has_left(&self) -> bool {
        self.extracts.iter().any(|row| row.left_at.is_some())
    }

    /// Returns the batch of its message of this ordinal, counted from 0, and which
    /// message of the batch that is.
    pub fn batch_of(&self, message: u64) -> Option<(&BatchRow, u64)> {
        let control = self.batches.first()?.first_control + message;
        let batch = self.batches.iter().find(|one| control < one.first_control + one.messages)?;
        Some((batch, control - batch.first_control))
    }

    /// Returns how many messages it made.
    pub fn messages(&self) -> u64 {
        match rebuilt_batch(self.number) {
            None => self.extracts.iter().map(|row| row.counts.messages).sum(),
            Some(_) => self.batches.iter().map(|batch| batch.messages).sum(),
        }
    }

    /// Returns how many of its rows made none; a rebuilt batch has no rows of its own.
    pub fn untold(&self) -> u64 {
        match rebuilt_batch(self.number) {
            Some(_) => 0,
            None => {
                let rows = self.extracts.iter().filter(|row| row.extract.kind.makes_messages());
                rows.map(|row| row.counts.rows - row.counts.sent).sum()
            }
        }
    }
}

/// A batch file: frozen before the first network byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRow {
    /// The file number; batches leave in this order.
    pub number: u64,
    /// The final file name, unique for ever.
    pub name: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// The first control number in it; the others follow without a gap.
    pub first_control: u64,
    /// How many messages it holds.
    pub messages: u64,
    /// Unix seconds.
    pub made_at: i64,
}

/// How far a batch is on its way to one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// No try has begun.
    Waiting,
    /// A try began under a temporary name; nothing was renamed.
    Sending,
    /// The temporary file was whole; its rename may have been asked for.
    Verified,
    /// The endpoint has it.
    Delivered,
    /// Nothing can be proved; a person decides.
    Uncertain,
    /// Other bytes stand under the final name; a person decides.
    Conflict,
    /// Set aside until somebody lets it go, or its time comes; nothing was tried since.
    Held,
    /// Given up by an operator before anything of it was sent.
    Deleted,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Stage; 8] = [
        Stage::Waiting,
        Stage::Sending,
        Stage::Verified,
        Stage::Delivered,
        Stage::Uncertain,
        Stage::Conflict,
        Stage::Held,
        Stage::Deleted,
    ];

    /// Returns the word the ledger keeps.
    pub const fn word(self) -> &'static str {
        match self {
            Stage::Waiting => "waiting",
            Stage::Sending => "sending",
            Stage::Verified => "verified",
            Stage::Delivered => "delivered",
            Stage::Uncertain => "uncertain",
            Stage::Conflict => "conflict",
            Stage::Held => "held",
            Stage::Deleted => "deleted",
        }
    }

    /// True where nothing is to be sent any more.
    pub const fn is_done(self) -> bool {
        matches!(self, Stage::Delivered | Stage::Deleted)
    }

    /// Returns the queue state of the messages in such a batch.
    pub const fn queue_state(self) -> QueueState {
        match self {
            Stage::Waiting => QueueState::New,
            Stage::Delivered => QueueState::Processed,
            Stage::Held => QueueState::Scheduled,
            Stage::Deleted => QueueState::Deleted,
            _ => QueueState::Pending,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

/// One batch on its way to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The batch.
    pub batch: BatchRow,
    /// The endpoint's name.
    pub endpoint: String,
    /// How far it is.
    pub stage: Stage,
    /// The file that goes out instead of the batch file, frozen like it.
    pub encrypted: Option<Encrypted>,
    /// The temporary file of the last try.
    pub temp: Option<Temp>,
    /// When the rename began, unix seconds; set with [`Stage::Verified`].
    pub rename_at: Option<i64>,
    /// How many tries have begun.
    pub tries: u64,
    /// How often the bytes went out again because nobody could tell.
    pub resent: u64,
    /// How many tries failed one after the other, since somebody asked for one.
    pub failures: u64,
    /// Why the last try failed.
    pub failure: Option<Failure>,
    /// The evidence, once delivered.
    pub receipt: Option<Receipt>,
    /// Whether the endpoint acknowledges what it got, and whether it did.
    pub wait: Option<Wait>,
    /// When a held delivery goes on by itself, unix seconds; none: when somebody says so.
    pub held_until: Option<i64>,
}

impl DeliveryRow {
    /// Returns a delivery that no try was made of.
    pub fn waiting(batch: &BatchRow, endpoint: &str) -> DeliveryRow {
        DeliveryRow {
            batch: batch.clone(),
            endpoint: endpoint.to_string(),
            stage: Stage::Waiting,
            encrypted: None,
            temp: None,
            rename_at: None,
            tries: 0,
            resent: 0,
            failures: 0,
            failure: None,
            receipt: None,
            wait: None,
            held_until: None,
        }
    }

    /// Returns the final name at the endpoint.
    pub fn name(&self) -> &str {
        self.encrypted.as_ref().map_or(&self.batch.name, |encrypted| &encrypted.name)
    }

    /// Returns the SHA-256 of what goes out.
    pub fn digest(&self) -> Digest {
        self.encrypted.as_ref().map_or(self.batch.digest, |encrypted| encrypted.digest)
    }

    /// Returns the size of what goes out.
    pub fn bytes(&self) -> u64 {
        self.encrypted.as_ref().map_or(self.batch.bytes, |encrypted| encrypted.bytes)
    }

    /// True if it is delivered and its acknowledgement is not there yet.
    pub fn awaits_answer(&self) -> bool {
        self.stage == Stage::Delivered
            && self.wait.as_ref().is_some_and(|wait| wait.answered_at.is_none())
    }

    /// Returns by when it should be acknowledged, unix seconds, if it still awaits that.
    pub fn answer_due(&self) -> Option<i64> {
        let wait = self.wait.as_ref().filter(|_| self.awaits_answer())?;
        Some(self.receipt.as_ref()?.at.saturating_add(wait.within_s))
    }

    /// Returns the queue state of its messages that have none of their own.
    pub fn queue_state(&self) -> QueueState {
        if self.awaits_answer() { QueueState::Pending } else { self.stage.queue_state() }
    }
}

/// The wait for an acknowledgement of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Seconds from the delivery on in which it should come.
    pub within_s: i64,
    /// When every message had its answer, unix seconds.
    pub answered_at: Option<i64>,
}

/// A batch file as it was encrypted for an endpoint, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// The final name at the endpoint.
    pub name: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
}

/// A temporary file at an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Temp {
    /// Its name.
    pub name: String,
    /// The place it lies in, as the delivery tells it apart from every other
    /// (`delivery::Server::place`). Elsewhere its absence proves nothing.
    pub place: String,
}

/// Why a try failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What happened and what to do, in a sentence without patient data.
    pub what: String,
    /// True where trying again cannot help until somebody acts.
    pub stopped: bool,
    /// When it is tried again by itself, unix seconds; none: by the next run.
    pub again_at: Option<i64>,
    /// The stage to go to, where it is not the one the delivery has; not kept.
    #[serde(skip)]
    pub stage: Option<Stage>,
    /// Unix seconds.
    pub at: i64,
}

impl Failure {
    /// Returns the code of its cause: the one that its text begins with, or that a file could
    /// not be delivered.
    pub fn code(&self) -> Code {
        let first = self.what.split(' ').next().unwrap_or_default();
        Code::of_id(first).unwrap_or(Code::S001)
    }
}

/// What the endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Full remote path.
    pub path: String,
    /// Size at the endpoint.
    pub bytes: u64,
    /// How we know: `renamed`, `seen` or `inferred` (`delivery.md` section 3), `written`
    /// under its final name, or `told` by a person.
    pub evidence: String,
    /// `host:port` or the folder.
    pub server: String,
    /// Fingerprint of the host key; empty for a folder.
    pub host_key: String,
    /// Unix seconds.
    pub at: i64,
}

/// Whether new batches of an interface are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holding {
    /// They go out as they are made.
    #[default]
    No,
    /// Until somebody releases them.
    Open,
    /// Until this time, unix seconds.
    Until(i64),
}

/// Messages by queue state, derived: a message stands where its batch stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Count of each state that has any; faults count as one message each.
    pub states: std::collections::BTreeMap<QueueState, u64>,
    /// When the oldest batch that is not delivered was made, unix seconds.
    pub oldest_waiting: Option<i64>,
    /// When the extract committed last was taken, unix seconds.
    pub last_drop: Option<i64>,
    /// Messages that left with their time; no state counts them.
    pub left: u64,
}

impl Totals {
    /// Adds messages that are in a state.
    pub(super) fn add(&mut self, state: QueueState, messages: u64) {
        if messages > 0 {
            *self.states.entry(state).or_default() += messages;
        }
    }

    /// Adds the batches of deliveries that stand in batch order, each batch with all of
    /// its deliveries; `own` are the messages that stand elsewhere than their batch.
    pub(super) fn add_batches(
        &mut self,
        deliveries: &[DeliveryRow],
        own: &std::collections::BTreeMap<u64, OwnStates>,
    ) {
        for same in deliveries.chunk_by(|one, next| one.batch.number == next.batch.number) {
            let Some(DeliveryRow { batch, .. }) = same.first() else { continue };
            let state = batch_state(same);
            let own = own.get(&batch.number).copied().unwrap_or_default();
            self.add(state, batch.messages.saturating_sub(own.sum()));
            self.add(QueueState::Processed, own.accepted);
            self.add(QueueState::Error, own.rejected);
            self.add(QueueState::Deleted, own.closed);
            if !state.is_final() && !same.iter().all(|delivery| delivery.stage.is_done()) {
                let oldest = self.oldest_waiting.unwrap_or(batch.made_at);
                self.oldest_waiting = Some(oldest.min(batch.made_at));
            }
        }
    }
}

/// Messages of one batch that stand elsewhere than it, by what was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnStates {
    /// Every endpoint that answers has taken them, while the batch still awaits others.
    pub accepted: u64,
    /// An endpoint refused them, and nobody closed that.
    pub rejected: u64,
    /// An endpoint refused them, and somebody closed that.
    pub closed: u64,
}

impl OwnStates {
    pub(super) fn sum(self) -> u64 {
        self.accepted + self.rejected + self.closed
    }
}

/// Returns the queue state of the messages of a batch, which has these deliveries.
pub fn batch_state(deliveries: &[DeliveryRow]) -> QueueState {
    let there = deliveries.iter().all(|delivery| delivery.stage == Stage::Delivered);
    if there && deliveries.iter().any(DeliveryRow::awaits_answer) {
        return QueueState::Pending;
    }
    let together = |one, other| match (one, other) {
        (one, other) if one == other => one,
        (QueueState::Scheduled, QueueState::New) | (QueueState::New, QueueState::Scheduled) => {
            QueueState::New
        }
        (QueueState::Processed | QueueState::Distributed, _)
        | (_, QueueState::Processed | QueueState::Distributed) => QueueState::Distributed,
        _ => QueueState::Pending,
    };
    let states = deliveries.iter().map(|delivery| delivery.stage.queue_state());
    states.reduce(together).unwrap_or(QueueState::New)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery() -> DeliveryRow {
        let batch = BatchRow {
            number: 1,
            name: "1.hl7".into(),
            digest: Digest::of(b"1"),
            bytes: 1,
            first_control: 1,
            messages: 1,
            made_at: 0,
        };
        DeliveryRow::waiting(&batch, "test")
    }

    #[test]
    fn a_failure_has_the_code_that_it_begins_with_and_no_other() {
        let code = |what: &str| {
            let what = what.to_string();
            Failure { what, stopped: false, again_at: None, stage: None, at: 0 }.code()
        };
        assert_eq!(code("S002 /in/1.hl7 has 3 bytes at x:22, not 4"), Code::S002);
        assert_eq!(code("no room at x:22 for /in/S002 "), Code::S001);
        assert_eq!(code(""), Code::S001);
    }

    #[test]
    fn a_batch_that_all_have_is_pending_until_who_answers_has_answered() {
        let wait = |answered_at| Some(Wait { within_s: 9, answered_at });
        let delivered = DeliveryRow { stage: Stage::Delivered, ..delivery() };
        let awaits = DeliveryRow { wait: wait(None), ..delivered.clone() };
        let answered = DeliveryRow { wait: wait(Some(7)), ..delivered.clone() };
        let waiting = DeliveryRow { wait: wait(None), ..delivery() };
        let state = |rows: &[&DeliveryRow]| {
            batch_state(&rows.iter().map(|row| (*row).clone()).collect::<Vec<_>>())
        };
        assert_eq!(state(&[&waiting]), QueueState::New);
        assert_eq!(state(&[&awaits]), QueueState::Pending);
        assert_eq!(state(&[&awaits, &delivered]), QueueState::Pending);
        assert_eq!(state(&[&awaits, &waiting]), QueueState::Distributed);
        assert_eq!(state(&[&answered, &delivered]), QueueState::Processed);
    }

    #[test]
    fn a_batch_is_distributed_when_some_endpoints_have_it() {
        use Stage::*;
        let state = |stages: &[Stage]| {
            let one = |stage: &Stage| DeliveryRow { stage: *stage, ..delivery() };
            batch_state(&stages.iter().map(one).collect::<Vec<_>>())
        };
        assert_eq!(state(&[Waiting, Waiting]), QueueState::New);
        assert_eq!(state(&[Waiting, Sending]), QueueState::Pending);
        assert_eq!(state(&[Uncertain]), QueueState::Pending);
        assert_eq!(state(&[Delivered, Delivered]), QueueState::Processed);
        assert_eq!(state(&[Held, Held]), QueueState::Scheduled);
        assert_eq!(state(&[Held, Waiting]), QueueState::New);
        for other in [Waiting, Sending, Verified, Uncertain, Conflict, Held] {
            assert_eq!(state(&[other, Delivered]), QueueState::Distributed, "{other}");
            assert_eq!(state(&[Delivered, Waiting, other]), QueueState::Distributed, "{other}");
        }
    }
}
