//! Settings of the record store: the table `[record_store]`.

use std::{fmt, path::Path};

use secrecy::SecretString;
use serde::Deserialize;

use crate::RecordError;

/// Which store, and how patiently it is asked. Unknown keys are refused; secrets are not printed.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `sqlite:///path/incidents.db`, or
    /// `postgres://user@host:port/db?sslmode=verify-full&sslrootcert=/path/ca.crt`. Without
    /// `sslmode` a host that is not this machine means `verify-full`. The rest of the fields but
    /// the days of updates is for PostgreSQL only.
    pub url: String,
    /// Password of the user; none = the one in the URL, or what the server asks no password for.
    pub password: Option<SecretString>,
    /// Most connections at once; also `DB_POOL_SIZE`.
    pub pool_size: u32,
    /// Milliseconds for a connection, TLS and login included.
    pub connect_timeout_ms: u64,
    /// Milliseconds that a call waits for a connection of the pool.
    pub acquire_timeout_ms: u64,
    /// Milliseconds that one statement may take; the server ends it then.
    pub statement_timeout_ms: u64,
    /// Days of `bgp_updates` that are kept, counted back from the newest day that holds rows: the
    /// replay of an old archive keeps its days until newer ones come.
    pub update_retention_days: u32,
    /// Partitions of `bgp_updates` made before their day comes, days.
    pub update_days_ahead: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: String::new(),
            password: None,
            pool_size: 10,
            connect_timeout_ms: 5_000,
            acquire_timeout_ms: 5_000,
            statement_timeout_ms: 10_000,
            update_retention_days: 7,
            update_days_ahead: 2,
        }
    }
}

impl fmt::Debug for Config {
    /// The URL without who and password; secrets as `[REDACTED]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("url", &without_login(&self.url))
            .field("password", &self.password)
            .field("pool_size", &self.pool_size)
            .field("connect_timeout_ms", &self.connect_timeout_ms)
            .field("acquire_timeout_ms", &self.acquire_timeout_ms)
            .field("statement_timeout_ms", &self.statement_timeout_ms)
            .field("update_retention_days", &self.update_retention_days)
            .field("update_days_ahead", &self.update_days_ahead)
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
            config.url = format!("sqlite://{}", folder.join("incidents.db").display());
        }
        config
    }

    /// True when it names a store that every service may share over the network: PostgreSQL.
    #[must_use]
    pub fn is_server(&self) -> bool {
        ["postgres:", "postgresql:"]
            .iter()
            .any(|scheme| self.url.starts_with(scheme))
    }

    /// This configuration with the environment's name on top: `DB_POOL_SIZE`. An empty value counts
    /// as absent, other names are passed over.
    ///
    /// # Errors
    /// `Setting` when it is no number.
    pub fn with_environment(
        mut self,
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, RecordError> {
        for (name, value) in vars {
            if name == "DB_POOL_SIZE" && !value.trim().is_empty() {
                self.pool_size = value.trim().parse().map_err(|_| RecordError::Setting {
                    setting: "DB_POOL_SIZE",
                    reason: format!("`{value}` is no number of connections"),
                })?;
            }
        }
        Ok(self)
    }
}

/// A URL as it may be shown: who asks with which password is left out.
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
    fn the_pool_is_ten_connections_unless_the_environment_says_otherwise() {
        let with = |value: &str| {
            Config::default().with_environment([("DB_POOL_SIZE".to_owned(), value.to_owned())])
        };
        assert_eq!(Config::default().pool_size, 10);
        assert_eq!(with("25").unwrap().pool_size, 25);
        assert_eq!(with("").unwrap().pool_size, 10);
        let refused = with("many").unwrap_err().to_string();
        assert!(refused.contains("DB_POOL_SIZE"), "{refused}");
    }

    #[test]
    fn no_password_is_printed() {
        let mut config = Config::at("postgres://ann:s3cret@db.example/weir");
        config.password = Some("s3cret".into());
        let printed = format!("{config:?}");
        assert!(!printed.contains("s3cret"), "{printed}");
        assert!(printed.contains("postgres://db.example/weir"), "{printed}");
    }
}
