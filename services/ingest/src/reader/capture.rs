//! Keeps the bytes of the MRT record that was read last, for the dead letters (RFC 6396, 2).

use std::{
    io::{self, Read},
    sync::Arc,
};

use parking_lot::Mutex;

/// Timestamp, type, subtype, length.
const HEADER: usize = 12;
/// A dead letter holds no more of a record.
pub(crate) const MOST: usize = 64 << 10;

/// The record that was read last.
#[derive(Clone, Default)]
pub(crate) struct Capture(Arc<Mutex<Framed>>);

#[derive(Default)]
struct Framed {
    /// Its first bytes, up to `MOST`.
    bytes: Vec<u8>,
    /// Bytes of it still to come; known once the header is there.
    remaining: Option<usize>,
}

impl Capture {
    /// A reader that hands on `inner` and keeps its last record here.
    pub(crate) fn reader<R: Read>(&self, inner: R) -> Captured<R> {
        Captured {
            inner,
            capture: self.clone(),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().bytes.clone()
    }
}

impl Framed {
    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.remaining == Some(0) {
                self.bytes.clear();
                self.remaining = None;
            }
            let wanted = self
                .remaining
                .unwrap_or_else(|| HEADER.saturating_sub(self.bytes.len()));
            let (now, later) = bytes.split_at(wanted.min(bytes.len()));
            let room = MOST.saturating_sub(self.bytes.len());
            self.bytes.extend_from_slice(&now[..now.len().min(room)]);
            bytes = later;
            match &mut self.remaining {
                Some(remaining) => *remaining -= now.len(),
                None if self.bytes.len() == HEADER => {
                    let length = self
                        .bytes
                        .last_chunk()
                        .map_or(0, |b| u32::from_be_bytes(*b));
                    self.remaining = usize::try_from(length).ok();
                }
                None => {}
            }
        }
    }
}

/// Feeds a [`Capture`].
pub(crate) struct Captured<R> {
    inner: R,
    capture: Capture,
}

impl<R: Read> Read for Captured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.capture
            .0
            .lock()
            .feed(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_record_is_kept_whatever_the_reads() {
        let record = |body: &[u8]| {
            let mut bytes = vec![1; 8];
            bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
            bytes.extend(body);
            bytes
        };
        let two = record(b"second");
        let all = [record(b"first"), record(b""), two.clone()].concat();
        for step in [1, 5, 12, 100] {
            let capture = Capture::default();
            let mut reader = capture.reader(all.as_slice());
            let mut buffer = vec![0; step];
            while reader.read(&mut buffer).unwrap() > 0 {}
            assert_eq!(capture.bytes(), two);
        }
    }

    #[test]
    fn a_long_record_is_cut() {
        let mut bytes = vec![0; 8];
        bytes.extend(200_000_u32.to_be_bytes());
        bytes.extend(vec![9; 200_000]);
        let capture = Capture::default();
        capture
            .reader(bytes.as_slice())
            .read_to_end(&mut Vec::new())
            .unwrap();
        assert_eq!(capture.bytes().len(), MOST);
    }
}
