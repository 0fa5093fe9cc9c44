//! What only shows from inside: steps of a write one by one, on a server that forgets.

use fred::{
    prelude::{ClientLike, KeysInterface},
    types::{ClusterHash, CustomCommand},
};
use weir_features::EntityKey;

use super::*;
use crate::conformance::row;

/// A single server and a cluster; keys that no other test has.
fn stores() -> Vec<Backend> {
    ["redis", "redis-cluster"]
        .into_iter()
        .filter_map(weir_engines::engine)
        .map(|engine| {
            let key_prefix = format!("weir-test-{:016x}", rand::random::<u64>());
            let config = Config {
                key_prefix,
                ..Config::at(engine.url())
            };
            Backend::connect(&config).unwrap()
        })
        .collect()
}

fn progress(fence: StoreFence, next_offset: i64) -> Progress {
    Progress {
        partition: 3,
        next_offset,
        fence,
    }
}

#[test]
fn a_zombie_that_was_let_in_cannot_move_the_place() {
    for store in stores() {
        let old = store.raise_fence(3).unwrap();
        store.wait(store.link.check(progress(old, 10))).unwrap();
        let new = store.raise_fence(3).unwrap();
        store.put_many(&[], progress(new, 20)).unwrap();
        let moved = store.wait(store.link.advance(progress(old, 10)));
        assert!(matches!(moved, Err(OnlineStoreError::Fenced { .. })));
        assert_eq!(store.position(3).unwrap(), Some(20));
    }
}

#[test]
fn a_writer_notices_that_the_server_lost_what_it_had_written() {
    for store in stores() {
        let fence = store.raise_fence(3).unwrap();
        store.put_many(&[], progress(fence, 10)).unwrap();
        // As after a failover to a replica that lagged: the fence is there, the place is older.
        let key = store.link.keys.sink(3);
        let set = CustomCommand::new_static("HSET", ClusterHash::from(key.as_str()), false);
        let words = vec![key.as_str(), "next_offset", "5"];
        store
            .wait(store.link.reader().custom::<(), _>(set, words))
            .unwrap();
        let error = store.put_many(&[], progress(fence, 20)).unwrap_err();
        assert!(matches!(error, OnlineStoreError::Rewound { .. }), "{error}");
        assert_eq!(store.position(3).unwrap(), Some(5), "nothing moved");
        let fence = store.raise_fence(3).unwrap();
        store.put_many(&[], progress(fence, 20)).unwrap();
        // As after a restart without a file: everything is gone.
        store.wait(store.link.reader().del::<(), _>(&key)).unwrap();
        let error = store.put_many(&[], progress(fence, 30)).unwrap_err();
        assert!(matches!(error, OnlineStoreError::Rewound { .. }), "{error}");
        assert_eq!(store.position(3).unwrap(), None);
    }
}

#[test]
fn a_move_that_was_not_acknowledged_may_be_made_again() {
    for store in stores() {
        let fence = store.raise_fence(3).unwrap();
        let before = store.link.standing.lock().get(&3).copied().unwrap();
        store.put_many(&[], progress(fence, 10)).unwrap();
        store.link.standing.lock().insert(3, before);
        store.put_many(&[], progress(fence, 10)).unwrap();
        assert_eq!(store.position(3).unwrap(), Some(10));
    }
}

#[test]
fn names_without_rows_are_passed_over() {
    for store in stores() {
        let rows: Vec<_> = (0..40)
            .map(|number| row("half", &format!("{number:02}"), 1, 1))
            .collect();
        store.wait(store.link.name_all(&rows, 3)).unwrap();
        assert!(store.keys("half", None, 99).unwrap().is_empty());
        store.wait(store.link.put_rows(&rows[30..], 3)).unwrap();
        let found = store.keys("half", None, 4).unwrap();
        assert_eq!(found, ["30", "31", "32", "33"].map(EntityKey::from));
        assert_eq!(store.rows("half", Some(&found[3]), 99).unwrap().len(), 6);
    }
}

#[test]
fn scripts_that_the_server_forgot_are_given_to_it_again() {
    for store in stores() {
        let fence = store.raise_fence(3).unwrap();
        let rows: Vec<_> = (0..300)
            .map(|number| row("forgot", &format!("{number:03}"), 1, 1))
            .collect();
        for next_offset in 1..4 {
            // In a cluster one node forgets, any of them.
            let flush = CustomCommand::new_static("SCRIPT", ClusterHash::Random, false);
            store
                .wait(store.link.reader().custom::<(), _>(flush, vec!["FLUSH"]))
                .unwrap();
            let written = store.put_many(&rows, progress(fence, next_offset)).unwrap();
            assert_eq!(written, if next_offset == 1 { 300 } else { 0 });
        }
        assert_eq!(store.keys("forgot", None, 999).unwrap().len(), 300);
    }
}
