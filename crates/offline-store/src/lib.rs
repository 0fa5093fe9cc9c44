//! The history of features: every row that was ever derived, as Parquet by day, in a folder or on
//! S3.
//!
//! A file is `view=<view>/day=YYYY-MM-DD/<partition>-<start>-<end>.parquet`, where the numbers are
//! the range of offsets of `feature-rows` that it was made from. Its writer stores that range
//! before the file, so that a restart writes the same range, the same bytes, to the same name: one
//! that is there already is done. A file appears whole or not at all. Readers drop what is doubled
//! by (entity, version). Calls block: not for async threads.

mod columns;
#[doc(hidden)]
pub mod conformance;
mod error;

pub use error::OfflineStoreError;
use weir_events::time::{DAY_US, rfc3339};
use weir_features::{FeatureRow, FeatureView};
use weir_objects::{Bytes, Objects};

/// Where the history is: see [`weir_objects::Config`]. No URL = [`DEFAULT_URL`].
pub use weir_objects::Config;

/// Where the history is kept when nobody says.
pub const DEFAULT_URL: &str = "file://weir-data/history";

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
#[derive(Clone, Debug)]
pub struct OfflineStore {
    files: Objects,
}

impl OfflineStore {
    /// [`OfflineStore::connect`] with only a URL.
    ///
    /// # Errors
    /// As [`OfflineStore::connect`].
    pub fn open(url: &str) -> Result<Self, OfflineStoreError> {
        Self::connect(&Config::at(url))
    }

    /// Opens, or makes, the folder; or asks the bucket whether we may use it.
    ///
    /// # Errors
    /// When a setting cannot work, the folder cannot be made, or the bucket is missing, refuses us
    /// or (transient) does not answer.
    pub fn connect(config: &Config) -> Result<Self, OfflineStoreError> {
        let mut config = config.clone();
        if config.url.is_empty() {
            DEFAULT_URL.clone_into(&mut config.url);
        }
        let files = Objects::connect(&config)?;
        Ok(Self { files })
    }

    /// Writes the rows of one view that came from one range, a file for each day of event time.
    /// The same rows and range give the same bytes under the same names; a file that is there is
    /// left as it is.
    ///
    /// # Errors
    /// When a row does not fit the view, or a file cannot be written.
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
            let mut upload = self.files.upload(&name);
            columns::encode(view, day, &mut upload)?;
            // One that is there came from the same rows: its writer died before it could say so.
            upload.finish_new()?;
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
        for file in self.files(view)? {
            rows.extend(columns::decode(view, &file, self.read(&file)?)?);
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
        let listed = self.files.list(&format!("view={}", view.name))?;
        Ok(listed.into_iter().map(|file| file.name).collect())
    }

    /// The bytes of one of [`OfflineStore::files`].
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, file: &str) -> Result<Bytes, OfflineStoreError> {
        self.files
            .get(file)?
            .ok_or_else(|| OfflineStoreError::Corrupt {
                file: file.to_owned(),
                reason: "it is not there any more".to_owned(),
            })
    }
}
