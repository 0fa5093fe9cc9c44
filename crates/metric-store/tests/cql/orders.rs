//! Any order and repetition of rows gives the windows of the file.

use proptest::{prelude::*, test_runner::TestRunner};
use weir_events::v1::WindowResult;
use weir_metric_store::{Keys, MetricStore, Query, Window};

use crate::{everything, keyspace::Keyspace, progress, row};

/// Rows of few keys and minutes, so that they meet; days apart, so that some are too old.
fn rows() -> impl Strategy<Value = Vec<WindowResult>> {
    let minutes = prop_oneof![
        0_i64..4,
        4_090..4_100_i64,
        43_190..43_205_i64,
        60_000..60_003_i64
    ];
    let row = (0_u32..4, minutes, 0_u32..3, 1_u64..9)
        .prop_map(|(key, minute, source, version)| row(&format!("{key}"), minute, source, version));
    prop::collection::vec(row, 1..40)
}

fn fill(store: &MetricStore, batches: &[&[WindowResult]]) {
    let fence = store.raise_fence(0).unwrap();
    for batch in batches {
        store.put_many(batch, progress(fence, 1)).unwrap();
    }
}

fn prefix(store: &MetricStore, from: i64, to: i64, limit: usize) -> Vec<Window> {
    let query = Query {
        aggregate: "origin-announcements",
        keys: Keys::Prefix(""),
        width_us: 60_000_000,
        from_us: from * 60_000_000,
        to_us: to * 60_000_000,
        limit,
    };
    store.query(&query).unwrap()
}

#[test]
fn any_order_and_repetition_of_rows_gives_the_windows_of_the_file() {
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 6,
        failure_persistence: None,
        max_shrink_iters: 8,
        ..ProptestConfig::default()
    });
    let shuffled = rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()));
    let cases = (shuffled, 0_i64..60_000, 1_usize..6);
    let outcome = runner.run(&cases, |((rows, shuffled), from, limit)| {
        let Some(keyspace) = Keyspace::new() else {
            return Ok(());
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.redb");
        let file = MetricStore::open(path.to_str().unwrap()).unwrap();
        fill(&file, &[&rows]);
        let cql = keyspace.open();
        let half = shuffled.len() / 2;
        fill(&cql, &[&shuffled[half..], &shuffled, &shuffled[..half]]);
        prop_assert_eq!(everything(&file), everything(&cql));
        prop_assert_eq!(
            prefix(&file, from, 70_000, limit),
            prefix(&cql, from, 70_000, limit)
        );
        let keys = |store: &MetricStore| store.keys("origin-announcements", None, 9).unwrap();
        prop_assert_eq!(keys(&file), keys(&cql));
        Ok(())
    });
    outcome.unwrap();
}
