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
    /// Batches that were made of another one, with that one.
    pub rebuilt: BTreeMap<u64, u64>,
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
        // What an extract has too much for the batch that it begins in goes on in the next.
        let mut carried = 0;
        // Manifests have no messages, and numbers of their own.
        let batches = || self.batches.iter().filter(|batch| !batch.is_manifest());
        let last = batches().rfind(|batch| !self.rebuilt.contains_key(&batch.number));
        let last = last.map(|batch| batch.number);
        let mut given = Numbers::default();
        for batch in batches() {
            let (number, messages) = (batch.number, batch.messages);
            let of = self.rebuilt.get(&number);
            if of.is_some_and(|of| *of >= number) {
                problems.push(format!("batch {number} is rebuilt of one that was made later"));
            }
            // What a rebuilt batch holds was made for another, and counts there.
            if of.is_none() {
                let made = made.get(&number).copied().unwrap_or(0) + carried;
                carried = made.saturating_sub(messages);
                if made < messages || carried > 0 && last == Some(number) {
                    let text = format!("batch {number} holds {messages} messages of {made} made");
                    problems.push(text);
                }
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
            let tried = row.tries > 0 || row.resent > 0;
            if row.stage == Stage::Deleted && tried {
                problems.push(format!("batch {number} to {endpoint}: deleted, and it was tried"));
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::domain::{Counts, ExtractKind, Notes};
    use crate::ledger::{NewExtract, Receipt, Temp};

    fn batch(number: u64, first_control: u64) -> BatchRow {
        BatchRow {
            number,
            name: format!("{number}.hl7"),
            digest: Digest::of(b"batch"),
            bytes: 900,
            first_control,
            messages: 10,
            made_at: 0,
        }
    }

    fn temp() -> Temp {
        Temp { name: "t".into(), place: "/in".into() }
    }

    fn extract(id: i64, batch: u64) -> ExtractRow {
        ExtractRow {
            id: ExtractId(id),
            extract: NewExtract {
                digest: Digest::of(&id.to_be_bytes()),
                name: "a.csv".into(),
                kind: ExtractKind::Patients,
                bytes: 9,
                inode: 1,
                header: String::new(),
                taken_at: 0,
            },
            counts: Counts { rows: 12, sent: 10, error: 2, messages: 10, ..Counts::default() },
            notes: Notes::default(),
            batch: Some(batch),
            drop: ExtractId(id),
        }
    }

    fn whole() -> Contents {
        let receipt = Receipt {
            path: "1.hl7".into(),
            bytes: 900,
            evidence: "seen".into(),
            server: "/in".into(),
            host_key: String::new(),
            at: 0,
        };
        let (first, second) = (batch(1, 1), batch(2, 11));
        let delivered = DeliveryRow {
            stage: Stage::Delivered,
            receipt: Some(receipt),
            ..DeliveryRow::waiting(&first, "test")
        };
        Contents {
            numbers: Numbers { control: 21, file: 3 },
            extracts: vec![extract(1, 1), extract(2, 2)],
            deliveries: vec![delivered, DeliveryRow::waiting(&second, "test")],
            batches: vec![first, second],
            faults: [(ExtractId(1), 2), (ExtractId(2), 2)].into(),
            rebuilt: BTreeMap::new(),
        }
    }

    #[test]
    fn each_thing_that_does_not_fit_has_its_sentence() {
        type Break = fn(&mut Contents);
        let breaks: &[(Break, &[&str])] = &[
            (|_| {}, &[]),
            (
                |it| it.extracts[0].counts.rows = 13,
                &["the rows of extract 1 are not all accounted for"],
            ),
            (|it| it.faults.retain(|id, _| id.0 != 2), &["extract 2 counts 2 errors and queued 0"]),
            (
                |it| it.faults.extend([(ExtractId(3), 1)]),
                &["there are faults of extract 3, which is not there"],
            ),
            (
                |it| it.extracts[1].batch = None,
                &[
                    "the messages of extract 2 are in no batch",
                    "batch 2 holds 10 messages of 0 made",
                ],
            ),
            (
                |it| it.extracts[1].batch = Some(7),
                &[
                    "extract 2 went into batch 7, which is not there",
                    "batch 2 holds 10 messages of 0 made",
                ],
            ),
            (|it| it.batches[1].first_control = 10, &["numbers of batch 2 were given twice"]),
            (|it| it.numbers.control = 20, &["the next numbers were given already"]),
            (|it| it.numbers.file = 2, &["the next numbers were given already"]),
            (|it| it.deliveries[0].receipt = None, &["batch 1 to test: receipt and stage differ"]),
            (
                |it| it.deliveries[1].stage = Stage::Sending,
                &["batch 2 to test: its last try is not there"],
            ),
            (
                |it| {
                    let row = &mut it.deliveries[1];
                    (row.stage, row.tries, row.temp) = (Stage::Verified, 1, Some(temp()));
                },
                &["batch 2 to test: its last try is not there"],
            ),
            (|it| drop(it.deliveries.pop()), &["batch 2 goes to no endpoint"]),
            (
                |it| {
                    it.rebuilt.insert(2, 1);
                    it.batches[1].messages = 3;
                },
                &[],
            ),
            (
                |it| {
                    it.rebuilt.insert(1, 2);
                },
                &["batch 1 is rebuilt of one that was made later"],
            ),
            (
                |it| {
                    let row = &mut it.deliveries[1];
                    (row.stage, row.tries) = (Stage::Deleted, 1);
                },
                &["batch 2 to test: deleted, and it was tried"],
            ),
        ];
        for (at, (break_it, problems)) in breaks.iter().enumerate() {
            let mut contents = whole();
            break_it(&mut contents);
            assert_eq!(contents.problems(), *problems, "break {at}");
        }
    }
}
