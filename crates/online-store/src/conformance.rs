//! What every backend of the online store must do, as functions over an empty store. A case panics
//! when it does not hold.
#![expect(clippy::unwrap_used, reason = "test cases")]

use std::collections::BTreeMap;

use weir_events::position::{StoreFence, TopicEpoch, Version};
use weir_features::{EntityKey, Feature, FeatureRow, Value};

pub use crate::redis::PUT_ROW;
use crate::{OnlineStore, OnlineStoreError, Progress};

/// A row with a known and an unknown value; its version is offset `next_offset` of one topic.
#[must_use]
pub fn row(view: &str, entity: &str, event_time_us: i64, next_offset: i64) -> FeatureRow {
    FeatureRow {
        view: view.to_owned().into(),
        entity: entity.into(),
        event_time_us,
        version: Version::new(TopicEpoch(1), next_offset, false),
        features: vec![
            Feature::new("count", Some(next_offset)),
            Feature::new("state", None::<&str>),
        ],
        synthetic: false,
    }
}

/// Takes the partition and stores rows in one call; gives how many were written.
pub fn put(store: &OnlineStore, partition: u32, rows: &[FeatureRow]) -> usize {
    let fence = store.raise_fence(partition).unwrap();
    let progress = Progress {
        partition,
        next_offset: 1,
        fence,
    };
    store.put_many(rows, progress).unwrap()
}

fn count(store: &OnlineStore, view: &str, entity: &str) -> Option<Value> {
    let rows = store.get_many(view, &[entity.into()]).unwrap();
    rows[0].as_ref().and_then(|row| row.get("count").cloned())
}

pub fn an_older_row_does_not_replace_a_newer_one(store: &OnlineStore) {
    let rows = [row("older", "a", 20, 5), row("older", "a", 10, 9)];
    assert_eq!(put(store, 0, &rows), 1);
    assert_eq!(count(store, "older", "a"), Some(Value::Int64(5)));
}

pub fn equal_event_times_are_ordered_by_version(store: &OnlineStore) {
    let rows = [
        row("equal", "a", 10, 5),
        row("equal", "a", 10, 7),
        row("equal", "a", 10, 6),
    ];
    assert_eq!(put(store, 0, &rows), 2);
    assert_eq!(count(store, "equal", "a"), Some(Value::Int64(7)));
}

pub fn times_and_versions_are_compared_as_whole_numbers(store: &OnlineStore) {
    // Neighbours that a float cannot tell apart, signs, and numbers of different length.
    let times = [
        i64::MIN,
        i64::MIN + 1,
        -10,
        -9,
        0,
        9,
        10,
        i64::MAX - 1,
        i64::MAX,
    ];
    let versions = [0, 9, 10, 1 << 53, (1 << 53) + 1, u64::MAX - 1, u64::MAX];
    let mut rows: Vec<_> = times.map(|time| row("whole", "a", time, 1)).into();
    rows.extend(versions.map(|version| FeatureRow {
        version: Version(version),
        ..row("whole", "b", 1, 1)
    }));
    assert_eq!(put(store, 0, &rows), rows.len(), "each is newer");
    rows.reverse();
    assert_eq!(put(store, 0, &rows), 0, "none is newer");
}

pub fn the_same_row_again_changes_nothing(store: &OnlineStore) {
    let rows = [row("again", "a", 10, 5)];
    assert_eq!(put(store, 0, &rows), 1);
    assert_eq!(put(store, 0, &rows), 0);
}

pub fn a_newer_row_replaces_all_fields(store: &OnlineStore) {
    let mut newer = row("fields", "a", 11, 6);
    newer.features = vec![Feature::new("other", Some(1.5))];
    put(store, 0, &[row("fields", "a", 10, 5), newer.clone()]);
    let read = store.get_many("fields", &["a".into()]).unwrap().remove(0);
    assert_eq!(read, Some(newer));
}

pub fn missing_entities_come_back_as_none_in_order(store: &OnlineStore) {
    put(
        store,
        0,
        &[row("missing", "b", 1, 1), row("missing", "d", 1, 2)],
    );
    let asked: Vec<EntityKey> = ["d", "c", "b"].map(EntityKey::from).into();
    let found: Vec<_> = store
        .get_many("missing", &asked)
        .unwrap()
        .into_iter()
        .map(|row| row.map(|row| row.entity.to_string()))
        .collect();
    assert_eq!(found, [Some("d".to_owned()), None, Some("b".to_owned())]);
}

pub fn every_value_comes_back_as_it_was(store: &OnlineStore) {
    let long = "x".repeat(10_000);
    let features = vec![
        Feature::new("unknown", None::<&str>),
        Feature::new("least", Some(i64::MIN)),
        Feature::new("most", Some(i64::MAX)),
        Feature::new("whole float", Some(2.0)),
        Feature::new("tenth", Some(0.1 + 0.2)),
        Feature::new("tiny", Some(f64::MIN_POSITIVE / 8.0)),
        Feature::new("huge", Some(f64::MAX)),
        Feature::new("minus:zero", Some(-0.0)),
        Feature::new("endless", Some(f64::NEG_INFINITY)),
        Feature::new("@yes", Some(true)),
        Feature::new("no,{%}", Some(false)),
        Feature::new("empty", Some("")),
        Feature::new("quoted", Some("\"null\" 7us\n\0é")),
        Feature::new("long", Some(long.as_str())),
        Feature::new("time", Some(Value::Timestamp(-1))),
    ];
    for (view, entity) in [
        ("values", "a"),
        ("val:ues@{1}", "::1:64496"),
        ("values", "{a}%"),
    ] {
        let stored = FeatureRow {
            features: features.clone(),
            synthetic: true,
            ..row(view, entity, -5, 1)
        };
        put(store, 0, std::slice::from_ref(&stored));
        let read = store.get_many(view, &[entity.into()]).unwrap().remove(0);
        assert_eq!(read.as_ref(), Some(&stored));
        let zero = read.as_ref().and_then(|row| row.get("minus:zero"));
        assert_eq!(format!("{zero:?}"), "Some(Float64(-0.0))");
    }
}

pub fn keys_are_listed_page_by_page_within_one_view(store: &OnlineStore) {
    let mut rows: Vec<_> = ["c", "a", "b", "e", "d"]
        .iter()
        .map(|entity| row("list", entity, 1, 1))
        .collect();
    rows.push(row("lisa", "z", 1, 1));
    rows.push(row("lisu", "a", 1, 1));
    put(store, 0, &rows);
    let page = |after: Option<&str>| -> Vec<String> {
        let after = after.map(EntityKey::from);
        let keys = store.keys("list", after.as_ref(), 2).unwrap();
        keys.iter().map(ToString::to_string).collect()
    };
    assert_eq!(page(None), ["a", "b"]);
    assert_eq!(page(Some("b")), ["c", "d"]);
    assert_eq!(page(Some("d")), ["e"]);
    assert_eq!(page(Some("aa")), ["b", "c"], "after what is not there");
    assert!(page(Some("e")).is_empty());
    assert!(store.keys("list", None, 0).unwrap().is_empty());
    assert_eq!(store.rows("list", None, 9).unwrap().len(), 5);
    assert!(store.keys("none", None, 9).unwrap().is_empty());
}

pub fn long_lists_are_whole_and_in_order_whatever_the_page(store: &OnlineStore) {
    let rows: Vec<_> = (0..3_000)
        .map(|number: i64| row("long", &format!("{:04}", number * 7 % 3_000), 1, number + 1))
        .collect();
    put(store, 0, &rows);
    let expected: Vec<_> = (0..3_000).map(|number| format!("{number:04}")).collect();
    for limit in [97, 1_000, 3_000, usize::MAX] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let rows = store.rows("long", after.as_ref(), limit).unwrap();
            let Some(last) = rows.last() else { break };
            after = Some(last.entity.clone());
            seen.extend(rows.into_iter().map(|row| row.entity.to_string()));
        }
        assert_eq!(seen, expected, "limit {limit}");
    }
}

pub fn the_position_moves_with_the_rows(store: &OnlineStore) {
    assert_eq!(store.position(7).unwrap(), None);
    let fence = store.raise_fence(7).unwrap();
    let progress = |next_offset| Progress {
        partition: 7,
        next_offset,
        fence,
    };
    store.put_many(&[], progress(42)).unwrap();
    assert_eq!(store.position(7).unwrap(), Some(42));
    store.put_many(&[], progress(43)).unwrap();
    assert_eq!(store.position(7).unwrap(), Some(43));
    assert_eq!(store.position(6).unwrap(), None);
}

pub fn a_fenced_writer_changes_neither_rows_nor_position(store: &OnlineStore) {
    let old = store.raise_fence(8).unwrap();
    let new = store.raise_fence(8).unwrap();
    assert!(new > old);
    let progress = |fence: StoreFence, next_offset: i64| Progress {
        partition: 8,
        next_offset,
        fence,
    };
    store.put_many(&[], progress(new, 10)).unwrap();
    let refused = store.put_many(&[row("fence", "a", 1, 1)], progress(old, 20));
    assert!(matches!(refused, Err(OnlineStoreError::Fenced { .. })));
    assert_eq!(store.position(8).unwrap(), Some(10));
    assert_eq!(count(store, "fence", "a"), None);
}

/// The newest of each entity, by brute force: what any store must hold after `rows`.
#[must_use]
pub fn model(rows: &[FeatureRow]) -> Vec<FeatureRow> {
    let mut newest: BTreeMap<(&str, &str), &FeatureRow> = BTreeMap::new();
    for row in rows {
        let kept = newest
            .entry((&row.view, row.entity.as_str()))
            .or_insert(row);
        if row.order() > kept.order() {
            *kept = row;
        }
    }
    newest.into_values().cloned().collect()
}

/// All cases.
pub fn conforms(store: &OnlineStore) {
    an_older_row_does_not_replace_a_newer_one(store);
    equal_event_times_are_ordered_by_version(store);
    times_and_versions_are_compared_as_whole_numbers(store);
    the_same_row_again_changes_nothing(store);
    a_newer_row_replaces_all_fields(store);
    missing_entities_come_back_as_none_in_order(store);
    every_value_comes_back_as_it_was(store);
    keys_are_listed_page_by_page_within_one_view(store);
    long_lists_are_whole_and_in_order_whatever_the_page(store);
    the_position_moves_with_the_rows(store);
    a_fenced_writer_changes_neither_rows_nor_position(store);
}
