//! Topics: names that messages are published under, and the loops that have subscribers.
//!
//! The process keeps one table of topics. Whoever subscribes a socket counts it there at once, so
//! that what the same thread publishes next reaches it. The loop that has the socket counts it off.
//! Each loop knows by itself which of its sockets have a topic.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use reactor_proto::ws::{Deflater, Frame};

use crate::exchange::id::ExchangeId;

/// The longest name, in bytes.
pub const LONGEST_TOPIC: usize = 256;

/// The topics of a server.
#[derive(Debug)]
pub struct Topics {
    io_threads: usize,
    by_name: RwLock<HashMap<Box<[u8]>, Arc<Topic>>>,
}

/// One topic.
#[derive(Debug)]
pub struct Topic {
    name: Box<[u8]>,
    /// How many sockets of each loop have subscribed.
    subscribers: Box<[AtomicU32]>,
}

impl Topic {
    /// How many sockets have subscribed.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.subscribers.iter().map(|count| count.load(Ordering::Relaxed) as usize).sum()
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }
}

impl Topics {
    pub(crate) fn new(io_threads: usize) -> Arc<Self> {
        Arc::new(Self { io_threads, by_name: RwLock::default() })
    }

    /// The topic, if a socket has subscribed to it.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<Arc<Topic>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Counts a socket of this loop as a subscriber. The loop must be told of it.
    #[must_use]
    pub fn enter(&self, name: &[u8], io_thread: usize) -> Arc<Topic> {
        let count = |topic: &Arc<Topic>| {
            topic.subscribers[io_thread].fetch_add(1, Ordering::Relaxed);
            Arc::clone(topic)
        };
        // Counted under the lock: the last one that leaves removes the topic under it.
        if let Some(topic) =
            self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).map(count)
        {
            return topic;
        }
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        let topic = by_name.entry(name.into()).or_insert_with(|| {
            let subscribers = (0..self.io_threads).map(|_| AtomicU32::new(0)).collect();
            Arc::new(Topic { name: name.into(), subscribers })
        });
        count(topic)
    }

    /// A socket of this loop has left the topic, or was gone when the loop was told.
    pub(crate) fn leave(&self, topic: &Topic, io_thread: usize) {
        topic.subscribers[io_thread].fetch_sub(1, Ordering::Relaxed);
        if topic.subscribers() > 0 {
            return;
        }
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if topic.subscribers() == 0 {
            by_name.remove(&topic.name);
        }
    }
}

/// A published message. It is framed once, and compressed at most once, for all sockets.
#[derive(Debug)]
pub struct Publication {
    pub(crate) topic: Arc<Topic>,
    /// The socket that published it and does not get it.
    pub(crate) except: Option<ExchangeId>,
    /// A later one of the topic takes the place of this one, where this one still waits.
    pub(crate) latest: bool,
    kind: Frame,
    /// Its frame.
    pub(crate) plain: Arc<[u8]>,
    /// Where the payload begins in `plain`.
    payload: usize,
    /// The frame of the compressed form, once a loop has made it. None if there is none.
    deflated: OnceLock<Option<Deflated>>,
    compress: bool,
}

#[derive(Debug)]
struct Deflated {
    frame: Arc<[u8]>,
    level: u8,
}

/// How a message is published.
#[derive(Clone, Copy, Debug, Default)]
pub struct Publishing {
    /// Text, or binary.
    pub is_text: bool,
    /// Sockets that have agreed on compression get it compressed.
    pub compress: bool,
    /// See [`Publication`].
    pub latest: bool,
    /// The socket that does not get it.
    pub except: Option<ExchangeId>,
}

impl Publication {
    pub(crate) fn new(topic: Arc<Topic>, data: &[u8], how: Publishing) -> Arc<Self> {
        let kind = if how.is_text { Frame::TEXT } else { Frame::BINARY };
        let mut plain = Vec::with_capacity(data.len() + 10);
        kind.write(&mut plain, data);
        Arc::new(Self {
            topic,
            except: how.except,
            latest: how.latest,
            kind,
            payload: plain.len() - data.len(),
            plain: plain.into(),
            deflated: OnceLock::new(),
            compress: how.compress,
        })
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.plain[self.payload..]
    }

    /// Its kind, for a frame of its own.
    pub(crate) fn frame(&self) -> Frame {
        self.kind
    }

    pub(crate) fn may_compress(&self) -> bool {
        self.compress
    }

    /// The frame of its compressed form, for sockets of this level whose window it fits.
    pub(crate) fn deflated(
        &self,
        deflater: &mut Deflater,
        level: u8,
        window_bits: u8,
    ) -> Option<&Arc<[u8]>> {
        if !deflater.serves(window_bits, self.payload().len()) {
            return None;
        }
        let deflated = self.deflated.get_or_init(|| {
            let mut payload = Vec::new();
            if !deflater.message(self.payload(), &mut payload) {
                return None;
            }
            let mut frame = Vec::with_capacity(payload.len() + 10);
            self.kind.compressed().write(&mut frame, &payload);
            Some(Deflated { frame: frame.into(), level })
        });
        deflated.as_ref().filter(|deflated| deflated.level == level).map(|deflated| &deflated.frame)
    }
}

impl Publication {
    /// The loops that have subscribers of its topic.
    pub(crate) fn loops(&self) -> impl Iterator<Item = usize> + '_ {
        let counts = self.topic.subscribers.iter().enumerate();
        counts.filter(|(_, count)| count.load(Ordering::Relaxed) > 0).map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_lives_as_long_as_it_has_subscribers() {
        let topics = Topics::new(2);
        assert!(topics.find(b"news").is_none());
        let one = topics.enter(b"news", 0);
        let two = topics.enter(b"news", 1);
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(topics.find(b"news").map(|topic| topic.subscribers()), Some(2));
        let message = Publication::new(one.clone(), b"x", Publishing::default());
        assert_eq!(message.loops().collect::<Vec<_>>(), [0, 1]);
        topics.leave(&one, 0);
        assert_eq!(message.loops().collect::<Vec<_>>(), [1]);
        topics.leave(&two, 1);
        assert!(topics.find(b"news").is_none());
    }

    #[test]
    fn a_publication_is_compressed_once() {
        let topics = Topics::new(1);
        let data = vec![b'a'; 1000];
        let how = Publishing { is_text: true, compress: true, ..Publishing::default() };
        let message = Publication::new(topics.enter(b"t", 0), &data, how);
        assert_eq!(message.payload(), data);
        let mut deflater = Deflater::shared(1, 15);
        let frame = message.deflated(&mut deflater, 1, 15).expect("it shrinks").clone();
        assert!(frame.len() < 100 && frame[0] == 0xc1);
        let again = message.deflated(&mut deflater, 1, 10).expect("it is short");
        assert!(Arc::ptr_eq(&frame, again));
        assert!(message.deflated(&mut deflater, 1, 9).is_none(), "its window is too small");
    }
}
