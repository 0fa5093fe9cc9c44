//! Partitions that move between members of a group.

use std::{collections::BTreeSet, time::Duration};

use weir_eventlog::{Assignment, EventLog, Next, Subscriber, TaskError, admin};
use weir_events::topics::BGP_CONFLICTS;

use crate::harness::{PATIENCE, TestLog, Watched};

const WAIT: Duration = Duration::from_millis(200);

/// What all members did together.
#[derive(Default)]
struct Facts {
    /// (partition, offset) of every record, by whoever.
    seen: Vec<(u32, i64)>,
    /// (member, partition) of the tasks that run now.
    running: BTreeSet<(u8, u32)>,
}

impl Facts {
    fn shares(&self) -> (usize, usize) {
        let of = |member| {
            self.running
                .iter()
                .filter(|(who, _)| *who == member)
                .count()
        };
        (of(1), of(2))
    }
}

/// Resumes at the group's position, so that what is read twice or never shows.
fn work(
    log: &EventLog,
    member: u8,
    facts: &Watched<Facts>,
    mut assignment: Assignment,
) -> Result<(), TaskError> {
    let partition = assignment.partition();
    let committed = admin::committed(log, "g", &BGP_CONFLICTS)?;
    let mut next = committed[usize::try_from(partition)?].unwrap_or(0);
    assignment.resume_at(next)?;
    facts.change(|facts| facts.running.insert((member, partition)));
    loop {
        match assignment.next(10, WAIT)? {
            Next::Batch(batch) => {
                next = batch.next_offset();
                facts.change(|facts| {
                    let offsets = batch.iter().map(|record| (partition, record.offset));
                    facts.seen.extend(offsets);
                });
            }
            Next::Idle => {}
            Next::Revoked => break,
            Next::Lost => return Err("lost".into()),
        }
    }
    assignment.commit(next);
    facts.change(|facts| facts.running.remove(&(member, partition)));
    Ok(())
}

fn join(log: &EventLog, member: u8, facts: &Watched<Facts>) -> Subscriber {
    let (own, facts) = (log.clone(), facts.clone());
    Subscriber::start(log, "g", BGP_CONFLICTS, move |assignment| {
        work(&own, member, &facts, assignment)
    })
    .unwrap()
}

#[test]
fn partitions_move_between_members_and_every_record_is_read_once() {
    let log = TestLog::with_records(&BGP_CONFLICTS, 100);
    let facts = Watched::new(Facts::default());
    let first = join(&log.log, 1, &facts);
    facts.wait("one member has all", |facts| facts.shares() == (4, 0));
    let second = join(&log.log, 2, &facts);
    facts.wait("two members share", |facts| facts.shares() == (2, 2));
    let publisher = log.publisher();
    log.append(&publisher, &BGP_CONFLICTS, 100..150);
    facts.wait("all records", |facts| facts.seen.len() >= 600);
    first.stop(PATIENCE).unwrap();
    facts.wait("the other has all", |facts| facts.shares() == (0, 4));
    log.append(&publisher, &BGP_CONFLICTS, 150..200);
    facts.wait("the rest", |facts| facts.seen.len() >= 800);
    second.stop(PATIENCE).unwrap();
    facts.change(|facts| {
        facts.seen.sort_unstable();
        let all: Vec<_> = (0..4_u32)
            .flat_map(|partition| (0..200).map(move |offset| (partition, offset)))
            .collect();
        assert_eq!(facts.seen, all);
    });
}

#[test]
fn a_rebalance_during_a_restore_is_survived() {
    let log = TestLog::with_records(&BGP_CONFLICTS, 10);
    let facts = Watched::new(Facts::default());
    let restoring = Watched::new(0);
    let restored = Watched::new(false);
    let first = Subscriber::start(&log.log, "g", BGP_CONFLICTS, {
        let facts = facts.clone();
        let (restoring, restored) = (restoring.clone(), restored.clone());
        move |mut assignment| {
            restoring.change(|count| *count += 1);
            restored.wait("the restore", |restored| *restored);
            // Those that move away meanwhile learn it here: an interrupted restore is no failure.
            assignment.resume_at(0)?;
            let partition = assignment.partition();
            facts.change(|facts| facts.running.insert((1, partition)));
            while !matches!(assignment.next(10, WAIT)?, Next::Revoked) {}
            facts.change(|facts| facts.running.remove(&(1, partition)));
            Ok(())
        }
    })
    .unwrap();
    restoring.wait("four restores", |count| *count == 4);
    let second = join(&log.log, 2, &facts);
    // The group waits for the tasks that are to move; they see it when their restore is over.
    restored.change(|restored| *restored = true);
    facts.wait("two members share", |facts| facts.shares() == (2, 2));
    assert_eq!(first.failure(), None);
    second.stop(PATIENCE).unwrap();
    facts.wait("the first has all", |facts| facts.shares() == (4, 0));
    first.stop(PATIENCE).unwrap();
}
