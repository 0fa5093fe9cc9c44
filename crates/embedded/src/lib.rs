//! The one embedded engine for state that is not SQL: redb, opened once per path.
//!
//! redb locks its file, so two handles on one path cannot exist. Every room of the laptop's house
//! that wants the same file gets the same handle; a second process is refused with its path named.

mod file;
pub mod portable;

pub use file::cause;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Weak},
};

use file::WatchedFile;
use parking_lot::Mutex;
use redb::{Database, DatabaseError};

/// Pages kept in memory per file. redb's own default is 1 GiB; a laptop runs a dozen files.
const CACHE_BYTES: usize = 4 << 20;

static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<Database>>>> = LazyLock::new(Mutex::default);

/// Why a file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Another process holds the lock of the file.
    #[error("{path} is in use by another process: stop it, or choose another --data folder")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The folder cannot be made or resolved.
    #[error("cannot prepare the folder of {path}")]
    Folder {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a database, a newer format, or an I/O error.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What redb said.
        source: DatabaseError,
    },
}

/// Opens, or makes, the database at `path`; its folder is made too. Handles of one process on one
/// path are the same database; it is closed when the last of them is dropped.
///
/// # Errors
/// When another process has it, or it is not a database that this version can read.
pub fn open(path: &Path) -> Result<Arc<Database>, EmbeddedError> {
    let path = resolve(path)?;
    let mut open = OPEN.lock();
    if let Some(database) = open.get(&path).and_then(Weak::upgrade) {
        return Ok(database);
    }
    let database = WatchedFile::open(&path)
        .and_then(|file| {
            Database::builder()
                .set_cache_size(CACHE_BYTES)
                .create_with_backend(file)
        })
        .map_err(|source| match source {
            DatabaseError::DatabaseAlreadyOpen => EmbeddedError::InUse { path: path.clone() },
            source => EmbeddedError::Open {
                path: path.clone(),
                source,
            },
        })?;
    let database = Arc::new(database);
    open.insert(path, Arc::downgrade(&database));
    Ok(database)
}

/// The same file must have the same name, however it was spelled.
fn resolve(path: &Path) -> Result<PathBuf, EmbeddedError> {
    let failed = |source| EmbeddedError::Folder {
        path: path.to_owned(),
        source,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let folder = folder.canonicalize().map_err(failed)?;
    Ok(folder.join(path.file_name().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_one_path_share_one_database() {
        let folder = tempfile::tempdir().unwrap();
        let one = open(&folder.path().join("state.redb")).unwrap();
        let two = open(&folder.path().join("./state.redb")).unwrap();
        assert!(Arc::ptr_eq(&one, &two));
    }

    #[test]
    fn a_file_that_is_no_database_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        std::fs::write(
            &path,
            "not a database, long enough to be read as a header of one",
        )
        .unwrap();
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains("state.redb"), "{error}");
    }
}
