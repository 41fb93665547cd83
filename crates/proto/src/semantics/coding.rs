//! Content codings, and which of them a client accepts (RFC 9110 §8.4.1, §12.5.3).

use super::class;

/// A content coding that this server can send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Coding {
    /// The bytes as they are.
    #[default]
    Identity,
    /// `gzip` (RFC 1952).
    Gzip,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878).
    Zstd,
}

impl Coding {
    /// How many codings there are; the bound of [`Coding::index`].
    pub const COUNT: usize = 4;

    /// All of them, in the order of their index.
    pub const ALL: [Self; Self::COUNT] = [Self::Identity, Self::Gzip, Self::Brotli, Self::Zstd];

    /// Which one is sent where the client likes several as much: the densest first.
    const PREFERENCE: [Self; Self::COUNT] = [Self::Brotli, Self::Zstd, Self::Gzip, Self::Identity];

    /// The coding that a token names. The case does not matter, and `x-gzip` is `gzip`
    /// (RFC 9110 §8.4.1.3).
    #[must_use]
    pub fn from_token(token: &[u8]) -> Option<Self> {
        match token.len() {
            2 if token.eq_ignore_ascii_case(b"br") => Some(Self::Brotli),
            4 if token.eq_ignore_ascii_case(b"gzip") => Some(Self::Gzip),
            4 if token.eq_ignore_ascii_case(b"zstd") => Some(Self::Zstd),
            6 if token.eq_ignore_ascii_case(b"x-gzip") => Some(Self::Gzip),
            8 if token.eq_ignore_ascii_case(b"identity") => Some(Self::Identity),
            _ => None,
        }
    }

    /// The token of Content-Encoding and Accept-Encoding.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// Its place in a table of [`Coding::COUNT`] entries.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A set of codings: those that a representation is available in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CodingSet(u8);

impl CodingSet {
    /// All codings.
    #[must_use]
    pub const fn all() -> Self {
        Self((1 << Coding::COUNT) - 1)
    }

    /// Adds `coding`.
    pub const fn insert(&mut self, coding: Coding) {
        self.0 |= 1 << coding as u8;
    }

    /// This set and `coding`.
    #[must_use]
    pub const fn with(mut self, coding: Coding) -> Self {
        self.insert(coding);
        self
    }

    /// This set and `other`.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it holds all of `other`.
    #[must_use]
    pub const fn has_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether it holds `coding`.
    #[must_use]
    pub const fn has(self, coding: Coding) -> bool {
        self.0 & (1 << coding as u8) != 0
    }
}

impl FromIterator<Coding> for CodingSet {
    fn from_iter<I: IntoIterator<Item = Coding>>(codings: I) -> Self {
        codings.into_iter().fold(Self::default(), Self::with)
    }
}

/// How much a client likes a coding: 0 is "not acceptable"; [`UNLISTED`] is acceptable, and less
/// liked than any that the client named; else the q-value in thousandths, plus one.
type Weight = u16;

const UNLISTED: Weight = 1;
const BEST: Weight = 1001;
const NOT_LISTED: Weight = u16::MAX;

/// What Accept-Encoding says, by [`Coding::index`].
///
/// [`Codings::default`] is a request without the field. It takes any coding (RFC 9110
/// §12.5.3), but then identity is sent where it is available: most such clients decode nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codings([Weight; Coding::COUNT]);

impl Default for Codings {
    fn default() -> Self {
        Self([BEST, UNLISTED, UNLISTED, UNLISTED])
    }
}

impl Codings {
    /// Reads the values of the Accept-Encoding lines of one request; the field may come more
    /// than once (RFC 9110 §5.3). No line at all is [`Codings::default`]. An empty list asks
    /// for identity.
    ///
    /// An element that is no coding with a weight is ignored, so what it may have named is not
    /// acceptable. A coding that is listed twice has the lower weight.
    #[must_use]
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        // By index, and last what `*` says.
        let mut listed = [NOT_LISTED; Coding::COUNT + 1];
        let mut is_there = false;
        for line in lines {
            is_there = true;
            let mut rest = line;
            while let [first, tail @ ..] = rest {
                if *first == b',' || class::is_ows(*first) {
                    rest = tail;
                    continue;
                }
                let end = class::token_end(rest, 0);
                let place = match &rest[..end] {
                    b"*" => Some(Coding::COUNT),
                    token => Coding::from_token(token).map(Coding::index),
                };
                let (weight, after) = weight_of(&rest[end..]);
                if let (Some(place), Some(weight)) = (place, weight) {
                    listed[place] = listed[place].min(weight);
                }
                rest = after;
            }
        }
        if !is_there {
            return Self::default();
        }
        let any = listed[Coding::COUNT];
        let weight = |index| match (listed[index], any) {
            (NOT_LISTED, NOT_LISTED) => u16::from(index == Coding::Identity.index()) * UNLISTED,
            (NOT_LISTED, any) => any,
            (weight, _) => weight,
        };
        Self([weight(0), weight(1), weight(2), weight(3)])
    }

    /// Whether the client accepts `coding`.
    #[must_use]
    pub const fn accepts(self, coding: Coding) -> bool {
        self.0[coding.index()] > 0
    }

    /// The codings that the client accepts, but identity, which is always there. None of them where
    /// the field is missing: then identity is what is sent.
    #[must_use]
    pub fn taken(self) -> CodingSet {
        if self == Self::default() {
            return CodingSet::default();
        }
        let coded = Coding::ALL.into_iter().filter(|&coding| coding != Coding::Identity);
        coded.filter(|&coding| self.accepts(coding)).collect()
    }

    /// Of what is `available`, the coding with the highest weight; where several have it, the
    /// first of br, zstd, gzip, identity. None: the client accepts none of them, a 406.
    #[must_use]
    pub fn best(self, available: CodingSet) -> Option<Coding> {
        let (mut best, mut most) = (None, 0);
        for coding in Coding::PREFERENCE {
            let weight = self.0[coding.index()];
            if weight > most && available.has(coding) {
                (best, most) = (Some(coding), weight);
            }
        }
        best
    }
}

/// The weight of an element of Accept-Encoding, `codings [ OWS ";" OWS "q=" qvalue ]`, whose
/// coding ended before `bytes`, and what follows the element. No weight: it is no such element.
fn weight_of(bytes: &[u8]) -> (Option<Weight>, &[u8]) {
    if let [] | [b',', ..] = bytes {
        return (Some(BEST), bytes);
    }
    let end = memchr::memchr(b',', bytes).unwrap_or(bytes.len());
    let (parameter, after) = bytes.split_at(end);
    let weight = match class::trim_ows(parameter) {
        [] => Some(BEST),
        [b';', parameter @ ..] => match class::trim_ows(parameter) {
            [b'q' | b'Q', b'=', value @ ..] => thousandths(value),
            _ => None,
        },
        _ => None,
    };
    (weight, after)
}

/// A `qvalue` (RFC 9110 §12.4.2): 0 to 1 with at most three digits after the point.
fn thousandths(value: &[u8]) -> Option<Weight> {
    let (first, digits) = match value {
        [first @ (b'0' | b'1')] => (*first, &[][..]),
        [first @ (b'0' | b'1'), b'.', digits @ ..] if digits.len() <= 3 => (*first, digits),
        _ => return None,
    };
    let mut sum = u16::from(first - b'0') * 1000;
    for (digit, place) in digits.iter().zip([100, 10, 1]) {
        if !digit.is_ascii_digit() {
            return None;
        }
        sum += u16::from(digit - b'0') * place;
    }
    (sum <= 1000).then_some(if sum == 0 { 0 } else { sum + 1 })
}

#[cfg(test)]
mod tests;
