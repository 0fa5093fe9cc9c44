//! What every place of the history promises; run unchanged on each of them.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "this is a test suite"
)]

use weir_events::{
    position::{TopicEpoch, Version},
    time::{DAY_US, HOUR_US},
};
use weir_features::{Feature, FeatureRow, FeatureView, Field, Value, ValueType};

use crate::{OfflineStore, OfflineStoreError, OffsetRange};

/// Every check, on a store that nobody else uses.
pub fn all(store: &OfflineStore) {
    rows_come_back_typed_with_unknown_as_null(store);
    each_day_has_its_own_file_named_by_the_range(store);
    the_same_range_written_again_gives_the_same_bytes_and_no_doubles(store);
    a_row_of_another_type_is_refused_and_nothing_is_written(store);
    a_file_of_many_parts_is_whole(store);
}

/// Each check has a view of its own.
fn view(name: &str) -> FeatureView {
    FeatureView {
        name: name.to_owned(),
        entity: "garage".to_owned(),
        ttl_us: DAY_US,
        doc: String::new(),
        fields: vec![
            Field::new("free", ValueType::Int64, "Free spaces."),
            Field::new("price", ValueType::Float64, "Per hour."),
            Field::new("zone", ValueType::Text, "A, B or C."),
            Field::new("open", ValueType::Boolean, "The gate is open."),
            Field::new("since", ValueType::Timestamp, "Opened at."),
        ],
    }
}

fn row(
    view: &'static str,
    entity: &str,
    event_time_us: i64,
    next_offset: i64,
    known: bool,
) -> FeatureRow {
    FeatureRow {
        view: view.into(),
        entity: entity.into(),
        event_time_us,
        version: Version::new(TopicEpoch(1), next_offset, false),
        features: vec![
            Feature::new("free", known.then_some(7)),
            Feature::new("price", known.then_some(1.5)),
            Feature::new("zone", known.then_some("A")),
            Feature::new("open", known.then_some(true)),
            Feature::new("since", known.then_some(Value::Timestamp(3))),
        ],
        synthetic: known,
    }
}

const RANGE: OffsetRange = OffsetRange {
    partition: 2,
    start: 10,
    end: 13,
};

pub fn rows_come_back_typed_with_unknown_as_null(store: &OfflineStore) {
    let rows = [
        row("typed", "a", 5, 1, true),
        row("typed", "a", 6, 2, false),
        row("typed", "b", 6, 2, true),
    ];
    store.write(&view("typed"), RANGE, &rows).unwrap();
    assert_eq!(store.read_all(&view("typed")).unwrap(), rows);
}

pub fn each_day_has_its_own_file_named_by_the_range(store: &OfflineStore) {
    let rows = [
        row("days", "a", DAY_US - 1, 1, true),
        row("days", "a", DAY_US + HOUR_US, 2, true),
    ];
    store.write(&view("days"), RANGE, &rows).unwrap();
    assert_eq!(
        store.files(&view("days")).unwrap(),
        [
            "view=days/day=1970-01-01/2-10-13.parquet",
            "view=days/day=1970-01-02/2-10-13.parquet",
        ]
    );
}

pub fn the_same_range_written_again_gives_the_same_bytes_and_no_doubles(store: &OfflineStore) {
    let rows = [row("again", "b", 5, 2, true), row("again", "a", 5, 1, true)];
    store.write(&view("again"), RANGE, &rows).unwrap();
    let file = store.files(&view("again")).unwrap().remove(0);
    let before = store.read(&file).unwrap();
    store.write(&view("again"), RANGE, &rows).unwrap();
    assert_eq!(store.read(&file).unwrap(), before);
    let doubled = OffsetRange { end: 99, ..RANGE };
    store.write(&view("again"), doubled, &rows).unwrap();
    assert_eq!(store.files(&view("again")).unwrap().len(), 2);
    assert_eq!(store.read_all(&view("again")).unwrap().len(), 2);
}

pub fn a_row_of_another_type_is_refused_and_nothing_is_written(store: &OfflineStore) {
    let mut wrong = row("refused", "a", 5, 1, true);
    wrong.features[0].value = Some(Value::from("many"));
    let refused = store.write(&view("refused"), RANGE, &[wrong]);
    assert!(matches!(refused, Err(OfflineStoreError::Row(_))));
    assert!(store.files(&view("refused")).unwrap().is_empty());
}

/// More than one part of an upload: text that does not compress.
pub fn a_file_of_many_parts_is_whole(store: &OfflineStore) {
    let mut word = 1_u64;
    let mut next = || {
        word = word
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        word
    };
    let rows: Vec<_> = (1..=40_000)
        .map(|offset| {
            let entity: String = (0..40).map(|_| format!("{:016x}", next())).collect();
            row("parts", &entity, 5, offset, offset % 2 == 0)
        })
        .collect();
    store.write(&view("parts"), RANGE, &rows).unwrap();
    let file = store.files(&view("parts")).unwrap().remove(0);
    let bytes = store.read(&file).unwrap();
    assert!(bytes.len() > 8 << 20, "{} bytes", bytes.len());
    store.write(&view("parts"), RANGE, &rows).unwrap();
    assert!(store.read(&file).unwrap() == bytes);
    assert_eq!(store.read_all(&view("parts")).unwrap().len(), rows.len());
}
