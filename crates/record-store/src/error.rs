//! Why the store could not do what it was asked.

use std::path::PathBuf;

use weir_events::position::StoreFence;

use crate::incident::RowError;

/// Failures of the record store.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The URL names a backend that does not exist.
    #[error("no record store for `{scheme}:`; use sqlite:///path/to/file")]
    UnknownScheme {
        /// What stands before the colon.
        scheme: String,
    },
    /// The file or its folder cannot be opened.
    #[error("cannot open the record store at {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the driver or the system said.
        source: sqlx::Error,
    },
    /// The tables cannot be brought up to date.
    #[error("cannot bring the tables of {path} up to date")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What the migration said.
        source: sqlx::migrate::MigrateError,
    },
    /// Another assignment of this partition has begun; this writer must stop.
    #[error("writer of partition {partition} with fence {} is fenced by {}", .held.0, .current.0)]
    Fenced {
        /// Partition of the source topic.
        partition: u32,
        /// What the writer holds.
        held: StoreFence,
        /// What the store holds.
        current: StoreFence,
    },
    /// An incident cannot become a row.
    #[error("incident {id} cannot be stored")]
    Unfit {
        /// Its id.
        id: String,
        /// What it lacks.
        source: RowError,
    },
    /// A stored row cannot be read back.
    #[error("stored row {id} cannot be read back: {column}")]
    Corrupt {
        /// Its id.
        id: String,
        /// The column that is wrong.
        column: &'static str,
    },
    /// A statement failed.
    #[error("the record store could not {action}")]
    Statement {
        /// What was being done.
        action: &'static str,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// The I/O thread of a blocking handle could not start.
    #[error("the record store's own thread could not start")]
    Thread(#[source] std::io::Error),
}

impl RecordError {
    /// True when the same call may succeed later: the database was locked or the pool was busy.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Statement { source, .. } => match source {
                sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => true,
                sqlx::Error::Database(error) => error
                    .code()
                    .is_some_and(|code| code == "5" || code == "6" || code == "517"),
                _ => false,
            },
            _ => false,
        }
    }

    pub(crate) fn statement(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Statement { action, source }
    }
}
