//! The command line. Stable: flags are added, never renamed.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::{
    config_show::ConfigCommand,
    doctor::DoctorArguments,
    export::ExportArguments,
    incidents::IncidentsCommand,
    inject::InjectCommand,
    links::LinksArguments,
    peerings::PeeringsCommand,
    pipelines::{GroupsCommand, PipelinesCommand},
    site::SiteArguments,
    topics::TopicsCommand,
    watch::WatchArguments,
};

/// Measures the streams of a network: finds BGP routing conflicts while they happen, keeps session
/// features fresh and counts messages over event time. Everything runs in this one process.
#[derive(Debug, Parser)]
#[command(
    name = "weir",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  weir                                   live from RIS Live if it answers, else the bundled scenario
  weir --source scenario --speed 600x    the hijack of 2008-02-24, ten minutes in a second
  weir --source updates/                 a folder of MRT or JSON files, then whatever is added to it
  weir replay updates.*.gz --rib bview.gz --incidents found.ndjson
  weir incidents diff found.ndjson tried.ndjson
Open http://127.0.0.1:8080 to look. Set RUST_LOG=weir=debug to hear more."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run until Ctrl-C and serve the page (the default).
    Run(RunArguments),
    /// Read files to their end, wait until every stage has caught up, write what was found, exit.
    Replay(Box<ReplayArguments>),
    /// The topics on Kafka: make, compare, look, read, remove.
    Topics {
        #[command(flatten)]
        site: SiteArguments,
        #[command(subcommand)]
        command: TopicsCommand,
    },
    /// Consumer groups: who reads, and how far.
    Groups {
        #[command(flatten)]
        site: SiteArguments,
        #[command(subcommand)]
        command: GroupsCommand,
    },
    /// Our stages: how far each is, wait for all, set one back.
    Pipelines {
        #[command(flatten)]
        site: SiteArguments,
        #[command(subcommand)]
        command: PipelinesCommand,
    },
    /// Plant made-up incidents beside a stream, and score what was found of them.
    Inject {
        #[command(subcommand)]
        command: InjectCommand,
    },
    /// Write what the stores hold, as a replay does.
    Export(ExportArguments),
    /// Compare incidents of two replays, exports or stores.
    Incidents {
        #[command(flatten)]
        site: SiteArguments,
        #[command(subcommand)]
        command: IncidentsCommand,
    },
    /// Judge BGP sessions as they are configured, before any route comes.
    Peerings {
        #[command(subcommand)]
        command: PeeringsCommand,
    },
    /// A list of what is one's own: propose it from RIB dumps, compare, import, check.
    Watch(WatchArguments),
    /// Write down who stands beside whom in files of the past, so that a neighbour that is none is known at once:
    /// `[ingest.knowledge] links`, or `weir replay --links`.
    Links(LinksArguments),
    /// Bring the tables of every store that the settings name up to this version.
    Migrate {
        #[command(flatten)]
        site: SiteArguments,
    },
    /// Ask every engine, the disk and the ports; say what is wrong and what to do (exit code 1). Changes nothing: it
    /// tells which migrations are pending, `weir migrate` applies them.
    Doctor(DoctorArguments),
    /// The settings that hold.
    Config {
        #[command(flatten)]
        site: SiteArguments,
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArguments {
    /// Settings; absent = WEIR_CONFIG of the environment, else weir.toml in the data folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder for all state; each stream has its own folder below `streams/`.
    #[arg(long, value_name = "DIR", default_value = "weir-data")]
    pub(crate) data: PathBuf,
    /// Where the page and the API listen. Off loopback this needs authentication (see README.md).
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where gRPC listens, under the same rule.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051")]
    pub(crate) grpc: SocketAddr,
    /// `ris-live`, `bmp` (routers connect, as `[ingest.source]` says), `kafka` (JSON or OpenBMP that
    /// others write to `KAFKA_TOPICS`), `scenario`, or files and folders. Default: ris-live when it answers within 3 s,
    /// else the scenario.
    #[arg(long, value_name = "SOURCE", num_args = 1..)]
    pub(crate) source: Vec<String>,
    /// For files and the scenario: max, realtime, 20x (times event time) or 20000/s (elements per
    /// second). Default: 60x for the scenario, max for files.
    #[arg(long, value_name = "SPEED")]
    pub(crate) speed: Option<weir_ingest::Speed>,
    /// Where the embedded broker listens, for kcat and other Kafka clients on this machine.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9092")]
    pub(crate) broker: SocketAddr,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  weir replay updates.*.gz --rib bview.gz --incidents found.ndjson --summary counts.json
Change a threshold and see what it would have done. rules.toml holds what is to differ, as weir.toml would:
  [conflict_detector.thresholds]
  confirm_at = 5
Then:
  weir replay updates.*.gz --rib bview.gz --rules rules.toml --incidents tried.ndjson
  weir incidents diff found.ndjson tried.ndjson")]
pub(crate) struct ReplayArguments {
    /// MRT or JSON files, plain or compressed (gz, bz2, xz, zstd); folders with their subfolders.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// RIB dumps that seed routes and origins and raise nothing.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) rib: Vec<PathBuf>,
    /// VRPs (JSON of rpki-client, Routinator, StayRTR) that origins are judged by. Made more than two hours
    /// before the input, they raise nothing: see `rpki_stale_after_s`.
    #[arg(long, value_name = "FILE")]
    pub(crate) vrps: Option<PathBuf>,
    /// ASPAs (JSON of rpki-client and Routinator, which may be the same file) that paths are judged by; as old as
    /// VRPs may be.
    #[arg(long, value_name = "FILE")]
    pub(crate) aspas: Option<PathBuf>,
    /// Who buys transit from whom (CAIDA's AS relationships): finds route leaks, knows customers.
    #[arg(long, value_name = "FILE")]
    pub(crate) relations: Option<PathBuf>,
    /// Which networks belong together (CAIDA's AS-to-organisation JSON lines): knows siblings.
    #[arg(long, value_name = "FILE")]
    pub(crate) organisations: Option<PathBuf>,
    /// Prefixes that are announced from many places, one per line: excuses a second origin.
    #[arg(long, value_name = "FILE")]
    pub(crate) anycast: Option<PathBuf>,
    /// ASNs of DDoS protection services, one or a range per line: excuses them where they originate what others hold.
    #[arg(long, value_name = "FILE")]
    pub(crate) dps: Option<PathBuf>,
    /// ASNs of route servers of exchange points, likewise: taken out of paths before neighbours are judged.
    #[arg(long, value_name = "FILE")]
    pub(crate) route_servers: Option<PathBuf>,
    /// Who was seen beside whom before (as `weir links` writes it): knows a neighbour that is none.
    #[arg(long, value_name = "FILE")]
    pub(crate) links: Option<PathBuf>,
    /// Try other thresholds: a piece of weir.toml with what is to differ of `[conflict_detector.thresholds]`, and
    /// of `bogons` of `[conflict_detector]`; anything else is refused. Runs in a folder of its own, beside the replay
    /// without it, and never on engines that the settings name. Once at most: the file is the whole trial.
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    /// Mark everything that is found as made up: the input is not what was observed.
    #[arg(long)]
    pub(crate) synthetic: bool,
    /// max, realtime, 20x (times event time) or 20000/s (elements per second).
    #[arg(long, value_name = "SPEED", default_value = "max")]
    pub(crate) speed: weir_ingest::Speed,
    /// Settings; absent = WEIR_CONFIG of the environment, else weir.toml in the data folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder for all state; the same input on the same folder resumes.
    #[arg(long, value_name = "DIR", default_value = "weir-data")]
    pub(crate) data: PathBuf,
    /// Serve the page and the API while replaying.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Name of the collector, where file names do not tell (rrcNN, route-views*).
    #[arg(long, value_name = "NAME")]
    pub(crate) collector: Option<String>,
    /// Write counts, times and latencies here, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
    /// Write the last state of every incident here, one JSON object per line.
    #[arg(long, value_name = "FILE")]
    pub(crate) incidents: Option<PathBuf>,
    /// Write the online features of every entity here, one JSON object per line.
    #[arg(long, value_name = "FILE")]
    pub(crate) features: Option<PathBuf>,
    /// Write every window here, one JSON object per line.
    #[arg(long, value_name = "FILE")]
    pub(crate) windows: Option<PathBuf>,
}
