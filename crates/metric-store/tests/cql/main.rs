//! The CQL backend passes the conformance suite, gives the windows that the file gives, and keeps
//! its promises when writers are overtaken, nodes die and logins are wrong.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod faults;
mod keyspace;
mod orders;
mod refusals;

use std::{sync::mpsc, thread};

use keyspace::Keyspace;
use weir_events::{
    position::StoreFence,
    time::MINUTE_US,
    v1::{Measure, WindowResult},
};
use weir_metric_store::{MetricStore, MetricStoreError, Progress, conformance};

macro_rules! conforms {
    ($($name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            let Some(keyspace) = Keyspace::new() else { return };
            conformance::$name(&keyspace.open());
        }
    )*};
}

conforms!(
    the_greater_version_wins,
    partials_sum_and_are_final_together,
    a_query_keeps_to_its_bounds,
    a_fenced_writer_changes_nothing,
    old_windows_go_by_event_time,
);

/// One window of one minute.
fn row(key: &str, minute: i64, source_partition: u32, version: u64) -> WindowResult {
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
            count: version * 3 + u64::from(source_partition),
        }],
        synthetic: false,
    }
}

fn progress(fence: StoreFence, next_offset: i64) -> Progress {
    Progress {
        partition: 0,
        next_offset,
        fence,
    }
}

#[test]
fn a_writer_that_is_overtaken_while_it_writes_does_not_move_the_position() {
    let Some(keyspace) = Keyspace::new() else {
        return;
    };
    let store = keyspace.open();
    let old = store.raise_fence(0).unwrap();
    // One row per partition: slow enough to be overtaken.
    let rows: Vec<_> = (0..20_000)
        .map(|key| row(&key.to_string(), 1, 0, 2))
        .collect();
    let zombie = {
        let store = store.clone();
        thread::spawn(move || store.put_many(&rows, progress(old, 5)))
    };
    while store
        .keys("origin-announcements", None, 1)
        .unwrap()
        .is_empty()
    {}
    let new = store.raise_fence(0).unwrap();
    let refused = zombie.join().unwrap();
    assert!(
        matches!(refused, Err(MetricStoreError::Fenced { .. })),
        "{refused:?}"
    );
    assert_eq!(store.position(0).unwrap(), None);
    store.put_many(&[], progress(new, 6)).unwrap();
    assert_eq!(store.position(0).unwrap(), Some(6));
}

#[test]
fn a_writer_notices_that_the_nodes_lost_what_it_had_written() {
    let Some(keyspace) = Keyspace::new() else {
        return;
    };
    let store = keyspace.open();
    let fence = store.raise_fence(0).unwrap();
    let rows = [row("64496", 1, 0, 2)];
    store.put_many(&rows, progress(fence, 5)).unwrap();
    // As after a crash before the commit log was synced: the position of some time ago.
    keyspace.open().put_many(&[], progress(fence, 3)).unwrap();
    let refused = store.put_many(&[], progress(fence, 8));
    let noticed = matches!(
        refused,
        Err(MetricStoreError::Rewound {
            expected: 5,
            found: Some(3),
            ..
        })
    );
    assert!(noticed, "{refused:?}");
    assert_eq!(store.position(0).unwrap(), Some(3));
}

#[test]
fn starters_at_the_same_time_make_the_tables_once() {
    let Some(keyspace) = Keyspace::new() else {
        return;
    };
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..4 {
            let (sender, keyspace) = (sender.clone(), &keyspace);
            scope.spawn(move || {
                let store = keyspace.open();
                sender.send(store.raise_fence(7).unwrap()).unwrap();
            });
        }
        drop(sender);
    });
    let mut fences: Vec<_> = receiver.iter().collect();
    fences.sort_unstable();
    assert_eq!(fences, [1, 2, 3, 4].map(StoreFence));
}

#[test]
fn the_server_says_what_it_is() {
    let Some(keyspace) = Keyspace::new() else {
        return;
    };
    let store = keyspace.open();
    store.migrate().unwrap();
    let server = store.server().unwrap().unwrap();
    assert!(server.schema_agreement, "{server:?}");
    assert_eq!(server.schema_version, server.wanted_schema_version);
    assert!(!server.data_center.is_empty() && !server.release_version.is_empty());
    assert!(
        server.replication["class"].contains("SimpleStrategy"),
        "{server:?}"
    );
}

/// All windows, in their order.
fn everything(store: &MetricStore) -> Vec<weir_metric_store::Window> {
    let mut windows = Vec::new();
    store.export(|window| windows.push(window)).unwrap();
    windows
}
