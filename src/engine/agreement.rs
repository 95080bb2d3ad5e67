//! An interface ready to convert: its scope, its map, the vocabulary, all checked
//! against each other before the first record.

use std::sync::{Arc, LazyLock};

use jiff::civil::DateTime;

use super::error::EngineError;
use crate::convert::{Bound, Compiler, Detector, Map, MapError, Program};
use crate::domain::{Event, ExtractKind, Kind, Layout, Scope, Translations};
use crate::extract::{Reading, Vocabulary, VocabularyError};
use crate::validate::Agreed;

static VOCABULARY: LazyLock<Result<Vocabulary, VocabularyError>> =
    LazyLock::new(Vocabulary::standard);

/// One interface, ready to convert.
#[derive(Clone)]
pub struct Agreement {
    /// What was agreed.
    pub scope: Scope,
    /// The map with the interface's own rows in it.
    pub map: Map,
    /// How its extracts are read.
    pub reading: Reading,
    /// What messages are held to before they are published.
    pub agreed: Arc<Agreed>,
}

/// The programs of one header, one for each event.
pub struct Programs {
    /// Reads events.
    pub detector: Detector,
    programs: Vec<(Event, Program)>,
}

impl Agreement {
    /// Puts the parts together and compiles every event once, so that a mistake in a
    /// template is told at start.
    ///
    /// # Errors
    /// [`EngineError::Map`] names the field, [`EngineError::Columns`] the column.
    pub fn new(scope: Scope) -> Result<Agreement, EngineError> {
        let vocabulary = VOCABULARY.as_ref().map_err(Clone::clone)?;
        let mut reading = Reading::new(vocabulary, &scope.forms)?;
        reading.bytes_max = scope.pickup.file_bytes_max;
        let map = Map::agreed(&scope)?;
        let agreed = Arc::new(Agreed::of(&scope));
        let agreement = Agreement { scope, map, reading, agreed };
        let (patients, appointments) =
            (empty(ExtractKind::Patients), empty(ExtractKind::Appointments));
        for bound in [Bound::Patient(&patients), Bound::Appointment(&appointments, None)] {
            agreement.programs(bound, DateTime::default())?;
        }
        Ok(agreement)
    }

    /// Returns it with what people mapped, as it stands now.
    pub fn translated(&self, translations: Translations) -> Agreement {
        let mut agreement = self.clone();
        agreement.map.translations = translations;
        agreement
    }

    /// Compiles the programs of a header for a run at `clock`.
    ///
    /// # Errors
    /// [`MapError`], which a header cannot cause.
    pub fn programs(&self, bound: Bound<'_>, clock: DateTime) -> Result<Programs, MapError> {
        let compiler = Compiler::new(&self.map, &self.scope, clock, is_column);
        let kind = match bound {
            Bound::Patient(_) => Kind::Patient,
            Bound::Appointment(..) => Kind::Appointment,
        };
        let programs = Event::ALL
            .into_iter()
            .filter(|event| event.kind() == kind)
            .map(|event| Ok((event, compiler.program(event, bound)?)))
            .collect::<Result<_, MapError>>()?;
        Ok(Programs { detector: Detector::new(&self.map, &self.scope, bound), programs })
    }
}

impl Programs {
    /// Returns those of every event.
    pub fn all(&self) -> impl Iterator<Item = &Program> {
        self.programs.iter().map(|(_, program)| program)
    }

    /// Returns the program of an event of this kind.
    pub fn of(&self, event: Event) -> Option<&Program> {
        self.programs.iter().find(|(known, _)| *known == event).map(|(_, program)| program)
    }
}

/// Returns the layout of a header without columns.
pub(super) fn empty(kind: ExtractKind) -> Layout {
    Layout::new(kind, b',', String::new(), Vec::new())
}

fn is_column(kind: Kind, name: &str) -> bool {
    let kind = match kind {
        Kind::Patient => ExtractKind::Patients,
        Kind::Appointment => ExtractKind::Appointments,
    };
    VOCABULARY.as_ref().is_ok_and(|vocabulary| vocabulary.is_column(kind, name))
}
