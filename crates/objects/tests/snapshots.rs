//! Snapshots come back as they were given; the greatest position is the newest, damage falls back,
//! and whoever is overtaken changes nothing.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    cell::Cell,
    io::{Read, Write},
    time::Duration,
};

use weir_objects::{
    Config, Objects,
    snapshots::{self, Encode, Place, Snapshots},
};

const FOLDER: &str = "service/topic/3";
const LONG: Duration = Duration::from_secs(20);

fn encode(text: &str) -> Encode {
    let text = text.to_owned();
    Box::new(move |out: &mut dyn Write| out.write_all(text.as_bytes()))
}

fn copy(objects: &Objects, scratch: &std::path::Path, states: &[(i64, &str)]) {
    for (position, text) in states {
        let place = Place {
            objects: objects.clone(),
            folder: FOLDER.to_owned(),
            scratch: scratch.join("scratch"),
        };
        let snapshots = Snapshots::start(place, -1, Duration::ZERO, || {}).unwrap();
        assert!(snapshots.finish(*position, LONG, || Some(encode(text))));
    }
}

fn newest(objects: &Objects, above: i64) -> Option<(i64, String)> {
    let (position, mut content) = snapshots::newest(objects, FOLDER, above).unwrap()?;
    let mut text = String::new();
    content.read_to_string(&mut text).unwrap();
    Some((position, text))
}

#[test]
fn the_greatest_position_is_the_newest_and_two_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::open(&folder.path().join("objects").display().to_string()).unwrap();
    assert_eq!(newest(&objects, -1), None);
    copy(
        &objects,
        folder.path(),
        &[(9, "nine"), (1_000, "thousand"), (40, "overtaken")],
    );
    assert_eq!(newest(&objects, 999), Some((1_000, "thousand".to_owned())));
    assert_eq!(newest(&objects, 1_000), None);
    assert_eq!(objects.list(FOLDER).unwrap().len(), 2);
}

#[test]
fn a_damaged_snapshot_falls_back_and_nothing_but_damage_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::open(&folder.path().join("objects").display().to_string()).unwrap();
    copy(&objects, folder.path(), &[(9, "nine"), (10, "ten")]);
    let listed = objects.list(FOLDER).unwrap();
    objects.put(&listed[1].name, "torn").unwrap();
    assert_eq!(newest(&objects, -1), Some((9, "nine".to_owned())));
    objects.put(&listed[0].name, "torn").unwrap();
    let error = snapshots::newest(&objects, FOLDER, -1)
        .map(drop)
        .unwrap_err();
    assert!(
        error.to_string().contains("remove the snapshots"),
        "{error}"
    );
    assert!(!error.is_transient());
}

#[test]
fn while_the_endpoint_is_away_the_task_goes_on_and_is_told_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        access_key_id: Some("ann".to_owned()),
        secret_access_key: Some("s3cret".into()),
        retry_ms: 100,
        ..Config::at("s3://lake/x")
    };
    let place = Place {
        objects: Objects::prepare(&config).unwrap(),
        folder: FOLDER.to_owned(),
        scratch: folder.path().join("scratch"),
    };
    let mut snapshots = Snapshots::start(place, -1, Duration::ZERO, || {}).unwrap();
    assert!(snapshots.is_due(5));
    snapshots.give(5, encode("five"));
    assert!(!snapshots.is_due(6));
    assert!(!snapshots.finish(6, LONG, || Some(encode("six"))));
}

#[test]
fn a_task_without_state_waits_and_one_with_state_goes_on() {
    let config = Config {
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        access_key_id: Some("ann".to_owned()),
        secret_access_key: Some("s3cret".into()),
        retry_ms: 100,
        ..Config::at("s3://lake/x")
    };
    let objects = Objects::prepare(&config).unwrap();
    let fetch = || snapshots::newest(&objects, FOLDER, -1).map(|found| found.map(drop));
    let pauses = Cell::new(0);
    let pause = |_| {
        pauses.set(pauses.get() + 1);
        pauses.get() < 3
    };
    assert!(
        snapshots::patiently("task", true, pause, fetch)
            .unwrap()
            .is_none()
    );
    assert_eq!(pauses.get(), 0);
    let given_up = snapshots::patiently("task", false, pause, fetch).unwrap_err();
    assert!(given_up.is_transient());
    assert_eq!(pauses.get(), 3);
}
