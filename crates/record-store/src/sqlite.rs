//! The SQLite backend: its connections and tables.
//!
//! One connection writes, behind a fair mutex, so that writers of this process queue in order
//! instead of polling SQLite's lock; a few read beside it (write-ahead log).
//! `synchronous=NORMAL`: what is committed survives the death of the process, kill -9 included. A
//! loss of power may take the last commits, whole transactions from the end: rows and the sink's
//! position go back together, and the log is read again from there.

mod columns;
mod incidents;
mod positions;
mod search;
pub(crate) mod server;
mod updates;

use std::{path::Path, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Mutex;

use crate::{Config, RecordError};

const READERS: u32 = 4;
/// Another process (`sqlite3`, a backup) may hold the lock for a moment.
const BUSY: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub(crate) struct Sqlite {
    pub(crate) writer: Arc<Mutex<Option<SqliteConnection>>>,
    readers: SqlitePool,
    options: SqliteConnectOptions,
    place: String,
    /// Days of updates that are kept.
    retention_days: u32,
}

fn failed(path: &Path, source: sqlx::Error) -> RecordError {
    RecordError::Open {
        path: path.to_owned(),
        source,
    }
}

impl Sqlite {
    pub(crate) async fn open(path: &Path, config: &Config) -> Result<Self, RecordError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(path, error.into()))?;
        }
        let options = SqliteConnectOptions::new()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("journal_size_limit", "67108864");
        let store = Self::of(path, config, options).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// A file that is there, for who reads: nothing is written to it.
    pub(crate) async fn open_to_read(path: &Path, config: &Config) -> Result<Self, RecordError> {
        let options = SqliteConnectOptions::new().read_only(true);
        Self::of(path, config, options).await
    }

    async fn of(
        path: &Path,
        config: &Config,
        options: SqliteConnectOptions,
    ) -> Result<Self, RecordError> {
        let options = options.filename(path).busy_timeout(BUSY);
        let first = options.connect().await;
        let writer = first.map_err(|source| failed(path, source))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options.clone().create_if_missing(false));
        Ok(Self {
            writer: Arc::new(Mutex::new(Some(writer))),
            readers,
            options,
            place: path.display().to_string(),
            retention_days: config.update_retention_days,
        })
    }

    /// Brings the tables up to date; the last step.
    pub(crate) async fn migrate(&self) -> Result<i64, RecordError> {
        let steps = migrations();
        let mut guard = self.writer.lock().await;
        steps
            .run_direct(None, open(&mut guard)?, false)
            .await
            .map_err(RecordError::migrate(self.place.clone()))?;
        Ok(steps.iter().map(|step| step.version).max().unwrap_or(0))
    }

    /// Another connection in the place of one whose transaction failed: on a disk that was full the
    /// driver went on counting a transaction, and refused the next ones as nested, which hid why.
    pub(crate) async fn renew(&self, writer: &mut Option<SqliteConnection>) {
        if let Ok(fresh) = self.options.connect().await {
            *writer = Some(fresh);
        }
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        if let Some(writer) = self.writer.lock().await.take() {
            // Nothing is lost when this fails: the write-ahead log is read at the next start.
            let _ = writer.close().await;
        }
    }
}

/// The folder `migrations/sqlite`, in order; applied ones are never edited.
fn migrations() -> Migrator {
    let step = |version, name: &'static str, sql: &'static str| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            sqlx::SqlSafeStr::into_sql_str(sql),
            false,
        )
    };
    Migrator::with_migrations(vec![
        step(
            1,
            "incidents",
            include_str!("../migrations/sqlite/0001_incidents.sql"),
        ),
        step(
            2,
            "updates",
            include_str!("../migrations/sqlite/0002_updates.sql"),
        ),
        step(
            3,
            "suspicion",
            include_str!("../migrations/sqlite/0003_suspicion.sql"),
        ),
        step(
            4,
            "suspicion unknown",
            include_str!("../migrations/sqlite/0004_suspicion_unknown.sql"),
        ),
        step(
            5,
            "members",
            include_str!("../migrations/sqlite/0005_members.sql"),
        ),
        step(
            6,
            "cases",
            include_str!("../migrations/sqlite/0006_cases.sql"),
        ),
    ])
}

/// The writing connection; none once the store was closed.
fn open(guard: &mut Option<SqliteConnection>) -> Result<&mut SqliteConnection, RecordError> {
    guard.as_mut().ok_or(RecordError::Statement {
        action: "write after it was closed",
        source: sqlx::Error::PoolClosed,
    })
}

#[cfg(test)]
mod tests {
    use crate::{RecordStore, conformance::incident};

    #[tokio::test]
    async fn a_write_that_failed_leaves_its_connection_behind() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("incidents.db").display());
        let store = RecordStore::open(&url).await.unwrap();
        let (fence, _) = store.raise_fence(0).await.unwrap();
        // No page may be added: to SQLite this is a full disk.
        let crate::Backend::Sqlite(sqlite) = &store.backend else {
            unreachable!("opened above");
        };
        let mut writer = sqlite.writer.lock().await;
        sqlx::query("PRAGMA max_page_count = 1")
            .execute(writer.as_mut().unwrap())
            .await
            .unwrap();
        drop(writer);

        let many: Vec<_> = (0..500).map(|n| incident(n, 1, "10.0.0.0/16")).collect();
        let refused = store.record(&many, 0, 7, fence).await.unwrap_err();
        let cause = std::error::Error::source(&refused).unwrap().to_string();
        assert!(cause.contains("full"), "{cause}");
        assert_eq!(store.position(0).await.unwrap(), Some(0));

        store.record(&many, 0, 7, fence).await.unwrap();
        assert_eq!(store.position(0).await.unwrap(), Some(7));
        store.close().await;
    }
}
