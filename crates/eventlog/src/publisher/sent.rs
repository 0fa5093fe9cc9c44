//! What a publisher tells a scraper: records handed over by topic, and the share of time that
//! writers wait for room. Metrics are found once and held; only who waits looks at a clock.

use std::time::{Duration, Instant};

use metrics::{Counter, Gauge};

/// The least time over which a share is taken.
const SPAN: Duration = Duration::from_secs(1);

fn ratio(topic: &str) -> Gauge {
    metrics::gauge!("pipeline_backpressure_ratio", "topic" => topic.to_owned())
}

/// Records by topic; a publisher writes few topics, so a walk is the fastest way to one.
#[derive(Default)]
pub(super) struct Sent {
    topics: Vec<(String, Counter)>,
}

impl Sent {
    /// One more was handed over.
    pub(super) fn count(&mut self, topic: &str) {
        if let Some((_, records)) = self.topics.iter().find(|(name, _)| name == topic) {
            return records.increment(1);
        }
        let name = topic.to_owned();
        let records = metrics::counter!("pipeline_records_out_total", "topic" => name.clone());
        records.increment(1);
        self.topics.push((name, records));
        ratio(topic).set(0.0);
    }
}

/// Waits for room, from the first one until nothing is under way any more.
#[derive(Default)]
pub(super) struct Pressure {
    felt: Option<Felt>,
}

struct Felt {
    ratio: Gauge,
    since: Instant,
    waited: Duration,
}

impl Pressure {
    /// A record of `topic` waited from `begun` until now.
    pub(super) fn waited(&mut self, topic: &str, begun: Instant) {
        let felt = self.felt.get_or_insert_with(|| Felt {
            ratio: ratio(topic),
            since: begun,
            waited: Duration::ZERO,
        });
        felt.waited += begun.elapsed();
        let span = felt.since.elapsed();
        if span >= SPAN {
            let share = felt.waited.as_secs_f64() / span.as_secs_f64();
            felt.ratio.set(share.min(1.0));
            felt.since = Instant::now();
            felt.waited = Duration::ZERO;
        }
    }

    /// Nothing is under way.
    pub(super) fn over(&mut self) {
        if let Some(felt) = self.felt.take() {
            felt.ratio.set(0.0);
        }
    }
}
