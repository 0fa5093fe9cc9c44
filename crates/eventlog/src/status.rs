//! What a service knows of itself, told to whoever looks: positions, counters, health of the data.
//!
//! Stages write absolute values into a [`StatusBoard`]; a [`Reporter`] publishes it to
//! `service-status` every two seconds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use weir_events::{time, topics, v1};

use crate::{EventLog, LogError, Publisher, Ticket};

/// How often a reporter publishes.
const PERIOD: Duration = Duration::from_secs(2);
/// How long a reporter that is dropped waits for its last status.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The board of one service of one stream; cheap to clone, all clones are one board.
#[derive(Clone)]
pub struct StatusBoard {
    inner: Arc<Inner>,
}

struct Inner {
    service: String,
    instance: String,
    stream: String,
    synthetic: bool,
    facts: Mutex<Facts>,
}

#[derive(Default)]
struct Facts {
    /// (topic, partition) -> (next, end).
    positions: BTreeMap<(&'static str, u32), (i64, i64)>,
    counters: BTreeMap<&'static str, BTreeMap<u32, u64>>,
    last_event_time_us: i64,
    collectors: BTreeSet<String>,
    vantage_points: BTreeMap<u32, u32>,
    /// (stable, judged).
    baseline: BTreeMap<u32, (u64, u64)>,
    warming_percent: Option<u32>,
    lookups: Option<Lookups>,
}

/// Where questions are answered, and of which partitions now.
struct Lookups {
    address: String,
    partitions: Box<dyn Fn() -> Vec<u32> + Send>,
}

impl StatusBoard {
    /// An empty board. `stream` is `live`, `scenario`, or a replay's id.
    #[must_use]
    pub fn new(service: &str, instance: &str, stream: &str, synthetic: bool) -> Self {
        Self {
            inner: Arc::new(Inner {
                service: service.to_owned(),
                instance: instance.to_owned(),
                stream: stream.to_owned(),
                synthetic,
                facts: Mutex::default(),
            }),
        }
    }

    /// The next offset to be processed, and the end of the log when it was last asked.
    pub fn position(&self, topic: &'static str, partition: u32, next: i64, end: i64) {
        let mut facts = self.inner.facts.lock();
        facts.positions.insert((topic, partition), (next, end));
    }

    /// The absolute value of a counter in one partition; [`Self::snapshot`] sums over partitions.
    pub fn set(&self, counter: &'static str, partition: u32, value: u64) {
        let mut facts = self.inner.facts.lock();
        facts
            .counters
            .entry(counter)
            .or_default()
            .insert(partition, value);
    }

    /// An event time that was seen; the greatest stays.
    pub fn event_time(&self, micros: i64) {
        let mut facts = self.inner.facts.lock();
        facts.last_event_time_us = facts.last_event_time_us.max(micros);
    }

    /// A collector that was seen.
    pub fn collector(&self, name: &str) {
        let mut facts = self.inner.facts.lock();
        if !facts.collectors.contains(name) {
            facts.collectors.insert(name.to_owned());
        }
    }

    /// Peers that are up and carry routes, as one partition knows them. The greatest over the
    /// partitions is shown: each sees the peers of its own blocks.
    pub fn vantage_points(&self, partition: u32, count: u32) {
        let mut facts = self.inner.facts.lock();
        facts.vantage_points.insert(partition, count);
    }

    /// Prefixes that had a stable origin when first judged, and all that were judged.
    pub fn baseline(&self, partition: u32, stable: u64, judged: u64) {
        let mut facts = self.inner.facts.lock();
        facts.baseline.insert(partition, (stable, judged));
    }

    /// How far the first tables of collectors have been read, of 100; `None` = none is awaited.
    pub fn warming(&self, percent: Option<u32>) {
        self.inner.facts.lock().warming_percent = percent;
    }

    /// Questions are answered at this `host:port`, of the partitions that `partitions` gives whenever it is asked.
    pub fn lookups(&self, address: String, partitions: impl Fn() -> Vec<u32> + Send + 'static) {
        let partitions = Box::new(partitions);
        self.inner.facts.lock().lookups = Some(Lookups {
            address,
            partitions,
        });
    }

    /// Forgets what one partition said: it belongs to another instance now.
    pub fn forget(&self, topic: &'static str, partition: u32) {
        let mut facts = self.inner.facts.lock();
        facts.positions.remove(&(topic, partition));
        for values in facts.counters.values_mut() {
            values.remove(&partition);
        }
        facts.vantage_points.remove(&partition);
        facts.baseline.remove(&partition);
    }

    /// Everything on the board, as of now.
    #[must_use]
    pub fn snapshot(&self) -> v1::ServiceStatus {
        let facts = self.inner.facts.lock();
        let lookups = facts.lookups.as_ref();
        v1::ServiceStatus {
            service: self.inner.service.clone(),
            instance: self.inner.instance.clone(),
            at_us: time::now_us(),
            stream: self.inner.stream.clone(),
            synthetic: self.inner.synthetic,
            partitions: facts
                .positions
                .iter()
                .map(
                    |((topic, partition), (position, end))| v1::PartitionStatus {
                        topic: (*topic).to_owned(),
                        partition: *partition,
                        position: *position,
                        end: *end,
                    },
                )
                .collect(),
            last_event_time_us: facts.last_event_time_us,
            collectors: facts.collectors.iter().cloned().collect(),
            vantage_points: facts.vantage_points.values().copied().max().unwrap_or(0),
            baseline_stable: facts.baseline.values().map(|(stable, _)| stable).sum(),
            baseline_judged: facts.baseline.values().map(|(_, judged)| judged).sum(),
            counters: facts
                .counters
                .iter()
                .map(|(name, values)| ((*name).to_owned(), values.values().sum()))
                .collect(),
            warming_percent: facts.warming_percent,
            lookup_address: lookups.map(|at| at.address.clone()).unwrap_or_default(),
            lookup_partitions: lookups.map(|at| (at.partitions)()).unwrap_or_default(),
        }
    }

    /// Publishes the board once through `publisher`. As its first record this also connects it:
    /// an idempotent producer needs half a second to get its id, and the records behind this one
    /// then do not wait for it.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn publish(&self, publisher: &Publisher) -> Result<Ticket, LogError> {
        let key = format!("{}/{}", self.inner.service, self.inner.instance);
        let partition = topics::partition(&topics::SERVICE_STATUS, key.as_bytes());
        publisher.publish(partition, key.as_bytes(), &self.snapshot())
    }

    /// Publishes the board at once and then every two seconds, and a last time when the
    /// reporter is dropped.
    ///
    /// # Errors
    /// When the client or the thread cannot be made.
    pub fn report(&self, log: &EventLog) -> Result<Reporter, LogError> {
        log.status_publisher()?;
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (board, log, stopped) = (self.clone(), log.clone(), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name(format!("{}-status", self.inner.service))
            .spawn(move || board.report_until(&log, &stopped))
            .map_err(|error| LogError::Thread {
                reason: error.to_string(),
            })?;
        Ok(Reporter {
            stop,
            thread: Some(thread),
        })
    }

    fn report_until(&self, log: &EventLog, (stopped, changed): &(Mutex<bool>, Condvar)) {
        let mut told = false;
        let mut last = false;
        loop {
            let sent = log.status_publisher().and_then(|publisher| {
                let ticket = self.publish(&publisher)?;
                if last {
                    publisher.wait_for(ticket, LAST_WORD)?;
                }
                Ok(())
            });
            match sent {
                Ok(()) => told = false,
                Err(error) if !told => {
                    tracing::warn!(service = self.inner.service, %error, "status not published");
                    told = true;
                }
                Err(_) => {}
            }
            if last {
                return;
            }
            let deadline = Instant::now() + PERIOD;
            let mut stopped = stopped.lock();
            while !*stopped && !changed.wait_until(&mut stopped, deadline).timed_out() {}
            last = *stopped;
        }
    }
}

/// Publishes a board until it is dropped.
pub struct Reporter {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Reporter {
    /// Begins the last word without waiting for it, so that several end together.
    pub fn end(&self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.end();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a status reporter panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_absolute_per_partition_and_summed() {
        let board = StatusBoard::new("conflict-detector", "a", "scenario", true);
        board.set("elements_in", 0, 5);
        board.set("elements_in", 1, 7);
        board.set("elements_in", 0, 6);
        board.baseline(0, 1, 2);
        board.baseline(3, 10, 20);
        board.vantage_points(0, 3);
        board.vantage_points(1, 4);
        board.event_time(9);
        board.event_time(8);
        board.collector("rrc12");
        assert_eq!(board.snapshot().warming_percent, None);
        board.warming(Some(37));
        assert_eq!(board.snapshot().warming_percent, Some(37));
        board.position("bgp-updates", 1, 10, 12);
        assert_eq!(board.snapshot().lookup_address, "");
        board.lookups("192.0.2.1:9102".to_owned(), || vec![1, 3]);
        assert_eq!(board.snapshot().lookup_address, "192.0.2.1:9102");
        assert_eq!(board.snapshot().lookup_partitions, [1, 3]);
        let status = board.snapshot();
        assert_eq!(status.counters["elements_in"], 13);
        assert_eq!((status.baseline_stable, status.baseline_judged), (11, 22));
        assert_eq!((status.vantage_points, status.last_event_time_us), (4, 9));
        assert_eq!(status.collectors, ["rrc12"]);
        assert_eq!(status.partitions[0].end, 12);

        board.forget("bgp-updates", 1);
        assert_eq!(board.snapshot().counters["elements_in"], 6);
        assert!(board.snapshot().partitions.is_empty());
    }
}
