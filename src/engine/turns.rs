//! Records that are told elsewhere than where they stand: a plan carried out by the
//! workers, see [`order`](super::order).

use super::error::EngineError;
use super::key::{id_cells, key};
use super::order::{Link, Plan, Turn};
use super::render::{Renderer, Stop, Worker};
use super::rendered::Rendered;
use super::selfcheck::Number;
use crate::convert::{Detector, Output};
use crate::domain::Layout;
use crate::extract::{Block, Row, Rows};

/// Records of one ID that are looked back at where their block does not have them. Each
/// is rendered again for it, and more of one ID are not a practice's day.
const LOOK_BACK: usize = 32;

impl Renderer<'_> {
    /// Renders what is told at the place of a row.
    pub(super) fn turn(
        &self,
        plan: &Plan,
        turn: &Turn,
        block: &Block,
        row: &Row<'_>,
        worker: &mut Worker<'_>,
        rendered: &mut Rendered,
    ) -> Result<(), EngineError> {
        let here = Number::InBlock(row.number);
        match turn {
            Turn::Elsewhere => Ok(()),
            Turn::After(others) => {
                others.iter().try_for_each(|at| self.apart(plan, *at, worker, rendered))?;
                self.one(block, row, here, worker, rendered)
            }
            Turn::Series { first, at } => {
                self.state_before(plan, *first, *at, worker)?;
                let offset = block.offset + row.range.start as u64;
                let done = match plan.spot(*at) {
                    Some(spot) if spot.offset != offset => self.apart(plan, *at, worker, rendered),
                    _ => self.one(block, row, here, worker, rendered),
                };
                worker.chained = false;
                worker.states.insert(*first, (*at + 1, worker.known, worker.sent));
                done
            }
        }
    }

    /// Renders a record that stands elsewhere.
    fn apart(
        &self,
        plan: &Plan,
        at: usize,
        worker: &mut Worker<'_>,
        rendered: &mut Rendered,
    ) -> Result<(), EngineError> {
        let spot = plan.spot(at).ok_or(EngineError::Worker)?;
        let block = plan.read(spot)?;
        let mut rows = Rows::new(&block, self.layout);
        let row = rows.next_row().ok_or(EngineError::Worker)?;
        self.one(&block, &row, Number::InFile(spot.record), worker, rendered)
    }

    /// Finds out what the record `at` of a series is held against: what the ones before
    /// it leave, which can be nothing where they are refused.
    fn state_before(
        &self,
        plan: &Plan,
        first: usize,
        at: usize,
        worker: &mut Worker<'_>,
    ) -> Result<(), EngineError> {
        let Some(memory) = &self.memory else { return Ok(()) };
        let state = worker.states.get(&first).filter(|(next, ..)| *next <= at).copied();
        let from = state.map_or(first.max(at.saturating_sub(LOOK_BACK)), |(next, ..)| next);
        (worker.known, worker.sent) =
            state.map_or_else(Default::default, |(_, known, sent)| (known, sent));
        // What `known` says is the state from here on, and the register is not asked.
        worker.chained = true;
        let (mut out, mut entries) = (Output::default(), Vec::new());
        for number in from..=at {
            let stated = state.is_some() || number != from;
            if number == at && stated {
                break;
            }
            let block = plan.read(plan.spot(number).ok_or(EngineError::Worker)?)?;
            let mut rows = Rows::new(&block, self.layout);
            let row = rows.next_row().ok_or(EngineError::Worker)?;
            if !stated {
                worker.look_up(memory, row.values)?;
            }
            if number == at {
                break;
            }
            worker.offset = block.offset;
            let (claims, changes) = (worker.claims.len(), worker.changes);
            match self.record(&row, worker, &mut out, &mut entries) {
                Err(Stop::Broken(err)) => return Err(err),
                Ok(_) | Err(Stop::Refused(_)) => {}
            }
            // It counts its own where it is rendered.
            worker.claims.truncate(claims);
            worker.changes = changes;
            out.clear();
            entries.clear();
        }
        Ok(())
    }

    /// Looks at a block before it is rendered: its rows, their keys and, if they are
    /// wanted, the links of cancelled appointments.
    pub fn look(layout: &Layout, links: Option<&Detector>, block: &Block, rendered: &mut Rendered) {
        let (id, when) = (id_cells(layout), layout.cells("lastmodified"));
        let mut rows = Rows::new(block, layout);
        while let Some(row) = rows.next_row() {
            rendered.counts.rows += 1;
            if row.fault.is_none() {
                let offset = block.offset + row.range.start as u64;
                rendered.keys.extend(key(id, when, row.values, offset));
                let link = links.and_then(|detector| Link::of(block, &row, layout, detector));
                rendered.links.extend(link);
            }
        }
    }
}
