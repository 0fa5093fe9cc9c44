//! The server is lost and comes back: what was acknowledged is there, once.

use std::time::Duration;

use sqlx::{Connection, Executor};
use weir_record_store::{RecordStore, conformance::incident};

use crate::database::Database;

/// Writes incident `next` at the stored position until `until`, as a sink does: what fails in
/// passing is done again.
async fn write_on(store: &RecordStore, until: u32) {
    let (fence, start) = store.raise_fence(0).await.unwrap();
    let mut next = u32::try_from(start).unwrap();
    while next < until {
        let row = incident(next, u64::from(next) + 1, "10.0.0.0/8");
        match store.record(&[row], 0, i64::from(next) + 1, fence).await {
            Ok(()) => next += 1,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
}

/// Every incident is there once, with one transition, and the position says so.
async fn reconcile(store: &RecordStore, expected: u32) {
    let counts = store.counts().await.unwrap();
    let stored: u64 = counts.iter().map(|count| count.incidents).sum();
    assert_eq!(stored, u64::from(expected));
    assert_eq!(store.position(0).await.unwrap(), Some(i64::from(expected)));
    for n in 0..expected {
        let id = incident(n, 1, "10.0.0.0/8").id;
        let history = store.get(&id).await.unwrap().unwrap().history;
        assert_eq!(history.len(), 1, "{id}");
    }
}

#[tokio::test]
async fn connections_that_the_server_ends_are_replaced_unseen() {
    let Some(database) = Database::make().await else {
        return;
    };
    let store = database.store().await;
    let writer = tokio::spawn({
        let store = store.clone();
        async move { write_on(&store, 400).await }
    });
    let mut sql = database.sql().await;
    for round in 1..=5_i64 {
        while store.position(0).await.unwrap_or_default() < Some(round * 50) {
            tokio::task::yield_now().await;
        }
        sql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await
        .unwrap();
    }
    writer.await.unwrap();
    reconcile(&store, 400).await;
    sql.close().await.unwrap();
    store.close().await;
    database.drop().await;
}

#[tokio::test]
async fn a_statement_that_waits_too_long_is_given_up_in_passing() {
    let Some(database) = Database::make().await else {
        return;
    };
    let mut config = database.config();
    config.statement_timeout_ms = 100;
    let store = RecordStore::connect(&config).await.unwrap();
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let mut sql = database.sql().await;
    let mut lock = sql.begin().await.unwrap();
    lock.execute("LOCK TABLE sink_positions").await.unwrap();
    let record = store.record(&[], 0, 1, fence);
    let error = tokio::time::timeout(Duration::from_secs(20), record)
        .await
        .unwrap()
        .unwrap_err();
    assert!(error.is_transient(), "{error}");
    lock.rollback().await.unwrap();
    store.record(&[], 0, 1, fence).await.unwrap();
    sql.close().await.unwrap();
    store.close().await;
    database.drop().await;
}

#[tokio::test]
async fn a_writer_that_stopped_inside_a_transaction_does_not_hold_its_rows_for_ever() {
    let Some(database) = Database::make().await else {
        return;
    };
    let mut config = database.config();
    config.statement_timeout_ms = 500;
    let store = RecordStore::connect(&config).await.unwrap();
    store.raise_fence(0).await.unwrap();
    // What a stopped process leaves behind, with the limits that our connections have.
    let mut stopped = database.sql().await;
    stopped
        .execute("SET idle_in_transaction_session_timeout = '500ms'")
        .await
        .unwrap();
    let mut transaction = stopped.begin().await.unwrap();
    transaction
        .execute("SELECT * FROM sink_positions FOR UPDATE")
        .await
        .unwrap();
    let (fence, _) = store.raise_fence(0).await.unwrap();
    store.record(&[], 0, 1, fence).await.unwrap();
    drop(transaction);
    store.close().await;
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_while_it_writes_keeps_what_it_acknowledged() {
    const ROUNDS: u32 = 3;
    let Some(engine) = weir_engines::own_engine("postgres") else {
        return;
    };
    let store = RecordStore::open(engine.url()).await.unwrap();
    let writer = tokio::spawn({
        let store = store.clone();
        async move { write_on(&store, (ROUNDS + 1) * 100).await }
    });
    for round in 1..=ROUNDS {
        let wanted = i64::from(round) * 100;
        while store.position(0).await.unwrap_or_default() < Some(wanted) {
            tokio::task::yield_now().await;
        }
        let engine = engine.clone();
        let restarted = tokio::task::spawn_blocking(move || {
            engine.kill();
            engine.start();
        });
        restarted.await.unwrap();
    }
    writer.await.unwrap();
    reconcile(&store, (ROUNDS + 1) * 100).await;
    store.close().await;
}
