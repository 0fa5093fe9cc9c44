//! Made-up incidents, features and windows, and a listener over them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "the example uses less of it than the tests")]

use std::{path::Path, sync::LazyLock};

use weir_events::{
    position::{TopicEpoch, Version},
    time::{MINUTE_US, SECOND_US},
    v1,
};
use weir_features::{EntityKey, Feature, FeatureRow, FeatureView, Field, Value, ValueType};
use weir_lifecycle::{health::Health, telemetry, telemetry::Telemetry};
use weir_lookups::Client;
use weir_metric_store::MetricStore;
use weir_online_store::OnlineStore;
use weir_record_store::{BlockingRecordStore, IncidentRow, RecordStore};
use weir_routing::prefix::Prefix;
use weir_serving_api::{Config, Live, Running, StartError, Stores};

/// 2008-02-24 18:47:00 UTC.
pub(crate) const START_US: i64 = 1_203_878_820 * SECOND_US;
/// 25 minutes later: the time of the stream.
pub(crate) const NOW_US: i64 = START_US + 25 * MINUTE_US;
pub(crate) const HIJACK: &str = "11111111-1111-5111-8111-111111111111";
pub(crate) const PEER: &str = "192.0.2.1:64501";

pub(crate) static TELEMETRY: LazyLock<Telemetry> = LazyLock::new(|| telemetry::metrics().unwrap());

pub(crate) struct Served {
    pub(crate) running: Running,
    pub(crate) live: Live,
    pub(crate) records: BlockingRecordStore,
}

/// Fills stores in `folder` and serves them.
pub(crate) fn start(folder: &Path, config: &Config) -> Served {
    try_start(folder, config).unwrap()
}

pub(crate) fn try_start(folder: &Path, config: &Config) -> Result<Served, StartError> {
    start_asking(folder, config, Client::default())
}

/// The same, and detectors are asked so.
pub(crate) fn start_asking(
    folder: &Path,
    config: &Config,
    lookups: Client,
) -> Result<Served, StartError> {
    let (stores, records) = stores(folder);
    let stores = Stores { lookups, ..stores };
    let live = Live::new();
    live.status(status());
    let running =
        weir_serving_api::serve(config, live.clone(), stores, &Health::new(), &TELEMETRY)?;
    Ok(Served {
        running,
        live,
        records,
    })
}

pub(crate) fn stores(folder: &Path) -> (Stores, BlockingRecordStore) {
    let url = |name: &str| format!("{}", folder.join(name).display());
    let records = RecordStore::blocking(&format!("sqlite://{}", url("incidents.db"))).unwrap();
    let (fence, _) = records.raise_fence(0).unwrap();
    let rows: Vec<_> = incidents()
        .iter()
        .map(|incident| IncidentRow::try_from(incident).unwrap())
        .collect();
    records.record(&rows, 0, 1, fence).unwrap();
    let online = OnlineStore::open(&url("online.redb")).unwrap();
    let progress = weir_online_store::Progress {
        partition: 0,
        next_offset: 1,
        fence: online.raise_fence(0).unwrap(),
    };
    online.put_many(&feature_rows(), progress).unwrap();
    let metrics = MetricStore::open(&url("metrics.redb")).unwrap();
    let progress = weir_metric_store::Progress {
        partition: 0,
        next_offset: 1,
        fence: metrics.raise_fence(0).unwrap(),
    };
    metrics.put_many(&windows(), progress).unwrap();
    let stores = Stores {
        records: records.store().clone(),
        online,
        metrics,
        views: vec![view()],
        lookups: Client::default(),
    };
    (stores, records)
}

pub(crate) fn status() -> v1::ServiceStatus {
    v1::ServiceStatus {
        service: "conflict-detector".into(),
        instance: "sample".into(),
        at_us: weir_events::time::now_us(),
        stream: "scenario".into(),
        synthetic: true,
        partitions: vec![v1::PartitionStatus {
            topic: "bgp-updates".into(),
            partition: 0,
            position: 90,
            end: 102,
        }],
        last_event_time_us: NOW_US,
        collectors: vec!["rrc00".into(), "rrc12".into()],
        vantage_points: 40,
        baseline_stable: 942,
        baseline_judged: 1000,
        ..Default::default()
    }
}

fn wire(prefix: &str) -> v1::Prefix {
    prefix.parse::<Prefix>().unwrap().into()
}

/// The transitions of one incident: opened, spreading, and perhaps over.
fn life(base: &v1::Incident, spread: &[u32], is_over: bool) -> Vec<v1::Incident> {
    use v1::incident::{EndReason, State, Transition};
    let mut states = Vec::new();
    for (step, peers) in (0_i64..).zip(spread) {
        let at = base.first_seen_us + step * 9 * SECOND_US;
        let last = is_over && usize::try_from(step).unwrap() + 1 == spread.len();
        let (state, transition) = match step {
            0 => (State::Suspected, Transition::Opened),
            3 => (State::Confirmed, Transition::Confirmed),
            1 | 2 => (State::Suspected, Transition::Updated),
            _ if last => (State::Ended, Transition::Ended),
            _ => (State::Confirmed, Transition::Updated),
        };
        let mut incident = base.clone();
        incident.version = Version::new(TopicEpoch(1), step + 1, false).0;
        incident.state = state.into();
        incident.transition = transition.into();
        incident.transition_at_us = at;
        incident.last_seen_us = at;
        incident.suspected_at_us = base.first_seen_us;
        incident.confirmed_at_us = if step >= 3 {
            base.first_seen_us + 27 * SECOND_US
        } else {
            0
        };
        if last {
            incident.ended_at_us = at;
            incident.end_reason = EndReason::Withdrawn.into();
        }
        incident.visible_peers = *peers;
        incident.total_peers = 40;
        states.push(incident);
    }
    states
}

pub(crate) fn incidents() -> Vec<v1::Incident> {
    use v1::incident::Severity;
    let evidence = |n: u32, origin: u32| v1::Evidence {
        collector: if n.is_multiple_of(2) {
            "rrc00"
        } else {
            "rrc12"
        }
        .into(),
        peer: Some(v1::Peer::new(
            [192, 0, 2, u8::try_from(n).unwrap()].into(),
            64_500 + n,
        )),
        as_path: format!("{} 3491 {origin}", 64_500 + n),
        event_time_us: START_US + i64::from(n) * 2 * SECOND_US,
    };
    let base = |id: &str, kind: &str, prefix: &str, suspect: u32, minutes: i64| v1::Incident {
        id: id.into(),
        r#type: kind.into(),
        prefix: Some(wire(prefix)),
        origins: vec![suspect],
        suspect_asn: suspect,
        first_seen_us: START_US + minutes * MINUTE_US,
        peer_asns: (64_501..64_507).collect(),
        evidence: (1..7).map(|n| evidence(n, suspect)).collect(),
        severity: Severity::Low.into(),
        synthetic: true,
        ..Default::default()
    };
    let mut hijack = base(HIJACK, "sub-prefix", "208.65.153.0/24", 17_557, 0);
    hijack.severity = Severity::Critical.into();
    hijack.expected_origins = vec![36_561];
    hijack.victim_asns = vec![36_561];
    hijack.covering_prefix = Some(wire("208.65.152.0/22"));
    let mut moas = base(
        "22222222-2222-5222-8222-222222222222",
        "moas",
        "198.18.0.0/16",
        64_511,
        11,
    );
    moas.severity = Severity::High.into();
    moas.expected_origins = vec![64_499];
    moas.victim_asns = vec![64_499];
    moas.origins = vec![64_499, 64_511];
    moas.reasons = vec!["no-baseline".into()];
    let mut change = base(
        "33333333-3333-5333-8333-333333333333",
        "origin-change",
        "2001:db8:4000::/34",
        64_505,
        20,
    );
    change.severity = Severity::Medium.into();
    change.expected_origins = vec![64_498];
    let mut over = base(
        "44444444-4444-5444-8444-444444444444",
        "moas",
        "10.64.0.0/12",
        64_509,
        -50,
    );
    over.severity = Severity::High.into();
    over.expected_origins = vec![64_497];
    over.synthetic = false;
    let bogon = base(
        "55555555-5555-5555-8555-555555555555",
        "bogon-prefix",
        "240.0.0.0/8",
        64_506,
        5,
    );
    let private = base(
        "66666666-6666-5666-8666-666666666666",
        "bogon-asn",
        "198.19.0.0/16",
        65_010,
        6,
    );
    [
        life(&hijack, &[1, 3, 6, 11, 19, 27, 33, 36, 37], false),
        life(&moas, &[1, 4, 7, 12, 9, 14], false),
        life(&change, &[1, 2], false),
        life(&over, &[1, 6, 14, 22, 30, 12, 0], true),
        life(&bogon, &[1, 2, 2], false),
        life(&private, &[1], false),
    ]
    .concat()
}

pub(crate) fn view() -> FeatureView {
    let field = |name, kind| Field::new(name, kind, name);
    FeatureView {
        name: "bgp_session_features".into(),
        entity: "bgp_session".into(),
        ttl_us: 90 * weir_events::time::DAY_US,
        doc: "Session features of a peer.".into(),
        fields: vec![
            field("session_state", ValueType::Text),
            field("peer_uptime_seconds", ValueType::Int64),
            field("hold_time", ValueType::Int64),
            field("prefix_count", ValueType::Int64),
            field("as_path_length", ValueType::Int64),
            field("flap_count_24h", ValueType::Int64),
            field("received_updates_24h", ValueType::Int64),
            field("last_flap_timestamp", ValueType::Timestamp),
        ],
    }
}

fn feature_rows() -> Vec<FeatureRow> {
    (1..7_i64)
        .map(|n| FeatureRow {
            view: "bgp_session_features".into(),
            entity: EntityKey::new(format!("192.0.2.{n}:{}", 64_500 + n)),
            // The last one has not spoken for longer than the view serves.
            event_time_us: NOW_US
                - if n == 6 {
                    91 * weir_events::time::DAY_US
                } else {
                    n * SECOND_US
                },
            version: Version::new(TopicEpoch(1), n, false),
            features: vec![
                Feature::new("session_state", Some(Value::Text("established".to_owned()))),
                Feature::new("peer_uptime_seconds", Some(Value::Int64(86_400 * n + 311))),
                Feature::new("hold_time", None::<Value>),
                Feature::new("prefix_count", Some(Value::Int64(245_000 + n * 311))),
                Feature::new("as_path_length", Some(Value::Int64(4))),
                Feature::new("flap_count_24h", Some(Value::Int64(n % 3))),
                Feature::new("received_updates_24h", Some(Value::Int64(12_345 * n))),
                Feature::new(
                    "last_flap_timestamp",
                    Some(Value::Timestamp(START_US - n * 3600 * SECOND_US)),
                ),
            ],
            synthetic: true,
        })
        .collect()
}

fn windows() -> Vec<v1::WindowResult> {
    let window = |aggregate: &str, key: String, minute: i64, counts: [u64; 3]| v1::WindowResult {
        aggregate: aggregate.into(),
        key,
        start_us: START_US + minute * MINUTE_US,
        end_us: START_US + (minute + 1) * MINUTE_US,
        version: 1,
        r#final: minute < 20,
        measures: ["messages", "announcements", "withdrawals"]
            .into_iter()
            .zip(counts)
            .map(|(name, count)| v1::Measure {
                name: name.into(),
                count,
            })
            .collect(),
        synthetic: true,
        ..Default::default()
    };
    (-20..25_i64)
        .flat_map(|minute| {
            let swing = (minute * minute * 7 % 23).unsigned_abs();
            let burst = if (0..4).contains(&minute) { 90 } else { 12 };
            (1..7)
                .map(|n| {
                    window(
                        "peer-messages",
                        format!("192.0.2.{n}:{}", 64_500 + n),
                        minute,
                        [burst + swing, burst, 2],
                    )
                })
                .chain([window(
                    "origin-announcements",
                    "17557".into(),
                    minute,
                    [burst + swing, 0, 0],
                )])
                .collect::<Vec<_>>()
        })
        .collect()
}
