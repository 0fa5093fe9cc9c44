//! One rolling round: the control shard and its links first, then each dirty block in turn, then the manifest.
//!
//! Pure bookkeeping: which block comes next, what has been written, and whether the manifest may
//! be published yet. The task copies, another thread writes (docs/detector.md 16, 17).

use std::collections::{BTreeMap, VecDeque};

use weir_eventlog::Ticket;
use weir_events::topics::Block;

use super::manifest::{BlockEntry, FORMAT, FileEntry, Manifest, Remembered};

/// A round on its way.
pub(crate) struct Round {
    number: u64,
    p0: i64,
    before_p0: Option<Remembered>,
    before_last: Option<Remembered>,
    control: Option<FileEntry>,
    /// Dirty at P0 and not copied yet.
    pending: VecDeque<Block>,
    /// Copies that are being written.
    in_writing: usize,
    /// Every block and every page of links; clean ones restamped with P0.
    blocks: BTreeMap<u32, BlockEntry>,
    /// Effects up to here rest on what was copied.
    needs: Ticket,
}

impl Round {
    /// Begins at `p0`, with the copy of the control shard. `clean` are the blocks and pages that have not changed
    /// since their file was written: they are restamped, not rewritten.
    pub(crate) fn begin(
        number: u64,
        p0: i64,
        before_p0: Option<Remembered>,
        dirty: Vec<Block>,
        clean: impl Iterator<Item = BlockEntry>,
        published: Ticket,
    ) -> Self {
        Self {
            number,
            p0,
            before_last: before_p0.clone(),
            before_p0,
            control: None,
            pending: dirty.into(),
            in_writing: 1,
            blocks: clean
                .map(|entry| (entry.block, BlockEntry { pb: p0, ..entry }))
                .collect(),
            needs: published,
        }
    }

    /// The block to copy next, if any is left.
    pub(crate) fn next_block(&mut self) -> Option<Block> {
        self.pending.pop_front()
    }

    /// True while blocks are left to copy.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Pages of links were copied together with the control shard, all at once.
    pub(crate) fn links_copied(&mut self) {
        self.in_writing += 1;
    }

    /// A block was copied at `pb`, after the record `last`; effects up to `published` rest on it.
    pub(crate) fn copied(&mut self, last: Option<Remembered>, published: Ticket) {
        self.in_writing += 1;
        if last.is_some() {
            self.before_last = last;
        }
        self.needs = self.needs.max(published);
    }

    /// The control shard is on disk.
    pub(crate) fn control_written(&mut self, file: FileEntry) {
        self.in_writing -= 1;
        self.control = Some(file);
    }

    /// What was copied at once, a block or pages of links, is on disk.
    pub(crate) fn written(&mut self, entries: Vec<BlockEntry>) {
        self.in_writing -= 1;
        let by_number = entries.into_iter().map(|entry| (entry.block, entry));
        self.blocks.extend(by_number);
    }

    /// True when nothing is left to copy or to write.
    pub(crate) fn is_written(&self) -> bool {
        self.pending.is_empty() && self.in_writing == 0
    }

    /// What must be acknowledged before the manifest may be published.
    pub(crate) fn needs(&self) -> Ticket {
        self.needs
    }

    /// The manifest, once every shard is written and every effect below its greatest position is
    /// acknowledged: a manifest before its acknowledgements would lose effects in a crash.
    pub(crate) fn manifest(
        &self,
        acknowledged: Ticket,
        partition: u32,
        topic_epoch: u32,
    ) -> Option<Manifest> {
        if !self.is_written() || acknowledged < self.needs {
            return None;
        }
        Some(Manifest {
            format: FORMAT,
            partition,
            topic_epoch,
            round: self.number,
            p0: self.p0,
            control: self.control.clone()?,
            blocks: self.blocks.values().cloned().collect(),
            before_p0: self.before_p0.clone(),
            before_last: self.before_last.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> FileEntry {
        FileEntry {
            file: name.into(),
            checksum: 1,
        }
    }

    fn entry(block: u32, pb: i64) -> BlockEntry {
        BlockEntry {
            block,
            pb,
            file: file(&format!("block-{block}")),
        }
    }

    #[test]
    fn no_manifest_before_every_effect_below_it_is_acknowledged() {
        let mut round = Round::begin(
            1,
            100,
            None,
            vec![Block::from_id(5)],
            std::iter::empty(),
            Ticket(10),
        );
        round.control_written(file("control"));
        assert!(!round.is_written());
        assert_eq!(round.next_block(), Some(Block::from_id(5)));
        round.copied(None, Ticket(17));
        round.written(vec![entry(5, 140)]);
        assert!(round.is_written());

        assert_eq!(round.manifest(Ticket(16), 0, 1), None);
        let manifest = round.manifest(Ticket(17), 0, 1).unwrap();
        assert_eq!((manifest.p0, manifest.last_position()), (100, 140));
    }

    #[test]
    fn clean_blocks_are_restamped_and_not_rewritten() {
        let mut round = Round::begin(2, 100, None, vec![], [entry(7, 40)].into_iter(), Ticket(0));
        round.control_written(file("control"));
        let manifest = round.manifest(Ticket(0), 0, 1).unwrap();
        assert_eq!(manifest.blocks, [entry(7, 100)]);
    }

    #[test]
    fn no_manifest_before_the_links_are_on_disk() {
        let (page, other) = (1 << 30, (1 << 30) + 1);
        let clean = [entry(other, 40)].into_iter();
        let mut round = Round::begin(3, 100, None, vec![], clean, Ticket(0));
        round.links_copied();
        round.control_written(file("control"));
        assert_eq!(round.manifest(Ticket(0), 0, 1), None);
        round.written(vec![entry(page, 100)]);
        let manifest = round.manifest(Ticket(0), 0, 1).unwrap();
        assert_eq!(manifest.blocks, [entry(page, 100), entry(other, 100)]);
        assert_eq!(manifest.last_position(), 100);
    }
}
