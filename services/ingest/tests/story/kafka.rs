//! Topics that others write, on the embedded broker: three shapes of JSON, garbage, and restarts.

use std::{collections::BTreeMap, path::Path, process::Command, sync::mpsc, time::Duration};

use weir_eventlog::{
    EventLog, From, LogConfig, OffsetReset, Publisher, PublisherOptions, Tail,
    admin::{self, Desired},
    broker::{Broker, BrokerConfig, Fsync},
};
use weir_events::{
    topics::{BGP_MESSAGES, Topic, dead_letter_topic},
    v1::{self, control::Kind},
};
use weir_ingest::{Config, Running, Source, config::Kafka};

use crate::support::{Content, DEADLINE, Sandbox, until};

const TOPIC: &str = "ripe-ris-updates";
const OTHER: &str = "lab-updates";
const FOLDER: &str = "WEIR_TEST_KAFKA_VICTIM_FOLDER";

pub(crate) fn make(log: &EventLog, name: &str, partitions: u32) {
    let topic = Desired {
        name: name.to_owned(),
        partitions,
        is_keyed: false,
        replication: None,
        configs: BTreeMap::new(),
    };
    let steps = admin::plan(log, &[topic]).unwrap();
    admin::apply(log, &steps).unwrap();
}

/// Others write these, each to the partition that stands before it.
pub(crate) fn write(log: &EventLog, topic: &str, records: &[(u32, impl AsRef<[u8]>)]) {
    let publisher = Publisher::connect(log, PublisherOptions::default()).unwrap();
    for (partition, record) in records {
        publisher
            .publish_encoded(topic, *partition, b"", record.as_ref(), 0)
            .unwrap();
    }
    publisher.flush(DEADLINE).unwrap();
}

pub(crate) fn ris(host: &str, prefix: &str) -> String {
    format!(
        r#"{{"type":"ris_message","data":{{"timestamp":1609480200.5,"peer":"192.0.2.1","peer_asn":"64496","id":"x","host":"{host}.ripe.net","type":"UPDATE","path":[64496,64498],"origin":"IGP","announcements":[{{"next_hop":"192.0.2.1","prefixes":["{prefix}"]}}]}}}}"#
    )
}

fn nested(prefix: &str) -> String {
    format!(
        r#"{{"type":"UPDATE","timestamp":1609480201.0,"peer":{{"ip":"192.0.2.2","asn":64497}},"announce":{{"prefix":"{prefix}","as_path":[64497,64499]}}}}"#
    )
}

fn flat(prefix: &str) -> String {
    format!(
        r#"{{"type":"withdraw","peer_ip":"192.0.2.2","peer_asn":64497,"prefix":"{prefix}","timestamp":"2021-01-01T05:50:02Z"}}"#
    )
}

pub(crate) fn source(topics: &[&str]) -> Kafka {
    Kafka {
        kafka: Box::new(LogConfig {
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            auto_offset_reset: OffsetReset::Earliest,
            auto_commit_interval_ms: 50,
            // A member that comes is noticed at a heartbeat.
            heartbeat_interval_ms: Some(100),
            ..LogConfig::default()
        }),
        ..Kafka::default()
    }
}

pub(crate) fn start(sandbox: &Sandbox, source: Kafka) -> Running {
    let config = Config {
        source: Source::Kafka(source),
        ..Config::default()
    };
    weir_ingest::start(config, &sandbox.log, &sandbox.state()).unwrap()
}

/// What the group has committed in a topic, summed over its partitions.
pub(crate) fn committed(log: &EventLog, name: &'static str, partitions: u32) -> i64 {
    let topic = Topic {
        name,
        partitions,
        ..BGP_MESSAGES
    };
    let group = LogConfig::default().group_id;
    let positions = admin::committed(log, &group, &topic).unwrap();
    positions.into_iter().flatten().sum()
}

/// Routes in the order of their writer: collector, epoch, announced, withdrawn.
fn routes(content: &Content) -> Vec<(String, u64, usize, usize)> {
    let mut found: Vec<_> = content
        .updates
        .iter()
        .filter_map(|update| match &update.body {
            Some(v1::bgp_update::Body::Routes(routes)) => Some((
                (update.collector.clone(), update.writer_epoch, update.seq),
                (routes.announced.len(), routes.withdrawn.len()),
            )),
            _ => None,
        })
        .collect();
    found.sort_unstable();
    let flat = found.into_iter();
    flat.map(|((collector, epoch, _), (a, w))| (collector, epoch, a, w))
        .collect()
}

pub(crate) fn gaps(content: &Content) -> usize {
    let controls = content.controls();
    controls
        .iter()
        .filter(|control| matches!(control.3, Kind::Gap(_)))
        .count()
}

#[test]
fn three_shapes_are_read_each_into_its_collector_and_garbage_is_set_aside_with_its_place() {
    let sandbox = Sandbox::start();
    make(&sandbox.log, TOPIC, 2);
    make(&sandbox.log, OTHER, 1);
    let future = nested("203.0.113.0/24").replace("1609480201.0", "4102444800");
    write(
        &sandbox.log,
        TOPIC,
        &[
            (0, ris("rrc21", "198.51.100.0/24")),
            (1, r#"{"type":"ris_message","data":{"broken"#.to_owned()),
            (1, ris("rrc00", "203.0.113.0/24")),
            (1, ris("_control", "203.0.113.0/24")),
        ],
    );
    let array = format!("[{}, {}]", nested("198.51.100.0/24"), flat("192.0.2.0/24"));
    let records = [(0, array), (0, future), (0, String::new())];
    write(&sandbox.log, OTHER, &records);

    let (tell, letters) = mpsc::channel();
    let name: &'static str = Box::leak(dead_letter_topic(BGP_MESSAGES.name).into_boxed_str());
    let dlq = Topic {
        name,
        partitions: 1,
        ..BGP_MESSAGES
    };
    let tail = Tail::start(&sandbox.log, &[dlq], From::Beginning, move |_, record| {
        let _ = tell.send(String::from_utf8(record.key.to_vec()).unwrap());
    })
    .unwrap();
    let running = start(&sandbox, source(&[TOPIC, OTHER]));
    until("all that was written is read", || {
        let stats = running.stats();
        (stats.messages, stats.dead_letters) == (4, 3)
    });
    assert_eq!(running.stats().future, 1);
    until("all is committed", || {
        committed(&sandbox.log, TOPIC, 2) == 4 && committed(&sandbox.log, OTHER, 1) == 3
    });
    assert_eq!(running.waiting(), None);
    running.stop(DEADLINE).unwrap();

    let content = sandbox.content();
    let route = |collector: &str, a, w| (collector.to_owned(), 1, a, w);
    assert_eq!(
        routes(&content),
        [
            route(OTHER, 1, 0),
            route(OTHER, 0, 1),
            route("rrc00", 1, 0),
            route("rrc21", 1, 0),
        ]
    );
    assert_eq!(gaps(&content), 0);
    let mut places: Vec<String> = (0..3)
        .map(|_| letters.recv_timeout(DEADLINE).unwrap())
        .collect();
    places.sort();
    assert_eq!(
        places,
        [
            "lab-updates-0-1",
            "ripe-ris-updates-1-0",
            "ripe-ris-updates-1-2"
        ]
    );
    tail.stop();
}

#[test]
fn a_restart_goes_on_where_it_stopped_in_a_new_epoch_without_a_gap() {
    let sandbox = Sandbox::start();
    make(&sandbox.log, TOPIC, 2);
    for life in 0..3 {
        let prefix = format!("10.0.{life}.0/24");
        write(&sandbox.log, TOPIC, &[(life % 2, ris("rrc21", &prefix))]);
        let running = start(&sandbox, source(&[]));
        until("one message", || running.stats().messages == 1);
        running.stop(DEADLINE).unwrap();
        assert_eq!(committed(&sandbox.log, TOPIC, 2), i64::from(life) + 1);
    }
    let content = sandbox.content();
    let route = |epoch| ("rrc21".to_owned(), epoch, 1, 0);
    assert_eq!(routes(&content), [route(1), route(2), route(3)]);
    assert_eq!(gaps(&content), 0);
}

#[test]
fn what_the_group_never_saw_is_a_gap_to_those_who_were_there_before() {
    let sandbox = Sandbox::start();
    make(&sandbox.log, TOPIC, 1);
    let seen = ["rrc00", "rrc21"].map(|host| (0, ris(host, "10.0.0.0/24")));
    write(&sandbox.log, TOPIC, &seen);
    let running = start(&sandbox, source(&[]));
    until("two messages", || running.stats().messages == 2);
    running.stop(DEADLINE).unwrap();

    write(&sandbox.log, TOPIC, &[(0, ris("rrc21", "10.0.1.0/24"))]);
    let mut latest = source(&[]);
    latest.kafka.group_id = "another".to_owned();
    latest.kafka.auto_offset_reset = OffsetReset::Latest;
    let running = start(&sandbox, latest);
    // Where it begins is decided when it has the partition: from then on each record is read.
    until("the end is read", || {
        write(&sandbox.log, TOPIC, &[(0, ris("rrc21", "10.0.2.0/24"))]);
        running.stats().messages > 0
    });
    running.stop(DEADLINE).unwrap();
    // rrc00 says no word in the life that saw it, and is told all the same.
    let controls = sandbox.content().controls();
    let told = controls.iter().filter(|c| matches!(c.3, Kind::Gap(_)));
    let told: Vec<_> = told.map(|c| (c.0.as_str(), c.1)).collect();
    assert_eq!(told, [("rrc00", 2), ("rrc21", 2)]);
}

#[test]
fn a_record_of_many_faults_is_one_dead_letter_and_the_rest_of_it_is_published() {
    let sandbox = Sandbox::start();
    make(&sandbox.log, TOPIC, 1);
    let future = nested("203.0.113.0/24").replace("1609480201.0", "4102444800");
    let good = flat("192.0.2.0/24");
    let record = format!("[{}{future},{good},{future}]", "0,".repeat(100));
    write(&sandbox.log, TOPIC, &[(0, record), (0, good)]);
    let running = start(&sandbox, source(&[]));
    until("both records are read", || running.stats().messages == 2);
    running.stop(DEADLINE).unwrap();
    let name: &'static str = Box::leak(dead_letter_topic(BGP_MESSAGES.name).into_boxed_str());
    let dlq = Topic {
        name,
        partitions: 1,
        ..BGP_MESSAGES
    };
    assert_eq!(admin::end_offsets(&sandbox.log, &dlq).unwrap(), [1]);
}

#[test]
fn a_stop_does_not_wait_for_a_group_whose_brokers_are_gone() {
    let sandbox = Sandbox::start();
    let theirs = Broker::start(BrokerConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        dir: sandbox.path().join("theirs"),
        fsync: Fsync::None,
        ..BrokerConfig::default()
    })
    .unwrap();
    let log = EventLog::embedded(theirs.clone());
    make(&log, TOPIC, 1);
    write(&log, TOPIC, &[(0, ris("rrc21", "10.0.0.0/24"))]);
    let mut source = source(&[]);
    // What is read is not committed before the stop.
    source.kafka.auto_commit_interval_ms = 3_600_000;
    source.cluster = Some(Box::new(log.config().reading_as(&source.kafka)));
    let running = start(&sandbox, source);
    until("one message", || running.stats().messages == 1);
    theirs.stop();
    // As long as a process has, and far shorter than a session.
    running.stop(Duration::from_secs(10)).unwrap();
}

#[test]
fn two_readers_of_one_group_read_nothing_and_say_so() {
    let sandbox = Sandbox::start();
    make(&sandbox.log, TOPIC, 2);
    let first = start(&sandbox, source(&[]));
    write(&sandbox.log, TOPIC, &[(0, ris("rrc21", "10.0.0.0/24"))]);
    until("the first reads", || first.stats().messages == 1);
    let config = Config {
        source: Source::Kafka(source(&[])),
        ..Config::default()
    };
    let folder = sandbox.path().join("second");
    let second = weir_ingest::start(config, &sandbox.log, &folder).unwrap();
    let says = |running: &Running| {
        let waiting = running.waiting().unwrap_or_default();
        waiting.contains("1 of 2 partitions") && waiting.contains("KAFKA_GROUP_ID")
    };
    until("both wait", || says(&first) && says(&second));
    write(&sandbox.log, TOPIC, &[(1, ris("rrc21", "10.0.1.0/24"))]);
    second.stop(DEADLINE).unwrap();
    until("the first goes on", || first.stats().messages == 2);
    assert_eq!(first.waiting(), None);
    first.stop(DEADLINE).unwrap();
}

#[test]
fn a_topic_of_our_own_is_refused() {
    let sandbox = Sandbox::start();
    let config = Config {
        source: Source::Kafka(source(&["bgp-updates"])),
        ..Config::default()
    };
    let Err(error) = weir_ingest::start(config, &sandbox.log, &sandbox.state()) else {
        panic!("it reads its own words")
    };
    let text = error.to_string();
    assert!(text.contains("bgp-updates") && text.contains("KAFKA_TOPICS"));
}

const RECORDS: u32 = 3000;

fn prefix(number: u32) -> String {
    format!("10.{}.{}.0/24", number / 200, number % 200)
}

/// Not a test of its own: the victim of the one below.
#[test]
fn victim() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let sandbox = Sandbox::at(Path::new(&folder));
        let running = start(&sandbox, source(&[]));
        assert!(!running.wait_finished(DEADLINE), "it has no end");
    }
}

#[test]
fn a_killed_reader_loses_nothing_and_repeats_in_a_new_epoch() {
    let folder = tempfile::tempdir().unwrap();
    {
        let sandbox = Sandbox::at(folder.path());
        make(&sandbox.log, TOPIC, 1);
        let records: Vec<_> = (0..RECORDS)
            .map(|number| (0, ris("rrc21", &prefix(number))))
            .collect();
        write(&sandbox.log, TOPIC, &records);
        sandbox.log.sync().unwrap();
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["kafka::victim", "--exact"])
        .env(FOLDER, folder.path())
        .env("WEIR_CRASH_AT", "ingest.published:2900")
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success(), "the victim lived");

    let sandbox = Sandbox::at(folder.path());
    let done = u64::try_from(committed(&sandbox.log, TOPIC, 1)).unwrap();
    let running = start(&sandbox, source(&[]));
    until("the rest is read", || {
        running.stats().messages == u64::from(RECORDS) - done
    });
    running.stop(DEADLINE).unwrap();
    let content = sandbox.content();
    let mut seen: Vec<String> = Vec::new();
    for update in &content.updates {
        if let Some(v1::bgp_update::Body::Routes(routes)) = &update.body {
            assert!(update.writer_epoch <= 2);
            seen.extend(routes.announced.iter().map(|nlri| format!("{nlri:?}")));
        }
    }
    assert!(seen.len() >= RECORDS as usize);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), RECORDS as usize, "something was lost");
    assert_eq!(gaps(&content), 0);
}
