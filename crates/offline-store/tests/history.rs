//! What is written is read back, by day, and the same range gives the same bytes.

use weir_events::{
    position::{TopicEpoch, Version},
    time::{DAY_US, HOUR_US},
};
use weir_features::{Feature, FeatureRow, FeatureView, Field, Value, ValueType};
use weir_offline_store::{OfflineStore, OfflineStoreError, OffsetRange};

fn view() -> FeatureView {
    FeatureView {
        name: "parking".to_owned(),
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

fn row(entity: &str, event_time_us: i64, next_offset: i64, known: bool) -> FeatureRow {
    FeatureRow {
        view: "parking".into(),
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

#[test]
fn rows_come_back_typed_with_unknown_as_null() {
    let folder = tempfile::tempdir().unwrap();
    let store = OfflineStore::open(&format!("file://{}", folder.path().display())).unwrap();
    let rows = [
        row("a", 5, 1, true),
        row("a", 6, 2, false),
        row("b", 6, 2, true),
    ];
    store.write(&view(), RANGE, &rows).unwrap();
    assert_eq!(store.read_all(&view()).unwrap(), rows);
}

#[test]
fn each_day_has_its_own_file_named_by_the_range() {
    let folder = tempfile::tempdir().unwrap();
    let store = OfflineStore::open(&folder.path().display().to_string()).unwrap();
    let rows = [
        row("a", DAY_US - 1, 1, true),
        row("a", DAY_US + HOUR_US, 2, true),
    ];
    store.write(&view(), RANGE, &rows).unwrap();
    assert_eq!(
        store.files(&view()).unwrap(),
        [
            "view=parking/day=1970-01-01/2-10-13.parquet",
            "view=parking/day=1970-01-02/2-10-13.parquet",
        ]
    );
}

#[test]
fn the_same_range_written_again_gives_the_same_bytes_and_no_doubles() {
    let folder = tempfile::tempdir().unwrap();
    let store = OfflineStore::open(&folder.path().display().to_string()).unwrap();
    let rows = [row("b", 5, 2, true), row("a", 5, 1, true)];
    store.write(&view(), RANGE, &rows).unwrap();
    let file = store.files(&view()).unwrap().remove(0);
    let before = store.read(&file).unwrap();
    store.write(&view(), RANGE, &rows).unwrap();
    assert_eq!(store.read(&file).unwrap(), before);
    let doubled = OffsetRange { end: 99, ..RANGE };
    store.write(&view(), doubled, &rows).unwrap();
    assert_eq!(store.files(&view()).unwrap().len(), 2);
    assert_eq!(store.read_all(&view()).unwrap().len(), 2);
}

#[test]
fn a_row_of_another_type_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = OfflineStore::open(&folder.path().display().to_string()).unwrap();
    let mut wrong = row("a", 5, 1, true);
    wrong.features[0].value = Some(Value::from("many"));
    let refused = store.write(&view(), RANGE, &[wrong]);
    assert!(matches!(refused, Err(OfflineStoreError::Row(_))));
    assert!(store.files(&view()).unwrap().is_empty());
}
