//! Memory that a thread of the simulation lends for a body. The thread takes it back at its end.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::exchange::loan::LentMemory;

type Bytes = Arc<Mutex<Option<Vec<u8>>>>;

pub(super) struct Lending(Bytes);

struct Handle {
    bytes: Bytes,
    size: usize,
}

impl Lending {
    pub(super) fn new(size: usize) -> Self {
        Self(Arc::new(Mutex::new(Some(vec![0; size]))))
    }

    pub(super) fn handle(&self) -> Box<dyn LentMemory> {
        let bytes = Arc::clone(&self.0);
        let size = bytes.lock().unwrap().as_ref().map_or(0, Vec::len);
        Box::new(Handle { bytes, size })
    }

    pub(super) fn read(&self, range: Range<usize>) -> Vec<u8> {
        let bytes = self.0.lock().unwrap();
        bytes.as_ref().and_then(|bytes| bytes.get(range)).unwrap_or_default().to_vec()
    }
}

impl Drop for Lending {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl LentMemory for Handle {
    fn size(&self) -> usize {
        self.size
    }

    fn with(&self, range: Range<usize>, write: &mut dyn FnMut(&mut [u8])) -> bool {
        let mut bytes = self.bytes.lock().unwrap();
        let room = bytes.as_mut().and_then(|bytes| bytes.get_mut(range));
        room.map(write).is_some()
    }
}
