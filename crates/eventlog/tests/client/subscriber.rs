//! One member of a group: where it begins, what it gets, how it ends.

use std::time::Duration;

use weir_eventlog::{Assignment, LogError, Next, Subscriber, TaskError, admin};
use weir_events::topics::{BGP_CONFLICTS, Topic};

use crate::harness::{PATIENCE, TestLog, Watched, until};

const WAIT: Duration = Duration::from_millis(200);

/// Reads from the first kept record until it is revoked, committing what it has read.
pub(crate) fn read_all(
    mut assignment: Assignment,
    seen: &Watched<Vec<(u32, i64, String)>>,
) -> Result<(), TaskError> {
    let (first, _) = assignment.log_range()?;
    assignment.resume_at(first)?;
    loop {
        match assignment.next(7, WAIT)? {
            Next::Batch(batch) => {
                let partition = assignment.partition();
                seen.change(|seen| {
                    seen.extend(batch.iter().map(|record| {
                        let text = String::from_utf8(record.payload.to_vec()).unwrap();
                        (partition, record.offset, text)
                    }));
                });
                assignment.commit(batch.next_offset());
            }
            Next::Idle => {}
            Next::Revoked | Next::Lost => return Ok(()),
        }
    }
}

fn expected(topic: &Topic, count: i64) -> Vec<(u32, i64, String)> {
    (0..topic.partitions)
        .flat_map(|partition| (0..count).map(move |n| (partition, n, n.to_string())))
        .collect()
}

#[test]
fn every_partition_is_read_in_order_and_its_position_committed() {
    let log = TestLog::with_records(&BGP_CONFLICTS, 50);
    let seen = Watched::new(Vec::new());
    let task = seen.clone();
    let subscriber = Subscriber::start(&log.log, "g", BGP_CONFLICTS, move |assignment| {
        read_all(assignment, &task)
    })
    .unwrap();
    seen.wait("200 records", |seen| seen.len() >= 200);
    // And what comes while it waits.
    let publisher = log.publisher();
    log.append(&publisher, &BGP_CONFLICTS, 50..60);
    seen.wait("240 records", |seen| seen.len() >= 240);
    subscriber.stop(PATIENCE).unwrap();
    seen.change(|seen| {
        seen.sort_by_key(|(partition, ..)| *partition);
        assert_eq!(*seen, expected(&BGP_CONFLICTS, 60));
    });
    assert_eq!(
        admin::committed(&log.log, "g", &BGP_CONFLICTS).unwrap(),
        [Some(60); 4]
    );
    assert_eq!(
        admin::committed(&log.log, "other", &BGP_CONFLICTS).unwrap(),
        [None; 4]
    );
}

#[test]
fn a_task_resumes_where_it_says_and_knows_the_end() {
    let log = TestLog::with_records(&BGP_CONFLICTS, 20);
    let facts = Watched::new(Vec::new());
    let told = facts.clone();
    let subscriber = Subscriber::start(&log.log, "g", BGP_CONFLICTS, move |mut assignment| {
        assert_eq!(assignment.log_range()?, (0, 20));
        assert_eq!(assignment.read_back(3)?.unwrap().payload, b"3");
        assert_eq!(assignment.read_back(19)?.unwrap().borrow().key, b"key");
        assert!(assignment.read_back(20)?.is_none());
        assert!(matches!(
            assignment.topic_epoch(),
            Err(LogError::NoTopicStart { .. })
        ));
        assert!(matches!(
            assignment.next(1, WAIT),
            Err(LogError::Misuse { .. })
        ));
        assignment.resume_at(15)?;
        assert!(matches!(
            assignment.resume_at(15),
            Err(LogError::Misuse { .. })
        ));
        assert!(!assignment.at_end());
        let mut offsets = Vec::new();
        while !assignment.at_end() {
            match assignment.next(3, WAIT)? {
                Next::Batch(batch) => {
                    assert!(batch.len() <= 3);
                    offsets.extend(batch.iter().map(|record| record.offset));
                }
                Next::Idle => {}
                Next::Revoked | Next::Lost => return Err("revoked too early".into()),
            }
        }
        told.change(|told| told.push(offsets));
        while !matches!(assignment.next(3, WAIT)?, Next::Revoked) {}
        Ok(())
    })
    .unwrap();
    facts.wait("four tasks at the end", |facts| facts.len() == 4);
    subscriber.stop(PATIENCE).unwrap();
    facts.change(|facts| {
        for offsets in facts {
            assert_eq!(*offsets, [15, 16, 17, 18, 19]);
        }
    });
}

#[test]
fn a_position_outside_of_the_log_is_refused() {
    let log = TestLog::with_records(&BGP_CONFLICTS, 5);
    for position in [6, -1] {
        let subscriber = Subscriber::start(&log.log, "g", BGP_CONFLICTS, move |mut assignment| {
            assignment.resume_at(position)?;
            Ok(())
        })
        .unwrap();
        until("a failure", || subscriber.failure().is_some());
        let failure = subscriber.failure().unwrap();
        assert!(failure.contains("outside of the log (0..=5)"), "{failure}");
        assert!(subscriber.stop(PATIENCE).is_err());
    }
}

#[test]
fn a_task_that_fails_panics_or_gives_up_is_reported() {
    let log = TestLog::with_records(&BGP_CONFLICTS, 1);
    type Ending = fn() -> Result<(), TaskError>;
    let tasks: [(Ending, &str); 3] = [
        (|| Err("the store is full".into()), "the store is full"),
        (|| panic!("a bug"), "it panicked: a bug"),
        (|| Ok(()), "returned before its partition was revoked"),
    ];
    for (task, wanted) in tasks {
        let seen = Watched::new(Vec::new());
        let others = seen.clone();
        let subscriber = Subscriber::start(&log.log, "g", BGP_CONFLICTS, move |assignment| {
            if assignment.partition() == 2 {
                task()
            } else {
                read_all(assignment, &others)
            }
        })
        .unwrap();
        seen.wait("the other partitions", |seen| seen.len() == 3);
        until("a failure", || subscriber.failure().is_some());
        let failure = subscriber.failure().unwrap();
        assert!(failure.contains(wanted), "{failure}");
        assert!(failure.contains("bgp-conflicts/2"), "{failure}");
        assert!(matches!(
            subscriber.stop(PATIENCE),
            Err(LogError::Task { .. })
        ));
    }
}

#[test]
fn past_the_deadline_of_a_stop_a_task_sees_that_it_lost_its_partition() {
    let log = TestLog::with_records(&BGP_CONFLICTS, 1);
    let phases = Watched::new(Vec::new());
    let hold = Watched::new(true);
    let (told, held) = (phases.clone(), hold.clone());
    let subscriber = Subscriber::start(&log.log, "g", BGP_CONFLICTS, move |mut assignment| {
        assignment.resume_at(0)?;
        if assignment.partition() != 0 {
            while !matches!(assignment.next(9, WAIT)?, Next::Revoked) {}
            return Ok(());
        }
        told.change(|told| told.push("ours"));
        while !matches!(assignment.next(9, WAIT)?, Next::Revoked) {}
        told.change(|told| told.push("revoked"));
        held.wait("the test", |held| !held);
        if matches!(assignment.next(9, WAIT)?, Next::Lost) {
            told.change(|told| told.push("lost"));
        }
        Ok(())
    })
    .unwrap();
    phases.wait("an assignment", |phases| *phases == ["ours"]);
    let stopped = std::thread::spawn(move || subscriber.stop(Duration::from_millis(300)));
    phases.wait("revoked", |phases| *phases == ["ours", "revoked"]);
    let error = stopped.join().unwrap().unwrap_err().to_string();
    assert!(error.contains("did not end in time"), "{error}");
    hold.change(|hold| *hold = false);
    phases.wait("lost", |phases| *phases == ["ours", "revoked", "lost"]);
}

#[test]
fn a_slow_task_holds_back_its_own_partition_only() {
    let log = TestLog::with_records(&BGP_CONFLICTS, 2000);
    let seen = Watched::new(Vec::new());
    let gate = Watched::new(false);
    let (others, open) = (seen.clone(), gate.clone());
    let subscriber = Subscriber::start(&log.log, "g", BGP_CONFLICTS, move |assignment| {
        if assignment.partition() == 1 {
            open.wait("the gate", |open| *open);
        }
        read_all(assignment, &others)
    })
    .unwrap();
    seen.wait("three partitions", |seen| seen.len() == 6000);
    gate.change(|open| *open = true);
    seen.wait("the fourth", |seen| seen.len() == 8000);
    subscriber.stop(PATIENCE).unwrap();
}
