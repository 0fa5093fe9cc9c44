//! Stores progress beside the reading: waits for delivery, syncs the log, commits.

use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use weir_eventlog::{EventLog, LogError, Publisher, Ticket};
use weir_lifecycle::crash_point;

use super::{Progress, ProgressError, Store, ends};

/// How often a reader should offer its progress.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);
/// How long one look at the deliveries lasts, so that a stop is seen.
const LOOK: Duration = Duration::from_millis(200);

/// The thread that stores progress. Dropping it abandons what is not stored.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    slot: Mutex<Slot>,
    changed: Condvar,
}

#[derive(Default)]
struct Slot {
    /// Only the newest offer matters.
    offer: Option<(Progress, Ticket)>,
    busy: bool,
    stop: bool,
    failure: Option<String>,
}

impl Keeper {
    pub(crate) fn start(
        store: Store,
        log: EventLog,
        publisher: Publisher,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            slot: Mutex::default(),
            changed: Condvar::new(),
        });
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ingest-progress".to_owned())
            .spawn(move || own.run(&store, &log, &publisher))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Progress to be stored once everything up to `ticket` is delivered.
    pub(crate) fn offer(&self, progress: Progress, ticket: Ticket) {
        self.shared.slot.lock().offer = Some((progress, ticket));
        self.shared.changed.notify_all();
    }

    /// Why storing has failed, if it has.
    pub(crate) fn failure(&self) -> Option<String> {
        self.shared.slot.lock().failure.clone()
    }

    /// Waits until the last offer is stored; false when it failed or the deadline passed.
    pub(crate) fn settle(&self, deadline: Option<Instant>) -> bool {
        let mut slot = self.shared.slot.lock();
        while slot.failure.is_none() && (slot.busy || slot.offer.is_some()) {
            let Some(deadline) = deadline else {
                self.shared.changed.wait(&mut slot);
                continue;
            };
            if self
                .shared
                .changed
                .wait_until(&mut slot, deadline)
                .timed_out()
            {
                return false;
            }
        }
        slot.failure.is_none()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.slot.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the progress thread of ingest panicked");
        }
    }
}

impl Shared {
    fn run(&self, store: &Store, log: &EventLog, publisher: &Publisher) {
        loop {
            let (progress, ticket) = {
                let mut slot = self.slot.lock();
                slot.busy = false;
                self.changed.notify_all();
                loop {
                    if slot.stop || slot.failure.is_some() {
                        return;
                    }
                    if let Some(offer) = slot.offer.take() {
                        slot.busy = true;
                        break offer;
                    }
                    self.changed.wait(&mut slot);
                }
            };
            let stored = self.wait_for(publisher, ticket).and_then(|delivered| {
                if delivered {
                    self.keep(store, log, publisher, progress)
                } else {
                    Ok(())
                }
            });
            if let Err(error) = stored {
                self.slot.lock().failure = Some(error.to_string());
                self.changed.notify_all();
            }
        }
    }

    /// A log that is away for a while is waited for: nothing is lost meanwhile.
    fn keep(
        &self,
        store: &Store,
        log: &EventLog,
        publisher: &Publisher,
        mut progress: Progress,
    ) -> Result<(), ProgressError> {
        let mut told = false;
        log.sync().map_err(|error| ProgressError::Store {
            what: "stored, for the log cannot be synced",
            reason: error.to_string(),
        })?;
        loop {
            match ends(log) {
                Ok(ends) => {
                    progress.ends = ends;
                    break;
                }
                // Who stops and has no more time gives the publisher up.
                Err(error) if error.is_transient() && publisher.failure().is_none() => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%error, "progress is stored once the log answers");
                    }
                    let mut slot = self.slot.lock();
                    if slot.stop {
                        return Ok(());
                    }
                    self.changed.wait_for(&mut slot, LOOK);
                }
                Err(error) => return Err(error.into()),
            }
        }
        crash_point("ingest.progress.before");
        store.save(&progress)?;
        crash_point("ingest.progress.after");
        Ok(())
    }

    /// False when a stop came first.
    fn wait_for(&self, publisher: &Publisher, ticket: Ticket) -> Result<bool, ProgressError> {
        loop {
            match publisher.wait_for(ticket, LOOK) {
                Ok(()) => return Ok(true),
                Err(LogError::TimedOut { .. }) if self.slot.lock().stop => return Ok(false),
                Err(LogError::TimedOut { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
