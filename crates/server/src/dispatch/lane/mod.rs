//! A lane is the channel that carries events to one handler thread, and its replies back.

pub(crate) mod channel;
pub(crate) mod lag;
