//! Where the log is and how to speak to it: the table `[kafka]` of `weir.toml`.
//!
//! The `KAFKA_*` names of the environment are laid over it by [`LogConfig::with_environment`].
//! TLS or SASL that was asked for is never given up for plaintext: what is missing is an error.

mod environment;
mod tls;

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use weir_events::topics;

use crate::LogError;

/// What protects the connection to the brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityProtocol {
    /// Nothing.
    Plaintext,
    /// TLS, with a client certificate when one is given.
    Ssl,
    /// A user name and password over an open connection.
    SaslPlaintext,
    /// A user name and password over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// As librdkafka calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    /// A name and password are sent.
    pub(crate) fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// The connection is encrypted.
    pub(crate) fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

/// How members of a group agree on who reads what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupProtocol {
    /// `consumer` where the broker has it, else `classic`.
    #[default]
    Auto,
    /// The members' own protocol, cooperative and sticky.
    Classic,
    /// The coordinator decides (KIP-848, brokers from 4.0 on).
    Consumer,
}

/// Whether the broker's certificate must name the host that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointIdentification {
    /// It must.
    #[default]
    Https,
    /// Any name will do, as long as the authority is known.
    None,
}

/// Where a reader of foreign topics begins when its group has no position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffsetReset {
    /// What is written from now on.
    #[default]
    Latest,
    /// The beginning.
    Earliest,
    /// An error.
    Error,
}

/// Where the log is and how to speak to it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// False leaves a service idle and healthy: it opens no client and joins no group.
    pub enabled: bool,
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// The name under which the broker's logs show us.
    pub client_id: String,
    /// When not set, it follows from the rest: a file of TLS means TLS, a user name means SASL
    /// over TLS, neither means plaintext. SASL without TLS must be asked for.
    pub security_protocol: Option<SecurityProtocol>,
    /// `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` (the default) or `OAUTHBEARER`.
    pub sasl_mechanism: String,
    /// The name that the brokers know us by.
    pub sasl_username: Option<String>,
    /// Its password.
    pub sasl_password: Option<SecretString>,
    /// The authorities that may vouch for a broker, PEM; not set = those of the system.
    pub ssl_ca_location: Option<PathBuf>,
    /// Our certificate, PEM.
    pub ssl_certificate_location: Option<PathBuf>,
    /// Its key, PEM.
    pub ssl_key_location: Option<PathBuf>,
    /// The three as text, where there are no files; the file of each or its text, not both.
    pub ssl_ca_pem: Option<SecretString>,
    /// See [`Self::ssl_ca_pem`].
    pub ssl_certificate_pem: Option<SecretString>,
    /// See [`Self::ssl_ca_pem`].
    pub ssl_key_pem: Option<SecretString>,
    /// The password of the key.
    pub ssl_key_password: Option<SecretString>,
    /// See [`EndpointIdentification`].
    pub ssl_endpoint_identification_algorithm: EndpointIdentification,
    /// See [`GroupProtocol`]. For foreign topics always `classic`.
    pub group_protocol: GroupProtocol,
    /// Makes members static: one that is back within its session keeps its partitions. Unique per
    /// process; the group and a number are added to it.
    pub group_instance_id: Option<String>,
    /// Not set: 10 s in our own groups, so that the partitions of a killed process move on soon;
    /// 30 s ([`Self::SESSION_TIMEOUT_MS`]) for foreign topics. Classic groups only: with
    /// `consumer` the broker decides.
    pub session_timeout_ms: Option<u32>,
    /// Not set: 0.5 s in our own groups, because a classic group hands over at heartbeats; 10 s
    /// ([`Self::HEARTBEAT_INTERVAL_MS`]) for foreign topics. Classic groups only.
    pub heartbeat_interval_ms: Option<u32>,
    /// A member that does not poll for longer loses its partitions. Ours poll all the time, from a
    /// thread that does nothing else.
    pub max_poll_interval_ms: u32,
    /// The broker answers a fetch when it has as much; groups in no hurry wait for more, see
    /// [`crate::EventLog::unhurried`].
    pub fetch_min_bytes: u32,
    /// The most bytes in one answer to a fetch, over all partitions.
    pub fetch_max_bytes: u32,
    /// For foreign topics only: our own tasks know where they stand.
    pub auto_offset_reset: OffsetReset,
    /// For foreign topics only. False commits what was flushed; true commits what was read, as
    /// the original did, and loses what was in memory when the process dies.
    pub enable_auto_commit: bool,
    /// How often positions in foreign topics are committed.
    pub auto_commit_interval_ms: u32,
    /// Foreign topics that ingest reads; none = [`Self::TOPIC`]. None of our own.
    pub topics: Vec<String>,
    /// The group of ingest's reader of foreign topics.
    pub group_id: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            bootstrap_servers: "127.0.0.1:9092".to_owned(),
            client_id: "weir".to_owned(),
            security_protocol: None,
            sasl_mechanism: "SCRAM-SHA-512".to_owned(),
            sasl_username: None,
            sasl_password: None,
            ssl_ca_location: None,
            ssl_certificate_location: None,
            ssl_key_location: None,
            ssl_ca_pem: None,
            ssl_certificate_pem: None,
            ssl_key_pem: None,
            ssl_key_password: None,
            ssl_endpoint_identification_algorithm: EndpointIdentification::Https,
            group_protocol: GroupProtocol::Auto,
            group_instance_id: None,
            session_timeout_ms: None,
            heartbeat_interval_ms: None,
            max_poll_interval_ms: 300_000,
            fetch_min_bytes: 1,
            fetch_max_bytes: 52_428_800,
            auto_offset_reset: OffsetReset::Latest,
            enable_auto_commit: false,
            auto_commit_interval_ms: 5_000,
            topics: Vec::new(),
            group_id: "bgp-orchestrator-consumer".to_owned(),
        }
    }
}

impl LogConfig {
    /// Session of a reader of foreign topics when nothing is set.
    pub const SESSION_TIMEOUT_MS: u32 = 30_000;
    /// Heartbeats of a reader of foreign topics when nothing is set.
    pub const HEARTBEAT_INTERVAL_MS: u32 = 10_000;

    /// The foreign topic that is read when none is named.
    pub const TOPIC: &str = "ripe-ris-updates";

    /// The foreign topics that are read: [`Self::topics`] once each, or [`Self::TOPIC`].
    #[must_use]
    pub fn foreign_topics(&self) -> Vec<String> {
        let mut topics = self.topics.clone();
        topics.sort();
        topics.dedup();
        if topics.is_empty() {
            topics.push(Self::TOPIC.to_owned());
        }
        topics
    }

    /// The cluster of `self`, read as `settings` say of foreign topics.
    #[must_use]
    pub fn reading_as(&self, settings: &Self) -> Self {
        Self {
            auto_offset_reset: settings.auto_offset_reset,
            enable_auto_commit: settings.enable_auto_commit,
            auto_commit_interval_ms: settings.auto_commit_interval_ms,
            topics: settings.topics.clone(),
            group_id: settings.group_id.clone(),
            session_timeout_ms: settings.session_timeout_ms,
            heartbeat_interval_ms: settings.heartbeat_interval_ms,
            max_poll_interval_ms: settings.max_poll_interval_ms,
            group_instance_id: settings.group_instance_id.clone(),
            fetch_min_bytes: settings.fetch_min_bytes,
            fetch_max_bytes: settings.fetch_max_bytes,
            ..self.clone()
        }
    }

    /// What protects the connection, set or concluded.
    #[must_use]
    pub fn security(&self) -> SecurityProtocol {
        let tls = self.tls().iter().any(|part| part.key().is_some());
        self.security_protocol
            .unwrap_or(match (self.sasl_username.is_some(), tls) {
                (true, _) => SecurityProtocol::SaslSsl,
                (false, true) => SecurityProtocol::Ssl,
                (false, false) => SecurityProtocol::Plaintext,
            })
    }

    /// Refuses what cannot work, before any client is made. Reads the files of TLS.
    ///
    /// # Errors
    /// [`LogError::Config`], which names the key.
    pub fn check(&self) -> Result<(), LogError> {
        if self.bootstrap_servers.trim().is_empty() {
            return Err(wrong(
                "bootstrap_servers",
                "names no broker; write host:port",
            ));
        }
        self.check_security()?;
        self.check_numbers()?;
        self.check_topics()
    }

    fn check_security(&self) -> Result<(), LogError> {
        let security = self.security();
        let [authority, certificate, key] = self.tls();
        for part in [&authority, &certificate, &key] {
            let Some(set) = part.key() else { continue };
            if !security.has_tls() {
                let what = format!(
                    "is set, but security_protocol = {} does not encrypt; write ssl or sasl_ssl, \
                     or take {set} away",
                    security.name()
                );
                return Err(wrong(set, what));
            }
            part.check()?;
        }
        if certificate.key().is_some() != key.key().is_some() {
            let what = "a certificate and its key go together: set both, or none";
            return Err(wrong("ssl_certificate_location", what));
        }
        if !security.has_sasl() {
            return match self.sasl_username {
                Some(_) => Err(wrong(
                    "sasl_username",
                    "is set, but security_protocol has no SASL; write sasl_ssl or sasl_plaintext",
                )),
                None => Ok(()),
            };
        }
        let mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
        if !mechanisms.contains(&self.sasl_mechanism.as_str()) {
            let what = format!("is none of {}", mechanisms.join(", "));
            return Err(wrong("sasl_mechanism", what));
        }
        if self.sasl_mechanism != "OAUTHBEARER" {
            if self.sasl_username.is_none() {
                return Err(wrong("sasl_username", "is missing; SASL needs a user name"));
            }
            if self.sasl_password.is_none() {
                return Err(wrong("sasl_password", "is missing; SASL needs a password"));
            }
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), LogError> {
        // librdkafka takes answers of up to 100 MB, and no fetch below its largest message.
        if !(1_000_000..=99_000_000).contains(&self.fetch_max_bytes) {
            let what = "is not between 1000000 and 99000000";
            return Err(wrong("fetch_max_bytes", what));
        }
        if self.fetch_min_bytes == 0 || self.fetch_min_bytes > 100_000_000 {
            return Err(wrong("fetch_min_bytes", "is not between 1 and 100000000"));
        }
        let session = self.session_timeout_ms.unwrap_or(Self::SESSION_TIMEOUT_MS);
        let beat = self.heartbeat_interval_ms.unwrap_or(1);
        if beat == 0 || beat >= session {
            let what = "must be shorter than session_timeout_ms; a third of it is usual";
            return Err(wrong("heartbeat_interval_ms", what));
        }
        if self.max_poll_interval_ms < session {
            let what = "must not be shorter than session_timeout_ms";
            return Err(wrong("max_poll_interval_ms", what));
        }
        Ok(())
    }

    fn check_topics(&self) -> Result<(), LogError> {
        let is_name = |name: &str| {
            (1..=249).contains(&name.len())
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        if let Some(name) = self.topics.iter().find(|name| !is_name(name)) {
            let what = format!(
                "names {name:?}, which no topic is called; want letters, digits, '.', '_' and '-'"
            );
            return Err(wrong("topics", what));
        }
        let ours = |name: &str| {
            topics::ALL
                .iter()
                .any(|topic| name == topic.name || name == topics::dead_letter_topic(topic.name))
        };
        self.topics
            .iter()
            .find(|name| ours(name))
            .map_or(Ok(()), |name| {
                let what = format!(
                    "names {name}, which holds events of our own; it is for topics that others \
                     write, take {name} out of KAFKA_TOPICS"
                );
                Err(wrong("topics", what))
            })
    }
}

fn wrong(key: &str, what: impl Into<String>) -> LogError {
    LogError::Config {
        key: key.to_owned(),
        what: what.into(),
    }
}

#[cfg(test)]
mod trial;
