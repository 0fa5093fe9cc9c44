//! Where the online store is, and how to get in.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use serde::Deserialize;

use crate::{error::OnlineStoreError, redis::Address};

/// A file or a Redis (Valkey is the same). Unknown keys are refused; secrets do not print.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `file:///path/online.redb` (or a bare path), `redis://user@host:port/db`, `rediss://` for
    /// TLS, `redis-cluster://h:p,h:p` and `rediss-cluster://`, `redis-sentinel://h:p,h:p/master/db`
    /// and `rediss-sentinel://`. The rest of the fields is for Redis only.
    pub url: String,
    /// ACL user; none = the one in the URL, or `default`.
    pub username: Option<String>,
    /// Its password; none = the one in the URL, or no login.
    pub password: Option<SecretString>,
    /// User at the Sentinels, which have logins of their own; none = `default`.
    pub sentinel_username: Option<String>,
    /// Password at the Sentinels; none = they want no login.
    pub sentinel_password: Option<SecretString>,
    /// PEM file of the authorities that sign servers' certificates; none = the web's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our certificate, for servers that ask for one; with `client_key_file`.
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of its private key.
    pub client_key_file: Option<PathBuf>,
    /// First part of every key; must not contain `{`, `}` or whitespace.
    pub key_prefix: String,
    /// Connections (in a cluster: to each node). A partition's writes share one of them.
    pub pool_size: usize,
    /// Milliseconds for a connection, TLS and login included.
    pub connect_timeout_ms: u64,
    /// Milliseconds for an answer; a call tries a few times.
    pub command_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: String::new(),
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            key_prefix: "weir".to_owned(),
            pool_size: 4,
            connect_timeout_ms: 5_000,
            command_timeout_ms: 5_000,
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
            .field("sentinel_username", &self.sentinel_username)
            .field("sentinel_password", &self.sentinel_password)
            .field("ca_file", &self.ca_file)
            .field("client_cert_file", &self.client_cert_file)
            .field("client_key_file", &self.client_key_file)
            .field("key_prefix", &self.key_prefix)
            .field("pool_size", &self.pool_size)
            .field("connect_timeout_ms", &self.connect_timeout_ms)
            .field("command_timeout_ms", &self.command_timeout_ms)
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
            config.url = format!("file://{}", folder.join("online.redb").display());
        }
        config
    }

    /// This configuration with the environment's names on top: `REDIS_URL`; `REDIS_HOST`
    /// (default localhost), `REDIS_PORT` (6379) and `REDIS_DB` (0), any of which means one Redis and
    /// keeps what a `redis://` or `rediss://` URL already says; `REDIS_USERNAME`; `REDIS_PASSWORD`.
    /// Empty values count as absent, other names are passed over.
    ///
    /// # Errors
    /// `Url` when a number is none, or host, port or database meet the URL of a cluster or Sentinel.
    pub fn with_environment(
        mut self,
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, OnlineStoreError> {
        let (mut host, mut port, mut database) = (None, None, None);
        for (name, value) in vars {
            if value.is_empty() {
                continue;
            }
            match name.as_str() {
                "REDIS_URL" => self.url = value,
                "REDIS_HOST" => host = Some(value),
                "REDIS_PORT" => port = Some(number("REDIS_PORT", &value)?),
                "REDIS_DB" => database = Some(number("REDIS_DB", &value)?),
                "REDIS_USERNAME" => self.username = Some(value),
                "REDIS_PASSWORD" => self.password = Some(value.into()),
                _ => {}
            }
        }
        if host.is_some() || port.is_some() || database.is_some() {
            self.url = Address::single_at(&self.url, host, port, database)?;
        }
        Ok(self)
    }
}

fn number<N: std::str::FromStr>(name: &str, value: &str) -> Result<N, OnlineStoreError> {
    value.parse().map_err(|_| OnlineStoreError::Url {
        url: name.to_owned(),
        reason: format!("`{value}` is no number that fits"),
    })
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
    use rstest::rstest;

    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[rstest]
    #[case("file:///x/online.redb", &[("REDIS_HOST", "cache")], "redis://cache:6379/0")]
    #[case("", &[("REDIS_PORT", "7000"), ("REDIS_DB", "3")], "redis://localhost:7000/3")]
    #[case("rediss://u:p@cache:1/2", &[("REDIS_PORT", "7000")], "rediss://u:p@cache:7000/2")]
    #[case("redis://[::1]:1/2", &[("REDIS_DB", "4")], "redis://[::1]:1/4")]
    #[case("", &[("REDIS_HOST", "::1")], "redis://[::1]:6379/0")]
    #[case("redis://a:1/2", &[("REDIS_HOST", ""), ("REDIS_PASSWORD", "x")], "redis://a:1/2")]
    #[case("", &[("REDIS_URL", "redis://b:1"), ("REDIS_DB", "5")], "redis://b:1/5")]
    #[case("file:///x", &[("PATH", "/bin")], "file:///x")]
    fn the_environment_names_of_old_are_honoured(
        #[case] url: &str,
        #[case] pairs: &[(&str, &str)],
        #[case] expected: &str,
    ) {
        let config = Config::at(url).with_environment(vars(pairs)).unwrap();
        assert_eq!(config.url, expected);
    }

    #[rstest]
    #[case("", ("REDIS_PORT", "many"), "REDIS_PORT")]
    #[case("redis-cluster://a:1,b:2", ("REDIS_HOST", "c"), "REDIS_HOST")]
    fn what_does_not_fit_is_refused(
        #[case] url: &str,
        #[case] pair: (&str, &str),
        #[case] named: &str,
    ) {
        let refused = Config::at(url).with_environment(vars(&[pair]));
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(named), "{message}");
    }

    #[test]
    fn no_password_is_printed() {
        let config = Config::at("redis://ann:s3cret@cache:6379/0")
            .with_environment(vars(&[("REDIS_PASSWORD", "s3cret")]))
            .unwrap();
        let printed = format!("{config:?}");
        assert!(!printed.contains("s3cret"), "{printed}");
        assert!(printed.contains("redis://cache:6379/0"), "{printed}");
    }
}
