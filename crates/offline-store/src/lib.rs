//! The history of features: every row that was ever derived, as Parquet by day.
//!
//! A file is `view=<view>/day=YYYY-MM-DD/<partition>-<start>-<end>.parquet`, where the numbers are
//! the range of offsets of `feature-rows` that it was made from. Its writer stores that range
//! before the file, so that a restart writes the same range, the same bytes, to the same name; a
//! file appears whole or not at all. Readers drop what is doubled by (entity, version).
//! Calls block on a small runtime of their own: not for async threads.

mod columns;
mod error;

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
pub use error::OfflineStoreError;
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path};
use weir_events::time::{DAY_US, rfc3339};
use weir_features::{FeatureRow, FeatureView};

/// Offsets of one partition of `feature-rows`: `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetRange {
    /// Partition of the topic.
    pub partition: u32,
    /// First offset.
    pub start: i64,
    /// One past the last offset.
    pub end: i64,
}

/// All rows of all views. Cheap to clone.
#[derive(Clone)]
pub struct OfflineStore {
    files: Arc<LocalFileSystem>,
    runtime: Arc<tokio::runtime::Runtime>,
}

impl OfflineStore {
    /// Opens, or makes, the store at `url`: `file:///folder` (or a bare path).
    ///
    /// # Errors
    /// When the scheme is unknown or the folder cannot be made.
    pub fn open(url: &str) -> Result<Self, OfflineStoreError> {
        let folder = match url.split_once("://") {
            None => PathBuf::from(url),
            Some(("file", path)) => PathBuf::from(path),
            Some((scheme, _)) => {
                return Err(OfflineStoreError::Scheme {
                    scheme: scheme.to_owned(),
                });
            }
        };
        let unusable = |source| OfflineStoreError::Folder {
            folder: folder.clone(),
            source,
        };
        std::fs::create_dir_all(&folder).map_err(unusable)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(unusable)?;
        let files = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
        Ok(Self {
            files: Arc::new(files),
            runtime: Arc::new(runtime),
        })
    }

    /// Writes the rows of one view that came from one range, a file for each day of event time.
    /// The same rows and range give the same bytes under the same names.
    ///
    /// # Errors
    /// When a row does not fit the view, or the folder cannot be written.
    pub fn write(
        &self,
        view: &FeatureView,
        range: OffsetRange,
        rows: &[FeatureRow],
    ) -> Result<(), OfflineStoreError> {
        let mut sorted: Vec<&FeatureRow> = rows.iter().collect();
        sorted.sort_by(|a, b| {
            let key = |row: &FeatureRow| (row.event_time_us.div_euclid(DAY_US), row.version);
            (key(a), &a.entity).cmp(&(key(b), &b.entity))
        });
        for day in sorted.chunk_by(|a, b| {
            a.event_time_us.div_euclid(DAY_US) == b.event_time_us.div_euclid(DAY_US)
        }) {
            let Some(first) = day.first() else { continue };
            let date = rfc3339(first.event_time_us);
            let date = date.split('T').next().unwrap_or_default();
            let OffsetRange {
                partition,
                start,
                end,
            } = range;
            let name = format!(
                "view={}/day={date}/{partition}-{start}-{end}.parquet",
                view.name
            );
            let bytes = columns::encode(view, day)?;
            self.runtime
                .block_on(self.files.put(&Path::from(name), bytes.into()))?;
        }
        Ok(())
    }

    /// All rows of a view, each (entity, version) once, ordered by them. Reads everything into
    /// memory: for tests and exports.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read_all(&self, view: &FeatureView) -> Result<Vec<FeatureRow>, OfflineStoreError> {
        let mut rows = Vec::new();
        for path in self.paths(view)? {
            let bytes = self.runtime.block_on(async {
                let file = self.files.get(&path).await?;
                file.bytes().await
            })?;
            rows.extend(columns::decode(view, path.as_ref(), bytes)?);
        }
        rows.sort_by(|a: &FeatureRow, b| (&a.entity, a.version).cmp(&(&b.entity, b.version)));
        rows.dedup_by(|a, b| (&a.entity, a.version) == (&b.entity, b.version));
        Ok(rows)
    }

    /// The files of a view, relative to the folder, ascending.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn files(&self, view: &FeatureView) -> Result<Vec<String>, OfflineStoreError> {
        let paths = self.paths(view)?;
        Ok(paths.iter().map(ToString::to_string).collect())
    }

    /// The bytes of one of [`OfflineStore::files`].
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, file: &str) -> Result<Bytes, OfflineStoreError> {
        let path = Path::from(file);
        let bytes = self.runtime.block_on(async {
            let file = self.files.get(&path).await?;
            file.bytes().await
        })?;
        Ok(bytes)
    }

    fn paths(&self, view: &FeatureView) -> Result<Vec<Path>, OfflineStoreError> {
        let mut paths = Vec::new();
        let days = Path::from(format!("view={}", view.name));
        self.runtime.block_on(async {
            let listed = self.files.list_with_delimiter(Some(&days)).await?;
            for day in listed.common_prefixes {
                let files = self.files.list_with_delimiter(Some(&day)).await?;
                paths.extend(files.objects.into_iter().map(|file| file.location));
            }
            Ok::<_, object_store::Error>(())
        })?;
        paths.sort();
        Ok(paths)
    }
}
