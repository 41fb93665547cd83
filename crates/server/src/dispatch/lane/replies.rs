//! Replies on their way from a lane's thread to the loops.

use std::sync::Arc;

use reactor_proto::ws::Frame;

use crate::dispatch::lane::event::{Framed, LaneReply};
use crate::dispatch::reply_box::ReplyBox;
use crate::dispatch::topics::{Publication, Publishing};
use crate::exchange::id::ExchangeId;

/// Frames of one socket are joined up to this many bytes.
const MOST_JOINED: usize = 16 * 1024;

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
        let io_thread = reply.id().io_thread();
        self.filled |= 1 << io_thread;
        self.batches[io_thread].push(reply);
    }

    /// Subscribes a WebSocket to a topic. It must not have the topic already.
    pub fn subscribe(&mut self, exchange: ExchangeId, name: &[u8]) {
        let Some(topics) = self.boxes.first().map(|its| its.topics()) else { return };
        let topic = topics.enter(name, exchange.io_thread());
        self.push(LaneReply::Subscribe(exchange, topic));
    }

    /// Publishes a message to the subscribers of a topic. Returns how many there are.
    pub fn publish(&mut self, name: &[u8], data: &[u8], how: Publishing) -> usize {
        let topics = self.boxes.first().map(|its| its.topics());
        let Some(topic) = topics.and_then(|topics| topics.find(name)) else { return 0 };
        let subscribers = topic.subscribers();
        let publication = Publication::new(topic, data, how);
        for io_thread in publication.loops() {
            let every = ExchangeId::of_connection(io_thread, u32::MAX, 0);
            self.filled |= 1 << io_thread;
            self.batches[io_thread].push(LaneReply::Publish(every, Arc::clone(&publication)));
        }
        subscribers
    }

    /// How many WebSockets have subscribed to a topic.
    #[must_use]
    pub fn subscribers(&self, name: &[u8]) -> usize {
        let topics = self.boxes.first().map(|its| its.topics());
        topics.and_then(|topics| topics.find(name)).map_or(0, |topic| topic.subscribers())
    }

    /// Sends a message over a WebSocket, uncompressed. If the last reply was for the same socket, it
    /// goes along with that.
    pub fn frame(&mut self, id: ExchangeId, frame: Frame, data: &[u8]) {
        let write = |framed: &mut Framed| {
            frame.write(&mut framed.bytes, data);
            if frame == Frame::TEXT || frame == Frame::BINARY {
                framed.payload += u32::try_from(data.len()).unwrap_or(u32::MAX);
                framed.messages += 1;
            }
        };
        if let Some(LaneReply::Frames(last, framed)) = self.batches[id.io_thread()].last_mut()
            && *last == id
            && framed.bytes.len() < MOST_JOINED
        {
            return write(framed);
        }
        let mut framed = Framed::default();
        write(&mut framed);
        self.push(LaneReply::Frames(id, framed));
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
