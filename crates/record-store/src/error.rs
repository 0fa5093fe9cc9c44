//! Why the store could not do what it was asked.

use std::path::PathBuf;

use weir_events::position::StoreFence;

/// Failures of the record store. None shows a password.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The URL names a backend that does not exist.
    #[error(
        "no record store for `{scheme}:`; use sqlite:///path/to/file or postgres://user@host:port/db"
    )]
    UnknownScheme {
        /// What stands before the colon.
        scheme: String,
    },
    /// A setting is unusable.
    #[error("record store: {setting}: {reason}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// What is wrong, and what to write instead.
        reason: String,
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
    #[error("cannot bring the tables of {place} up to date")]
    Migrate {
        /// The file, or host, port and database.
        place: String,
        /// What the migration said.
        source: sqlx::migrate::MigrateError,
    },
    /// A newer version has been here.
    #[error(
        "the tables of {place} were made by a newer version (step {version}); start that version"
    )]
    Newer {
        /// The file, or host, port and database.
        place: String,
        /// The step that this version does not know.
        version: i64,
    },
    /// Tables that are only to be read have not seen the last steps.
    #[error(
        "the tables of {place} are at step {version} of {wanted}; `weir migrate` brings them up to date"
    )]
    Older {
        /// The file, or the URL without its login.
        place: String,
        /// The step that they are at.
        version: i64,
        /// The last step.
        wanted: i64,
    },
    /// A file that is only to be read is not there.
    #[error("there is no record store at {place}")]
    Absent {
        /// The URL.
        place: String,
    },
    /// PostgreSQL was not reached, or refused.
    #[error("PostgreSQL at {place} could not {action}: {hint}")]
    Postgres {
        /// Host, port and database.
        place: String,
        /// What was being done.
        action: &'static str,
        /// The next step.
        hint: String,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// PostgreSQL said nothing for too long.
    #[error("PostgreSQL at {place} did not answer for {after_ms} ms while it had to {action}")]
    Silent {
        /// Host, port and database.
        place: String,
        /// What was being done.
        action: &'static str,
        /// How long was waited.
        after_ms: u128,
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
    /// True when the same call may succeed later: the engine is away, restarts, is overloaded or
    /// locked. False for a wrong password, certificate, database or schema, and for bad rows.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Silent { .. } => true,
            Self::Statement { source, .. } | Self::Postgres { source, .. } => passes(source),
            Self::Migrate {
                source:
                    sqlx::migrate::MigrateError::Execute(source)
                    | sqlx::migrate::MigrateError::ExecuteMigration(source, _),
                ..
            } => passes(source),
            _ => false,
        }
    }

    /// True when the writer has to take its partition anew, if it still is its own: raise the fence,
    /// and go on from the store's position.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        matches!(self, Self::Fenced { .. })
    }

    pub(crate) fn statement(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Statement { action, source }
    }

    pub(crate) fn migrate(place: String) -> impl FnOnce(sqlx::migrate::MigrateError) -> Self {
        move |source| match source {
            sqlx::migrate::MigrateError::VersionMissing(version) => Self::Newer { place, version },
            source => Self::Migrate { place, source },
        }
    }
}

/// True for what time may heal.
fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        // A certificate that was refused arrives as invalid data.
        sqlx::Error::Io(error) => error.kind() != std::io::ErrorKind::InvalidData,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| passes_code(&code)),
        _ => false,
    }
}

/// SQLite: busy, locked. PostgreSQL: lost connection (08), resources (53), system errors (58),
/// shutdown and start (57P0x), ended by a timeout, read-only while a standby takes over,
/// serialization, deadlock, lock.
fn passes_code(code: &str) -> bool {
    const CODES: [&str; 14] = [
        "5", "6", "517", "57P01", "57P02", "57P03", "57P05", "57014", "25P03", "25006", "40001",
        "40P01", "55P03", "55006",
    ];
    let class = |wanted: &str| code.len() == 5 && code.starts_with(wanted);
    class("08") || class("53") || class("58") || CODES.contains(&code)
}
