//! Which segments a message has, in which order (`interface.md` 3.1).
//!
//! `[ ]` is optional, `{ }` repeats. A message is followed segment by segment, so
//! nothing of it need be kept.

use super::standard::holds;

/// Type, events, structure (MSH-9.3 from 2.4 on), since, segments.
const MESSAGES: &[(&str, &[&str], &str, &str, &str)] = &[
    (
        "ADT",
        &["A28", "A31"],
        "",
        "2.3.1",
        "MSH EVN PID [PD1] [{NK1}] PV1 [PV2] [{DB1}] [{OBX}] [{AL1}] [{DG1}] [DRG] \
         [{PR1 [{ROL}]}] [{GT1}] [{IN1 [IN2] [{IN3}]}] [ACC] [UB1] [UB2]",
    ),
    (
        "ADT",
        &["A28", "A31"],
        "ADT_A05",
        "2.4",
        "MSH EVN PID [PD1] [{ROL}] [{NK1}] PV1 [PV2] [{ROL}] [{DB1}] [{OBX}] [{AL1}] [{DG1}] \
         [DRG] [{PR1 [{ROL}]}] [{GT1}] [{IN1 [IN2] [{IN3}] [{ROL}]}] [ACC] [UB1] [UB2]",
    ),
    (
        "ADT",
        &["A28", "A31"],
        "ADT_A05",
        "2.5",
        "MSH [{SFT}] EVN PID [PD1] [{ROL}] [{NK1}] PV1 [PV2] [{ROL}] [{DB1}] [{OBX}] [{AL1}] \
         [{DG1}] [DRG] [{PR1 [{ROL}]}] [{GT1}] [{IN1 [IN2] [{IN3}] [{ROL}]}] [ACC] [UB1] [UB2]",
    ),
    (
        "SIU",
        &["S12", "S13", "S14", "S15"],
        "SIU_S12",
        "2.3.1",
        "MSH SCH [{NTE}] [{PID [PD1] [PV1] [PV2] [{OBX}] [{DG1}]}] {RGS [{AIS [{NTE}]}] \
         [{AIG [{NTE}]}] [{AIL [{NTE}]}] [{AIP [{NTE}]}]}",
    ),
    (
        "SIU",
        &["S12", "S13", "S14", "S15"],
        "SIU_S12",
        "2.5",
        "MSH SCH [{TQ1}] [{NTE}] [{PID [PD1] [PV1] [PV2] [{OBX}] [{DG1}]}] {RGS \
         [{AIS [{NTE}]}] [{AIG [{NTE}]}] [{AIL [{NTE}]}] [{AIP [{NTE}]}]}",
    ),
    ("ACK", &[], "ACK", "2.3.1", "MSH MSA [ERR]"),
    ("ACK", &[], "ACK", "2.5", "MSH [{SFT}] MSA [{ERR}]"),
];

/// The grammar of one message type in one version.
#[derive(Debug)]
pub(super) struct Grammar {
    message: &'static str,
    triggers: &'static [&'static str],
    /// MSH-9.3, where the version has one; empty: it is to be left out.
    pub structure: &'static str,
    nodes: Vec<Node>,
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Node {
    name: [u8; 3],
    group: usize,
}

/// What stands in one pair of brackets; the first is the whole message.
#[derive(Debug)]
struct Group {
    parent: usize,
    optional: bool,
    repeats: bool,
    /// Its nodes, the end not counted.
    nodes: (usize, usize),
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Nodes up to here are behind us.
    next: usize,
    /// Bit g is set if group g was entered in its present repetition.
    entered: u128,
}

impl Grammar {
    /// Returns the grammars of a version; none if one of them cannot be read.
    pub fn all(version: usize) -> Option<Vec<Grammar>> {
        let mut all: Vec<Grammar> = Vec::new();
        for (message, triggers, structure, since, text) in MESSAGES {
            if !holds(since, version)? {
                continue;
            }
            all.retain(|older| older.message != *message);
            all.push(Grammar::read(message, triggers, structure, text)?);
        }
        Some(all)
    }

    fn read(
        message: &'static str,
        triggers: &'static [&'static str],
        structure: &'static str,
        text: &str,
    ) -> Option<Grammar> {
        let whole = Group { parent: 0, optional: false, repeats: false, nodes: (0, 0) };
        let (mut nodes, mut groups, mut open) = (Vec::new(), vec![whole], vec![0]);
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let mut used = 1;
            match first {
                '[' | '{' => {
                    groups.push(Group {
                        parent: *open.last()?,
                        optional: first == '[',
                        repeats: first == '{',
                        nodes: (nodes.len(), nodes.len()),
                    });
                    open.push(groups.len() - 1);
                }
                ']' | '}' => {
                    let group = open.pop()?;
                    groups[group].nodes.1 = nodes.len();
                }
                _ => {
                    let name = rest.get(..3)?.as_bytes().try_into().ok()?;
                    nodes.push(Node { name, group: *open.last()? });
                    used = 3;
                }
            }
            rest = rest[used..].trim_start();
        }
        groups[0].nodes.1 = nodes.len();
        let whole = open == [0] && groups.len() <= 128;
        whole.then_some(Grammar { message, triggers, structure, nodes, groups })
    }

    /// True if it is the grammar of this type and event.
    pub fn is_of(&self, message: &[u8], trigger: &[u8]) -> bool {
        self.message.as_bytes() == message
            && (self.triggers.is_empty()
                || self.triggers.iter().any(|known| known.as_bytes() == trigger))
    }

    /// Says whether any message of this type can have the segment.
    pub fn knows(&self, name: [u8; 3]) -> bool {
        self.nodes.iter().any(|node| node.name == name)
    }

    /// Goes on to a segment; `missing` is told each required one that was passed over.
    /// Says whether it may stand there; if not, the message stays where it is.
    pub fn step(&self, at: &mut Progress, name: [u8; 3], missing: &mut dyn FnMut([u8; 3])) -> bool {
        let mut group = match at.next {
            0 => 0,
            next => self.nodes[next - 1].group,
        };
        loop {
            let Group { parent, repeats, nodes: (start, end), .. } = self.groups[group];
            if let Some(found) = self.find(name, at.next, end) {
                self.enter(at, found, missing);
                return true;
            }
            if repeats && let Some(found) = self.find(name, start, at.next) {
                self.pass(at, end, missing);
                self.leave(at, group);
                at.next = start;
                self.enter(at, found, missing);
                return true;
            }
            if group == 0 {
                return false;
            }
            group = parent;
        }
    }

    /// Ends a message.
    pub fn end(&self, at: &mut Progress, missing: &mut dyn FnMut([u8; 3])) {
        self.pass(at, self.nodes.len(), missing);
    }

    fn find(&self, name: [u8; 3], from: usize, to: usize) -> Option<usize> {
        let from = from.min(to);
        self.nodes[from..to].iter().position(|node| node.name == name).map(|at| from + at)
    }

    /// Passes over the nodes before `to`.
    fn pass(&self, at: &mut Progress, to: usize, missing: &mut dyn FnMut([u8; 3])) {
        for node in self.nodes.get(at.next..to).unwrap_or_default() {
            if self.is_required(at, node.group) {
                missing(node.name);
            }
        }
        at.next = to;
    }

    /// True of a group that must be there now: it was entered, or its parents must be
    /// there and it is not optional.
    fn is_required(&self, at: &Progress, mut group: usize) -> bool {
        loop {
            if group == 0 || at.entered & (1 << group) != 0 {
                return true;
            }
            if self.groups[group].optional {
                return false;
            }
            group = self.groups[group].parent;
        }
    }

    /// Goes to a node; what its groups require before it must have come.
    fn enter(&self, at: &mut Progress, node: usize, missing: &mut dyn FnMut([u8; 3])) {
        let mut group = self.nodes[node].group;
        while group != 0 {
            at.entered |= 1 << group;
            group = self.groups[group].parent;
        }
        self.pass(at, node, missing);
        at.next = node + 1;
    }

    /// Forgets what was entered inside a group.
    fn leave(&self, at: &mut Progress, group: usize) {
        let (start, end) = self.groups[group].nodes;
        for (index, inner) in self.groups.iter().enumerate() {
            if inner.nodes.0 >= start && inner.nodes.1 <= end && index >= group {
                at.entered &= !(1 << index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows a message; returns what is missing (`-`) and what may not be there (`!`).
    fn follow(version: usize, message: &str, trigger: &str, segments: &str) -> Vec<String> {
        let all = Grammar::all(version).unwrap();
        let grammar = all
            .iter()
            .find(|grammar| grammar.is_of(message.as_bytes(), trigger.as_bytes()))
            .unwrap();
        let (mut at, mut said) = (Progress::default(), Vec::new());
        let text = |name: [u8; 3]| String::from_utf8(name.to_vec()).unwrap();
        for segment in segments.split(' ') {
            let name = segment.as_bytes().try_into().unwrap();
            if !grammar.step(&mut at, name, &mut |missed| said.push(format!("-{}", text(missed)))) {
                said.push(format!("!{segment}"));
            }
        }
        grammar.end(&mut at, &mut |missed| said.push(format!("-{}", text(missed))));
        said
    }

    #[test]
    fn what_the_grammar_allows_is_allowed() {
        for segments in [
            "MSH EVN PID PV1",
            "MSH EVN PID PD1 NK1 NK1 PV1 GT1 IN1 IN2 IN1 IN1",
            "MSH EVN PID PV1 PR1 ROL ROL PR1 IN1 IN2 IN3 IN3 IN1 ACC",
        ] {
            assert_eq!(follow(0, "ADT", "A28", segments), [""; 0], "{segments}");
        }
        for segments in [
            "MSH SCH RGS",
            "MSH SCH NTE NTE PID PD1 PV1 RGS AIG AIL AIP",
            "MSH SCH PID PID RGS AIS NTE NTE AIS AIG NTE RGS AIL AIL NTE",
        ] {
            assert_eq!(follow(0, "SIU", "S12", segments), [""; 0], "{segments}");
        }
        assert_eq!(follow(3, "SIU", "S15", "MSH SCH TQ1 RGS"), [""; 0]);
        assert_eq!(follow(3, "ACK", "A31", "MSH SFT MSA ERR ERR"), [""; 0]);
    }

    #[test]
    fn what_is_missing_or_misplaced_is_told() {
        for (version, message, segments, said) in [
            (0, "ADT A28", "MSH EVN PID PD1", vec!["-PV1"]),
            (0, "ADT A31", "MSH PID PV1", vec!["-EVN"]),
            (0, "ADT A28", "MSH EVN PID PV1 PV1", vec!["!PV1"]),
            (0, "ADT A28", "MSH EVN PID PV1 NK1", vec!["!NK1"]),
            (0, "ADT A28", "MSH EVN PID PV1 IN2", vec!["-IN1"]),
            (0, "ADT A28", "MSH EVN PID PV1 IN1 GT1", vec!["!GT1"]),
            (0, "ADT A28", "MSH SFT EVN PID PV1", vec!["!SFT"]),
            (0, "SIU S12", "MSH SCH PID", vec!["-RGS"]),
            (0, "SIU S12", "MSH SCH AIG", vec!["-RGS"]),
            (0, "SIU S12", "MSH SCH PD1 RGS", vec!["-PID"]),
            (0, "SIU S12", "MSH SCH RGS AIL AIG", vec!["-RGS"]),
            (0, "SIU S12", "MSH SCH TQ1 RGS", vec!["!TQ1"]),
            (0, "ACK A31", "MSH ERR", vec!["-MSA"]),
        ] {
            let (message, trigger) = message.split_once(' ').unwrap();
            assert_eq!(follow(version, message, trigger, segments), said, "{segments}");
        }
    }
}
