//! What a simulated vendor answers to the files it takes, in every form that is understood,
//! late, twice and cut off; and what must have come of each answer (`simulate.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use hl7drop::digest::Digest;
use hl7drop::domain::QueueState;
use hl7drop::hl7::read::BatchFile;
use hl7drop::ledger::{Answers, Ledger, Sqlite, message_state};
use hl7drop::spool::Spool;

use crate::acks::{message, response};
use crate::simulate::{Fate, below};

/// The vendor's folder of response files, and what it says in them.
pub struct Answering {
    /// Whether it answers at all.
    pub on: bool,
    /// What lies in the folder.
    pub files: BTreeMap<String, Vec<u8>>,
    fate: Fate,
    /// What it will say later.
    later: Vec<Vec<u8>>,
    /// Every response file it ever wrote.
    written: BTreeSet<Digest>,
    /// Messages it was given, and whether it refuses them.
    refused: BTreeMap<u64, bool>,
    /// Those of them that somebody closed.
    closed: BTreeSet<u64>,
    count: u64,
}

impl Answering {
    pub fn new(on: bool, fate: Fate) -> Answering {
        Answering {
            on,
            files: BTreeMap::new(),
            fate,
            later: Vec::new(),
            written: BTreeSet::new(),
            refused: BTreeMap::new(),
            closed: BTreeSet::new(),
            count: 0,
        }
    }

    /// It took a batch file: what it says of each message, now or later.
    pub fn took(&mut self, bytes: &[u8]) {
        if !self.on {
            return;
        }
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let reference = |name: &str| {
            let segment = text.split('\r').find(|segment| segment.starts_with(name)).unwrap();
            segment.split('|').nth(10).unwrap().to_string()
        };
        let (file, batch) = (reference("FHS"), reference("BHS"));
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for one in BatchFile::read(bytes).unwrap().messages() {
            let id = String::from_utf8(one.control_id().to_vec()).unwrap();
            let control: u64 = id.split_once('M').unwrap().0.parse().unwrap();
            let refuses = self.fate.one_in(4);
            assert!(self.refused.insert(control, refuses).is_none(), "{control} was taken twice");
            let code = if refuses { "AE" } else { "AA" };
            let answer = message(code, control, "");
            if refuses { refused.push(answer) } else { taken.push(answer) }
        }
        let form = self.fate.below(4);
        // Cut off in the middle it is of no use, and changes nothing.
        let whole = response(&file, &batch, &refused).into_bytes();
        if form == 0 && self.fate.one_in(2) {
            self.later.push(whole[..whole.len() - 8].to_vec());
        }
        match form {
            0 => self.later.push(whole),
            1 if !taken.is_empty() => {
                // One file of those that are taken, and one of the others.
                self.later.push(response(&file, &batch, &taken).into_bytes());
                if !refused.is_empty() {
                    self.later.push(refused.concat().into_bytes());
                }
            }
            2 => self.later.push([taken, refused].concat().concat().into_bytes()),
            _ => {
                let all = [taken, refused].concat();
                self.later.push(response(&file, &batch, &all).into_bytes());
            }
        }
    }

    /// Writes what it said it would: all of it, or as fate will have it; some of it again.
    pub fn write(&mut self, all: bool) {
        for text in std::mem::take(&mut self.later) {
            if !all && self.fate.one_in(2) {
                self.later.push(text);
                continue;
            }
            self.written.insert(Digest::of(&text));
            self.count += 1;
            self.files.insert(format!("{:04}.ack", self.count), text.clone());
            if self.fate.one_in(4) {
                self.later.push(text);
            }
        }
    }

    /// A message that waits because of a refusal, if somebody feels like closing it.
    pub fn wants_closed(&mut self, ledger: &Sqlite) -> Option<u64> {
        let waiting = ledger.rejected(1).unwrap().first().map(|row| row.answer.control);
        waiting.filter(|_| self.fate.one_in(3))
    }

    pub fn closed(&mut self, control: u64) {
        self.closed.insert(control);
    }

    /// Holds at any time: what it wrote lies there, or is kept here.
    pub fn always(&self, spool: &Spool) {
        let there = self.files.values().map(|text| Digest::of(text));
        let here = below(&spool.responses).into_iter().chain(below(&spool.odd));
        let here = here.map(|path| Digest::of(&fs::read(path).unwrap()));
        let found: BTreeSet<Digest> = there.chain(here).collect();
        assert!(self.written.is_subset(&found), "an answer is lost");
    }

    /// Every message stands once, and as it was answered.
    pub fn at_rest(&self, ledger: &Sqlite) {
        if !self.on {
            return;
        }
        let (mut states, waiting) = (BTreeMap::new(), ledger.rejected(u64::MAX).unwrap());
        for (control, refused) in &self.refused {
            let batch = ledger.batch_of(*control).unwrap().unwrap();
            let answers = ledger.answers(*control, *control).unwrap();
            let deliveries = ledger.deliveries(batch.number).unwrap();
            let wanted = match (refused, self.closed.contains(control)) {
                (false, _) => QueueState::Processed,
                (true, false) => QueueState::Error,
                (true, true) => QueueState::Deleted,
            };
            assert_eq!(message_state(&deliveries, &answers), wanted, "message {control}");
            *states.entry(wanted).or_insert(0) += 1;
        }
        let refused = states.get(&QueueState::Error).copied().unwrap_or(0);
        assert_eq!(waiting.len() as u64, refused, "refused, and not waiting once each");
        let mut counted = ledger.totals().unwrap().states;
        // Rows that became no message wait there too.
        let faults = ledger.faults(u64::MAX).unwrap().len() as u64;
        *counted.entry(QueueState::Error).or_default() -= faults;
        counted.retain(|_, count| *count > 0);
        assert_eq!(counted, states, "an answer counts twice, or not at all");
    }
}
