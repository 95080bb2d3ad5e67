//! Blocks through the workers and out again in order.
//!
//! The calling thread reads and takes; the pool renders. A bounded queue of blocks
//! under way keeps memory flat whatever the size of the file, and what comes out
//! comes out in the order of the file whatever the number of workers.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, channel};

use rayon::ThreadPool;

use super::EngineError;
use super::rendered::Rendered;
use crate::extract::{Block, Blocks};

/// Blocks under way for each worker: one being rendered, one waiting, and some
/// slack while the caller writes.
const BLOCKS_A_WORKER: usize = 3;
/// Blocks under way at most, whatever the number of workers: a block and its messages
/// are half a megabyte or more, and one writer keeps no more than a few workers busy.
const BLOCKS_MAX: usize = 16;

/// A block and what was made of it.
type Done = (Block, Rendered);

/// Renders every block in the pool and hands the results to `take`, in order.
///
/// The buffers go round: a new one for each block cost 3 s of page faults where the
/// work is 5 s (1.6 GB of messages).
///
/// # Errors
/// The first of the reader or of `take`.
pub fn ordered(
    pool: &ThreadPool,
    blocks: &mut Blocks,
    render: &(dyn Fn(&Block, &mut Rendered) + Sync),
    seen: &mut dyn FnMut(&Block) -> Result<(), EngineError>,
    take: &mut dyn FnMut(&mut Rendered) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let depth = (pool.current_num_threads() * BLOCKS_A_WORKER).min(BLOCKS_MAX);
    let mut spare: Vec<Rendered> = Vec::with_capacity(depth);
    pool.in_place_scope(|scope| {
        let mut pending: VecDeque<Receiver<Done>> = VecDeque::with_capacity(depth);
        let mut at_end = false;
        loop {
            while !at_end && pending.len() < depth {
                match blocks.next_block().map_err(EngineError::Extract)? {
                    Some(block) => {
                        seen(&block)?;
                        let (sender, receiver) = channel();
                        let mut rendered = spare.pop().unwrap_or_default();
                        scope.spawn(move |_| {
                            render(&block, &mut rendered);
                            // The receiver is gone only after an error elsewhere.
                            let _ = sender.send((block, rendered));
                        });
                        pending.push_back(receiver);
                    }
                    None => at_end = true,
                }
            }
            let Some(next) = pending.pop_front() else { return Ok(()) };
            let (block, mut rendered) = next.recv().map_err(|_| EngineError::Worker)?;
            take(&mut rendered)?;
            blocks.reuse(block);
            rendered.clear();
            spare.push(rendered);
        }
    })
}
