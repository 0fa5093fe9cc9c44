//! An append-only file of small entries, each with its length and CRC-32C: the catalogue of topics
//! and the offsets of groups live in one each.
//!
//! A torn tail is cut on open. When the file has grown to several times what its content needs, it
//! is written anew beside itself and renamed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::wire::Reader;

const MAGIC: &[u8; 8] = b"WEIRJRN1";
const ENTRY_LIMIT: usize = 1 << 20;
/// A journal below this size, in bytes, is never rewritten.
const REWRITE_FROM: u64 = 1 << 20;

/// One open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
    /// Length after the last rewrite.
    compact: u64,
    /// How much of it has been synced.
    durable: u64,
    /// Why an fsync failed: what was written may be lost, and a second fsync would not tell.
    broken: Option<String>,
}

/// What one fsync has to cover; it runs outside of the lock of the journal.
#[derive(Debug)]
pub(crate) struct Unsynced {
    file: Arc<File>,
    length: u64,
}

impl Unsynced {
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Journal {
    /// Opens or makes the journal and hands every whole entry to `replay`, oldest first.
    pub(crate) fn open(path: &Path, mut replay: impl FnMut(&[u8])) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut length = MAGIC.len();
        if bytes.len() < MAGIC.len() {
            file.set_len(0)?;
            file.write_all_at(MAGIC, 0)?;
            sync_folder(path)?;
        } else if !bytes.starts_with(MAGIC) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is not a journal of this broker", path.display()),
            ));
        } else {
            let mut reader = Reader::new(&bytes);
            let _ = reader.take(MAGIC.len(), "magic");
            while let Some(entry) = next_entry(&mut reader) {
                replay(entry);
                length = reader.position();
            }
            if length < bytes.len() {
                tracing::warn!(
                    file = %path.display(),
                    bytes = bytes.len() - length,
                    "cut a torn end off the journal"
                );
                file.set_len(length as u64)?;
            }
        }
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(file),
            length: length as u64,
            compact: length as u64,
            // What an earlier run wrote is not taken for durable.
            durable: 0,
            broken: None,
        })
    }

    /// Appends entries in one write; on failure the file is as it was.
    pub(crate) fn append(&mut self, entries: &[Vec<u8>]) -> io::Result<()> {
        self.check()?;
        let bytes = frame(entries)?;
        if let Err(error) = self.file.write_all_at(&bytes, self.length) {
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// True when most of the file has been overtaken by later entries.
    pub(crate) fn wants_rewrite(&self) -> bool {
        self.length > REWRITE_FROM && self.length > self.compact.saturating_mul(4)
    }

    /// Replaces everything by `entries`, durably. On failure the file is as it was, and it is not
    /// to be tried again before the file has doubled.
    pub(crate) fn rewrite(&mut self, entries: &[Vec<u8>]) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let outcome = self.write_anew(&beside, entries);
        if outcome.is_err() {
            // On a full disk it would be in the way.
            let _ = std::fs::remove_file(&beside);
            self.compact = self.compact.max(self.length.div_ceil(2));
        }
        outcome
    }

    fn write_anew(&mut self, beside: &Path, entries: &[Vec<u8>]) -> io::Result<()> {
        let bytes = frame(entries)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(beside)?;
        file.write_all_at(MAGIC, 0)?;
        file.write_all_at(&bytes, MAGIC.len() as u64)?;
        file.sync_data()?;
        std::fs::rename(beside, &self.path)?;
        self.file = Arc::new(file);
        self.length = (MAGIC.len() + bytes.len()) as u64;
        self.compact = self.length;
        self.durable = self.length;
        sync_folder(&self.path)
    }

    /// Makes what was appended durable. After a failure nothing more is taken and every sync errs,
    /// until the journal is opened again and what is really there has been read.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let Some(unsynced) = self.unsynced()? else {
            return Ok(());
        };
        let result = unsynced.sync();
        self.synced(&unsynced, result)
    }

    /// What is not durable yet.
    pub(crate) fn unsynced(&self) -> io::Result<Option<Unsynced>> {
        self.check()?;
        Ok((self.durable < self.length).then(|| Unsynced {
            file: Arc::clone(&self.file),
            length: self.length,
        }))
    }

    /// How the sync of what [`Journal::unsynced`] gave went. If the journal was written anew meanwhile, it is durable
    /// anyhow.
    pub(crate) fn synced(&mut self, what: &Unsynced, result: io::Result<()>) -> io::Result<()> {
        if Arc::ptr_eq(&self.file, &what.file) {
            if let Err(error) = result {
                tracing::error!(file = %self.path.display(), %error, "an fsync failed: the journal takes nothing more");
                self.broken = Some(error.to_string());
            } else {
                self.durable = self.durable.max(what.length);
            }
        }
        self.check()
    }

    fn check(&self) -> io::Result<()> {
        match &self.broken {
            None => Ok(()),
            Some(cause) => Err(io::Error::other(format!(
                "{} could not be made durable ({cause}); start the broker again when the disk is sound",
                self.path.display()
            ))),
        }
    }
}

/// Makes the name of a file durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn next_entry<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = reader.u32("length").ok()?;
    let crc = reader.u32("crc").ok()?;
    let length = usize::try_from(length).ok()?;
    if length > ENTRY_LIMIT {
        return None;
    }
    let entry = reader.take(length, "entry").ok()?;
    (crc32c::crc32c(entry) == crc).then_some(entry)
}

fn frame(entries: &[Vec<u8>]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u32::try_from(entry.len())
            .ok()
            .filter(|_| entry.len() <= ENTRY_LIMIT)
            .ok_or(io::ErrorKind::InvalidInput)?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(entry).to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_fsync_is_told_by_every_later_sync_and_stops_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.journal");
        let mut journal = Journal::open(&path, |_| {}).unwrap();
        journal.append(&[b"one".to_vec()]).unwrap();
        // Nobody can fsync this one: EINVAL.
        let sound = std::mem::replace(
            &mut journal.file,
            Arc::new(File::open("/dev/null").unwrap()),
        );
        journal.sync().unwrap_err();
        journal.file = sound;
        journal.sync().unwrap_err();
        journal.append(&[b"two".to_vec()]).unwrap_err();
        drop(journal);

        let mut entries = Vec::new();
        let mut journal = Journal::open(&path, |entry| entries.push(entry.to_vec())).unwrap();
        assert_eq!(entries, [b"one"]);
        journal.sync().unwrap();
    }

    #[test]
    fn an_fsync_covers_what_was_appended_before_it_and_nothing_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.journal");
        let mut journal = Journal::open(&path, |_| {}).unwrap();
        journal.sync().unwrap();
        assert!(journal.unsynced().unwrap().is_none());
        journal.append(&[b"one".to_vec()]).unwrap();
        let one = journal.unsynced().unwrap().unwrap();
        journal.append(&[b"two".to_vec()]).unwrap();
        journal.synced(&one, one.sync()).unwrap();
        assert!(journal.unsynced().unwrap().is_some());

        let two = journal.unsynced().unwrap().unwrap();
        journal.rewrite(&[b"both".to_vec()]).unwrap();
        // Of a file that is no more, a failure says nothing.
        journal
            .synced(&two, Err(io::ErrorKind::Other.into()))
            .unwrap();
        assert!(journal.unsynced().unwrap().is_none());
    }
}
