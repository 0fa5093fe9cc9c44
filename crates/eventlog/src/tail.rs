//! Reads topics from now on, or from their beginning, outside of any group: for live pages.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use weir_events::topics::Topic;

use crate::{
    EventLog, LogError, RecordRef,
    kafka::tail::{TailReader, Waiting},
};

/// Where a tail begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// What is written after `Tail::start` has returned.
    End,
    /// Everything that the log still holds.
    Beginning,
}

/// A running reader; dropping it stops it.
pub struct Tail {
    stop: Arc<AtomicBool>,
    waiting: Waiting,
    thread: Option<JoinHandle<()>>,
}

impl Tail {
    /// Reads all partitions of `topics` on a thread of its own, which calls `on_record` for each
    /// record. The order within a partition is that of the log.
    ///
    /// # Errors
    /// When the ends of the log cannot be asked for or the client cannot be made.
    pub fn start(
        log: &EventLog,
        topics: &[Topic],
        from: From,
        mut on_record: impl FnMut(&'static str, RecordRef<'_>) + Send + 'static,
    ) -> Result<Self, LogError> {
        let reader = TailReader::connect(log, topics, from)?;
        let waiting = reader.waiting();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("weir-tail".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    reader.poll(&mut on_record);
                }
            })
            .map_err(|error| LogError::Thread {
                reason: error.to_string(),
            })?;
        Ok(Self {
            stop,
            waiting,
            thread: Some(thread),
        })
    }

    /// Why nothing is read, as the client last complained, until something is read again. It goes
    /// on by itself once it is over.
    #[must_use]
    pub fn waiting(&self) -> Option<String> {
        self.waiting.lock().clone()
    }

    /// Stops and waits for the record in hand.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Dropped by its own callback: the thread ends by itself.
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("the callback of a tail panicked");
            }
        }
    }
}
