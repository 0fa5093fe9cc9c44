//! The lines that wait for one client. It has an end: who lets it fill up loses what waits, gets one
//! last line that says so, and then nothing more.

use std::collections::VecDeque;

use axum::extract::ws::Utf8Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use weir_routing::ris_live::frame;

pub(super) struct Queue {
    most_frames: usize,
    most_bytes: usize,
    inner: Mutex<Inner>,
    /// One reader waits for it.
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Utf8Bytes>,
    bytes: usize,
    ended: bool,
}

/// What the reader of a queue finds.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Line(Utf8Bytes),
    /// Nothing now.
    Nothing,
    /// Nothing ever again.
    Ended,
}

impl Queue {
    pub(super) fn new(most_frames: usize, most_bytes: usize) -> Self {
        Self {
            most_frames: most_frames.max(1),
            most_bytes,
            inner: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Never waits. False when the line was not taken: the queue has ended, now or before.
    pub(super) fn push(&self, line: &Utf8Bytes) -> bool {
        let mut inner = self.inner.lock();
        if inner.ended {
            return false;
        }
        let frames = inner.waiting.len();
        let fits = frames < self.most_frames && inner.bytes + line.len() <= self.most_bytes;
        if fits {
            inner.bytes += line.len();
            inner.waiting.push_back(line.clone());
        } else {
            let bytes = inner.bytes;
            inner.waiting.clear();
            let why = format!(
                "too slow: {frames} frames of {bytes} bytes were waiting to be read and are \
                 dropped; read faster or subscribe to less"
            );
            inner.last(&frame::error(&why));
            closed("slow");
            tracing::warn!(frames, bytes, "a client of the RIS stream is too slow");
        }
        drop(inner);
        self.changed.notify_one();
        fits
    }

    /// This line behind what waits, then nothing more.
    pub(super) fn end(&self, line: &str) {
        let mut inner = self.inner.lock();
        if !inner.ended {
            inner.last(line);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// What is there now.
    pub(super) fn ready(&self) -> Next {
        let mut inner = self.inner.lock();
        match inner.waiting.pop_front() {
            Some(line) => {
                inner.bytes = inner.bytes.saturating_sub(line.len());
                Next::Line(line)
            }
            None if inner.ended => Next::Ended,
            None => Next::Nothing,
        }
    }

    /// The next line, waiting for it; `None` once the queue has ended.
    pub(super) async fn next(&self) -> Option<Utf8Bytes> {
        loop {
            match self.ready() {
                Next::Line(line) => return Some(line),
                Next::Ended => return None,
                // A push in between leaves a permit.
                Next::Nothing => self.changed.notified().await,
            }
        }
    }
}

impl Inner {
    fn last(&mut self, line: &str) {
        self.ended = true;
        self.bytes = 0;
        self.waiting.push_back(line.into());
    }
}

/// Counts a client that was cut off.
pub(super) fn closed(reason: &'static str) {
    metrics::counter!("weir_ris_closed_total", "reason" => reason).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(queue: &Queue) -> (Vec<String>, Next) {
        let mut lines = Vec::new();
        loop {
            match queue.ready() {
                Next::Line(line) => lines.push(line.to_string()),
                other => return (lines, other),
            }
        }
    }

    #[test]
    fn a_queue_that_is_full_says_so_and_ends() {
        for (frames, bytes) in [(2, 1000), (1000, 9)] {
            let queue = Queue::new(frames, bytes);
            for line in ["one\n", "two\n"] {
                assert!(queue.push(&line.into()));
            }
            for line in ["three\n", "four\n"] {
                assert!(!queue.push(&line.into()));
            }
            let (lines, end) = drained(&queue);
            let last = "{\"type\":\"ris_error\",\"data\":{\"message\":\"too slow: 2 frames of 8 bytes \
                were waiting to be read and are dropped; read faster or subscribe to less\"}}\n";
            assert_eq!((lines, end), (vec![last.to_owned()], Next::Ended));
        }
    }

    #[test]
    fn what_was_read_makes_room_and_an_end_comes_behind_what_waits() {
        let queue = Queue::new(1, 8);
        for line in ["one\n", "two\n", "three\n"] {
            assert!(queue.push(&line.into()));
            assert_eq!(drained(&queue), (vec![line.to_owned()], Next::Nothing));
        }
        assert!(queue.push(&"four\n".into()));
        queue.end("last\n");
        queue.end("never\n");
        assert!(!queue.push(&"never\n".into()));
        let lines = vec!["four\n".to_owned(), "last\n".to_owned()];
        assert_eq!(drained(&queue), (lines, Next::Ended));
    }
}
