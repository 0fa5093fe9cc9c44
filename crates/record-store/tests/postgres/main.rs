//! The conformance cases on PostgreSQL, and what only a server can do.
#![expect(clippy::unwrap_used, reason = "test cases")]

mod crashes;
mod database;
mod days;
mod refusals;
mod server;
mod writers;

use database::Database;
use weir_record_store::conformance;

macro_rules! cases {
    ($($case:ident),+ $(,)?) => {$(
        #[tokio::test]
        async fn $case() {
            let Some(database) = Database::make().await else { return };
            let store = database.store().await;
            conformance::$case(&store).await;
            store.close().await;
            database.drop().await;
        }
    )+};
}

weir_record_store::conformance_cases!(cases);
