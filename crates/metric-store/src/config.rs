//! Where the metric store is, and how to get in.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use serde::Deserialize;

use crate::MetricStoreError;

/// How many replicas must answer. The local ones also keep fences and positions to the local data
/// centre: a deployment's window writers must then all be in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// One replica of the local data centre.
    LocalOne,
    /// Most replicas of the local data centre.
    #[default]
    LocalQuorum,
    /// Most replicas of all data centres.
    Quorum,
}

/// A file or a CQL engine. Unknown keys are refused; secrets do not print.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `file:///path/metrics.redb` (or a bare path), or `cql://user@host:port,host:port/keyspace`
    /// (keyspace `metrics` when none is named; `cqls://` for TLS). The rest is for CQL only.
    pub url: String,
    /// Who we are; none = the one in the URL, or no login.
    pub username: Option<String>,
    /// The password; none = the one in the URL.
    pub password: Option<SecretString>,
    /// PEM file of the authorities that sign nodes' certificates; with it the link is TLS always.
    /// A certificate must name the node's IP address.
    pub ca_file: Option<PathBuf>,
    /// Replication of the keyspace, used when it is made:
    /// `{'class': 'NetworkTopologyStrategy', 'dc1': 3}` where there are three nodes or more.
    pub replication: String,
    /// How many replicas must answer.
    pub consistency: Consistency,
    /// Days after its last write that the engine drops a row; 0 = never. Must be more than
    /// [`crate::MetricStore::RETENTION_US`] plus the greatest delay of a source.
    pub ttl_days: u32,
    /// Milliseconds until a node must have answered, TLS and login included.
    pub connect_timeout_ms: u64,
    /// Milliseconds for an answer; a call tries a few times.
    pub request_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: String::new(),
            username: None,
            password: None,
            ca_file: None,
            replication: "{'class': 'SimpleStrategy', 'replication_factor': 1}".to_owned(),
            consistency: Consistency::default(),
            ttl_days: 60,
            connect_timeout_ms: 5_000,
            request_timeout_ms: 5_000,
        }
    }
}

impl fmt::Debug for Config {
    /// The URL without who and password; secrets as `[REDACTED]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("url", &without_login(&self.url))
            .field("username", &self.username)
            .field("password", &self.password)
            .field("ca_file", &self.ca_file)
            .field("replication", &self.replication)
            .field("consistency", &self.consistency)
            .field("ttl_days", &self.ttl_days)
            .field("connect_timeout_ms", &self.connect_timeout_ms)
            .field("request_timeout_ms", &self.request_timeout_ms)
            .finish()
    }
}

impl Config {
    /// The defaults with this URL.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ..Self::default()
        }
    }

    /// This configuration; where it names no URL, the embedded store in `folder`.
    #[must_use]
    pub fn or_in(&self, folder: &Path) -> Self {
        let mut config = self.clone();
        if config.url.is_empty() {
            config.url = format!("file://{}", folder.join("metrics.redb").display());
        }
        config
    }
}

/// What a `cql://` URL says.
pub(crate) struct Address {
    /// `host:port` of each contact point.
    pub(crate) hosts: Vec<String>,
    pub(crate) keyspace: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) tls: bool,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, MetricStoreError> {
        let refused = |reason: &str| MetricStoreError::Url {
            url: without_login(url),
            reason: reason.to_owned(),
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| refused("no scheme"))?;
        let (login, rest) = rest
            .rsplit_once('@')
            .map_or((None, rest), |(login, rest)| (Some(login), rest));
        let (hosts, keyspace) = rest.split_once('/').unwrap_or((rest, ""));
        let hosts: Vec<String> = hosts
            .split(',')
            .filter(|host| !host.is_empty())
            .map(with_port)
            .collect();
        if hosts.is_empty() {
            return Err(refused("it names no host"));
        }
        let keyspace = if keyspace.is_empty() {
            "metrics"
        } else {
            keyspace
        };
        if !is_name(keyspace) {
            return Err(refused(
                "a keyspace is a small letter, then up to 47 small letters, digits and _",
            ));
        }
        let (username, password) =
            match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
                None => (None, None),
                Some((user, "")) => (Some(user.to_owned()), None),
                Some((user, password)) => (Some(user.to_owned()), Some(password.to_owned().into())),
            };
        Ok(Self {
            hosts,
            keyspace: keyspace.to_owned(),
            username,
            password,
            tls: scheme == "cqls",
        })
    }
}

fn with_port(host: &str) -> String {
    let behind_address = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    if behind_address.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:9042")
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= 48
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A URL as it may be shown: what stands before `@` is left out.
pub(crate) fn without_login(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_hosts_and_keyspace() {
        let address = Address::parse("cql://ann:s3cret@a:1,[::1],b/own").unwrap();
        assert_eq!(address.hosts, ["a:1", "[::1]:9042", "b:9042"]);
        assert_eq!(address.keyspace, "own");
        assert_eq!(address.username.as_deref(), Some("ann"));
        assert!(address.password.is_some());
        assert_eq!(Address::parse("cql://a").unwrap().keyspace, "metrics");
    }

    #[test]
    fn what_cannot_be_a_keyspace_is_refused_without_the_login() {
        for url in [
            "cql://u:s3cret@a/K",
            "cql://u:s3cret@a/k;drop",
            "cql://u:s3cret@/k",
        ] {
            let message = Address::parse(url).err().unwrap().to_string();
            assert!(!message.contains("s3cret"), "{message}");
        }
    }

    #[test]
    fn no_password_is_printed() {
        let config = Config {
            password: Some("s3cret".to_owned().into()),
            ..Config::at("cql://ann:s3cret@a:1/k")
        };
        let printed = format!("{config:?}");
        assert!(!printed.contains("s3cret"), "{printed}");
        assert!(printed.contains("cql://a:1/k"), "{printed}");
    }
}
