//! A lane is the channel that carries events to one handler thread and replies back.

pub(crate) mod channel;
pub(crate) mod event;
pub(crate) mod exchange;
pub(crate) mod lag;
pub(crate) mod queue_wait;
pub(crate) mod replies;
pub(crate) mod side;
