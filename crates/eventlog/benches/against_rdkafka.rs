//! Our publisher and subscriber against the bare client with the same settings, on one broker.
//!
//! `cargo bench -p weir-eventlog --bench against_rdkafka`, on Kafka when `WEIR_ENGINE_KAFKA` or
//! `WEIR_ENGINES` is set, else on the embedded broker. Wall time and processor time of this process,
//! the embedded broker included; the two sides take turns. Reading counts from the first record on: our
//! side joins a group before, the bare client is given its partitions.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer},
};
use weir_eventlog::{
    EventLog, LogConfig, Next, Publisher, PublisherOptions, Subscriber,
    broker::{Broker, BrokerConfig},
};
use weir_events::topics::{BGP_CONFLICTS, Topic};

const MESSAGES: u32 = 500_000;
const BYTES: usize = 200;
const ROUNDS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// What the publisher sets.
const WRITE: [(&str, &str); 8] = [
    ("enable.idempotence", "true"),
    ("enable.gapless.guarantee", "true"),
    ("acks", "all"),
    ("message.timeout.ms", "0"),
    ("linger.ms", "1"),
    ("batch.num.messages", "10000"),
    ("batch.size", "131072"),
    ("queue.buffering.max.messages", "20001"),
];

/// What the subscriber sets.
const READ: [(&str, &str); 11] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "true"),
    ("check.crcs", "true"),
    ("fetch.wait.max.ms", "250"),
    ("fetch.queue.backoff.ms", "2"),
    ("fetch.message.max.bytes", "131072"),
    ("queued.min.messages", "1000"),
    ("queued.max.messages.kbytes", "256"),
    ("socket.nagle.disable", "true"),
];

/// Seconds of wall time, of processor time.
type Spent = (f64, f64);

#[derive(Clone, Copy)]
struct Clock(Instant, f64);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), cpu_seconds())
    }

    fn spent(&self) -> Spent {
        (self.0.elapsed().as_secs_f64(), cpu_seconds() - self.1)
    }
}

struct Count(Arc<AtomicU32>);

impl ClientContext for Count {}

impl ProducerContext for Count {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok());
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, embedded) = match weir_engines::engine("kafka") {
        Some(kafka) => (Some(kafka), None),
        None => (None, Some(start(folder.path()))),
    };
    let bootstrap = match (&engine, &embedded) {
        (Some(kafka), _) => kafka.url().to_owned(),
        (None, broker) => broker.as_ref().unwrap().address().to_string(),
    };
    let log = EventLog::kafka(LogConfig {
        bootstrap_servers: bootstrap.clone(),
        ..LogConfig::default()
    })
    .unwrap();
    let mut spent = [[0.0; 2]; 4];
    for round in 0..=ROUNDS {
        let topics = ["ours", "bare"].map(|side| topic(&bootstrap, side, round));
        let steps: [&dyn Fn() -> Spent; 4] = [
            &|| publish(&log, topics[0]),
            &|| produce(&bootstrap, topics[1]),
            &|| subscribe(&log, topics[0]),
            &|| consume(&bootstrap, topics[1]),
        ];
        for (step, spent) in steps.iter().zip(&mut spent) {
            let (wall, cpu) = step();
            // The first round warms the broker up.
            if round > 0 {
                spent[0] += wall;
                spent[1] += cpu;
            }
        }
    }
    for (what, ours, bare) in [("in", spent[0], spent[1]), ("out", spent[2], spent[3])] {
        let rate = |seconds: f64| f64::from(MESSAGES * ROUNDS) / seconds / 1e3;
        println!(
            "{what}: ours {:.0} k/s ({:.2} CPU-s), bare {:.0} k/s ({:.2} CPU-s), ratio {:.2} by time, {:.2} by CPU-s",
            rate(ours[0]),
            ours[1],
            rate(bare[0]),
            bare[1],
            bare[0] / ours[0],
            bare[1] / ours[1],
        );
    }
}

fn start(dir: &std::path::Path) -> Broker {
    Broker::start(BrokerConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        dir: dir.to_owned(),
        ..BrokerConfig::default()
    })
    .unwrap()
}

fn topic(bootstrap: &str, side: &str, round: u32) -> Topic {
    let name: &'static str = format!("bench-{side}-{round}-{}", std::process::id()).leak();
    let client: AdminClient<DefaultClientContext> = config(bootstrap).create().unwrap();
    let partitions = i32::try_from(BGP_CONFLICTS.partitions).unwrap();
    let new = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
    let made = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(client.create_topics([&new], &AdminOptions::new()));
    assert!(made.unwrap()[0].is_ok());
    Topic {
        name,
        ..BGP_CONFLICTS
    }
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

fn publish(log: &EventLog, topic: Topic) -> Spent {
    let clock = Clock::start();
    let publisher = Publisher::connect(log, PublisherOptions::default()).unwrap();
    let payload = vec![7; BYTES];
    for number in 0..MESSAGES {
        publisher
            .publish_encoded(topic.name, number % topic.partitions, b"key", &payload, 0)
            .unwrap();
    }
    publisher.flush(PATIENCE).unwrap();
    clock.spent()
}

fn produce(bootstrap: &str, topic: Topic) -> Spent {
    let clock = Clock::start();
    let mut config = config(bootstrap);
    for (key, value) in WRITE {
        config.set(key, value);
    }
    let delivered = Arc::new(AtomicU32::new(0));
    let producer: ThreadedProducer<Count> = config
        .create_with_context(Count(Arc::clone(&delivered)))
        .unwrap();
    let payload = vec![7; BYTES];
    for number in 0..MESSAGES {
        let partition = i32::try_from(number % topic.partitions).unwrap();
        let mut record = BaseRecord::to(topic.name)
            .partition(partition)
            .key("key")
            .payload(&payload);
        while let Err((_, refused)) = producer.send(record) {
            record = refused;
            std::thread::park_timeout(Duration::from_micros(200));
        }
    }
    producer.flush(PATIENCE).unwrap();
    while delivered.load(Ordering::Relaxed) < MESSAGES {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    clock.spent()
}

fn subscribe(log: &EventLog, topic: Topic) -> Spent {
    let (done, all) = mpsc::channel();
    let (seen, clock) = (AtomicU32::new(0), OnceLock::new());
    let member = Subscriber::start(log, topic.name, topic, move |mut task| {
        task.resume_at(0)?;
        loop {
            match task.next(4_096, PATIENCE)? {
                Next::Batch(batch) => {
                    let clock = clock.get_or_init(Clock::start);
                    let count = u32::try_from(batch.len())?;
                    if seen.fetch_add(count, Ordering::Relaxed) + count == MESSAGES {
                        done.send(clock.spent())?;
                    }
                }
                Next::Idle => {}
                Next::Revoked | Next::Lost => return Ok(()),
            }
        }
    })
    .unwrap();
    let spent = all.recv().unwrap();
    member.stop(PATIENCE).unwrap();
    spent
}

fn consume(bootstrap: &str, topic: Topic) -> Spent {
    let mut config = config(bootstrap);
    config.set("group.id", topic.name);
    for (key, value) in READ {
        config.set(key, value);
    }
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..topic.partitions {
        let partition = i32::try_from(partition).unwrap();
        list.add_partition_offset(topic.name, partition, Offset::Offset(0))
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    drop(list);
    let (mut seen, clock) = (0, OnceLock::new());
    while seen < MESSAGES {
        if let Some(Ok(_)) = consumer.poll(PATIENCE) {
            clock.get_or_init(Clock::start);
            seen += 1;
        }
    }
    clock.get_or_init(Clock::start).spent()
}

/// Processor time of this process, from Linux's own count.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: f64 = fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}
