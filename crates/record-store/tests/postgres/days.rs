//! The daily partitions of updates.

use sqlx::{Connection, Row};
use weir_events::time::DAY_US;
use weir_record_store::{Config, RecordStore, conformance::update};

use crate::database::Database;

/// 2021-01-01.
const DAY: i64 = 18_628;

async fn partitions(database: &Database) -> Vec<String> {
    let mut sql = database.sql().await;
    let rows = sqlx::query(
        "SELECT inhrelid::regclass::text FROM pg_inherits
         WHERE inhparent = 'bgp_updates'::regclass ORDER BY 1",
    )
    .fetch_all(&mut sql)
    .await
    .unwrap();
    sql.close().await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn small(database: &Database) -> Config {
    Config {
        update_retention_days: 2,
        update_days_ahead: 1,
        ..database.config()
    }
}

#[tokio::test]
async fn days_are_made_ahead_and_dropped_with_their_rows() {
    let Some(database) = Database::make().await else {
        return;
    };
    let store = RecordStore::connect(&small(&database)).await.unwrap();
    let (fence, _) = store.raise_update_fence(0).await.unwrap();
    assert_eq!(partitions(&database).await, [""; 0]);
    for (day, expected) in [
        (0, vec!["bgp_updates_20210101", "bgp_updates_20210102"]),
        (
            1,
            vec![
                "bgp_updates_20210101",
                "bgp_updates_20210102",
                "bgp_updates_20210103",
            ],
        ),
        (
            2,
            vec![
                "bgp_updates_20210102",
                "bgp_updates_20210103",
                "bgp_updates_20210104",
            ],
        ),
    ] {
        // The first and the last microsecond of the day.
        let first = update(2 * day, (DAY + day) * DAY_US, "10.0.0.0/8");
        let last = update(2 * day + 1, (DAY + day + 1) * DAY_US - 1, "10.0.0.0/8");
        let kept = store
            .record_updates(&[first, last], 0, 2 * day + 2, fence)
            .await
            .unwrap();
        assert_eq!((kept.written, kept.refused), (2, 0));
        assert_eq!(partitions(&database).await, expected);
    }
    store.close().await;
    database.drop().await;
}

#[tokio::test]
async fn a_writer_whose_day_was_dropped_by_another_refuses_the_row_and_goes_on() {
    let Some(database) = Database::make().await else {
        return;
    };
    let slow = RecordStore::connect(&small(&database)).await.unwrap();
    let fast = RecordStore::connect(&small(&database)).await.unwrap();
    let (slow_fence, _) = slow.raise_update_fence(0).await.unwrap();
    let (fast_fence, _) = fast.raise_update_fence(1).await.unwrap();
    let row = |offset, day: i64| update(offset, (DAY + day) * DAY_US, "10.0.0.0/8");
    slow.record_updates(&[row(1, 0)], 0, 2, slow_fence)
        .await
        .unwrap();
    fast.record_updates(&[row(1, 5)], 1, 2, fast_fence)
        .await
        .unwrap();
    let kept = slow
        .record_updates(&[row(2, 0), row(3, 5)], 0, 4, slow_fence)
        .await
        .unwrap();
    assert_eq!((kept.written, kept.refused), (1, 1));
    assert_eq!(slow.update_position(0).await.unwrap(), Some(4));
    slow.close().await;
    fast.close().await;
    database.drop().await;
}

#[tokio::test]
async fn many_writers_make_the_same_day_at_once() {
    let Some(database) = Database::make().await else {
        return;
    };
    let mut writers = tokio::task::JoinSet::new();
    for partition in 0..8_u32 {
        let config = database.config();
        writers.spawn(async move {
            let store = RecordStore::connect(&config).await.unwrap();
            let (fence, _) = store.raise_update_fence(partition).await.unwrap();
            for day in 0..5 {
                let row = update(day, (DAY + day) * DAY_US, "10.0.0.0/8");
                let kept = store
                    .record_updates(&[row], partition, day + 1, fence)
                    .await;
                assert_eq!(kept.unwrap().written, 1);
            }
            store.close().await;
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    assert_eq!(
        partitions(&database).await.len(),
        7,
        "five days and two ahead"
    );
    database.drop().await;
}
