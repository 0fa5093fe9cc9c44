//! A broker that goes away, for a while or for good.

use std::{collections::BTreeSet, time::Duration};

use weir_eventlog::{Next, Subscriber, admin};
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
    // The group begins anew with the broker, and this task at its first record: only the log counts.
    seen.wait("400 records", |seen| {
        seen.iter().collect::<BTreeSet<_>>().len() >= 400
    });
    subscriber.stop(PATIENCE).unwrap();
    let ends = admin::end_offsets(&log.log, &BGP_CONFLICTS).unwrap();
    assert_eq!(ends, [100; 4]);
    seen.change(|seen| {
        for (_, offset, text) in seen {
            assert_eq!(offset.to_string(), *text);
        }
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

#[test]
fn a_task_whose_group_has_surely_given_it_up_learns_that_it_lost_its_partition() {
    let mut log = TestLog::with_records(&BGP_CONFLICTS, 1);
    let events = Watched::new(Vec::new());
    let told = events.clone();
    let subscriber = Subscriber::start(&log.log, "g", BGP_CONFLICTS, move |mut assignment| {
        assignment.resume_at(0)?;
        told.change(|events| events.push("ours"));
        let end = loop {
            match assignment.next(10, Duration::from_millis(200))? {
                Next::Batch(_) | Next::Idle => {}
                Next::Revoked => break "revoked",
                Next::Lost => break "lost",
            }
        };
        told.change(|events| events.push(end));
        Ok(())
    })
    .unwrap();
    events.wait("four tasks", |events| *events == ["ours"; 4]);
    // Longer than the session: the group may have given the partitions to somebody else.
    log.broker.stop();
    events.wait("the loss", |events| events[4..] == ["lost"; 4]);
    log.restart();
    events.wait("another assignment", |events| events[8..] == ["ours"; 4]);
    assert_eq!(subscriber.failure(), None);
    subscriber.stop(PATIENCE).unwrap();
    events.wait("the end", |events| events[12..] == ["revoked"; 4]);
}
