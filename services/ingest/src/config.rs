//! What ingest reads, as one tagged value. Unknown keys are refused.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};
use weir_eventlog::LogConfig;
use weir_routing::knowledge::Kind;

mod baseline;

pub use crate::speed::{Speed, SpeedError};
pub use baseline::Baseline;

/// Settings of ingest.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where events come from.
    pub source: Source,
    /// Folder of the progress of writers, for one process alone; absent = `ingest` in the data
    /// folder. The all-in-one keeps it in the stream's folder.
    pub state: Option<PathBuf>,
    /// Identity of the stream (`live`, `scenario`, a replay's id), for status.
    pub stream: String,
    /// Name of this instance, for status.
    pub instance: String,
    /// Marks every event as made up. The scenario sets it by itself.
    pub synthetic: bool,
    /// Records on their way to the log before reading waits.
    pub max_in_flight: usize,
    /// What others say of prefixes and networks, to be brought into the log.
    pub knowledge: Knowledge,
    /// Tables of collectors, fetched while RIS Live is read.
    pub baseline: Baseline,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            source: Source::default(),
            state: None,
            stream: "live".to_owned(),
            instance: "ingest-0".to_owned(),
            synthetic: false,
            max_in_flight: 20_000,
            knowledge: Knowledge::default(),
            baseline: Baseline::default(),
        }
    }
}

/// Where knowledge comes from: files may be compressed (gzip, bzip2, xz, zstd). Of several ingest processes on one log, one brings it, and always the same one: its
/// numbers rest on its state.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knowledge {
    /// VRPs, as the JSON that rpki-client, Routinator and StayRTR write; absent = none.
    pub vrps: Option<PathBuf>,
    /// ASPAs, as the JSON of rpki-client and Routinator, which may be the same file; absent = none, until enough
    /// networks sign them.
    pub aspas: Option<PathBuf>,
    /// Who buys transit from whom, as CAIDA's serial-1 and serial-2; absent = nobody knows.
    pub relations: Option<PathBuf>,
    /// Which networks belong together, as CAIDA's AS-to-organisation JSON lines; absent = nobody knows.
    pub organisations: Option<PathBuf>,
    /// Prefixes that are announced from many places, one per line; absent = nobody knows.
    pub anycast: Option<PathBuf>,
    /// ASNs of DDoS protection services, one per line; absent = nobody knows.
    pub dps: Option<PathBuf>,
    /// ASNs of route servers of exchange points, one per line; absent = nobody knows.
    pub route_servers: Option<PathBuf>,
    /// Who was seen beside whom over a long time, as `weir links` writes it; absent = what RIBs tell, and what is seen.
    pub links: Option<PathBuf>,
    /// Prefixes and ASNs that have no place in the global table, one per line; absent = the list of each detector, and
    /// with `delegated` the built-in one.
    pub bogons: Option<PathBuf>,
    /// Statistics files of the regional registries (`delegated-extended`): what is available or reserved in them is a
    /// bogon, too.
    pub delegated: Vec<PathBuf>,
    /// Between two looks whether a file has changed. A source with an end looks once.
    pub look_seconds: u64,
    /// Caches of relying parties that tell VRPs and ASPAs by RTR (RFC 8210), instead of files of both: `host:port`,
    /// several in order of preference, with commas between them; absent = none. Not for a source with an end.
    pub rtr: Option<String>,
    /// At most once in so many seconds what a cache has told is brought; 0 = whenever it tells something. Each change
    /// is a whole content that is kept for a week: 424,000 VRPs take 1.6 MB.
    pub rtr_seconds: u64,
    /// Caches may be off loopback: what they say travels in the clear, and whoever is on the way can change it.
    pub rtr_plaintext: bool,
    /// Where contents are kept for the tasks that judge by them; set by who composes ingest.
    #[serde(skip)]
    pub store: weir_objects::Config,
}

impl Default for Knowledge {
    fn default() -> Self {
        Self {
            vrps: None,
            aspas: None,
            relations: None,
            organisations: None,
            anycast: None,
            dps: None,
            route_servers: None,
            links: None,
            bogons: None,
            delegated: Vec::new(),
            look_seconds: 60,
            rtr: None,
            rtr_seconds: 60,
            rtr_plaintext: false,
            store: weir_objects::Config::default(),
        }
    }
}

impl Knowledge {
    /// The file of a kind; `delegated` makes bogons, and is none.
    #[must_use]
    pub fn file(&self, kind: Kind) -> Option<&PathBuf> {
        match kind {
            Kind::Vrps => self.vrps.as_ref(),
            Kind::Aspas => self.aspas.as_ref(),
            Kind::Relations => self.relations.as_ref(),
            Kind::Organisations => self.organisations.as_ref(),
            Kind::Anycast => self.anycast.as_ref(),
            Kind::Dps => self.dps.as_ref(),
            Kind::RouteServers => self.route_servers.as_ref(),
            Kind::Bogons => self.bogons.as_ref(),
            Kind::Links => self.links.as_ref(),
        }
    }

    /// Every file that is named, and what it is of.
    pub fn files(&self) -> impl Iterator<Item = (Kind, &PathBuf)> {
        let of_kind = |kind| Some((kind, self.file(kind)?));
        let delegated = self.delegated.iter().map(|path| (Kind::Bogons, path));
        Kind::ALL.into_iter().filter_map(of_kind).chain(delegated)
    }

    /// True when any file is named.
    #[must_use]
    pub fn names_any(&self) -> bool {
        self.files().next().is_some()
    }
}

/// Where events come from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// RIPE RIS Live over a websocket.
    RisLive(RisLive),
    /// Routers that connect to us and speak BMP (RFC 7854).
    Bmp(Bmp),
    /// Kafka topics that others write: JSON, or BMP messages in records of OpenBMP.
    Kafka(Kafka),
    /// Files and folders, merged in order of event time, read once.
    Files(Files),
    /// A folder into which others put files.
    Watch(Watch),
    /// The bundled scenario (`crate::scenario`).
    Scenario(Paced),
}

impl Default for Source {
    fn default() -> Self {
        Self::RisLive(RisLive::default())
    }
}

/// Settings of the RIS Live source.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RisLive {
    /// Websocket to read.
    pub url: String,
    /// Names us to RIPE, in the query of the URL.
    pub client: String,
    /// What to ask for, joined by OR; none = everything.
    pub subscriptions: Vec<Subscription>,
    /// Bound of one attempt to connect, TLS and handshake included.
    pub connect_timeout_ms: u64,
    /// Between two pings of ours.
    pub ping_interval_ms: u64,
    /// Without any frame for so long, the connection is taken for dead.
    pub silence_timeout_ms: u64,
    /// First wait before connecting again; doubles up to the maximum, with full jitter.
    pub backoff_min_ms: u64,
    /// Longest wait before connecting again.
    pub backoff_max_ms: u64,
    /// Frames between the socket and the publisher; one more is dropped, counted, and a `Gap`.
    pub queue_frames: usize,
    /// Greatest frame in bytes; a greater one ends the connection.
    pub max_frame_bytes: usize,
}

impl Default for RisLive {
    fn default() -> Self {
        Self {
            url: "wss://ris-live.ripe.net/v1/ws/".to_owned(),
            client: "weir".to_owned(),
            subscriptions: Vec::new(),
            connect_timeout_ms: 10_000,
            ping_interval_ms: 20_000,
            silence_timeout_ms: 60_000,
            backoff_min_ms: 500,
            backoff_max_ms: 30_000,
            queue_frames: 65_536,
            max_frame_bytes: 4 << 20,
        }
    }
}

/// One `ris_subscribe`, with the filters of the RIS Live manual.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Subscription {
    /// Collector, for instance `rrc21`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `UPDATE`, `OPEN`, `NOTIFICATION`, `KEEPALIVE` or `RIS_PEER_STATE`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// A key that must be there, for instance `announcements`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require: Option<String>,
    /// Address of the peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// ASN, or `^a,b,c$`; a leading `!` inverts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathFilter>,
    /// One prefix or several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<PrefixFilter>,
    /// More specific prefixes too (the server's default: true).
    #[serde(rename = "moreSpecific", skip_serializing_if = "Option::is_none")]
    pub more_specific: Option<bool>,
    /// Less specific prefixes too (the server's default: false).
    #[serde(rename = "lessSpecific", skip_serializing_if = "Option::is_none")]
    pub less_specific: Option<bool>,
}

/// A path filter is a number or text.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum PathFilter {
    /// An ASN anywhere on the path.
    Asn(u32),
    /// `^64496,64497$` and the like.
    Text(String),
}

/// A prefix filter is one prefix or a list.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum PrefixFilter {
    /// One.
    One(String),
    /// Any of these.
    Many(Vec<String>),
}

/// Settings of the BMP source.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bmp {
    /// Where routers connect; off loopback only with `routers`. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may connect; none = whoever reaches `listen`, which is then on loopback.
    pub routers: Vec<Router>,
    /// VRFs whose peers are taken beside those of the global table, by distinguisher: `64496:7`,
    /// `192.0.2.1:7`.
    pub distinguishers: Vec<String>,
    /// Adj-RIB-Out is taken too (RFC 8671): its peers have the neighbour's address and the router's
    /// own AS.
    pub adj_rib_out: bool,
    /// Connections at a time.
    pub max_connections: usize,
    /// Greatest message in bytes, up to 1 MiB; a greater one ends the connection.
    pub max_message_bytes: usize,
    /// Without any message for so long, a connection is closed. Routers that are gone are found
    /// within two minutes by TCP; this is for those that have nothing to say.
    pub idle_timeout_ms: u64,
    /// A peer whose table has not ended after so long counts as live from then on: until then its
    /// routes raise nothing.
    pub dump_timeout_ms: u64,
}

impl Default for Bmp {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1790)),
            routers: Vec::new(),
            distinguishers: Vec::new(),
            adj_rib_out: false,
            max_connections: 64,
            max_message_bytes: 1 << 20,
            idle_timeout_ms: 21_600_000,
            dump_timeout_ms: 900_000,
        }
    }
}

/// A router that may connect.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Router {
    /// From where it connects.
    pub address: IpAddr,
    /// Name of its collector; absent = `bmp-` and the name that it gives itself, else its address.
    #[serde(default)]
    pub name: Option<String>,
}

/// Settings of the Kafka source. Of several ingest processes one reads a topic.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kafka {
    /// Another cluster than that of `[kafka]`, in the keys of that table, of which then none holds
    /// here; absent = `[kafka]`. Its `topics`, `group_id` and `auto_offset_reset` say what is read.
    #[serde(skip_serializing)]
    pub cluster: Option<Box<LogConfig>>,
    /// Collectors that records may name, routers of OpenBMP, and topics that stand for one; records of more are dead
    /// letters.
    pub max_collectors: usize,
    /// The table `[kafka]`; set by who composes ingest.
    #[serde(skip)]
    pub kafka: Box<LogConfig>,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            cluster: None,
            max_collectors: 256,
            kafka: Box::default(),
        }
    }
}

impl Kafka {
    /// Where the topics are and who reads them, when `log` is our own log.
    #[must_use]
    pub fn connection(&self, log: &LogConfig) -> LogConfig {
        match &self.cluster {
            Some(cluster) => LogConfig::clone(cluster),
            None => log.reading_as(&self.kafka),
        }
    }
}

/// Settings of the files source.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Files {
    /// Files and folders (with their subfolders); RIB dumps are recognised by content.
    pub paths: Vec<PathBuf>,
    /// Files that must be RIB dumps. All RIB dumps are read before all else.
    pub ribs: Vec<PathBuf>,
    /// Name of the collector of all files; else it is found in their names.
    pub collector: Option<String>,
    /// How fast event time passes.
    pub speed: Speed,
}

/// Settings of the watched folder.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// The folder, with its subfolders. A file counts as complete when its size stayed the same
    /// over two looks a second apart, so a writer should make it elsewhere and rename it into the
    /// folder. Names that begin with a dot or end in `.tmp` or `.part` are left alone.
    pub folder: PathBuf,
    /// Name of the collector of all files; else it is found in their names.
    pub collector: Option<String>,
    /// How fast event time passes within what is there.
    pub speed: Speed,
}

/// Only a speed.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paced {
    /// How fast event time passes.
    pub speed: Speed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_chosen_by_its_type() {
        let config: Config = serde_json::from_str(
            r#"{"source": {"type": "files", "paths": ["a"], "speed": "20x"}, "stream": "s"}"#,
        )
        .unwrap();
        let Source::Files(files) = config.source else {
            panic!("not files")
        };
        assert_eq!(files.speed, Speed::Times(20.0));
    }

    #[test]
    fn routers_are_listed_by_address_and_need_no_name() {
        let config: Config = serde_json::from_str(
            r#"{"source": {"type": "bmp", "listen": "0.0.0.0:1790", "adj_rib_out": true,
                "routers": [{"address": "192.0.2.1", "name": "edge1"}, {"address": "2001:db8::1"}]}}"#,
        )
        .unwrap();
        let Source::Bmp(bmp) = config.source else {
            panic!("not bmp")
        };
        let names: Vec<_> = bmp.routers.iter().map(|r| r.name.as_deref()).collect();
        assert_eq!(names, [Some("edge1"), None]);
        assert!(bmp.adj_rib_out && bmp.distinguishers.is_empty());
    }

    #[test]
    fn a_kafka_source_reads_our_own_cluster_unless_it_has_one() {
        let source = |text: &str| {
            let text = format!(r#"{{"source": {{"type": "kafka"{text}}}}}"#);
            let config: Config = serde_json::from_str(&text).unwrap();
            let Source::Kafka(mut kafka) = config.source else {
                panic!("not kafka")
            };
            kafka.kafka.topics = vec!["routes".to_owned()];
            kafka
        };
        let log = LogConfig {
            bootstrap_servers: "ours:9092".to_owned(),
            ..LogConfig::default()
        };
        let ours = source("").connection(&log);
        assert_eq!(ours.bootstrap_servers, "ours:9092");
        assert_eq!(ours.foreign_topics(), ["routes"]);
        assert_eq!(ours.group_id, "bgp-orchestrator-consumer");
        let theirs =
            source(r#", "cluster": {"bootstrap_servers": "theirs:9092"}"#).connection(&log);
        assert_eq!(theirs.bootstrap_servers, "theirs:9092");
        assert_eq!(theirs.foreign_topics(), ["ripe-ris-updates"]);
    }

    #[test]
    fn unknown_keys_are_refused() {
        let text = r#"{"source": {"type": "watch", "folder": "a", "colector": "rrc00"}}"#;
        let error = serde_json::from_str::<Config>(text).unwrap_err();
        assert!(error.to_string().contains("colector"), "{error}");
    }

    #[test]
    fn a_subscription_is_sent_as_the_manual_spells_it() {
        let text =
            r#"{"host":"rrc21","type":"UPDATE","prefix":["192.0.2.0/24"],"moreSpecific":true}"#;
        let subscription: Subscription = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&subscription).unwrap(), text);
    }
}
