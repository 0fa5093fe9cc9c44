//! The choice, the rows of a record, and the whole writer against an embedded broker and SQLite.

use std::time::Duration;

use weir_eventlog::{
    Publisher, PublisherOptions, admin,
    broker::{Broker, BrokerConfig},
};
use weir_events::{position::TopicEpoch, time::DAY_US};
use weir_lifecycle::Health;
use weir_record_store::{PrefixMatch, RecordStore, conformance};

use super::*;

/// 2021-01-01.
const START: i64 = 18_628 * DAY_US;

fn config(keep: Option<Keep>, watched: &[&str]) -> Config {
    Config {
        keep,
        watched: watched.iter().map(ToString::to_string).collect(),
        ..Config::default()
    }
}

#[test]
fn the_default_depends_on_where_records_are_kept() {
    let chosen = |config: Config, is_server| config.choice(is_server).unwrap().map(|c| c.keep);
    for (keep, watched, is_server, expected) in [
        (None, &[][..], true, Some(Keep::Watched)),
        (None, &[], false, None),
        (None, &["10.0.0.0/8"], false, Some(Keep::Watched)),
        (Some(Keep::None), &["10.0.0.0/8"], true, None),
        (Some(Keep::All), &[], false, Some(Keep::All)),
    ] {
        assert_eq!(chosen(config(keep, watched), is_server), expected);
    }
    let refused = config(None, &["10/8 or so"]).choice(true).unwrap_err();
    assert!(refused.to_string().contains("10/8 or so"), "{refused}");
}

fn update(seconds: i64, announced: &[&str], withdrawn: &[&str]) -> v1::BgpUpdate {
    let prefixes = |texts: &[&str]| -> Vec<v1::Prefix> {
        let prefixes = texts.iter().map(|text| text.parse::<Prefix>().unwrap());
        prefixes.map(v1::Prefix::from).collect()
    };
    v1::BgpUpdate {
        collector: "rrc12".into(),
        event_time_us: START + seconds * 1_000_000,
        receive_time_us: START,
        body: Some(v1::bgp_update::Body::Routes(v1::Routes {
            peer: Some(v1::Peer::new([192, 0, 2, 1].into(), 64_510)),
            attributes: Some(v1::PathAttributes {
                as_path: vec![v1::PathSegment {
                    kind: v1::path_segment::Kind::Sequence.into(),
                    asns: vec![64_510, 64_496],
                }],
                communities: vec![64_496 << 16 | 7],
                ..v1::PathAttributes::default()
            }),
            announced: prefixes(announced),
            withdrawn: prefixes(withdrawn),
            ..v1::Routes::default()
        })),
        ..v1::BgpUpdate::default()
    }
}

#[test]
fn what_is_watched_or_evidence_is_kept_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let log = EventLog::embedded(
        Broker::start(BrokerConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            dir: folder.path().join("log"),
            ..BrokerConfig::default()
        })
        .unwrap(),
    );
    admin::ensure_topics(&log, TopicEpoch(1)).unwrap();
    let url = format!("sqlite://{}", folder.path().join("records.db").display());
    let store = RecordStore::blocking(&url).unwrap();
    let (fence, _) = store.raise_fence(0).unwrap();
    let mut incident = conformance::incident(1, 1, "10.2.0.0/16");
    incident.first_seen_us = START;
    store.record(&[incident], 0, 1, fence).unwrap();

    let publisher = Publisher::connect(&log, PublisherOptions::default()).unwrap();
    let updates = [
        update(0, &["10.1.1.0/24", "10.9.0.0/16"], &["10.2.0.0/16"]),
        update(1, &["10.2.0.0/24"], &[]),
        update(-3_600, &["10.2.0.0/16"], &[]),
    ];
    for update in &updates {
        let payload = update.encode_to_vec();
        publisher
            .publish_encoded(topics::BGP_UPDATES.name, 3, b"", &payload, 0)
            .unwrap();
    }
    publisher.flush(Duration::from_secs(10)).unwrap();

    let mut config = config(None, &["10.1.0.0/16"]);
    config.evidence_delay_ms = 50;
    let choice = config.choice(false).unwrap().unwrap();
    let health = Health::new();
    let outlet = Outlet::new("updates", health.register("updates"));
    let writer = start(&log, store.clone(), choice, outlet).unwrap();
    // The first record of the partition tells the topic's epoch.
    while store.update_position(3).unwrap() < Some(4) {
        assert_eq!(writer.failure(), None);
        std::thread::yield_now();
    }
    writer.stop(Duration::from_secs(10)).unwrap();

    let every = PrefixMatch::CoveredBy("10.0.0.0/8".parse().unwrap());
    let kept = store.updates(every, 0, i64::MAX, 10).unwrap();
    let kept: Vec<_> = kept
        .iter()
        .map(|row| (row.offset, row.item, row.prefix.to_string(), row.announced))
        .collect();
    let expected = [
        (1, 0, "10.1.1.0/24".to_owned(), true),
        (1, 2, "10.2.0.0/16".to_owned(), false),
    ];
    assert_eq!(kept, expected);
}

fn rows_of(update: &v1::BgpUpdate) -> Vec<UpdateRow> {
    let record = weir_eventlog::Record {
        offset: 7,
        timestamp_ms: 0,
        key: Vec::new(),
        payload: update.encode_to_vec(),
        trace: Vec::new(),
    };
    rows(&record.borrow())
}

#[test]
fn a_row_says_what_the_record_says() {
    let rows = rows_of(&update(0, &["10.0.0.0/8"], &["10.0.0.0/9"]));
    let [announced, withdrawn] = rows.as_slice() else {
        unreachable!("{rows:?}");
    };
    assert_eq!(announced.as_path, "64510 64496");
    assert_eq!(announced.origin_asn, Some(64_496));
    assert_eq!(announced.communities, ["64496:7"]);
    assert_eq!((withdrawn.item, withdrawn.announced), (1, false));
    assert_eq!(
        (withdrawn.as_path.as_str(), withdrawn.origin_asn),
        ("", None)
    );
}

#[test]
fn batches_that_come_together_wait_together_each_for_its_whole_time() {
    let begun = Instant::now();
    let ms = Duration::from_millis;
    let row = rows_of(&update(0, &["10.2.0.0/16"], &[])).remove(0);
    // Rows, when the last batch came, the delay; when that is due.
    for (rows, last, delay, due) in [
        (1, 0, 0, 250),
        (1, 200, 0, 250),
        (1, 0, 2_000, 2_000),
        (1, 200, 2_000, 2_200),
        (ENOUGH, 10, 0, 10),
        (ENOUGH, 10, 2_000, 2_010),
    ] {
        let waiting = Waiting {
            first: begun,
            last: begun + ms(last),
            next_offset: 1,
            rows: vec![row.clone(); rows],
        };
        assert_eq!(waiting.due(ms(delay)), begun + ms(due));
        assert_eq!(waiting.has_room(begun + ms(249)), rows < ENOUGH);
        assert!(!waiting.has_room(begun + ms(250)), "the first would wait");
    }
}
