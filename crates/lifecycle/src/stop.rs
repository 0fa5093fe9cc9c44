//! One request to stop, seen by plain threads and by async tasks alike.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use tokio::sync::Notify;

/// Set once, never cleared; cheap to clone, all clones are one.
#[derive(Clone, Default)]
pub struct Stop {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    set: Mutex<bool>,
    changed: Condvar,
    notify: Notify,
}

impl Stop {
    /// Not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// True once somebody asked to stop.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.inner.set.lock()
    }

    /// Asks to stop; wakes everybody who waits.
    pub fn set(&self) {
        *self.inner.set.lock() = true;
        self.inner.changed.notify_all();
        self.inner.notify.notify_waiters();
    }

    /// Waits for at most `wait`; true when it is set.
    #[must_use]
    pub fn wait(&self, wait: Duration) -> bool {
        let deadline = Instant::now().checked_add(wait);
        let mut set = self.inner.set.lock();
        while !*set {
            match deadline {
                None => self.inner.changed.wait(&mut set),
                Some(deadline) => {
                    if self
                        .inner
                        .changed
                        .wait_until(&mut set, deadline)
                        .timed_out()
                    {
                        break;
                    }
                }
            }
        }
        *set
    }

    /// Returns once it is set.
    pub async fn wait_async(&self) {
        loop {
            // Listening begins before the look, so that nothing is missed in between.
            let notified = self.inner.notify.notified();
            if self.is_set() {
                return;
            }
            notified.await;
        }
    }

    /// Sets it on the first SIGINT or SIGTERM; the second one ends the process at once with exit
    /// code 130.
    ///
    /// # Errors
    /// When the signals or the thread that waits for them cannot be had.
    pub fn on_signals(&self) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let stop = self.clone();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    if stop.is_set() {
                        tracing::warn!(signal, "stopped at once by a second signal");
                        std::process::exit(130);
                    }
                    tracing::info!(signal, "stopping; once more to stop at once");
                    stop.set();
                }
            })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_waiting_thread_and_a_waiting_task_are_woken() {
        let stop = Stop::new();
        assert!(!stop.wait(Duration::ZERO));
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || stop.wait(LONG)
        });
        let task = std::thread::spawn({
            let stop = stop.clone();
            move || {
                tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap()
                    .block_on(stop.wait_async());
            }
        });
        stop.set();
        assert!(thread.join().unwrap());
        task.join().unwrap();
        assert!(stop.is_set() && stop.wait(LONG));
    }
}
