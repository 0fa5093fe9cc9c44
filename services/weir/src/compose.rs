//! The whole house for one stream, started from the log up and stopped the other way round
//! (docs/detector.md 21): broker, stores, consumers, serving, then ingest. Holds no logic of its own.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use weir_eventlog::{
    EventLog, admin,
    broker::{Broker, BrokerConfig, BrokerError},
    status::StatusBoard,
};
use weir_events::position::TopicEpoch;
use weir_lifecycle::{health::Health, telemetry::Telemetry};
use weir_metric_store::MetricStore;
use weir_offline_store::OfflineStore;
use weir_online_store::OnlineStore;
use weir_record_store::{BlockingRecordStore, RecordStore};
use weir_routing::Bogons;

use crate::{progress::Failure, settings::Settings, stream::Stream};

/// Longest that a part may take to drain.
const DRAIN: Duration = Duration::from_secs(10);

/// The same once a part has failed: what is not done by then may never be (a full disk), and the
/// next start repeats it from the checkpoints.
const DRAIN_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Between two looks at a part that is starting.
const LOOK: Duration = Duration::from_millis(5);

/// Everything that runs for one stream.
pub(crate) struct House {
    pub(crate) log: EventLog,
    pub(crate) stores: Stores,
    pub(crate) detector: weir_conflict_detector::Running,
    pub(crate) materializer: weir_feature_materializer::Running,
    pub(crate) aggregator: weir_metrics_aggregator::Running,
    pub(crate) serving: Option<weir_serving_api::Running>,
    pub(crate) ingest: weir_ingest::Running,
    broker: Broker,
    dir: PathBuf,
}

/// Where results are kept, below the stream's folder.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) records: BlockingRecordStore,
    pub(crate) online: OnlineStore,
    pub(crate) metrics: MetricStore,
    history: OfflineStore,
}

/// What a house needs to know besides its settings.
pub(crate) struct Site {
    pub(crate) stream: Stream,
    pub(crate) epoch: TopicEpoch,
    /// The list of bogons, unless the settings name one.
    pub(crate) bogons: Bogons,
    pub(crate) broker: SocketAddr,
    /// Serve the page and the API, at the address in the settings.
    pub(crate) serve: bool,
    pub(crate) telemetry: Telemetry,
    pub(crate) health: Health,
}

impl Stores {
    /// Opens, or makes, the stores of `stream`.
    pub(crate) fn open(stream: &Stream) -> Result<Self, Failure> {
        let at = |name: &str| stream.dir.join(name).display().to_string();
        Ok(Self {
            records: RecordStore::blocking(&format!("sqlite://{}", at("incidents.db")))
                .map_err(Failure::broken)?,
            online: OnlineStore::open(&format!("file://{}", at("online.redb")))
                .map_err(Failure::broken)?,
            metrics: MetricStore::open(&format!("file://{}", at("metrics.redb")))
                .map_err(Failure::broken)?,
            history: OfflineStore::open(&format!("file://{}", at("history")))
                .map_err(Failure::broken)?,
        })
    }
}

/// Starts the house of a stream.
pub(crate) fn open(site: &Site, settings: &Settings) -> Result<House, Failure> {
    let dir = &site.stream.dir;
    let broker = Broker::start(BrokerConfig {
        listen: site.broker,
        dir: dir.join("log"),
        ..BrokerConfig::default()
    })
    .map_err(not_started)?;
    let log = EventLog::embedded(broker.clone());
    admin::ensure_topics(&log, site.epoch).map_err(Failure::broken)?;
    let stores = Stores::open(&site.stream)?;

    let (stream, synthetic) = (site.stream.id.clone(), site.stream.synthetic);
    let detector = weir_conflict_detector::start(
        &settings.conflict_detector,
        weir_conflict_detector::Parts {
            log: log.clone(),
            records: stores.records.clone(),
            checkpoints: dir.join("checkpoints"),
            bogons: site.bogons.clone(),
            stream: stream.clone(),
            synthetic,
        },
    )
    .map_err(Failure::broken)?;
    let materializer = weir_feature_materializer::start(
        &settings.feature_materializer,
        &log,
        weir_feature_materializer::Place {
            state: dir.join("materializer"),
            online: stores.online.clone(),
            history: stores.history.clone(),
            instance: "0".to_owned(),
            stream: stream.clone(),
            synthetic,
        },
    )
    .map_err(Failure::broken)?;
    let mut windows = settings.metrics_aggregator.clone();
    windows.state = dir.join("aggregator");
    windows.metric_store = dir.join("metrics.redb").display().to_string();
    windows.stream = stream.clone();
    windows.synthetic = synthetic;
    let aggregator = weir_metrics_aggregator::start(&windows, &log).map_err(Failure::broken)?;
    let reading = site.health.register("ingest");
    let serving = site
        .serve
        .then(|| serve(site, settings, &log, &stores))
        .transpose()?;

    wait_until_reading(&detector)?;
    let mut ingest = settings.ingest.clone();
    ingest.stream = stream;
    ingest.synthetic = synthetic;
    let ingest = weir_ingest::start(ingest, &log, dir).map_err(|error| match error {
        weir_ingest::StartError::Input(input) => Failure::unusable(input),
        other => Failure::broken(other),
    })?;
    reading.ready();
    Ok(House {
        log,
        stores,
        detector,
        materializer,
        aggregator,
        serving,
        ingest,
        broker,
        dir: dir.clone(),
    })
}

/// Why there is no broker, with the flag that helps.
fn not_started(error: BrokerError) -> Failure {
    match error {
        BrokerError::AddressTaken { address } => Failure::Broken(format!(
            "{address} is taken by another program: stop it (`ss -ltnp` names it), or give the embedded broker \
             another address with --broker"
        )),
        BrokerError::Locked { dir, holder } => Failure::Broken(format!(
            "{} is in use by {holder}: stop it, or choose another folder with --data",
            dir.display()
        )),
        other => Failure::broken(other),
    }
}

/// Ingest starts behind restored consumers, so that its first records do not wait for them. A task
/// that cannot be restored says why.
fn wait_until_reading(detector: &weir_conflict_detector::Running) -> Result<(), Failure> {
    while !detector.is_reading() {
        if let Some(failure) = detector.failure() {
            return Err(Failure::Broken(format!("conflict-detector: {failure}")));
        }
        std::thread::park_timeout(LOOK);
    }
    Ok(())
}

fn serve(
    site: &Site,
    settings: &Settings,
    log: &EventLog,
    stores: &Stores,
) -> Result<weir_serving_api::Running, Failure> {
    let served = weir_serving_api::Stores {
        records: stores.records.store().clone(),
        online: stores.online.clone(),
        metrics: stores.metrics.clone(),
        views: weir_feature_materializer::views::all(),
    };
    weir_serving_api::start(
        &settings.serving_api,
        log,
        served,
        &site.health,
        &site.telemetry,
    )
    .map_err(Failure::broken)
}

impl House {
    /// The first failure of any part, and in which folder.
    pub(crate) fn failure(&self) -> Option<String> {
        let named =
            |name: &str, failure: Option<String>| failure.map(|text| format!("{name}: {text}"));
        named("ingest", self.ingest.failure())
            .or_else(|| named("conflict-detector", self.detector.failure()))
            .or_else(|| named("feature-materializer", self.materializer.failure()))
            .or_else(|| named("metrics-aggregator", self.aggregator.failure()))
            .or_else(|| {
                named(
                    "serving-api",
                    self.serving
                        .as_ref()
                        .and_then(weir_serving_api::Running::failure),
                )
            })
            .map(|text| {
                let dir = self.dir.display().to_string();
                if text.contains(&dir) {
                    text
                } else {
                    format!("{text} (in {dir})")
                }
            })
    }

    /// The boards of every stage that counts elements.
    pub(crate) fn boards(&self) -> impl Iterator<Item = &StatusBoard> {
        [
            self.ingest.status(),
            self.detector.status(),
            self.materializer.status(),
            self.aggregator.status(),
            self.aggregator.origin_status(),
        ]
        .into_iter()
    }

    /// Ingest stops and flushes; consumers finish the batch in hand and checkpoint (a backlog stays
    /// in the log); serving; the broker. The first failure is told, the rest is stopped all the same.
    pub(crate) fn close(self) -> Result<(), Failure> {
        let drain = if self.failure().is_some() {
            DRAIN_AFTER_FAILURE
        } else {
            DRAIN
        };
        let mut outcome = Ok(());
        let mut note = |result: Result<(), Failure>| {
            if outcome.is_ok() {
                outcome = result;
            }
        };
        note(self.ingest.stop(drain).map_err(Failure::broken));
        note(self.detector.stop(drain).map_err(Failure::broken));
        note(self.materializer.stop(drain).map_err(Failure::broken));
        note(self.aggregator.stop(drain).map_err(Failure::broken));
        if let Some(serving) = self.serving {
            note(serving.stop(drain).map_err(Failure::broken));
        }
        self.stores.records.close();
        self.log.disconnect();
        self.broker.stop();
        outcome
    }
}
