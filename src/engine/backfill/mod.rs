//! Backfills: all patients, then all appointments to come, in a lane of their own that
//! yields to the day's traffic (`interface.md` 7, 8.20).
//!
//! ```text
//! start    extracts -> survey -> slices in backfill/slices/ -> rehearsal -> plan.json
//! release  a row in the ledger
//! a pass   when the day's traffic is done, and it is time: the next slice is a drop of its
//!          own, converted, committed with the row, delivered; then the inbox is looked at
//! ```
//!
//! Folders own files: a slice lies in `backfill/slices/` until it is in the ledger, then in
//! `archive/` as every extract. How many were taken in stands in the ledger and moves with
//! the commit of their drops, so after any crash it is known which one is next.
//!
//! | found | means | done |
//! |---|---|---|
//! | slices and no `plan.json` | a survey that was broken off | removed by the next one |
//! | `plan.json`, no row in the ledger | waits for its release | nothing |
//! | a slice up to the row's count | taken in, not shelved | to `archive/` |
//! | `plan.json`, the row done or cancelled | over | what is left is removed |

mod cut;
mod lane;
mod pace;
mod plan;
mod rehearse;
mod start;
mod tasks;
mod told;

pub use lane::Slice;
pub(super) use lane::{tidy, turns};
pub(super) use plan::is_slice;
pub use plan::{Foreseen, NotUnique, Part, Plan};
pub use tasks::{BackfillTask, State};
pub use told::Backfilling;

pub(super) use tasks::carry_out;
