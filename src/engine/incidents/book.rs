//! The book of incidents: what is open, who was told of it, and what is due. Pure: the
//! time is given, nothing is read, written or sent.
//!
//! One incident, one alert, one recovery. What comes back before all was well for `calm_s`
//! is the same incident; what comes back within a day of its recovery has to be well for
//! twice as long each time, so that flapping is told less and less.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Alerts, Cause, Contact, Trouble};
use crate::tell::Occasion;

/// A closed incident is remembered so long: one that returns is known again.
const KEPT_S: i64 = 24 * 3600;
/// What returns again and again must be well for so long at most.
const CALM_LONGEST_S: i64 = 4 * 3600;
/// What returns must be well for so long at least, even with `calm_minutes = 0`.
const CALM_RETURN_S: i64 = 5 * 60;
/// More of the same is told so often at most.
const GROWN_S: i64 = 3600;
/// After the first failure to tell; each further one doubles it.
const AGAIN_FIRST_S: i64 = 60;
const AGAIN_LONGEST_S: i64 = 30 * 60;
/// As long as nobody may hear of it in two ways at once: longer than any try takes.
const CLAIM_S: i64 = 10 * 60;

/// Every incident that is open, or was not long ago.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// The number of the next incident.
    next: u64,
    /// In the order in which they began.
    pub incidents: Vec<Incident>,
    /// Troubles that are not told before they last, by what they are about.
    #[serde(default)]
    pub since: BTreeMap<String, i64>,
}

/// Something a person has to know about, from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number in this book.
    pub number: u64,
    /// What is wrong, as it was seen last.
    #[serde(flatten)]
    pub trouble: Trouble,
    /// When it began, unix seconds.
    pub opened_at: i64,
    /// When it was seen last.
    pub seen_at: i64,
    /// Since when nothing is seen of it any more.
    pub calm_since: Option<i64>,
    /// When it was over.
    pub closed_at: Option<i64>,
    /// How often it came back within a day.
    #[serde(default)]
    pub returns: u32,
    /// Who was told, by contact.
    pub told: BTreeMap<String, Told>,
}

/// What a contact knows of an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When it was told last, unix seconds; none: never.
    pub at: Option<i64>,
    /// How many there were then.
    pub count: u64,
    /// Tries that failed, one after the other.
    pub failures: u32,
    /// Not tried before this.
    pub again_at: i64,
    /// Why the last try failed.
    pub failure: Option<String>,
}

/// Something to be told now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// The incident.
    pub number: u64,
    /// The contact, by the key of [`Book::due`].
    pub contact: String,
    /// Why now.
    pub occasion: Occasion,
}

impl Incident {
    /// True until it is over.
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    fn is(&self, trouble: &Trouble) -> bool {
        self.trouble.cause == trouble.cause && self.trouble.about == trouble.about
    }

    fn calm_s(&self, rules: &Alerts) -> i64 {
        if self.returns == 0 {
            return rules.calm_s;
        }
        let base = rules.calm_s.max(CALM_RETURN_S);
        base.saturating_mul(1 << self.returns.min(8)).min(CALM_LONGEST_S.max(rules.calm_s))
    }

    /// Returns why a contact is to be told now, if it is.
    fn occasion(
        &self,
        contact: &Contact,
        told: Option<&Told>,
        rules: &Alerts,
        now: i64,
    ) -> Option<Occasion> {
        let at = told.and_then(|told| told.at);
        match (self.closed_at, at) {
            (Some(_), None) => None,
            (Some(_), Some(_)) => Some(Occasion::Recovered),
            (None, None) if self.calm_since.is_some() => None,
            (None, None) => (now - self.opened_at >= contact.after_s).then_some(Occasion::New),
            (None, Some(at)) => {
                let more = told.is_some_and(|told| self.trouble.count > told.count);
                // A clock that was set back tells once more, rather than never again.
                let age = (now - at).max(if now < at { GROWN_S } else { 0 });
                if self.calm_since.is_some() {
                    None
                } else if more && age >= GROWN_S {
                    Some(Occasion::Grown)
                } else {
                    (rules.repeat_s > 0 && age >= rules.repeat_s).then_some(Occasion::Still)
                }
            }
        }
    }
}

impl Book {
    /// Takes in what was seen: `troubles` are all that there are of what was `looked` at.
    pub fn note(
        &mut self,
        looked: &dyn Fn(&Trouble) -> bool,
        troubles: Vec<Trouble>,
        rules: &Alerts,
        now: i64,
    ) {
        let mut seen = Vec::new();
        for trouble in troubles {
            let known = self.incidents.iter_mut().rev().find(|one| one.is(&trouble));
            match known {
                Some(known) => {
                    seen.push(known.number);
                    known.seen(trouble, now);
                }
                None => {
                    self.begin(trouble, now);
                    seen.push(self.next);
                }
            }
        }
        for one in &mut self.incidents {
            if seen.contains(&one.number) || !one.is_open() || !looked(&one.trouble) {
                continue;
            }
            let since = *one.calm_since.get_or_insert(now);
            // Set back, the clock would have it wait for long.
            if now - since >= one.calm_s(rules) || now < since {
                one.closed_at = Some(now);
            }
        }
        self.incidents
            .retain(|one| one.closed_at.is_none_or(|at| (at - KEPT_S..at + KEPT_S).contains(&now)));
    }

    fn begin(&mut self, trouble: Trouble, now: i64) {
        self.next += 1;
        self.incidents.push(Incident {
            number: self.next,
            trouble,
            opened_at: now,
            seen_at: now,
            calm_since: None,
            closed_at: None,
            returns: 0,
            told: BTreeMap::new(),
        });
    }

    /// Returns what is to be told now, and claims it: nobody else tells it meanwhile. A
    /// process that dies over it leaves the claim, which ends by itself; then it is told
    /// once more. `quiet` says whether a message waits for the end of the quiet hours.
    pub fn due(
        &mut self,
        contacts: &[(String, Contact)],
        rules: &Alerts,
        now: i64,
        quiet: &dyn Fn(&Contact, Cause) -> bool,
    ) -> Vec<Errand> {
        let mut errands = Vec::new();
        for one in &mut self.incidents {
            for (key, contact) in contacts {
                let cause = one.trouble.cause;
                let told = one.told.get(key);
                let wanted = contact.wants(cause) || told.is_some_and(|told| told.at.is_some());
                let again_at = told.map_or(0, |told| told.again_at);
                // Set back, the clock would have it wait for long.
                let waits = now < again_at && again_at - now <= AGAIN_LONGEST_S.max(CLAIM_S);
                if !wanted || waits || quiet(contact, cause) {
                    continue;
                }
                let Some(occasion) = one.occasion(contact, told, rules, now) else { continue };
                one.told.entry(key.clone()).or_default().again_at = now + CLAIM_S;
                errands.push(Errand { number: one.number, contact: key.clone(), occasion });
            }
        }
        errands
    }

    /// Notes how an errand ended.
    pub fn done(&mut self, errand: &Errand, count: u64, ended: Result<(), String>, now: i64) {
        let Some(one) = self.incidents.iter_mut().find(|one| one.number == errand.number) else {
            return;
        };
        let told = one.told.entry(errand.contact.clone()).or_default();
        match ended {
            Ok(()) => {
                let at = (errand.occasion != Occasion::Recovered).then_some(now);
                *told = Told { at, count, ..Told::default() };
            }
            Err(failure) => {
                let wait = AGAIN_FIRST_S << told.failures.min(10);
                told.again_at = now + wait.min(AGAIN_LONGEST_S);
                told.failures += 1;
                told.failure = Some(failure);
            }
        }
    }

    /// True while something may become due though nothing is seen any more.
    pub fn is_pending(&self) -> bool {
        let waits = |one: &Incident| one.told.values().any(|told| told.at.is_some());
        !self.since.is_empty() || self.incidents.iter().any(|one| one.is_open() || waits(one))
    }
}

impl Incident {
    fn seen(&mut self, trouble: Trouble, now: i64) {
        if self.closed_at.take().is_some() {
            self.returns += 1;
            // Who was told that it is over has to be told anew; the others know it yet.
            let knows = self.told.values().any(|told| told.at.is_some());
            if !knows {
                self.opened_at = now;
            }
        }
        self.trouble = trouble;
        self.seen_at = now;
        self.calm_since = None;
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::*;
    use crate::domain::{Quiet, Severity, Way};

    const RULES: Alerts = Alerts {
        rows_waiting_percent: 10,
        silent_hours: 0,
        volume_percent: 0,
        calm_s: 300,
        repeat_s: 86_400,
        expects: Vec::new(),
    };

    fn contact(name: &str) -> (String, Contact) {
        let contact = Contact {
            name: name.into(),
            way: Way::Command(vec!["/bin/true".into()]),
            from: Severity::Warning,
            causes: Vec::new(),
            quiet: None,
            after_s: 0,
            timeout_s: 1,
        };
        (name.to_string(), contact)
    }

    fn trouble(cause: Cause, count: u64) -> Trouble {
        let (about, what) = ("test".into(), "lost".into());
        Trouble { cause, about, what, next: Vec::new(), count }
    }

    /// Goes on to `now`: notes, and tells whoever is to be told; returns who was told what.
    struct Day {
        book: Book,
        contacts: Vec<(String, Contact)>,
    }

    impl Day {
        fn new(contacts: Vec<(String, Contact)>) -> Day {
            Day { book: Book::default(), contacts }
        }

        fn at(&mut self, now: i64, troubles: Vec<Trouble>) -> Vec<(String, Occasion)> {
            self.book.note(&|_| true, troubles, &RULES, now);
            let hour = i8::try_from(now / 3600 % 24).unwrap();
            let quiet = |who: &Contact, cause| who.is_quiet(cause, time(hour, 0, 0, 0));
            let errands = self.book.due(&self.contacts, &RULES, now, &quiet);
            for errand in &errands {
                let one = self.book.incidents.iter().find(|one| one.number == errand.number);
                let count = one.unwrap().trouble.count;
                self.book.done(errand, count, Ok(()), now);
            }
            // What stands on the disk is all that is known.
            let text = serde_json::to_string(&self.book).unwrap();
            self.book = serde_json::from_str(&text).unwrap();
            errands.into_iter().map(|one| (one.contact, one.occasion)).collect()
        }
    }

    fn one(who: &str, occasion: Occasion) -> Vec<(String, Occasion)> {
        vec![(who.to_string(), occasion)]
    }

    #[test]
    fn one_incident_is_one_alert_and_one_recovery() {
        let mut day = Day::new(vec![contact("a")]);
        let failing = || vec![trouble(Cause::DeliveryFailing, 1)];
        assert_eq!(day.at(0, failing()), one("a", Occasion::New));
        for now in 1..100 {
            assert_eq!(day.at(now * 30, failing()), []);
        }
        assert_eq!(day.at(3000, vec![]), [], "not before all was well for a while");
        assert_eq!(day.at(3299, vec![]), []);
        assert_eq!(day.at(3300, vec![]), one("a", Occasion::Recovered));
        for now in 3301..3400 {
            assert_eq!(day.at(now, vec![]), []);
        }
        assert!(!day.book.is_pending());
        assert_eq!(day.at(3300 + KEPT_S, vec![]), []);
        assert!(day.book.incidents.is_empty(), "and it is forgotten after a day");
    }

    #[test]
    fn flapping_is_no_flood() {
        let mut day = Day::new(vec![contact("a")]);
        let mut told = 0;
        // A day, wrong for a minute and well for ten.
        for minute in 0..24 * 60 {
            let wrong = minute % 11 == 0;
            let troubles = if wrong { vec![trouble(Cause::DeliveryFailing, 1)] } else { vec![] };
            told += day.at(minute * 60, troubles).len();
        }
        assert!((2..=8).contains(&told), "{told}");
    }

    #[test]
    fn more_of_it_is_told_hourly_at_most_and_what_stays_daily() {
        let mut day = Day::new(vec![contact("a")]);
        let files = |count| vec![trouble(Cause::FilesRefused, count)];
        assert_eq!(day.at(0, files(1)).len(), 1);
        let mut told = Vec::new();
        for minute in 1..=180 {
            told.extend(day.at(minute * 60, files(u64::try_from(minute).unwrap())));
        }
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.iter().all(|(_, occasion)| *occasion == Occasion::Grown));
        assert_eq!(day.at(180 * 60 + 86_400, files(180)), one("a", Occasion::Still));
        assert_eq!(day.at(180 * 60 + 86_401, files(179)), []);
    }

    #[test]
    fn what_cannot_be_told_is_tried_again_and_waits_longer_each_time() {
        let mut book = Book::default();
        let contacts = [contact("a")];
        book.note(&|_| true, vec![trouble(Cause::Disk, 1)], &RULES, 0);
        let (mut now, mut waits) = (0, Vec::new());
        for _ in 0..8 {
            let errands = book.due(&contacts, &RULES, now, &|_, _| false);
            assert_eq!(errands.len(), 1);
            assert_eq!(book.due(&contacts, &RULES, now, &|_, _| false), [], "claimed");
            book.done(&errands[0], 1, Err("refused".into()), now);
            let again = book.incidents[0].told["a"].again_at;
            assert_eq!(book.due(&contacts, &RULES, again - 1, &|_, _| false), []);
            waits.push(again - now);
            now = again;
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 1800, 1800, 1800]);
        // One who died over it is waited for, and no longer.
        assert_eq!(book.due(&contacts, &RULES, now, &|_, _| false).len(), 1);
        assert_eq!(book.due(&contacts, &RULES, now + CLAIM_S - 1, &|_, _| false), []);
        let again = book.due(&contacts, &RULES, now + CLAIM_S, &|_, _| false);
        assert_eq!(again[0].occasion, Occasion::New);
    }

    #[test]
    fn quiet_hours_hold_back_what_is_not_grave() {
        let mut night = contact("a");
        night.1.quiet = Some(Quiet { from: time(22, 0, 0, 0), to: time(6, 0, 0, 0) });
        let mut day = Day::new(vec![night]);
        let both = || vec![trouble(Cause::Late, 1), trouble(Cause::DeliveryStopped, 1)];
        let told = day.at(23 * 3600, both());
        assert_eq!(told, one("a", Occasion::New));
        assert_eq!(day.book.incidents[1].told.len(), 1, "the grave one");
        assert_eq!(day.at(29 * 3600, both()), []);
        assert_eq!(day.at(30 * 3600, both()), one("a", Occasion::New));
        // What is over before the morning is never told.
        let mut quiet = contact("b");
        quiet.1.quiet = Some(Quiet { from: time(22, 0, 0, 0), to: time(6, 0, 0, 0) });
        let mut day = Day::new(vec![quiet]);
        assert_eq!(day.at(23 * 3600, vec![trouble(Cause::Late, 1)]), []);
        for hour in 24..40 {
            assert_eq!(day.at(hour * 3600, vec![]), []);
        }
    }

    #[test]
    fn a_second_contact_is_told_of_what_is_still_open() {
        let mut second = contact("b");
        second.1.after_s = 1800;
        let mut day = Day::new(vec![contact("a"), second]);
        let stopped = || vec![trouble(Cause::DeliveryStopped, 1)];
        assert_eq!(day.at(0, stopped()), one("a", Occasion::New));
        assert_eq!(day.at(1799, stopped()), []);
        assert_eq!(day.at(1800, stopped()), one("b", Occasion::New));
        day.at(2000, vec![]);
        let mut who = day.at(2300, vec![]);
        who.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(who.len(), 2, "{who:?}");
        // Who was not told does not hear that it is over either.
        assert_eq!(day.at(90_000, stopped()), one("a", Occasion::New));
        day.at(90_100, vec![]);
        assert_eq!(day.at(110_000, vec![]), one("a", Occasion::Recovered));
    }

    #[test]
    fn a_contact_hears_of_what_it_asked_for() {
        let mut grave = contact("grave");
        grave.1.from = Severity::Grave;
        let mut late = contact("late");
        late.1.causes = vec![Cause::Late];
        let mut day = Day::new(vec![grave, late]);
        assert_eq!(day.at(0, vec![trouble(Cause::Volume, 1)]), []);
        assert_eq!(day.at(1, vec![trouble(Cause::Late, 1)]), one("late", Occasion::New));
        assert_eq!(day.at(2, vec![trouble(Cause::Disk, 1)]), one("grave", Occasion::New));
    }

    #[test]
    fn a_look_that_did_not_see_a_cause_closes_nothing_of_it() {
        let mut book = Book::default();
        book.note(&|_| true, vec![trouble(Cause::PassKilled, 1)], &RULES, 0);
        for now in [1000, 2000, 3000] {
            book.note(&|one| one.cause == Cause::Late, vec![], &RULES, now);
        }
        assert!(book.incidents[0].is_open());
        book.note(&|one| one.cause == Cause::PassKilled, vec![], &RULES, 4000);
        book.note(&|one| one.cause == Cause::PassKilled, vec![], &RULES, 4300);
        assert!(!book.incidents[0].is_open());
    }
}
