//! The thread of a task, and how it has ended, in words.

use std::{sync::Arc, thread::JoinHandle};

use super::{
    TaskError,
    partition::{Phase, Signal},
    retakes::Overtaken,
};
use crate::LogError;

/// A task's thread.
pub(super) struct Running {
    pub(super) signal: Arc<Signal>,
    pub(super) thread: JoinHandle<Result<(), TaskError>>,
    /// Its end has been looked at.
    pub(super) failed: bool,
}

/// How it has ended.
pub(super) enum End {
    /// As it should, or nothing that matters any more.
    Quiet,
    /// Its partition is still ours, and is to be taken anew.
    Overtaken(TaskError),
    /// Why.
    Failed(String),
}

impl Running {
    /// Once the thread has ended. `early` = its partition is still ours.
    pub(super) fn end(self, early: bool) -> End {
        let phase = self.signal.phase();
        match self.thread.join() {
            Ok(Ok(())) if early => {
                End::Failed("it returned before its partition was revoked".to_owned())
            }
            Ok(Ok(())) => End::Quiet,
            // A restore that was interrupted is no failure.
            Ok(Err(error)) if phase != Phase::Ours && interrupted(&*error) => End::Quiet,
            Ok(Err(error)) if error.is::<Overtaken>() && early => End::Overtaken(error),
            // By who has the partition now.
            Ok(Err(error)) if error.is::<Overtaken>() => End::Quiet,
            Ok(Err(error)) => End::Failed(chain(&*error)),
            Err(panic) => End::Failed(format!("it panicked: {}", panic_text(&*panic))),
        }
    }
}

/// True when its partition was taken away while it asked for something.
fn interrupted(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if matches!(
            error.downcast_ref::<LogError>(),
            Some(LogError::Revoked { .. })
        ) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What a panic said.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}
