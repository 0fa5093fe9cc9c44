//! The node dies while windows are written: what was acknowledged is there, nothing is doubled.

use std::thread;

use weir_engines::own_engine;
use weir_events::position::StoreFence;
use weir_metric_store::{MetricStore, MetricStoreError};

use crate::{everything, keyspace::Keyspace, progress, row};

const ROUNDS: i64 = 120;
const KEYS: i64 = 50;

#[test]
fn a_node_that_is_killed_while_it_is_written_to_has_every_window_once() {
    let Some(engine) = own_engine("cql").filter(weir_engines::Engine::can_fault) else {
        return;
    };
    let keyspace = Keyspace::on(engine);
    let store = keyspace.open();
    let writer = {
        let store = store.clone();
        thread::spawn(move || write(&store))
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

/// What a sink does: repeats what failed in passing, takes the partition anew when the node lost what
/// it had acknowledged. Each round writes a window of each key, open and then final.
fn write(store: &MetricStore) -> u32 {
    let mut failures = 0;
    let mut task = None;
    loop {
        match step(store, &mut task) {
            Ok(true) => return failures,
            Ok(false) => {}
            Err(MetricStoreError::Rewound { .. } | MetricStoreError::Fenced { .. }) => task = None,
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                failures += 1;
            }
        }
    }
}

/// True when all rounds are stored.
fn step(
    store: &MetricStore,
    task: &mut Option<(StoreFence, i64)>,
) -> Result<bool, MetricStoreError> {
    let Some((fence, round)) = task else {
        let fence = store.raise_fence(0)?;
        *task = Some((fence, store.position(0)?.unwrap_or(0)));
        return Ok(false);
    };
    if *round == ROUNDS {
        return Ok(true);
    }
    let versions = [2, 3].into_iter();
    let rows: Vec<_> = versions
        .flat_map(|version| (0..KEYS).map(move |key| (key, version)))
        .map(|(key, version)| row(&key.to_string(), *round, 0, version))
        .collect();
    store.put_many(&rows, progress(*fence, *round + 1))?;
    *round += 1;
    Ok(false)
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
