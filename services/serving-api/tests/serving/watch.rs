//! The watch list held against what the detector knows right now.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use weir_events::{topics::BGP_UPDATES, v1::ServiceStatus};
use weir_lookups::{
    Answer, Client, Question,
    v1::{AnnouncedPrefix, Carrier, Length, LookUpAsnResponse, LookUpPrefixResponse, Origination},
};
use weir_routing::Prefix;
use weir_serving_api::{Config, Token};

use super::{
    House,
    detector::{Detector, TOKEN},
    house, sample,
};

const LIST: &str = r#"
[[network]]
asn = 64500
upstreams = [64510]

[[prefix]]
prefix = "198.51.100.0/24"
origins = [64500]

[[prefix]]
prefix = "203.0.113.0/24"
origins = [64500]
"#;

const WHOLE: &str = "198.51.100.0/24";
const PART: &str = "198.51.100.128/25";
const OTHER: &str = "203.0.113.0/24";

/// Of a prefix, the way behind each vantage point, 64501 and up.
type World = Arc<Mutex<BTreeMap<Prefix, Vec<&'static str>>>>;

fn world(routes: &[(&str, &[&'static str])]) -> World {
    let world = World::default();
    tell(&world, routes);
    world
}

fn tell(world: &World, routes: &[(&str, &[&'static str])]) {
    let mut told = world.lock().unwrap();
    for (prefix, tails) in routes {
        told.insert(prefix.parse().unwrap(), tails.to_vec());
    }
}

fn answer(world: &World, question: Question) -> Answer {
    let Question::Prefix(prefix) = question else {
        return Answer::Asn(LookUpAsnResponse::default());
    };
    let told = world.lock().unwrap();
    let tails = told.get(&prefix).cloned().unwrap_or_default();
    let carrier = |(at, tail): (u32, &&str)| Carrier {
        collector: "rrc00".to_owned(),
        peer_address: format!("192.0.2.{at}"),
        peer_asn: 64_500 + at,
        as_path: format!("{} {tail}", 64_500 + at),
        since_us: sample::START_US,
        stale: tail.is_empty(),
    };
    let carriers: Vec<_> = (1..).zip(&tails).map(carrier).collect();
    let carrying = carriers.iter().filter(|carrier| !carrier.stale).count();
    let parts = told
        .iter()
        .filter(|(part, tails)| prefix.covers(part) && prefix != **part && !tails.is_empty())
        .map(|(part, _)| AnnouncedPrefix {
            prefix: part.to_string(),
            origin_asns: Vec::new(),
        });
    let more_specific: Vec<_> = parts.collect();
    Answer::Prefix(LookUpPrefixResponse {
        origins: vec![Origination {
            carriers,
            ..Origination::default()
        }],
        vantage_points: 12,
        full_feed: 12,
        full_feed_carrying: u32::try_from(carrying).unwrap(),
        more_specific_count: Some(Length {
            total: more_specific.len() as u64,
            at_least: false,
        }),
        more_specific,
        ..LookUpPrefixResponse::default()
    })
}

/// All is well: eight of twelve have both prefixes.
const WELL: &[&str] = &["64510 64500"; 8];

fn watching(folder: tempfile::TempDir) -> House {
    let file = folder.path().join("watch.toml");
    std::fs::write(&file, LIST).unwrap();
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        grpc: None,
        watch: Some(file),
        watch_seconds: 1,
        ..Config::default()
    };
    let lookups = Client::new(Some(&Token::new(TOKEN))).unwrap();
    House {
        served: sample::start_asking(folder.path(), &config, lookups).unwrap(),
        folder,
    }
}

fn detector(world: &World) -> Detector {
    let world = Arc::clone(world);
    let all: Vec<u32> = (0..BGP_UPDATES.partitions).collect();
    Detector::answering(&all, move |_, question| answer(&world, question))
}

/// A house that watches the world, and the detector that it asks.
fn house_in(world: &World) -> (House, Detector) {
    let detector = detector(world);
    (watching(tempfile::tempdir().unwrap()), detector)
}

/// What it says once that is so; until then the detector says again and again that it is there.
fn until(house: &House, detector: Option<&Detector>, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(detector) = detector {
            house.served.live.status(detector.status());
        }
        let now = house.json("/api/v1/watch");
        if holds(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "in vain: {now}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn says(now: &Value) -> Vec<&str> {
    let findings = now["findings"].as_array().unwrap();
    let says = findings
        .iter()
        .map(|finding| finding["says"].as_str().unwrap());
    says.collect()
}

#[test]
fn what_is_as_expected_is_silent() {
    let (house, detector) = house_in(&world(&[(WHOLE, WELL), (OTHER, WELL)]));
    let now = until(&house, Some(&detector), |now| now["answered"] == 2);
    assert_eq!(says(&now), [""; 0]);
    assert_eq!((&now["networks"], &now["prefixes"]), (&json!(1), &json!(2)));
    assert_eq!(now["away"]["total"], 0);
}

#[test]
fn what_only_the_owner_can_tell_is_found_while_it_lasts() {
    let world = world(&[
        (
            WHOLE,
            &["64510 64500", "64510 64500", "64511 64500", "64511 64500"],
        ),
        (PART, &["64666", "64666"]),
    ]);
    let (house, detector) = house_in(&world);
    let now = until(&house, Some(&detector), |now| now["answered"] == 2);
    assert_eq!(
        says(&now),
        [
            "missing: no vantage point has 203.0.113.0/24",
            "origin: 198.51.100.128/25 from AS64666 is seen by 2 vantage points",
            "upstream: AS64511 right before AS64500 on paths to 198.51.100.0/24 is seen by 2 vantage points",
            "visibility: 4 of 12 full tables have 198.51.100.0/24",
        ]
    );
    let upstream = &now["findings"][2];
    assert_eq!(upstream["check"], "upstream");
    assert_eq!(upstream["prefix"], WHOLE);
    assert_eq!(
        (&upstream["origin"], &upstream["upstream"]),
        (&json!(64_500), &json!(64_511))
    );

    tell(
        &world,
        &[(OTHER, WELL), (PART, &["64666"; 5]), (WHOLE, WELL)],
    );
    let later = until(&house, Some(&detector), |now| says(now).len() == 1);
    assert_eq!(
        says(&later),
        ["origin: 198.51.100.128/25 from AS64666 is seen by 5 vantage points"]
    );
    assert_eq!(later["findings"][0]["since"], now["findings"][1]["since"]);

    let (status, _, page) = house.get("/watch");
    assert_eq!(status, 200);
    assert!(page.contains("One thing is otherwise"), "{page}");
    assert!(page.contains("198.51.100.128/25 from AS64666"), "{page}");
}

#[test]
fn routes_in_doubt_are_no_routes() {
    let (house, detector) = house_in(&world(&[(WHOLE, WELL), (OTHER, &["", ""])]));
    let now = until(&house, Some(&detector), |now| now["answered"] == 2);
    assert_eq!(says(&now), ["missing: no vantage point has 203.0.113.0/24"]);
}

#[test]
fn nothing_is_missed_while_tables_are_read_for_the_first_time() {
    let detector = detector(&world(&[(WHOLE, &["64510 64500", "64510 64500"])]));
    let house = watching(tempfile::tempdir().unwrap());
    let warming = |warming_percent| ServiceStatus {
        service: "ingest".to_owned(),
        warming_percent,
        ..sample::status()
    };
    house.served.live.status(warming(Some(40)));
    let now = until(&house, Some(&detector), |now| {
        house.served.live.status(warming(Some(40)));
        now["answered"] == 2
    });
    assert_eq!(says(&now), [""; 0]);
    house.served.live.status(warming(None));
    let mut now = until(&house, Some(&detector), |now| says(now).len() == 2);
    // What was missing before still is: the first look may have begun before.
    house.served.live.status(warming(Some(60)));
    for _ in 0..2 {
        let last = now["looked_at"].clone();
        now = until(&house, Some(&detector), |now| now["looked_at"] != last);
    }
    assert_eq!(says(&now).len(), 2);
}

#[test]
fn what_was_found_stands_while_nobody_answers() {
    let (house, detector) = house_in(&world(&[(WHOLE, WELL), (PART, &["64666", "64666"])]));
    let found = until(&house, Some(&detector), |now| now["answered"] == 2);
    assert_eq!(
        says(&found),
        [
            "missing: no vantage point has 203.0.113.0/24",
            "origin: 198.51.100.128/25 from AS64666 is seen by 2 vantage points",
        ]
    );
    drop(detector);
    let away = until(&house, None, |now| now["away"]["total"] == 2);
    assert_eq!(away["answered"], 0);
    assert_eq!(away["findings"], found["findings"]);
    assert_eq!(away["away"]["items"][0]["prefix"], WHOLE);
}

#[test]
fn without_a_list_nothing_is_watched() {
    let house = house();
    let (status, _, body) = house.get("/api/v1/watch");
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("docs/watch.md"), "{body}");
    let (_, _, page) = house.get("/");
    assert!(!page.contains("href=\"/watch\""));
}
