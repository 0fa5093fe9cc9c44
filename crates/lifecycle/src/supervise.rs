//! Keeps one part of a process at work: starts it, watches it, starts it again, and drains it.

use std::time::{Duration, Instant};

use crate::{HealthFlag, Stop, retry::Backoff};

/// What a supervisor watches. Every service is one.
pub trait Part: Sized {
    /// Why it cannot go on; it is stopped and started again.
    fn failure(&self) -> Option<String>;

    /// Why it does nothing for now, and what to do about that; it goes on by itself.
    fn waiting(&self) -> Option<String>;

    /// It has done all that there was to do.
    fn is_done(&self) -> bool {
        false
    }

    /// Finishes what is in hand within the deadline.
    ///
    /// # Errors
    /// What was not finished, and when it will be.
    fn stop(self, deadline: Duration) -> Result<(), String>;
}

/// Why a part did not start, in one line with the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotStarted {
    /// Nothing but a person can help: the settings are wrong, an engine refuses us.
    Fatal(String),
    /// Time may help: an engine is away.
    Later(String),
}

impl NotStarted {
    /// From an error and whether time may help.
    #[must_use]
    pub fn of(error: &(dyn std::error::Error + 'static), may_heal: bool) -> Self {
        let text = crate::causes(error);
        if may_heal {
            Self::Later(text)
        } else {
            Self::Fatal(text)
        }
    }
}

/// How patient a supervisor is.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// First wait before a part is started again; doubles.
    pub first: Duration,
    /// Longest wait.
    pub longest: Duration,
    /// After as much health the first wait is used again.
    pub healthy: Duration,
    /// For a part to finish what is in hand when the process is told to stop.
    pub drain: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
            healthy: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

/// Between two looks at a part.
const LOOK: Duration = Duration::from_millis(100);

/// For a part that has failed to let go of what it holds.
const LET_GO: Duration = Duration::from_secs(1);

/// Runs a part until `stop` is set or the part is done. `flag` tells whether it works, and why not.
///
/// # Errors
/// When it can never start: the reason, for a person. Only before it has run once; what was good at
/// the start and is refused later (a password that was changed) is tried again, slowly.
pub fn supervise<P: Part>(
    flag: &HealthFlag,
    stop: &Stop,
    patience: &Patience,
    mut start: impl FnMut() -> Result<P, NotStarted>,
) -> Result<(), String> {
    let mut backoff = Backoff::new(patience.first, patience.longest);
    let mut has_run = false;
    let mut told = None;
    while !stop.is_set() {
        let reason = match start() {
            Ok(part) => {
                has_run = true;
                told = None;
                let since = Instant::now();
                match watch(part, flag, stop, patience) {
                    Some(failure) => {
                        if since.elapsed() >= patience.healthy {
                            backoff.reset();
                        }
                        failure
                    }
                    None => return Ok(()),
                }
            }
            Err(NotStarted::Fatal(reason)) if !has_run => return Err(reason),
            Err(NotStarted::Fatal(reason) | NotStarted::Later(reason)) => reason,
        };
        flag.not_ready(&reason);
        let wait = backoff.wait();
        if told.as_ref() != Some(&reason) {
            tracing::warn!(
                part = flag.name(),
                reason,
                "not at work; it is started again and again"
            );
            metrics::counter!("weir_part_restarts_total", "part" => flag.name().to_owned())
                .increment(1);
            told = Some(reason);
        }
        let _stopped = stop.wait(wait);
    }
    Ok(())
}

/// Until it fails (why), or it is done or told to stop (`None`).
fn watch<P: Part>(part: P, flag: &HealthFlag, stop: &Stop, patience: &Patience) -> Option<String> {
    loop {
        if let Some(failure) = part.failure() {
            flag.not_ready(&failure);
            // What it could not finish is repeated from the checkpoint.
            let _ = part.stop(LET_GO);
            return Some(failure);
        }
        if part.is_done() {
            break;
        }
        match part.waiting() {
            Some(reason) => flag.not_ready(reason),
            None => flag.ready(),
        }
        if stop.wait(LOOK) {
            break;
        }
    }
    flag.not_ready("stopping");
    let since = Instant::now();
    match part.stop(patience.drain) {
        Ok(()) => tracing::info!(
            part = flag.name(),
            duration_ms = since.elapsed().as_millis(),
            "drained"
        ),
        Err(reason) => tracing::warn!(part = flag.name(), reason, "not drained"),
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;
    use crate::Health;

    const QUICK: Patience = Patience {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(2),
        healthy: Duration::from_secs(60),
        drain: Duration::from_secs(1),
    };

    /// Says what it was told to, and notes what was done to it.
    struct Scripted {
        failure: Option<&'static str>,
        done: bool,
        notes: Rc<RefCell<Vec<&'static str>>>,
    }

    impl Part for Scripted {
        fn failure(&self) -> Option<String> {
            self.failure.map(str::to_owned)
        }

        fn waiting(&self) -> Option<String> {
            None
        }

        fn is_done(&self) -> bool {
            self.done
        }

        fn stop(self, _: Duration) -> Result<(), String> {
            self.notes.borrow_mut().push("stopped");
            Ok(())
        }
    }

    fn run(
        script: &[Result<(Option<&'static str>, bool), NotStarted>],
    ) -> (Result<(), String>, usize) {
        let (health, stop) = (Health::new(), Stop::new());
        let flag = health.register("part");
        let notes = Rc::new(RefCell::new(Vec::new()));
        let mut turns = script.iter();
        let outcome = supervise(&flag, &stop, &QUICK, || {
            let turn = turns.next().cloned().unwrap_or(Ok((None, true)));
            turn.map(|(failure, done)| Scripted {
                failure,
                done,
                notes: Rc::clone(&notes),
            })
        });
        let stops = notes.borrow().len();
        (outcome, stops)
    }

    #[test]
    fn a_part_that_fails_is_stopped_and_started_again_until_it_is_done() {
        assert_eq!(
            run(&[
                Err(NotStarted::Later("away".to_owned())),
                Ok((Some("lost"), false)),
                Err(NotStarted::Fatal("wrong password".to_owned())),
                Ok((None, true)),
            ]),
            (Ok(()), 2)
        );
    }

    #[test]
    fn what_can_never_start_ends_the_process_with_its_reason() {
        let fatal = NotStarted::Fatal("no such table".to_owned());
        assert_eq!(run(&[Err(fatal)]), (Err("no such table".to_owned()), 0));
    }

    #[test]
    fn a_stop_drains_the_part_and_ends_the_wait_for_an_engine() {
        let (health, stop) = (Health::new(), Stop::new());
        let flag = health.register("part");
        let notes = Rc::new(RefCell::new(Vec::new()));
        stop.set();
        let outcome = supervise(&flag, &stop, &QUICK, || {
            Ok(Scripted {
                failure: None,
                done: false,
                notes: Rc::clone(&notes),
            })
        });
        assert_eq!(outcome, Ok(()));
        assert!(notes.borrow().is_empty(), "not even started");
    }
}
