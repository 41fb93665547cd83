//! The way of replies from a lane's thread to the loops.

use std::sync::Arc;

use crate::dispatch::lane::event::LaneReply;
use crate::dispatch::reply_box::ReplyBox;

/// Where a lane's thread puts its replies.
pub struct LaneReplies {
    boxes: Vec<Arc<ReplyBox>>,
    /// What has not been handed over, for each loop.
    batches: Vec<Vec<LaneReply>>,
    /// The loops of which `batches` has something.
    filled: u32,
    /// The loops that have been handed something, and not been told.
    touched: u32,
}

impl LaneReplies {
    pub(crate) fn new(boxes: &[Arc<ReplyBox>]) -> Self {
        let batches = boxes.iter().map(|_| Vec::new()).collect();
        Self { boxes: boxes.to_vec(), batches, filled: 0, touched: 0 }
    }

    /// How many loops there are.
    #[must_use]
    pub fn io_threads(&self) -> usize {
        self.batches.len()
    }

    /// Takes a reply for the loop that it belongs to.
    pub fn push(&mut self, reply: LaneReply) {
        let io_thread = reply.id().io_thread;
        self.filled |= 1 << io_thread;
        self.batches[io_thread].push(reply);
    }

    /// Puts what has been pushed into the boxes of its loops, which find it
    /// when they look.
    pub fn hand_over(&mut self) {
        self.touched |= self.filled;
        for io_thread in bits(std::mem::take(&mut self.filled)) {
            self.boxes[io_thread].give_lane(&mut self.batches[io_thread]);
        }
    }

    /// The loops that have been handed something need not be woken: they are about
    /// to look.
    pub fn forget(&mut self) {
        self.touched = 0;
    }

    /// Hands over what is left, and wakes the loops that have been handed something, and
    /// these, one bit each.
    pub(crate) fn wake(&mut self, others: u32) {
        self.hand_over();
        for io_thread in bits(std::mem::take(&mut self.touched) | others) {
            self.boxes[io_thread].notify();
        }
    }
}

/// The places of the bits that are set.
fn bits(mut set: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (set != 0).then(|| set.trailing_zeros() as usize);
        set &= set.wrapping_sub(1);
        place
    })
}
