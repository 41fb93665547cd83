//! What the WebSockets of one loop share.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use reactor_proto::ws::{Deflater, Inflater};

use crate::dispatch::topics::{Topic, Topics};
use crate::exchange::id::ConnId;

/// State and scratch of a loop's WebSockets.
pub(crate) struct Shared {
    /// The topics of the server.
    pub(crate) topics: Arc<Topics>,
    /// The sockets of this loop by topic: their connections, and their exchanges there.
    subscribers: HashMap<Box<[u8]>, HashSet<(ConnId, u32)>>,
    /// For messages that are each compressed by themselves.
    inflater: Option<Inflater>,
    /// By level.
    deflaters: Vec<(u8, Deflater)>,
    /// Scratch for a compressed message.
    pub(crate) deflated: Vec<u8>,
}

impl Shared {
    pub(crate) fn new(topics: Arc<Topics>) -> Self {
        Self {
            topics,
            subscribers: HashMap::new(),
            inflater: None,
            deflaters: Vec::new(),
            deflated: Vec::new(),
        }
    }

    pub(crate) fn inflater(&mut self) -> &mut Inflater {
        self.inflater.get_or_insert_with(Inflater::shared)
    }

    /// The compressor of this level, and the scratch for its output.
    pub(crate) fn deflater(&mut self, level: u8) -> (&mut Deflater, &mut Vec<u8>) {
        let place = self.deflaters.iter().position(|(its, _)| *its == level);
        let place = place.unwrap_or_else(|| {
            self.deflaters.push((level, Deflater::shared(level, 15)));
            self.deflaters.len() - 1
        });
        self.deflated.clear();
        (&mut self.deflaters[place].1, &mut self.deflated)
    }

    pub(crate) fn subscribe(&mut self, topic: &Topic, conn: (ConnId, u32)) -> bool {
        if let Some(conns) = self.subscribers.get_mut(topic.name()) {
            return conns.insert(conn);
        }
        self.subscribers.insert(topic.name().into(), HashSet::from([conn]));
        true
    }

    /// The socket leaves the topic.
    pub(crate) fn leave(&mut self, conn: (ConnId, u32), topic: &Topic, io_thread: usize) {
        if let Some(conns) = self.subscribers.get_mut(topic.name()) {
            conns.remove(&conn);
            if conns.is_empty() {
                self.subscribers.remove(topic.name());
            }
        }
        self.topics.leave(topic, io_thread);
    }

    /// The sockets that have subscribed, taken out; see [`put_back`](Self::put_back).
    pub(crate) fn take(&mut self, topic: &Topic) -> Option<HashSet<(ConnId, u32)>> {
        self.subscribers.get_mut(topic.name()).map(std::mem::take)
    }

    pub(crate) fn put_back(&mut self, topic: &Topic, conns: HashSet<(ConnId, u32)>) {
        if let Some(place) = self.subscribers.get_mut(topic.name()) {
            *place = conns;
        }
    }
}
