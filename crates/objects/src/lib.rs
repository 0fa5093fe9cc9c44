//! Objects under names: a folder or S3, opened by URL.
//!
//! Stands below the adapters, as `weir-embedded` does for redb: the offline store keeps its Parquet
//! files here, the services that have state keep copies of their checkpoints here, and knowledge that the
//! log names by its hash stands here. An object
//! appears whole or not at all. Calls block on a small runtime of their own: not for async threads.

mod backend;
mod config;
#[doc(hidden)]
pub mod conformance;
mod error;
pub mod knowledge;
pub mod snapshots;
mod upload;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

pub use bytes::Bytes;
pub use config::Config;
pub use error::ObjectsError;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path};
use tokio::runtime::Runtime;
pub use upload::Upload;

use crate::backend::Backend;

/// How often a conditional put that collided is tried: S3 may refuse all of several racers.
const RACES: u32 = 8;

/// An object as it stands in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name, below the URL's folder or prefix.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// When it was put, by the clock of the store.
    pub put: SystemTime,
}

/// All objects below one URL. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    inner: Arc<Inner>,
    /// Before every name.
    prefix: Path,
}

struct Inner {
    store: Arc<dyn ObjectStore>,
    /// For errors: the folder, or the bucket and its endpoint.
    place: String,
    connect_within: Duration,
    /// Until the end.
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Objects").field(&self.inner.place).finish()
    }
}

impl Drop for Inner {
    /// Nothing waits: who drops the last handle may stand on a thread that must not block.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Objects {
    /// [`Objects::connect`] with only a URL.
    ///
    /// # Errors
    /// As [`Objects::connect`].
    pub fn open(url: &str) -> Result<Self, ObjectsError> {
        Self::connect(&Config::at(url))
    }

    /// Opens, or makes, the folder; or asks the bucket whether we may read it.
    ///
    /// # Errors
    /// A setting that cannot work, a folder that cannot be made, a bucket that is missing, refuses
    /// us, or (transient) does not answer within `connect_timeout_ms`.
    pub fn connect(config: &Config) -> Result<Self, ObjectsError> {
        // With few retries, so that the reason comes before the time is over.
        let soon = config.retry_ms.min(config.connect_timeout_ms / 4);
        Self::prepare(&Config {
            retry_ms: soon,
            ..config.clone()
        })?
        .check()?;
        Self::prepare(config)
    }

    /// As [`Objects::prepare`]; `None` when no URL is set.
    ///
    /// # Errors
    /// As there.
    pub fn prepare_if_set(config: &Config) -> Result<Option<Self>, ObjectsError> {
        (!config.url.is_empty())
            .then(|| Self::prepare(config))
            .transpose()
    }

    /// As [`Objects::connect`], without asking: for those who can go on while S3 is away.
    ///
    /// # Errors
    /// A setting that cannot work, or a folder that cannot be made.
    pub fn prepare(config: &Config) -> Result<Self, ObjectsError> {
        let Backend {
            store,
            prefix,
            place,
        } = Backend::of(config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("objects")
            .enable_all()
            .build()
            .map_err(|source| ObjectsError::Folder {
                folder: place.clone(),
                source,
            })?;
        Ok(Self {
            prefix,
            inner: Arc::new(Inner {
                store,
                place,
                connect_within: Duration::from_millis(config.connect_timeout_ms),
                runtime: Some(runtime),
            }),
        })
    }

    /// Asks for the first name, within `connect_timeout_ms`: proves address, certificate, key and
    /// bucket.
    ///
    /// # Errors
    /// Whatever stands in the way.
    pub fn check(&self) -> Result<(), ObjectsError> {
        use futures_util::StreamExt;
        self.wait(async {
            let mut list = self.inner.store.list(Some(&self.prefix));
            let first = tokio::time::timeout(self.inner.connect_within, list.next());
            match first.await {
                Ok(Some(Err(error))) => Err(self.failed("be asked for its objects", error)),
                Ok(_) => Ok(()),
                Err(_) => Err(ObjectsError::Away {
                    place: self.inner.place.clone(),
                    doing: "be asked for its objects".to_owned(),
                    reason: format!("no answer within {:?}", self.inner.connect_within),
                }),
            }
        })
    }

    /// Those in one folder of these, whose name may hold anything: what two streams keep under one
    /// URL does not meet.
    #[must_use]
    pub fn of_stream(&self, stream: &str) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            prefix: self.prefix.clone().join(stream),
        }
    }

    /// The folder, or the bucket and its endpoint: for logs. Never a secret.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.inner.place
    }

    /// Writes an object, over the one that is there.
    ///
    /// # Errors
    /// When it could not be written; then the old one, if any, is still there.
    pub fn put(&self, name: &str, content: impl Into<Bytes>) -> Result<(), ObjectsError> {
        let path = self.path(name);
        let content = content.into();
        self.wait(async {
            let put = self.inner.store.put(&path, content.into()).await;
            put.map(drop)
                .map_err(|error| self.failed(&format!("take {name}"), error))
        })
    }

    /// Writes an object where there is none: true. False: there is one, which stays as it is; after
    /// an answer that was lost it may be that of this very call.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn put_new(&self, name: &str, content: impl Into<Bytes>) -> Result<bool, ObjectsError> {
        let path = self.path(name);
        let content: Bytes = content.into();
        let failed = |error| self.failed(&format!("take {name}"), error);
        self.wait(async {
            let mut races = 0;
            loop {
                let options = PutOptions::from(PutMode::Create);
                let content = content.clone().into();
                let lost = match self.inner.store.put_opts(&path, content, options).await {
                    Ok(_) => return Ok(true),
                    Err(error @ object_store::Error::AlreadyExists { .. }) => error,
                    Err(error) => return Err(failed(error)),
                };
                // A 409 says only that somebody else was at it: that one may have failed as well.
                match self.inner.store.head(&path).await {
                    Ok(_) => return Ok(false),
                    Err(object_store::Error::NotFound { .. }) if races < RACES => races += 1,
                    Err(object_store::Error::NotFound { .. }) => return Err(failed(lost)),
                    Err(error) => return Err(failed(error)),
                }
            }
        })
    }

    /// Writes a big object in parts, over the one that is there. After a failure nothing is left.
    ///
    /// # Errors
    /// As [`Objects::put`].
    pub fn put_large(&self, name: &str, content: &Bytes) -> Result<(), ObjectsError> {
        let mut upload = self.upload(name);
        upload.push(content)?;
        upload.finish()
    }

    /// An object that is written bit by bit, in parts once it is big.
    #[must_use]
    pub fn upload(&self, name: &str) -> Upload {
        Upload::new(self.clone(), name)
    }

    /// The whole object; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn get(&self, name: &str) -> Result<Option<Bytes>, ObjectsError> {
        let path = self.path(name);
        self.wait(async {
            let read = async { self.inner.store.get(&path).await?.bytes().await };
            match read.await {
                Ok(content) => Ok(Some(content)),
                Err(error) => self.unless_missing(error, &format!("give {name}")),
            }
        })
    }

    /// Whether there is an object of this name.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn exists(&self, name: &str) -> Result<bool, ObjectsError> {
        let path = self.path(name);
        self.wait(async {
            match self.inner.store.head(&path).await {
                Ok(_) => Ok(true),
                Err(error) => self
                    .unless_missing::<()>(error, &format!("look for {name}"))
                    .map(|found| found.is_some()),
            }
        })
    }

    /// Every object below the folder `prefix` (whole names between slashes; empty = all), by name.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn list(&self, prefix: &str) -> Result<Vec<Listed>, ObjectsError> {
        use futures_util::TryStreamExt;
        let below = self.path(prefix);
        self.wait(async {
            let found: Vec<_> = self
                .inner
                .store
                .list(Some(&below))
                .try_collect()
                .await
                .map_err(|error| self.failed(&format!("list {prefix}"), error))?;
            let mut listed: Vec<_> = found
                .into_iter()
                .map(|object| Listed {
                    name: self.name(&object.location),
                    size: object.size,
                    put: object.last_modified.into(),
                })
                .collect();
            listed.sort();
            Ok(listed)
        })
    }

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// When it could not be removed.
    pub fn delete(&self, name: &str) -> Result<(), ObjectsError> {
        let path = self.path(name);
        self.wait(async {
            match self.inner.store.delete(&path).await {
                Ok(()) => Ok(()),
                Err(error) => self
                    .unless_missing::<()>(error, &format!("remove {name}"))
                    .map(drop),
            }
        })
    }

    fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, ObjectsError>>,
    ) -> Result<T, ObjectsError> {
        match &self.inner.runtime {
            Some(runtime) => runtime.block_on(work),
            // Only while the last handle is being dropped.
            None => Err(ObjectsError::Away {
                place: self.inner.place.clone(),
                doing: "be asked".to_owned(),
                reason: "it is being closed".to_owned(),
            }),
        }
    }

    fn path(&self, name: &str) -> Path {
        self.prefix
            .parts()
            .chain(Path::from(name).parts())
            .collect()
    }

    fn name(&self, location: &Path) -> String {
        let below = location.prefix_match(&self.prefix);
        below.map_or_else(
            || location.to_string(),
            |parts| parts.collect::<Path>().to_string(),
        )
    }

    fn failed(&self, doing: &str, error: object_store::Error) -> ObjectsError {
        ObjectsError::of(&self.inner.place, doing, error)
    }

    fn unless_missing<T>(
        &self,
        error: object_store::Error,
        doing: &str,
    ) -> Result<Option<T>, ObjectsError> {
        match self.failed(doing, error) {
            ObjectsError::Missing { .. } => Ok(None),
            other => Err(other),
        }
    }
}
