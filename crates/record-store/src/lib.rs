//! Records for people: incidents with their evidence and history, behind SQL.
//!
//! One driver (sqlx), two backends, chosen by URL: SQLite (`sqlite:///path/incidents.db`) and
//! PostgreSQL (`postgres://user@host:port/db`), each with statements of its own; `conformance` is the
//! list of cases that both pass. The store stands behind the topics `bgp-conflicts` and, for what is
//! kept of it, `bgp-updates` (`docs/detector.md` 14): rows of incidents carry a version that is a
//! position of the log, a greater version wins, and the sink's own position moves in the same
//! transaction, under a fence.

mod batch;
mod blocking;
mod config;
#[doc(hidden)]
pub mod conformance;
pub mod diff;
mod error;
pub mod export;
pub mod filter;
mod incident;
mod incidents;
mod positions;
mod postgres;
pub mod server;
mod sqlite;
pub mod updates;

pub use blocking::BlockingRecordStore;
pub use config::Config;
pub use error::RecordError;
pub use filter::{Cursor, Filter, MAX_PAGE, Page, PrefixMatch};
pub use incident::{
    EndReason, Evidence, IncidentRow, Member, Recorded, RowError, Severity, State, Transition,
    TransitionRow, is_uuid,
};
pub use incidents::Count;
pub use updates::UpdateRow;

use std::sync::Arc;

use positions::Sink;
use postgres::Postgres;
use sqlite::Sqlite;

/// Incidents and how far their writer has come. Cheap to clone; every clone is the same store.
#[derive(Clone, Debug)]
pub struct RecordStore {
    backend: Backend,
}

#[derive(Clone, Debug)]
enum Backend {
    Sqlite(Arc<Sqlite>),
    Postgres(Postgres),
}

impl RecordStore {
    /// As [`RecordStore::connect`] with nothing but a URL.
    ///
    /// # Errors
    /// As there.
    pub async fn open(url: &str) -> Result<Self, RecordError> {
        Self::connect(&Config::at(url)).await
    }

    /// Opens the store at the URL of `config` and brings its tables up to date. SQLite
    /// (`sqlite:///absolute/path` or `sqlite://relative/path`): makes folder and file when they are
    /// absent. PostgreSQL: the database must be there; starters wait for each other.
    ///
    /// # Errors
    /// When the scheme is unknown or a setting unusable, the file cannot be opened or is no
    /// database, the server does not answer in time (transient) or refuses (not), or the tables were
    /// made by a newer version.
    pub async fn connect(config: &Config) -> Result<Self, RecordError> {
        let scheme = config.url.split(':').next().unwrap_or_default();
        let backend = match (config.url.strip_prefix("sqlite://"), scheme) {
            (Some(path), _) => {
                Backend::Sqlite(Arc::new(Sqlite::open(path.as_ref(), config).await?))
            }
            (None, "postgres" | "postgresql") => {
                Backend::Postgres(Postgres::connect(config).await?)
            }
            (None, _) => {
                return Err(RecordError::UnknownScheme {
                    scheme: scheme.to_owned(),
                });
            }
        };
        Ok(Self { backend })
    }

    /// The store of `config` for who only reads: nothing is made, and no table is touched.
    ///
    /// # Errors
    /// As [`RecordStore::connect`], and when the file is not there. Whether the tables are those of this version is not
    /// looked at: see [`BlockingRecordStore::connect_to_read`].
    pub async fn connect_to_read(config: &Config) -> Result<Self, RecordError> {
        let backend = match config.url.strip_prefix("sqlite://") {
            Some(path) => {
                Backend::Sqlite(Arc::new(Sqlite::open_to_read(path.as_ref(), config).await?))
            }
            None => Backend::Postgres(Postgres::of(config)?),
        };
        Ok(Self { backend })
    }

    /// The store at `url` for plain threads, with its own I/O thread.
    ///
    /// # Errors
    /// As [`RecordStore::open`].
    pub fn blocking(url: &str) -> Result<BlockingRecordStore, RecordError> {
        BlockingRecordStore::connect(&Config::at(url))
    }

    /// Brings the tables up to date, which connecting has done before, and returns the number of
    /// the last step.
    ///
    /// # Errors
    /// When the tables were made by a newer version, or a step fails.
    pub async fn migrate(&self) -> Result<i64, RecordError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.migrate().await,
            Backend::Postgres(postgres) => postgres.migrate().await,
        }
    }

    /// Closes all connections; SQLite moves what was committed from the write-ahead log to the file.
    pub async fn close(&self) {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.close().await,
        }
    }
}
