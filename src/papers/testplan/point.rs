//! Points: a place in a message and what must stand there.
//!
//! This reads messages by itself, in a few lines, and shares nothing with the converter: a
//! mistake there must not be made here again.

/// A place: `PID-5.1`, `PID-13[2].1` of the second repetition, `PID-3[*].1` of any, `PID-10`
/// the whole field as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    segment: String,
    field: usize,
    repetition: Repetition,
    component: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repetition {
    First,
    Number(usize),
    Any,
}

impl Place {
    /// Reads one; none where the text is no place.
    pub fn read(text: &str) -> Option<Place> {
        let (segment, rest) = text.split_once('-')?;
        let (rest, component) = match rest.split_once('.') {
            Some((rest, component)) => (rest, Some(component.parse().ok().filter(|at| *at > 0)?)),
            None => (rest, None),
        };
        let (field, repetition) = match rest.strip_suffix(']').and_then(|rest| rest.split_once('['))
        {
            Some((field, "*")) => (field, Repetition::Any),
            Some((field, at)) => (field, Repetition::Number(at.parse().ok().filter(|at| *at > 0)?)),
            None => (rest, Repetition::First),
        };
        let field = field.parse().ok().filter(|at| *at > 0)?;
        let good = segment.len() == 3 && segment.bytes().all(|byte| byte.is_ascii_alphanumeric());
        good.then(|| Place { segment: segment.to_string(), field, repetition, component })
    }

    /// Returns all that stands there, in a message whose segments are lines.
    fn values<'a>(&self, message: &'a str) -> Vec<&'a str> {
        let segment = message.lines().find(|line| line.get(..3) == Some(self.segment.as_str()));
        let Some(segment) = segment else { return Vec::new() };
        // The separator itself is the first field of MSH.
        let at = if self.segment == "MSH" { self.field.saturating_sub(1) } else { self.field };
        let field = segment.split('|').nth(at).unwrap_or_default();
        let Some(component) = self.component else { return vec![field] };
        let of = |part: &'a str| part.split('^').nth(component - 1).unwrap_or_default();
        let parts = field.split('~').map(of);
        match self.repetition {
            Repetition::First => parts.take(1).collect(),
            Repetition::Number(at) => parts.skip(at - 1).take(1).collect(),
            Repetition::Any => parts.collect(),
        }
    }

    /// True where the value stands there; of an empty one, where nothing else does.
    pub fn holds(&self, message: &str, value: &str) -> bool {
        let values = self.values(message);
        if value.is_empty() {
            return values.iter().all(|one| one.is_empty());
        }
        values.contains(&value)
    }

    /// Returns what stands there, for people.
    pub fn shown(&self, message: &str) -> String {
        let values = self.values(message);
        if values.iter().all(|one| one.is_empty()) {
            return "nothing".to_string();
        }
        format!("`{}`", values.join("`, `"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "MSH|^~\\&|A|B|C|D|20260520||ADT^A28|7\n\
        PID|1||17^^^ATHENA^PI~004^^^RIDGE^MR||DOE^ANN\nPV1|1|O";

    #[test]
    fn a_value_is_found_at_its_place_and_nowhere_else() {
        for (place, value) in [
            ("MSH-2", "^~\\&"),
            ("MSH-9.2", "A28"),
            ("PID-3.1", "17"),
            ("PID-3[2].1", "004"),
            ("PID-3[*].1", "004"),
            ("PID-3[*].4", "RIDGE"),
            ("PID-5", "DOE^ANN"),
            ("PID-5.2", "ANN"),
            ("PID-9", ""),
            ("GT1-3.1", ""),
        ] {
            assert!(Place::read(place).unwrap().holds(MESSAGE, value), "{place}");
        }
        for (place, value) in
            [("PID-3.1", "004"), ("PID-3[*].1", "4"), ("PID-5.1", "ANN"), ("PID-5", "DOE")]
        {
            let place = Place::read(place).unwrap();
            assert!(!place.holds(MESSAGE, value), "{place:?}");
        }
        assert!(!Place::read("PID-5.1").unwrap().holds(MESSAGE, ""));
        assert_eq!(Place::read("PID-3[*].1").unwrap().shown(MESSAGE), "`17`, `004`");
        assert_eq!(Place::read("PID-8").unwrap().shown(MESSAGE), "nothing");
    }

    #[test]
    fn what_is_no_place_is_none() {
        for bad in
            ["", "PID", "PID-", "PID-0", "PID-x", "PID-3.0", "PID-3[0].1", "PI-3", "PID-3[.1"]
        {
            assert_eq!(Place::read(bad), None, "{bad}");
        }
    }
}
