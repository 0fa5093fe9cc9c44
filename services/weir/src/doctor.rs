//! `weir doctor`: asks every engine that the settings name, the folder of state and the ports, and says
//! what is wrong and what to do. Each check is bounded in time; one that fails does not stop the others.
//!
//! It changes nothing: tables stay as they are, and steps that are missing are told. Only object stores are written
//! to, by a probe that is removed again.

mod kafka;
mod machine;
mod objects;
mod registry;
mod stores;

use std::{
    fmt,
    io::{self, IsTerminal},
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;

use crate::{
    progress::{Failure, say},
    settings::Settings,
    site::SiteArguments,
};

/// Longest that one check may take; all run at the same time. More than engines are given to answer, so
/// that it is they who are told, with the cause.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    site: SiteArguments,
    /// One JSON object per check, one a line.
    #[arg(long)]
    json: bool,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// Works, but something should be done.
    Warn,
    Fail,
    /// Nothing to check: the engine is embedded or not configured.
    Skipped,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }

    /// As a terminal is told to show it.
    fn colour(self) -> &'static str {
        match self {
            Self::Ok => "32",
            Self::Warn => "33",
            Self::Fail => "31",
            Self::Skipped => "2",
        }
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    state: State,
    detail: String,
    /// What to do; empty = nothing.
    next: String,
}

impl Finding {
    fn ok(detail: impl Into<String>) -> Self {
        Self::new(State::Ok, detail, "")
    }

    fn skipped(detail: impl Into<String>) -> Self {
        Self::new(State::Skipped, detail, "")
    }

    fn warn(detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(State::Warn, detail, next)
    }

    fn fail(detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(State::Fail, detail, next)
    }

    /// From an error with its causes.
    fn failed(error: impl std::error::Error, next: &str) -> Self {
        let (Failure::Unusable(text) | Failure::Broken(text)) = Failure::broken(error);
        Self::fail(text, next)
    }

    fn new(state: State, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            state,
            detail: detail.into(),
            next: next.into(),
        }
    }
}

/// What every check may look at.
struct Site {
    settings: Settings,
    data: PathBuf,
}

/// Of whom, what, and how.
type Check = (&'static str, &'static str, fn(&Site) -> Finding);

/// Every check, in the order of the table.
const CHECKS: [Check; 14] = [
    ("kafka", "topics", kafka::topics),
    ("kafka", "retention", kafka::retention),
    ("kafka", "lag", kafka::lag),
    ("kafka", "dead-letters", kafka::dead_letters),
    ("schema_registry", "subjects", registry::subjects),
    ("schema_registry", "compatibility", registry::compatibility),
    ("record_store", "tables", stores::records),
    ("online_store", "server", stores::online),
    ("metric_store", "server", stores::metrics),
    ("offline_store", "probe", objects::offline),
    ("checkpoint_store", "probe", objects::checkpoints),
    ("machine", "disk", machine::disk),
    ("machine", "ports", machine::ports),
    ("machine", "admin-ports", machine::admin_ports),
];

/// One line of the table.
#[derive(Serialize)]
struct Line {
    component: &'static str,
    check: &'static str,
    state: State,
    detail: String,
    next_step: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut state = format!("{:8}", self.state.name());
        if io::stdout().is_terminal() {
            state = format!("\x1b[{}m{state}\x1b[0m", self.state.colour());
        }
        let (component, check) = (self.component, self.check);
        write!(f, "{component:17} {check:13} {state} {}", self.detail)?;
        if !self.next_step.is_empty() {
            write!(f, "\n{:40} next: {}", "", self.next_step)?;
        }
        Ok(())
    }
}

pub(crate) fn doctor(arguments: &DoctorArguments) -> Result<(), Failure> {
    let site = Arc::new(Site {
        settings: arguments.site.settings()?,
        data: arguments.site.data().to_owned(),
    });
    let lines = examine(&site);
    for line in &lines {
        if arguments.json {
            say(&serde_json::to_string(line).map_err(Failure::broken)?);
        } else {
            say(&line.to_string());
        }
    }
    match lines
        .iter()
        .filter(|line| line.state == State::Fail)
        .count()
    {
        0 => Ok(()),
        failed => Err(Failure::Broken(format!(
            "{failed} of {} checks failed",
            lines.len()
        ))),
    }
}

/// All checks at once; what has not answered in time is left behind.
fn examine(site: &Arc<Site>) -> Vec<Line> {
    let deadline = Instant::now() + PATIENCE;
    let running = CHECKS.map(|(component, check, run)| {
        let (answer, answers) = mpsc::channel();
        let site = Arc::clone(site);
        thread::spawn(move || answer.send(run(&site)));
        (component, check, answers)
    });
    let lines = running.map(|(component, check, answers)| {
        let left = deadline.saturating_duration_since(Instant::now());
        let finding = answers.recv_timeout(left).unwrap_or_else(|_| {
            Finding::fail(
                format!("no answer within {} s", PATIENCE.as_secs()),
                format!("see that it runs and that [{component}] names the right address"),
            )
        });
        Line {
            component,
            check,
            state: finding.state,
            detail: finding.detail.replace('\n', " "),
            next_step: finding.next,
        }
    });
    lines.into()
}
