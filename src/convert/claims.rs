//! The external IDs of a record, to be held against those of all others
//! (`interface.md` 8.6). A value counts as it is sent, with the zeros that it gets back.

use super::column::Column;
use super::compile::blank;
use super::map::Map;
use super::program::{Input, Refusal};
use crate::digest::Digest;
use crate::domain::{Claim, Code, ExternalId, ExtractKind, Layout, Scope};

/// Reads the external IDs of the records under one header.
#[derive(Clone, Debug)]
pub struct Claimer {
    /// In the order of the categories.
    ids: Vec<Mapped>,
}

/// A custom field that this header can have.
#[derive(Clone, Debug)]
struct Mapped {
    category: [u8; 8],
    column: Column,
    /// The digits that zeros fill up to.
    padded: usize,
    id: ExternalId,
}

impl Claimer {
    /// Binds a header; `None` if no custom field is an external ID of its records.
    pub fn new(map: &Map, scope: &Scope, layout: &Layout) -> Option<Claimer> {
        let ids = match layout.kind {
            ExtractKind::Patients => &scope.patient_ids,
            ExtractKind::Appointments => &scope.appointment_ids,
            _ => return None,
        };
        let mut ids: Vec<Mapped> = ids.iter().map(|id| mapped(map, layout, id)).collect();
        ids.sort_by_key(|one| one.category);
        (!ids.is_empty()).then_some(Claimer { ids })
    }

    /// Puts the external IDs of a record into `claims`, which is empty, one for each
    /// category, in order.
    ///
    /// # Errors
    /// X001 of a category with two values.
    pub fn claims(&self, input: Input<'_>, claims: &mut Vec<Claim>) -> Result<(), Refusal> {
        for one in &self.ids {
            let value = one.column.value(&input);
            if value.is_empty() {
                continue;
            }
            let value = digest(&told(one.category, one.padded, value));
            let claim = Claim { category: one.category, value };
            match claims.last() {
                Some(last) if last.category != claim.category => claims.push(claim),
                None => claims.push(claim),
                Some(last) if last.value == claim.value => {}
                Some(_) => return Err(one.refusal(Code::X001)),
            }
        }
        Ok(())
    }

    /// Returns the external IDs of earlier records that still count where this header
    /// says nothing of their categories: such an ID is neither changed nor gone.
    pub fn unsaid<'a>(&'a self, before: &'a [Claim]) -> impl Iterator<Item = &'a Claim> {
        before.iter().filter(|claim| {
            let mut of = self.ids.iter().filter(|one| one.category == claim.category).peekable();
            of.peek().is_some() && of.all(|one| !one.column.is_there())
        })
    }

    /// True of an external ID whose category is mapped.
    pub fn has(&self, claim: &Claim) -> bool {
        self.ids.iter().any(|one| one.category == claim.category)
    }

    /// Returns the refusal of a record for the external ID of a category.
    pub fn refusal(&self, code: Code, category: [u8; 8]) -> Refusal {
        let mut of = self.ids.iter().filter(|one| one.category == category);
        let there = of.clone().find(|one| one.column.is_there());
        let nowhere = Refusal { code, column: "".into(), field: None };
        there.or_else(|| of.next()).map_or(nowhere, |one| one.refusal(code))
    }
}

impl Mapped {
    fn refusal(&self, code: Code) -> Refusal {
        let field = Some(self.id.target.field);
        Refusal { code, column: self.column.name.clone(), field }
    }
}

/// Returns what a value may be as an external ID of an interface: as it is sent, and what
/// stands for it (`Claim::value`), once for each kind of ID.
pub fn external_ids(scope: &Scope, value: &str) -> Vec<(String, [u8; 16])> {
    let ids = scope.patient_ids.iter().chain(&scope.appointment_ids);
    let one = |id: &ExternalId| {
        let category = category(id);
        let told = told(category, padded(id), value.as_bytes());
        let sent = String::from_utf8_lossy(&told[category.len()..]).into_owned();
        (sent, digest(&told))
    };
    ids.map(one).collect()
}

/// Returns what stands for the category of an external ID.
fn category(id: &ExternalId) -> [u8; 8] {
    let digest = Digest::of(id.category.as_bytes()).bytes();
    std::array::from_fn(|at| digest[at])
}

/// Returns the digits that zeros fill up to.
fn padded(id: &ExternalId) -> usize {
    id.width.filter(|_| id.zero_pad).unwrap_or(0)
}

/// Returns a value as it is sent, behind its category: so equal values of two categories
/// differ.
fn told(category: [u8; 8], padded: usize, value: &[u8]) -> Vec<u8> {
    let mut told = Vec::with_capacity(64);
    told.extend_from_slice(&category);
    let lost = padded.saturating_sub(value.len());
    if lost > 0 && value.iter().all(u8::is_ascii_digit) {
        told.extend(std::iter::repeat_n(b'0', lost));
    }
    told.extend_from_slice(value);
    told
}

/// Returns what stands for what is told.
fn digest(told: &[u8]) -> [u8; 16] {
    let digest = Digest::of(told).bytes();
    std::array::from_fn(|at| digest[at])
}

fn mapped(map: &Map, layout: &Layout, id: &ExternalId) -> Mapped {
    let name = format!("customfield_{}", id.custom_field_id);
    let cells = layout.cells(&name).to_vec();
    Mapped {
        category: category(id),
        column: Column {
            row: 0,
            cells,
            blank: blank(map, &name),
            name: name.into(),
            translating: None,
        },
        padded: padded(id),
        id: id.clone(),
    }
}
