//! One file of a partition's log: batches end to end, named by the first offset, with a sparse
//! index in memory (one entry per 64 KiB) that serves searches by offset and by time.
//!
//! The index is rebuilt from the batch headers on open. Only the last segment of a log can be torn,
//! so only there is every CRC checked.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::{self, HEADER, Header};

const INDEX_EVERY: u64 = 64 * 1024;
const CHUNK: usize = 64 * 1024;

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: i64,
    position: u64,
    /// Greatest timestamp of all batches before it in the segment, in milliseconds.
    max_before: i64,
}

/// A segment that is open for reading; the last one of a log also for writing.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: i64,
    pub(crate) next: i64,
    pub(crate) size: u64,
    /// Greatest timestamp in it, in milliseconds since the Unix epoch; -1 when empty.
    pub(crate) max_timestamp: i64,
    pub(crate) file: Arc<File>,
    path: PathBuf,
    index: Vec<Entry>,
    /// Bytes that an fsync has covered; what an earlier run wrote is not taken for durable.
    durable: u64,
}

/// The file name of a segment that starts at `base`.
pub(crate) fn file_name(base: i64) -> String {
    format!("{base:020}.log")
}

impl Segment {
    /// A new, empty segment.
    pub(crate) fn create(dir: &Path, base: i64) -> io::Result<Self> {
        let path = dir.join(file_name(base));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        Ok(Self {
            base,
            next: base,
            size: 0,
            max_timestamp: -1,
            file: Arc::new(file),
            path,
            index: Vec::new(),
            durable: 0,
        })
    }

    /// Opens what an earlier run wrote. With `last`, CRCs are checked, a torn end is cut off and
    /// `visit` sees every header.
    pub(crate) fn open(
        dir: &Path,
        base: i64,
        last: bool,
        mut visit: impl FnMut(&Header),
    ) -> io::Result<Self> {
        let path = dir.join(file_name(base));
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let mut segment = Self {
            base,
            next: base,
            size: 0,
            max_timestamp: -1,
            file: Arc::new(file),
            path,
            index: Vec::new(),
            durable: 0,
        };
        let file = Arc::clone(&segment.file);
        let mut scan = Scan::new(&file, 0, length);
        let mut whole = Vec::new();
        while let Some((position, header)) = scan.next()? {
            if header.base_offset != segment.next && (last || header.base_offset < segment.next) {
                break;
            }
            if last {
                whole.resize(header.size, 0);
                scan.file.read_exact_at(&mut whole, position)?;
                if !batch::crc_holds(&header, &whole) {
                    break;
                }
                visit(&header);
            }
            segment.note(&header);
        }
        if segment.size < length {
            if !last {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "{} is damaged at byte {}",
                        segment.path.display(),
                        segment.size
                    ),
                ));
            }
            tracing::warn!(
                file = %segment.path.display(),
                bytes = length - segment.size,
                "cut a torn end off the log"
            );
            segment.file.set_len(segment.size)?;
        }
        Ok(segment)
    }

    /// Takes a batch that stands at the end of the file into the books.
    fn note(&mut self, header: &Header) {
        let due = match self.index.last() {
            Some(entry) => self.size - entry.position >= INDEX_EVERY,
            None => true,
        };
        if due {
            self.index.push(Entry {
                offset: header.base_offset,
                position: self.size,
                max_before: self.max_timestamp,
            });
        }
        self.size += header.size as u64;
        self.next = header.next_offset();
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
    }

    /// Writes a batch at the end; on failure the segment is as it was.
    pub(crate) fn append(&mut self, header: &Header, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all_at(bytes, self.size) {
            // What was written of it is beyond `size`: never served, overwritten next, cut on open.
            let _ = self.file.set_len(self.size);
            return Err(error);
        }
        self.note(header);
        Ok(())
    }

    /// True while it holds bytes that no fsync has covered.
    pub(crate) fn is_dirty(&self) -> bool {
        self.durable < self.size
    }

    /// An fsync that began when the file had `size` bytes has succeeded.
    pub(crate) fn mark_durable(&mut self, size: u64) {
        self.durable = self.durable.max(size);
    }

    /// Where the batch starts that holds `offset`, and its size.
    pub(crate) fn find_offset(
        &self,
        offset: i64,
        from: Option<u64>,
    ) -> io::Result<Option<(u64, usize)>> {
        let entry = self
            .index
            .partition_point(|entry| entry.offset <= offset)
            .checked_sub(1)
            .and_then(|at| self.index.get(at));
        let position = from.unwrap_or_else(|| entry.map_or(0, |entry| entry.position));
        let mut scan = Scan::new(&self.file, position, self.size);
        while let Some((position, header)) = scan.next()? {
            if header.next_offset() > offset {
                return Ok(Some((position, header.size)));
            }
        }
        Ok(None)
    }

    /// The first record at or after `timestamp`, as (offset, its timestamp).
    pub(crate) fn find_time(&self, timestamp: i64) -> io::Result<Option<(i64, i64)>> {
        if self.max_timestamp < timestamp {
            return Ok(None);
        }
        let position = self
            .index
            .partition_point(|entry| entry.max_before < timestamp)
            .checked_sub(1)
            .and_then(|at| self.index.get(at))
            .map_or(0, |entry| entry.position);
        let mut scan = Scan::new(&self.file, position, self.size);
        while let Some((position, header)) = scan.next()? {
            if header.max_timestamp >= timestamp {
                let mut whole = vec![0; header.size];
                self.file.read_exact_at(&mut whole, position)?;
                return Ok(batch::find_time(&header, &whole, timestamp));
            }
        }
        Ok(None)
    }

    /// Removes the file; who still reads it keeps it until done.
    pub(crate) fn delete(self) -> io::Result<()> {
        let _ = std::fs::remove_file(self.path.with_extension("producers"));
        std::fs::remove_file(&self.path)
    }
}

/// Walks over batch headers through a buffer.
struct Scan<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    buffer: Vec<u8>,
    buffered_from: u64,
}

impl<'a> Scan<'a> {
    fn new(file: &'a File, position: u64, end: u64) -> Self {
        Self {
            file,
            position,
            end,
            buffer: Vec::new(),
            buffered_from: position,
        }
    }

    /// The next whole batch; `None` at the end or where the bytes stop making sense.
    fn next(&mut self) -> io::Result<Option<(u64, Header)>> {
        if self.end.saturating_sub(self.position) < HEADER as u64 {
            return Ok(None);
        }
        if !self.holds_header() {
            let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
            self.buffer.resize(left.min(CHUNK), 0);
            self.file.read_exact_at(&mut self.buffer, self.position)?;
            self.buffered_from = self.position;
        }
        let start = usize::try_from(self.position - self.buffered_from).unwrap_or(usize::MAX);
        let Ok(header) = Header::read(self.buffer.get(start..).unwrap_or_default()) else {
            return Ok(None);
        };
        if header.size as u64 > self.end - self.position {
            return Ok(None);
        }
        let position = self.position;
        self.position += header.size as u64;
        Ok(Some((position, header)))
    }

    fn holds_header(&self) -> bool {
        let buffered_to = self.buffered_from + self.buffer.len() as u64;
        self.position + HEADER as u64 <= buffered_to
    }
}
