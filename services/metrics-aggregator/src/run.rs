//! Starts the two kinds of tasks and the window writer, and stops them in the order of the flow.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use weir_eventlog::{
    DeadLetters, EventLog, LogError, Publisher, PublisherOptions, Subscriber,
    status::{Reporter, StatusBoard},
};
use weir_events::topics::WINDOW_RESULTS;
use weir_lifecycle::{Health, Outlet};
use weir_metric_store::{MetricStore, MetricStoreError};
use weir_objects::Objects;

use crate::{
    Config, ORIGIN_GROUP, PEER_GROUP, WRITER_GROUP,
    fold::{PerOrigin, PerPeer, Stage},
    task::{self, Outlets},
    window_writer::WindowWriter,
};

/// What the aggregator is given by who composes it.
pub struct Parts {
    /// The log.
    pub log: EventLog,
    /// Where windows are kept.
    pub store: MetricStore,
    /// Folder of the tasks' state.
    pub state: PathBuf,
    /// Where copies of that state go, for processes on other machines; none = nowhere.
    pub copies: Option<Objects>,
    /// Identity of the stream, for status.
    pub stream: String,
    /// True when the stream is made up.
    pub synthetic: bool,
    /// Name of this process, for status.
    pub instance: String,
    /// Where the window writer says whether its store answers.
    pub health: Health,
}

/// The service, at work until it is stopped.
pub struct Running {
    /// In the order of the flow.
    subscribers: Vec<Subscriber>,
    boards: [StatusBoard; 2],
    store: MetricStore,
    reporters: Vec<Reporter>,
}

/// Starts the aggregator.
///
/// # Errors
/// When the log does not answer.
pub fn start(config: &Config, parts: Parts) -> Result<Running, LogError> {
    let Parts { log, store, .. } = parts;
    let publisher = Publisher::connect(&log, PublisherOptions::default())?;
    let dead_letters = DeadLetters::new(publisher.clone(), "metrics-aggregator");
    let board = |stage| StatusBoard::new(stage, &parts.instance, &parts.stream, parts.synthetic);
    let boards = [board("metrics-aggregator"), board("origin-aggregator")];
    let outlets = |board: &StatusBoard| Outlets {
        log: log.clone(),
        publisher: publisher.clone(),
        dead_letters: dead_letters.clone(),
        board: board.clone(),
        config: config.clone(),
        state: parts.state.clone(),
        copies: parts
            .copies
            .as_ref()
            .map(|all| all.of_stream(&parts.stream)),
    };
    let writer = {
        let writer = WindowWriter {
            store: store.clone(),
            publisher: publisher.clone(),
            dead_letters: dead_letters.clone(),
            outlet: Outlet::new("metric-store", parts.health.register("metric-store")),
        };
        let is_overtaken = MetricStoreError::is_overtaken;
        let task = move |assignment| writer.run(assignment);
        let log = log.unhurried();
        Subscriber::start_sink(&log, WRITER_GROUP, WINDOW_RESULTS, is_overtaken, task)?
    };
    let peers = tasks::<PerPeer>(&log, PEER_GROUP, outlets(&boards[0]))?;
    let origins = tasks::<PerOrigin>(&log, ORIGIN_GROUP, outlets(&boards[1]))?;
    let reporters = boards
        .iter()
        .map(|board| board.report(&log))
        .collect::<Result<_, _>>()?;
    Ok(Running {
        subscribers: vec![peers, origins, writer],
        boards,
        store,
        reporters,
    })
}

fn tasks<S: Stage>(log: &EventLog, group: &str, outlets: Outlets) -> Result<Subscriber, LogError> {
    Subscriber::start(&log.unhurried(), group, S::TOPIC, move |assignment| {
        task::run::<S>(assignment, &outlets)
    })
}

impl Running {
    /// Finishes what is in hand, checkpoints, and stops: tasks first, then the window writer.
    ///
    /// # Errors
    /// The first failure; the others are stopped all the same.
    pub fn stop(mut self, deadline: Duration) -> Result<(), LogError> {
        let until = Instant::now() + deadline;
        let mut outcome = Ok(());
        for subscriber in self.subscribers.drain(..) {
            let stopped = subscriber.stop(until.saturating_duration_since(Instant::now()));
            outcome = outcome.and(stopped);
        }
        self.reporters.iter().for_each(Reporter::end);
        self.reporters.clear();
        outcome
    }

    /// Board of the stage over `bgp-messages`.
    #[must_use]
    pub fn status(&self) -> &StatusBoard {
        &self.boards[0]
    }

    /// Board of the stage over `bgp-updates`, named `origin-aggregator`.
    #[must_use]
    pub fn origin_status(&self) -> &StatusBoard {
        &self.boards[1]
    }

    /// The store that the window writer fills, for reading.
    #[must_use]
    pub fn store(&self) -> &MetricStore {
        &self.store
    }

    /// Why a task has stopped, when one has.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.subscribers.iter().find_map(Subscriber::failure)
    }

    /// Why nothing is read for now.
    #[must_use]
    pub fn waiting(&self) -> Option<String> {
        self.subscribers.iter().find_map(Subscriber::waiting)
    }
}
