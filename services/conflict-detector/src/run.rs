//! Starts the instances of both stages of the detector and the incident writer, and stops them in order.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use weir_eventlog::{
    DeadLetters, EventLog, LogError, Publisher, PublisherOptions, Subscriber, Ticket,
    status::{Reporter, StatusBoard},
};
use weir_events::topics::{BGP_SIGNALS, BGP_UPDATES};
use weir_lifecycle::{Health, Outlet};
use weir_objects::Objects;
use weir_record_store::BlockingRecordStore;
use weir_routing::Bogons;

use crate::{
    Config, ConfigError, Latency, Lookups, correlator,
    library::Library,
    store,
    task::{self, GROUP, Shared},
    updates,
};

/// Incidents on their way to the log before a task waits.
const MAX_IN_FLIGHT: usize = 10_000;

/// What the detector is given by who composes it.
pub struct Parts {
    /// The log.
    pub log: EventLog,
    /// Where incidents are kept.
    pub records: BlockingRecordStore,
    /// Folder of the checkpoints.
    pub checkpoints: PathBuf,
    /// Where copies of them go, for processes on other machines; none = nowhere.
    pub copies: Option<Objects>,
    /// Where ingest keeps the contents of knowledge that the log names.
    pub knowledge: weir_objects::Config,
    /// The list to use when the configuration names none.
    pub bogons: Bogons,
    /// Identity of the stream, for status.
    pub stream: String,
    /// True when the stream is made up.
    pub synthetic: bool,
    /// Name of this process, for status.
    pub instance: String,
    /// Where the incident writer says whether its store answers.
    pub health: Health,
    /// Where questions for what it knows right now are taken.
    pub lookups: Lookups,
}

/// Why the detector did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings are unusable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log is not there.
    #[error(transparent)]
    Log(#[from] LogError),
    /// No histogram of latencies can be made.
    #[error("cannot make the histogram of latencies")]
    Latency(#[from] hdrhistogram::CreationError),
}

/// A running detector with its incident writer.
pub struct Running {
    instances: Vec<Subscriber>,
    /// The instances of the second stage.
    correlators: Vec<Subscriber>,
    /// The publishers of the instances, and the first record of each.
    connecting: Vec<(Publisher, Ticket)>,
    writer: Subscriber,
    /// Absent when no update is kept.
    updates: Option<Subscriber>,
    /// Of the first stage, and of the second.
    boards: [StatusBoard; 2],
    latency: Latency,
    /// Tasks of each stage that read.
    reading: [Arc<AtomicU32>; 2],
    _reporters: [Reporter; 2],
}

/// Starts `config.instances` members of the group of each stage, and the incident writer.
///
/// # Errors
/// When a setting is unusable or the log does not answer.
pub fn start(config: &Config, parts: Parts) -> Result<Running, StartError> {
    let bogons = config.bogons(parts.bogons)?;
    let board = |stage| StatusBoard::new(stage, &parts.instance, &parts.stream, parts.synthetic);
    let boards = [board("conflict-detector"), board("conflict-correlator")];
    let Lookups { desk, address } = parts.lookups;
    if let Some(address) = address {
        let answering = desk.clone();
        boards[0].lookups(address, move || answering.partitions());
    }
    let latency = Latency::new()?;
    let reading: [Arc<AtomicU32>; 2] = Default::default();
    let library = Library::at(parts.knowledge, &parts.stream, &parts.checkpoints);
    let plain = Publisher::connect(&parts.log, PublisherOptions::default())?;
    let keeps = config.updates.choice(parts.records.store().is_server())?;
    let outlet = Outlet::new("update-writer", parts.health.register("update-writer"));
    let updates = keeps
        .map(|choice| {
            let log = parts.log.unhurried();
            updates::start(&log, parts.records.clone(), choice, outlet)
        })
        .transpose()?;
    let outlet = Outlet::new("record-store", parts.health.register("record-store"));
    let writer = store::start(&parts.log, parts.records, plain.clone(), outlet)?;
    let mut connecting = Vec::new();
    let copies = parts.copies.map(|all| all.of_stream(&parts.stream));
    let publisher = Publisher::connect(&parts.log, PublisherOptions::default())?;
    connecting.push((publisher.clone(), boards[1].publish(&publisher)?));
    let outlets = correlator::Outlets {
        config: config.clone(),
        checkpoints: parts.checkpoints.clone(),
        copies: copies.clone(),
        log: parts.log.clone(),
        dead_letters: DeadLetters::new(publisher.clone(), "conflict-detector"),
        publisher,
        board: boards[1].clone(),
        reading: Arc::clone(&reading[1]),
    };
    let correlators = (0..config.instances.max(1))
        .map(|_| {
            let outlets = outlets.clone();
            Subscriber::start(
                &parts.log,
                correlator::GROUP,
                BGP_SIGNALS,
                move |assignment| correlator::run(assignment, &outlets),
            )
        })
        .collect::<Result<_, LogError>>()?;
    let instances = (0..config.instances.max(1))
        .map(|_| {
            let delivered = latency.clone();
            let publisher = Publisher::connect(
                &parts.log,
                PublisherOptions {
                    max_in_flight: MAX_IN_FLIGHT,
                    on_delivery: Some(Arc::new(move |received| delivered.delivered(received))),
                },
            )?;
            connecting.push((publisher.clone(), boards[0].publish(&publisher)?));
            let shared = Shared {
                config: config.clone(),
                bogons: bogons.clone(),
                library: library.clone(),
                checkpoints: parts.checkpoints.clone(),
                copies: copies.clone(),
                log: parts.log.clone(),
                publisher,
                dead_letters: DeadLetters::new(plain.clone(), "conflict-detector"),
                board: boards[0].clone(),
                desk: desk.clone(),
                reading: Arc::clone(&reading[0]),
            };
            Subscriber::start(&parts.log, GROUP, BGP_UPDATES, move |assignment| {
                task::run(assignment, &shared)
            })
        })
        .collect::<Result<_, LogError>>()?;
    Ok(Running {
        instances,
        correlators,
        connecting,
        writer,
        updates,
        _reporters: [boards[0].report(&parts.log)?, boards[1].report(&parts.log)?],
        boards,
        latency,
        reading,
    })
}

impl Running {
    /// Finishes the batch in hand, publishes a checkpoint, then lets the second stage and the writers finish; all of it
    /// within `deadline`.
    ///
    /// # Errors
    /// When a task failed, or did not end in time; the next start repeats what was not checkpointed.
    pub fn stop(self, deadline: Duration) -> Result<(), LogError> {
        let until = Instant::now() + deadline;
        let mut outcome = Ok(());
        let writers = self.updates.into_iter().chain([self.writer]);
        let stages = self.instances.into_iter().chain(self.correlators);
        for subscriber in stages.chain(writers) {
            let stopped = subscriber.stop(until.saturating_duration_since(Instant::now()));
            outcome = outcome.and(stopped);
        }
        outcome
    }

    /// What the detector knows of itself.
    #[must_use]
    pub fn status(&self) -> &StatusBoard {
        &self.boards[0]
    }

    /// Board of the second stage, over `bgp-signals`, named `conflict-correlator`.
    #[must_use]
    pub fn correlator_status(&self) -> &StatusBoard {
        &self.boards[1]
    }

    /// True once every partition, of either stage, has a task that stands where its checkpoint left it and reads, and
    /// what it finds can leave: what is written from now on is judged at once.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        let wanted = [BGP_UPDATES.partitions, BGP_SIGNALS.partitions];
        let mut stages = self.reading.iter().zip(wanted);
        stages.all(|(reading, wanted)| reading.load(Ordering::Relaxed) >= wanted)
            && self
                .connecting
                .iter()
                .all(|(publisher, first)| publisher.acknowledged() >= *first)
    }

    /// From received bytes to delivery report.
    #[must_use]
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// The first failure of a task.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.subscribers().find_map(Subscriber::failure)
    }

    /// Why nothing is read for now.
    #[must_use]
    pub fn waiting(&self) -> Option<String> {
        self.subscribers().find_map(Subscriber::waiting)
    }

    /// In the order of the flow.
    fn subscribers(&self) -> impl Iterator<Item = &Subscriber> {
        let stages = self.instances.iter().chain(&self.correlators);
        stages.chain([&self.writer]).chain(&self.updates)
    }
}
