//! A compacted topic, and a topic that is not what it should be.

use weir_eventlog::{From, GroupProtocol, Tail, admin};
use weir_events::topics::Topic;

use crate::harness::{
    PATIENCE, Seen, Watched, append, fresh, kafka, publisher, reader, topic, topic_with, until,
};

/// The offsets and values that are left, oldest first.
fn left(log: &weir_eventlog::EventLog, topic: Topic) -> Vec<(i64, String)> {
    let end = admin::end_offsets(log, &topic).unwrap()[0];
    let records = Watched::<Vec<(i64, String)>>::new();
    let seen = records.clone();
    let tail = Tail::start(log, &[topic], From::Beginning, move |_, record| {
        let text = String::from_utf8_lossy(record.payload).into_owned();
        seen.change(|seen| seen.push((record.offset, text)));
    })
    .unwrap();
    records.wait("the end", |seen| {
        seen.last().is_some_and(|(offset, _)| offset + 1 == end)
    });
    tail.stop();
    records.change(std::mem::take)
}

#[test]
fn compaction_keeps_the_last_value_of_a_key_and_a_tail_reads_over_the_holes() {
    let Some(engine) = weir_engines::engine("kafka") else {
        return;
    };
    let settings = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "200"),
        ("min.cleanable.dirty.ratio", "0.01"),
    ];
    let topic = topic_with(engine.url(), "compact", 1, &settings);
    let log = kafka(engine.url(), GroupProtocol::Auto);
    let publisher = publisher(&log);
    append(&publisher, &topic, 0..500);
    publisher.flush(PATIENCE).unwrap();
    let mut last = 500;
    let records = until("compacted", || {
        // What is being written to is not compacted: something newer must come.
        append(&publisher, &topic, last..last + 1);
        publisher.flush(PATIENCE).unwrap();
        last += 1;
        Some(left(&log, topic)).filter(|records| records[0].0 >= 499)
    });
    assert_eq!(records.last().unwrap().1, (last - 1).to_string());
}

#[test]
fn a_missing_topic_is_said_with_the_next_step_and_read_once_it_is_made() {
    let Some(engine) = weir_engines::engine("kafka") else {
        return;
    };
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let log = kafka(engine.url(), protocol);
        let made = topic(engine.url(), "there", 1);
        let missing = Topic {
            name: fresh("missing").leak(),
            ..made
        };
        let member = reader(&log, &fresh("group"), missing, 1, &Watched::<Seen>::new());
        let reason = until("said", || member.waiting());
        assert!(reason.contains("weir topics apply"), "{reason}");
        assert_eq!(member.failure(), None);
        member.stop(PATIENCE).unwrap();

        let failure = until("refused", || {
            let publisher = publisher(&log);
            publisher
                .publish_encoded(missing.name, 0, b"", b"x", 0)
                .and_then(|_| publisher.flush(PATIENCE))
                .err()
        });
        let failure = failure.to_string();
        assert!(failure.contains("weir topics apply"), "{failure}");
    }
}

#[test]
fn a_topic_with_another_number_of_partitions_is_a_clear_failure() {
    let Some(engine) = weir_engines::engine("kafka") else {
        return;
    };
    let log = kafka(engine.url(), GroupProtocol::Auto);
    let topic = Topic {
        partitions: 4,
        ..topic(engine.url(), "count", 3)
    };
    let member = reader(&log, &fresh("group"), topic, 1, &Watched::<Seen>::new());
    let failure = until("failed", || member.failure());
    assert!(
        failure.contains("has 3 partitions, 4 are wanted"),
        "{failure}"
    );
}
