//! The log of one partition: segments in order, where it starts, who produced to it.
//!
//! It is used under the partition's own lock. Offsets below `start` are gone for good, whether
//! retention or DeleteRecords took them. Times are milliseconds since the Unix epoch.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::{self, Header};
use super::producers::{Producers, Sequence};
use super::segment::Segment;
use super::wire::{Reader, Writer};

/// Batches at the end whose place is remembered exactly: where consumers usually read.
const RECENT: usize = 256;

/// Where the bytes of a fetch are.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) file: Arc<File>,
    pub(crate) position: u64,
    /// What there is from `position` to the end of the segment, in bytes.
    pub(crate) available: u64,
    /// Size of the first batch: it is always sent whole.
    pub(crate) first: usize,
}

/// Why a batch was not appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    #[error("a batch before it is missing")]
    OutOfOrder,
    #[error("a newer producer with this id has taken over")]
    Fenced,
    #[error("cannot write the log: {0}")]
    Storage(#[from] io::Error),
}

/// One partition on disk.
#[derive(Debug)]
pub(crate) struct Log {
    dir: PathBuf,
    segment_bytes: u64,
    closed: VecDeque<Segment>,
    active: Segment,
    start: i64,
    producers: Producers,
    /// (base offset, position) of the last batches of the active segment.
    recent: VecDeque<(i64, u64)>,
}

impl Log {
    /// Opens or makes the log in `dir`, cutting a torn end.
    pub(crate) fn open(dir: &Path, start: i64, segment_bytes: u64) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut bases = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let name = entry?.file_name();
            let base = name.to_str().and_then(|name| name.strip_suffix(".log"));
            if let Some(base) = base.and_then(|base| base.parse::<i64>().ok()) {
                bases.push(base);
            }
        }
        bases.sort_unstable();
        let last = bases.pop();
        let mut closed = VecDeque::new();
        for base in bases {
            closed.push_back(Segment::open(dir, base, false, |_| {})?);
        }
        let mut producers = last.map_or_else(Producers::default, |last| load_producers(dir, last));
        let active = match last {
            Some(base) => Segment::open(dir, base, true, |header| producers.remember(header))?,
            None => Segment::create(dir, start)?,
        };
        let first = closed.front().map_or(active.base, |segment| segment.base);
        let start = start.clamp(first, active.next.max(first));
        Ok(Self {
            dir: dir.to_owned(),
            segment_bytes,
            closed,
            active,
            start,
            producers,
            recent: VecDeque::new(),
        })
    }

    /// The first offset that can be read.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// The offset that the next record gets.
    pub(crate) fn end(&self) -> i64 {
        self.active.next
    }

    /// Size on disk, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.closed.iter().map(|each| each.size).sum::<u64>() + self.active.size
    }

    /// Appends one checked batch verbatim and returns its base offset; a batch that is there
    /// already gets the offset that it has.
    pub(crate) fn append(&mut self, header: &Header, bytes: &mut [u8]) -> Result<i64, AppendError> {
        match self.producers.check(header) {
            Sequence::Next => {}
            Sequence::Duplicate(offset) => return Ok(offset),
            Sequence::OutOfOrder => return Err(AppendError::OutOfOrder),
            Sequence::Fenced => return Err(AppendError::Fenced),
        }
        if self.active.size > 0 && self.active.size + bytes.len() as u64 > self.segment_bytes {
            self.roll()?;
        }
        let base_offset = self.active.next;
        let mut placed = *header;
        placed.base_offset = base_offset;
        batch::place(bytes, base_offset);
        let position = self.active.size;
        self.active.append(&placed, bytes)?;
        self.producers.remember(&placed);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((base_offset, position));
        Ok(base_offset)
    }

    /// Closes the active segment and starts the next; what producers sent is kept beside it.
    fn roll(&mut self) -> io::Result<()> {
        let base = self.active.next;
        // Durable before it is closed: only the last segment may be torn.
        if let Some(file) = self.active.take_dirty() {
            file.sync_data()?;
        }
        let mut snapshot = Writer::default();
        self.producers.encode(&mut snapshot);
        let snapshot = snapshot.into_bytes();
        let mut file = crc32c::crc32c(&snapshot).to_be_bytes().to_vec();
        file.extend_from_slice(&snapshot);
        std::fs::write(producers_path(&self.dir, base), file)?;
        let next = Segment::create(&self.dir, base)?;
        File::open(&self.dir)?.sync_all()?;
        self.closed
            .push_back(std::mem::replace(&mut self.active, next));
        self.recent.clear();
        Ok(())
    }

    /// Where to read from `offset`; `None` at the end of the log. The caller has checked the range.
    pub(crate) fn slice(&self, offset: i64) -> io::Result<Option<Slice>> {
        if offset >= self.end() {
            return Ok(None);
        }
        let segment = if offset >= self.active.base {
            &self.active
        } else {
            let at = self
                .closed
                .partition_point(|segment| segment.next <= offset);
            self.closed.get(at).unwrap_or(&self.active)
        };
        let near = (offset >= self.active.base)
            .then(|| {
                let at = self.recent.partition_point(|(base, _)| *base <= offset);
                self.recent.get(at.checked_sub(1)?)
            })
            .flatten()
            .map(|(_, position)| *position);
        let found = segment.find_offset(offset, near)?;
        Ok(found.map(|(position, first)| Slice {
            file: Arc::clone(&segment.file),
            position,
            available: segment.size - position,
            first,
        }))
    }

    /// The first kept record at or after `timestamp`, as (offset, its timestamp).
    pub(crate) fn find_time(&self, timestamp: i64) -> io::Result<Option<(i64, i64)>> {
        for segment in self.closed.iter().chain([&self.active]) {
            if segment.next <= self.start {
                continue;
            }
            if let Some((offset, time)) = segment.find_time(timestamp)? {
                return Ok(Some((offset.max(self.start), time)));
            }
        }
        Ok(None)
    }

    /// Raises the start; whole segments below it are removed.
    pub(crate) fn delete_before(&mut self, offset: i64) -> io::Result<()> {
        self.start = self.start.max(offset.min(self.end()));
        while self
            .closed
            .front()
            .is_some_and(|segment| segment.next <= self.start)
        {
            if let Some(segment) = self.closed.pop_front() {
                segment.delete()?;
            }
        }
        Ok(())
    }

    /// The end of the oldest segments whose newest record is older than `horizon`, never beyond
    /// `floor`: what retention by time may delete. Rolls an active segment that is all too old.
    pub(crate) fn expired(&mut self, horizon: i64, floor: i64) -> io::Result<i64> {
        let active_old = self.active.size > 0 && self.active.max_timestamp < horizon;
        if active_old && self.active.next <= floor {
            self.roll()?;
        }
        let mut until = self.start;
        for segment in &self.closed {
            if segment.max_timestamp >= horizon || segment.next > floor {
                break;
            }
            until = until.max(segment.next);
        }
        Ok(until)
    }

    /// The oldest closed segment: (its newest timestamp, its end offset, its size).
    pub(crate) fn oldest(&self) -> Option<(i64, i64, u64)> {
        self.closed
            .front()
            .map(|segment| (segment.max_timestamp, segment.next, segment.size))
    }

    /// The file with what is not yet durable.
    pub(crate) fn take_dirty(&mut self) -> Option<Arc<File>> {
        self.active.take_dirty()
    }
}

fn producers_path(dir: &Path, base: i64) -> PathBuf {
    dir.join(super::segment::file_name(base))
        .with_extension("producers")
}

fn load_producers(dir: &Path, base: i64) -> Producers {
    let Ok(bytes) = std::fs::read(producers_path(dir, base)) else {
        return Producers::default();
    };
    let mut reader = Reader::new(&bytes);
    let Ok(crc) = reader.u32("crc") else {
        return Producers::default();
    };
    if crc32c::crc32c(bytes.get(4..).unwrap_or_default()) != crc {
        return Producers::default();
    }
    Producers::decode(&mut reader).unwrap_or_default()
}
