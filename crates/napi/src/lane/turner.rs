//! `NativeLane::turn` as a plain function of Node-API.
//!
//! For each call of a method, napi-rs notes its borrow in a table of the process, under a lock,
//! and allocates three times. At one request a turn that is a good part of what a request costs,
//! and JavaScript threads would share the lock.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::slice;

use napi::bindgen_prelude::{FromNapiValue, Unknown};
use napi::{Env, Error, Result, Status, sys};

use super::{NativeLane, invalid};

/// Where a lane is, for its function. Null before there is one, and after the lane's end.
#[derive(Default)]
pub(super) struct Place(Rc<Cell<*mut NativeLane>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(ptr::null_mut());
    }
}

/// The function, with the arguments of [`NativeLane::turn`]. After the lane's end it throws.
pub(super) fn function<'env>(env: &'env Env, lane: &mut NativeLane) -> Result<Unknown<'env>> {
    // The lane lives in a box of napi-rs, which does not move it before it drops it. Its `Place`
    // is then dropped with it.
    let at = ptr::from_mut(lane);
    lane.place.0.set(at);
    let data = Rc::into_raw(Rc::clone(&lane.place.0)).cast_mut().cast::<c_void>();
    let mut function = ptr::null_mut();
    // SAFETY: the environment is the caller's. `on_turn` gets `data`, which lives until `on_end`.
    // If there is no function, nothing refers to `data`.
    unsafe {
        let status = sys::napi_create_function(
            env.raw(),
            c"turn".as_ptr(),
            4,
            Some(on_turn),
            data,
            &raw mut function,
        );
        let status = if status == sys::Status::napi_ok {
            let (hint, result) = (ptr::null_mut(), ptr::null_mut());
            sys::napi_add_finalizer(env.raw(), function, data, Some(on_end), hint, result)
        } else {
            status
        };
        if status != sys::Status::napi_ok {
            drop(Rc::from_raw(data.cast::<Cell<*mut NativeLane>>()));
            lane.place.0.set(ptr::null_mut());
            return Err(Error::new(Status::from(status), "lane: no function can be made"));
        }
        Unknown::from_napi_value(env.raw(), function)
    }
}

/// SAFETY: Node calls it on the environment's thread, with the `data` of `function`.
unsafe extern "C" fn on_turn(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // No panic may leave this function.
    // SAFETY: as for this function.
    let turned = catch_unwind(AssertUnwindSafe(|| unsafe { turn(env, info) }));
    let mut result = ptr::null_mut();
    // SAFETY: the environment is alive, because it calls this.
    unsafe {
        match turned.unwrap_or_else(|_| Err(invalid("a defect; see the standard error"))) {
            Ok(count) => {
                sys::napi_create_uint32(env, count, &raw mut result);
            }
            Err(error) => {
                let text = CString::new(error.reason.as_bytes()).unwrap_or_default();
                sys::napi_throw_error(env, c"InvalidArg".as_ptr(), text.as_ptr());
            }
        }
    }
    result
}

/// SAFETY: as for `on_turn`.
unsafe fn turn(env: sys::napi_env, info: sys::napi_callback_info) -> Result<u32> {
    let mut count = 5;
    let mut arguments = [ptr::null_mut(); 5];
    let mut data = ptr::null_mut();
    let mut words = 0;
    // SAFETY: there is room for five arguments; missing ones are `undefined`.
    let status = unsafe {
        sys::napi_get_cb_info(
            env,
            info,
            &raw mut count,
            arguments.as_mut_ptr(),
            ptr::null_mut(),
            &raw mut data,
        )
    };
    check(status)?;
    // SAFETY: the value is an argument of this call.
    check(unsafe { sys::napi_get_value_uint32(env, arguments[3], &raw mut words) })?;
    let lane = data.cast::<Cell<*mut NativeLane>>();
    // SAFETY: `data` is that of `function`, which lives as long as the function. A lane that is
    // there is this thread's. No other reference to it is in use: no method of it calls JavaScript.
    // The arrays are arguments, so they live through this call, and JavaScript, which alone could
    // change them meanwhile, does not run. The bridge passes four different arrays.
    unsafe {
        let lane = NonNull::new((*lane).get()).ok_or_else(|| invalid("the lane is gone"))?;
        (*lane.as_ptr()).turn(
            array(env, arguments[0], sys::TypedarrayType::uint32_array)?,
            array(env, arguments[1], sys::TypedarrayType::uint8_array)?,
            array(env, arguments[2], sys::TypedarrayType::uint32_array)?,
            words,
            array(env, arguments[4], sys::TypedarrayType::uint8_array)?,
        )
    }
}

/// The memory of a typed array.
///
/// SAFETY: `T` must be the type of the elements that `kind` has. The slice must be used within the
/// call that `value` is an argument of, and no other slice of the same memory.
unsafe fn array<'a, T>(
    env: sys::napi_env,
    value: sys::napi_value,
    kind: sys::napi_typedarray_type,
) -> Result<&'a mut [T]> {
    let (mut is, mut length, mut data) = (0, 0, ptr::null_mut());
    let (buffer, offset) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the value is an argument of this call. What is not asked for may be null.
    check(unsafe {
        sys::napi_get_typedarray_info(
            env,
            value,
            &raw mut is,
            &raw mut length,
            &raw mut data,
            buffer,
            offset,
        )
    })?;
    if is != kind {
        return Err(invalid("an array is of the wrong type"));
    }
    if length == 0 || data.is_null() {
        return Ok(&mut []);
    }
    // SAFETY: Node says so of the array; the caller of the rest. An array's memory is aligned for
    // its elements.
    Ok(unsafe { slice::from_raw_parts_mut(data.cast::<T>(), length) })
}

/// SAFETY: Node calls it once, when the function has been collected, with the `data` of `function`.
unsafe extern "C" fn on_end(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: takes back the share that `function` gave.
    drop(unsafe { Rc::from_raw(data.cast::<Cell<*mut NativeLane>>()) });
}

fn check(status: sys::napi_status) -> Result<()> {
    if status == sys::Status::napi_ok {
        return Ok(());
    }
    Err(Error::new(Status::from(status), "lane: a turn has other arguments"))
}
