//! Messages, segment by segment: which they are, what they must have, what they say of
//! themselves.

use std::sync::Arc;

use super::agreed::Agreed;
use super::file::Read;
use super::finding::{Finding, Findings, Place};
use super::grammar::{Grammar, Progress};
use super::quick::{Header, Known, Quick};
use super::rule::{Rule, Severity};
use super::scan::Scan;
use super::separators::Separators;
use super::standard::Version;
use crate::domain::LineEnding;

/// Segments whose first field is a set ID.
pub(super) const COUNTED: &[&[u8; 3]] = &[
    b"PID", b"NK1", b"PV1", b"GT1", b"IN1", b"NTE", b"RGS", b"AIS", b"AIG", b"AIL", b"AIP", b"DG1",
];

/// How the characters of a message are written, by MSH-18.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Ascii,
    Utf8,
    /// One byte a character: nothing can be wrong with it.
    OneByte,
    /// Not looked into.
    Other,
}

/// Checks messages; what it finds it takes down.
#[derive(Clone, Debug)]
pub struct MessageCheck {
    agreed: Option<Arc<Agreed>>,
    /// MSH-10 is still to be filled in.
    open: bool,
    separators: Separators,
    version: Option<&'static Version>,
    /// Of the message at hand.
    grammar: Option<&'static Grammar>,
    /// Of the last message.
    spoken: Option<&'static Grammar>,
    progress: Progress,
    charset: Charset,
    trigger: Vec<u8>,
    control_id: Vec<u8>,
    /// The message at hand, counted from 1; 0: none.
    message: u64,
    messages: u64,
    /// The segments so far.
    segments: u64,
    /// Of each kind of segment in the message: how many, and the last set ID.
    kinds: Vec<([u8; 3], u32, u32)>,
    /// For messages of our own: what good ones look like.
    quick: Quick,
    /// What was found.
    pub findings: Findings,
}

impl MessageCheck {
    /// For whole messages, which are held to an agreement too if there is one.
    pub fn new(agreed: Option<Arc<Agreed>>) -> MessageCheck {
        let version = agreed.as_ref().and_then(|agreed| Version::of(agreed.version.as_bytes()));
        MessageCheck {
            agreed,
            open: false,
            separators: Separators::default(),
            version,
            grammar: None,
            spoken: None,
            progress: Progress::default(),
            charset: Charset::Ascii,
            trigger: Vec::new(),
            control_id: Vec::new(),
            message: 0,
            messages: 0,
            segments: 0,
            kinds: Vec::with_capacity(16),
            quick: Quick::default(),
            findings: Findings::default(),
        }
    }

    /// For messages of our own, whose control IDs are filled in later.
    pub fn before_numbers(agreed: Arc<Agreed>) -> MessageCheck {
        MessageCheck { open: true, ..MessageCheck::new(Some(agreed)) }
    }

    /// Checks whole messages, one after the other, of one record.
    pub fn messages(&mut self, bytes: &[u8]) {
        match self.agreed.as_ref().map_or(LineEnding::Cr, |agreed| agreed.line_ending) {
            LineEnding::Cr => self.with_cr(bytes),
            // No value holds a line feed, so what is checked is what HL7 would have.
            LineEnding::Lf => {
                let cr = |&byte: &u8| if byte == b'\n' { b'\r' } else { byte };
                self.with_cr(&bytes.iter().map(cr).collect::<Vec<u8>>());
            }
            LineEnding::CrLf => {
                let some = bytes.iter().copied().filter(|byte| *byte != b'\n');
                self.with_cr(&some.collect::<Vec<u8>>());
            }
        }
    }

    fn with_cr(&mut self, bytes: &[u8]) {
        match self.quick.knows(bytes) {
            Some(Known { segments, long }) => {
                self.segments += segments;
                self.findings.count_more(Rule::H203, long);
            }
            None => self.in_full(bytes),
        }
    }

    /// Checks messages by every rule; what is good is learned from.
    fn in_full(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let next = memchr::memmem::find(&rest[1..], b"\rMSH").map_or(rest.len(), |at| at + 2);
            let (message, after) = rest.split_at(next);
            rest = after;
            let before = self.findings.all_but(Rule::H203);
            self.one(message);
            let good = self.findings.all_but(Rule::H203) == before;
            if let (true, Some(version), Some(grammar)) = (good, self.version, self.spoken) {
                let end = memchr::memchr(b'\r', message).map_or(message.len(), |at| at + 1);
                let msh = &message[..end];
                let (charset, trigger) = (self.charset, self.trigger.as_slice().into());
                self.quick.learn(Header { bytes: msh.into(), version, grammar, charset, trigger });
            }
        }
    }

    fn one(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr2(b'\r', b'\n', bytes) {
            self.segment(&bytes[..end]);
            bytes = &bytes[end + 1..];
        }
        self.end();
    }

    /// True if segments end otherwise than HL7 says, by agreement.
    pub fn ends_otherwise(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.line_ending != LineEnding::Cr)
    }

    /// Checks the next segment of the message at hand, or the first of the next one.
    pub fn segment(&mut self, segment: &[u8]) {
        self.segments += 1;
        let Some(name) = name_of(segment, self.separators.field()) else {
            // Its first letters may be a value: a line break that was not escaped.
            return self.tell(Rule::H014, Place::default());
        };
        if name == *b"MSH" {
            self.end();
            self.begin(segment);
        }
        let nth = self.count(name);
        self.step(name, nth);
        self.fields(segment, name, nth);
    }

    /// Checks FHS, BHS, BTS or FTS, which belong to no message.
    pub fn envelope(&mut self, segment: &[u8], name: [u8; 3]) {
        self.segments += 1;
        self.message = 0;
        if matches!(&name, b"FHS" | b"BHS") {
            self.separators_of(segment, name);
        }
        // Before the first message nothing says which version it is.
        self.version = self.version.or_else(Version::newest);
        self.fields(segment, name, 1);
    }

    /// Ends the message at hand.
    pub fn end(&mut self) {
        if self.message == 0 {
            return;
        }
        if let Some(grammar) = self.grammar.take() {
            let (mut progress, mut missing) = (self.progress, Vec::new());
            grammar.end(&mut progress, &mut |name| missing.push(name));
            for name in missing {
                self.tell(Rule::H105, Place::of_segment(name, 1));
            }
        }
        self.message = 0;
    }

    /// True while a message has begun and not ended.
    pub fn is_open(&self) -> bool {
        self.message != 0
    }

    /// Takes down something about the file, at the segment that was read last.
    pub(super) fn tell(&mut self, rule: Rule, place: Place) {
        let mapped =
            self.agreed.as_ref().is_some_and(|one| one.is_mapped(place.segment, place.field));
        self.findings.add(Finding {
            rule,
            severity: if mapped { Severity::Warning } else { rule.severity() },
            message: self.message,
            control_id: String::from_utf8_lossy(&self.control_id).escape_debug().take(40).collect(),
            at: self.segments,
            place,
        });
    }

    /// Counts a segment that is not looked into.
    pub(super) fn skip(&mut self) {
        self.segments += 1;
    }

    /// Counts a message that is not looked into, but for its control ID.
    pub(super) fn number(&mut self, control_id: &[u8]) {
        self.segments += 1;
        self.messages += 1;
        self.message = self.messages;
        self.control_id.clear();
        self.control_id.extend_from_slice(control_id);
    }

    /// Returns how much was read.
    pub(super) fn read(&self) -> Read {
        Read { messages: self.messages, segments: self.segments }
    }

    pub(super) fn separators(&self) -> &Separators {
        &self.separators
    }

    fn separators_of(&mut self, segment: &[u8], name: [u8; 3]) {
        match Separators::read(segment) {
            Some(separators) => self.separators = separators,
            None => {
                self.separators = Separators::default();
                self.tell(Rule::H101, Place::of_field(name, 1, 2));
            }
        }
        if !self.separators.are_custom() {
            self.tell(Rule::H102, Place::of_field(name, 1, 2));
        }
    }

    /// Reads off MSH what the message is.
    fn begin(&mut self, msh: &[u8]) {
        self.messages += 1;
        self.message = self.messages;
        self.kinds.clear();
        self.progress = Progress::default();
        self.control_id.clear();
        self.separators_of(msh, *b"MSH");
        let separators = self.separators.clone();
        let part =
            |field, component| separators.component_of(separators.nth(msh, field), component);
        self.control_id.extend_from_slice(part(10, 1));
        self.version = Version::of(part(12, 1));
        if self.version.is_none() {
            self.tell(Rule::H103, Place::of_field(*b"MSH", 1, 12));
        }
        let (message, trigger) = (part(9, 1), part(9, 2));
        self.trigger = trigger.to_vec();
        self.grammar = self.version.and_then(|version| version.grammar(message, trigger));
        self.spoken = self.grammar;
        match self.grammar {
            None => self.tell(Rule::H104, Place::of_field(*b"MSH", 1, 9)),
            Some(grammar) if !matches!(part(9, 3), given if given.is_empty() || given == grammar.structure.as_bytes()) =>
            {
                self.tell(Rule::H108, Place { component: 3, ..Place::of_field(*b"MSH", 1, 9) });
            }
            Some(_) => {}
        }
        self.charset = match part(18, 1) {
            b"" | b"ASCII" => Charset::Ascii,
            b"UNICODE UTF-8" => Charset::Utf8,
            b"UNICODE" => {
                self.tell(Rule::H505, Place::of_field(*b"MSH", 1, 18));
                Charset::Other
            }
            set if set.starts_with(b"8859/") => Charset::OneByte,
            _ => Charset::Other,
        };
    }

    /// Returns which of its kind in the message a segment is.
    fn count(&mut self, name: [u8; 3]) -> u32 {
        match self.kinds.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, count, _)) => {
                *count += 1;
                *count
            }
            None => {
                self.kinds.push((name, 1, 0));
                1
            }
        }
    }

    /// Goes on in the grammar of the message.
    fn step(&mut self, name: [u8; 3], nth: u32) {
        let known = self.version.is_some_and(|version| version.segment(name).is_some());
        let Some(grammar) = self.grammar else {
            if !known && self.version.is_some() && name[0] == b'Z' {
                self.tell(Rule::H107, Place::of_segment(name, nth));
            }
            return;
        };
        if !known && !grammar.knows(name) {
            return self.tell(Rule::H107, Place::of_segment(name, nth));
        }
        let (mut progress, mut missing) = (self.progress, Vec::new());
        let good = grammar.step(&mut progress, name, &mut |missed| missing.push(missed));
        self.progress = progress;
        for missed in missing {
            self.tell(Rule::H105, Place::of_segment(missed, 1));
        }
        if !good {
            self.tell(Rule::H106, Place::of_segment(name, nth));
        }
    }

    fn fields(&mut self, segment: &[u8], name: [u8; 3], nth: u32) {
        let spec = self.version.and_then(|version| Some((version, version.segment(name)?)));
        let open = self.open && name == *b"MSH";
        let excused = if open { 1 << 9 } else { 0 };
        let mut told = Vec::new();
        let scan = Scan { separators: &self.separators, spec, segment, excused };
        let seen = scan.run(nth, &mut |rule, place| told.push((rule, place)));
        for (rule, place) in told {
            self.tell(rule, place);
        }
        if seen.high {
            self.characters(segment, name, nth);
        }
        match &name {
            b"MSH" | b"FHS" | b"BHS" => self.agreement(segment, name),
            b"EVN" => {
                let event = self.separators.nth(segment, 1);
                if !event.is_empty() && event != self.trigger {
                    self.tell(Rule::H109, Place::of_field(name, nth, 1));
                }
            }
            _ if spec.is_some() => self.set_id(segment, name, nth),
            _ => {}
        }
    }

    /// Bytes that are not ASCII, against MSH-18.
    fn characters(&mut self, segment: &[u8], name: [u8; 3], nth: u32) {
        let rule = match (self.message, self.charset) {
            (0, _) => Rule::H507,
            (_, Charset::Ascii) => Rule::H503,
            (_, Charset::Utf8) if std::str::from_utf8(segment).is_err() => Rule::H504,
            _ => return,
        };
        self.tell(rule, Place::of_segment(name, nth));
    }

    fn agreement(&mut self, segment: &[u8], name: [u8; 3]) {
        let Some(agreed) = self.agreed.clone() else { return };
        for (field, component, text) in agreed.texts(name) {
            let given = self.separators.nth(segment, field.into());
            let given = self.separators.component_of(given, component.into());
            if given != text.as_bytes() && crate::hl7::unescape(given) != text.as_bytes() {
                self.tell(Rule::H110, Place::of_field(name, 1, field));
            }
        }
    }

    /// Set IDs count each kind of segment from 1; below another segment they may begin
    /// again.
    fn set_id(&mut self, segment: &[u8], name: [u8; 3], nth: u32) {
        if !COUNTED.contains(&&name) {
            return;
        }
        let field = self.separators.nth(segment, 1);
        let number = std::str::from_utf8(field).ok().and_then(|text| text.parse::<u32>().ok());
        let Some(number) = number else { return };
        let Some((.., last)) = self.kinds.iter_mut().find(|(known, ..)| *known == name) else {
            return;
        };
        let good = number == 1 || number == *last + 1;
        *last = number;
        if !good {
            self.tell(Rule::H307, Place::of_field(name, nth, 1));
        }
    }
}

/// Returns the name of a segment, if it is one.
pub(super) fn name_of(segment: &[u8], field: u8) -> Option<[u8; 3]> {
    let name: [u8; 3] = segment.get(..3)?.try_into().ok()?;
    let good = name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && name[0].is_ascii_uppercase();
    let ended = matches!(&name, b"MSH" | b"FHS" | b"BHS")
        || segment.get(3).is_none_or(|byte| *byte == field);
    (good && ended).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two messages as the workers make them: MSH-10 is still open.
    const OURS: [&str; 2] = [
        "MSH|^~\\&|ATHENANET|99999|CARESYNC|MERCY|20260520110000||ADT^A28||T|2.3.1|||NE|NE||UNICODE UTF-8\r\
         EVN|A28|20260520091512|||jsmith\r\
         PID|1|7|7^^^ATHENA^PI~004^^^MERCY^MR|7|D\\T\\OE^ANN||19870214|F||2106-3^White^CDCREC|||\
         (617)555-0101^PRN^PH^^1^617^5550101~^NET^Internet^a@example.org|(617)555-0101|eng\r\
         PD1||||1000000012^HALE^MORGAN^^^^^^NPI^^^^NPI\r\
         NK1|1|DOE^PAT|SPO^Spouse^HL70063||(617)555-0110\rNK1|2|ROE\r\
         PV1|1|O|12^MAIN^^MAIN\r\
         IN1|1|982^PLAN|123|Plan||||||||20260101||||DOE^ANN|SEL^Self^HL70063|19870214||||1\r",
        "MSH|^~\\&|ATHENANET|99999|CARESYNC|MERCY|20260520110000||SIU^S12||T|2.3.1|||NE|NE\r\
         SCH|33910|33910^ATHENANET||||SCHEDULE^x|P|PE20^Ph|15|minutes|^^^202605201000^202605201015|\
         ||||jsmith||||jsmith|||||BOOKED\r\
         NTE|1||Bring \\T\\ forms\\.br\\soon\rPID|1|7|7^^^ATHENA^PI|7|DOE^ANN\rPV1|1|O\r\
         RGS|1|A\rAIG|1|A|12^DOE|PROVIDER^Provider||||202605201000|||15|minutes\r",
    ];

    fn agreed(version: &str) -> Arc<Agreed> {
        let text = "[project]\ninterface = 'x'\ncontext_id = '99999'\npractice = 'P'\n\
                    environment = 'test'\n[wire]\nreceiving_application = 'CARESYNC'\n\
                    receiving_facility = 'MERCY'\n\
                    hl7_version = 'VERSION'\n\
                    [connectivity.test]\nmethod = 'folder'\nfolder = 'x'\n";
        let text = text.replace("VERSION", version);
        let scope = crate::config::interface::read(&text, std::path::Path::new("/")).unwrap();
        Arc::new(Agreed::of(&scope))
    }

    /// What is found in a record, as often as each; first learned from good messages.
    fn both_ways(record: &[u8]) -> [Vec<(Rule, Severity, u64)>; 2] {
        let agreed = agreed("2.3.1");
        [true, false].map(|quick| {
            let mut check = MessageCheck::before_numbers(agreed.clone());
            for good in OURS {
                check.messages(good.as_bytes());
            }
            assert_eq!(check.findings.by_rule(), []);
            if quick {
                check.messages(record)
            } else {
                check.in_full(record)
            }
            check.findings.by_rule()
        })
    }

    #[test]
    fn good_messages_go_the_quick_way() {
        let mut check = MessageCheck::before_numbers(agreed("2.3.1"));
        for good in OURS {
            assert_eq!(check.quick.knows(good.as_bytes()), None);
            check.messages(good.as_bytes());
            let segments = good.matches('\r').count() as u64;
            assert_eq!(check.quick.knows(good.as_bytes()), Some(Known { segments, long: 0 }));
        }
        let both = OURS.concat().replace("D\\T\\OE", &"D\u{d6}\u{c9}".repeat(10));
        assert_eq!(check.quick.knows(both.as_bytes()).map(|known| known.long), Some(0));
        let long = both.replace("^ANN", &format!("^{}", "A".repeat(80)));
        assert_eq!(check.quick.knows(long.as_bytes()).map(|known| known.long), Some(3));
    }

    #[test]
    fn the_end_of_one_segment_says_nothing_of_another_segment() {
        // PID-17 is a code, PD1-17 a date.
        let ours = OURS[0].replace("|2.3.1|", "|2.5.1|").replace("ADT^A28|", "ADT^A28^ADT_A05|");
        let good = ours.replace("|eng\r", "|||BAP^Baptist\r");
        let mut check = MessageCheck::before_numbers(agreed("2.5.1"));
        check.messages(good.as_bytes());
        check.messages(good.as_bytes());
        assert_eq!(check.findings.by_rule(), []);
        let pd1 = "PD1||||1000000012^HALE^MORGAN^^^^^^NPI^^^^NPI\r";
        let bad = good.replace(pd1, &format!("PD1{}BAP^Baptist\r", "|".repeat(17)));
        assert_ne!(bad, good);
        assert_eq!(check.quick.knows(bad.as_bytes()), None);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]
        #[test]
        fn the_quick_way_finds_what_the_full_check_finds(
            which in 0..2_usize,
            changes in proptest::collection::vec(
                (proptest::prelude::any::<u16>(), 0..3_u8, "[|^~&0-9A-Z\\\\\r\"]|\u{e9}|\u{1}|\\\\T\\\\|\\\\\\.br\\\\|\\|\\||A31|19|#"),
                1..4,
            ),
        ) {
            let mut record = OURS[which].as_bytes().to_vec();
            for (at, how, text) in changes {
                let at = usize::from(at) % record.len();
                let to = if how == 0 { at } else { (at + usize::from(how)).min(record.len()) };
                record.splice(at..to, text.bytes());
            }
            if !record.ends_with(b"\r") {
                record.push(b'\r');
            }
            let [quick, full] = both_ways(&record);
            proptest::prop_assert_eq!(quick, full, "{}", String::from_utf8_lossy(&record));
        }
    }

    /// What there is to learn from: every kind of field, with and without what may be missing.
    fn good_ones() -> Vec<String> {
        let mut all: Vec<String> = OURS.map(str::to_string).to_vec();
        for (from, to) in [
            ("ADT^A28", "ADT^A31"),
            ("SIU^S12", "SIU^S14"),
            ("NK1|2|ROE\r", ""),
            ("DOE^ANN|SEL", "ROE^JO^T^JR|SEL"),
            ("|F||", "|F|ALIAS^ANN|"),
            ("D\\T\\OE^ANN", "M\u{dc}LLER^ZO\u{cb}"),
            ("|(617)555-0101|eng", "|(617)555-0101~(617)555-0102|eng"),
            ("^T^A", "^T"),
            ("|20260101|", "|20260131|"),
        ] {
            let more = all.iter().filter(|message| message.contains(from));
            let more: Vec<String> = more.map(|message| message.replace(from, to)).collect();
            all.extend(more);
        }
        let event = |message: &String| match message.contains("ADT^A31") {
            true => message.replace("EVN|A28", "EVN|A31"),
            false => message.clone(),
        };
        all.iter().map(event).collect()
    }

    /// Changes a message as a broken program might: bytes, fields, segments, lengths.
    fn change(text: &mut Vec<u8>, how: u8, a: u16, b: u16, with: &str) {
        let place = |number: u16, of: usize| usize::from(number) % of.max(1);
        let ends =
            |text: &[u8], end: u8| -> Vec<usize> { memchr::memchr_iter(end, text).collect() };
        let (at, to) = (place(a, text.len()), place(b, text.len()));
        let (at, to) = (at.min(to), at.max(to));
        let (bars, segments) = (ends(text, b'|'), ends(text, b'\r'));
        match how {
            0 => text[at] = with.as_bytes()[0],
            1 => drop(text.splice(at..at, with.bytes())),
            2 => drop(text.splice(at..(at + place(b, 4)).min(text.len()), [])),
            3 => text.swap(at, to),
            4 if bars.len() > 2 => {
                // Two fields change places.
                let field = |number: u16| {
                    let first = place(number, bars.len() - 1);
                    bars[first]..bars[first + 1]
                };
                let (one, other) = (field(a), field(b));
                if one.end <= other.start {
                    let bytes = text[other.clone()].to_vec();
                    let first = text[one.clone()].to_vec();
                    text.splice(other, first);
                    text.splice(one, bytes);
                }
            }
            5 if segments.len() > 2 => {
                // A segment goes elsewhere, or comes twice.
                let first = place(a, segments.len() - 1);
                let moved = text[segments[first] + 1..=segments[first + 1]].to_vec();
                let to = segments[place(b, segments.len())] + 1;
                text.splice(to..to, moved);
            }
            6 => drop(text.splice(at..at, "X".repeat(place(b, 300)).bytes())),
            _ => drop(text.splice(at..at, [b'|'].repeat(place(b, 9)))),
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(150))]
        /// One check sees them all, so what it learned of one message it may misapply to another.
        #[test]
        fn what_is_learned_of_any_message_is_right_of_every_other(
            changed in proptest::collection::vec(
                (
                    proptest::prelude::any::<u16>(),
                    proptest::collection::vec(
                        (0..8_u8, proptest::prelude::any::<u16>(), proptest::prelude::any::<u16>(),
                            "[|^~&0-9A-Z\\\\\r\"_]|\u{e9}|\u{1}|\\\\T\\\\|\\|\\||A31|19|\rNK1\\|1\\|A\r"),
                        0..3,
                    ),
                ),
                1..40,
            ),
        ) {
            let (agreed, good) = (agreed("2.3.1"), good_ones());
            let mut quick = MessageCheck::before_numbers(agreed.clone());
            for (which, changes) in changed {
                let message = &good[usize::from(which) % good.len()];
                // Without its name, a header leaves what the message before it said.
                let (name, rest) = message.as_bytes().split_at(3);
                let mut rest = rest.to_vec();
                for (how, a, b, with) in changes {
                    change(&mut rest, how, a, b, &with);
                }
                let end: &[u8] = if rest.ends_with(b"\r") { b"" } else { b"\r" };
                let record = [name, &rest, end].concat();
                let before = quick.segments;
                quick.findings = Findings::default();
                quick.messages(&record);
                let mut full = MessageCheck::before_numbers(agreed.clone());
                full.in_full(&record);
                let text = String::from_utf8_lossy(&record);
                proptest::prop_assert_eq!(quick.findings.by_rule(), full.findings.by_rule(), "{}", text);
                proptest::prop_assert_eq!(quick.segments - before, full.segments, "{}", text);
            }
        }
    }

    #[test]
    fn all_good_ones_are_good_and_go_the_quick_way() {
        let mut check = MessageCheck::before_numbers(agreed("2.3.1"));
        let all = good_ones();
        assert!(all.len() > 20);
        for message in all.iter().chain(&all) {
            check.messages(message.as_bytes());
            assert_eq!(check.findings.by_rule(), [], "{message}");
            assert!(check.quick.knows(message.as_bytes()).is_some(), "{message}");
        }
    }
}
