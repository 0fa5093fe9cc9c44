//! Members that come and go all the time while records flow.

use std::collections::VecDeque;

use weir_eventlog::{EventLog, GroupProtocol};

use crate::harness::{
    PATIENCE, Seen, Watched, append, embedded, fresh, kafka, publisher, reader, topic,
};

const JOINS: u32 = 12;
const PER_JOIN: u32 = 300;

/// How often the log gave a record that it had given before, and how many partitions were lost: whoever
/// gives one back has committed, but a member that was silent for too long is not asked.
fn storm(bootstrap: &str, log: &EventLog) -> (usize, usize) {
    let topic = topic(bootstrap, "storm", 6);
    let group = fresh("group");
    let publisher = publisher(log);
    let seen = Watched::<Seen>::new();
    let mut members = VecDeque::new();
    for number in 0..JOINS {
        members.push_back(reader(log, &group, topic, number, &seen));
        append(
            &publisher,
            &topic,
            number * PER_JOIN..(number + 1) * PER_JOIN,
        );
        // Some leave before they have anything, some in the midst of a rebalance.
        if members.len() > 3
            && let Some(oldest) = members.pop_front()
        {
            oldest.stop(PATIENCE).unwrap();
        }
    }
    publisher.flush(PATIENCE).unwrap();
    let all = JOINS * PER_JOIN;
    seen.wait("all of it", |seen| seen.count() == all as usize);
    for member in members {
        assert_eq!(member.failure(), None);
        member.stop(PATIENCE).unwrap();
    }
    seen.change(|seen| {
        seen.assert_once(0..all);
        let repeated = seen.records.values().map(|texts| texts.len() - 1);
        (repeated.sum(), seen.lost)
    })
}

#[test]
fn a_storm_of_joins_and_leaves_loses_nothing_and_repeats_only_what_was_lost() {
    embedded(|address| {
        let told = storm(address, &kafka(address, GroupProtocol::Auto));
        assert_eq!(told, (0, 0), "(repeated, lost)");
    });
    if let Some(engine) = weir_engines::engine("kafka") {
        for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
            let (repeated, lost) = storm(engine.url(), &kafka(engine.url(), protocol));
            assert!(
                repeated == 0 || lost > 0,
                "{protocol:?}: {repeated} records came twice although no partition was lost"
            );
        }
    }
}
