//! A look over an extract before it is rendered, where its records are not told one by
//! one as they stand: events of one ID, appointments that were moved, snapshots.
//!
//! It parses and renders nothing, a tenth of the work; other extracts are spared it.

use std::fs::File;

use super::claims::Judged;
use super::doubles;
use super::drop::{Conversion, compiled};
use super::error::EngineError;
use super::first::Needed;
use super::headers::Headers;
use super::key::Key;
use super::order::{LINK, Link, Plan};
use super::pipeline::ordered;
use super::plain::Plain;
use super::render::Renderer;
use super::source::Source;
use crate::disk;
use crate::domain::{ExtractKind, MissingRows};

/// What the look found.
#[derive(Default)]
pub(super) struct Survey {
    /// Records that a newer one stands for, by offset, ascending.
    pub older: Vec<u64>,
    /// Records that are told elsewhere.
    pub plan: Option<Plan>,
    /// Of a full snapshot whose missing rows are looked for: the hash of each ID, ascending.
    pub ids: Option<Vec<u64>>,
    /// Patients that are to be told first, once the extract was read.
    pub first: Needed,
    /// What is found of the external IDs, once the extract was read.
    pub judged: Judged,
    /// True if there was a look, so that nothing is left to be found.
    pub done: bool,
}

impl Conversion<'_> {
    /// Looks over an extract if that can find anything.
    ///
    /// # Errors
    /// Those of reading it.
    pub(super) fn survey(
        &mut self,
        source: &Source,
        headers: &Headers<'_>,
    ) -> Result<Survey, EngineError> {
        let open = || source.open(&self.agreement.reading, None).map_err(EngineError::Extract);
        let (layout, mut blocks) = open()?;
        let (_, programs, _) = compiled(headers, &layout, None)?;
        let detector = &programs.detector;
        let appointments = layout.kind == ExtractKind::Appointments;
        let (events, moved) = (detector.has_event_column(), layout.has(LINK));
        let moved = moved && appointments && !events && self.backfill.is_none();
        let wanted = self.agreement.scope.events.missing_rows != MissingRows::Ignore;
        let snapshot = appointments && wanted && !events && !self.part;
        if !(events || moved || snapshot) {
            return Ok(Survey::default());
        }
        let is_text = source.is_text(&self.agreement.reading).map_err(EngineError::Extract)?;
        let mut plain = (!is_text).then(|| Plain::create(self.scratch)).transpose()?;
        let (mut rows, mut keys, mut links) = (0, Vec::<Key>::new(), Vec::<Link>::new());
        ordered(
            self.pool,
            &mut blocks,
            &|block, rendered| {
                Renderer::look(&layout, moved.then_some(detector), block, rendered);
            },
            &mut |block| match &mut plain {
                Some(plain) => plain.add(block.offset, &block.bytes),
                None => Ok(()),
            },
            &mut |rendered| {
                keys.extend_from_slice(&rendered.keys);
                links.extend(rendered.links.drain(..).map(|mut link| {
                    link.from.record += rows;
                    link
                }));
                rows += rendered.counts.rows;
                Ok(())
            },
        )?;
        let (path, base) = match &plain {
            Some(plain) => (&plain.path, plain.base.unwrap_or(0)),
            None => (&source.path, 0),
        };
        let text = File::open(path).map_err(disk::failed("open", path))?;
        let mut survey = Survey { done: true, ..Survey::default() };
        if events {
            let (_, mut blocks) = open()?;
            survey.plan = Some(Plan::of_events(&mut blocks, &layout, keys, (text, base))?);
            return Ok(survey);
        }
        let candidates = doubles::candidates(&mut keys);
        if !candidates.is_empty() {
            survey.older = doubles::older(&mut open()?.1, &layout, &candidates)?;
        }
        survey.ids = snapshot.then(|| keys.iter().map(|key| key.hash).collect());
        if !links.is_empty() {
            let register = self.journal.register();
            let text = (text, base);
            let older = &survey.older;
            survey.plan =
                Some(Plan::of_links(&layout, links, keys, older, detector, register, text)?);
        }
        Ok(survey)
    }
}
