//! Finding messages: by patient, appointment, control or external ID, by state, reason,
//! event, file, batch and time; newest first, page by page.
//!
//! An ID leads to entries of the drops' indexes, a control ID to its batch; everything
//! else walks the drops from the newest. What a hash led to is read before it is believed.
//! A drop whose index cannot be read is named: nothing is silently left out.

use std::collections::BTreeSet;

use super::candidates::Candidates;
use super::error::EngineError;
use super::message::{has_component, message_at};
use super::pass::Engine;
use super::query::{Found, Hit, Locator, Query, Standing};
use super::states::States;
use crate::convert::external_ids;
use crate::domain::{Code, QueueState, drop_of_rebuilt, rebuilt_batch};
use crate::index::{Index, KeyOf, Place, Reason, RowEntry, Target, external_key, key};
use crate::ledger::{
    AnswerRow, Answers, DropRow, FaultFound, History, Ledger, Sqlite, batch_state, message_state,
};

impl Engine {
    /// Returns what fits a query, newest first: of a drop its messages, then the rows that
    /// made none. `after` is where the page before ended.
    ///
    /// # Errors
    /// Those of the ledger and the disk.
    pub fn find(
        &self,
        query: &Query,
        after: Option<Locator>,
        limit: usize,
    ) -> Result<Found, EngineError> {
        let Some(ledger) = Sqlite::peek(&self.spool.ledger(), &self.owner())? else {
            return Ok(Found::default());
        };
        let ids = |value: &String| external_ids(&self.agreement.scope, value.trim());
        let external = query.external.as_ref().map(ids).unwrap_or_default();
        let search = Search { engine: self, ledger: &ledger, query, after, limit, external };
        let keys = search.keys();
        let mut found = Found::default();
        if let Some(control) = &query.control {
            search.control(control, &mut found)?;
        } else if !keys.is_empty() {
            search.by_keys(&keys, &mut found)?;
        } else if let Some(batch) = &query.batch {
            let row = ledger.batch(batch)?.map(|row| ledger.drop_of(row.number)).transpose()?;
            if let Some(row) = row.flatten().map(|drop| ledger.drop_row(drop)).transpose()? {
                row.map_or(Ok(()), |row| search.walk(&row, &mut found))?;
            }
        } else {
            search.by_drops(&mut found)?;
        }
        // One can be unreadable for each of its keys.
        found.unsearchable.dedup();
        if found.hits.len() > limit {
            found.hits.truncate(limit);
            found.next = found.hits.last().map(|hit| hit.locator);
        }
        Ok(found)
    }

    /// Tells what one message or row is; none if there is no such one.
    pub(super) fn hit(
        &self,
        ledger: &Sqlite,
        row: &DropRow,
        index: &Index,
        target: Target,
    ) -> Result<Option<Hit>, EngineError> {
        let (query, after, limit, external) = (&Query::default(), None, 1, Vec::new());
        let search = Search { engine: self, ledger, query, after, limit, external };
        search.hit(row, index, target, &mut States::default())
    }
}

struct Search<'a> {
    engine: &'a Engine,
    ledger: &'a Sqlite,
    query: &'a Query,
    after: Option<Locator>,
    limit: usize,
    /// What the external ID may be.
    external: Vec<(String, [u8; 16])>,
}

impl Search<'_> {
    /// Returns the keys of the IDs that are looked for; any one of a list will do.
    fn keys(&self) -> Vec<Vec<u64>> {
        let mut keys = Vec::new();
        let of =
            |of, id: &Option<String>| id.as_ref().map(|id| vec![key(of, id.trim().as_bytes())]);
        keys.extend(of(KeyOf::Patient, &self.query.patient));
        keys.extend(of(KeyOf::Appointment, &self.query.appointment));
        if self.query.external.is_some() {
            keys.push(self.external.iter().map(|(_, digest)| external_key(digest)).collect());
        }
        keys
    }

    /// The message of a control ID.
    fn control(&self, control: &str, found: &mut Found) -> Result<(), EngineError> {
        let digits = control.trim().split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let Some(number) = digits.parse::<u64>().ok().filter(|one| *one <= i64::MAX as u64) else {
            return Ok(());
        };
        // Who typed more than the number means this practice's.
        let own = format!("{number}M{}", self.engine.agreement.scope.context_id);
        if control.trim().len() != digits.len() && control.trim() != own {
            return Ok(());
        }
        // What was made of it again, the newest first; then itself.
        let key = key(KeyOf::Control, number.to_string().as_bytes());
        for (batch, ..) in self.ledger.rebuilt()?.into_iter().rev() {
            let drop = drop_of_rebuilt(batch);
            let Some(index) = self.open(drop, found) else { continue };
            for target in self.read(drop, index.find(key))? {
                self.one(drop, &index, target, found)?;
            }
        }
        let Some(batch) = self.ledger.batch_of(number)? else { return Ok(()) };
        let Some(drop) = self.ledger.drop_of(batch.number)? else { return Ok(()) };
        let Some(row) = self.ledger.drop_row(drop)? else { return Ok(()) };
        let first = row.batches.first().map_or(0, |batch| batch.first_control);
        let Some(index) = self.open(drop, found) else { return Ok(()) };
        self.one(drop, &index, Target::Message(number - first), found)
    }

    /// Takes one message, if it fits.
    fn one(
        &self,
        drop: u64,
        index: &Index,
        target: Target,
        found: &mut Found,
    ) -> Result<(), EngineError> {
        let Some(row) = self.ledger.drop_row(drop)? else { return Ok(()) };
        let hit = self.hit(&row, index, target, &mut States::default())?;
        found.hits.extend(hit.filter(|hit| self.fits(hit) && self.is_behind(hit.locator)));
        Ok(())
    }

    /// The drops whose indexes have the keys.
    fn by_keys(&self, keys: &[Vec<u64>], found: &mut Found) -> Result<(), EngineError> {
        let there: BTreeSet<u64> = self.engine.spool.indexes()?.into_iter().collect();
        let wanted = self.ledger.drops_with_rows()?;
        found.unsearchable.extend(wanted.iter().filter(|drop| !there.contains(drop)));
        for &drop in there.iter().rev() {
            if self.after.is_some_and(|after| drop > after.drop) {
                continue;
            }
            let Some(index) = self.open(drop, found) else { continue };
            let mut targets: Option<BTreeSet<Target>> = None;
            for any in keys {
                let mut of_any = BTreeSet::new();
                for hash in any {
                    match index.find(*hash) {
                        Ok(some) => of_any.extend(some),
                        Err(_) => found.unsearchable.push(drop),
                    }
                }
                targets = Some(match targets {
                    None => of_any,
                    Some(others) => others.intersection(&of_any).copied().collect(),
                });
            }
            let targets = targets.unwrap_or_default();
            if targets.is_empty() {
                continue;
            }
            // One that a crash left has no drop.
            if let Some(row) = self.ledger.drop_row(drop)?.filter(|row| self.is_in_time(row)) {
                let mut states = States::default();
                let (messages, rows): (Vec<Target>, Vec<Target>) =
                    targets.into_iter().partition(|one| matches!(one, Target::Message(_)));
                for target in messages.into_iter().rev().chain(rows.into_iter().rev()) {
                    self.take(&row, &index, target, &mut states, found)?;
                    if found.hits.len() > self.limit {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Every drop that may have something, the newest first.
    fn by_drops(&self, found: &mut Found) -> Result<(), EngineError> {
        let candidates = Candidates::of(self.ledger, self.query)?;
        let mut below = self.after.map_or(u64::MAX, |after| after.drop + 1);
        while let Some(drop) = candidates.below(below)? {
            below = drop;
            if let Some(row) = self.ledger.drop_row(drop)?.filter(|row| self.is_in_time(row)) {
                self.walk(&row, found)?;
            }
            if found.hits.len() > self.limit {
                break;
            }
        }
        Ok(())
    }

    /// The messages and rows of one drop.
    fn walk(&self, row: &DropRow, found: &mut Found) -> Result<(), EngineError> {
        let mut states = States::default();
        let (messages, rows) = (self.wants_messages(row, &mut states)?, self.wants_rows(row));
        if !messages && !rows {
            return Ok(());
        }
        let Some(index) = self.open(row.number, found) else { return Ok(()) };
        let from = self.after.filter(|after| after.drop == row.number).map(|after| after.target);
        let mut before = match from {
            Some(Target::Message(nth)) if messages => nth,
            None if messages => u64::MAX,
            _ => 0,
        };
        loop {
            let some = self.read(row.number, index.messages_before(before))?;
            let Some((last, _)) = some.last() else { break };
            before = *last;
            let event = self.query.event;
            for (nth, entry) in some {
                if event.is_none_or(|event| event == entry.event) {
                    self.take(row, &index, Target::Message(nth), &mut states, found)?;
                }
                if found.hits.len() > self.limit {
                    return Ok(());
                }
            }
        }
        let mut before = match from {
            _ if !rows => 0,
            Some(Target::Row(nth)) => nth,
            _ => u64::MAX,
        };
        loop {
            let some = self.read(row.number, index.rows_before(before))?;
            let Some((last, _)) = some.last() else { break };
            before = *last;
            for (nth, entry) in some {
                if self.could_be(&entry) {
                    self.take(row, &index, Target::Row(nth), &mut states, found)?;
                }
                if found.hits.len() > self.limit {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn read<T>(
        &self,
        drop: u64,
        read: Result<T, crate::index::IndexError>,
    ) -> Result<T, EngineError> {
        read.map_err(|err| self.engine.no_index(drop, &err))
    }

    /// Takes a message or row if it fits, and is what it seems to be.
    fn take(
        &self,
        row: &DropRow,
        index: &Index,
        target: Target,
        states: &mut States,
        found: &mut Found,
    ) -> Result<(), EngineError> {
        if !self.is_behind(Locator { drop: row.number, target }) {
            return Ok(());
        }
        if let Some(hit) = self.hit(row, index, target, states)?
            && self.fits(&hit)
            && self.is_true(row, index, target)?
        {
            found.hits.push(hit);
        }
        Ok(())
    }

    /// True behind the place where the page before ended.
    fn is_behind(&self, here: Locator) -> bool {
        let class = |target: Target| match target {
            Target::Message(nth) => (1, nth),
            Target::Row(nth) => (0, nth),
        };
        let order = |one: Locator| (one.drop, class(one.target));
        self.after.is_none_or(|after| order(here) < order(after))
    }

    /// Reads a message that was found by its IDs, and holds it to them. Who wrote what
    /// into which field was agreed with the vendor, so the value may stand in any.
    fn is_true(&self, row: &DropRow, index: &Index, target: Target) -> Result<bool, EngineError> {
        let Query { patient, appointment, external, .. } = self.query;
        let ids: Vec<&String> = [patient, appointment].into_iter().flatten().collect();
        let Target::Message(nth) = target else {
            return self.engine.row_has(row, index, target, &ids);
        };
        if ids.is_empty() && external.is_none() {
            return Ok(true);
        }
        let Some((batch, _)) = row.batch_of(nth) else { return Ok(false) };
        let Some(path) = self.engine.batch_file(batch)? else { return Ok(true) };
        let entry = self.read(row.number, index.message(nth))?;
        let bytes = message_at(&path, entry.offset)?;
        let own = |id: &&String| has_component(&bytes, id.trim());
        // One that no field has was mapped away: then its row must have it.
        let ids: Vec<&String> = ids.into_iter().filter(|id| !own(id)).collect();
        let mut sent = self.external.iter();
        let outer = external.is_none() || sent.any(|(sent, _)| has_component(&bytes, sent));
        Ok(outer && (ids.is_empty() || self.engine.row_has(row, index, target, &ids)?))
    }

    fn open(&self, drop: u64, found: &mut Found) -> Option<Index> {
        let opened = Index::open(&self.engine.spool.index_of(drop));
        if let Err(err) = &opened {
            log::error!("{}", self.engine.no_index(drop, err));
            found.unsearchable.push(drop);
        }
        opened.ok()
    }

    fn is_in_time(&self, row: &DropRow) -> bool {
        let at = row.extracts.first().map_or(0, |row| row.extract.taken_at);
        self.query.from.is_none_or(|from| from <= at) && self.query.to.is_none_or(|to| at < to)
    }

    /// True if a message of the drop may fit: where its batches stand is known without a
    /// look at the messages.
    fn wants_messages(&self, row: &DropRow, states: &mut States) -> Result<bool, EngineError> {
        let Query { state, reason, file, batch, .. } = self.query;
        let named = file
            .as_ref()
            .is_none_or(|file| row.extracts.iter().any(|one| one.extract.name == *file));
        if reason.is_some() || row.batches.is_empty() || !named {
            return Ok(false);
        }
        let Some(state) = state else { return Ok(true) };
        let Standing::In(state) = state else { return Ok(false) };
        for one in
            row.batches.iter().filter(|one| batch.as_ref().is_none_or(|name| *name == one.name))
        {
            let (deliveries, answers) = states.of(self.ledger, one)?;
            if batch_state(deliveries) == *state || !answers.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn wants_rows(&self, row: &DropRow) -> bool {
        let Query { state, file, batch, event, .. } = self.query;
        let of = row
            .extracts
            .iter()
            .filter(|one| file.as_ref().is_none_or(|file| one.extract.name == *file));
        let (mut errors, mut others) = (0, 0);
        for one in of {
            errors += one.counts.error;
            others += one.counts.filtered + one.counts.duplicate;
        }
        if rebuilt_batch(row.number).is_some() {
            return false;
        }
        let by_state = match state {
            None => errors + others > 0,
            Some(Standing::Filtered) => others > 0,
            Some(Standing::In(state)) => {
                errors > 0 && (state.is_error() || *state == QueueState::Deleted)
            }
            Some(Standing::Resubmitted | Standing::Superseded) => errors > 0,
        };
        by_state && batch.is_none() && event.is_none()
    }

    /// True of a row that may fit, before its fault is looked for.
    fn could_be(&self, entry: &RowEntry) -> bool {
        let is_fault = entry.reason == Reason::Fault;
        let by_state = match self.query.state {
            None => true,
            Some(Standing::Filtered) => !is_fault,
            Some(_) => is_fault,
        };
        let by_reason = self.query.reason.as_ref().is_none_or(|reason| {
            is_fault && Code::of_id(reason).is_some() || entry.reason.word() == reason
        });
        by_state && by_reason
    }

    fn fits(&self, hit: &Hit) -> bool {
        let Query { file, batch, state, reason, event, .. } = self.query;
        let in_time = self.query.from.is_none_or(|from| from <= hit.at)
            && self.query.to.is_none_or(|to| hit.at < to);
        in_time
            && file.as_ref().is_none_or(|file| hit.file.as_ref() == Some(file))
            && batch.as_ref().is_none_or(|batch| hit.batch.as_ref() == Some(batch))
            && state.is_none_or(|state| hit.state == state)
            && event.is_none_or(|event| hit.event == Some(event))
            && reason.as_ref().is_none_or(|word| {
                hit.reason.as_ref().is_some_and(|(reason, _)| reason.eq_ignore_ascii_case(word))
            })
    }

    /// Tells what a message or row is; none if there is no such one.
    fn hit(
        &self,
        row: &DropRow,
        index: &Index,
        target: Target,
        states: &mut States,
    ) -> Result<Option<Hit>, EngineError> {
        match target {
            Target::Message(_) if row.has_left() => Ok(None),
            Target::Message(nth) if nth < index.messages => {
                self.message(row, index, nth, states).map(Some)
            }
            Target::Row(nth) if nth < index.rows => Ok(Some(self.row(row, index, nth)?)
                .filter(|hit| !row.has_left() || hit.fault.is_some())),
            _ => Ok(None),
        }
    }

    fn message(
        &self,
        row: &DropRow,
        index: &Index,
        nth: u64,
        states: &mut States,
    ) -> Result<Hit, EngineError> {
        let target = Target::Message(nth);
        let entry = self.read(row.number, index.message(nth))?;
        let damaged = || self.engine.no_index(row.number, &"does not fit its drop");
        let (batch, at) = row.batch_of(nth).ok_or_else(damaged)?;
        let number = batch.first_control + at;
        let (deliveries, answers) = states.of(self.ledger, batch)?;
        let own: Vec<AnswerRow> =
            answers.iter().filter(|row| row.answer.control == number).cloned().collect();
        let state = message_state(deliveries, &own);
        let refused = own.iter().find(|row| !row.answer.code.accepts());
        let failed = deliveries.iter().find_map(|row| row.failure.as_ref());
        let reason = match (refused, failed) {
            (Some(row), _) => Some((row.answer.code.word().to_string(), row.answer.what.clone())),
            (None, Some(failure)) if state != QueueState::Processed => {
                Some(("delivery".to_string(), failure.what.clone()))
            }
            _ => None,
        };
        let context = &self.engine.agreement.scope.context_id;
        Ok(Hit {
            state: Standing::In(state),
            reason,
            event: Some(entry.event),
            control: Some(format!("{number}M{context}")),
            batch: Some(batch.name.clone()),
            ..self.placed(row, target, &entry.place)
        })
    }

    fn row(&self, row: &DropRow, index: &Index, nth: u64) -> Result<Hit, EngineError> {
        let entry = self.read(row.number, index.row(nth))?;
        let hit = self.placed(row, Target::Row(nth), &entry.place);
        if entry.reason == Reason::Fault
            && let Some(extract) = row.extracts.get(usize::from(entry.place.extract))
            && let Some(found) = self.ledger.fault_at(extract.id, entry.place.record.into())?
        {
            let FaultFound { row, state, superseded, .. } = found;
            let code = row.fault.code;
            let gone = if superseded { Standing::Superseded } else { Standing::Resubmitted };
            return Ok(Hit {
                state: state.map_or(gone, Standing::In),
                reason: Some((code.id().to_string(), code.text().to_string())),
                fault: Some(row.id),
                ..hit
            });
        }
        let reason = (entry.reason.word().to_string(), entry.reason.text().to_string());
        Ok(Hit { reason: Some(reason), ..hit })
    }

    fn placed(&self, row: &DropRow, target: Target, place: &Place) -> Hit {
        let extract = row.extracts.get(usize::from(place.extract));
        let first = row.extracts.first().map_or(0, |row| row.extract.taken_at);
        Hit {
            locator: Locator { drop: row.number, target },
            state: Standing::Filtered,
            reason: None,
            event: None,
            control: None,
            batch: None,
            file: extract.map(|row| row.extract.name.clone()),
            record: place.record,
            line: place.line,
            fault: None,
            at: first,
        }
    }
}
