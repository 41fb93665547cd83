//! Requests at handlers behind lanes. A thread of the test does what a JavaScript thread does.

mod collect;
#[path = "../common/mod.rs"]
mod common;
mod handlers;
mod leaving;
mod limits;
mod threads;
