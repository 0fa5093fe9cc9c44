//! Records for people: incidents with their evidence and history, behind SQL.
//!
//! One driver (sqlx), one backend today: SQLite, chosen by URL (`sqlite:///path/incidents.db`);
//! PostgreSQL comes behind the same methods, and `conformance` is the list of cases that any
//! backend passes. The store stands behind the topic `bgp-conflicts` (`docs/detector.md` 14): rows carry
//! a version that is a position of the log, a greater version wins, and the sink's own position
//! moves in the same transaction.

mod blocking;
mod columns;
#[doc(hidden)]
pub mod conformance;
mod error;
pub mod export;
pub mod filter;
mod incident;
mod incidents;
mod search;
mod sqlite;

pub use blocking::BlockingRecordStore;
pub use error::RecordError;
pub use filter::{Cursor, Filter, MAX_PAGE, Page, PrefixMatch};
pub use incident::{
    EndReason, Evidence, IncidentRow, Recorded, RowError, Severity, State, Transition,
    TransitionRow,
};
pub use incidents::Count;

use sqlite::Sqlite;

/// Incidents and how far their writer has come. Cheap to clone; every clone is the same store.
#[derive(Clone, Debug)]
pub struct RecordStore {
    backend: Backend,
}

#[derive(Clone, Debug)]
enum Backend {
    Sqlite(Sqlite),
}

impl RecordStore {
    /// Opens the store at `url`, `sqlite:///absolute/path` or `sqlite://relative/path`, makes its
    /// folder and file when they are absent, and brings its tables up to date.
    ///
    /// # Errors
    /// When the scheme is unknown, the file cannot be opened or is no database, or its tables were
    /// made by a newer version.
    pub async fn open(url: &str) -> Result<Self, RecordError> {
        let Some(path) = url.strip_prefix("sqlite://") else {
            return Err(RecordError::UnknownScheme {
                scheme: url.split(':').next().unwrap_or_default().to_owned(),
            });
        };
        Ok(Self {
            backend: Backend::Sqlite(Sqlite::open(path.as_ref()).await?),
        })
    }

    /// The same store for plain threads, with its own I/O thread.
    ///
    /// # Errors
    /// As [`RecordStore::open`].
    pub fn blocking(url: &str) -> Result<BlockingRecordStore, RecordError> {
        BlockingRecordStore::open(url)
    }

    /// Closes all connections; what was committed is moved from the write-ahead log to the file.
    pub async fn close(&self) {
        let Backend::Sqlite(sqlite) = &self.backend;
        sqlite.close().await;
    }

    fn sqlite(&self) -> &Sqlite {
        let Backend::Sqlite(sqlite) = &self.backend;
        sqlite
    }
}
