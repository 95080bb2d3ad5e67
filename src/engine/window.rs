//! The batches behind the one whose turn it is: sent ahead over connections beside the first.
//!
//! Only the bytes go ahead. What makes a file the vendor's stays a matter of its turn: the
//! commit that it is verified, the rename and the receipt are made by the first connection,
//! one batch after the other, so final names appear in strict order and what fails stops all
//! that is behind it. A batch that was sent ahead stands as one whose upload broke off, under
//! a temporary name that the ledger knows, so a crash leaves nothing that recovery does not
//! know from one connection: the next try removes the name and sends it again.
//!
//! Only a batch that nothing was ever sent of goes ahead; of all others the other end is
//! asked first, in their turn.

use std::collections::VecDeque;
use std::thread::Scope;

use super::attempt::{await_answer, is_untouched, temp_name};
use super::encrypt;
use super::error::EngineError;
use super::lanes::{InTurn, Job, Lanes, Outcome, SideBySide, Threads};
use super::pass::Engine;
use crate::delivery::Delivery;
use crate::domain::{Endpoint, Verify};
use crate::ledger::{DeliveryRow, Ledger, Temp};

/// Batches under way for each lane: one that it sends, and one that waits for its turn.
const FOR_EACH_LANE: usize = 2;

/// What is sent ahead to one endpoint.
pub struct Window<'a> {
    engine: &'a Engine,
    endpoint: &'a Endpoint,
    /// None where there is one connection only, or none is left beside it.
    lanes: Option<Box<dyn Lanes + 'a>>,
    width: usize,
    /// In the order of their turns.
    under_way: VecDeque<(u64, Temp)>,
}

impl<'env> Window<'env> {
    /// Opens a window as wide as the settings say; nothing connects yet.
    ///
    /// # Errors
    /// [`EngineError::Threads`].
    pub fn open<'scope>(
        engine: &'env Engine,
        endpoint: &'env Endpoint,
        rows: usize,
        scope: &'scope Scope<'scope, 'env>,
    ) -> Result<Window<'env>, EngineError> {
        // The first connection sends the first one.
        let beside = endpoint.protocol.connections.min(rows).saturating_sub(1);
        let lanes: Option<Box<dyn Lanes + 'env>> = match &engine.side_by_side {
            _ if beside == 0 => None,
            SideBySide::Threads => Some(Box::new(Threads::start(engine, endpoint, beside, scope)?)),
            SideBySide::InTurn(choose) => {
                Some(Box::new(InTurn::start(engine, endpoint, beside, choose.clone())))
            }
        };
        let width = beside * FOR_EACH_LANE;
        Ok(Window { engine, endpoint, lanes, width, under_way: VecDeque::new() })
    }

    /// True where batches go ahead.
    pub fn is_open(&self) -> bool {
        self.lanes.is_some()
    }

    /// Sends ahead as many of `rows` as there is room for: those behind the one whose turn
    /// it is, in their order and up to the first that cannot go. What is committed of each is
    /// that a try of it began.
    ///
    /// # Errors
    /// What ends a pass.
    pub fn fill(
        &mut self,
        ledger: &mut dyn Ledger,
        (place, verify): (&str, Verify),
        rows: &[DeliveryRow],
    ) -> Result<(), EngineError> {
        let Some(lanes) = &mut self.lanes else { return Ok(()) };
        for row in rows.iter().skip(self.under_way.len()) {
            let goes = is_untouched(row) && row.failure.is_none();
            if self.under_way.len() >= self.width || !goes {
                break;
            }
            // Why it cannot be encrypted is told in its turn.
            let Ok(row) = encrypt::frozen(self.engine, self.endpoint, ledger, row)? else { break };
            await_answer(self.endpoint, ledger, &row)?;
            let temp = Temp { name: temp_name(self.endpoint, &row), place: place.to_string() };
            let number = row.batch.number;
            ledger.sending(number, &self.endpoint.name, &temp)?;
            self.under_way.push_back((number, temp.clone()));
            let path = encrypt::what_goes_out(self.engine, &row);
            if !lanes.give(Job { row, path, temp, verify }) {
                log::warn!("{}: one connection is left", self.endpoint.name);
                self.lanes = None;
                break;
            }
        }
        Ok(())
    }

    /// Waits for the batch whose turn it is, if it was sent ahead.
    pub fn take(&mut self, number: u64) -> Option<Outcome> {
        let at = self.under_way.iter().position(|(of, _)| *of == number)?;
        self.under_way.remove(at);
        self.lanes.as_mut()?.take(number)
    }

    /// Nothing behind what failed is published: removes what was sent of it, as far as that
    /// can be done over a connection that may be broken.
    pub fn close(&mut self, there: Option<&mut (dyn Delivery + 'static)>) {
        if let Some(mut lanes) = self.lanes.take() {
            lanes.give_up();
        }
        let Some(there) = there else { return };
        for (_, temp) in self.under_way.drain(..) {
            if let Err(err) = there.remove(&temp.name) {
                log::warn!("{err}");
                if err.is_broken() {
                    return;
                }
            }
        }
    }
}
