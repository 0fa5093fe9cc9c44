//! Which event times are believed (docs/detector.md 2): one bad clock must not move stream time.

use weir_events::time::{HOUR_US, MINUTE_US};

/// A record of a file may be this much later than the one before it.
pub(crate) const FILE_BOUND_US: i64 = HOUR_US;
/// A live message may be this much later than its bytes were received.
pub(crate) const LIVE_BOUND_US: i64 = 5 * MINUTE_US;
/// So many refused records in a row that agree with each other are the file's new time: a hole in
/// the data, not a bad clock.
const NEW_TIME_AFTER: u32 = 100;

/// The times of one file, record by record.
#[derive(Default)]
pub(crate) struct FileClock {
    /// Of the last record that was believed.
    believed_us: Option<i64>,
    /// Of the last record that was not, and how many in a row agree with it.
    refused: Option<(i64, u32)>,
}

impl FileClock {
    /// True when a record of this time is believed.
    pub(crate) fn admits(&mut self, time_us: i64) -> bool {
        let Some(believed) = self.believed_us else {
            self.believed_us = Some(time_us);
            return true;
        };
        if time_us <= believed.saturating_add(FILE_BOUND_US) {
            self.believed_us = Some(time_us);
            self.refused = None;
            return true;
        }
        let run = match self.refused {
            Some((before, run)) if (time_us - before).abs() <= FILE_BOUND_US => run + 1,
            _ => 1,
        };
        if run > NEW_TIME_AFTER {
            self.believed_us = Some(time_us);
            self.refused = None;
            return true;
        }
        self.refused = Some((time_us, run));
        false
    }

    /// The first record of a file is judged by the second: true when it is to be refused.
    pub(crate) fn first_is_future(first_us: i64, second_us: i64) -> bool {
        first_us > second_us.saturating_add(FILE_BOUND_US)
    }
}

/// True when a live message of this time is believed.
pub(crate) fn live_admits(event_time_us: i64, receive_time_us: i64) -> bool {
    event_time_us <= receive_time_us.saturating_add(LIVE_BOUND_US)
}

#[cfg(test)]
mod tests {
    use weir_events::time::{DAY_US, SECOND_US};

    use super::*;

    const YEAR: i64 = 365 * DAY_US;
    const T: i64 = 1_609_480_200 * SECOND_US;

    #[test]
    fn the_clamps_table() {
        let cases: [(&str, &[i64], &[bool]); 6] = [
            ("in order", &[T, T + 1, T + 2], &[true; 3]),
            ("backwards", &[T, T - YEAR, T], &[true, true, false]),
            ("an hour is believed", &[T, T + HOUR_US], &[true; 2]),
            ("more is not", &[T, T + HOUR_US + 1], &[true, false]),
            (
                "ten years ahead, then on",
                &[T, T + 10 * YEAR, T + 1],
                &[true, false, true],
            ),
            (
                "ten years ahead twice",
                &[T, T + 10 * YEAR, T + 10 * YEAR + 1, T + 1],
                &[true, false, false, true],
            ),
        ];
        for (name, times, believed) in cases {
            let mut clock = FileClock::default();
            let got: Vec<_> = times.iter().map(|t| clock.admits(*t)).collect();
            assert_eq!(got, believed, "{name}");
        }
    }

    #[test]
    fn a_hole_in_a_file_costs_a_bounded_number_of_records() {
        let mut clock = FileClock::default();
        assert!(clock.admits(T));
        let refused = (0..1000)
            .filter(|second| !clock.admits(T + DAY_US + second * SECOND_US))
            .count();
        assert_eq!(refused, 100);
    }

    #[test]
    fn a_first_record_is_judged_by_the_second() {
        assert!(FileClock::first_is_future(T + 10 * YEAR, T));
        assert!(!FileClock::first_is_future(T, T + 10 * YEAR));
    }

    #[test]
    fn live_times_are_judged_by_the_time_of_receipt() {
        assert!(live_admits(T - YEAR, T));
        assert!(live_admits(T + LIVE_BOUND_US, T));
        assert!(!live_admits(T + LIVE_BOUND_US + 1, T));
    }
}
