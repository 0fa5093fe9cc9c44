//! The cases of `conformance` on every backend, and that any order and any repetition of rows
//! leaves the same state.

use proptest::prelude::*;
use weir_events::position::Version;
use weir_features::{Feature, FeatureRow, Value};
use weir_online_store::{
    OnlineStore,
    conformance::{conforms, model, put, row},
};

use crate::engine::{NAMES, reach, reach_own, tell};

fn embedded(folder: &tempfile::TempDir) -> OnlineStore {
    let url = format!("file://{}/online.redb", folder.path().display());
    OnlineStore::open(&url).unwrap()
}

#[test]
fn the_embedded_engine_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&embedded(&folder));
}

fn redis_conforms(name: &str) {
    let Some(reached) = reach(name) else {
        return;
    };
    let store = OnlineStore::connect(&reached.config).unwrap();
    conforms(&store);
    any_order_leaves_the_newest_rows(&store);
}

#[test]
fn a_redis_conforms() {
    redis_conforms("redis");
}

#[test]
fn a_valkey_conforms() {
    redis_conforms("valkey");
}

#[test]
fn a_redis_with_tls_and_acl_conforms() {
    redis_conforms("redis-secure");
}

#[test]
fn a_cluster_conforms() {
    redis_conforms("redis-cluster");
}

#[test]
fn a_master_behind_sentinels_conforms() {
    redis_conforms("redis-sentinel");
}

#[test]
fn the_embedded_engine_keeps_the_newest_rows_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    any_order_leaves_the_newest_rows(&embedded(&folder));
}

/// Few entities, times and versions, so that ties and repetitions are the rule. A row's values
/// follow from its (event time, version), as they do in a log.
fn some_rows() -> impl Strategy<Value = Vec<FeatureRow>> {
    let one = (0..4_u8, -2..3_i64, 0..4_u64).prop_map(|(entity, time, version)| {
        let known = (time + 2 != 0).then_some(Value::Float64(time as f64 / 3.0));
        let mut features = vec![Feature {
            name: "share".into(),
            value: known,
        }];
        if version % 2 == 0 {
            features.push(Feature::new("state", Some("idle")));
        }
        FeatureRow {
            version: Version(version),
            features,
            ..row("", &entity.to_string(), time, 1)
        }
    });
    prop::collection::vec(one, 1..40)
}

fn any_order_leaves_the_newest_rows(store: &OnlineStore) {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let number = std::cell::Cell::new(0);
    let shuffled =
        some_rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()));
    runner
        .run(&(shuffled, 1..20_usize), |((rows, other), batch)| {
            number.set(number.get() + 1);
            let view = format!("order{}", number.get());
            let named = |rows: Vec<FeatureRow>| -> Vec<FeatureRow> {
                let view: std::borrow::Cow<'static, str> = view.clone().into();
                rows.into_iter()
                    .map(|row| FeatureRow {
                        view: view.clone(),
                        ..row
                    })
                    .collect()
            };
            let (rows, other) = (named(rows), named(other));
            for batch in rows.chunks(batch).chain(other.chunks(batch)) {
                put(store, 1, batch);
            }
            prop_assert_eq!(store.rows(&view, None, 99).unwrap(), model(&rows));
            Ok(())
        })
        .unwrap();
}

#[test]
fn rows_and_positions_survive_a_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<_> = (0..10_000)
        .map(|number| row("many", &format!("{number:05}"), 1, 1))
        .collect();
    put(&embedded(&folder), 3, &rows);
    let store = embedded(&folder);
    assert_eq!(store.position(3).unwrap(), Some(1));
    assert_eq!(store.keys("many", None, 20_000).unwrap().len(), 10_000);
}

#[test]
fn a_file_has_no_server_and_a_redis_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(embedded(&folder).server().unwrap(), None);
    for name in NAMES {
        let Some(reached) = reach(name) else {
            continue;
        };
        let store = OnlineStore::connect(&reached.config).unwrap();
        let server = store.server().unwrap().unwrap();
        let known = ["redis", "valkey"].contains(&server.software.as_str());
        assert!(known && server.version != "unknown", "{name}: {server:?}");
        assert!(server.clock_us.is_some(), "{name}: {server:?}");
        assert!(server.appendonly.is_some(), "{name}: {server:?}");
        assert!(server.maxmemory_policy.is_some(), "{name}: {server:?}");
    }
}

#[test]
fn what_a_server_keeps_and_throws_away_is_found_out() {
    let Some(server) = reach_own("redis") else {
        return;
    };
    let store = OnlineStore::connect(&server.config).unwrap();
    let safe = store.server().unwrap().unwrap();
    assert_eq!(safe.appendfsync.as_deref(), Some("always"), "{safe:?}");
    assert_eq!(safe.warnings(), Vec::<String>::new());
    for setting in [
        ["SET", "appendonly", "no"],
        ["SET", "save", ""],
        ["SET", "maxmemory-policy", "allkeys-lru"],
    ] {
        tell(&server.config.url, "CONFIG", &setting);
    }
    let warnings = store.server().unwrap().unwrap().warnings().join("\n");
    assert!(warnings.contains("appendonly yes"), "{warnings}");
    assert!(warnings.contains("noeviction"), "{warnings}");
}

#[test]
fn an_unknown_scheme_is_named() {
    let error = OnlineStore::open("carrier-pigeon://coop").err().unwrap();
    assert!(error.to_string().contains("carrier-pigeon"), "{error}");
}
