//! Several writers, several starters, and the plans of the statements.

use sqlx::{Connection, Row};
use weir_record_store::{
    Filter, PrefixMatch, RecordError, RecordStore, State, conformance::incident,
};

use crate::database::Database;

#[tokio::test]
async fn a_search_by_prefix_uses_the_gist_index() {
    let Some(database) = Database::make().await else {
        return;
    };
    let store = database.store().await;
    let (fence, _) = store.raise_fence(0).await.unwrap();
    for chunk in (0..20_000_u32).collect::<Vec<_>>().chunks(5_000) {
        let rows: Vec<_> = chunk
            .iter()
            .map(|n| incident(*n, 1, &format!("10.{}.{}.0/24", n / 256, n % 256)))
            .collect();
        store.record(&rows, 0, 1, fence).await.unwrap();
    }
    let mut sql = database.sql().await;
    sqlx::query("ANALYZE bgp_conflicts")
        .execute(&mut sql)
        .await
        .unwrap();
    for operator in ["=", "<<=", ">>=", "&&"] {
        let statement = format!(
            "EXPLAIN SELECT * FROM bgp_conflicts WHERE prefix {operator} '10.7.3.0/24'
             ORDER BY first_seen DESC, id DESC LIMIT 51"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .fetch_all(&mut sql)
            .await
            .unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        assert!(
            plan.contains("bgp_conflicts_by_prefix"),
            "{operator}: {plan}"
        );
    }
    let filter = Filter {
        prefix: Some(PrefixMatch::Covers("10.7.3.9/32".parse().unwrap())),
        ..Filter::default()
    };
    let page = store.list(&filter, None, 10).await.unwrap();
    assert_eq!(page.incidents.len(), 1);
    sql.close().await.unwrap();
    store.close().await;
    database.drop().await;
}

#[tokio::test]
async fn rows_are_native_values_that_a_person_can_ask_for() {
    let Some(database) = Database::make().await else {
        return;
    };
    let store = database.store().await;
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let row = incident(1, 1, "10.0.0.0/8");
    store.record(&[row], 0, 1, fence).await.unwrap();
    let mut sql = database.sql().await;
    let found: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM bgp_conflicts
         WHERE id = '00000001-1111-5222-8333-444455556666' AND prefix >>= '10.1.2.3'
           AND first_seen = '1970-01-01 00:00:01+00' AND severity >= 'medium'
           AND 64501 = ANY(origins) AND reasons ? 'no-baseline'
           AND evidence->0->>'collector' = 'rrc12'",
    )
    .fetch_one(&mut sql)
    .await
    .unwrap();
    assert_eq!(found, 1);
    sql.close().await.unwrap();
    store.close().await;
    database.drop().await;
}

#[tokio::test]
async fn two_writers_of_one_partition_race_and_only_the_later_assignment_goes_on() {
    let Some(database) = Database::make().await else {
        return;
    };
    let (first, second) = (database.store().await, database.store().await);
    let (zombie, _) = first.raise_fence(0).await.unwrap();
    let stale = tokio::spawn({
        let first = first.clone();
        async move {
            // Writes until it is fenced.
            for n in 0..500 {
                let row = incident(n, 1, "10.0.0.0/8");
                if let Err(error) = first.record(&[row], 0, i64::from(n) + 1, zombie).await {
                    return (n, error);
                }
            }
            unreachable!("never fenced")
        }
    });
    let written = async || first.position(0).await.unwrap() >= Some(20);
    while !written().await {
        tokio::task::yield_now().await;
    }
    let (fence, start) = second.raise_fence(0).await.unwrap();
    let (wrote, error) = stale.await.unwrap();
    assert!(matches!(error, RecordError::Fenced { .. }), "{error}");
    assert!(!error.is_transient());
    assert_eq!(
        i64::from(wrote),
        start,
        "what was written is what the position says"
    );
    let newer = incident(0, 9, "10.0.0.0/8");
    second.record(&[newer], 0, start + 1, fence).await.unwrap();
    assert_eq!(second.position(0).await.unwrap(), Some(start + 1));
    first.close().await;
    second.close().await;
    database.drop().await;
}

#[tokio::test]
async fn writers_of_different_partitions_may_touch_the_same_incidents_in_any_order() {
    let Some(database) = Database::make().await else {
        return;
    };
    let store = database.store().await;
    let mut writers = tokio::task::JoinSet::new();
    for partition in 0..4_u32 {
        let store = store.clone();
        writers.spawn(async move {
            let (fence, _) = store.raise_fence(partition).await.unwrap();
            for round in 0..20_u64 {
                let version = round * 4 + u64::from(partition) + 1;
                let mut rows: Vec<_> = (0..50)
                    .map(|n| {
                        let mut row = incident(n, version, "10.0.0.0/8");
                        row.visible_peers = u32::try_from(version).unwrap();
                        row
                    })
                    .collect();
                if partition % 2 == 1 {
                    rows.reverse();
                }
                store.record(&rows, partition, 1, fence).await.unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let page = store.list(&Filter::default(), None, 100).await.unwrap();
    assert_eq!(page.incidents.len(), 50);
    for row in &page.incidents {
        assert_eq!(
            (row.version.0, row.visible_peers),
            (80, 80),
            "the greatest version stands"
        );
        assert_eq!(row.state, State::Suspected);
    }
    let history = store
        .get(&page.incidents[0].id)
        .await
        .unwrap()
        .unwrap()
        .history;
    assert_eq!(history.len(), 80, "each transition once");
    store.close().await;
    database.drop().await;
}

#[tokio::test]
async fn two_starters_at_once_make_the_tables_once() {
    let Some(database) = Database::make().await else {
        return;
    };
    let mut starters = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = database.url.clone();
        starters.spawn(async move { RecordStore::open(&url).await });
    }
    let steps = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
    let steps = i64::try_from(std::fs::read_dir(steps).unwrap().count()).unwrap();
    while let Some(started) = starters.join_next().await {
        let store = started.unwrap().unwrap();
        assert_eq!(store.migrate().await.unwrap(), steps);
        store.close().await;
    }
    database.drop().await;
}
