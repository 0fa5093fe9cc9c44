//! Checkpoints of one task over time: when a round begins, what it copies next, when it ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use weir_conflicts::{Detector, snapshot::LinksSnapshot};
use weir_eventlog::{EventLog, LogError, Publisher};
use weir_events::topics::{BGP_UPDATES, Block};
use weir_lifecycle::telemetry::task::TaskMeter;

use super::{
    CheckpointError, Folder,
    manifest::{BlockEntry, Remembered},
    round::Round,
};
use crate::shard_writer::{ShardWriter, Work, Written};

/// Longest that the end of a task waits for its effects to be acknowledged.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(30);

/// From one round to the next, at least.
const SHORTEST: Duration = Duration::from_millis(1);

/// Where a task stands: what is after the last record that it applied.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) next_offset: i64,
    pub(crate) last: Option<Remembered>,
}

/// Rolling rounds, one after the other.
pub(crate) struct Rolling {
    writer: ShardWriter,
    publisher: Publisher,
    partition: u32,
    topic_epoch: u32,
    every: Duration,
    begun: Instant,
    /// When the next round begins.
    due: Instant,
    number: u64,
    round: Option<Round>,
    manifest_given: bool,
    /// Where each block and each page of links stands on disk.
    written: BTreeMap<u32, BlockEntry>,
    /// P0 of the newest manifest.
    published: i64,
    meter: TaskMeter,
}

impl Rolling {
    /// After a restore: `written` is what the newest manifest names.
    pub(crate) fn new(
        folder: Folder,
        log: &EventLog,
        publisher: Publisher,
        (partition, topic_epoch): (u32, u32),
        every: Duration,
        (number, published, written): (u64, i64, Vec<BlockEntry>),
    ) -> std::io::Result<Self> {
        let begun = Instant::now();
        let every = every.max(SHORTEST);
        Ok(Self {
            writer: ShardWriter::start(folder, log.clone())?,
            publisher,
            partition,
            topic_epoch,
            every,
            begun,
            due: begun + turn(partition, every),
            number,
            round: None,
            manifest_given: false,
            written: written
                .into_iter()
                .map(|entry| (entry.block, entry))
                .collect(),
            published,
            meter: TaskMeter::new("conflict-detector", BGP_UPDATES.name, partition),
        })
    }

    /// What the task tells a scraper.
    pub(crate) fn meter(&self) -> &TaskMeter {
        &self.meter
    }

    /// P0 of the newest manifest.
    pub(crate) fn published(&self) -> i64 {
        self.published
    }

    /// One pause of the task: at most one block is copied. Returns P0 when a manifest has been
    /// published since the last pause.
    pub(crate) fn pause(
        &mut self,
        detector: &mut Detector,
        standing: &Standing,
    ) -> Result<Option<i64>, CheckpointError> {
        let mut published = None;
        while let Some(written) = self.writer.take() {
            published = self.note(written?).or(published);
        }
        if self.round.is_none()
            && self.due <= Instant::now()
            && standing.next_offset > self.published
        {
            self.begin(detector, standing);
        }
        self.go_on(detector, standing);
        Ok(published)
    }

    /// A whole round at once, for the end of the input or of the task: no record is applied
    /// meanwhile, so every shard stands at the same position. Returns P0.
    pub(crate) fn complete(
        &mut self,
        detector: &mut Detector,
        standing: &Standing,
    ) -> Result<i64, RollingError> {
        while self.round.is_some() || standing.next_offset > self.published {
            if self.round.is_none() {
                self.begin(detector, standing);
            }
            while self.round.as_ref().is_some_and(Round::has_pending) {
                self.go_on(detector, standing);
            }
            if let Some(round) = &self.round {
                self.publisher.wait_for(round.needs(), ACKNOWLEDGE_WITHIN)?;
            }
            self.go_on(detector, standing);
            let Some(written) = self.writer.wait() else {
                return Err(RollingError::WriterEnded);
            };
            self.note(written?);
        }
        Ok(self.published)
    }

    fn begin(&mut self, detector: &mut Detector, standing: &Standing) {
        self.number += 1;
        self.begun = Instant::now();
        // It keeps its turn, however long rounds take and whenever a whole one comes between.
        while self.due <= self.begun {
            self.due += self.every;
        }
        let dirty = detector.dirty_blocks();
        let links = detector.links_snapshots();
        let pages = links.iter().map(LinksSnapshot::block);
        let rewritten: BTreeSet<_> = dirty.iter().copied().chain(pages).map(Block::id).collect();
        let clean = self
            .written
            .values()
            .filter(|entry| !rewritten.contains(&entry.block))
            .cloned();
        let mut round = Round::begin(
            self.number,
            standing.next_offset,
            standing.last.clone(),
            dirty,
            clean,
            self.publisher.last(),
        );
        self.writer
            .give(Work::Control(Box::new(detector.control_snapshot())));
        if !links.is_empty() {
            round.links_copied();
            self.writer.give(Work::Links(links, standing.next_offset));
        }
        self.round = Some(round);
    }

    fn go_on(&mut self, detector: &mut Detector, standing: &Standing) {
        let Some(round) = &mut self.round else { return };
        if let Some(block) = round.next_block() {
            round.copied(standing.last.clone(), self.publisher.last());
            self.writer.give(Work::Block(
                Box::new(detector.block_snapshot(block)),
                standing.next_offset,
            ));
        } else if !self.manifest_given
            && let Some(manifest) = round.manifest(
                self.publisher.acknowledged(),
                self.partition,
                self.topic_epoch,
            )
        {
            self.manifest_given = true;
            self.writer.give(Work::Manifest(Box::new(manifest)));
        }
    }

    fn note(&mut self, written: Written) -> Option<i64> {
        match written {
            Written::Control(file) => self.round.as_mut()?.control_written(file),
            Written::Blocks(entries) => self.round.as_mut()?.written(entries),
            Written::Manifest(manifest, bytes) => {
                self.meter.checkpointed(self.begun.elapsed(), bytes);
                self.round = None;
                self.manifest_given = false;
                self.published = manifest.p0;
                self.written = manifest
                    .blocks
                    .into_iter()
                    .map(|entry| (entry.block, entry))
                    .collect();
                return Some(manifest.p0);
            }
        }
        None
    }
}

/// How long after its start a task begins its first round: the partitions take turns. The rounds of all of them at once
/// held up the log's own writes by a quarter of a second, on the disk that they share.
fn turn(partition: u32, every: Duration) -> Duration {
    every * (partition % BGP_UPDATES.partitions + 1) / BGP_UPDATES.partitions
}

/// Why a whole round could not be completed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RollingError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the thread that writes checkpoints has ended")]
    WriterEnded,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_take_turns_and_none_waits_longer_than_a_round() {
        let every = Duration::from_secs(16);
        let turns: Vec<_> = (0..BGP_UPDATES.partitions)
            .map(|partition| turn(partition, every).as_secs())
            .collect();
        assert_eq!(turns, [2, 4, 6, 8, 10, 12, 14, 16]);
    }
}
