//! What a person at a terminal sees: a bar while files are read, one line when something failed.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

/// Why `weir` could not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The input or the settings are unusable: exit code 2.
    Unusable(String),
    /// Something broke on the way: exit code 1.
    Broken(String),
}

impl Failure {
    /// What the shell gets.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Unusable(_) => 2,
            Self::Broken(_) => 1,
        }
    }

    /// The same, of `whom`.
    pub(crate) fn of(self, whom: &str) -> Self {
        match self {
            Self::Unusable(text) => Self::Unusable(format!("{whom}: {text}")),
            Self::Broken(text) => Self::Broken(format!("{whom}: {text}")),
        }
    }

    /// An error and its causes, in one line.
    pub(crate) fn broken(error: impl std::error::Error) -> Self {
        Self::Broken(causes(&error))
    }

    /// The same for input that cannot be used.
    pub(crate) fn unusable(error: impl std::error::Error) -> Self {
        Self::Unusable(causes(&error))
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// One clear line on standard error.
pub(crate) fn complain(failure: &Failure) {
    let (Failure::Unusable(text) | Failure::Broken(text)) = failure;
    let _ = writeln!(io::stderr(), "weir: {text}");
}

/// One line on standard output; a reader that has gone is not an error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// A bar over the input's bytes on a terminal, nothing in a pipe.
pub(crate) fn bar(bytes: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(bytes);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:32} {bytes}/{total_bytes} {elapsed} (left {eta}) {msg}")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
