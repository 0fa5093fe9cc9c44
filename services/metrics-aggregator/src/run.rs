//! Starts the two kinds of tasks and the window writer, and stops them in the order of the flow.

use std::time::{Duration, Instant};

use weir_eventlog::{
    DeadLetters, EventLog, LogError, Publisher, PublisherOptions, Subscriber,
    status::{Reporter, StatusBoard},
};
use weir_events::topics::WINDOW_RESULTS;
use weir_metric_store::{MetricStore, MetricStoreError};

use crate::{
    Config, ORIGIN_GROUP, PEER_GROUP, WRITER_GROUP,
    fold::{PerOrigin, PerPeer, Stage},
    task::{self, Outlets},
    window_writer,
};

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log does not answer, or refuses.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The metric store cannot be opened.
    #[error(transparent)]
    Store(#[from] MetricStoreError),
}

/// The service, at work until it is stopped.
pub struct Running {
    /// In the order of the flow.
    subscribers: Vec<Subscriber>,
    boards: [StatusBoard; 2],
    store: MetricStore,
    reporters: Vec<Reporter>,
}

/// Starts the aggregator on this log.
///
/// # Errors
/// When the log does not answer or the metric store cannot be opened.
pub fn start(config: &Config, log: &EventLog) -> Result<Running, StartError> {
    let store = MetricStore::open(&config.metric_store)?;
    let publisher = Publisher::connect(log, PublisherOptions::default())?;
    let dead_letters = DeadLetters::new(publisher.clone(), "metrics-aggregator");
    let board = |stage| StatusBoard::new(stage, &config.instance, &config.stream, config.synthetic);
    let boards = [board("metrics-aggregator"), board("origin-aggregator")];
    let outlets = |board: &StatusBoard| Outlets {
        log: log.clone(),
        publisher: publisher.clone(),
        dead_letters: dead_letters.clone(),
        board: board.clone(),
        config: config.clone(),
    };
    let writer = {
        let store = store.clone();
        let (publisher, dead_letters) = (publisher.clone(), dead_letters.clone());
        Subscriber::start(log, WRITER_GROUP, WINDOW_RESULTS, move |assignment| {
            window_writer::run(assignment, &store, &publisher, &dead_letters)
        })?
    };
    let peers = tasks::<PerPeer>(log, PEER_GROUP, outlets(&boards[0]))?;
    let origins = tasks::<PerOrigin>(log, ORIGIN_GROUP, outlets(&boards[1]))?;
    let reporters = boards
        .iter()
        .map(|board| board.report(log))
        .collect::<Result<_, _>>()?;
    Ok(Running {
        subscribers: vec![peers, origins, writer],
        boards,
        store,
        reporters,
    })
}

fn tasks<S: Stage>(log: &EventLog, group: &str, outlets: Outlets) -> Result<Subscriber, LogError> {
    Subscriber::start(log, group, S::TOPIC, move |assignment| {
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
}
