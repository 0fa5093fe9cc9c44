//! What the binary of every service does around its service: flags, settings, logs, the admin port,
//! signals, the supervisor, and the exit code.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use serde::Deserialize;

use crate::{
    Health, NotStarted, Part, Stop,
    admin::{self, AdminPort},
    claim::Claim,
    config::{self, Layers},
    stream,
    supervise::{self, Patience},
    telemetry::{self, Telemetry},
    trace,
};

/// A binary, as a person sees it.
pub struct Program {
    /// `weir-ingest`.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Its own table and the engines that it needs, with an example.
    pub settings: &'static str,
    /// Its admin port on loopback.
    pub admin_port: u16,
}

/// What a service is given by its binary.
pub struct Site {
    /// Which stream, which process, which data folder.
    pub stream: stream::Config,
    /// Where its parts say whether they work.
    pub health: Health,
    /// The metrics of the process.
    pub telemetry: Telemetry,
    /// The admin port, and by which `host:port` others reach it.
    pub admin: (SocketAddr, String),
}

/// A service that is a process of its own.
pub trait Service: Sized {
    /// What runs.
    type Part: Part;

    /// Reads its tables, and checks what can be checked without asking an engine.
    ///
    /// # Errors
    /// What is wrong with a setting, in one line with the next step.
    fn read(layers: &Layers) -> Result<Self, String>;

    /// False when `[kafka] enabled` is: then it idles, healthy.
    fn is_enabled(&self) -> bool;

    /// The folder of its state, and the setting that chooses another.
    fn state(&self, data: &Path) -> Option<(PathBuf, &'static str)>;

    /// What it answers on the admin port, at this address, besides the admin paths.
    fn routes(&self, _: SocketAddr) -> admin::Router {
        admin::Router::new()
    }

    /// Connects to its engines and begins. Called again after every failure.
    ///
    /// # Errors
    /// Why not, and whether time may help.
    fn start(&self, site: &Site) -> Result<Self::Part, NotStarted>;
}

#[derive(Debug, Parser)]
struct Arguments {
    /// Settings; absent = the file in WEIR_CONFIG, else weir.toml here, else the defaults.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask the running process over its admin port: exit code 0 when it is ready (a container's
    /// health check).
    Health {
        /// Ask only whether it lives.
        #[arg(long)]
        live: bool,
    },
}

/// The tables that every service reads.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Shared {
    stream: stream::Config,
    admin: admin::Config,
    telemetry: telemetry::Config,
}

/// What `--help` says about settings, below each service's own.
const RULE: &str = "Every key can also be set as WEIR__TABLE__KEY; a key that ends in password or \
secret_access_key also as KEY_file. Order: defaults, file, KAFKA_* and the like, WEIR__*. The admin \
port answers /livez, /readyz (with the reason) and /metrics. SIGTERM drains within 10 s. \
Exit codes: 0 told to stop or done, 2 the settings or an engine's refusal.";

/// Without a setting: our own words, and warnings of everybody else's, but for what the CQL driver repeats with
/// each attempt: its errors tell the same.
const FILTER: &str = "warn,weir=info,weir_lifecycle=info,weir_eventlog=info,weir_ingest=info,\
weir_conflict_detector=info,weir_feature_materializer=info,weir_metrics_aggregator=info,\
weir_serving_api=info,weir_record_store=info,weir_online_store=info,weir_metric_store=info,\
weir_offline_store=info,weir_objects=info,scylla::cluster=off";

/// How long the admin port may take to answer a health check.
const ANSWER: Duration = Duration::from_secs(3);

/// The whole of `main`.
pub fn run<S: Service>(program: &Program) -> ExitCode {
    let help = format!("Settings:\n{}\n\n{RULE}", program.settings);
    let matches = Arguments::command()
        .name(program.name)
        .about(program.about)
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(help)
        .get_matches();
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let outcome = match arguments.command {
        Some(Command::Health { live }) => health(program, &arguments, live),
        None => serve::<S>(program, &arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, reason)) => {
            let _ = writeln!(io::stderr(), "{}: {reason}", program.name);
            ExitCode::from(code)
        }
    }
}

/// An exit code, and why.
type Failure = (u8, String);

fn unusable(error: impl std::error::Error) -> Failure {
    (2, crate::causes(&error))
}

fn layers(arguments: &Arguments) -> Result<(Layers, Shared), Failure> {
    let file = config::file(arguments.config.as_deref(), Path::new("weir.toml"));
    let layers = Layers::read(file.as_deref(), config::environment()).map_err(unusable)?;
    let mut shared: Shared = layers.get().map_err(unusable)?;
    let named = layers.names("telemetry");
    shared.telemetry = shared.telemetry.with_environment(named);
    Ok((layers, shared))
}

fn admin_address(program: &Program, shared: &Shared) -> SocketAddr {
    let own = SocketAddr::from((Ipv4Addr::LOCALHOST, program.admin_port));
    shared.admin.listen.unwrap_or(own)
}

fn serve<S: Service>(program: &Program, arguments: &Arguments) -> Result<(), Failure> {
    let (layers, shared) = layers(arguments)?;
    let service = S::read(&layers).map_err(|reason| (2, reason))?;
    shared.admin.check().map_err(unusable)?;
    let name = program.name.trim_start_matches("weir-");
    let telemetry = telemetry::start_service(&shared.telemetry, name, FILTER).map_err(unusable)?;
    let _traces = trace::start(&shared.telemetry, name).map_err(unusable)?;
    let stop = Stop::new();
    stop.on_signals().map_err(unusable)?;
    let health = Health::new();
    let flag = health.register(name);
    let claim = service
        .state(&shared.stream.data)
        .map(|(folder, setting)| Claim::take(&folder, setting))
        .transpose()
        .map_err(unusable)?;
    let admin = AdminPort::open(admin_address(program, &shared), |taken| {
        let own = admin::router(health.clone(), telemetry.clone());
        own.merge(service.routes(taken))
    })
    .map_err(unusable)?;
    let taken = admin.address();
    let site = Site {
        admin: (taken, shared.admin.told(taken)),
        stream: shared.stream,
        health,
        telemetry,
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        admin = %taken,
        instance = site.stream.instance(),
        "started"
    );
    let outcome = if service.is_enabled() {
        supervise::supervise(&flag, &stop, &Patience::default(), || service.start(&site))
    } else {
        tracing::info!("[kafka] enabled is false: idle until it is told to stop");
        flag.ready();
        while !stop.wait(Duration::from_secs(3600)) {}
        Ok(())
    };
    drop(admin);
    drop(claim);
    outcome.map_err(|reason| (2, reason))
}

fn health(program: &Program, arguments: &Arguments, live: bool) -> Result<(), Failure> {
    let (_, shared) = layers(arguments)?;
    let mut address = admin_address(program, &shared);
    if address.ip().is_unspecified() {
        // Whoever listens everywhere listens on loopback.
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
        address = loopback;
    }
    let path = if live { "/livez" } else { "/readyz" };
    let (status, body) = admin::ask(address, path, ANSWER).map_err(|error| {
        (
            1,
            format!("http://{address}{path} does not answer: {error}"),
        )
    })?;
    match status {
        200 => Ok(()),
        _ => Err((1, body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_every_service_are_well_formed() {
        Arguments::command().debug_assert();
    }
}
