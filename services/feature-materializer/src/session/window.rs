//! Counts of the last 24 hours, in buckets of five minutes of event time.
//!
//! A count at time `t` covers the bucket of `t` and the 287 before it: between 23 h 55 min and 24
//! hours. Empty buckets are not kept, so a silent session costs nothing.

use weir_events::time::{DAY_US, MINUTE_US};

/// Width of a bucket.
pub(crate) const BUCKET_US: i64 = 5 * MINUTE_US;
const BUCKETS: i64 = DAY_US / BUCKET_US;

/// Number of the bucket that holds a time.
pub(crate) fn bucket_of(time_us: i64) -> i64 {
    time_us.div_euclid(BUCKET_US)
}

/// What happened within one bucket.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Bucket {
    #[prost(sint64, tag = "1")]
    pub(crate) number: i64,
    #[prost(uint32, tag = "2")]
    pub(crate) flaps: u32,
    #[prost(uint32, tag = "3")]
    pub(crate) received: u32,
}

/// Sums over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) flaps: u64,
    pub(crate) received: u64,
}

/// The bucket of a time, made when it is not there; times may come out of order.
pub(crate) fn at(buckets: &mut Vec<Bucket>, time_us: i64) -> &mut Bucket {
    let number = bucket_of(time_us);
    // Mostly the last one.
    let place = buckets.partition_point(|bucket| bucket.number < number);
    if buckets
        .get(place)
        .is_none_or(|found| found.number != number)
    {
        let bucket = Bucket {
            number,
            ..Bucket::default()
        };
        buckets.insert(place, bucket);
    }
    &mut buckets[place]
}

/// Forgets what has left the window at `now_us`; true when something has.
pub(crate) fn expire(buckets: &mut Vec<Bucket>, now_us: i64) -> bool {
    let oldest = bucket_of(now_us) - BUCKETS;
    let gone = buckets.partition_point(|bucket| bucket.number <= oldest);
    buckets.drain(..gone);
    gone > 0
}

/// The sums at `now_us`.
pub(crate) fn counts(buckets: &[Bucket], now_us: i64) -> Counts {
    let oldest = bucket_of(now_us) - BUCKETS;
    buckets.iter().filter(|bucket| bucket.number > oldest).fold(
        Counts::default(),
        |sums, bucket| Counts {
            flaps: sums.flaps + u64::from(bucket.flaps),
            received: sums.received + u64::from(bucket.received),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_leaves_the_window_after_a_day_and_not_before() {
        let mut buckets = Vec::new();
        at(&mut buckets, 0).received += 2;
        at(&mut buckets, BUCKET_US).received += 1;
        at(&mut buckets, BUCKET_US - 1).received += 1;
        assert_eq!(buckets.len(), 2);
        assert_eq!(counts(&buckets, DAY_US - 1).received, 4);
        assert_eq!(counts(&buckets, DAY_US).received, 1);
        assert!(!expire(&mut buckets, DAY_US - 1));
        assert!(expire(&mut buckets, DAY_US));
        assert_eq!(counts(&buckets, DAY_US).received, 1);
    }
}
