//! Why the offline store did not do what it was asked.

use weir_features::ViewError;
use weir_objects::ObjectsError;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum OfflineStoreError {
    /// A file could not be written, listed or read.
    #[error("offline store: {0}")]
    Files(#[from] ObjectsError),
    /// A row does not fit its view.
    #[error("offline store: {0}")]
    Row(#[from] ViewError),
    /// Rows could not be made into a file.
    #[error("offline store: cannot encode rows: {0}")]
    Encode(parquet::errors::ParquetError),
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

impl From<parquet::errors::ParquetError> for OfflineStoreError {
    /// The writer wraps what the objects below it say.
    fn from(error: parquet::errors::ParquetError) -> Self {
        use parquet::errors::ParquetError;
        let ParquetError::External(source) = error else {
            return Self::Encode(error);
        };
        let source = match source.downcast::<std::io::Error>() {
            Ok(io) => match io.downcast::<ObjectsError>() {
                Ok(objects) => return Self::Files(objects),
                Err(io) => io.into(),
            },
            Err(other) => other,
        };
        Self::Encode(ParquetError::External(source))
    }
}

impl OfflineStoreError {
    /// True when the same call may succeed later (the bucket is away, a full disk).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Files(error) if error.is_transient())
    }
}
