//! Serial numbers of a cache's data, which wrap around (RFC 1982, 32 bits).

use std::fmt;

/// Half of the numbers: what lies behind by as much is neither newer nor older.
const HALF: u32 = 1 << 31;

/// A serial number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Serial(pub u32);

impl Serial {
    /// True when this comes after `other` (RFC 1982, 3.2). Of two that are exactly half of all numbers apart, neither
    /// does.
    #[must_use]
    pub fn is_after(self, other: Self) -> bool {
        let ahead = self.0.wrapping_sub(other.0);
        ahead != 0 && ahead < HALF
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::next(1, 0, true)]
    #[case::the_same(7, 7, false)]
    #[case::before(6, 7, false)]
    #[case::around(0, u32::MAX, true)]
    #[case::around_backwards(u32::MAX, 0, false)]
    #[case::as_far_as_it_goes(HALF - 1, 0, true)]
    #[case::half_way(HALF, 0, false)]
    #[case::half_way_from_there(0, HALF, false)]
    fn numbers_wrap_around(#[case] this: u32, #[case] other: u32, #[case] after: bool) {
        assert_eq!(Serial(this).is_after(Serial(other)), after);
    }
}
