//! A database of its own for each test, on the engine that was announced.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use weir_engines::Engine;
use weir_record_store::{Config, RecordStore};

static MADE: AtomicU32 = AtomicU32::new(0);

/// A database that is there while its test runs.
pub(crate) struct Database {
    pub(crate) engine: Engine,
    pub(crate) url: String,
    name: String,
}

impl Database {
    /// `None` = there is no PostgreSQL, which was said.
    pub(crate) async fn make() -> Option<Self> {
        Self::make_on("postgres").await
    }

    pub(crate) async fn make_on(engine: &str) -> Option<Self> {
        let engine = weir_engines::engine(engine)?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("weir_{}_{number}", std::process::id());
        let url = with_path(engine.url(), &name);
        let database = Self { engine, url, name };
        database
            .administer(&format!("DROP DATABASE IF EXISTS {}", database.name))
            .await;
        database
            .administer(&format!("CREATE DATABASE {}", database.name))
            .await;
        Some(database)
    }

    pub(crate) async fn store(&self) -> RecordStore {
        RecordStore::open(&self.url).await.unwrap()
    }

    pub(crate) fn config(&self) -> Config {
        Config::at(self.url.clone())
    }

    /// A connection past the store.
    pub(crate) async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    pub(crate) async fn drop(self) {
        self.administer(&format!("DROP DATABASE {} WITH (FORCE)", self.name))
            .await;
    }

    async fn administer(&self, statement: &str) {
        let mut connection = PgConnection::connect(self.engine.url()).await.unwrap();
        connection
            .execute(AssertSqlSafe(statement.to_owned()))
            .await
            .unwrap();
        connection.close().await.unwrap();
    }
}

/// The URL with another database.
pub(crate) fn with_path(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = address.rsplit_once('/').unwrap();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{server}/{name}{mark}{query}")
}
