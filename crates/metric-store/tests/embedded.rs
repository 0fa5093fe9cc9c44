//! The embedded backend passes the conformance suite, and keeps what it was given.

use weir_metric_store::{MetricStore, MetricStoreError, conformance};

macro_rules! conforms {
    ($($name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("metrics.redb");
            conformance::$name(&MetricStore::open(path.to_str().unwrap()).unwrap());
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

#[test]
fn an_unknown_scheme_is_refused_by_name() {
    let refused = MetricStore::open("scylla://127.0.0.1");
    assert!(matches!(refused, Err(MetricStoreError::Scheme { scheme }) if scheme == "scylla"));
}
