//! Brokers that die under load: nothing is lost, nothing is doubled, and how long it stalls.

#![allow(clippy::print_stdout, reason = "a test tells what it measured")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use weir_engines::Engine;
use weir_eventlog::{GroupProtocol, Publisher, PublisherOptions};
use weir_events::topics::Topic;

use crate::harness::{PATIENCE, Seen, Watched, fresh, kafka, reader, topic, until};

/// Records on both sides of a fault.
const MARGIN: u64 = 2_000;

/// Writes 0, 1, 2, ... until it is told to stop; tells how many, and the longest silence between
/// two deliveries.
struct Load {
    stop: Arc<AtomicBool>,
    delivered: Arc<AtomicU64>,
    thread: JoinHandle<(u32, Duration)>,
}

impl Load {
    fn start(log: weir_eventlog::EventLog, topic: Topic) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let delivered = Arc::new(AtomicU64::new(0));
        let thread = std::thread::spawn({
            let (stop, delivered) = (Arc::clone(&stop), Arc::clone(&delivered));
            move || write(&log, topic, &stop, &delivered)
        });
        Self {
            stop,
            delivered,
            thread,
        }
    }

    /// Waits until so many more records are in the log.
    #[track_caller]
    fn goes_on(&self) {
        let before = self.delivered.load(Ordering::Relaxed);
        until("delivered more", || {
            (self.delivered.load(Ordering::Relaxed) >= before + MARGIN).then_some(())
        });
    }

    fn end(self) -> (u32, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn write(
    log: &weir_eventlog::EventLog,
    topic: Topic,
    stop: &AtomicBool,
    delivered: &Arc<AtomicU64>,
) -> (u32, Duration) {
    let silence = Watched::<(Option<Instant>, Duration)>::new();
    let (counted, heard) = (Arc::clone(delivered), silence.clone());
    let options = PublisherOptions {
        max_in_flight: 1_000,
        on_delivery: Some(Arc::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            heard.change(|(last, longest)| {
                let now = Instant::now();
                if let Some(last) = last.replace(now) {
                    *longest = (*longest).max(now - last);
                }
            });
        })),
    };
    let publisher = Publisher::connect(log, options).unwrap();
    let mut number = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        let text = number.to_string();
        let partition = number % topic.partitions;
        publisher
            .publish_encoded(topic.name, partition, b"", text.as_bytes(), 0)
            .unwrap();
        number += 1;
        if number.is_multiple_of(100) {
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
    publisher.flush(PATIENCE).unwrap();
    (number, silence.change(|(_, longest)| *longest))
}

fn under_load(engine: &Engine, what: &str, fault: impl FnOnce(&Load)) {
    let log = kafka(engine.url(), GroupProtocol::Auto);
    let topic = topic(engine.url(), what, 3);
    let group = fresh("group");
    let seen = Watched::<Seen>::new();
    let member = reader(&log, &group, topic, 1, &seen);
    let load = Load::start(log.clone(), topic);
    load.goes_on();
    fault(&load);
    load.goes_on();
    let (count, stall) = load.end();
    seen.wait("all of it", |seen| seen.count() >= count as usize);
    assert_eq!(member.failure(), None);
    member.stop(PATIENCE).unwrap();
    seen.change(|seen| seen.assert_once(0..count));
    println!("{what}: {count} records, none lost, none doubled; the writer stalled {stall:?}");
}

#[test]
fn a_broker_that_is_killed_and_started_again_loses_and_doubles_nothing() {
    let Some(engine) = weir_engines::own_engine("kafka") else {
        return;
    };
    under_load(&engine, "killed", |_| {
        engine.kill();
        engine.start();
    });
}

#[test]
fn one_of_three_brokers_that_is_killed_loses_and_doubles_nothing() {
    let Some(engine) = weir_engines::own_engine("kafka-three") else {
        return;
    };
    under_load(&engine, "one-of-three", |load| {
        engine.kill_node(2);
        load.goes_on();
        engine.start_node(2);
    });
}
