//! Topics of a test's own, readers that keep what they saw, and one way to wait.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};
use weir_eventlog::{
    Assignment, EventLog, GroupProtocol, LogConfig, Next, Publisher, PublisherOptions, Subscriber,
    TaskError, admin,
    broker::{Broker, BrokerConfig},
};
use weir_events::topics::{BGP_CONFLICTS, Topic};

/// Nothing here takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const WAIT: Duration = Duration::from_millis(100);

/// A name that no other test has, in this process or another.
pub(crate) fn fresh(what: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("weir-test-{what}-{}-{number}", std::process::id())
}

pub(crate) fn admin_client(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()
        .unwrap()
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A topic of a test's own, with as many copies as the broker makes.
pub(crate) fn topic(bootstrap: &str, what: &str, partitions: u32) -> Topic {
    topic_with(bootstrap, what, partitions, &[])
}

pub(crate) fn topic_with(
    bootstrap: &str,
    what: &str,
    partitions: u32,
    settings: &[(&str, &str)],
) -> Topic {
    // The table of topics is static, and so are their names: a few bytes per test.
    let name: &'static str = fresh(what).leak();
    let count = i32::try_from(partitions).unwrap();
    let mut new = NewTopic::new(name, count, TopicReplication::Fixed(-1));
    for (key, value) in settings {
        new = new.set(key, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let made = block_on(admin_client(bootstrap).create_topics([&new], &options)).unwrap();
    assert_eq!(made, [Ok(name.to_owned())]);
    Topic {
        name,
        partitions,
        ..BGP_CONFLICTS
    }
}

/// The real one at this address.
pub(crate) fn kafka(bootstrap: &str, group_protocol: GroupProtocol) -> EventLog {
    EventLog::kafka(LogConfig {
        bootstrap_servers: bootstrap.to_owned(),
        group_protocol,
        ..LogConfig::default()
    })
    .unwrap()
}

/// Runs `test` with the address of an embedded broker that ends with it.
pub(crate) fn embedded(test: impl FnOnce(&str)) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        dir: folder.path().to_owned(),
        ..BrokerConfig::default()
    })
    .unwrap();
    test(&broker.address().to_string());
    broker.stop();
}

pub(crate) fn publisher(log: &EventLog) -> Publisher {
    Publisher::connect(log, PublisherOptions::default()).unwrap()
}

/// Publishes the numbers as texts, one partition after the other.
pub(crate) fn append(publisher: &Publisher, topic: &Topic, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let partition = number % topic.partitions;
        let text = number.to_string();
        publisher
            .publish_encoded(topic.name, partition, b"key", text.as_bytes(), 0)
            .unwrap();
    }
}

/// What readers saw, and how often: (partition, offset) -> texts.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) records: BTreeMap<(u32, i64), Vec<String>>,
    /// Member -> partitions that it reads now.
    pub(crate) running: BTreeMap<u32, Vec<u32>>,
    /// Who took which partition where, and gave it back or lost it where.
    pub(crate) handed: Vec<String>,
}

impl Seen {
    pub(crate) fn count(&self) -> usize {
        self.records.len()
    }

    /// How many partitions each of the members reads.
    pub(crate) fn shares(&self) -> Vec<usize> {
        self.running
            .values()
            .map(Vec::len)
            .filter(|count| *count > 0)
            .collect()
    }

    /// Fails if the log does not hold each of the numbers once.
    #[track_caller]
    pub(crate) fn assert_once(&self, numbers: std::ops::Range<u32>) {
        let mut texts: Vec<u32> = self
            .records
            .values()
            .map(|texts| texts[0].parse().unwrap())
            .collect();
        texts.sort_unstable();
        let expected: Vec<u32> = numbers.collect();
        assert_eq!(texts.len(), expected.len(), "records");
        assert_eq!(texts, expected);
    }
}

/// A member that resumes at the group's position and commits what it has seen.
pub(crate) fn reader(
    log: &EventLog,
    group: &str,
    topic: Topic,
    member: u32,
    seen: &Watched<Seen>,
) -> Subscriber {
    let (task_log, seen, name) = (log.clone(), seen.clone(), group.to_owned());
    Subscriber::start(log, group, topic, move |assignment| {
        let partition = assignment.partition();
        let result = read(&task_log, &name, member, &seen, assignment);
        seen.change(|seen| {
            let running = seen.running.entry(member).or_default();
            running.retain(|had| *had != partition);
        });
        result
    })
    .unwrap()
}

fn read(
    log: &EventLog,
    group: &str,
    member: u32,
    seen: &Watched<Seen>,
    mut assignment: Assignment,
) -> Result<(), TaskError> {
    let (partition, topic) = (assignment.partition(), assignment.topic());
    let committed = admin::committed(log, group, &topic)?;
    let mut next = committed[usize::try_from(partition)?].unwrap_or(0);
    assignment.resume_at(next)?;
    let tell = |what: &str, at: i64| {
        let line = format!("member {member} {what} {partition} at {at}");
        seen.change(|seen| seen.handed.push(line));
    };
    tell("takes", next);
    seen.change(|seen| seen.running.entry(member).or_default().push(partition));
    loop {
        match assignment.next(1_000, WAIT)? {
            Next::Batch(batch) => {
                next = batch.next_offset();
                seen.change(|seen| {
                    for record in batch.iter() {
                        let text = String::from_utf8_lossy(record.payload).into_owned();
                        let texts = seen.records.entry((partition, record.offset));
                        texts.or_default().push(text);
                    }
                });
                assignment.commit(next);
            }
            Next::Idle => {}
            Next::Revoked => {
                tell("gives back", next);
                return Ok(());
            }
            Next::Lost => {
                tell("loses", next);
                return Ok(());
            }
        }
    }
}

/// A value that threads change and a test waits on.
pub(crate) struct Watched<T>(Arc<(Mutex<T>, Condvar)>);

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Default> Watched<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        result
    }

    /// Waits until `wanted` holds.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&T) -> bool) {
        let (value, timeout) = self
            .0
            .1
            .wait_timeout_while(self.0.0.lock().unwrap(), PATIENCE, |value| !wanted(value))
            .unwrap();
        drop(value);
        assert!(!timeout.timed_out(), "waited in vain: {what}");
    }
}

/// Asks again and again until there is an answer: for facts that only a request can tell.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
