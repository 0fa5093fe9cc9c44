//! A file that remembers why it could not be written.
//!
//! After one failed write redb refuses every call until the file is opened again, and says only that there
//! was an error before. Whoever asks second must still be able to name the full disk that the first one met.

use std::{
    fs::{File, OpenOptions},
    io,
    ops::Bound,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use redb::{BackendError, DatabaseError, StorageBackend, backends::FileBackend};

/// Length of redb's magic number, the first bytes of a file.
const MAGIC_BYTES: usize = 9;
/// All that redb writes before the magic number is in the first page.
const HEADER_PAGE: usize = 4096;
/// No file is as long while it is made (redb 4.4: 1,056,768 bytes, 320 of them written).
const FRESH_BYTES: usize = 16 << 20;

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

/// Empties a file whose making was interrupted: redb writes its magic number last, so such a file never held
/// anything, yet redb refuses it as none of its own.
///
/// The lock is the one that redb holds on an open file: another process may be making it right now.
fn clear_if_unfinished(file: &File) -> io::Result<()> {
    if file.try_lock().is_err() {
        return Ok(());
    }
    if is_unfinished(file)? {
        file.set_len(0)?;
    }
    file.unlock()
}

/// Zeros in place of the magic number, and in all pages: a damaged file that holds something is left as it is.
/// Of every other file only the magic number is read.
fn is_unfinished(file: &File) -> io::Result<bool> {
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    if !(HEADER_PAGE..=FRESH_BYTES).contains(&length) {
        return Ok(false);
    }
    let mut magic = [0; MAGIC_BYTES];
    file.read_exact_at(&mut magic, 0)?;
    if magic != [0; MAGIC_BYTES] {
        return Ok(false);
    }
    let mut pages = vec![0; length - HEADER_PAGE];
    file.read_exact_at(&mut pages, HEADER_PAGE as u64)?;
    Ok(pages.iter().all(|byte| *byte == 0))
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
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path)?;
        clear_if_unfinished(&file)?;
        Ok(Self {
            path: path.to_owned(),
            file: FileBackend::new(file)?,
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

    /// A file as a process leaves it that is killed before the magic number is written; `page` is what its
    /// second page begins with.
    fn half_made(page: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let file = File::create(&path).unwrap();
        file.set_len(1_056_768).unwrap();
        file.write_all_at(&[1; 311], MAGIC_BYTES as u64).unwrap();
        file.write_all_at(page, HEADER_PAGE as u64).unwrap();
        (folder, path)
    }

    #[test]
    fn a_file_whose_making_was_interrupted_is_made_again() {
        let (_folder, path) = half_made(&[]);
        assert!(Database::create(&path).is_err(), "redb takes it by itself");
        crate::open(&path).unwrap();
        let magic = std::fs::read(&path).unwrap();
        assert!(magic.starts_with(b"redb"));
    }

    #[test]
    fn a_damaged_file_that_holds_something_is_refused_and_left_as_it_is() {
        let (_folder, path) = half_made(b"a page");
        let before = std::fs::read(&path).unwrap();
        crate::open(&path).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_file_that_another_is_making_is_left_to_it() {
        let (_folder, path) = half_made(&[]);
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        let length = other.metadata().unwrap().len();
        let refused = crate::open(&path).unwrap_err();
        assert!(matches!(refused, crate::EmbeddedError::InUse { .. }));
        assert_eq!(other.metadata().unwrap().len(), length);
    }

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
