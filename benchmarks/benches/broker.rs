//! The embedded broker through our own client: messages in and out per second, 200 bytes and 1 kB.
//!
//! `cargo bench -p weir-benchmarks --bench broker`. Wall time of one producer, then of one
//! consumer, on loopback; processor time is that of client and broker together.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use weir_benchmarks::process_cpu_seconds;
use weir_eventlog::{
    EventLog, From, Publisher, PublisherOptions, Tail, admin,
    broker::{Broker, BrokerConfig},
};
use weir_events::{position::TopicEpoch, topics};

const MESSAGES: u32 = 500_000;

fn main() {
    for size in [200, 1_024] {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(BrokerConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            dir: folder.path().to_owned(),
            ..BrokerConfig::default()
        })
        .unwrap();
        let log = EventLog::embedded(broker);
        admin::ensure_topics(&log, TopicEpoch(1)).unwrap();
        let (wrote, wrote_cpu) = timed(|| write(&log, size));
        let (read, read_cpu) = timed(|| read(&log));
        let rate = |seconds: f64| f64::from(MESSAGES) / seconds / 1e3;
        println!(
            "{size} B: in {:.0} k/s ({wrote_cpu:.2} CPU-s), out {:.0} k/s ({read_cpu:.2} CPU-s), {MESSAGES} messages",
            rate(wrote),
            rate(read)
        );
    }
}

fn write(log: &EventLog, size: usize) {
    let publisher = Publisher::connect(log, PublisherOptions::default()).unwrap();
    let payload = vec![7; size];
    for i in 0..MESSAGES {
        let partition = i % topics::BGP_CONFLICTS.partitions;
        publisher
            .publish_encoded(topics::BGP_CONFLICTS.name, partition, b"key", &payload, 0)
            .unwrap();
    }
    publisher.flush(Duration::from_secs(60)).unwrap();
}

fn read(log: &EventLog) {
    let (done, all) = mpsc::channel();
    let mut left = MESSAGES;
    let tail = Tail::start(
        log,
        &[topics::BGP_CONFLICTS],
        From::Beginning,
        move |_, _| {
            left -= 1;
            if left == 0 {
                let _ = done.send(());
            }
        },
    )
    .unwrap();
    all.recv().unwrap();
    drop(tail);
}

/// Wall seconds and processor seconds.
fn timed(work: impl FnOnce()) -> (f64, f64) {
    let (start, cpu) = (Instant::now(), process_cpu_seconds());
    work();
    (start.elapsed().as_secs_f64(), process_cpu_seconds() - cpu)
}
