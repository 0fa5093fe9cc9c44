//! Ingest as a process of its own: its tables, the log, its supervisor.
//!
//! One process reads one source: the numbers that its writers give to records rest on the progress
//! in its folder. A source with an end (files, the scenario) ends the process with exit code 0.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use weir_eventlog::{EventLog, LogConfig, admin, schema};
use weir_events::topics::{BGP_MESSAGES, BGP_UPDATES};
use weir_lifecycle::{
    NotStarted, Part, causes,
    config::Layers,
    probe::Probe,
    program::{Program, Service, Site},
};

use crate::{Config, Running, Source, StartError, start};

/// The binary.
pub const PROGRAM: Program = Program {
    name: "weir-ingest",
    about: "Reads BGP from RIS Live, routers, Kafka, files or a folder, and writes bgp-updates and bgp-messages.",
    settings: "\
  [kafka]         bootstrap_servers = \"kafka:9092\"; make the topics with `weir topics apply`
  [ingest.source] type = \"ris-live\" (default), \"files\" with paths = [..], \"watch\" with folder,
                  or \"scenario\"; speed = \"max\", \"realtime\", \"20x\" or \"20000/s\"; or \"bmp\" with
                  listen = \"127.0.0.1:1790\", routers = [{ address, name }] (needed off loopback),
                  distinguishers, adj_rib_out; or \"kafka\": JSON or OpenBMP that others write, by topics
                  and group_id of [kafka] or of [ingest.source.cluster]; max_collectors
  [ingest]        max_in_flight, state (a folder, for this process alone)
  [ingest.knowledge] vrps = \"vrps.json\" (as rpki-client and Routinator write it), aspas, relations and
                  organisations (as CAIDA writes them), anycast, dps, route_servers, links and bogons (lists, an
                  entry per line), delegated = [..] (statistics of registries), look_seconds; or
                  rtr = \"localhost:3323\" for VRPs and ASPAs from caches, rtr_seconds, rtr_plaintext
  [ingest.baseline] enabled, collectors = \"rrc00,rrc12\", ris_url, routeviews_url, max_bytes, timeout_seconds, retries,
                  look_seconds, routes_per_second: RIB dumps that are fetched while RIS Live is read
  [checkpoint_store] url = \"s3://bucket/prefix\": where detectors find what knowledge says
  [stream] [admin] [telemetry]  id, synthetic, data (a folder); listen; log_format, log_filter",
    admin_port: 9101,
};

/// Its tables.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tables {
    kafka: LogConfig,
    schema_registry: schema::Config,
    checkpoint_store: weir_objects::Config,
    ingest: Config,
}

/// Ingest with the settings of its process.
pub struct Process(Tables);

/// Ingest at work, and whether its log answers.
pub struct AtWork {
    running: Running,
    _probe: Probe,
}

impl Service for Process {
    type Part = AtWork;

    fn read(layers: &Layers) -> Result<Self, String> {
        let mut tables: Tables = layers.get().map_err(|error| causes(&error))?;
        tables.kafka = tables
            .kafka
            .with_environment(layers.names("kafka"))
            .map_err(|error| causes(&error))?;
        tables.checkpoint_store = tables
            .checkpoint_store
            .with_environment(layers.names("checkpoint_store"));
        Ok(Self(tables))
    }

    fn is_enabled(&self) -> bool {
        self.0.kafka.enabled
    }

    fn state(&self, data: &Path) -> Option<(PathBuf, &'static str)> {
        let own = self.0.ingest.state.clone();
        let folder = own.unwrap_or_else(|| data.join("ingest"));
        Some((folder, "[ingest] state"))
    }

    fn start(&self, site: &Site) -> Result<AtWork, NotStarted> {
        let Self(tables) = self;
        let topics = [BGP_UPDATES, BGP_MESSAGES];
        let log = EventLog::open(&tables.kafka, &tables.schema_registry, &topics)
            .map_err(|error| NotStarted::of(&error, error.may_start_later()))?;
        let mut config = Config {
            stream: site.stream.id.clone(),
            instance: site.stream.instance(),
            synthetic: site.stream.synthetic,
            ..tables.ingest.clone()
        };
        let own = site.stream.data.join("objects");
        if let Source::Kafka(source) = &mut config.source {
            *source.kafka = tables.kafka.clone();
        }
        config.knowledge.store = tables.checkpoint_store.or_in(&own);
        let (folder, _) = self.state(&site.stream.data).unwrap_or_default();
        let running = start(config, &log, &folder).map_err(|error| match error {
            StartError::Log(error) => NotStarted::of(&error, error.may_start_later()),
            StartError::Knowledge(error) => NotStarted::of(&error, error.is_transient()),
            other => NotStarted::of(&other, false),
        })?;
        let probe = Probe::start(site.health.register("kafka"), move || {
            admin::end_offsets(&log, &BGP_UPDATES)
                .map(drop)
                .map_err(|error| causes(&error))
        })
        .map_err(|error| NotStarted::of(&error, false))?;
        Ok(AtWork {
            running,
            _probe: probe,
        })
    }
}

impl Part for AtWork {
    fn failure(&self) -> Option<String> {
        self.running.failure()
    }

    fn waiting(&self) -> Option<String> {
        self.running.waiting()
    }

    fn is_done(&self) -> bool {
        self.running.finished()
    }

    fn stop(self, deadline: Duration) -> Result<(), String> {
        self.running.stop(deadline).map_err(|error| causes(&error))
    }
}
