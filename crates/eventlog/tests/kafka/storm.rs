//! Members that come and go all the time while records flow.

use std::{collections::VecDeque, time::Duration};

use weir_eventlog::{EventLog, GroupProtocol, LogConfig};

use crate::harness::{PATIENCE, Seen, Watched, append, embedded, fresh, publisher, reader, topic};

const JOINS: u32 = 12;
const PER_JOIN: u32 = 300;

/// A member of a classic group that leaves while it joins does not say so (librdkafka 2.12.1, after a
/// SyncGroup that was refused): the others wait for it as long as this, the shortest that Kafka allows.
const SESSION_MS: u32 = 6_000;
/// Several may have left like that.
const LEFT_WITHIN: Duration = Duration::from_secs(60);

/// How often the log gave a record that it had given before, and who held what when.
fn storm(bootstrap: &str, log: &EventLog) -> (usize, Vec<String>) {
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
            oldest.stop(LEFT_WITHIN).unwrap();
        }
    }
    publisher.flush(PATIENCE).unwrap();
    let all = JOINS * PER_JOIN;
    seen.wait("all of it", |seen| seen.count() == all as usize);
    for member in members {
        assert_eq!(member.failure(), None);
        member.stop(LEFT_WITHIN).unwrap();
    }
    seen.change(|seen| {
        seen.assert_once(0..all);
        let repeated = seen.records.values().map(|texts| texts.len() - 1);
        (repeated.sum(), seen.handed.clone())
    })
}

/// Whoever gives back has committed, so nobody behind it reads anything again.
fn assert_calm(bootstrap: &str, group_protocol: GroupProtocol) {
    let log = EventLog::kafka(LogConfig {
        bootstrap_servers: bootstrap.to_owned(),
        group_protocol,
        session_timeout_ms: Some(SESSION_MS),
        ..LogConfig::default()
    });
    let (repeated, handed) = storm(bootstrap, &log.unwrap());
    assert_eq!(repeated, 0, "came twice, {group_protocol:?}: {handed:#?}");
}

#[test]
fn a_storm_of_joins_and_leaves_loses_nothing_and_repeats_nothing() {
    embedded(|address| assert_calm(address, GroupProtocol::Auto));
    if let Some(engine) = weir_engines::engine("kafka") {
        assert_calm(engine.url(), GroupProtocol::Classic);
        assert_calm(engine.url(), GroupProtocol::Consumer);
    }
}
