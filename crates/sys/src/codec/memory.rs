//! Memory for brotli's encoders. Each needs more than half a megabyte, in blocks of a few sizes.
//! Each thread keeps blocks for the next encoder; else the kernel would map and clear them for
//! every answer.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// What a thread keeps, in bytes.
const KEPT: usize = 4 * 1024 * 1024;

/// The alignment of malloc, which C code relies on. A block's size is written before the block.
const HEAD: usize = 16;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { blocks: Vec::new(), bytes: 0 }) };
}

/// Blocks that are free, the one that was freed first in front.
struct Pool {
    blocks: Vec<Block>,
    bytes: usize,
}

/// Memory of `size` bytes behind a head. Nothing else points to it.
struct Block {
    start: NonNull<u8>,
    size: usize,
}

impl Block {
    fn layout(size: usize) -> Option<Layout> {
        Layout::from_size_align(size.checked_add(HEAD)?, HEAD).ok()
    }

    fn new(size: usize) -> Option<Self> {
        let layout = Self::layout(size)?;
        // SAFETY: the layout has HEAD bytes at least.
        let start = NonNull::new(unsafe { alloc(layout) });
        let Some(start) = start else { handle_alloc_error(layout) };
        Some(Self { start, size })
    }

    /// Gives it to C code.
    fn lend(self) -> *mut c_void {
        let start = self.start.as_ptr();
        // SAFETY: the block is this value's own, aligned for a usize, and has HEAD bytes before
        // those that are lent.
        let lent = unsafe {
            start.cast::<usize>().write(self.size);
            start.add(HEAD)
        };
        std::mem::forget(self);
        lent.cast()
    }

    /// Takes it back.
    ///
    /// # Safety
    /// `lent` is from [`lend`](Self::lend) and has not been taken back; nothing uses it any more.
    unsafe fn take_back(lent: NonNull<c_void>) -> Self {
        // SAFETY: by the caller's promise the block begins HEAD bytes before, with its size.
        unsafe {
            let start = lent.cast::<u8>().sub(HEAD);
            Self { start, size: start.cast::<usize>().read() }
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(layout) = Self::layout(self.size) {
            // SAFETY: it was allocated with this layout, and this is its only owner.
            unsafe { dealloc(self.start.as_ptr(), layout) };
        }
    }
}

impl Pool {
    /// The smallest block that is large enough, but hardly larger than needed.
    fn take(&mut self, size: usize) -> Option<Block> {
        let fits = |block: &Block| block.size >= size && block.size - size <= size / 8;
        let found = self.blocks.iter().enumerate().filter(|(_, block)| fits(block));
        let (at, _) = found.min_by_key(|(_, block)| block.size)?;
        let block = self.blocks.remove(at);
        self.bytes -= block.size;
        Some(block)
    }

    fn put(&mut self, block: Block) {
        if block.size > KEPT {
            return;
        }
        self.bytes += block.size;
        self.blocks.push(block);
        let mut dropped = 0;
        while self.bytes > KEPT {
            self.bytes -= self.blocks[dropped].size;
            dropped += 1;
        }
        self.blocks.drain(..dropped);
    }
}

/// Counts what one encoder has allocated. C code has its address, so it stays where it is.
pub(super) struct Account(NonNull<Cell<usize>>);

impl Account {
    pub(super) fn new() -> Self {
        Self(NonNull::from(Box::leak(Box::new(Cell::new(0)))))
    }

    /// What [`allocate`] and [`free`] are to be called with.
    pub(super) fn opaque(&self) -> *mut c_void {
        self.0.as_ptr().cast()
    }

    pub(super) fn bytes(&self) -> usize {
        self.cell().get()
    }

    fn cell(&self) -> &Cell<usize> {
        // SAFETY: it is freed only when this value is dropped.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // SAFETY: it comes from a Box, and whoever has its address is gone before this value is.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// `brotli_alloc_func`: null if there is no such amount of memory.
///
/// # Safety
/// `opaque` is that of a living [`Account`], which no other thread uses now.
pub(super) unsafe extern "C" fn allocate(opaque: *mut c_void, size: usize) -> *mut c_void {
    let pooled = POOL.try_with(|pool| pool.try_borrow_mut().ok()?.take(size)).ok().flatten();
    let Some(block) = pooled.or_else(|| Block::new(size)) else { return ptr::null_mut() };
    // SAFETY: by the caller's promise.
    let account = unsafe { &*opaque.cast::<Cell<usize>>() };
    account.set(account.get() + block.size);
    block.lend()
}

/// `brotli_free_func`. The thread may be another than that which allocated.
///
/// # Safety
/// As for [`allocate`]; `address` is null or from [`allocate`], and nothing uses it any more.
pub(super) unsafe extern "C" fn free(opaque: *mut c_void, address: *mut c_void) {
    let Some(address) = NonNull::new(address) else { return };
    // SAFETY: by the caller's promise.
    let (block, account) = unsafe { (Block::take_back(address), &*opaque.cast::<Cell<usize>>()) };
    account.set(account.get().saturating_sub(block.size));
    let mut block = Some(block);
    // A thread that ends has no pool any more; then the block is dropped here.
    let _ = POOL.try_with(|pool| {
        if let (Ok(mut pool), Some(block)) = (pool.try_borrow_mut(), block.take()) {
            pool.put(block);
        }
    });
}

/// Bytes that this thread keeps.
#[cfg(test)]
pub(super) fn kept() -> usize {
    POOL.with_borrow(|pool| {
        assert_eq!(pool.bytes, pool.blocks.iter().map(|block| block.size).sum::<usize>());
        pool.bytes
    })
}
