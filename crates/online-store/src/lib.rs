//! The latest row of every entity of every feature view, for serving.
//!
//! One concrete struct, opened by URL; which engine is underneath is nobody's business above: one
//! file, or Redis (Valkey is the same). Of two rows of one entity the greater (event time, version)
//! stays, whatever the order of arrival. A writer keeps its place in the log beside its rows, under
//! a store fence that it raises when a partition is assigned to it. In the file both are one
//! transaction; in Redis rows come first, each guarded by its version, then the place, guarded by
//! the fence: a crash between them repeats rows, which changes nothing, and a zombie's rows are no
//! more than rows that are in the log too. Calls block: not for async threads.

mod codec;
mod config;
#[doc(hidden)]
pub mod conformance;
mod embedded;
mod error;
mod redis;
mod server;

use std::path::PathBuf;

pub use config::Config;
pub use error::OnlineStoreError;
pub use server::Server;
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
    backend: Backend,
}

#[derive(Clone)]
enum Backend {
    Embedded(embedded::Backend),
    Redis(redis::Backend),
}

impl OnlineStore {
    /// Opens, or makes, the store that `config` names. Handles on one file in one process share it.
    ///
    /// # Errors
    /// When the scheme is unknown; the file is not a store, or another process has it; the server
    /// refuses us, or its certificate is not good. Transient (`Away`) when the server does not
    /// answer within the connect timeout.
    pub fn connect(config: &Config) -> Result<Self, OnlineStoreError> {
        let backend = match config.url.split_once("://") {
            None if config.url.is_empty() => {
                return Err(OnlineStoreError::Url {
                    url: "(empty)".to_owned(),
                    reason: "no URL: want file:///path/online.redb or redis://host:port/0"
                        .to_owned(),
                });
            }
            None => Backend::Embedded(embedded::Backend::open(&PathBuf::from(&config.url))?),
            Some(("file", path)) => Backend::Embedded(embedded::Backend::open(path.as_ref())?),
            Some((scheme, _)) if redis::Address::is_scheme(scheme) => {
                Backend::Redis(redis::Backend::connect(config)?)
            }
            Some((scheme, _)) => {
                return Err(OnlineStoreError::Scheme {
                    scheme: scheme.to_owned(),
                });
            }
        };
        Ok(Self { backend })
    }

    /// [`OnlineStore::connect`] with only a URL.
    ///
    /// # Errors
    /// As there.
    pub fn open(url: &str) -> Result<Self, OnlineStoreError> {
        Self::connect(&Config::at(url))
    }

    /// Stores rows and the writer's new place in its partition; rows that are not newer than what
    /// is stored are left out. Returns how many were written, not counting those that a lost
    /// connection kept from being acknowledged the first time.
    ///
    /// # Errors
    /// `Fenced` when another writer has raised the fence since, `Rewound` when the server has lost
    /// what this writer had stored before; what the engine says otherwise.
    pub fn put_many(
        &self,
        rows: &[FeatureRow],
        progress: Progress,
    ) -> Result<usize, OnlineStoreError> {
        match &self.backend {
            Backend::Embedded(file) => file.put_many(rows, progress),
            Backend::Redis(redis) => redis.put_many(rows, progress),
        }
    }

    /// Offset of the first record of this partition that is not in the store; `None` = none is.
    ///
    /// # Errors
    /// What the engine says.
    pub fn position(&self, partition: u32) -> Result<Option<i64>, OnlineStoreError> {
        match &self.backend {
            Backend::Embedded(file) => file.position(partition),
            Backend::Redis(redis) => redis.position(partition),
        }
    }

    /// Makes the caller the only writer for this partition: earlier fences are refused from now on.
    ///
    /// # Errors
    /// What the engine says.
    pub fn raise_fence(&self, partition: u32) -> Result<StoreFence, OnlineStoreError> {
        match &self.backend {
            Backend::Embedded(file) => file.raise_fence(partition),
            Backend::Redis(redis) => redis.raise_fence(partition),
        }
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
        match &self.backend {
            Backend::Embedded(file) => file.get_many(view, entities),
            Backend::Redis(redis) => redis.get_many(view, entities),
        }
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
        match &self.backend {
            Backend::Embedded(file) => file.scan(view, after, limit, |entity, _| Ok(entity)),
            Backend::Redis(redis) => redis.keys(view, after, limit),
        }
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
        match &self.backend {
            Backend::Embedded(file) => file.scan(view, after, limit, |entity, bytes| {
                codec::decode(view, &entity, bytes)
            }),
            Backend::Redis(redis) => redis.rows(view, after, limit),
        }
    }

    /// What the server says about itself; `None` for a file. Fails when it does not answer, so it
    /// is a ping too.
    ///
    /// # Errors
    /// What the engine says.
    pub fn server(&self) -> Result<Option<Server>, OnlineStoreError> {
        match &self.backend {
            Backend::Embedded(_) => Ok(None),
            Backend::Redis(redis) => redis.server().map(Some),
        }
    }
}
