//! Why the offline store did not do what it was asked.

use std::path::PathBuf;

use weir_features::ViewError;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum OfflineStoreError {
    /// No store of this name is built in.
    #[error("offline store: unknown scheme {scheme}:// (want file://)")]
    Scheme {
        /// What stood before `://`.
        scheme: String,
    },
    /// The folder cannot be used.
    #[error("offline store: cannot use {folder}")]
    Folder {
        /// Where the history was to be.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written, listed or read.
    #[error("offline store: {0}")]
    Files(#[from] object_store::Error),
    /// A row does not fit its view.
    #[error("offline store: {0}")]
    Row(#[from] ViewError),
    /// Rows could not be made into a file.
    #[error("offline store: cannot encode rows: {0}")]
    Encode(#[from] parquet::errors::ParquetError),
    /// Columns could not be put together.
    #[error("offline store: {0}")]
    Columns(#[from] arrow_schema::ArrowError),
    /// A file is not one of ours.
    #[error("offline store: {file} cannot be read: {reason}")]
    Corrupt {
        /// Path below the folder.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl OfflineStoreError {
    /// True when the same call may succeed later (a full disk, an I/O error).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Files(object_store::Error::Generic { .. }))
    }
}
