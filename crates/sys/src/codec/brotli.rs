//! Brotli (RFC 7932): `brotli/encode.h`.

use std::ffi::{c_int, c_void};
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use super::CodecFailed;
use super::library::Library;
use super::memory::{Account, allocate, free};

/// `BrotliEncoderState`.
#[repr(C)]
struct State {
    _opaque: [u8; 0],
}

type Allocate = unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void, *mut c_void);

/// The functions as the header declares them. `BROTLI_BOOL` and the enumerations are `int`.
struct Functions {
    create: unsafe extern "C" fn(Option<Allocate>, Option<Free>, *mut c_void) -> *mut State,
    set: unsafe extern "C" fn(*mut State, c_int, u32) -> c_int,
    compress: unsafe extern "C" fn(
        *mut State,
        c_int,
        *mut usize,
        *mut *const u8,
        *mut usize,
        *mut *mut u8,
        *mut usize,
    ) -> c_int,
    take: unsafe extern "C" fn(*mut State, *mut usize) -> *const u8,
    destroy: unsafe extern "C" fn(*mut State),
}

impl Functions {
    fn get() -> Option<&'static Self> {
        static FUNCTIONS: OnceLock<Option<Functions>> = OnceLock::new();
        FUNCTIONS.get_or_init(Self::find).as_ref()
    }

    fn find() -> Option<Self> {
        let library = Library::with(c"BrotliEncoderCreateInstance", c"libbrotlienc.so.1")?;
        // SAFETY: each field has the type of its function, which is the same in every version
        // since 1.0.
        unsafe {
            Some(Self {
                create: library.function(c"BrotliEncoderCreateInstance")?,
                set: library.function(c"BrotliEncoderSetParameter")?,
                compress: library.function(c"BrotliEncoderCompressStream")?,
                take: library.function(c"BrotliEncoderTakeOutput")?,
                destroy: library.function(c"BrotliEncoderDestroyInstance")?,
            })
        }
    }
}

/// What becomes of the input, by the numbers of `BrotliEncoderOperation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum BrotliOperation {
    /// It is compressed when there is enough of it.
    Process = 0,
    /// A decoder can read all of it at once.
    Flush = 1,
    /// It is the last.
    Finish = 2,
    /// It is not compressed: decoders pass over it.
    Metadata = 3,
}

/// The numbers of `BrotliEncoderParameter`.
const QUALITY: c_int = 1;
const WINDOW_BITS: c_int = 2;
const SIZE_HINT: c_int = 5;

/// More than the bits before metadata take, in bytes.
const HEADER: usize = 64;

/// An encoder of one stream.
pub struct Brotli {
    functions: &'static Functions,
    state: NonNull<State>,
    account: Account,
}

// SAFETY: the state is tied to no thread, and one thread at a time has it. Blocks of memory may be
// allocated on one thread and freed on another.
unsafe impl Send for Brotli {}

// SAFETY: with a shared reference only the count of bytes can be read, and nothing changes that
// without an exclusive one.
unsafe impl Sync for Brotli {}

impl fmt::Debug for Brotli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brotli").field("held", &self.held()).finish_non_exhaustive()
    }
}

impl Brotli {
    /// Whether the process or the system has the library.
    #[must_use]
    pub fn is_available() -> bool {
        Functions::get().is_some()
    }

    /// An encoder with a quality of 0 to 11 and a window of 2¹⁰ to 2²⁴ bytes, for about `expected`
    /// bytes; 0 if that is not known. None if there is no library.
    #[must_use]
    pub fn new(quality: u32, window_bits: u32, expected: usize) -> Option<Self> {
        let functions = Functions::get()?;
        let account = Account::new();
        // SAFETY: both functions are of the declared types. The account outlives the state, which
        // is destroyed before the fields of this value are dropped.
        let state = unsafe { (functions.create)(Some(allocate), Some(free), account.opaque()) };
        let encoder = Self { functions, state: NonNull::new(state)?, account };
        let expected = u32::try_from(expected).unwrap_or(u32::MAX);
        for (parameter, value) in
            [(QUALITY, quality), (WINDOW_BITS, window_bits), (SIZE_HINT, expected)]
        {
            // SAFETY: the state is alive and nothing was compressed yet. A value that is out of
            // range is clamped.
            unsafe { (functions.set)(encoder.state.as_ptr(), parameter, value) };
        }
        Some(encoder)
    }

    /// Takes all of the input, and appends what is ready to `out`.
    ///
    /// # Errors
    /// [`CodecFailed`].
    pub fn run(
        &mut self,
        operation: BrotliOperation,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CodecFailed> {
        let state = self.state.as_ptr();
        let (mut left, mut next) = (input.len(), input.as_ptr());
        // Metadata are at their end only when a call has room behind the last of them. All else the
        // encoder keeps until it is taken.
        let more = if operation == BrotliOperation::Metadata { HEADER } else { 0 };
        loop {
            out.reserve(if more > 0 { left + more } else { 0 });
            let spare = if more > 0 { out.spare_capacity_mut() } else { &mut [] };
            let (mut room, mut target) = (spare.len(), spare.as_mut_ptr().cast::<u8>());
            let most = room;
            // SAFETY: the state is alive and this is its only user. `next` has `left` readable
            // bytes, which the encoder copies. `target` has room for `room` bytes; without room
            // nothing is written there.
            let done = unsafe {
                (self.functions.compress)(
                    state,
                    operation as c_int,
                    &raw mut left,
                    &raw mut next,
                    &raw mut room,
                    &raw mut target,
                    ptr::null_mut(),
                )
            };
            if done == 0 {
                return Err(CodecFailed);
            }
            let len = out.len() + (most - room);
            // SAFETY: the encoder has written the bytes by which the room is less than before.
            unsafe { out.set_len(len) };
            let mut len = 0;
            // SAFETY: the state is alive. The encoder returns memory of its own with `len` bytes,
            // valid until the next call, and it is copied before that. With 0 it may be null.
            unsafe {
                let bytes = (self.functions.take)(state, &raw mut len);
                if len > 0 && !bytes.is_null() {
                    out.extend_from_slice(std::slice::from_raw_parts(bytes, len));
                }
            }
            // A call stops where output waits, though there may be more to do. So only one that has
            // made none has done all.
            if left == 0 && len == 0 && (more == 0 || room > 0) {
                return Ok(());
            }
        }
    }

    /// Bytes of memory that it has now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.account.bytes()
    }
}

impl Drop for Brotli {
    fn drop(&mut self) {
        // SAFETY: the state is alive, and nothing uses it after this.
        unsafe { (self.functions.destroy)(self.state.as_ptr()) };
    }
}
