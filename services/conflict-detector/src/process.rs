//! The detector as a process of its own: its tables, its engines, its supervisor.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use weir_eventlog::{EventLog, LogConfig, schema};
use weir_events::topics::{BGP_CONFLICTS, BGP_SIGNALS, BGP_UPDATES};
use weir_lifecycle::{
    NotStarted, Part, admin, causes,
    config::Layers,
    program::{Program, Service, Site},
    tokens::{Auth, Token},
};
use weir_lookups::{Desk, server};
use weir_objects::Objects;
use weir_record_store::BlockingRecordStore;
use weir_routing::Bogons;

use crate::{Config, Lookups, Parts, Running, StartError, start};

/// The binary.
pub const PROGRAM: Program = Program {
    name: "weir-conflict-detector",
    about: "Finds conflicting announcements in bgp-updates and keeps them as incidents.",
    settings: "\
  [kafka]             bootstrap_servers = \"kafka:9092\"; make the topics with `weir topics apply`
  [record_store]      url = \"postgres://weir@db:5432/weir\", password_file = \"/run/secrets/db\"
  [checkpoint_store]  url = \"s3://bucket/prefix\": lets another machine take a partition over,
                      and holds what knowledge the log names
  [lookups]           token or token_file: answers what it knows right now on the admin port (needed
                      off loopback); [admin] advertise = \"detector:9102\" says by which address
  [conflict_detector] instances, thresholds, bogons, checkpoint_seconds, state (a folder)
  [stream] [admin] [telemetry]  id, data (a folder); listen; log_format, log_filter",
    admin_port: 9102,
};

/// Its tables.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tables {
    kafka: LogConfig,
    schema_registry: schema::Config,
    record_store: weir_record_store::Config,
    checkpoint_store: weir_objects::Config,
    conflict_detector: Config,
    lookups: Auth,
}

/// The detector with the settings of its process.
pub struct Process {
    tables: Tables,
    /// Where its tasks take questions.
    desk: Desk,
    /// Who may ask.
    tokens: Arc<[Token]>,
}

impl Service for Process {
    type Part = Running;

    fn read(layers: &Layers) -> Result<Self, String> {
        let mut tables: Tables = layers.get().map_err(|error| causes(&error))?;
        tables.kafka = tables
            .kafka
            .with_environment(layers.names("kafka"))
            .map_err(|error| causes(&error))?;
        tables.record_store = tables
            .record_store
            .with_environment(layers.names("record_store"))
            .map_err(|error| causes(&error))?;
        tables.checkpoint_store = tables
            .checkpoint_store
            .with_environment(layers.names("checkpoint_store"));
        let tokens = tables.lookups.tokens();
        let tokens = tokens.map_err(|error| format!("[lookups]: {}", causes(&error)))?;
        Ok(Self {
            tables,
            desk: Desk::default(),
            tokens: tokens.into(),
        })
    }

    fn is_enabled(&self) -> bool {
        self.tables.kafka.enabled
    }

    fn state(&self, data: &Path) -> Option<(PathBuf, &'static str)> {
        let own = self.tables.conflict_detector.state.clone();
        let folder = own.unwrap_or_else(|| data.join("conflict-detector"));
        Some((folder, "[conflict_detector] state"))
    }

    fn routes(&self, address: SocketAddr) -> admin::Router {
        if server::may_answer(address, &self.tokens) {
            return server::routes(self.desk.clone(), Arc::clone(&self.tokens));
        }
        tracing::info!(
            "look-ups are not answered on {address}, which others reach: set token or token_file of [lookups], here \
             and where they are asked"
        );
        admin::Router::new()
    }

    fn start(&self, site: &Site) -> Result<Running, NotStarted> {
        let tables = &self.tables;
        let (address, told) = &site.admin;
        let lookups = Lookups {
            desk: self.desk.clone(),
            address: server::may_answer(*address, &self.tokens).then(|| told.clone()),
        };
        let topics = [BGP_UPDATES, BGP_SIGNALS, BGP_CONFLICTS];
        let log = EventLog::open(&tables.kafka, &tables.schema_registry, &topics)
            .map_err(|error| NotStarted::of(&error, error.may_start_later()))?;
        let records = tables.record_store.or_in(&site.stream.data);
        let records = BlockingRecordStore::connect(&records)
            .map_err(|error| NotStarted::of(&error, error.is_transient()))?;
        let copies = Objects::prepare_if_set(&tables.checkpoint_store)
            .map_err(|error| NotStarted::of(&error, error.is_transient()))?;
        let (folder, _) = self.state(&site.stream.data).unwrap_or_default();
        start(
            &tables.conflict_detector,
            Parts {
                log,
                records,
                checkpoints: folder,
                copies,
                knowledge: tables
                    .checkpoint_store
                    .or_in(&site.stream.data.join("objects")),
                bogons: Bogons::nlnog(),
                stream: site.stream.id.clone(),
                synthetic: site.stream.synthetic,
                instance: site.stream.instance(),
                health: site.health.clone(),
                lookups,
            },
        )
        .map_err(|error| match error {
            StartError::Log(error) => NotStarted::of(&error, error.may_start_later()),
            other => NotStarted::of(&other, false),
        })
    }
}

impl Part for Running {
    fn failure(&self) -> Option<String> {
        self.failure()
    }

    fn waiting(&self) -> Option<String> {
        self.waiting()
    }

    fn stop(self, deadline: Duration) -> Result<(), String> {
        self.stop(deadline).map_err(|error| causes(&error))
    }
}
