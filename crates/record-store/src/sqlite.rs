//! The connections of the SQLite backend.
//!
//! One connection writes, behind a fair mutex, so that writers of this process queue in order
//! instead of polling SQLite's lock; a few read beside it (write-ahead log).
//! `synchronous=NORMAL`: what is committed survives the death of the process, kill -9 included. A
//! loss of power may take the last commits, whole transactions from the end: rows and the sink's
//! position go back together, and the log is read again from there.

use std::{path::Path, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Mutex;

use crate::RecordError;

const READERS: u32 = 4;
/// Another process (`sqlite3`, a backup) may hold the lock for a moment.
const BUSY: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub(crate) struct Sqlite {
    pub(crate) writer: Arc<Mutex<Option<SqliteConnection>>>,
    pub(crate) readers: SqlitePool,
    options: SqliteConnectOptions,
}

impl Sqlite {
    pub(crate) async fn open(path: &Path) -> Result<Self, RecordError> {
        let failed = |source| RecordError::Open {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(error.into()))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY)
            .pragma("journal_size_limit", "67108864");
        let mut writer = options.connect().await.map_err(failed)?;
        migrations()
            .run(&mut writer)
            .await
            .map_err(|source| RecordError::Migrate {
                path: path.to_owned(),
                source,
            })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options.clone().create_if_missing(false));
        Ok(Self {
            writer: Arc::new(Mutex::new(Some(writer))),
            readers,
            options,
        })
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
    Migrator::with_migrations(vec![step(
        1,
        "incidents",
        include_str!("../migrations/sqlite/0001_incidents.sql"),
    )])
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
        let mut writer = store.sqlite().writer.lock().await;
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
