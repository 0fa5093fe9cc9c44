//! The whole house for one stream, started from the log up and stopped the other way round
//! (docs/detector.md 21): broker, stores, consumers, serving, then ingest. Holds no logic of its own.
//! What the settings name by URL is used; what they do not name is embedded, in the stream's folder.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

use weir_eventlog::{
    EventLog, admin,
    broker::{Broker, BrokerConfig, BrokerError},
    status::StatusBoard,
};
use weir_events::{position::TopicEpoch, topics};
use weir_lifecycle::{
    admin::AdminPort, health::Health, ports, telemetry::Telemetry, tokens::Token,
};
use weir_lookups::{Client, Desk, server};
use weir_metric_store::MetricStore;
use weir_objects::Objects;
use weir_offline_store::OfflineStore;
use weir_online_store::OnlineStore;
use weir_record_store::BlockingRecordStore;
use weir_routing::Bogons;

use crate::{progress::Failure, settings::Settings, stream::Stream};

/// Longest that all parts together may take to drain.
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
    /// Answers what serving asks the detector.
    _lookups: Option<AdminPort>,
    /// None when the log is a Kafka.
    broker: Option<Broker>,
    dir: PathBuf,
}

/// Where results are kept.
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
    /// Opens, or makes, the stores that the settings name, or else those of `stream`.
    pub(crate) fn open(stream: &Stream, settings: &Settings) -> Result<Self, Failure> {
        let dir = &stream.dir;
        let records = settings.record_store.or_in(dir);
        let online = settings.online_store.or_in(dir);
        let metrics = settings.metric_store.or_in(dir);
        let history = settings.offline_store.or_in(&dir.join("history"));
        Ok(Self {
            records: BlockingRecordStore::connect(&records).map_err(Failure::broken)?,
            online: OnlineStore::connect(&online).map_err(Failure::broken)?,
            metrics: MetricStore::connect(&metrics).map_err(Failure::broken)?,
            history: OfflineStore::connect(&history).map_err(Failure::broken)?,
        })
    }
}

/// The log: a Kafka whose topics are there already, or the broker in this process, which gets them.
fn log(site: &Site, settings: &Settings) -> Result<(EventLog, Option<Broker>), Failure> {
    if let Some(kafka) = settings.kafka() {
        let log = EventLog::open(kafka, &settings.schema_registry, &topics::ALL);
        let log = log.map_err(|error| match error.may_start_later() {
            true => Failure::broken(error),
            false => Failure::unusable(error),
        })?;
        return Ok((log, None));
    }
    let broker = Broker::start(BrokerConfig {
        listen: site.broker,
        dir: site.stream.dir.join("log"),
        ..BrokerConfig::default()
    })
    .map_err(not_started)?;
    let log = EventLog::embedded(broker.clone());
    admin::ensure_topics(&log, site.epoch).map_err(Failure::broken)?;
    Ok((log, Some(broker)))
}

/// Starts the house of a stream.
pub(crate) fn open(site: &Site, settings: &Settings) -> Result<House, Failure> {
    let dir = &site.stream.dir;
    let (log, broker) = log(site, settings)?;
    let stores = Stores::open(&site.stream, settings)?;
    let copies = Objects::prepare_if_set(&settings.checkpoint_store).map_err(Failure::broken)?;
    let knowledge = settings.checkpoint_store.or_in(&dir.join("objects"));

    let lookups = site.serve.then(|| Lookups::open(settings)).transpose()?;
    let (stream, synthetic) = (site.stream.id.clone(), site.stream.synthetic);
    let detector = weir_conflict_detector::start(
        &settings.conflict_detector,
        weir_conflict_detector::Parts {
            log: log.clone(),
            records: stores.records.clone(),
            checkpoints: dir.join("checkpoints"),
            copies: copies.clone(),
            knowledge: knowledge.clone(),
            bogons: site.bogons.clone(),
            stream: stream.clone(),
            synthetic,
            instance: "0".to_owned(),
            health: site.health.clone(),
            lookups: lookups
                .as_ref()
                .map(Lookups::of_detector)
                .unwrap_or_default(),
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
            copies: copies.clone(),
            health: site.health.clone(),
        },
    )
    .map_err(Failure::broken)?;
    let aggregator = weir_metrics_aggregator::start(
        &settings.metrics_aggregator,
        weir_metrics_aggregator::Parts {
            log: log.clone(),
            store: stores.metrics.clone(),
            state: dir.join("aggregator"),
            copies,
            stream: stream.clone(),
            synthetic,
            instance: "1".to_owned(),
            health: site.health.clone(),
        },
    )
    .map_err(Failure::broken)?;
    let reading = site.health.register("ingest");
    let serving = lookups.as_ref();
    let serving = serving.map(|lookups| serve(site, settings, &log, &stores, lookups));
    let serving = serving.transpose()?;

    let mut ingest = settings.ingest.clone();
    ingest.stream = stream;
    ingest.synthetic = synthetic;
    ingest.knowledge.store = knowledge;
    // A restored detector may wait for it.
    weir_ingest::store_knowledge(&ingest).map_err(Failure::unusable)?;
    wait_until_reading(&detector)?;
    let ingest = weir_ingest::start(ingest, &log, dir).map_err(|error| match error {
        weir_ingest::StartError::Input(input) => Failure::unusable(input),
        weir_ingest::StartError::Knowledge(knowledge) => Failure::unusable(knowledge),
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
        _lookups: lookups.map(|lookups| lookups.port),
        broker,
        dir: dir.clone(),
    })
}

/// What serving asks the detector, by the same gRPC as elsewhere: on a port of loopback that nobody is told, and that
/// answers who has the token alone.
struct Lookups {
    desk: Desk,
    port: AdminPort,
    client: Client,
}

impl Lookups {
    fn open(settings: &Settings) -> Result<Self, Failure> {
        let tokens = settings.lookups.tokens();
        let mut tokens = tokens.map_err(|error| Failure::unusable(error).of("[lookups]"))?;
        if tokens.is_empty() {
            tokens.push(Token::random());
        }
        let client = Client::new(tokens.first()).map_err(Failure::unusable)?;
        let desk = Desk::default();
        let routes = server::routes(desk.clone(), tokens.into());
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Ok(Self {
            desk,
            port: AdminPort::open(any, |_| routes).map_err(Failure::broken)?,
            client,
        })
    }

    fn of_detector(&self) -> weir_conflict_detector::Lookups {
        weir_conflict_detector::Lookups {
            desk: self.desk.clone(),
            address: Some(self.port.address().to_string()),
        }
    }
}

/// Why there is no broker, with the flag that helps.
fn not_started(error: BrokerError) -> Failure {
    match error {
        BrokerError::AddressTaken { address } => Failure::Broken(format!(
            "{address} is taken by {}: stop it, or give the embedded broker another address with --broker",
            ports::holder(address.port())
                .unwrap_or_else(|| "another program (`ss -ltnp` names it)".to_owned())
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
    lookups: &Lookups,
) -> Result<weir_serving_api::Running, Failure> {
    let served = weir_serving_api::Stores {
        records: stores.records.store().clone(),
        online: stores.online.clone(),
        metrics: stores.metrics.clone(),
        views: weir_feature_materializer::views::all(),
        lookups: lookups.client.clone(),
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
        self.close_within(DRAIN)
    }

    /// The same, for who has no supervisor that would kill it: after a failure it does not wait so long either.
    pub(crate) fn close_within(self, drain: Duration) -> Result<(), Failure> {
        let drain = if self.failure().is_some() {
            DRAIN_AFTER_FAILURE
        } else {
            drain
        };
        let until = Instant::now() + drain;
        let left = || until.saturating_duration_since(Instant::now());
        let mut outcome = Ok(());
        let mut note = |result: Result<(), Failure>| {
            if outcome.is_ok() {
                outcome = result;
            }
        };
        note(self.ingest.stop(left()).map_err(Failure::broken));
        note(self.detector.stop(left()).map_err(Failure::broken));
        note(self.materializer.stop(left()).map_err(Failure::broken));
        note(self.aggregator.stop(left()).map_err(Failure::broken));
        if let Some(serving) = self.serving {
            note(serving.stop(left()).map_err(Failure::broken));
        }
        self.stores.records.close();
        self.log.disconnect();
        if let Some(broker) = self.broker {
            broker.stop();
        }
        outcome
    }
}
