//! Replies on their way from a lane's thread to the loops.

use std::sync::Arc;

use crate::dispatch::lane::event::LaneReply;
use crate::dispatch::reply_box::ReplyBox;

/// Collects the replies of a lane's thread, and hands them over in batches.
pub struct LaneReplies {
    boxes: Vec<Arc<ReplyBox>>,
    /// Replies that have not been handed over, for each loop.
    batches: Vec<Vec<LaneReply>>,
    /// The loops that have something in `batches`, one bit each.
    filled: u32,
    /// The loops that have got replies and have not been woken for them, one bit each.
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

    /// Takes a reply, for the loop that its exchange belongs to.
    pub fn push(&mut self, reply: LaneReply) {
        let io_thread = reply.id().io_thread;
        self.filled |= 1 << io_thread;
        self.batches[io_thread].push(reply);
    }

    /// Puts the collected replies into the boxes of their loops, which find them when they look. A
    /// thread that drives a loop calls this before it does.
    pub fn hand_over(&mut self) {
        self.touched |= self.filled;
        for io_thread in bits(std::mem::take(&mut self.filled)) {
            self.boxes[io_thread].give_lane(&mut self.batches[io_thread]);
        }
    }

    /// The loops that have got replies need not be woken, because they are about to look.
    pub fn forget(&mut self) {
        self.touched = 0;
    }

    /// Hands over the remaining replies. Wakes the loops that have got some, and `others`, one bit
    /// each.
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
