//! What every backend of the metric store must do: each function panics when it does not.
//!
//! Each wants a store that is empty.
#![expect(
    clippy::unwrap_used,
    reason = "these functions are tests; a failure is a panic"
)]

use weir_events::{
    position::StoreFence,
    time::{DAY_US, MINUTE_US},
    v1::{Measure, WindowResult},
};

use crate::{Keys, MetricStore, MetricStoreError, Progress, Query, Window};

fn row(key: &str, minute: i64, source_partition: u32, version: u64, count: u64) -> WindowResult {
    WindowResult {
        aggregate: "origin-announcements".to_owned(),
        key: key.to_owned(),
        start_us: minute * MINUTE_US,
        end_us: (minute + 1) * MINUTE_US,
        source_partition,
        version,
        r#final: version & 1 == 1,
        measures: vec![Measure {
            name: "announcements".to_owned(),
            count,
        }],
        synthetic: false,
    }
}

fn put(store: &MetricStore, fence: StoreFence, rows: &[WindowResult]) {
    let progress = Progress {
        partition: 0,
        next_offset: 1,
        fence,
    };
    store.put_many(rows, progress).unwrap()
}

fn everything(store: &MetricStore) -> Vec<Window> {
    let mut windows = Vec::new();
    store.export(|window| windows.push(window)).unwrap();
    windows
}

/// (key, minute, count, final) of each window that a query finds.
fn found(
    store: &MetricStore,
    keys: Keys<'_>,
    minutes: (i64, i64),
    limit: usize,
) -> Vec<(String, i64, u64, bool)> {
    let query = Query {
        aggregate: "origin-announcements",
        keys,
        width_us: MINUTE_US,
        from_us: minutes.0 * MINUTE_US,
        to_us: minutes.1 * MINUTE_US,
        limit,
    };
    let windows = store.query(&query).unwrap();
    windows
        .into_iter()
        .map(|window| {
            (
                window.key,
                window.start_us / MINUTE_US,
                window.measures[0].1,
                window.is_final,
            )
        })
        .collect()
}

/// The greater version wins, in whatever order rows come, and equal ones change nothing.
pub fn the_greater_version_wins(store: &MetricStore) {
    let fence = store.raise_fence(0).unwrap();
    let steps = [
        (row("64496", 1, 0, 20, 5), 5),
        (row("64496", 1, 0, 10, 1), 5),
        (row("64496", 1, 0, 20, 5), 5),
        (row("64496", 1, 0, 31, 7), 7),
        (row("64496", 1, 0, 30, 6), 7),
    ];
    for (step, count) in steps {
        let is_final = count == 7;
        put(store, fence, &[step]);
        assert_eq!(
            found(store, Keys::One("64496"), (0, 9), 9),
            [("64496".to_owned(), 1, count, is_final)]
        );
    }
}

/// Partials of several partitions are summed; the window is final when each of them is.
pub fn partials_sum_and_are_final_together(store: &MetricStore) {
    let fence = store.raise_fence(0).unwrap();
    put(
        store,
        fence,
        &[row("64496", 1, 0, 21, 5), row("64496", 1, 3, 10, 2)],
    );
    assert_eq!(
        found(store, Keys::One("64496"), (1, 2), 9),
        [("64496".to_owned(), 1, 7, false)]
    );
    put(store, fence, &[row("64496", 1, 3, 11, 4)]);
    assert_eq!(
        found(store, Keys::One("64496"), (1, 2), 9),
        [("64496".to_owned(), 1, 9, true)]
    );
    assert_eq!(everything(store)[0].partials, 2);
}

/// A query keeps to its key or prefix, its width, its times (from inclusive, to exclusive) and its
/// limit; keys are listed in order.
pub fn a_query_keeps_to_its_bounds(store: &MetricStore) {
    let fence = store.raise_fence(0).unwrap();
    let mut rows: Vec<_> = (0..6).map(|minute| row("64496", minute, 0, 2, 1)).collect();
    let mut wide = row("644", 0, 0, 2, 99);
    wide.end_us = 5 * MINUTE_US;
    rows.extend([
        wide,
        row("64497", 2, 0, 2, 3),
        row("64511", 2, 0, 2, 4),
        row("7", 2, 0, 2, 5),
    ]);
    put(store, fence, &rows);
    let keys = |found: Vec<(String, i64, u64, bool)>| -> Vec<(String, i64)> {
        found
            .into_iter()
            .map(|(key, minute, ..)| (key, minute))
            .collect()
    };
    let named = |list: &[(&str, i64)]| -> Vec<(String, i64)> {
        list.iter()
            .map(|(key, minute)| ((*key).to_owned(), *minute))
            .collect()
    };
    type Case<'a> = (Keys<'a>, (i64, i64), usize, &'a [(&'a str, i64)]);
    let cases: [Case<'_>; 7] = [
        (Keys::One("64496"), (2, 4), 9, &[("64496", 2), ("64496", 3)]),
        (Keys::One("64496"), (2, 9), 1, &[("64496", 2)]),
        (Keys::One("6449"), (0, 9), 9, &[]),
        (
            Keys::Prefix("6449"),
            (2, 3),
            9,
            &[("64496", 2), ("64497", 2)],
        ),
        (
            Keys::Prefix("6"),
            (2, 4),
            9,
            &[("64496", 2), ("64496", 3), ("64497", 2), ("64511", 2)],
        ),
        (
            Keys::Prefix(""),
            (2, 3),
            3,
            &[("64496", 2), ("64497", 2), ("64511", 2)],
        ),
        (Keys::Prefix(""), (3, 3), 9, &[]),
    ];
    for (wanted, minutes, limit, expected) in cases {
        assert_eq!(
            keys(found(store, wanted, minutes, limit)),
            named(expected),
            "{wanted:?} {minutes:?}"
        );
    }
    let listed = |after, limit| store.keys("origin-announcements", after, limit).unwrap();
    assert_eq!(listed(None, 2), ["644", "64496"]);
    assert_eq!(listed(Some("64496"), 9), ["64497", "64511", "7"]);
    assert!(store.keys("peer-messages", None, 9).unwrap().is_empty());
}

/// Position and rows move together, under the newest fence only.
pub fn a_fenced_writer_changes_nothing(store: &MetricStore) {
    assert_eq!(store.position(2).unwrap(), None);
    let old = store.raise_fence(2).unwrap();
    let new = store.raise_fence(2).unwrap();
    let progress = |fence, next_offset| Progress {
        partition: 2,
        next_offset,
        fence,
    };
    let refused = store.put_many(&[row("64496", 1, 0, 2, 1)], progress(old, 5));
    assert!(matches!(refused, Err(MetricStoreError::Fenced { .. })));
    assert!(everything(store).is_empty());
    assert_eq!(store.position(2).unwrap(), None);
    store
        .put_many(&[row("64496", 1, 0, 2, 1)], progress(new, 7))
        .unwrap();
    assert_eq!(store.position(2).unwrap(), Some(7));
    assert_eq!(everything(store).len(), 1);
}

/// Old windows are gone whether they were stored before the new ones or after.
pub fn old_windows_go_by_event_time(store: &MetricStore) {
    let fence = store.raise_fence(0).unwrap();
    let days = MetricStore::RETENTION_US / DAY_US;
    let late = days * 24 * 60;
    put(
        store,
        fence,
        &[row("64496", 0, 0, 2, 1), row("64496", 1, 0, 2, 1)],
    );
    put(store, fence, &[row("64496", late, 0, 2, 1)]);
    put(store, fence, &[row("64497", 0, 0, 2, 1)]);
    let minutes: Vec<i64> = everything(store)
        .iter()
        .map(|window| window.start_us / MINUTE_US)
        .collect();
    assert_eq!(minutes, [1, late]);
}
