//! A descriptor in Node's own event loop.
//!
//! Node-API gives out the libuv loop of an environment (napi_get_uv_event_loop). Node
//! exports libuv's functions to add-ons, and libuv 1 keeps their signatures. Everything
//! here runs on the environment's thread.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::Function;
use napi::{Env, Error, Result, Status, sys};

/// `uv_poll_t`: only libuv knows its fields.
#[repr(C)]
struct UvPoll {
    _private: [u8; 0],
}

const UV_POLL: c_int = 8;
const UV_READABLE: c_int = 1;

type OnPoll = unsafe extern "C" fn(handle: *mut UvPoll, status: c_int, events: c_int);
type OnClose = unsafe extern "C" fn(handle: *mut UvPoll);

unsafe extern "C" {
    fn uv_handle_size(kind: c_int) -> usize;
    fn uv_poll_init(uv: *mut sys::uv_loop_s, handle: *mut UvPoll, fd: c_int) -> c_int;
    fn uv_poll_start(handle: *mut UvPoll, events: c_int, callback: OnPoll) -> c_int;
    fn uv_poll_stop(handle: *mut UvPoll) -> c_int;
    fn uv_close(handle: *mut UvPoll, callback: OnClose);
    fn uv_unref(handle: *mut UvPoll);
    fn uv_handle_set_data(handle: *mut UvPoll, data: *mut c_void);
    fn uv_handle_get_data(handle: *const UvPoll) -> *mut c_void;
}

/// What libuv and the owner of a [`Watch`] share.
struct Shared {
    /// Room for a `uv_poll_t`, in words so that it is aligned.
    handle: *mut UvPoll,
    _room: Box<[Cell<u64>]>,
    env: sys::napi_env,
    function: sys::napi_ref,
    hook: Cell<sys::napi_async_cleanup_hook_handle>,
    started: Cell<bool>,
    closing: Cell<bool>,
}

/// Calls a JavaScript function whenever a descriptor is ready for reading, between
/// [`start`](Self::start) and [`stop`](Self::stop). It does not keep the process alive.
pub(super) struct Watch(Rc<Shared>);

impl Watch {
    /// `fd` must stay open until the watch is closed, or its environment ends.
    pub(super) fn new(env: &Env, fd: RawFd, function: &Function<'_, (), ()>) -> Result<Self> {
        let uv = env.get_uv_event_loop()?;
        // SAFETY: `uv_handle_size` has no conditions.
        let size = unsafe { uv_handle_size(UV_POLL) };
        let room: Box<[Cell<u64>]> = (0..size.div_ceil(8)).map(|_| Cell::new(0)).collect();
        let handle = room.as_ptr().cast_mut().cast::<UvPoll>();
        let mut reference = ptr::null_mut();
        // SAFETY: the function is a value of this environment, in a scope of
        // the caller's.
        check(unsafe {
            let value = napi::bindgen_prelude::ToNapiValue::to_napi_value(env.raw(), *function)?;
            sys::napi_create_reference(env.raw(), value, 1, &raw mut reference)
        })?;
        let shared = Rc::new(Shared {
            handle,
            _room: room,
            env: env.raw(),
            function: reference,
            hook: Cell::new(ptr::null_mut()),
            started: Cell::new(false),
            closing: Cell::new(false),
        });
        // SAFETY: the loop is this thread's. The room is large enough, does not move, and
        // lives until libuv has called `on_closed`.
        let status = unsafe { uv_poll_init(uv, handle, fd) };
        if status != 0 {
            // SAFETY: made above.
            unsafe { sys::napi_delete_reference(env.raw(), reference) };
            return Err(Error::new(
                Status::GenericFailure,
                format!("libuv does not watch: {status}"),
            ));
        }
        let data = Rc::into_raw(Rc::clone(&shared)).cast_mut().cast::<c_void>();
        let mut hook = ptr::null_mut();
        // SAFETY: the handle is initialised. `on_closed` gives libuv's share of `data` back.
        // The hook runs at most once and before that, because `on_closed` removes it.
        check(unsafe {
            uv_handle_set_data(handle, data);
            uv_unref(handle);
            sys::napi_add_async_cleanup_hook(env.raw(), Some(on_teardown), data, &raw mut hook)
        })?;
        shared.hook.set(hook);
        Ok(Self(shared))
    }

    /// Starts watching; no-op if it watches already.
    pub(super) fn start(&self) {
        if !self.0.closing.get() && !self.0.started.replace(true) {
            // SAFETY: the handle is initialised and not closing.
            unsafe { uv_poll_start(self.0.handle, UV_READABLE, on_ready) };
        }
    }

    /// Stops watching; no-op if it does not watch.
    pub(super) fn stop(&self) {
        if !self.0.closing.get() && self.0.started.replace(false) {
            // SAFETY: the handle is initialised and not closing.
            unsafe { uv_poll_stop(self.0.handle) };
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Shared {
    fn close(&self) {
        if !self.closing.replace(true) {
            // SAFETY: the handle is initialised, and closed once.
            unsafe { uv_close(self.handle, on_closed) };
        }
    }
}

/// SAFETY: libuv calls it with a handle of ours, on its thread.
unsafe extern "C" fn on_ready(handle: *mut UvPoll, _status: c_int, _events: c_int) {
    // SAFETY: libuv's share keeps what `data` points to alive until `on_closed`.
    let Shared { env, function, .. } = unsafe { &*uv_handle_get_data(handle).cast::<Shared>() };
    let (env, function) = (*env, *function);
    let mut scope = ptr::null_mut();
    // SAFETY: the environment is alive, because its teardown closes the handle first. No
    // JavaScript runs on this thread, so the values get a scope, which is always closed.
    unsafe {
        if sys::napi_open_handle_scope(env, &raw mut scope) != sys::Status::napi_ok {
            return;
        }
        let (mut callee, mut receiver) = (ptr::null_mut(), ptr::null_mut());
        sys::napi_get_reference_value(env, function, &raw mut callee);
        sys::napi_get_global(env, &raw mut receiver);
        let status = sys::napi_make_callback(
            env,
            ptr::null_mut(),
            receiver,
            callee,
            0,
            ptr::null(),
            ptr::null_mut(),
        );
        if status == sys::Status::napi_pending_exception {
            let mut error = ptr::null_mut();
            sys::napi_get_and_clear_last_exception(env, &raw mut error);
            sys::napi_fatal_exception(env, error);
        }
        sys::napi_close_handle_scope(env, scope);
    }
}

/// SAFETY: Node calls it with the `data` of `new`, on the environment's thread,
/// before `on_closed` has removed it.
unsafe extern "C" fn on_teardown(_: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: libuv's share is alive until `on_closed`.
    unsafe { &*data.cast::<Shared>() }.close();
}

/// SAFETY: libuv calls it once, with a handle of ours, on its thread.
unsafe extern "C" fn on_closed(handle: *mut UvPoll) {
    // SAFETY: takes back the share that `new` gave libuv.
    let shared = unsafe { Rc::from_raw(uv_handle_get_data(handle).cast::<Shared>()) };
    // SAFETY: `new` made both. The environment is alive, because it waits until the hook
    // is removed.
    unsafe {
        sys::napi_delete_reference(shared.env, shared.function);
        sys::napi_remove_async_cleanup_hook(shared.hook.get());
    }
}

fn check(status: sys::napi_status) -> Result<()> {
    if status == sys::Status::napi_ok {
        return Ok(());
    }
    Err(Error::new(Status::from(status), "lane: the watch cannot be set up"))
}
