//! From a checkpoint back to a task, if the log is still the one that the checkpoint was made of.

use prost::Message;
use weir_conflicts::{Detector, snapshot::SnapshotError};
use weir_eventlog::{Assignment, LogError};
use weir_events::{position::TopicEpoch, topics::Block, v1};
use weir_objects::{ObjectsError, snapshots};

use crate::checkpoint::{BlockEntry, CheckpointError, Copies, Folder, Manifest, Remembered};

/// Why a task does not start. Starting empty instead would blind the detector in silence.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Files are missing or damaged.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is no checkpoint on this machine, and the copies cannot be read.
    #[error(transparent)]
    Copies(#[from] ObjectsError),
    /// A shard is whole but not of this version.
    #[error("a shard of partition {partition} cannot be read back")]
    Snapshot {
        /// Partition of `bgp-updates`.
        partition: u32,
        /// What is wrong.
        source: SnapshotError,
    },
    /// The log does not answer.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log lost, or never had, what the checkpoint rests on.
    #[error(
        "bgp-updates-{partition} is not the log that the checkpoint was made of ({what}): it was lost, truncated or \
         made anew; put the log back, or start with another --data folder (and url of [checkpoint_store])"
    )]
    AnotherLog {
        /// Partition of `bgp-updates`.
        partition: u32,
        /// What differs.
        what: String,
    },
}

/// What a task begins with.
pub(crate) struct Restored {
    pub(crate) detector: Detector,
    pub(crate) topic_epoch: TopicEpoch,
    /// Where to read from.
    pub(crate) p0: i64,
    /// Where each block stands on disk.
    pub(crate) blocks: Vec<BlockEntry>,
    pub(crate) round: u64,
    /// The record before `p0`.
    pub(crate) last: Option<Remembered>,
}

/// Brings the newest copy here when it is newer than what is here. While the copies are away, what
/// is here is used; with nothing here the task waits, and never starts empty.
pub(crate) fn bring(
    assignment: &Assignment,
    folder: &Folder,
    copies: &Copies,
) -> Result<(), RestoreError> {
    // Damage here is told later, if the copies do not help.
    let here = folder.newest().ok().flatten();
    let above = here.as_ref().map_or(-1, |manifest| manifest.p0);
    let what = format!("checkpoint of bgp-updates-{}", assignment.partition());
    let found = snapshots::patiently(
        &what,
        here.is_some(),
        |pause| assignment.pause(pause),
        || copies.newest(above, |entry| folder.holds(entry)),
    );
    if let Some(fetched) = found?.flatten() {
        folder.take_in(&fetched)?;
        tracing::info!(what, p0 = fetched.manifest.p0, "restored from its copy");
    }
    Ok(())
}

/// The newest checkpoint of this partition, checked against the log; else an empty task at the
/// start of the log. `empty` is a detector that knows nothing yet.
pub(crate) fn restore(
    assignment: &Assignment,
    folder: &Folder,
    empty: impl Fn(TopicEpoch) -> Detector,
) -> Result<Restored, RestoreError> {
    let (first, end) = assignment.log_range()?;
    let Some(manifest) = folder.newest()? else {
        let topic_epoch = assignment.topic_epoch()?;
        return Ok(Restored {
            detector: empty(topic_epoch),
            topic_epoch,
            p0: first,
            blocks: Vec::new(),
            round: 0,
            last: None,
        });
    };
    check(assignment, &manifest, first, end)?;
    let topic_epoch = TopicEpoch(manifest.topic_epoch);
    let mut detector = empty(topic_epoch);
    load(&mut detector, folder, &manifest)?;
    Ok(Restored {
        detector,
        topic_epoch,
        p0: manifest.p0,
        blocks: manifest.blocks,
        round: manifest.round,
        last: manifest.before_p0,
    })
}

/// Both remembered records must be read back equal, and nothing between may be missing.
fn check(
    assignment: &Assignment,
    manifest: &Manifest,
    first: i64,
    end: i64,
) -> Result<(), RestoreError> {
    let another = |what: String| RestoreError::AnotherLog {
        partition: manifest.partition,
        what,
    };
    if manifest.p0 < first || manifest.last_position() > end {
        return Err(another(format!(
            "it holds offsets {first} to {end}, the checkpoint needs {} to {}",
            manifest.p0,
            manifest.last_position()
        )));
    }
    for remembered in [&manifest.before_p0, &manifest.before_last]
        .into_iter()
        .flatten()
    {
        // Retention may have taken the record just before P0; everything from P0 on is there.
        if remembered.offset < first {
            continue;
        }
        let same = assignment
            .read_back(remembered.offset)?
            .and_then(|record| v1::BgpUpdate::decode(record.borrow().payload).ok())
            .is_some_and(|record| remembered.is(&record));
        if !same {
            return Err(another(format!(
                "its record at offset {} is another one",
                remembered.offset
            )));
        }
    }
    Ok(())
}

fn load(detector: &mut Detector, folder: &Folder, manifest: &Manifest) -> Result<(), RestoreError> {
    let unreadable = |source| RestoreError::Snapshot {
        partition: manifest.partition,
        source,
    };
    let control = folder.load_shard(&manifest.control)?;
    detector.restore_control(&control).map_err(unreadable)?;
    for entry in &manifest.blocks {
        let content = folder.load_shard(&entry.file)?;
        detector
            .restore_block(Block::from_id(entry.block), &content, entry.pb)
            .map_err(unreadable)?;
    }
    Ok(())
}
