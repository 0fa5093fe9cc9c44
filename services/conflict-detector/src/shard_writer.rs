//! The thread that encodes and syncs what tasks have copied, so that no task waits for a disk.

use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use weir_conflicts::snapshot::{BlockSnapshot, ControlSnapshot, LinksSnapshot};
use weir_eventlog::EventLog;
use weir_lifecycle::crash_point;

use crate::checkpoint::{BlockEntry, CheckpointError, FileEntry, Folder, Manifest};

/// Copies that wait for the disk; one more makes the task wait, which bounds memory.
const QUEUE: usize = 4;

/// What a task hands over.
pub(crate) enum Work {
    /// The control shard, copied at P0.
    Control(Box<ControlSnapshot>),
    /// Pages of links, copied at P0 too.
    Links(Vec<LinksSnapshot>, i64),
    /// A block, copied at its own position.
    Block(Box<BlockSnapshot>, i64),
    /// All shards are written and every effect below is acknowledged.
    Manifest(Box<Manifest>),
}

/// What comes back.
pub(crate) enum Written {
    /// The control shard is on disk.
    Control(FileEntry),
    /// A block, or pages of links that were copied together, are on disk.
    Blocks(Vec<BlockEntry>),
    /// The manifest is published: its P0 may be committed. With the size of all that it names, bytes.
    Manifest(Box<Manifest>, u64),
}

/// One per task.
pub(crate) struct ShardWriter {
    work: Option<Sender<Work>>,
    written: Receiver<Result<Written, CheckpointError>>,
    thread: Option<JoinHandle<()>>,
}

impl ShardWriter {
    /// Starts the thread for the checkpoints in `folder`.
    pub(crate) fn start(folder: Folder, log: EventLog) -> std::io::Result<Self> {
        let (work, todo) = bounded::<Work>(QUEUE);
        let (done, written) = crossbeam_channel::unbounded();
        let thread = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || {
                for item in todo {
                    // The task has gone: nobody will ask for this checkpoint.
                    if done.send(write(&folder, &log, item)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            work: Some(work),
            written,
            thread: Some(thread),
        })
    }

    /// Hands work over; waits while the disk is behind.
    pub(crate) fn give(&self, work: Work) {
        if let Some(queue) = &self.work {
            // A closed queue means that the thread has failed, which `take` reports.
            let _ = queue.send(work);
        }
    }

    /// What has been written since the last look.
    pub(crate) fn take(&self) -> Option<Result<Written, CheckpointError>> {
        self.written.try_recv().ok()
    }

    /// Waits for the next thing to be written; `None` when the thread has ended.
    pub(crate) fn wait(&self) -> Option<Result<Written, CheckpointError>> {
        self.written.recv().ok()
    }
}

impl Drop for ShardWriter {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(folder: &Folder, log: &EventLog, work: Work) -> Result<Written, CheckpointError> {
    match work {
        Work::Control(snapshot) => {
            let file = folder.save_shard(&snapshot.encode())?;
            crash_point("checkpoint.control");
            Ok(Written::Control(file))
        }
        Work::Links(pages, p0) => {
            let entries = pages.iter().map(|page| {
                Ok(BlockEntry {
                    block: page.block().id(),
                    pb: p0,
                    file: folder.save_shard(&page.encode())?,
                })
            });
            let entries = entries.collect::<Result<_, CheckpointError>>()?;
            crash_point("checkpoint.links");
            Ok(Written::Blocks(entries))
        }
        Work::Block(snapshot, pb) => {
            let file = folder.save_shard(&snapshot.encode())?;
            crash_point("checkpoint.block");
            let block = snapshot.block().id();
            Ok(Written::Blocks(vec![BlockEntry { block, pb, file }]))
        }
        Work::Manifest(manifest) => {
            crash_point("checkpoint.acknowledged");
            // The log must not lose what the manifest rests on (docs/detector.md 17).
            folder.sync_log(log)?;
            folder.publish(&manifest)?;
            let bytes = folder.bytes(&manifest);
            Ok(Written::Manifest(manifest, bytes))
        }
    }
}
