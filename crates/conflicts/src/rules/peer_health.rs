//! Peer health: a vantage point that is silent for much longer than it ever was, says again what it has said, or has a
//! clock that is off, tells little of the world. Judged over counts: no route shows it.

use weir_events::time::SECOND_US;

use crate::{
    incident::{Severity, reason},
    thresholds::Thresholds,
};

/// How bad it is.
pub(super) const SEVERITY: Severity = Severity::Info;

/// Pauses that must be known before one can be too long.
const LEAST_PAUSES: u32 = 100;

/// What is odd about a vantage point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    /// It says nothing.
    Silent,
    /// It says everything again.
    SaidAgain,
    /// Its clock is off.
    ClockOff,
}

impl Fault {
    pub(crate) const ALL: [Self; 3] = [Self::Silent, Self::SaidAgain, Self::ClockOff];

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Silent => reason::SILENT,
            Self::SaidAgain => reason::SAID_AGAIN,
            Self::ClockOff => reason::CLOCK_OFF,
        }
    }
}

/// How long a vantage point pauses, in powers of two seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pauses(pub(crate) [u32; 20]);

impl Pauses {
    pub(crate) fn note(&mut self, seconds: i64) {
        let place = seconds.max(1).ilog2() as usize;
        let last = self.0.len() - 1;
        if let Some(count) = self.0.get_mut(place.min(last)) {
            *count = count.saturating_add(1);
        }
    }

    /// Of a hundred pauses ninety-nine are shorter; `None` = too few are known.
    fn p99(&self) -> Option<i64> {
        let all: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        if all < u64::from(LEAST_PAUSES) {
            return None;
        }
        let mut longer = all;
        (1..).zip(self.0).find_map(|(power, count)| {
            longer -= u64::from(count);
            (longer * 100 <= all).then_some(1_i64 << power)
        })
    }

    /// A pause of so many seconds is three times as long as nearly all others.
    pub(crate) fn is_long(&self, seconds: i64, t: &Thresholds) -> bool {
        let longest = self
            .p99()
            .map(|p99| (3 * p99).max(t.peer_silent_after_s.into()));
        longest.is_some_and(|longest| seconds > longest)
    }
}

/// Nearly all of many prefixes that it announced within a minute were announced as before.
pub(crate) fn is_said_again(repeated: u32, announced: u32, t: &Thresholds) -> bool {
    repeated >= t.peer_said_again_over && u64::from(repeated) * 10 >= u64::from(announced) * 9
}

/// So far from stream time.
pub(crate) fn is_clock_off(skew_us: i64, t: &Thresholds) -> bool {
    skew_us.unsigned_abs() > u64::from(t.peer_clock_off_by_s) * SECOND_US.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::which_nobody_knows_yet(99, 1, 1_000, false)]
    #[case::of_who_never_pauses(200, 1, 61, true)]
    #[case::a_minute_is_nothing(200, 1, 60, false)]
    #[case::of_who_often_pauses(200, 40, 190, false)]
    #[case::three_times_as_long(200, 40, 200, true)]
    fn a_long_pause(
        #[case] pauses: u32,
        #[case] of_s: i64,
        #[case] seconds: i64,
        #[case] is: bool,
    ) {
        let mut known = Pauses::default();
        (0..pauses).for_each(|_| known.note(of_s));
        assert_eq!(known.is_long(seconds, &Thresholds::default()), is);
    }

    #[rstest]
    #[case::all_of_many(1_000, 1_000, true)]
    #[case::nine_in_ten(5_400, 6_000, true)]
    #[case::less(5_300, 6_000, false)]
    #[case::few(999, 999, false)]
    fn a_table_that_is_sent_again(#[case] repeated: u32, #[case] announced: u32, #[case] is: bool) {
        assert_eq!(
            is_said_again(repeated, announced, &Thresholds::default()),
            is
        );
    }
}
