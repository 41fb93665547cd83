//! The streams of a connection, by their numbers.

use crate::http2::stream::Stream;

/// Streams in the order in which they began. Their numbers grow, so that they are found by bisection.
#[derive(Default)]
pub(crate) struct Streams {
    ids: Vec<u32>,
    #[allow(clippy::vec_box, reason = "a stream is used again for a further request")]
    list: Vec<Box<Stream>>,
}

impl Streams {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The place of a stream.
    #[inline]
    pub(crate) fn find(&self, id: u32) -> Option<usize> {
        // The newest is asked for most often.
        match self.ids.last() {
            Some(&last) if last == id => Some(self.ids.len() - 1),
            _ => self.ids.binary_search(&id).ok(),
        }
    }

    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&Stream> {
        self.find(id).map(|at| &*self.list[at])
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.find(id).map(|at| &mut *self.list[at])
    }

    /// Takes in a stream whose number is above all before.
    pub(crate) fn push(&mut self, stream: Box<Stream>) {
        debug_assert!(self.ids.last().is_none_or(|&last| last < stream.id));
        self.ids.push(stream.id);
        self.list.push(stream);
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Box<Stream>> {
        let at = self.find(id)?;
        self.ids.remove(at);
        Some(self.list.remove(at))
    }

    /// Bytes that it has for its lists.
    pub(crate) fn capacity(&self) -> usize {
        self.ids.capacity()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.list.iter().map(|stream| &**stream)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.list.iter_mut().map(|stream| &mut **stream)
    }

    pub(crate) fn ids(&self) -> Vec<u32> {
        self.ids.clone()
    }
}
