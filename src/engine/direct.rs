//! Delivery to servers that cannot rename: under the final name, with nothing to hide
//! a half file behind (`delivery.md` section 4, quirk 3).
//!
//! A broken try leaves a half file under the final name, which the next one replaces.
//! There is no token that only a rename can use up: where the vendor takes files at
//! once, a file that is gone after a broken try may have been half or whole, and only
//! a person can find out.

use std::fs::File;
use std::sync::atomic::AtomicBool;

use super::attempt::{Attempt, Broken, Counted, End};
use super::doubt::Look;
use crate::delivery::DeliveryError;
use crate::domain::Verify;
use crate::ledger::{Stage, Temp};

impl Attempt<'_> {
    /// Writes the file under its final name.
    pub fn send_directly(&mut self, mut bytes: File) -> Result<End, Broken> {
        let row = self.row;
        let (number, name) = (row.batch.number, row.name());
        let temp = Temp { name: name.to_string(), place: self.place.clone() };
        let unsure = self.row.stage == Stage::Uncertain;
        let begun = unsure || self.row.stage == Stage::Sending;
        let ours = begun && self.row.temp.as_ref() == Some(&temp);
        let taken = unsure || self.endpoint.protocol.pickup_immediate;
        match self.look(name, true)? {
            Look::Ours => return Ok(End::Done("seen")),
            Look::Other if ours => self.there.remove(name)?,
            Look::Other => return Ok(self.conflict()),
            Look::Absent if ours && taken => {
                return Ok(self.uncertain(
                    "a try broke off while the file was written under its final name, and it is \
                     not there: it may have been taken, half or whole",
                ));
            }
            Look::Absent | Look::Refused => {}
        }
        self.ledger.sending(number, &self.endpoint.name, &temp)?;
        let stop = AtomicBool::new(false);
        let mut counted = Counted { file: &mut bytes, engine: self.engine, stop: &stop };
        match self.there.upload(name, &mut counted, row.bytes()) {
            Ok(()) => {}
            Err(DeliveryError::Exists { .. } | DeliveryError::Refused { .. }) if ours => {
                return Ok(self.uncertain(
                    "a try broke off while the file was written under its final name, and the \
                     server does not let us look how much of it is there",
                ));
            }
            Err(DeliveryError::Exists { .. }) => return Ok(self.conflict()),
            Err(err) => return Err(err.into()),
        }
        if self.verify == Verify::Hash {
            match self.there.digest(name) {
                Ok(digest) if digest == row.digest() => {}
                Ok(_) => {
                    self.tidy(name)?;
                    let what = "the bytes read back are not those that were sent; they were \
                                removed, unless the vendor took them before";
                    return Ok(End::Wait(what.to_string(), None));
                }
                // Its size was right when it was closed, and now the vendor has it.
                Err(DeliveryError::NotFound { .. }) if self.endpoint.protocol.pickup_immediate => {}
                Err(err) => return Err(err.into()),
            }
        }
        Ok(End::Done("written"))
    }
}
