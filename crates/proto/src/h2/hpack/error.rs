use std::error::Error;
use std::fmt;

/// Why a block cannot be decoded. The connection ends with COMPRESSION_ERROR: its dynamic
/// table is no longer the client's (RFC 9113 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HpackError {
    /// The block ends inside a field.
    Truncated,
    /// An integer that is larger than 32 bits, or has more bytes than that takes.
    IntegerTooLarge,
    /// An index that no table has.
    IndexInvalid,
    /// A Huffman code that is not one, the code for the end, or wrong padding.
    HuffmanInvalid,
    /// A dynamic table larger than this side has allowed.
    TableTooLarge,
    /// A change of the dynamic table's size after a field.
    TableChangeLate,
}

impl HpackError {
    /// What is wrong, with the section that the block breaks.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Truncated => "a field block ends inside a field (RFC 7541 section 6)",
            Self::IntegerTooLarge => {
                "an integer in a field block is too large (RFC 7541 section 5.1)"
            }
            Self::IndexInvalid => {
                "an index in a field block is in no table (RFC 7541 section 2.3.3)"
            }
            Self::HuffmanInvalid => "a Huffman code is not valid (RFC 7541 section 5.2)",
            Self::TableTooLarge => {
                "the dynamic table gets larger than allowed (RFC 7541 section 6.3)"
            }
            Self::TableChangeLate => {
                "the dynamic table changes its size after a field (RFC 7541 section 4.2)"
            }
        }
    }
}

impl fmt::Display for HpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl Error for HpackError {}
