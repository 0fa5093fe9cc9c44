//! Between the socket, which never waits, and the publisher, which may have to.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Bytes of all frames in the queue; the other bound is their number.
const MOST_BYTES: usize = 64 << 20;

/// One text frame and when its bytes were there.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) received_us: i64,
    pub(super) text: Utf8Bytes,
}

/// What the publisher is told, in the order in which it happened.
#[derive(Debug)]
pub(super) enum Popped {
    Frame(Frame),
    Connected,
    Lost(String),
    /// So many frames were dropped since the last such word, and the queue has drained.
    Dropped(u64),
    /// Nothing came in time.
    Nothing,
}

pub(super) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    most_frames: usize,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Popped>,
    frames: usize,
    bytes: usize,
    dropped: u64,
}

impl Queue {
    pub(super) fn new(most_frames: usize) -> Self {
        Self {
            inner: Mutex::default(),
            changed: Condvar::new(),
            most_frames: most_frames.max(1),
        }
    }

    /// Never waits: a frame that does not fit is dropped and counted.
    pub(super) fn frame(&self, frame: Frame) {
        let mut inner = self.inner.lock();
        if inner.frames >= self.most_frames || inner.bytes + frame.text.len() > MOST_BYTES {
            inner.dropped += 1;
            return;
        }
        inner.frames += 1;
        inner.bytes += frame.text.len();
        inner.waiting.push_back(Popped::Frame(frame));
        drop(inner);
        self.changed.notify_one();
    }

    pub(super) fn connected(&self) {
        self.push(Popped::Connected);
    }

    pub(super) fn lost(&self, reason: String) {
        self.push(Popped::Lost(reason));
    }

    /// Words about the connection always fit: there are few, and none may be missed.
    fn push(&self, word: Popped) {
        self.inner.lock().waiting.push_back(word);
        self.changed.notify_one();
    }

    /// The next word, waiting for one at most so long.
    pub(super) fn pop(&self, wait: Duration) -> Popped {
        let deadline = Instant::now() + wait;
        let mut inner = self.inner.lock();
        loop {
            if let Some(word) = inner.waiting.pop_front() {
                if let Popped::Frame(frame) = &word {
                    inner.frames -= 1;
                    inner.bytes -= frame.text.len();
                }
                return word;
            }
            if inner.dropped > 0 {
                return Popped::Dropped(std::mem::take(&mut inner.dropped));
            }
            if self.changed.wait_until(&mut inner, deadline).timed_out() {
                return Popped::Nothing;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_and_told_once_the_queue_has_drained() {
        let queue = Queue::new(2);
        queue.connected();
        for _ in 0..5 {
            queue.frame(Frame {
                received_us: 0,
                text: "{}".into(),
            });
        }
        queue.lost("cut".to_owned());
        let pop = || queue.pop(Duration::ZERO);
        assert!(matches!(pop(), Popped::Connected));
        assert!(matches!(pop(), Popped::Frame(_)));
        assert!(matches!(pop(), Popped::Frame(_)));
        assert!(matches!(pop(), Popped::Lost(_)));
        assert!(matches!(pop(), Popped::Dropped(3)));
        assert!(matches!(pop(), Popped::Nothing));
    }
}
