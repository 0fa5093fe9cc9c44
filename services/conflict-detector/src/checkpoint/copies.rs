//! Copies of the checkpoints of one partition among the objects, for a machine without this disk.
//!
//! ```text
//! <stream>/conflict-detector/bgp-updates/<partition>/shards/<sha256, 32 hex digits>
//! <stream>/conflict-detector/bgp-updates/<partition>/manifests/<p0, 20 digits>-<round>.json
//! ```
//! Shards first, then the manifest, put only where there is none. The greatest P0 is the newest, so
//! a writer that was overtaken changes nothing (docs/detector.md 17).

use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use weir_events::{position::TopicEpoch, topics::BGP_UPDATES};
use weir_lifecycle::crash_point;
use weir_objects::{Bytes, Objects, ObjectsError};

use super::{
    folder::{CheckpointError, Folder},
    manifest::{FORMAT, FileEntry, Manifest},
};

/// Manifests kept: if the newest is damaged, the one before still restores.
const KEPT: usize = 2;
/// A shard that no manifest names after so long belongs to a task that died before its manifest.
const ORPHANED: Duration = Duration::from_hours(24);
/// Shards fetched at once.
const AT_ONCE: usize = 8;

/// Where the copies of one partition are.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    objects: Objects,
    folder: String,
}

/// Why a checkpoint was not copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    #[error(transparent)]
    Local(#[from] CheckpointError),
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    #[error("a manifest cannot be encoded: {0}")]
    Encode(#[from] serde_json::Error),
}

/// A checkpoint that was fetched: its manifest, and the shards that were not here.
pub(crate) struct Fetched {
    pub(crate) manifest: Manifest,
    pub(crate) shards: Vec<(FileEntry, Bytes)>,
}

/// The greatest topic epoch of any checkpoint that `stream` has among `objects`: a log that is made anew
/// must begin above it, or it is taken for the one that the checkpoints were made of.
///
/// # Errors
/// When the objects cannot be listed or read.
pub fn greatest_topic_epoch(
    objects: &Objects,
    stream: &str,
) -> Result<Option<TopicEpoch>, ObjectsError> {
    let objects = objects.of_stream(stream);
    let mut greatest = None;
    for object in objects.list(&folder_of_all())? {
        if !object.name.contains("/manifests/") {
            continue;
        }
        let text = objects.get(&object.name)?.unwrap_or_default();
        // One that cannot be read restores nothing either.
        if let Ok(manifest) = serde_json::from_slice::<Manifest>(&text) {
            greatest = greatest.max(Some(TopicEpoch(manifest.topic_epoch)));
        }
    }
    Ok(greatest)
}

/// Of all partitions.
fn folder_of_all() -> String {
    format!("conflict-detector/{}", BGP_UPDATES.name)
}

/// A manifest in the list.
struct Name {
    p0: i64,
    round: u64,
    object: String,
}

impl Copies {
    pub(crate) fn new(objects: Objects, partition: u32) -> Self {
        let folder = format!("{}/{partition}", folder_of_all());
        Self { objects, folder }
    }

    /// Files that the kept manifests rest on: nobody removes them before two newer ones are there.
    /// Also sweeps what tasks left behind.
    pub(crate) fn known(&self) -> Result<HashSet<String>, ObjectsError> {
        if let Some(until) = SystemTime::now().checked_sub(ORPHANED) {
            self.sweep(until)?;
        }
        let mut known = HashSet::new();
        for name in self.manifests()?.iter().take(KEPT) {
            known.extend(self.files_of(name)?);
        }
        Ok(known)
    }

    /// Copies what is not among `known` yet, then the manifest; then forgets older ones.
    pub(crate) fn copy(
        &self,
        local: &Folder,
        manifest: &Manifest,
        known: &mut HashSet<String>,
    ) -> Result<(), CopyError> {
        for entry in manifest.files() {
            if !known.contains(&entry.file) {
                let content = Bytes::from(local.load_shard(entry)?);
                self.objects.put_large(&self.shard(&entry.file), &content)?;
                known.insert(entry.file.clone());
                crash_point("checkpoint.copied.shard");
            }
        }
        let name = format!(
            "{}/manifests/{:020}-{:010}.json",
            self.folder, manifest.p0, manifest.round
        );
        // One that is there describes the same log up to the same place: a task before us wrote it.
        self.objects
            .put_new(&name, serde_json::to_vec_pretty(manifest)?)?;
        crash_point("checkpoint.copied.manifest");
        *known = self.forget_old()?;
        Ok(())
    }

    /// The newest checkpoint above `above` whose checksums hold. `here` says which shards need not
    /// be fetched.
    pub(crate) fn newest(
        &self,
        above: i64,
        here: impl Fn(&FileEntry) -> bool + Sync,
    ) -> Result<Option<Fetched>, ObjectsError> {
        let mut damaged = None;
        for name in self.manifests()? {
            if name.p0 <= above {
                return Ok(None);
            }
            match self.fetch(&name, &here)? {
                Ok(fetched) => return Ok(Some(fetched)),
                Err(reason) => {
                    tracing::warn!(manifest = name.object, %reason, "copy of a checkpoint is damaged, trying the one before");
                    damaged.get_or_insert((name.object, reason));
                }
            }
        }
        damaged.map_or(Ok(None), |(object, reason)| {
            Err(ObjectsError::Failed {
                place: self.objects.place().to_owned(),
                doing: format!("give {object}"),
                reason: format!("{reason}; remove {} to replay the log instead", self.folder),
            })
        })
    }

    /// The inner error says what is damaged.
    fn fetch(
        &self,
        name: &Name,
        here: &(impl Fn(&FileEntry) -> bool + Sync),
    ) -> Result<Result<Fetched, String>, ObjectsError> {
        let Some(text) = self.objects.get(&name.object)? else {
            return Ok(Err("it is gone".to_owned()));
        };
        let manifest: Manifest = match serde_json::from_slice(&text) {
            Ok(manifest) => manifest,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if manifest.format != FORMAT || manifest.p0 != name.p0 {
            return Ok(Err(format!("format {} is not {FORMAT}", manifest.format)));
        }
        let missing: Vec<_> = manifest.files().filter(|entry| !here(entry)).collect();
        let shards = match self.shards(&missing)? {
            Ok(shards) => shards,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(Ok(Fetched { manifest, shards }))
    }

    /// Several at once: the time is in the way there and back.
    /// The inner error says what is damaged.
    fn shards(
        &self,
        entries: &[&FileEntry],
    ) -> Result<Result<Vec<(FileEntry, Bytes)>, String>, ObjectsError> {
        let next = AtomicUsize::new(0);
        let found = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(entries.len()) {
                scope.spawn(|| {
                    while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let content = self.objects.get(&self.shard(&entry.file));
                        found.lock().push(((*entry).clone(), content));
                    }
                });
            }
        });
        let mut shards = Vec::new();
        for (entry, content) in found.into_inner() {
            match content? {
                Some(content) if crc32c::crc32c(&content) == entry.checksum => {
                    shards.push((entry, content));
                }
                Some(_) => {
                    return Ok(Err(format!(
                        "the checksum of {} does not match",
                        entry.file
                    )));
                }
                None => return Ok(Err(format!("{} is not there", entry.file))),
            }
        }
        Ok(Ok(shards))
    }

    /// Newest first.
    fn manifests(&self) -> Result<Vec<Name>, ObjectsError> {
        let mut found: Vec<_> = self
            .objects
            .list(&format!("{}/manifests", self.folder))?
            .into_iter()
            .filter_map(|object| {
                let file = object.name.rsplit('/').next()?;
                let (p0, round) = file.strip_suffix(".json")?.split_once('-')?;
                Some(Name {
                    p0: p0.parse().ok()?,
                    round: round.parse().ok()?,
                    object: object.name.clone(),
                })
            })
            .collect();
        found.sort_by_key(|name| std::cmp::Reverse((name.p0, name.round)));
        Ok(found)
    }

    /// What cannot be read names nothing.
    fn files_of(&self, name: &Name) -> Result<Vec<String>, ObjectsError> {
        let text = self.objects.get(&name.object)?.unwrap_or_default();
        let manifest = serde_json::from_slice::<Manifest>(&text);
        Ok(manifest.map_or_else(
            |_| Vec::new(),
            |manifest| manifest.files().map(|entry| entry.file.clone()).collect(),
        ))
    }

    /// Only what an old manifest names is removed: a shard that nobody names yet may belong to a
    /// manifest on its way. Returns what the kept ones name.
    fn forget_old(&self) -> Result<HashSet<String>, ObjectsError> {
        let manifests = self.manifests()?;
        let (kept, old) = manifests.split_at(manifests.len().min(KEPT));
        let mut needed = HashSet::new();
        for name in kept {
            needed.extend(self.files_of(name)?);
        }
        for name in old {
            for file in self.files_of(name)? {
                if !needed.contains(&file) {
                    self.objects.delete(&self.shard(&file))?;
                }
            }
            // Last: while it is there, its shards are remembered.
            self.objects.delete(&name.object)?;
        }
        Ok(needed)
    }

    /// Removes shards that no manifest names and that were put before `until`; how many. A younger
    /// one may belong to a manifest on its way.
    pub(crate) fn sweep(&self, until: SystemTime) -> Result<u64, ObjectsError> {
        // Listed before the manifests: one that is put meanwhile names its shards.
        let shards = self.objects.list(&format!("{}/shards", self.folder))?;
        let mut named = HashSet::new();
        for name in self.manifests()? {
            named.extend(self.files_of(&name)?);
        }
        let mut swept = 0;
        for shard in shards.iter().filter(|shard| shard.put < until) {
            let file = shard.name.rsplit('/').next().unwrap_or_default();
            if !named.contains(file) {
                self.objects.delete(&shard.name)?;
                swept += 1;
            }
        }
        metrics::counter!("weir_checkpoint_orphans_total", "service" => "conflict-detector")
            .increment(swept);
        Ok(swept)
    }

    fn shard(&self, file: &str) -> String {
        format!("{}/shards/{file}", self.folder)
    }
}

#[cfg(test)]
mod tests;
