//! The rules a batch file is held to: one stable ID each.
//!
//! H0 the file, H1 the message, H2 the field, H3 the data type, H4 the table, H5 the
//! characters. To add one: add its row here, and a breach to `tests/suite/validate.rs`.

use std::fmt;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Unusual, or as the parties agreed; it stops nothing.
    Warning,
    /// Against HL7; our own batch is not published with it.
    Error,
}

impl Severity {
    /// Returns the word people and machines read.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

macro_rules! rules {
    ($($rule:ident $severity:ident $text:literal $hint:literal)*) => {
        /// A rule of `hl7drop validate`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $(#[doc = $text] $rule,)* }

        impl Rule {
            /// Every rule, in the order of this table.
            pub const ALL: &[Rule] = &[$(Rule::$rule,)*];

            /// Returns the ID as it is written: `H201`.
            pub const fn id(self) -> &'static str {
                match self { $(Rule::$rule => stringify!($rule),)* }
            }

            const fn row(self) -> (Severity, &'static str, &'static str) {
                match self { $(Rule::$rule => (Severity::$severity, $text, $hint),)* }
            }
        }
    };
}

rules! {
    H001 Error "the file does not begin with FHS, BHS or MSH"
        "is it an HL7 v2 file, and is it whole?"
    H002 Error "a byte order mark at the beginning"
        "write the file without one: its three bytes are no segment"
    H003 Error "a byte of the MLLP frame (VT or FS)"
        "a file has no frame; take the bytes out"
    H004 Error "segments do not end with CR alone"
        "HL7 ends a segment with CR; LF and CR LF need an agreement with the receiver"
    H005 Error "the last segment has no terminator"
        "end every segment with CR, the last one too; is the file whole?"
    H006 Error "an empty segment"
        "look for two terminators in a row"
    H007 Error "BTS or FTS is missing"
        "is the file whole? BHS needs its BTS, FHS its FTS"
    H008 Error "the segment may not stand there"
        "the order is FHS, then BHS, messages and BTS for each batch, then FTS"
    H009 Error "BTS-1 is not the number of messages of its batch"
        "write the number of MSH segments since BHS"
    H010 Error "FTS-1 is not the number of batches of the file"
        "write the number of BHS segments since FHS"
    H011 Warning "the count of a trailer is empty"
        "write it: the receiver cannot see otherwise that something is missing"
    H012 Error "a message control ID (MSH-10) comes twice"
        "give every message its own"
    H013 Error "a file or batch control ID (FHS-11, BHS-11) comes twice"
        "give every batch its own"
    H014 Error "not a segment"
        "a segment begins with three capitals or digits and the field separator"
    H015 Error "a segment of more than a megabyte"
        "the rest of it was not looked at; is a terminator missing?"

    H101 Error "the separators cannot be read"
        "MSH-1 and MSH-2 hold five different characters, |^~\\& by custom"
    H102 Warning "separators that are not |^~\\&"
        "legal, but many receivers know these only"
    H103 Warning "an HL7 version that is not checked"
        "fields are checked for 2.3.1, 2.4, 2.5 and 2.5.1"
    H104 Warning "a message type that is not checked"
        "segments and their order are checked for ADT A28 and A31, SIU S12 to S15, and ACK"
    H105 Error "a required segment is missing"
        "the message type needs it; the finding names the place where it was missed"
    H106 Error "the segment may not stand there, or not that often"
        "look at the order of the message type's segments"
    H107 Warning "a segment that the version does not know"
        "a local one needs an agreement with the receiver"
    H108 Error "the message structure (MSH-9.3) is not that of the event"
        "leave it empty in 2.3.1; later ADT_A05 for A28 and A31, SIU_S12 for S12 to S15"
    H109 Error "EVN-1 is not the trigger event of MSH-9"
        "write the same event in both, or leave EVN-1 empty"
    H110 Error "not what the interface agreed on"
        "compare the field with [project] and [wire] of the interface file"

    H201 Error "a required field is empty"
        "HL7 requires it in this version; give it a value"
    H202 Error "the field repeats, and may not"
        "give it one value"
    H203 Warning "longer than HL7 allows"
        "the receiver may cut it or refuse it; shorten it at the source"
    H204 Warning "a field that the segment does not have in this version"
        "receivers are to ignore it; is the version right?"
    H205 Warning "a component that the data type does not have in this version"
        "receivers are to ignore it; is the version right?"
    H206 Error "a required component is empty"
        "the data type needs it where any other component has a value"
    H207 Error "a separator inside a value that has no parts"
        "escape it: ^ is \\S\\, & is \\T\\"

    H301 Error "not a sequence ID (SI)"
        "write a whole number that is not negative"
    H302 Error "not a number (NM)"
        "write digits, with one sign before and one point inside at most"
    H303 Error "not a date (DT)"
        "write YYYY, YYYYMM or YYYYMMDD of a day that exists"
    H304 Error "not a time of day (TM)"
        "write HH, HHMM or HHMMSS of a time that exists"
    H305 Error "not a time stamp (TS)"
        "write YYYYMMDD, or with HHMM or HHMMSS and an offset +ZZZZ, of a time that exists"
    H306 Error "not a telephone number (TN)"
        "before 2.5 XTN-1 is (999)999-9999; another number belongs in XTN-9"
    H307 Warning "set IDs that do not count 1, 2, 3"
        "count each kind of segment from 1"

    H401 Error "not in the HL7 table"
        "use a code of the table; HL7 lets nobody add to it"
    H402 Warning "not in the table that HL7 suggests"
        "legal where the parties agreed on it"

    H501 Error "an escape that cannot be read"
        "write \\F\\ \\S\\ \\R\\ \\E\\ \\T\\ or \\Xhh\\; a \\ of the text is \\E\\"
    H502 Warning "a formatting command outside of formatted text"
        "\\.br\\ and its like belong in FT fields"
    H503 Error "a character that is not ASCII, and MSH-18 names no character set"
        "name it in MSH-18; empty means ASCII"
    H504 Error "bytes that are not of the character set in MSH-18"
        "write the message in the set that it names"
    H505 Warning "the character set UNICODE"
        "some receivers take it for UTF-16; UNICODE UTF-8 says what is meant"
    H506 Error "a control character"
        "leave it out, or write it as \\Xhh\\"
    H507 Error "a character that is not ASCII in a file or batch segment"
        "FHS, BHS, BTS and FTS can name no character set"
}

impl Rule {
    /// Reads an ID as it is written.
    pub fn of_id(id: &str) -> Option<Rule> {
        Rule::ALL.iter().copied().find(|rule| rule.id() == id)
    }

    /// Returns how grave a breach is.
    pub const fn severity(self) -> Severity {
        self.row().0
    }

    /// Returns what is wrong, as a fragment.
    pub const fn text(self) -> &'static str {
        self.row().1
    }

    /// Returns what to do about it.
    pub const fn hint(self) -> &'static str {
        self.row().2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back_and_say_what_to_do() {
        for (at, &rule) in Rule::ALL.iter().enumerate() {
            assert_eq!(Rule::of_id(rule.id()), Some(rule));
            assert!(!rule.hint().is_empty() && !rule.text().ends_with('.'), "{rule:?}");
            assert!(at == 0 || Rule::ALL[at - 1].id() < rule.id(), "{rule:?} is out of order");
        }
        assert!(Severity::Error > Severity::Warning);
    }
}
