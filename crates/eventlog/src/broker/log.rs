//! The log of one partition: segments in order, where it starts, who produced to it.
//!
//! It is used under the partition's own lock. Offsets below `start` are gone for good, whether
//! retention or DeleteRecords took them. Times are milliseconds since the Unix epoch.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
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
    #[error("{0}")]
    Broken(#[from] Broken),
}

/// An fsync of this log failed. The system may then have dropped what it could not write, and a
/// second fsync would report success all the same: so the log takes nothing more, and every sync
/// errs, until the broker is started again and has read what is really there.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the log in {dir} could not be made durable ({cause}); start the broker again when the disk is sound"
)]
pub(crate) struct Broken {
    dir: String,
    cause: String,
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        Self::other(broken)
    }
}

/// What one fsync has to cover; it runs outside of the log's lock.
#[derive(Debug)]
pub(crate) struct Unsynced {
    file: Arc<File>,
    base: i64,
    size: u64,
    /// Folders whose entries are not yet durable.
    folders: Vec<PathBuf>,
}

impl Unsynced {
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        for folder in &self.folders {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
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
    broken: Option<Broken>,
    /// The folders above have been made durable by this run.
    listed: bool,
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
            broken: None,
            listed: false,
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
        if let Some(broken) = &self.broken {
            return Err(broken.clone().into());
        }
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
        if self.active.is_dirty() {
            let synced = self.active.file.sync_data();
            self.note_sync(self.active.base, self.active.size, synced)?;
        }
        let mut snapshot = Writer::default();
        self.producers.encode(&mut snapshot);
        let snapshot = snapshot.into_bytes();
        let mut file = crc32c::crc32c(&snapshot).to_be_bytes().to_vec();
        file.extend_from_slice(&snapshot);
        let mut beside = File::create(producers_path(&self.dir, base))?;
        beside.write_all(&file)?;
        beside.sync_data()?;
        let next = Segment::create(&self.dir, base)?;
        // From here on the next segment is the last: what went on in this one would be cut on open.
        let named = File::open(&self.dir).and_then(|dir| dir.sync_all());
        self.note_sync(self.active.base, self.active.size, named)?;
        self.closed
            .push_back(std::mem::replace(&mut self.active, next));
        self.recent.clear();
        Ok(())
    }

    /// Bytes from the batch of `offset` to the end; `None` where only the files know, which is farther back than
    /// anybody who reads is while waiting for more.
    pub(crate) fn unread(&self, offset: i64) -> Option<u64> {
        if offset >= self.end() {
            return Some(0);
        }
        Some(self.active.size - self.recent_position(offset)?)
    }

    /// Where the batch of `offset` is in the active segment, if it is among its last.
    fn recent_position(&self, offset: i64) -> Option<u64> {
        let at = self.recent.partition_point(|(base, _)| *base <= offset);
        let (_, position) = self.recent.get(at.checked_sub(1)?)?;
        Some(*position)
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
        let near = self.recent_position(offset);
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

    /// What is not yet durable, if anything; to be synced, and told to [`Log::note_sync`].
    pub(crate) fn unsynced(&self) -> Result<Option<Unsynced>, Broken> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        // A partition's folder stands in its topic's, and that in the folder of all topics.
        let folders = if self.listed { 0 } else { 3 };
        Ok(self.active.is_dirty().then(|| Unsynced {
            file: Arc::clone(&self.active.file),
            base: self.active.base,
            size: self.active.size,
            folders: self
                .dir
                .ancestors()
                .take(folders)
                .map(Path::to_owned)
                .collect(),
        }))
    }

    /// How the sync of what [`Log::unsynced`] gave went.
    pub(crate) fn synced(&mut self, what: &Unsynced, result: io::Result<()>) -> Result<(), Broken> {
        self.note_sync(what.base, what.size, result)?;
        self.listed = true;
        Ok(())
    }

    fn note_sync(&mut self, base: i64, size: u64, result: io::Result<()>) -> Result<(), Broken> {
        if let Err(error) = result {
            let broken = Broken {
                dir: self.dir.display().to_string(),
                cause: error.to_string(),
            };
            tracing::error!(dir = broken.dir, %error, "an fsync failed: the partition takes nothing more");
            self.broken = Some(broken);
        } else if base == self.active.base {
            self.active.mark_durable(size);
        }
        self.broken.clone().map_or(Ok(()), Err)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::trial::{NOBODY, TIME, batch};

    fn append(log: &mut Log) -> Result<i64, AppendError> {
        let mut bytes = batch(NOBODY, TIME, &[b"record"]);
        let header = batch::check_produced(&bytes).unwrap();
        log.append(&header, &mut bytes)
    }

    fn sync(log: &mut Log) -> Result<(), Broken> {
        let Some(unsynced) = log.unsynced()? else {
            return Ok(());
        };
        log.synced(&unsynced, unsynced.sync())
    }

    #[test]
    fn a_failed_fsync_is_told_by_every_later_sync_and_stops_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("topics/t/0");
        let mut log = Log::open(&dir, 0, 1 << 20).unwrap();
        append(&mut log).unwrap();
        sync(&mut log).unwrap();
        append(&mut log).unwrap();
        // Nobody can fsync this one: EINVAL.
        let sound = std::mem::replace(
            &mut log.active.file,
            Arc::new(File::open("/dev/null").unwrap()),
        );
        sync(&mut log).unwrap_err();
        log.active.file = sound;
        sync(&mut log).unwrap_err();
        assert!(matches!(append(&mut log), Err(AppendError::Broken(_))));
        drop(log);

        let mut log = Log::open(&dir, 0, 1 << 20).unwrap();
        assert!(log.unsynced().unwrap().is_some(), "not taken for durable");
        sync(&mut log).unwrap();
        assert_eq!(append(&mut log).unwrap(), 2);
    }

    #[test]
    fn a_sync_covers_what_was_there_when_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(&folder.path().join("topics/t/0"), 0, 1 << 20).unwrap();
        append(&mut log).unwrap();
        let first = log.unsynced().unwrap().unwrap();
        append(&mut log).unwrap();
        log.synced(&first, first.sync()).unwrap();
        assert!(
            log.unsynced().unwrap().is_some(),
            "the second is not durable"
        );
        sync(&mut log).unwrap();
        assert!(log.unsynced().unwrap().is_none());
    }

    #[test]
    fn a_failed_fsync_at_the_end_of_a_segment_stops_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(&folder.path().join("topics/t/0"), 0, 1).unwrap();
        append(&mut log).unwrap();
        log.active.file = Arc::new(File::open("/dev/null").unwrap());
        assert!(matches!(append(&mut log), Err(AppendError::Storage(_))));
        assert!(matches!(append(&mut log), Err(AppendError::Broken(_))));
        log.unsynced().unwrap_err();
    }
}
