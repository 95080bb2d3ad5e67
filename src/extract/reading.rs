//! How the extracts of one interface are read: the names of their columns and the
//! forms of their files.

use std::collections::BTreeMap;

use super::columns::{Vocabulary, VocabularyError};
use crate::domain::{ExtractKind, Form};

/// How the extracts of one interface are read.
#[derive(Clone, Debug)]
pub struct Reading {
    pub(super) vocabulary: Vocabulary,
    forms: BTreeMap<ExtractKind, Form>,
    /// Bytes of the longest text, decompressed; a longer one is refused.
    pub bytes_max: u64,
}

impl Reading {
    /// Puts the site's own names into a vocabulary.
    ///
    /// # Errors
    /// Those of [`Vocabulary::learn`].
    pub fn new(
        vocabulary: &Vocabulary,
        forms: &BTreeMap<ExtractKind, Form>,
    ) -> Result<Reading, VocabularyError> {
        let mut vocabulary = vocabulary.clone();
        for (kind, form) in forms {
            vocabulary.learn(*kind, &form.columns)?;
        }
        Ok(Reading { vocabulary, forms: forms.clone(), bytes_max: u64::MAX })
    }

    /// Returns how the extracts of a kind are written.
    pub fn form(&self, kind: ExtractKind) -> Form {
        self.forms.get(&kind).cloned().unwrap_or_default()
    }
}
