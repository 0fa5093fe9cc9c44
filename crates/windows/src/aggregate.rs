//! Aggregates as declared values: what is counted, per what, over which widths.

use weir_events::time::MINUTE_US;

/// Most measures that one aggregate can have.
pub const MAX_MEASURES: usize = 4;

/// Counts of one window, in the order of the aggregate's measures; unused places are 0.
pub type Counts = [u64; MAX_MEASURES];

/// What is counted. Each width must be a multiple of the one before it, so that a narrow window
/// lies in exactly one wide window and their counts add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// Names it in rows, queries and topics.
    pub name: &'static str,
    /// What the key of a row is, for people.
    pub key: &'static str,
    /// Widths of its windows in microseconds, ascending.
    pub widths_us: &'static [i64],
    /// Names of its counts, at most [`MAX_MEASURES`].
    pub measures: &'static [&'static str],
}

const MINUTES_1_AND_5: &[i64] = &[MINUTE_US, 5 * MINUTE_US];

/// BGP messages (RFC 4271, 4) of each peer, and the prefixes announced and withdrawn in them.
pub const PEER_MESSAGES: Aggregate = Aggregate {
    name: "peer-messages",
    key: "peer address:ASN",
    widths_us: MINUTES_1_AND_5,
    measures: &["messages", "announcements", "withdrawals"],
};

/// Prefixes announced with each origin ASN, over all peers.
pub const ORIGIN_ANNOUNCEMENTS: Aggregate = Aggregate {
    name: "origin-announcements",
    key: "origin ASN",
    widths_us: MINUTES_1_AND_5,
    measures: &["announcements"],
};

/// The aggregate with this name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Aggregate> {
    [&PEER_MESSAGES, &ORIGIN_ANNOUNCEMENTS]
        .into_iter()
        .find(|aggregate| aggregate.name == name)
}

/// Start of the window of this width that holds `time_us`; also right before 1970.
pub(crate) fn start_of(time_us: i64, width_us: i64) -> i64 {
    time_us.saturating_sub(time_us.rem_euclid(width_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        for (time, start) in [(0, 0), (59, 0), (60, 60), (-1, -60), (-60, -60)] {
            assert_eq!(start_of(time, 60), start, "{time}");
        }
    }

    #[test]
    fn every_width_is_a_multiple_of_the_one_before() {
        for aggregate in [PEER_MESSAGES, ORIGIN_ANNOUNCEMENTS] {
            assert!(
                aggregate
                    .widths_us
                    .windows(2)
                    .all(|pair| pair[1] % pair[0] == 0)
            );
            assert!(aggregate.measures.len() <= MAX_MEASURES);
        }
    }
}
