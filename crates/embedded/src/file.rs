//! A file that remembers why it could not be written.
//!
//! After one failed write redb refuses every call until the file is opened again, and says only that there
//! was an error before. Whoever asks second must still be able to name the full disk that the first one met.

use std::{
    fs::OpenOptions,
    io,
    ops::Bound,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use redb::{BackendError, DatabaseError, StorageBackend, backends::FileBackend};

/// The latest failure of any file of this process: all files of a stream stand on one disk.
static FAILURE: Mutex<Option<(io::ErrorKind, String)>> = Mutex::new(None);

/// The error as redb gave it, or in place of "an error before": what that error was, and of which file.
#[must_use]
pub fn cause(error: impl Into<redb::Error>) -> redb::Error {
    let error = error.into();
    match (&error, &*FAILURE.lock()) {
        (redb::Error::PreviousIo, Some((kind, text))) => {
            redb::Error::Io(io::Error::new(*kind, text.clone()))
        }
        _ => error,
    }
}

/// redb's own file, watched.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    path: PathBuf,
    file: FileBackend,
}

impl WatchedFile {
    pub(crate) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false);
        Ok(Self {
            path: path.to_owned(),
            file: FileBackend::new(file.open(path)?)?,
        })
    }

    fn watch<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            let text = format!("{}: {error}", self.path.display());
            *FAILURE.lock() = Some((error.kind(), text));
        }
        result
    }
}

impl StorageBackend for WatchedFile {
    fn len(&self) -> io::Result<u64> {
        self.watch(self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.watch(self.file.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.watch(self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.watch(self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.watch(self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use redb::Database;

    use super::*;

    #[test]
    fn who_asks_after_the_first_failure_still_hears_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        drop(Database::create(&path).unwrap());
        // A file that may only be read: each write to it is refused.
        let file = std::fs::File::open(&path).unwrap();
        let watched = WatchedFile {
            path: path.clone(),
            file: FileBackend::new(file).unwrap(),
        };
        let refused = watched.write(0, b"x").unwrap_err();
        let said = cause(redb::Error::PreviousIo).to_string();
        assert!(said.contains(&refused.to_string()), "{said}");
        assert!(said.contains("state.redb"), "{said}");
        let other = cause(redb::TableError::TableDoesNotExist("t".to_owned()));
        assert!(matches!(other, redb::Error::TableDoesNotExist(_)));
    }
}
