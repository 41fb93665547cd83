//! Which threads a look-up is made on.

/// Whether a look-up may wait for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It never waits, for an I/O loop.
    Cached,
    /// It may, on a worker thread.
    Blocking,
}
