//! The latest row of every entity of every feature view, for serving.
//!
//! One concrete struct, opened by URL; which engine is underneath is nobody's business above. Of
//! two rows of one entity the greater (event time, version) stays, whatever the order of arrival.
//! A writer keeps its place in the log in the same transaction as its rows, under a store fence
//! that it raises when a partition is assigned to it, so that a crash neither loses nor repeats
//! and a zombie writes nothing. Calls block: not for async threads.

mod codec;
mod embedded;
mod error;

use std::path::PathBuf;

pub use error::OnlineStoreError;
use weir_events::position::StoreFence;
use weir_features::{EntityKey, FeatureRow};

/// How much of a source partition a call covers, and on whose authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Partition of the topic that rows are read from.
    pub partition: u32,
    /// Offset of the first record that is not covered.
    pub next_offset: i64,
    /// From [`OnlineStore::raise_fence`] of this partition.
    pub fence: StoreFence,
}

/// Latest row of every entity. Cheap to clone.
#[derive(Clone)]
pub struct OnlineStore {
    backend: embedded::Backend,
}

impl OnlineStore {
    /// Opens, or makes, the store at `url`: `file:///path/online.redb` (or a bare path) is the
    /// embedded engine. Handles on one path in one process share it.
    ///
    /// # Errors
    /// When the scheme is unknown, the file is not a store, or another process has it.
    pub fn open(url: &str) -> Result<Self, OnlineStoreError> {
        let path = match url.split_once("://") {
            None => url,
            Some(("file", path)) => path,
            Some((scheme, _)) => {
                return Err(OnlineStoreError::Scheme {
                    scheme: scheme.to_owned(),
                });
            }
        };
        let backend = embedded::Backend::open(&PathBuf::from(path))?;
        Ok(Self { backend })
    }

    /// Stores rows and the writer's new place in its partition, in one transaction; rows that are
    /// not newer than what is stored are left out. Returns how many were written.
    ///
    /// # Errors
    /// `Fenced` when another writer has raised the fence since; what the engine says otherwise.
    pub fn put_many(
        &self,
        rows: &[FeatureRow],
        progress: Progress,
    ) -> Result<usize, OnlineStoreError> {
        self.backend.put_many(rows, progress)
    }

    /// Offset of the first record of this partition that is not in the store; `None` = none is.
    ///
    /// # Errors
    /// What the engine says.
    pub fn position(&self, partition: u32) -> Result<Option<i64>, OnlineStoreError> {
        self.backend.position(partition)
    }

    /// Makes the caller the only writer for this partition: earlier fences are refused from now on.
    ///
    /// # Errors
    /// What the engine says.
    pub fn raise_fence(&self, partition: u32) -> Result<StoreFence, OnlineStoreError> {
        self.backend.raise_fence(partition)
    }

    /// The rows of these entities, in their order; `None` where there is none.
    ///
    /// # Errors
    /// When a stored row cannot be read, or what the engine says.
    pub fn get_many(
        &self,
        view: &str,
        entities: &[EntityKey],
    ) -> Result<Vec<Option<FeatureRow>>, OnlineStoreError> {
        self.backend.get_many(view, entities)
    }

    /// Up to `limit` entities of a view in ascending order, from the first one after `after`.
    ///
    /// # Errors
    /// What the engine says.
    pub fn keys(
        &self,
        view: &str,
        after: Option<&EntityKey>,
        limit: usize,
    ) -> Result<Vec<EntityKey>, OnlineStoreError> {
        self.backend
            .scan(view, after, limit, |entity, _| Ok(entity))
    }

    /// Like [`OnlineStore::keys`], with the rows.
    ///
    /// # Errors
    /// When a stored row cannot be read, or what the engine says.
    pub fn rows(
        &self,
        view: &str,
        after: Option<&EntityKey>,
        limit: usize,
    ) -> Result<Vec<FeatureRow>, OnlineStoreError> {
        self.backend.scan(view, after, limit, |entity, bytes| {
            codec::decode(view, &entity, bytes)
        })
    }
}
