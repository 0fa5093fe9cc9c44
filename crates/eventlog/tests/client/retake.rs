//! A sink whose fence is raised by somebody else, or whose store forgets, takes its partition anew.

use std::time::Duration;

use weir_eventlog::{Assignment, Next, Subscriber, TaskError};
use weir_events::topics::BGP_CONFLICTS;

use crate::harness::{PATIENCE, TestLog, Watched, until};

/// A store of one partition, as sinks know it.
#[derive(Debug, Default)]
struct Store {
    fence: u64,
    next: i64,
    rows: Vec<String>,
    /// How often the partition was taken.
    taken: usize,
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("fenced")]
    Fenced,
    #[error("damaged")]
    Damaged,
}

impl Refused {
    fn is_overtaken(&self) -> bool {
        matches!(self, Self::Fenced)
    }
}

/// Partition 0 into `store`.
fn sink(mut assignment: Assignment, store: &Watched<Store>) -> Result<(), TaskError> {
    let (fence, next) = store.change(|store| {
        if assignment.partition() == 0 {
            store.fence += 1;
            store.taken += 1;
        }
        (store.fence, store.next)
    });
    assignment.resume_at(if assignment.partition() == 0 { next } else { 0 })?;
    loop {
        match assignment.next(3, Duration::from_millis(20))? {
            Next::Batch(batch) if assignment.partition() == 0 => {
                store.change(|store| {
                    if store.fence != fence {
                        return Err(Refused::Fenced);
                    }
                    store.next = batch.next_offset();
                    store.rows.extend(batch.iter().map(|record| {
                        let text = String::from_utf8_lossy(record.payload);
                        text.into_owned()
                    }));
                    Ok(())
                })?;
                assignment.commit(batch.next_offset());
            }
            Next::Batch(_) | Next::Idle => {}
            Next::Revoked | Next::Lost => return Ok(()),
        }
    }
}

#[test]
fn everything_is_stored_once_though_the_fence_is_raised_and_rows_are_lost_underneath() {
    let log = TestLog::with_records(&BGP_CONFLICTS, 20);
    let store = Watched::new(Store::default());
    let task = store.clone();
    let subscriber = Subscriber::start_sink(
        &log.log,
        "g",
        BGP_CONFLICTS,
        Refused::is_overtaken,
        move |assignment| sink(assignment, &task),
    )
    .unwrap();
    store.wait("the first records", |store| store.rows.len() == 20);
    // Somebody else takes the partition and writes; then the store is put back.
    let publisher = log.publisher();
    store.change(|store| store.fence += 1);
    log.append(&publisher, &BGP_CONFLICTS, 20..40);
    store.wait("what follows a raised fence", |store| {
        store.rows.len() == 40
    });
    store.change(|store| {
        store.fence += 1;
        store.next = 10;
        store.rows.truncate(10);
    });
    log.append(&publisher, &BGP_CONFLICTS, 40..50);
    store.wait("all of it again", |store| store.rows.len() == 50);
    assert_eq!(subscriber.failure(), None);
    store.change(|store| {
        let wanted: Vec<_> = (0..50).map(|number| number.to_string()).collect();
        assert_eq!(store.rows, wanted);
        assert_eq!(store.taken, 3);
    });
    subscriber.stop(PATIENCE).unwrap();
}

#[test]
fn another_error_of_the_store_is_a_failure() {
    let log = TestLog::with_records(&BGP_CONFLICTS, 1);
    let subscriber =
        Subscriber::start_sink(&log.log, "g", BGP_CONFLICTS, Refused::is_overtaken, |_| {
            Err(Refused::Damaged.into())
        })
        .unwrap();
    until("a failure", || subscriber.failure().is_some());
    assert!(subscriber.failure().unwrap().contains("damaged"));
    assert!(subscriber.stop(PATIENCE).is_err());
}

#[test]
fn a_sink_that_waits_to_take_its_partition_anew_is_stopped_at_once() {
    let log = TestLog::with_records(&BGP_CONFLICTS, 1);
    let taken = Watched::new(0);
    let count = taken.clone();
    let subscriber = Subscriber::start_sink(
        &log.log,
        "g",
        BGP_CONFLICTS,
        Refused::is_overtaken,
        move |_| {
            count.change(|taken| *taken += 1);
            Err(Refused::Fenced.into())
        },
    )
    .unwrap();
    taken.wait("each partition twice", |taken| *taken >= 8);
    assert_eq!(subscriber.failure(), None);
    subscriber.stop(PATIENCE).unwrap();
}
