//! Windows for charts: the metric store.
//!
//! A row is one partial of a window: what one partition of the source topic has counted. It is
//! stored under (aggregate, key, width, start, source partition), where the greater version wins.
//! Readers see windows: the partials summed. A window is *final* when every partial that is present
//! is final. Times and widths are microseconds. Old windows go by event time, so that what is
//! visible depends on the rows alone: a window is kept while its end is less than
//! [`MetricStore::RETENTION_US`] before the greatest end ever stored.
//!
//! Two backends: one redb file, by path or `file://` URL; or Apache Cassandra 5 and ScyllaDB, by
//! `cql://` URL. In the file a call's rows and position are one transaction. In CQL rows come first,
//! each guarded by its version, then the position, guarded by the fence: a crash between them repeats
//! rows, which changes nothing. There a row also goes [`Config::ttl_days`] after its last write.

mod config;
#[doc(hidden)]
pub mod conformance;
mod cql;
mod embedded;
mod error;
mod server;
mod window;

use std::path::Path;

use weir_events::{position::StoreFence, time::DAY_US, v1::WindowResult};

pub use config::{Config, Consistency};
pub use error::MetricStoreError;
pub use server::Server;
pub use window::{Keys, Query, Window};

/// A writer's place in its partition of `window-results`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The partition.
    pub partition: u32,
    /// Offset of the first record that is not in the store yet.
    pub next_offset: i64,
    /// From [`MetricStore::raise_fence`], at assignment.
    pub fence: StoreFence,
}

/// The store; cheap to clone. Calls block on disk or network: not for a thread of an async runtime.
#[derive(Clone)]
pub struct MetricStore {
    backend: Backend,
}

#[derive(Clone)]
enum Backend {
    Embedded(embedded::Backend),
    Cql(cql::Backend),
}

impl MetricStore {
    /// How long windows are kept, in event time.
    pub const RETENTION_US: i64 = 30 * DAY_US;

    /// Opens the store that `config` names; in CQL its tables are made when they are not there.
    ///
    /// # Errors
    /// When the scheme is unknown; the file is not a store, or another process has it; the nodes
    /// refuse us. Transient (`Away`) when no node answers within the connect timeout.
    pub fn connect(config: &Config) -> Result<Self, MetricStoreError> {
        let backend = match config.url.split_once("://") {
            None => Backend::Embedded(embedded::Backend::open(Path::new(&config.url))?),
            Some(("file", path)) => Backend::Embedded(embedded::Backend::open(Path::new(path))?),
            Some(("cql" | "cqls", _)) => Backend::Cql(cql::Backend::connect(config)?),
            Some((scheme, _)) => {
                return Err(MetricStoreError::Scheme {
                    scheme: scheme.to_owned(),
                });
            }
        };
        Ok(Self { backend })
    }

    /// [`Self::connect`] with nothing but a URL; a path may stand for a `file://` URL.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn open(url: &str) -> Result<Self, MetricStoreError> {
        Self::connect(&Config::at(url))
    }

    /// Brings the tables to what this version wants, one process at a time.
    ///
    /// # Errors
    /// When the user may not, a newer version made them, or the nodes are away.
    pub fn migrate(&self) -> Result<(), MetricStoreError> {
        match &self.backend {
            Backend::Embedded(_) => Ok(()),
            Backend::Cql(cql) => cql.migrate(),
        }
    }

    /// What answers at the other end; `None` = a file.
    ///
    /// # Errors
    /// When the nodes are away or refuse.
    pub fn server(&self) -> Result<Option<Server>, MetricStoreError> {
        match &self.backend {
            Backend::Embedded(_) => Ok(None),
            Backend::Cql(cql) => cql.server().map(Some),
        }
    }

    /// What answers at the other end of `config`, without making or changing a table; `None` = a file.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn ask(config: &Config) -> Result<Option<Server>, MetricStoreError> {
        match config.url.split_once("://") {
            Some(("cql" | "cqls", _)) => cql::ask(config).map(Some),
            _ => Ok(None),
        }
    }

    /// Stores rows, then the writer's new place in its partition; a row whose version is not greater
    /// than what is stored changes nothing.
    ///
    /// # Errors
    /// `Fenced` when another writer has raised the fence since; `Version` when a CQL engine cannot
    /// take a row's version; what the engine says otherwise. After any of them the position is the
    /// old one, and the same call may be made again.
    pub fn put_many(
        &self,
        rows: &[WindowResult],
        progress: Progress,
    ) -> Result<(), MetricStoreError> {
        match &self.backend {
            Backend::Embedded(file) => file.put_many(rows, progress),
            Backend::Cql(cql) => cql.put_many(rows, progress),
        }
    }

    /// Offset of the first record of this partition that is not in the store; `None` = none is.
    ///
    /// # Errors
    /// What the engine says.
    pub fn position(&self, partition: u32) -> Result<Option<i64>, MetricStoreError> {
        match &self.backend {
            Backend::Embedded(file) => file.position(partition),
            Backend::Cql(cql) => cql.position(partition),
        }
    }

    /// Makes the caller the only writer for this partition: earlier fences are refused from now on.
    ///
    /// # Errors
    /// What the engine says.
    pub fn raise_fence(&self, partition: u32) -> Result<StoreFence, MetricStoreError> {
        match &self.backend {
            Backend::Embedded(file) => file.raise_fence(partition),
            Backend::Cql(cql) => cql.raise_fence(partition),
        }
    }

    /// Windows of the query, ordered by (key, start).
    ///
    /// # Errors
    /// When a stored row cannot be read, or what the engine says.
    pub fn query(&self, query: &Query<'_>) -> Result<Vec<Window>, MetricStoreError> {
        match &self.backend {
            Backend::Embedded(file) => file.query(query),
            Backend::Cql(cql) => cql.query(query),
        }
    }

    /// Up to `limit` keys of an aggregate, ascending, from the first one after `after`.
    ///
    /// # Errors
    /// What the engine says.
    pub fn keys(
        &self,
        aggregate: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, MetricStoreError> {
        match &self.backend {
            Backend::Embedded(file) => file.keys(aggregate, after, limit),
            Backend::Cql(cql) => cql.keys(aggregate, after, limit),
        }
    }

    /// Hands every window to `each`, ordered by (aggregate, key, width, start). As a value it is a
    /// function of the rows that were stored, whatever their order and batches.
    ///
    /// # Errors
    /// When a stored row cannot be read, or what the engine says.
    pub fn export(&self, each: impl FnMut(Window)) -> Result<(), MetricStoreError> {
        match &self.backend {
            Backend::Embedded(file) => file.export(each),
            Backend::Cql(cql) => cql.export(each),
        }
    }
}
