//! Memory of JavaScript's that the engine reads a request's body into.

#![allow(unsafe_code)]

use std::ops::Range;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::Uint8Array;
use reactor_server::LentMemory;

/// An array that JavaScript lends. It is held here, on JavaScript's thread. Dropping this takes it
/// back: the engine cannot write to it any more.
pub(super) struct Lent {
    place: Arc<Place>,
    /// Keeps the memory alive. Dropped after `place` has been emptied.
    _array: Uint8Array,
}

/// Where the array is. The lock is held while its bytes are written.
struct Place {
    at: Mutex<Option<Address>>,
    size: usize,
}

struct Address(*mut u8);

// SAFETY: the memory belongs to no thread. Only `Place::with` uses the address, under its lock.
unsafe impl Send for Address {}

impl Lent {
    pub(super) fn new(mut array: Uint8Array) -> Self {
        // SAFETY: the slice is only made for its address and size, and is gone after this line.
        let bytes = unsafe { array.as_mut() };
        let (at, size) = (Address(bytes.as_mut_ptr()), bytes.len());
        Self { place: Arc::new(Place { at: Mutex::new(Some(at)), size }), _array: array }
    }

    /// What the engine gets.
    pub(super) fn handle(&self) -> Box<dyn LentMemory> {
        Box::new(Handle(Arc::clone(&self.place)))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Waits for a write that is under way on another thread.
        self.place.lock().take();
    }
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, Option<Address>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Handle(Arc<Place>);

impl LentMemory for Handle {
    fn size(&self) -> usize {
        self.0.size
    }

    fn with(&self, range: Range<usize>, write: &mut dyn FnMut(&mut [u8])) -> bool {
        let at = self.0.lock();
        let Some(Address(base)) = at.as_ref().filter(|_| range.end <= self.0.size) else {
            return false;
        };
        // SAFETY: the range lies within the array. The array lives and is neither resized nor
        // transferred while the address is here: `Lent` holds it, and JavaScript shows it to no
        // program before the engine has let go of it. Under the lock nothing else of the engine uses it.
        // JavaScript writes only what came in pieces, in front of this range.
        let room = unsafe { slice::from_raw_parts_mut(base.add(range.start), range.len()) };
        write(room);
        true
    }
}
