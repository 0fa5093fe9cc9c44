//! The node dies while windows are written: what was acknowledged is there, nothing is doubled.

use std::thread;

use weir_engines::own_engine;
use weir_metric_store::{MetricStore, MetricStoreError};

use crate::{everything, keyspace::Keyspace, progress, row};

const ROUNDS: i64 = 120;
const KEYS: i64 = 50;

/// What a sink does: the same call until it is done; returns how often it failed in passing.
fn until_done(mut call: impl FnMut() -> Result<(), MetricStoreError>) -> u32 {
    let mut failures = 0;
    while let Err(error) = call() {
        assert!(error.is_transient(), "{error}");
        failures += 1;
    }
    failures
}

#[test]
fn a_node_that_is_killed_while_it_is_written_to_has_every_window_once() {
    let Some(engine) = own_engine("cql").filter(weir_engines::Engine::can_fault) else {
        return;
    };
    let keyspace = Keyspace::on(engine);
    let store = keyspace.open();
    let fence = store.raise_fence(0).unwrap();
    let writer = {
        let store = store.clone();
        thread::spawn(move || write(&store, fence))
    };
    for third in 1..3 {
        wait_for_offset(&store, ROUNDS * third / 3);
        keyspace.engine.kill();
        keyspace.engine.start();
    }
    assert!(writer.join().unwrap() > 0, "the writer has noticed nothing");
    let found = everything(&store);
    assert_eq!(found.len(), usize::try_from(ROUNDS * KEYS).unwrap());
    assert!(
        found
            .iter()
            .all(|window| window.partials == 1 && window.is_final)
    );
    assert_eq!(store.position(0).unwrap(), Some(ROUNDS));
}

/// Each round writes a window of each key, open and then final.
fn write(store: &MetricStore, fence: weir_events::position::StoreFence) -> u32 {
    let mut failures = 0;
    for round in 0..ROUNDS {
        for version in [2, 3] {
            let rows: Vec<_> = (0..KEYS)
                .map(|key| row(&key.to_string(), round, 0, version))
                .collect();
            failures += until_done(|| store.put_many(&rows, progress(fence, round + 1)));
        }
    }
    failures
}

fn wait_for_offset(store: &MetricStore, wanted: i64) {
    loop {
        match store.position(0) {
            Ok(Some(offset)) if offset >= wanted => return,
            Ok(_) => thread::yield_now(),
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
}
