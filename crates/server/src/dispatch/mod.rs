//! Where requests go: the route table and its targets, worker threads, lanes.

pub(crate) mod app;
pub(crate) mod builtin;
pub(crate) mod files;
pub(crate) mod lane;
pub(crate) mod name_question;
pub(crate) mod reply_box;
pub(crate) mod secured;
pub(crate) mod topics;
pub(crate) mod worker;
