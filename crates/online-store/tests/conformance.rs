//! What every engine of the online store must do: each case is a function over a store, so that
//! the same list runs on the next engine too.

#![expect(clippy::unwrap_used, reason = "a failed call is a failed test")]
use weir_events::position::{StoreFence, TopicEpoch, Version};
use weir_features::{EntityKey, Feature, FeatureRow, Value};
use weir_online_store::{OnlineStore, OnlineStoreError, Progress};

fn row(view: &'static str, entity: &str, event_time_us: i64, next_offset: i64) -> FeatureRow {
    FeatureRow {
        view: view.into(),
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

fn put(store: &OnlineStore, partition: u32, rows: &[FeatureRow]) -> usize {
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

fn an_older_row_does_not_replace_a_newer_one(store: &OnlineStore) {
    let rows = [row("older", "a", 20, 5), row("older", "a", 10, 9)];
    assert_eq!(put(store, 0, &rows), 1);
    assert_eq!(count(store, "older", "a"), Some(Value::Int64(5)));
}

fn equal_event_times_are_ordered_by_version(store: &OnlineStore) {
    let rows = [
        row("equal", "a", 10, 5),
        row("equal", "a", 10, 7),
        row("equal", "a", 10, 6),
    ];
    assert_eq!(put(store, 0, &rows), 2);
    assert_eq!(count(store, "equal", "a"), Some(Value::Int64(7)));
}

fn the_same_row_again_changes_nothing(store: &OnlineStore) {
    let rows = [row("again", "a", 10, 5)];
    assert_eq!(put(store, 0, &rows), 1);
    assert_eq!(put(store, 0, &rows), 0);
}

fn missing_entities_come_back_as_none_in_order(store: &OnlineStore) {
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

fn unknown_values_stay_unknown(store: &OnlineStore) {
    let stored = row("unknown", "a", 1, 1);
    put(store, 0, std::slice::from_ref(&stored));
    let read = store.get_many("unknown", &["a".into()]).unwrap().remove(0);
    assert_eq!(read, Some(stored));
}

fn keys_are_listed_page_by_page_within_one_view(store: &OnlineStore) {
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
    assert!(page(Some("e")).is_empty());
    assert_eq!(store.rows("list", None, 9).unwrap().len(), 5);
}

fn the_position_moves_with_the_rows(store: &OnlineStore) {
    assert_eq!(store.position(7).unwrap(), None);
    let fence = store.raise_fence(7).unwrap();
    let progress = Progress {
        partition: 7,
        next_offset: 42,
        fence,
    };
    store.put_many(&[], progress).unwrap();
    assert_eq!(store.position(7).unwrap(), Some(42));
    assert_eq!(store.position(6).unwrap(), None);
}

fn a_fenced_writer_changes_neither_rows_nor_position(store: &OnlineStore) {
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

fn conforms(store: &OnlineStore) {
    an_older_row_does_not_replace_a_newer_one(store);
    equal_event_times_are_ordered_by_version(store);
    the_same_row_again_changes_nothing(store);
    missing_entities_come_back_as_none_in_order(store);
    unknown_values_stay_unknown(store);
    keys_are_listed_page_by_page_within_one_view(store);
    the_position_moves_with_the_rows(store);
    a_fenced_writer_changes_neither_rows_nor_position(store);
}

#[test]
fn the_embedded_engine_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/online.redb", folder.path().display());
    conforms(&OnlineStore::open(&url).unwrap());
}

#[test]
fn rows_and_positions_survive_a_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/online.redb", folder.path().display());
    let rows: Vec<_> = (0..10_000)
        .map(|number| row("many", &format!("{number:05}"), 1, 1))
        .collect();
    put(&OnlineStore::open(&url).unwrap(), 3, &rows);
    let store = OnlineStore::open(&url).unwrap();
    assert_eq!(store.position(3).unwrap(), Some(1));
    assert_eq!(store.keys("many", None, 20_000).unwrap().len(), 10_000);
}

#[test]
fn an_unknown_scheme_is_named() {
    let error = OnlineStore::open("carrier-pigeon://coop").err().unwrap();
    assert!(error.to_string().contains("carrier-pigeon"), "{error}");
}
