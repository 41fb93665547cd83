//! The rest of a body that a lane wants in one piece.

use crate::exchange::loan::Loan;

/// What has come of the rest of a body that a lane wants in one piece.
pub(crate) enum Rest {
    Own(Vec<u8>),
    /// It is in memory that the lane's thread has lent.
    Lent(Loan),
}
