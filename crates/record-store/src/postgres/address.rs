//! Where PostgreSQL is, who asks, and how the connection is protected.
//!
//! TLS is all or nothing: `disable`, or `verify-full` with the host name checked. The modes in
//! between encrypt without knowing for whom, or give up TLS in silence, and are refused.

use std::{fmt, net::IpAddr, path::Path, str::FromStr};

use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::{Config, RecordError};

/// What may stand behind the question mark of the URL.
const PARAMETERS: [&str; 6] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "application_name",
];

/// A table or a column is missing, or has another type.
const CHANGED: &str = "its tables are not as `weir migrate` made them: put back what was changed, or \
                       name an empty database in url of [record_store], migrate and replay";

/// A server and a database in it.
pub(super) struct Address {
    options: PgConnectOptions,
    place: String,
    acquire_timeout_ms: u64,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl Address {
    pub(super) fn of(config: &Config) -> Result<Self, RecordError> {
        if config.pool_size == 0 {
            return Err(wrong("pool_size", "a store needs at least 1 connection"));
        }
        let parameters = parameters(&config.url)?;
        // The driver's text may repeat the URL: it is left out.
        let mut options = PgConnectOptions::from_str(&config.url).map_err(|_| {
            wrong(
                "url",
                "want postgres://user@host:port/db?sslmode=verify-full",
            )
        })?;
        if let Some(password) = &config.password {
            options = options.password(password.expose_secret());
        }
        let mode = parameters.iter().find(|(key, _)| *key == "sslmode");
        let mode = match mode.map(|(_, mode)| mode.as_str()) {
            None if is_here(&options) => PgSslMode::Disable,
            None | Some("verify-full") => PgSslMode::VerifyFull,
            Some("disable") => PgSslMode::Disable,
            Some(other) => {
                return Err(wrong(
                    "url",
                    &format!(
                        "sslmode={other} does not make sure who answers; use sslmode=verify-full \
                         (with sslrootcert=FILE for an authority of your own) or sslmode=disable"
                    ),
                ));
            }
        };
        options = options.ssl_mode(mode);
        let place = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        let database = options.get_database().unwrap_or(options.get_username());
        Ok(Self {
            place: format!("{place}/{database}"),
            options: options.application_name("weir"),
            acquire_timeout_ms: config.acquire_timeout_ms,
        })
    }

    /// Host, port and database.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// With limits that the server keeps: a writer that was stopped in the middle of a transaction
    /// does not hold its rows for ever.
    pub(super) fn pooled(&self, statement_timeout_ms: u64) -> PgConnectOptions {
        let limit = statement_timeout_ms.max(1).to_string();
        self.options.clone().options([
            ("statement_timeout", &limit),
            ("idle_in_transaction_session_timeout", &limit),
        ])
    }

    /// What to do about a failure.
    pub(super) fn next_step(&self, error: &sqlx::Error) -> String {
        let user = self.options.get_username();
        match error {
            sqlx::Error::Tls(_) => self.check_tls(),
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                self.check_tls()
            }
            sqlx::Error::Io(_) => {
                "is it running there, is url of [record_store] right? it is asked again".to_owned()
            }
            sqlx::Error::PoolTimedOut => format!(
                "no connection within {} ms; is it running, and is pool_size large enough?",
                self.acquire_timeout_ms
            ),
            sqlx::Error::Database(error) => match error.code().as_deref() {
                Some("28P01" | "28000") => format!(
                    "it refuses user `{user}` or the password; set password or password_file of [record_store]"
                ),
                Some("3D000") => format!("make the database first: createdb --owner {user} NAME"),
                Some("42501") => format!(
                    "user `{user}` may not; let the owner of the database run `weir migrate`"
                ),
                Some("42P01" | "42703" | "42804" | "42883") => CHANGED.to_owned(),
                Some("53300") => {
                    "it has no connection left; lower pool_size or raise its max_connections"
                        .to_owned()
                }
                Some("53100") => "its disk is full; make room, it is asked again".to_owned(),
                Some("57014") => {
                    "a statement ran into statement_timeout_ms; it is asked again".to_owned()
                }
                Some("57P01" | "57P02" | "57P03") => {
                    "it is stopping or starting; it is asked again".to_owned()
                }
                _ => error.message().to_owned(),
            },
            other => other.to_string(),
        }
    }

    fn check_tls(&self) -> String {
        format!(
            "TLS failed; check that the server has a certificate for `{}` that sslrootcert vouches for and \
             that has not expired",
            self.options.get_host()
        )
    }
}

/// True when bytes to the server do not leave this machine.
fn is_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_matches(['[', ']']);
    options.get_socket().is_some()
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The parameters of the URL, decoded; files must be there.
fn parameters(url: &str) -> Result<Vec<(&str, String)>, RecordError> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mut found = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !PARAMETERS.contains(&key) {
            return Err(wrong(
                "url",
                &format!("`{key}` is no parameter; known: {}", PARAMETERS.join(", ")),
            ));
        }
        let value = decoded(value);
        let is_file = matches!(key, "sslrootcert" | "sslcert" | "sslkey");
        if is_file && !Path::new(&value).is_file() {
            return Err(wrong("url", &format!("{key}: there is no file {value}")));
        }
        found.push((key, value));
    }
    Ok(found)
}

/// `%2F` as `/`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn wrong(setting: &'static str, reason: &str) -> RecordError {
    RecordError::Setting {
        setting,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<String, String> {
        Address::of(&Config::at(url))
            .map(|address| format!("{:?}", address.options.get_ssl_mode()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_host_elsewhere_means_tls_unless_plaintext_was_asked_for() {
        for (url, expected) in [
            ("postgres://u@127.0.0.1:5432/db", "Disable"),
            ("postgres://u@[::1]/db", "Disable"),
            (
                "postgres://u@localhost/db?sslmode=verify-full",
                "VerifyFull",
            ),
            ("postgres://u@db.example/db", "VerifyFull"),
            ("postgres://u@db.example/db?sslmode=disable", "Disable"),
        ] {
            assert_eq!(mode(url).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_is_half_safe_or_unknown_is_refused_without_showing_a_secret() {
        for (url, named) in [
            ("postgres://u:s3cret@h/db?sslmode=prefer", "sslmode=prefer"),
            (
                "postgres://u:s3cret@h/db?sslmode=require",
                "sslmode=require",
            ),
            (
                "postgres://u:s3cret@h/db?sslrootcert=/no/ca.crt",
                "/no/ca.crt",
            ),
            ("postgres://u:s3cret@h/db?password=s3cret", "password"),
            ("postgres://u:s3cret@h:port/db", "want postgres://"),
        ] {
            let refused = mode(url).unwrap_err();
            assert!(refused.contains(named), "{refused}");
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }
}
