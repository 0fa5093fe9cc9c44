//! Topics planned, applied, described and removed, groups looked at and moved: the same checks on the
//! embedded broker and on Kafka.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, sync::mpsc, time::Duration};

use weir_eventlog::{
    EventLog, LogConfig, Next, Publisher, PublisherOptions, Subscriber,
    admin::{self, Browse, Desired, MoveError, Start, Step},
    broker::{Broker, BrokerConfig},
};
use weir_events::{
    position::TopicEpoch,
    topics::{self, Topic},
};

const PATIENCE: Duration = Duration::from_secs(40);

/// Runs `check` on both kinds of log; the name makes topics of its own.
fn on_every_log(check: impl Fn(&EventLog, &str)) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        dir: folder.path().to_owned(),
        ..BrokerConfig::default()
    })
    .unwrap();
    check(&EventLog::embedded(broker.clone()), "embedded");
    broker.stop();
    if let Some(kafka) = weir_engines::engine("kafka") {
        let log = EventLog::kafka(LogConfig {
            bootstrap_servers: kafka.url().to_owned(),
            ..LogConfig::default()
        });
        let name = format!("t{}-{:?}", std::process::id(), std::thread::current().id());
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        check(&log.unwrap(), &name);
    }
}

fn keyed(name: &str, configs: &[(&str, &str)]) -> Desired {
    Desired {
        name: name.to_owned(),
        partitions: 3,
        is_keyed: true,
        replication: None,
        configs: configs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn steps(log: &EventLog, topic: &Desired) -> Vec<String> {
    let steps = admin::plan(log, std::slice::from_ref(topic)).unwrap();
    steps.iter().map(Step::to_string).collect()
}

fn apply(log: &EventLog, topic: &Desired) -> usize {
    let steps = admin::plan(log, std::slice::from_ref(topic)).unwrap();
    admin::apply(log, &steps).unwrap()
}

#[test]
fn a_topic_is_made_once_altered_where_it_differs_and_never_repartitioned() {
    on_every_log(|log, name| {
        let name = format!("{name}-plan");
        let wanted = keyed(
            &name,
            &[("retention.ms", "3600000"), ("cleanup.policy", "delete")],
        );
        assert_eq!(apply(log, &wanted), 1, "made");
        assert_eq!(steps(log, &wanted), Vec::<String>::new());
        assert_eq!(apply(log, &wanted), 0, "nothing to do");
        let described = admin::describe(log, &name).unwrap().unwrap();
        assert_eq!(described.partitions.len(), 3);
        assert_eq!(
            described.configs["retention.ms"],
            ("3600000".to_owned(), true)
        );
        assert_eq!(described.partitions[2].range, Some((0, 0)));
        assert!(!described.partitions[0].in_sync.is_empty());

        let by_hand = keyed(&name, &[("max.message.bytes", "2000000")]);
        assert_eq!(apply(log, &by_hand), 1);
        let longer = keyed(
            &name,
            &[("retention.ms", "7200000"), ("cleanup.policy", "delete")],
        );
        let told = steps(log, &longer);
        assert_eq!(
            told[0],
            format!("alter    {name} retention.ms 3600000 -> 7200000")
        );
        assert!(
            told[1].contains("max.message.bytes=2000000 was set by somebody else"),
            "{told:?}"
        );
        assert_eq!(apply(log, &longer), 1);
        let described = admin::describe(log, &name).unwrap().unwrap();
        assert_eq!(described.configs["retention.ms"].0, "7200000");
        assert_eq!(
            described.configs["max.message.bytes"].0, "2000000",
            "left alone"
        );

        let wider = Desired {
            partitions: 5,
            ..longer
        };
        assert!(steps(log, &wider)[0].starts_with(&format!("refused  {name} has 3 partitions")));
        assert_eq!(apply(log, &wider), 0);
        assert_eq!(
            admin::describe(log, &name)
                .unwrap()
                .unwrap()
                .partitions
                .len(),
            3
        );

        admin::delete(log, &name).unwrap();
        assert_eq!(admin::describe(log, &name).unwrap(), None);
        let error = admin::delete(log, &name).unwrap_err();
        assert!(error.to_string().contains(&name), "{error}");
    });
}

#[test]
fn the_table_is_applied_and_each_partition_with_an_epoch_begins_with_it() {
    on_every_log(|log, _| {
        admin::ensure_topics(log, TopicEpoch(1)).unwrap();
        assert_eq!(admin::plan(log, &admin::table()).unwrap(), []);
        assert_eq!(
            admin::start(log, TopicEpoch(9)).unwrap(),
            0,
            "each has begun"
        );
        let names: Vec<String> = admin::list(log)
            .unwrap()
            .into_iter()
            .map(|t| t.name)
            .collect();
        for topic in topics::ALL {
            assert!(names.contains(&topic.name.to_owned()), "{}", topic.name);
            assert!(names.contains(&topics::dead_letter_topic(topic.name)));
        }
    });
}

#[test]
fn a_topic_of_others_is_made_when_a_file_asks_for_it() {
    on_every_log(|log, name| {
        let name = format!("{name}-raw-pings");
        let text = format!("[{name}]\npartitions = 6\nretention = \"7d\"\ncleanup = \"delete\"\n");
        let all = admin::with_overrides(&text).unwrap();
        let pings = all.last().unwrap();
        assert_eq!(apply(log, pings), 1);
        let described = admin::describe(log, &name).unwrap().unwrap();
        assert_eq!(described.partitions.len(), 6);
        assert_eq!(described.configs["retention.ms"].0, "604800000");
    });
}

#[test]
fn records_are_read_from_where_a_person_says() {
    on_every_log(|log, name| {
        let name = format!("{name}-browse");
        apply(log, &keyed(&name, &[]));
        fill(log, &name, 10);
        let read = |from, partition, max| {
            let mut seen = BTreeMap::<u32, Vec<i64>>::new();
            let wanted = Browse {
                topic: &name,
                partition,
                from,
                max,
                until_end: true,
            };
            let count = admin::browse(log, &wanted, |partition, record| {
                seen.entry(partition).or_default().push(record.offset);
                true
            });
            (count.unwrap(), seen)
        };
        assert_eq!(read(Start::Beginning, None, None).0, 30);
        assert_eq!(read(Start::Beginning, None, Some(4)).0, 4);
        assert_eq!(
            read(Start::Offset(8), Some(1), None).1,
            BTreeMap::from([(1, vec![8, 9])])
        );
        assert_eq!(read(Start::End, None, None).0, 0);
    });
}

#[test]
fn a_group_is_moved_only_while_nobody_is_in_it() {
    on_every_log(|log, name| {
        let (name, group) = (format!("{name}-move"), format!("{name}-group"));
        apply(log, &keyed(&name, &[]));
        fill(log, &name, 10);
        let row = Topic {
            name: Box::leak(name.clone().into_boxed_str()),
            partitions: 3,
            ..topics::BGP_CONFLICTS
        };
        let (told, reading) = mpsc::channel();
        let subscriber = Subscriber::start(
            log,
            Box::leak(group.clone().into_boxed_str()),
            row,
            move |mut assignment| {
                assignment.resume_at(0)?;
                loop {
                    match assignment.next(100, PATIENCE)? {
                        Next::Batch(batch) => {
                            assignment.commit(batch.next_offset());
                            if batch.next_offset() == 10 {
                                let _ = told.send(());
                            }
                        }
                        Next::Idle => {}
                        Next::Revoked | Next::Lost => return Ok(()),
                    }
                }
            },
        )
        .unwrap();
        for _ in 0..3 {
            reading.recv_timeout(PATIENCE).unwrap();
        }
        let refused = admin::move_group(log, &group, &name, &[(0, 3)]);
        assert!(
            matches!(refused, Err(MoveError::InUse { .. })),
            "{refused:?}"
        );
        subscriber.stop(PATIENCE).unwrap();
        assert_eq!(admin::committed(log, &group, &row).unwrap(), [Some(10); 3]);

        let beginning = admin::offsets_at(log, &name, 3, 0).unwrap();
        assert_eq!(beginning, [Some(0); 3]);
        assert_eq!(
            admin::offsets_at(log, &name, 3, i64::MAX / 2).unwrap(),
            [None; 3]
        );
        admin::move_group(log, &group, &name, &[(0, 3), (2, 7)]).unwrap();
        let moved = admin::committed(log, &group, &row).unwrap();
        assert_eq!(moved, [Some(3), Some(10), Some(7)]);
        assert!(
            admin::groups(log)
                .unwrap()
                .iter()
                .any(|found| found.name == group)
        );
    });
}

fn fill(log: &EventLog, topic: &str, count: u32) {
    let publisher = Publisher::connect(log, PublisherOptions::default()).unwrap();
    for number in 0..count {
        for partition in 0..3 {
            let payload = number.to_string();
            publisher
                .publish_encoded(topic, partition, b"key", payload.as_bytes(), 0)
                .unwrap();
        }
    }
    publisher.flush(PATIENCE).unwrap();
}
