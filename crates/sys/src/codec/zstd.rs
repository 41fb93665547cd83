//! Zstandard (RFC 8878): `zstd.h`.

use std::ffi::{c_int, c_uint, c_ulonglong, c_void};
use std::fmt;
use std::ptr::NonNull;
use std::sync::OnceLock;

use super::CodecFailed;
use super::library::Library;

/// `ZSTD_CCtx`.
#[repr(C)]
struct Context {
    _opaque: [u8; 0],
}

/// `ZSTD_outBuffer`.
#[repr(C)]
struct Output {
    start: *mut c_void,
    size: usize,
    at: usize,
}

/// `ZSTD_inBuffer`.
#[repr(C)]
struct Input {
    start: *const c_void,
    size: usize,
    at: usize,
}

/// The functions as the header declares them. The enumerations are `int`.
struct Functions {
    create: unsafe extern "C" fn() -> *mut Context,
    free: unsafe extern "C" fn(*mut Context) -> usize,
    set: unsafe extern "C" fn(*mut Context, c_int, c_int) -> usize,
    reset: unsafe extern "C" fn(*mut Context, c_int) -> usize,
    pledge: unsafe extern "C" fn(*mut Context, c_ulonglong) -> usize,
    compress: unsafe extern "C" fn(*mut Context, *mut Output, *mut Input, c_int) -> usize,
    bound: unsafe extern "C" fn(usize) -> usize,
    size_of: unsafe extern "C" fn(*const Context) -> usize,
    is_error: unsafe extern "C" fn(usize) -> c_uint,
}

impl Functions {
    fn get() -> Option<&'static Self> {
        static FUNCTIONS: OnceLock<Option<Functions>> = OnceLock::new();
        FUNCTIONS.get_or_init(Self::find).as_ref()
    }

    fn find() -> Option<Self> {
        let library = Library::with(c"ZSTD_compressStream2", c"libzstd.so.1")?;
        // SAFETY: each field has the type of its function, which is the same in every version
        // since 1.4, where ZSTD_compressStream2 became stable.
        unsafe {
            Some(Self {
                create: library.function(c"ZSTD_createCCtx")?,
                free: library.function(c"ZSTD_freeCCtx")?,
                set: library.function(c"ZSTD_CCtx_setParameter")?,
                reset: library.function(c"ZSTD_CCtx_reset")?,
                pledge: library.function(c"ZSTD_CCtx_setPledgedSrcSize")?,
                compress: library.function(c"ZSTD_compressStream2")?,
                bound: library.function(c"ZSTD_compressBound")?,
                size_of: library.function(c"ZSTD_sizeof_CCtx")?,
                is_error: library.function(c"ZSTD_isError")?,
            })
        }
    }

    fn check(&self, result: usize) -> Result<usize, CodecFailed> {
        // SAFETY: it only looks at the number.
        if unsafe { (self.is_error)(result) } == 0 { Ok(result) } else { Err(CodecFailed) }
    }
}

/// What becomes of the input, by the numbers of `ZSTD_EndDirective`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ZstdOperation {
    /// It is compressed when there is enough of it.
    Process = 0,
    /// A decoder can read all of it at once.
    Flush = 1,
    /// It is the last.
    Finish = 2,
}

/// `ZSTD_reset_session_and_parameters`.
const RESET_ALL: c_int = 3;

/// The numbers of `ZSTD_cParameter`.
const LEVEL: c_int = 100;
const WINDOW_BITS: c_int = 101;
const HASH_BITS: c_int = 102;
const CHAIN_BITS: c_int = 103;

/// How a frame is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZstdParameters {
    /// 1 to 22; 0 is the library's default.
    pub level: i32,
    /// The window's size and those of two tables, as powers of two; 0 lets the level decide.
    pub window_bits: i32,
    /// See `window_bits`.
    pub hash_bits: i32,
    /// See `window_bits`.
    pub chain_bits: i32,
}

/// An encoder. Its memory serves one frame after another.
pub struct Zstd {
    functions: &'static Functions,
    context: NonNull<Context>,
}

// SAFETY: the context is tied to no thread, and one thread at a time has it.
unsafe impl Send for Zstd {}

// SAFETY: with a shared reference only its size can be read, and nothing changes that without an
// exclusive one.
unsafe impl Sync for Zstd {}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zstd").field("held", &self.held()).finish_non_exhaustive()
    }
}

impl Zstd {
    /// Whether the process or the system has the library.
    #[must_use]
    pub fn is_available() -> bool {
        Functions::get().is_some()
    }

    /// An encoder. None if there is no library, or no memory.
    #[must_use]
    pub fn new() -> Option<Self> {
        let functions = Functions::get()?;
        // SAFETY: it takes nothing; null means that there is no memory.
        let context = NonNull::new(unsafe { (functions.create)() })?;
        Some(Self { functions, context })
    }

    /// Begins a frame, whatever became of the one before. `len` is the length of all its input, if
    /// that is known.
    ///
    /// # Errors
    /// [`CodecFailed`], also if a parameter is out of range.
    pub fn begin(
        &mut self,
        parameters: &ZstdParameters,
        len: Option<usize>,
    ) -> Result<(), CodecFailed> {
        let (functions, context) = (self.functions, self.context.as_ptr());
        // SAFETY: the context is alive and this is its only user.
        functions.check(unsafe { (functions.reset)(context, RESET_ALL) })?;
        let values = [
            (LEVEL, parameters.level),
            (WINDOW_BITS, parameters.window_bits),
            (HASH_BITS, parameters.hash_bits),
            (CHAIN_BITS, parameters.chain_bits),
        ];
        for (parameter, value) in values {
            // SAFETY: as above; no frame has begun, and values out of range are refused.
            functions.check(unsafe { (functions.set)(context, parameter, value) })?;
        }
        if let Some(len) = len {
            // SAFETY: as above.
            functions.check(unsafe { (functions.pledge)(context, len as c_ulonglong) })?;
        }
        Ok(())
    }

    /// Takes all of the input, and appends what is ready to `out`. One call with all of a frame is
    /// faster than several.
    ///
    /// # Errors
    /// [`CodecFailed`]; the frame cannot be continued then.
    pub fn run(
        &mut self,
        operation: ZstdOperation,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CodecFailed> {
        // SAFETY: it only looks at the number.
        let bound = unsafe { (self.functions.bound)(input.len()) };
        // If all fits into the output, the encoder writes there without a copy of its own.
        let mut room = if operation == ZstdOperation::Process { 1024 } else { bound };
        let mut source = Input { start: input.as_ptr().cast(), size: input.len(), at: 0 };
        loop {
            out.reserve(room);
            let spare = out.spare_capacity_mut();
            let mut target = Output { start: spare.as_mut_ptr().cast(), size: spare.len(), at: 0 };
            // SAFETY: the context is alive and this is its only user. Both buffers are of the sizes
            // that are given, and nothing else uses them during the call.
            let result = unsafe {
                (self.functions.compress)(
                    self.context.as_ptr(),
                    &raw mut target,
                    &raw mut source,
                    operation as c_int,
                )
            };
            let left = self.functions.check(result)?;
            let len = out.len() + target.at;
            // SAFETY: the encoder has written `target.at` bytes, not more than there was room for.
            unsafe { out.set_len(len) };
            let is_taken = source.at == source.size;
            if is_taken && (left == 0 || operation == ZstdOperation::Process) {
                return Ok(());
            }
            room = left.max(16 * 1024);
        }
    }

    /// Bytes of memory that it has now.
    #[must_use]
    pub fn held(&self) -> usize {
        // SAFETY: the context is alive.
        unsafe { (self.functions.size_of)(self.context.as_ptr()) }
    }
}

impl Drop for Zstd {
    fn drop(&mut self) {
        // SAFETY: the context is alive, and nothing uses it after this.
        unsafe { (self.functions.free)(self.context.as_ptr()) };
    }
}
