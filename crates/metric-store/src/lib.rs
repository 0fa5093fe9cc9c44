//! Windows for charts: the metric store.
//!
//! A row is one partial of a window: what one partition of the source topic has counted. It is
//! stored under (aggregate, key, width, start, source partition), where the greater version wins.
//! Readers see windows: the partials summed. A window is *final* when every partial that is present
//! is final. Times and widths are microseconds. Old windows go by event time, so that what is
//! visible depends on the rows alone: a window is kept while its end is less than
//! [`MetricStore::RETENTION_US`] before the greatest end ever stored.
//!
//! One backend so far: redb, by path or `file://` URL.

pub mod conformance;
mod embedded;
mod error;
mod window;

use std::path::Path;

use weir_events::{position::StoreFence, time::DAY_US, v1::WindowResult};

pub use error::MetricStoreError;
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

/// The store; cheap to clone. Calls block on the disk: not for a thread of an async runtime.
#[derive(Clone)]
pub struct MetricStore {
    backend: embedded::Backend,
}

impl MetricStore {
    /// How long windows are kept, in event time.
    pub const RETENTION_US: i64 = 30 * DAY_US;

    /// Opens the store at `url`: a path, with or without `file://` before it.
    ///
    /// # Errors
    /// When the scheme is unknown, the file is not a store, or another process has it.
    pub fn open(url: &str) -> Result<Self, MetricStoreError> {
        let path = match url.split_once("://") {
            None => url,
            Some(("file", path)) => path,
            Some((scheme, _)) => {
                return Err(MetricStoreError::Scheme {
                    scheme: scheme.to_owned(),
                });
            }
        };
        let backend = embedded::Backend::open(Path::new(path))?;
        Ok(Self { backend })
    }

    /// Stores rows and the writer's new place in its partition, in one transaction; rows whose
    /// version is not greater than what is stored are left out. Returns how many were written.
    ///
    /// # Errors
    /// `Fenced` when another writer has raised the fence since; what the engine says otherwise.
    pub fn put_many(
        &self,
        rows: &[WindowResult],
        progress: Progress,
    ) -> Result<usize, MetricStoreError> {
        self.backend.put_many(rows, progress)
    }

    /// Offset of the first record of this partition that is not in the store; `None` = none is.
    ///
    /// # Errors
    /// What the engine says.
    pub fn position(&self, partition: u32) -> Result<Option<i64>, MetricStoreError> {
        self.backend.position(partition)
    }

    /// Makes the caller the only writer for this partition: earlier fences are refused from now on.
    ///
    /// # Errors
    /// What the engine says.
    pub fn raise_fence(&self, partition: u32) -> Result<StoreFence, MetricStoreError> {
        self.backend.raise_fence(partition)
    }

    /// Windows of the query, ordered by (key, start).
    ///
    /// # Errors
    /// When a stored row cannot be read, or what the engine says.
    pub fn query(&self, query: &Query<'_>) -> Result<Vec<Window>, MetricStoreError> {
        self.backend.query(query)
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
        self.backend.keys(aggregate, after, limit)
    }

    /// Hands every window to `each`, ordered by (aggregate, key, width, start). As a value it is a
    /// function of the rows that were stored, whatever their order and batches.
    ///
    /// # Errors
    /// When a stored row cannot be read, or what the engine says.
    pub fn export(&self, each: impl FnMut(Window)) -> Result<(), MetricStoreError> {
        self.backend.export(each)
    }
}
