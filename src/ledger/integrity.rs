//! What must fit together in a ledger at rest, for every store.

use std::collections::{BTreeMap, BTreeSet};

use super::{BatchRow, DeliveryRow, ExtractId, ExtractRow, Numbers, Stage};

/// Everything a ledger holds but the faults themselves.
pub(super) struct Contents {
    pub numbers: Numbers,
    /// In the order of their rows.
    pub extracts: Vec<ExtractRow>,
    /// In number order.
    pub batches: Vec<BatchRow>,
    pub deliveries: Vec<DeliveryRow>,
    /// How many faults each extract has.
    pub faults: BTreeMap<ExtractId, u64>,
}

impl Contents {
    /// Returns what does not fit together, a sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.check_extracts(&mut problems);
        self.check_batches(&mut problems);
        self.check_deliveries(&mut problems);
        problems
    }

    fn check_extracts(&self, problems: &mut Vec<String>) {
        let batches: BTreeSet<u64> = self.batches.iter().map(|batch| batch.number).collect();
        for ExtractRow { id: ExtractId(id), counts, batch, .. } in &self.extracts {
            if !counts.balanced() {
                problems.push(format!("the rows of extract {id} are not all accounted for"));
            }
            let queued = self.faults.get(&ExtractId(*id)).copied().unwrap_or(0);
            if counts.error != queued {
                let error = counts.error;
                problems.push(format!("extract {id} counts {error} errors and queued {queued}"));
            }
            if batch.is_some() != (counts.messages > 0) {
                problems.push(format!("the messages of extract {id} are in no batch"));
            }
            if let Some(batch) = batch.filter(|batch| !batches.contains(batch)) {
                problems.push(format!("extract {id} went into batch {batch}, which is not there"));
            }
        }
        let ids: BTreeSet<ExtractId> = self.extracts.iter().map(|extract| extract.id).collect();
        for ExtractId(id) in self.faults.keys().filter(|id| !ids.contains(id)) {
            problems.push(format!("there are faults of extract {id}, which is not there"));
        }
    }

    fn check_batches(&self, problems: &mut Vec<String>) {
        let mut made: BTreeMap<u64, u64> = BTreeMap::new();
        for extract in &self.extracts {
            *made.entry(extract.batch.unwrap_or(0)).or_default() += extract.counts.messages;
        }
        let mut given = Numbers::default();
        for batch in &self.batches {
            let (number, messages) = (batch.number, batch.messages);
            let made = made.get(&number).copied().unwrap_or(0);
            if made != messages {
                problems.push(format!("batch {number} holds {messages} messages of {made} made"));
            }
            if number < given.file || batch.first_control < given.control {
                problems.push(format!("numbers of batch {number} were given twice"));
            }
            given.file = number.saturating_add(1);
            given.control = batch.first_control.saturating_add(messages);
        }
        if self.numbers.file < given.file || self.numbers.control < given.control {
            problems.push("the next numbers were given already".to_string());
        }
    }

    fn check_deliveries(&self, problems: &mut Vec<String>) {
        let mut promised = BTreeSet::new();
        for row in &self.deliveries {
            let (number, endpoint) = (row.batch.number, &row.endpoint);
            promised.insert(number);
            if (row.stage == Stage::Delivered) != row.receipt.is_some() {
                problems.push(format!("batch {number} to {endpoint}: receipt and stage differ"));
            }
            let begun = row.temp.is_some() && row.tries > 0;
            let renamed = begun && row.rename_at.is_some();
            if row.stage == Stage::Sending && !begun || row.stage == Stage::Verified && !renamed {
                problems.push(format!("batch {number} to {endpoint}: its last try is not there"));
            }
        }
        for batch in self.batches.iter().filter(|batch| !promised.contains(&batch.number)) {
            problems.push(format!("batch {} goes to no endpoint", batch.number));
        }
    }
}
