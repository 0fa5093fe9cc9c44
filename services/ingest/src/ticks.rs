//! Which seconds of event time are told to the log (docs/detector.md 4).

use weir_events::time::SECOND_US;

/// The most Ticks that one silence is told by: a second each up to an hour, coarser beyond.
const MOST_PER_SILENCE: i64 = 3600;

/// The merged event time of a run, and what was told of it. Never goes back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ticks {
    told_us: Option<i64>,
}

impl Ticks {
    /// Goes on from a Tick that an earlier run told.
    pub(crate) fn after(told_us: Option<i64>) -> Self {
        Self { told_us }
    }

    /// The last Tick.
    pub(crate) fn told(self) -> Option<i64> {
        self.told_us
    }

    /// The next whole second to be told before a record of this time; ask until `None`.
    ///
    /// `target_us` is the record's time: the same for every call until `None`, so that the step
    /// through a long silence is a function of the input.
    pub(crate) fn next(&mut self, step: &mut Option<i64>, target_us: i64) -> Option<i64> {
        let target = target_us.div_euclid(SECOND_US) * SECOND_US;
        let next = match self.told_us {
            None => target,
            Some(told) if told >= target => return None,
            Some(told) => {
                let step = *step.get_or_insert_with(|| {
                    let seconds = (target - told) / SECOND_US;
                    ((seconds + MOST_PER_SILENCE - 1) / MOST_PER_SILENCE).max(1) * SECOND_US
                });
                (told + step).min(target)
            }
        };
        self.told_us = Some(next);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(ticks: &mut Ticks, time_us: i64) -> Vec<i64> {
        let mut step = None;
        std::iter::from_fn(|| ticks.next(&mut step, time_us)).collect()
    }

    #[test]
    fn each_second_is_told_once_and_time_does_not_go_back() {
        let mut ticks = Ticks::default();
        assert_eq!(told(&mut ticks, 10 * SECOND_US + 5), [10 * SECOND_US]);
        assert_eq!(told(&mut ticks, 10 * SECOND_US + 9), [0_i64; 0]);
        assert_eq!(
            told(&mut ticks, 12 * SECOND_US),
            [11 * SECOND_US, 12 * SECOND_US]
        );
        assert_eq!(told(&mut ticks, SECOND_US), [0_i64; 0]);
    }

    #[test]
    fn a_silence_of_years_is_told_in_an_hour_of_ticks_and_ends_at_its_end() {
        let mut ticks = Ticks::default();
        told(&mut ticks, 0);
        let end = 400_000_001 * SECOND_US;
        let all = told(&mut ticks, end);
        assert!(all.len() <= 3600, "{}", all.len());
        assert_eq!(all.last(), Some(&end));
    }
}
