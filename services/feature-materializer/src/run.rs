//! Start and stop: one materializer and its two sinks, each with a group of its own.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use weir_eventlog::{
    DeadLetters, EventLog, LogError, Publisher, PublisherOptions, Subscriber,
    status::{Reporter, StatusBoard},
};
use weir_events::topics::{BGP_MESSAGES, FEATURE_ROWS};
use weir_lifecycle::{Health, Outlet};
use weir_objects::Objects;
use weir_offline_store::OfflineStore;
use weir_online_store::{OnlineStore, OnlineStoreError};

use crate::{
    config::Config,
    history::{HistoryWriter, LedgerError},
    online::OnlineWriter,
    task::Materializer,
    views,
};

/// Consumer group of the materializer.
pub const GROUP: &str = "weir-feature-materializer";
/// Consumer group of the online writer.
pub const ONLINE_GROUP: &str = "weir-feature-online-writer";
/// Consumer group of the history writer.
pub const HISTORY_GROUP: &str = "weir-feature-history-writer";

/// Where the service keeps things, and under which name it reports.
#[derive(Clone)]
pub struct Place {
    /// Folder of the tasks' state: a redb file for each partition, and the history's ledger.
    pub state: PathBuf,
    /// Where the latest rows go.
    pub online: OnlineStore,
    /// Where all rows go.
    pub history: OfflineStore,
    /// Name of this instance.
    pub instance: String,
    /// Name of the stream.
    pub stream: String,
    /// The stream is made up.
    pub synthetic: bool,
    /// Where copies of the state go, for processes on other machines; none = nowhere.
    pub copies: Option<Objects>,
    /// Where the two writers say whether their stores answer.
    pub health: Health,
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the feature materializer: {0}")]
pub struct StartError(#[from] pub LogError);

/// The service while it runs.
pub struct Running {
    subscribers: Vec<Subscriber>,
    boards: Vec<StatusBoard>,
    reporters: Vec<Reporter>,
}

/// Starts the materializer and its sinks.
///
/// # Errors
/// When the log does not answer.
pub fn start(config: &Config, log: &EventLog, place: Place) -> Result<Running, StartError> {
    let board =
        |service: &str| StatusBoard::new(service, &place.instance, &place.stream, place.synthetic);
    let boards =
        [GROUP, ONLINE_GROUP, HISTORY_GROUP].map(|group| board(group.trim_start_matches("weir-")));
    let [own, online, history] = boards.clone();

    let copies = place.copies.as_ref();
    let copies = copies.map(|all| all.of_stream(&place.stream));
    // One publisher each: a sink waits only for what it has put aside itself.
    let connect = || Publisher::connect(log, PublisherOptions::default());
    let publisher = connect()?;
    let materializer = Materializer {
        config: config.clone(),
        log: log.clone(),
        dead_letters: DeadLetters::new(publisher.clone(), GROUP),
        publisher,
        board: own,
        folder: place.state.clone(),
        copies: copies.clone(),
    };
    let publisher = connect()?;
    let online = OnlineWriter {
        config: config.clone(),
        store: place.online,
        outlet: Outlet::new("online-store", place.health.register("online-store")),
        dead_letters: DeadLetters::new(publisher.clone(), ONLINE_GROUP),
        publisher: publisher.clone(),
        board: online,
    };
    let history = HistoryWriter {
        config: config.clone(),
        views: views::all(),
        store: place.history,
        outlet: Outlet::new("offline-store", place.health.register("offline-store")),
        ledger: place.state.join("history.redb"),
        copies,
        dead_letters: DeadLetters::new(publisher.clone(), HISTORY_GROUP),
        publisher,
        board: history,
    };
    let reporters = boards
        .iter()
        .map(|board| board.report(log))
        .collect::<Result<_, _>>()?;
    let subscribers = vec![
        Subscriber::start(&log.unhurried(), GROUP, BGP_MESSAGES, move |assignment| {
            materializer.run(assignment)
        })?,
        Subscriber::start_sink(
            log,
            ONLINE_GROUP,
            FEATURE_ROWS,
            OnlineStoreError::is_overtaken,
            move |assignment| online.run(assignment),
        )?,
        Subscriber::start_sink(
            &log.unhurried(),
            HISTORY_GROUP,
            FEATURE_ROWS,
            |error: &LedgerError| matches!(error, LedgerError::Fenced { .. }),
            move |assignment| history.run(assignment),
        )?,
    ];
    Ok(Running {
        subscribers,
        boards: boards.into(),
        reporters,
    })
}

impl Running {
    /// Finishes what is in hand and gives every partition back, the materializer first; all of it
    /// within `deadline`.
    ///
    /// # Errors
    /// The first failure, once all three were told to stop.
    pub fn stop(self, deadline: Duration) -> Result<(), LogError> {
        let until = Instant::now() + deadline;
        let mut outcome = Ok(());
        for subscriber in self.subscribers {
            let stopped = subscriber.stop(until.saturating_duration_since(Instant::now()));
            outcome = outcome.and(stopped);
        }
        self.reporters.iter().for_each(Reporter::end);
        drop(self.reporters);
        outcome
    }

    /// How the materializer stands.
    #[must_use]
    pub fn status(&self) -> &StatusBoard {
        &self.boards[0]
    }

    /// How the materializer, the online writer and the history writer stand.
    #[must_use]
    pub fn statuses(&self) -> &[StatusBoard] {
        &self.boards
    }

    /// Why a task has given up, if one has.
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
