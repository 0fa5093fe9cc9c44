//! What the doctor is told: by asking only, whatever is missing.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, Connection, Executor};
use weir_record_store::{
    Config, RecordStore,
    server::{self, Server},
};

use super::database::Database;

async fn ask(config: Config) -> Server {
    let asked = tokio::task::spawn_blocking(move || server::ask(&config));
    asked.await.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn asking_makes_nothing_and_tells_version_clock_tables_and_rights_that_are_missing() {
    let Some(database) = Database::make().await else {
        return;
    };
    for _ in 0..2 {
        let empty = ask(database.config()).await;
        assert_eq!(empty.schema_version, 0, "asking made tables");
        assert!(empty.wanted_schema_version > 0 && empty.lacks.is_empty());
        assert!(empty.major.unwrap() >= 13 && empty.version.contains('.'));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let apart = i64::try_from(now.as_micros()).unwrap() - empty.clock_us.unwrap();
        assert!(apart.abs() < 60_000_000, "{apart}");
    }
    database.store().await.close().await;
    let mut sql = database.sql().await;
    let full = ask(database.config()).await;
    assert_eq!(full.schema_version, full.wanted_schema_version);
    assert_eq!(full.lacks, [""; 0]);

    let user: (String,) = sqlx::query_as("SELECT current_user::text")
        .fetch_one(&mut sql)
        .await
        .unwrap();
    let revoke = format!("REVOKE INSERT ON bgp_conflicts FROM {}", user.0);
    sql.execute(AssertSqlSafe(revoke)).await.unwrap();
    // A superuser may whatever is revoked.
    let (all,): (bool,) =
        sqlx::query_as("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            .fetch_one(&mut sql)
            .await
            .unwrap();
    let expected: &[&str] = if all {
        &[]
    } else {
        &["INSERT on bgp_conflicts"]
    };
    assert_eq!(ask(database.config()).await.lacks, expected);
    let named: (String,) = sqlx::query_as("SELECT current_database()::text")
        .fetch_one(&mut sql)
        .await
        .unwrap();
    let standby = format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        named.0
    );
    sql.execute(AssertSqlSafe(standby)).await.unwrap();
    sql.close().await.unwrap();
    assert!(ask(database.config()).await.lacks[0].contains("read-only"));
    database.drop().await;
}

#[tokio::test]
async fn who_only_reads_changes_nothing_where_nothing_may_be_changed() {
    let Some(database) = Database::make().await else {
        return;
    };
    database.store().await.close().await;
    let mut sql = database.sql().await;
    let (name,): (String,) = sqlx::query_as("SELECT current_database()::text")
        .fetch_one(&mut sql)
        .await
        .unwrap();
    let frozen = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    sql.execute(AssertSqlSafe(frozen)).await.unwrap();
    sql.close().await.unwrap();
    let refused = RecordStore::connect(&database.config()).await.unwrap_err();
    assert!(format!("{refused:?}").contains("read-only"), "{refused:?}");
    let store = RecordStore::connect_to_read(&database.config())
        .await
        .unwrap();
    assert!(store.counts().await.unwrap().is_empty());
    store.close().await;
    database.drop().await;
}
