//! The real engines that tests run against: found, started, or skipped in so many words.
//!
//! [`engine`] takes an engine's address from the environment (`WEIR_ENGINE_<NAME>`, further facts as
//! `WEIR_ENGINE_<NAME>_<KEY>`). Where there is none, `WEIR_ENGINES` says what may be started: `auto` (Docker
//! compose where Docker answers, else natively), `docker` or `native`; unset = nothing, and the test says what
//! it skips. `make test` sets it. [`own_engine`] is for tests that kill their engine.

mod compose;
mod native;
mod origin;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use native::Native;

/// What is known of an engine: `URL` and whatever else it needs, by key.
pub(crate) type Facts = BTreeMap<String, String>;

/// One engine that answers.
#[derive(Clone, Debug)]
pub struct Engine {
    name: String,
    facts: Facts,
    native: Option<Arc<Native>>,
}

impl Engine {
    /// Its address, in the form that our own configuration takes.
    ///
    /// # Panics
    /// When the engine was announced without one.
    #[must_use]
    #[expect(clippy::panic, reason = "a test cannot go on without it")]
    pub fn url(&self) -> &str {
        self.get("URL")
            .unwrap_or_else(|| panic!("{} has no URL", self.name))
    }

    /// Another fact: `PASSWORD`, `CA`, ...
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.facts.get(key).map(String::as_str)
    }

    /// Can it be killed and paused? Only where `deploy/native` started it.
    #[must_use]
    pub fn can_fault(&self) -> bool {
        self.native.is_some()
    }

    /// Kills its only (or first) node with SIGKILL; returns when the process has gone.
    ///
    /// # Panics
    /// As all faults: where the engine cannot be faulted, or the script fails.
    pub fn kill(&self) {
        self.kill_node(1);
    }

    /// Starts the first node again on its data and ports; returns when it answers.
    pub fn start(&self) {
        self.start_node(1);
    }

    /// Stops the first node in its tracks (SIGSTOP); its connections stay open.
    pub fn pause(&self) {
        self.pause_node(1);
    }

    /// Lets the first node go on (SIGCONT).
    pub fn resume(&self) {
        self.resume_node(1);
    }

    /// As [`kill`](Self::kill), for node `node`, counted from 1.
    pub fn kill_node(&self, node: u32) {
        self.fault("kill", node);
    }

    /// As [`start`](Self::start), for node `node`.
    pub fn start_node(&self, node: u32) {
        self.fault("start", node);
    }

    /// As [`pause`](Self::pause), for node `node`.
    pub fn pause_node(&self, node: u32) {
        self.fault("pause", node);
    }

    /// As [`resume`](Self::resume), for node `node`.
    pub fn resume_node(&self, node: u32) {
        self.fault("resume", node);
    }

    #[expect(
        clippy::panic,
        reason = "a fault test without its fault proves nothing"
    )]
    fn fault(&self, what: &str, node: u32) {
        let Some(native) = &self.native else {
            panic!("{} was not started natively: no {what}", self.name)
        };
        if let Err(reason) = native.run(&[what, &self.name, &node.to_string()]) {
            panic!("{what} {} {node}: {reason}", self.name)
        }
    }
}

/// The engine called `name`, shared with other tests; `None` = it cannot run here, which was said.
///
/// # Panics
/// When `WEIR_REQUIRE_ENGINES` names it (or says `all`) and it cannot run here.
#[must_use]
pub fn engine(name: &str) -> Option<Engine> {
    type Found = Arc<OnceLock<Result<Engine, String>>>;
    static ASKED: OnceLock<Mutex<HashMap<String, Found>>> = OnceLock::new();

    // One start for all threads that ask for it; different engines start side by side.
    let found = ASKED
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(name.to_owned())
        .or_default()
        .clone();
    or_skip(name, found.get_or_init(|| origin::shared(name)).clone())
}

/// An engine called `name` for the caller alone, to be killed and paused at will: natively, on ports and data of
/// its own. It stops, and its data goes, when the last clone is dropped or the process ends, however it ends.
///
/// # Panics
/// As [`engine`].
#[must_use]
pub fn own_engine(name: &str) -> Option<Engine> {
    or_skip(name, origin::own(name))
}

/// Past the test harness, which hides what a passing test prints.
fn say_once(name: &str, reason: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.insert(name.to_owned()) {
        let _ = writeln!(io::stderr(), "skipped: no {name}: {reason}");
    }
}

#[expect(
    clippy::panic,
    reason = "a required engine that is missing fails the test"
)]
fn or_skip(name: &str, found: Result<Engine, String>) -> Option<Engine> {
    match found {
        Ok(engine) => Some(engine),
        Err(reason) if origin::required(name) => panic!("the engine {name} is required: {reason}"),
        Err(reason) => {
            say_once(name, &reason);
            None
        }
    }
}
