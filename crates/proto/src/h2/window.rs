use std::error::Error;
use std::fmt;

/// The largest window that either side may give (RFC 9113 §6.9.1).
const LARGEST: i64 = (1 << 31) - 1;

/// What one side may still send, on a stream or on the whole connection (RFC 9113 §5.2).
///
/// It may be below zero: a smaller `SETTINGS_INITIAL_WINDOW_SIZE` takes from windows that are
/// already used (§6.9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(i64);

/// A window has become larger than 2^31 - 1 bytes: FLOW_CONTROL_ERROR, of the stream or of
/// the connection that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

impl Window {
    /// The window of a connection, and of a stream without a setting (RFC 9113 §6.5.2).
    pub const DEFAULT: u32 = 65_535;

    /// A window of `bytes`, at most 2^31 - 1.
    #[inline]
    #[must_use]
    pub const fn new(bytes: u32) -> Self {
        Self(bytes as i64)
    }

    /// Bytes that may be sent now.
    #[inline]
    #[must_use]
    pub fn available(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    /// Counts `bytes` that have been sent or received. Whether they fit is for the caller to
    /// ask first; [`try_take`](Self::try_take) does both.
    #[inline]
    pub fn take(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Counts `bytes` if they fit; otherwise counts nothing and returns false. A peer that
    /// sends more than fits has made a FLOW_CONTROL_ERROR.
    #[inline]
    #[must_use]
    pub fn try_take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.available();
        if fits {
            self.take(bytes);
        }
        fits
    }

    /// A WINDOW_UPDATE of `bytes`.
    ///
    /// # Errors
    ///
    /// [`Overflow`]: the window is larger than it may be, and stays as it was.
    #[inline]
    pub fn grow(&mut self, bytes: u32) -> Result<(), Overflow> {
        self.shift(i64::from(bytes))
    }

    /// The initial size of streams has changed by `delta` (RFC 9113 §6.9.2).
    ///
    /// # Errors
    ///
    /// [`Overflow`]: the window is larger than it may be, and stays as it was. This one is an
    /// error of the connection.
    #[inline]
    pub fn shift(&mut self, delta: i64) -> Result<(), Overflow> {
        let grown = self.0.saturating_add(delta);
        if grown > LARGEST {
            return Err(Overflow);
        }
        self.0 = grown;
        Ok(())
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a window of more than 2^31 - 1 bytes (RFC 9113 section 6.9.1)")
    }
}

impl Error for Overflow {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_gives_what_was_granted_and_no_more() {
        let mut window = Window::new(Window::DEFAULT);
        assert!(window.try_take(65_535));
        assert!(window.try_take(0));
        assert!(!window.try_take(1));
        assert_eq!(window.grow(10), Ok(()));
        assert!(!window.try_take(11));
        window.take(4);
        assert_eq!(window.available(), 6);
    }

    #[test]
    fn a_window_may_be_negative_after_the_setting_shrank() {
        let mut window = Window::new(100);
        window.take(80);
        assert_eq!(window.shift(-100), Ok(()));
        assert_eq!(window.available(), 0);
        assert_eq!(window.grow(80), Ok(()));
        assert_eq!(window.available(), 0);
        assert_eq!(window.grow(1), Ok(()));
        assert_eq!(window.available(), 1);
    }

    #[test]
    fn a_window_has_31_bits() {
        let mut window = Window::new(1);
        assert_eq!(window.grow(i32::MAX as u32), Err(Overflow));
        assert_eq!(window.available(), 1);
        assert_eq!(window.grow(i32::MAX as u32 - 1), Ok(()));
        assert_eq!(window.shift(1), Err(Overflow));
        // The smallest that settings can lead to.
        window.take(window.available());
        assert_eq!(window.shift(-LARGEST), Ok(()));
        assert_eq!(window.shift(LARGEST), Ok(()));
    }
}
