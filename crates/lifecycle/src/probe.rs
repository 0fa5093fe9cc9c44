//! Asks an engine now and then whether it answers, for parts that would not notice by themselves.

use std::time::Duration;

use crate::{HealthFlag, Stop};

/// Between two questions while the engine answers, and while it does not.
const EVERY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(1));

/// Asks until it is dropped. A question that is under way then is left behind.
pub struct Probe {
    stop: Stop,
}

impl Probe {
    /// Puts what `ask` answers on `flag`; an error is the reason, with the next step.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        flag: HealthFlag,
        mut ask: impl FnMut() -> Result<(), String> + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Stop::new();
        let told = stop.clone();
        std::thread::Builder::new()
            .name(format!("{}-probe", flag.name()))
            .spawn(move || {
                let mut last = None;
                loop {
                    let answer = ask();
                    if told.is_set() {
                        return;
                    }
                    let reason = answer.err();
                    match &reason {
                        Some(reason) => flag.not_ready(reason),
                        None => flag.ready(),
                    }
                    if last.as_ref().is_some_and(|last| *last != reason)
                        || last.is_none() && reason.is_some()
                    {
                        match &reason {
                            Some(reason) => {
                                tracing::warn!(engine = flag.name(), reason, "does not answer")
                            }
                            None => tracing::info!(engine = flag.name(), "answers again"),
                        }
                    }
                    let pause = if reason.is_none() { EVERY.0 } else { EVERY.1 };
                    last = Some(reason);
                    if told.wait(pause) {
                        return;
                    }
                }
            })?;
        Ok(Self { stop })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.set();
    }
}
