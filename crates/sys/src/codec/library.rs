//! Finds C functions of the process, or of a shared library.

use std::ffi::{CStr, c_void};

use nix::libc;

/// Where functions are looked up.
#[derive(Clone, Copy)]
pub(super) struct Library(*mut c_void);

impl Library {
    /// The whole process, if it has the function `probe`; else the shared library `file`. That is
    /// never closed, since its functions are kept.
    pub(super) fn with(probe: &CStr, file: &CStr) -> Option<Self> {
        let process = Self(libc::RTLD_DEFAULT);
        if process.address(probe).is_some() {
            return Some(process);
        }
        // SAFETY: the name ends with NUL and lives until the call returns. The initializers that
        // dlopen runs are those of a library that the system has installed for any program.
        let handle = unsafe { libc::dlopen(file.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        (!handle.is_null()).then_some(Self(handle))
    }

    fn address(self, name: &CStr) -> Option<*mut c_void> {
        // SAFETY: the handle is RTLD_DEFAULT or an open library's, the name ends with NUL, and
        // dlsym writes to neither.
        let address = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        (!address.is_null()).then_some(address)
    }

    /// The function of this name.
    ///
    /// # Safety
    /// `F` is the type of a pointer to it: `unsafe extern "C" fn` with what the C header declares.
    pub(super) unsafe fn function<F: Copy>(self, name: &CStr) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let address = self.address(name)?;
        // SAFETY: both are as large as a pointer. The address is not null, and by the caller's
        // promise it is that of a function of this type.
        Some(unsafe { std::mem::transmute_copy(&address) })
    }
}
