//! What ingest reads, as one tagged value. Unknown keys are refused.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use crate::speed::{Speed, SpeedError};

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
        }
    }
}

/// Files of knowledge. Of several ingest processes on one log, one brings it, and always the same one: its numbers
/// rest on its state.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knowledge {
    /// VRPs, as the JSON that rpki-client, Routinator and StayRTR write; absent = none.
    pub vrps: Option<PathBuf>,
    /// Who buys transit from whom, as CAIDA's serial-1 and serial-2; absent = nobody knows.
    pub relations: Option<PathBuf>,
    /// Which networks belong together, as CAIDA's AS-to-organisation JSON lines; absent = nobody knows.
    pub organisations: Option<PathBuf>,
    /// Between two looks whether a file has changed. A source with an end looks once.
    pub look_seconds: u64,
    /// Where contents are kept for the tasks that judge by them; set by who composes ingest.
    #[serde(skip)]
    pub store: weir_objects::Config,
}

impl Default for Knowledge {
    fn default() -> Self {
        Self {
            vrps: None,
            relations: None,
            organisations: None,
            look_seconds: 60,
            store: weir_objects::Config::default(),
        }
    }
}

impl Knowledge {
    /// True when any file is named.
    #[must_use]
    pub fn names_any(&self) -> bool {
        let files = [&self.vrps, &self.relations, &self.organisations];
        files.into_iter().any(Option::is_some)
    }
}

/// Where events come from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// RIPE RIS Live over a websocket.
    RisLive(RisLive),
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
