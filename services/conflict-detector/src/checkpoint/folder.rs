//! The folder that holds the checkpoints of one partition.
//!
//! ```text
//! <dir>/<partition>/shards/<sha256, 32 hex digits>     content, never overwritten
//! <dir>/<partition>/manifest-<p0, 20 digits>.json       the two newest
//! ```

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::fs::Advice;
use sha2::{Digest, Sha256};
use weir_eventlog::EventLog;
use weir_lifecycle::crash_point;

use super::{
    copier::Copier,
    copies::{Copies, Fetched},
    manifest::{FORMAT, FileEntry, Manifest},
};

/// Manifests kept: if the newest is damaged, the one before still restores.
const KEPT: usize = 2;

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The disk refused.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Every manifest that is there is damaged.
    #[error(
        "no checkpoint in {path} can be read ({reason}); move the folder away to replay the log from its start"
    )]
    Damaged {
        /// The folder of the partition.
        path: PathBuf,
        /// What is wrong with the newest.
        reason: String,
    },
}

/// Checkpoints of one partition.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    shards: PathBuf,
    /// Takes what is published to other machines.
    copier: Option<Arc<Copier>>,
}

impl Folder {
    /// Opens, or makes, the folder of `partition` below `dir`.
    pub(crate) fn open(dir: &Path, partition: u32) -> Result<Self, CheckpointError> {
        let root = dir.join(partition.to_string());
        let shards = root.join("shards");
        fs::create_dir_all(&shards).map_err(io("make the folder", &shards))?;
        Ok(Self {
            root,
            shards,
            copier: None,
        })
    }

    /// From here on what is published is copied as well, beginning with the newest: it may never
    /// have been.
    pub(crate) fn copy_to(&mut self, copies: Copies) -> Result<(), CheckpointError> {
        let copier = Copier::start(self.clone(), copies)
            .map_err(io("start the thread that copies", &self.root))?;
        if let Some(newest) = self.newest()? {
            copier.give(&newest);
        }
        self.copier = Some(Arc::new(copier));
        Ok(())
    }

    /// Waits until what was published last is copied. What is not copied `within` is on this machine
    /// only, which is told.
    pub(crate) fn finish_copies(&self, within: Duration) {
        if let Some(copier) = &self.copier
            && !copier.finish(within)
        {
            tracing::warn!(path = %self.root.display(), "the last checkpoint is on this machine only: it was not copied in time");
        }
    }

    /// Takes in what was fetched from the copies: it is published here.
    pub(crate) fn take_in(&self, fetched: &Fetched) -> Result<(), CheckpointError> {
        for (_, content) in &fetched.shards {
            self.save_shard(content)?;
        }
        self.publish(&fetched.manifest)
    }

    /// True when a shard is here and whole.
    pub(crate) fn holds(&self, entry: &FileEntry) -> bool {
        self.load_shard(entry).is_ok()
    }

    /// Writes one shard, whose name will be made of its content, and lets it go to the disk: [`Self::publish`] waits for
    /// all that it names, and gives them their names. A file that is already there with this name has this content.
    pub(crate) fn save_shard(&self, content: &[u8]) -> Result<FileEntry, CheckpointError> {
        let digest = Sha256::digest(content);
        let file: String = digest
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = self.shards.join(&file);
        if !path.exists() {
            write_temporary(&path, content)?;
        }
        Ok(FileEntry {
            file,
            checksum: crc32c::crc32c(content),
        })
    }

    /// Syncs the log: it must not lose what a manifest rests on.
    pub(crate) fn sync_log(&self, log: &EventLog) -> Result<(), CheckpointError> {
        log.sync()
            .map_err(io("sync the log before publishing in", &self.root))
    }

    /// Publishes `manifest`: from here on a restart begins with it. Then forgets older ones.
    pub(crate) fn publish(&self, manifest: &Manifest) -> Result<(), CheckpointError> {
        for entry in manifest.files() {
            let path = self.shards.join(&entry.file);
            if !path.exists() {
                keep(&path)?;
            }
        }
        sync_folder(&self.shards)?;
        let path = self.root.join(format!("manifest-{:020}.json", manifest.p0));
        let text = serde_json::to_vec_pretty(manifest).map_err(|error| CheckpointError::Io {
            what: "encode",
            path: path.clone(),
            source: error.into(),
        })?;
        write_temporary(&path, &text)?;
        keep(&path)?;
        sync_folder(&self.root)?;
        crash_point("checkpoint.manifest.renamed");
        if let Some(copier) = &self.copier {
            copier.give(manifest);
        }
        self.forget_old()
    }

    /// The newest manifest whose files are whole; `None` when there has never been one.
    pub(crate) fn newest(&self) -> Result<Option<Manifest>, CheckpointError> {
        let mut damage = None;
        for path in self.manifests()? {
            match self.read(&path) {
                Ok(manifest) => return Ok(Some(manifest)),
                Err(reason) => {
                    tracing::warn!(path = %path.display(), %reason, "checkpoint is damaged, trying the one before");
                    damage.get_or_insert(reason);
                }
            }
        }
        damage.map_or(Ok(None), |reason| {
            Err(CheckpointError::Damaged {
                path: self.root.clone(),
                reason,
            })
        })
    }

    /// Size on disk of every shard that `manifest` names, bytes.
    pub(crate) fn bytes(&self, manifest: &Manifest) -> u64 {
        manifest
            .files()
            .filter_map(|entry| fs::metadata(self.shards.join(&entry.file)).ok())
            .map(|file| file.len())
            .sum()
    }

    /// Content of a shard, checked.
    pub(crate) fn load_shard(&self, entry: &FileEntry) -> Result<Vec<u8>, CheckpointError> {
        let path = self.shards.join(&entry.file);
        let content = fs::read(&path).map_err(io("read", &path))?;
        if crc32c::crc32c(&content) == entry.checksum {
            return Ok(content);
        }
        Err(CheckpointError::Damaged {
            path,
            reason: "its checksum does not match".into(),
        })
    }

    fn read(&self, path: &Path) -> Result<Manifest, String> {
        let text = fs::read(path).map_err(|error| error.to_string())?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        if manifest.format != FORMAT {
            return Err(format!("format {} is not {FORMAT}", manifest.format));
        }
        for entry in manifest.files() {
            self.load_shard(entry).map_err(|error| error.to_string())?;
        }
        Ok(manifest)
    }

    /// Newest first: the greatest P0.
    fn manifests(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        let mut found: Vec<_> = list(&self.root)?
            .into_iter()
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .collect();
        found.sort();
        found.reverse();
        Ok(found)
    }

    fn forget_old(&self) -> Result<(), CheckpointError> {
        let manifests = self.manifests()?;
        let (kept, old) = manifests.split_at(manifests.len().min(KEPT));
        for path in old {
            fs::remove_file(path).map_err(io("remove", path))?;
        }
        let mut needed = self
            .copier
            .as_ref()
            .map_or_else(HashSet::new, |c| c.needed());
        for path in kept {
            if let Ok(text) = fs::read(path)
                && let Ok(manifest) = serde_json::from_slice::<Manifest>(&text)
            {
                needed.extend(manifest.files().map(|entry| entry.file.clone()));
            }
        }
        for path in list(&self.shards)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !needed.contains(name.as_ref()) {
                fs::remove_file(&path).map_err(io("remove", &path))?;
            }
        }
        Ok(())
    }
}

/// Writes a file under its temporary name, and begins to bring it to the disk without waiting. Many files that are synced
/// one after the other, each with what is its own to write, hold up whoever else writes to this disk for as long.
fn write_temporary(path: &Path, content: &[u8]) -> Result<(), CheckpointError> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary).map_err(io("create", &temporary))?;
    file.write_all(content).map_err(io("write", &temporary))?;
    // Advice: where it is not taken, the sync has more to do.
    let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
    Ok(())
}

/// Sync, rename: the file is there whole or not at all.
fn keep(path: &Path) -> Result<(), CheckpointError> {
    let temporary = path.with_extension("tmp");
    File::open(&temporary)
        .and_then(|file| file.sync_all())
        .map_err(io("sync", &temporary))?;
    crash_point("checkpoint.file.temporary");
    fs::rename(&temporary, path).map_err(io("rename", path))
}

fn sync_folder(path: &Path) -> Result<(), CheckpointError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(io("sync", path))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<io::Result<Vec<_>>>()
        })
        .map(|paths| paths.into_iter().filter(|path| path.is_file()).collect())
        .map_err(io("list", folder))
}

fn io<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> CheckpointError + 'a {
    move |source| CheckpointError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::manifest::BlockEntry, *};

    fn manifest(folder: &Folder, p0: i64, content: &[u8]) -> Manifest {
        Manifest {
            format: FORMAT,
            partition: 3,
            topic_epoch: 1,
            round: 1,
            p0,
            control: folder.save_shard(b"control").unwrap(),
            blocks: vec![BlockEntry {
                block: 7,
                pb: p0 + 5,
                file: folder.save_shard(content).unwrap(),
            }],
            before_p0: None,
            before_last: None,
        }
    }

    #[test]
    fn the_greatest_p0_is_the_newest_and_two_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path(), 3).unwrap();
        assert_eq!(folder.newest().unwrap(), None);
        for p0 in [10, 9_000, 200] {
            let made = manifest(&folder, p0, format!("state at {p0}").as_bytes());
            folder.publish(&made).unwrap();
        }
        assert_eq!(folder.newest().unwrap().unwrap().p0, 9_000);
        assert_eq!(folder.manifests().unwrap().len(), 2);
        // Two block files and the control shard that both share.
        assert_eq!(list(&folder.shards).unwrap().len(), 3);
    }

    #[test]
    fn a_shard_has_its_name_once_a_manifest_names_it_and_an_abandoned_one_goes() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path(), 3).unwrap();
        folder.save_shard(b"of a round without an end").unwrap();
        let made = manifest(&folder, 10, b"state");
        assert!(made.files().all(|entry| !folder.holds(entry)));
        folder.publish(&made).unwrap();
        assert!(made.files().all(|entry| folder.holds(entry)));
        assert_eq!(list(&folder.shards).unwrap().len(), 2);
    }

    #[test]
    fn a_damaged_shard_falls_back_to_the_manifest_before() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path(), 3).unwrap();
        folder.publish(&manifest(&folder, 10, b"old")).unwrap();
        let newest = manifest(&folder, 20, b"new");
        folder.publish(&newest).unwrap();

        fs::write(folder.shards.join(&newest.blocks[0].file.file), b"torn").unwrap();
        assert_eq!(folder.newest().unwrap().unwrap().p0, 10);
    }

    #[test]
    fn when_every_manifest_is_damaged_the_task_does_not_start_empty() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path(), 3).unwrap();
        folder.publish(&manifest(&folder, 10, b"old")).unwrap();
        fs::write(folder.root.join("manifest-00000000000000000010.json"), b"{").unwrap();
        let error = folder.newest().unwrap_err().to_string();
        assert!(
            error.contains("no checkpoint") && error.contains("move the folder away"),
            "{error}"
        );
    }
}
