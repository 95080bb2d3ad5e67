//! `[wire]`: the constants of the headers, and how messages are written down.

/// Constants of the message headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// MSH-12; `2.3.1`.
    pub hl7_version: String,
    /// MSH-3, FHS-3, BHS-3; at most 15 characters.
    pub sending_application: String,
    /// MSH-5, FHS-5, BHS-5; at most 15 characters.
    pub receiving_application: String,
    /// MSH-6, FHS-6, BHS-6; at most 20 characters, may be empty.
    pub receiving_facility: String,
    /// SCH-16 where the extract names nobody.
    pub default_operator: String,
    /// What a message that is not all ASCII is written in.
    pub charset: Charset,
    /// What becomes of a control character in a text.
    pub controls: Controls,
    /// What ends a segment.
    pub line_ending: LineEnding,
    /// What becomes of a field that is longer than HL7 says; none is ever cut.
    pub length_policy: LengthPolicy,
    /// Whether an A31 says `""`, "delete it", for a column of the patient that is empty.
    pub send_deletes: bool,
}

/// The character set of messages (`interface.md` 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8.
    Utf8,
    /// ISO 8859-1; a record with another character waits.
    Latin1,
    /// ASCII; other characters are spelt out.
    Ascii,
}

impl Charset {
    /// Returns MSH-18 (table 0211) of a message that is not all ASCII; before 2.5 the
    /// name of UTF-8 is an agreement of the sites.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Charset::Utf8 => Some("UNICODE UTF-8"),
            Charset::Latin1 => Some("8859/1"),
            Charset::Ascii => None,
        }
    }
}

/// What becomes of a control character in a text, other than a line break or a TAB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controls {
    /// It is left out and counted.
    Drop,
    /// It is written as `\Xhh\`.
    Escape,
    /// Its record waits.
    Refuse,
}

/// What ends a segment. HL7 knows CR only; some receivers know better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnding {
    /// CR.
    Cr,
    /// CR and LF.
    CrLf,
    /// LF.
    Lf,
}

impl LineEnding {
    /// Returns its bytes.
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            LineEnding::Cr => b"\r",
            LineEnding::CrLf => b"\r\n",
            LineEnding::Lf => b"\n",
        }
    }
}

/// What becomes of a field that is longer than HL7 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthPolicy {
    /// It is sent whole, and counted.
    Warn,
    /// Its record waits.
    Error,
    /// It is sent whole.
    Ignore,
}
