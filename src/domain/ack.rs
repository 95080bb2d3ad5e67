//! Acknowledgements: what a receiver says of one message (`interface.md` 3.5, table 0008).

/// MSA-1, acknowledgment code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckCode {
    /// Application accept.
    Aa,
    /// Application error.
    Ae,
    /// Application reject.
    Ar,
    /// Commit accept.
    Ca,
    /// Commit error.
    Ce,
    /// Commit reject.
    Cr,
}

impl AckCode {
    /// Every code.
    pub const ALL: [AckCode; 6] =
        [AckCode::Aa, AckCode::Ae, AckCode::Ar, AckCode::Ca, AckCode::Ce, AckCode::Cr];

    /// Returns the code as it stands in MSA-1.
    pub const fn word(self) -> &'static str {
        match self {
            AckCode::Aa => "AA",
            AckCode::Ae => "AE",
            AckCode::Ar => "AR",
            AckCode::Ca => "CA",
            AckCode::Ce => "CE",
            AckCode::Cr => "CR",
        }
    }

    /// Returns the code of a word.
    pub fn of(word: &[u8]) -> Option<AckCode> {
        AckCode::ALL.into_iter().find(|code| code.word().as_bytes() == word)
    }

    /// True where the receiver took the message.
    pub const fn accepts(self) -> bool {
        matches!(self, AckCode::Aa | AckCode::Ca)
    }
}

/// What a receiver says of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The number in its MSH-10, from MSA-2.
    pub control: u64,
    /// MSA-1.
    pub code: AckCode,
    /// Why, in words of ours made from ERR: fields and codes, nothing of a record.
    pub what: String,
    /// MSA-3 and the like, as the receiver wrote it: it may hold patient data.
    pub said: String,
}
