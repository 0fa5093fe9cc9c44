//! What a record store says about itself, for `doctor`. Nothing is made or changed.

use crate::{Config, RecordError, config::without_login, postgres, sqlite};

/// The engine, its clock, our tables, and what its user may not do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// `PostgreSQL` or `SQLite`.
    pub software: &'static str,
    /// Its version, for instance `15.8`; SQLite is part of us and has none of its own.
    pub version: String,
    /// Its major version.
    pub major: Option<i32>,
    /// Its clock, microseconds since the Unix epoch.
    pub clock_us: Option<i64>,
    /// Last step that its tables have seen; 0 = there are none.
    pub schema_version: i64,
    /// The last step of this build.
    pub wanted_schema_version: i64,
    /// What our user needs and may not, in words.
    pub lacks: Vec<String>,
}

/// Asks the store at the URL of `config`; `None` = a file that is not there yet. Blocks: not inside
/// an async task.
///
/// # Errors
/// As [`crate::RecordStore::connect`], but for the tables, which stay as they are.
pub fn ask(config: &Config) -> Result<Option<Server>, RecordError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RecordError::Thread)?;
    runtime.block_on(async {
        match config.url.split_once("://") {
            Some(("sqlite", path)) => sqlite::server::ask(path.as_ref()).await,
            Some(("postgres" | "postgresql", _)) => postgres::server::ask(config).await.map(Some),
            _ => Err(RecordError::UnknownScheme {
                scheme: config.url.split(':').next().unwrap_or_default().to_owned(),
            }),
        }
    })
}

/// Refuses a store that [`crate::RecordStore::connect`] would make, or whose tables it would change. Blocks: not inside
/// an async task.
///
/// # Errors
/// As [`ask`], and `Absent`, `Older` or `Newer`.
pub(crate) fn check_readable(config: &Config) -> Result<(), RecordError> {
    let place = without_login(&config.url);
    let Some(server) = ask(config)? else {
        return Err(RecordError::Absent { place });
    };
    let (version, wanted) = (server.schema_version, server.wanted_schema_version);
    match version.cmp(&wanted) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(RecordError::Older {
            place,
            version,
            wanted,
        }),
        std::cmp::Ordering::Greater => Err(RecordError::Newer { place, version }),
    }
}
