//! A folder of state belongs to one process: two on one folder would undo each other's work.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

/// Why a folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another process has it.
    #[error(
        "{} is in use by {holder}: stop it, or give this process a folder of its own with \
         {setting}", folder.display()
    )]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// Who has it.
        holder: String,
        /// The setting that chooses another.
        setting: &'static str,
    },
    /// It cannot be made or written.
    #[error("cannot use the folder {} ({setting}): {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The setting that chooses another.
        setting: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A folder that is ours until this is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

impl Claim {
    /// Makes `folder` and takes it. `setting` names what chooses another one, for errors.
    ///
    /// # Errors
    /// When another process has it, or it cannot be made.
    pub fn take(folder: &Path, setting: &'static str) -> Result<Self, ClaimError> {
        let failed = |source| ClaimError::Folder {
            folder: folder.to_owned(),
            setting,
            source,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join("lock"))
            .map_err(failed)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = lock.read_to_string(&mut holder);
            return Err(ClaimError::Taken {
                folder: folder.to_owned(),
                holder: match holder.trim() {
                    "" => "another process".to_owned(),
                    id => format!("process {id}"),
                },
                setting,
            });
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(Self { _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::Claim;

    #[test]
    fn a_folder_is_had_once_and_free_again_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let claim = Claim::take(&state, "[ingest] state").unwrap();
        let refused = Claim::take(&state, "[ingest] state")
            .unwrap_err()
            .to_string();
        let ours = format!("process {}", std::process::id());
        assert!(refused.contains(&ours), "{refused}");
        assert!(refused.contains("[ingest] state"), "{refused}");
        drop(claim);
        Claim::take(&state, "[ingest] state").unwrap();
    }
}
