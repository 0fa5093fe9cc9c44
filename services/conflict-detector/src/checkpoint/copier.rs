//! The thread that copies published checkpoints away, so that neither judging nor the disk waits for
//! a network. It works on the newest only; one that fails is tried again until there is a newer one.

use std::{
    collections::HashSet,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use weir_lifecycle::crash_point;

use super::{copies::Copies, folder::Folder, manifest::Manifest};

/// Between two tries, the first time and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

#[derive(Debug, Default)]
struct State {
    /// The newest that nobody works on yet.
    waiting: Option<Manifest>,
    /// The one that is being copied.
    under_way: Option<Manifest>,
    /// The last try failed.
    failing: bool,
    ended: bool,
}

/// One per task; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Copier {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Copier {
    /// Starts the thread: from the checkpoints in `local` to `copies`.
    pub(crate) fn start(local: Folder, copies: Copies) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let of_thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("checkpoint-copy".to_owned())
            .spawn(move || of_thread.run(&local, &copies))?;
        Ok(Self { shared })
    }

    /// A manifest was published here.
    pub(crate) fn give(&self, manifest: &Manifest) {
        self.shared.state.lock().waiting = Some(manifest.clone());
        self.shared.changed.notify_all();
    }

    /// Shards that must stay on the disk until they are copied.
    pub(crate) fn needed(&self) -> HashSet<String> {
        let state = self.shared.state.lock();
        let manifests = state.waiting.iter().chain(&state.under_way);
        manifests
            .flat_map(|manifest| manifest.files().map(|entry| entry.file.clone()))
            .collect()
    }

    /// Waits until the newest has been copied, or cannot be, but not longer than `within`. True when
    /// nothing is left to copy.
    pub(crate) fn finish(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        let mut state = self.shared.state.lock();
        while (state.waiting.is_some() && !state.failing) || state.under_way.is_some() {
            if self
                .shared
                .changed
                .wait_until(&mut state, until)
                .timed_out()
            {
                break;
            }
        }
        state.waiting.is_none() && state.under_way.is_none()
    }
}

impl Drop for Copier {
    /// Not waited for: it may stand before an endpoint that does not answer.
    fn drop(&mut self) {
        self.shared.state.lock().ended = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn run(&self, local: &Folder, copies: &Copies) {
        let mut known = None;
        let mut again = AGAIN.0;
        while let Some(manifest) = self.next() {
            let copied = match &mut known {
                Some(known) => copies.copy(local, &manifest, known),
                none => copies
                    .known()
                    .map_err(Into::into)
                    .and_then(|found| copies.copy(local, &manifest, none.insert(found))),
            };
            let mut state = self.state.lock();
            state.under_way = None;
            match copied {
                Ok(()) => {
                    metrics::counter!("weir_checkpoint_copies_total", "service" => "conflict-detector")
                        .increment(1);
                    if std::mem::take(&mut state.failing) {
                        tracing::info!(p0 = manifest.p0, "checkpoints are copied again");
                    }
                    again = AGAIN.0;
                    drop(state);
                    crash_point("checkpoint.copied");
                }
                Err(error) => {
                    // What is there may have changed meanwhile.
                    known = None;
                    metrics::counter!("weir_checkpoint_copy_failures_total", "service" => "conflict-detector")
                        .increment(1);
                    if !std::mem::replace(&mut state.failing, true) {
                        tracing::warn!(p0 = manifest.p0, %error, "a checkpoint was not copied; the one on this machine goes on");
                    }
                    state.waiting.get_or_insert(manifest);
                    self.changed.notify_all();
                    if !state.ended {
                        self.changed.wait_for(&mut state, again);
                    }
                    again = (again * 2).min(AGAIN.1);
                }
            }
            self.changed.notify_all();
        }
    }

    /// Waits for the next; `None` at the end.
    fn next(&self) -> Option<Manifest> {
        let mut state = self.state.lock();
        loop {
            if state.ended {
                return None;
            }
            if let Some(manifest) = state.waiting.take() {
                state.under_way = Some(manifest.clone());
                return Some(manifest);
            }
            self.changed.wait(&mut state);
        }
    }
}
