//! What was found, and where: never a value, but for the control ID that names the
//! message.

use std::fmt;

use super::rule::{Rule, Severity};

/// Findings kept until somebody takes them; more of them are counted only.
const KEPT_MAX: usize = 10_000;

/// A place in a segment; 0 where it does not go so deep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its three letters; empty for the file as such.
    pub segment: [u8; 3],
    /// Which of its kind in the message, from 1.
    pub nth: u32,
    /// The field, as HL7 counts.
    pub field: u16,
    /// Which of its repetitions, from 1.
    pub repetition: u16,
    /// The component.
    pub component: u16,
    /// The subcomponent.
    pub sub: u16,
}

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// How grave it is here; what an interface agreed on is a warning.
    pub severity: Severity,
    /// The message, counted from 1; 0 outside of one.
    pub message: u64,
    /// MSH-10 of the message, as it stands.
    pub control_id: String,
    /// The segment, counted from 1 through the file.
    pub at: u64,
    /// Where in it.
    pub place: Place,
}

/// Findings, counted by rule; some of them kept.
#[derive(Clone, Debug)]
pub struct Findings {
    /// How often each rule was broken, in the order of [`Rule::ALL`]: as an error, and
    /// as a warning.
    counts: Vec<[u64; 2]>,
    kept: Vec<Finding>,
}

impl Default for Findings {
    fn default() -> Findings {
        Findings { counts: vec![[0; 2]; Rule::ALL.len()], kept: Vec::new() }
    }
}

impl Findings {
    /// Takes one down.
    pub fn add(&mut self, finding: Finding) {
        let index = usize::from(finding.severity == Severity::Warning);
        self.counts[finding.rule as usize][index] += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(finding);
        }
    }

    /// Hands out what was kept since the last call.
    pub fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.kept)
    }

    /// Returns how many there were of a severity.
    pub fn count(&self, severity: Severity) -> u64 {
        let index = usize::from(severity == Severity::Warning);
        self.counts.iter().map(|both| both[index]).sum()
    }

    /// Counts warnings that nobody asks the places of.
    pub(super) fn count_more(&mut self, rule: Rule, times: u64) {
        self.counts[rule as usize][1] += times;
    }

    /// Returns how many there were, but of one rule.
    pub(super) fn all_but(&self, rule: Rule) -> u64 {
        let all: u64 = self.counts.iter().flatten().sum();
        all - self.counts[rule as usize].iter().sum::<u64>()
    }

    /// Returns each rule that was broken, how gravely, and how often.
    pub fn by_rule(&self) -> Vec<(Rule, Severity, u64)> {
        let both = [Severity::Error, Severity::Warning];
        let all = Rule::ALL.iter().zip(&self.counts);
        all.flat_map(|(rule, counts)| both.iter().zip(counts).map(|(one, n)| (*rule, *one, *n)))
            .filter(|(_, _, count)| *count > 0)
            .collect()
    }
}

impl Place {
    /// A whole segment, the `nth` of its kind.
    pub fn of_segment(segment: [u8; 3], nth: u32) -> Place {
        Place { segment, nth, ..Place::default() }
    }

    /// A whole field.
    pub fn of_field(segment: [u8; 3], nth: u32, field: u16) -> Place {
        Place { segment, nth, field, ..Place::default() }
    }

    /// Returns the segment's letters; what is no letter or digit is a dot.
    pub fn name(&self) -> String {
        let text = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte) } else { '.' };
        self.segment.iter().filter(|&&byte| byte != 0).map(|&byte| text(byte)).collect()
    }
}

impl fmt::Display for Place {
    /// `PID-13[2].5`, `IN1[2]-36`: a number in brackets is left out where it is 1.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name())?;
        let nth = |out: &mut fmt::Formatter<'_>, nth: u32| match nth {
            0 | 1 => Ok(()),
            _ => write!(out, "[{nth}]"),
        };
        nth(out, self.nth)?;
        if self.field > 0 {
            write!(out, "-{}", self.field)?;
            nth(out, self.repetition.into())?;
        }
        for part in [self.component, self.sub].into_iter().take_while(|part| *part > 0) {
            write!(out, ".{part}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message > 0 {
            write!(out, "message {} ({}), ", self.message, self.control_id)?;
        }
        write!(out, "segment {}", self.at)?;
        if self.place != Place::default() {
            write!(out, ", {}", self.place)?;
        }
        write!(out, ": {} {}: {}", self.rule.id(), self.severity, self.rule.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(rule: Rule, place: Place) -> Finding {
        let control_id = "7M99999".to_string();
        Finding { rule, severity: rule.severity(), message: 2, control_id, at: 12, place }
    }

    #[test]
    fn a_finding_says_where_and_what_and_no_value() {
        let place = Place {
            nth: 2,
            field: 13,
            repetition: 3,
            component: 5,
            sub: 1,
            ..Place::of_segment(*b"PID", 1)
        };
        assert_eq!(
            finding(Rule::H302, place).to_string(),
            "message 2 (7M99999), segment 12, PID[2]-13[3].5.1: H302 error: not a number (NM)"
        );
        assert_eq!(Place::of_field(*b"IN1", 1, 36).to_string(), "IN1-36");
        assert_eq!(Place::of_segment([b'\x1b', b'A', 0xff], 1).to_string(), ".A.");
        let whole = Finding { message: 0, ..finding(Rule::H005, Place::default()) };
        assert_eq!(whole.to_string(), "segment 12: H005 error: the last segment has no terminator");
    }

    #[test]
    fn all_are_counted_and_some_are_kept() {
        let mut findings = Findings::default();
        for _ in 0..KEPT_MAX + 1 {
            findings.add(finding(Rule::H203, Place::default()));
        }
        findings.add(finding(Rule::H201, Place::default()));
        assert_eq!(findings.take().len(), KEPT_MAX);
        assert_eq!(findings.count(Severity::Error), 1);
        let warned = (Rule::H203, Severity::Warning, KEPT_MAX as u64 + 1);
        assert_eq!(findings.by_rule(), [(Rule::H201, Severity::Error, 1), warned]);
    }
}
