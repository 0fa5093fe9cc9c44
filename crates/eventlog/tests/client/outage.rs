//! A broker that goes away, for a while or for good.

use std::time::Duration;

use weir_eventlog::Subscriber;
use weir_events::topics::BGP_CONFLICTS;

use crate::{
    harness::{PATIENCE, TestLog, Watched},
    subscriber::read_all,
};

#[test]
fn nothing_is_lost_or_repeated_while_the_broker_is_away() {
    let mut log = TestLog::start();
    let publisher = log.publisher();
    let seen = Watched::new(Vec::new());
    let task = seen.clone();
    let subscriber = Subscriber::start(&log.log, "g", BGP_CONFLICTS, move |assignment| {
        read_all(assignment, &task)
    })
    .unwrap();
    log.append(&publisher, &BGP_CONFLICTS, 0..50);
    seen.wait("200 records", |seen| seen.len() == 200);
    log.broker.stop();
    log.append(&publisher, &BGP_CONFLICTS, 50..100);
    log.restart();
    publisher.flush(PATIENCE).unwrap();
    seen.wait("400 records", |seen| seen.len() >= 400);
    subscriber.stop(PATIENCE).unwrap();
    seen.change(|seen| {
        seen.sort_by_key(|(partition, ..)| *partition);
        let all: Vec<_> = (0..4_u32)
            .flat_map(|partition| (0..100).map(move |n| (partition, n, n.to_string())))
            .collect();
        assert_eq!(*seen, all);
    });
}

#[test]
fn a_subscriber_stops_in_time_though_the_broker_is_gone() {
    let log = TestLog::with_records(&BGP_CONFLICTS, 10);
    let seen = Watched::new(Vec::new());
    let task = seen.clone();
    let subscriber = Subscriber::start(&log.log, "g", BGP_CONFLICTS, move |assignment| {
        read_all(assignment, &task)
    })
    .unwrap();
    seen.wait("40 records", |seen| seen.len() == 40);
    log.broker.stop();
    let stopped = Watched::new(false);
    let told = stopped.clone();
    std::thread::spawn(move || {
        // Whether the group could be left is not in our hands; that it ends is.
        let _ = subscriber.stop(Duration::from_secs(1));
        told.change(|stopped| *stopped = true);
    });
    stopped.wait("the stop", |stopped| *stopped);
}
