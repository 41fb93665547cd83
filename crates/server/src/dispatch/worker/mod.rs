//! Worker threads and the bounded queue before them.

pub(crate) mod idle;
pub(crate) mod pool;
