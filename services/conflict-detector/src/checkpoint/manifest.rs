//! What one checkpoint consists of.

use serde::{Deserialize, Serialize};
use weir_events::{position::WriterSeq, v1};

/// Raised when a shard or the manifest changes so that older ones cannot be read.
pub(crate) const FORMAT: u32 = 1;

/// One consistent checkpoint of one task. Written as JSON: a person may have to read it at night.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// `FORMAT` at the time of writing.
    pub(crate) format: u32,
    /// Partition of `bgp-updates`.
    pub(crate) partition: u32,
    /// Life of the topic that the offsets belong to.
    pub(crate) topic_epoch: u32,
    /// Counts the rounds of this task.
    pub(crate) round: u64,
    /// Next offset of the control shard; the log is read from here.
    pub(crate) p0: i64,
    /// The control shard.
    pub(crate) control: FileEntry,
    /// Every block, each with its own next offset >= `p0`, and every page of links, at `p0`.
    pub(crate) blocks: Vec<BlockEntry>,
    /// The record before `p0`, to recognise the log again.
    pub(crate) before_p0: Option<Remembered>,
    /// The record before the greatest block position.
    pub(crate) before_last: Option<Remembered>,
}

/// A shard file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    /// Name in the folder of shards: derived from the content.
    pub(crate) file: String,
    /// CRC-32C of the content.
    pub(crate) checksum: u32,
}

/// A block, or a page of links, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockEntry {
    /// `Block::id`; of a page the number that it is filed under, which no block has.
    pub(crate) block: u32,
    /// Next offset of this block: it ignores records below. A page stands at `p0`.
    pub(crate) pb: i64,
    /// Its content.
    #[serde(flatten)]
    pub(crate) file: FileEntry,
}

/// Enough of one record to tell whether a log is the one that the checkpoint was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    pub(crate) offset: i64,
    pub(crate) collector: String,
    pub(crate) writer_epoch: u64,
    pub(crate) seq: u64,
}

impl Remembered {
    /// Remembers the record at `offset`.
    pub(crate) fn new(offset: i64, record: &v1::BgpUpdate) -> Self {
        Self {
            offset,
            collector: record.collector.clone(),
            writer_epoch: record.writer_epoch,
            seq: record.seq,
        }
    }

    /// True when `record` is the one that was remembered.
    pub(crate) fn is(&self, record: &v1::BgpUpdate) -> bool {
        let seq = WriterSeq {
            writer_epoch: record.writer_epoch,
            seq: record.seq,
        };
        self.collector == record.collector
            && seq
                == WriterSeq {
                    writer_epoch: self.writer_epoch,
                    seq: self.seq,
                }
    }
}

impl Manifest {
    /// The greatest offset that any shard has seen: every effect below it must be acknowledged
    /// before this manifest is published.
    pub(crate) fn last_position(&self) -> i64 {
        self.blocks
            .iter()
            .map(|block| block.pb)
            .fold(self.p0, i64::max)
    }

    /// Every file that this manifest needs.
    pub(crate) fn files(&self) -> impl Iterator<Item = &FileEntry> {
        std::iter::once(&self.control).chain(self.blocks.iter().map(|block| &block.file))
    }
}
