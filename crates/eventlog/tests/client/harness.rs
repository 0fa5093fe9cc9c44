//! A log with the topics of the table, records to put into it, and one way to wait.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};
use weir_eventlog::{
    EventLog, GroupProtocol, LogConfig, Publisher, PublisherOptions, admin,
    broker::{Broker, BrokerConfig},
};
use weir_events::{position::TopicEpoch, topics};

/// Nothing here takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// The epoch of the topics of a [`TestLog`].
pub(crate) const EPOCH: TopicEpoch = TopicEpoch(7);

/// An embedded log with the topics of the table, which ends with the test.
pub(crate) struct TestLog {
    pub(crate) log: EventLog,
    pub(crate) broker: Broker,
    folder: tempfile::TempDir,
}

impl Drop for TestLog {
    fn drop(&mut self) {
        self.broker.stop();
    }
}

fn broker(listen: SocketAddr, dir: &Path) -> Broker {
    Broker::start(BrokerConfig {
        listen,
        dir: dir.to_owned(),
        ..BrokerConfig::default()
    })
    .unwrap()
}

/// A log whose broker fails when it is told to: librdkafka's own mock, with `bgp-conflicts` alone.
pub(crate) struct FaultyLog {
    pub(crate) log: EventLog,
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
}

impl FaultyLog {
    pub(crate) fn start() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        let topic = topics::BGP_CONFLICTS;
        let partitions = i32::try_from(topic.partitions).unwrap();
        cluster.create_topic(topic.name, partitions, 1).unwrap();
        let log = EventLog::kafka(LogConfig {
            bootstrap_servers: cluster.bootstrap_servers(),
            client_id: "test".to_owned(),
            group_protocol: GroupProtocol::Classic,
            ..LogConfig::default()
        })
        .unwrap();
        Self { log, cluster }
    }
}

impl TestLog {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = broker(([127, 0, 0, 1], 0).into(), folder.path());
        let log = EventLog::embedded(broker.clone());
        admin::ensure_topics(&log, EPOCH).unwrap();
        Self {
            log,
            broker,
            folder,
        }
    }

    /// Starts the broker again where it was, after `broker.stop()`.
    pub(crate) fn restart(&mut self) {
        self.broker = broker(self.broker.address(), self.folder.path());
    }

    /// A log with `count` records `0`, `1`, ... in each partition of `topic`.
    pub(crate) fn with_records(topic: &topics::Topic, count: u32) -> Self {
        let log = Self::start();
        let publisher = log.publisher();
        log.append(&publisher, topic, 0..count);
        publisher.flush(PATIENCE).unwrap();
        log
    }

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::connect(&self.log, PublisherOptions::default()).unwrap()
    }

    /// Publishes the numbers as texts to each partition of `topic`.
    pub(crate) fn append(
        &self,
        publisher: &Publisher,
        topic: &topics::Topic,
        numbers: impl IntoIterator<Item = u32>,
    ) {
        for number in numbers {
            for partition in 0..topic.partitions {
                let payload = number.to_string();
                publisher
                    .publish_encoded(topic.name, partition, b"key", payload.as_bytes(), 0)
                    .unwrap();
            }
        }
    }
}

/// A value that threads change and a test waits on.
pub(crate) struct Watched<T> {
    inner: Arc<(Mutex<T>, Condvar)>,
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<T> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            inner: Arc::new((Mutex::new(value), Condvar::new())),
        }
    }

    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.inner.0.lock().unwrap());
        self.inner.1.notify_all();
        result
    }

    /// Waits until `wanted` holds.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&T) -> bool) {
        let (value, timeout) = self
            .inner
            .1
            .wait_timeout_while(self.inner.0.lock().unwrap(), PATIENCE, |value| {
                !wanted(value)
            })
            .unwrap();
        drop(value);
        assert!(!timeout.timed_out(), "waited in vain: {what}");
    }
}

/// Asks again and again until `holds`: for facts that only a request can tell.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::yield_now();
    }
}
