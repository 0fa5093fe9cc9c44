//! The `KAFKA_*` names of the environment.

use secrecy::SecretString;
use serde::{Deserialize, de::value::StrDeserializer};

use super::{LogConfig, wrong};
use crate::LogError;

impl LogConfig {
    /// Every name that [`Self::with_environment`] takes.
    pub const ENVIRONMENT: [&str; 29] = [
        "KAFKA_ENABLED",
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_CLIENT_ID",
        "KAFKA_SECURITY_PROTOCOL",
        "KAFKA_SASL_MECHANISM",
        "KAFKA_SASL_USERNAME",
        "KAFKA_SASL_PASSWORD",
        "KAFKA_SSL_CA_LOCATION",
        "KAFKA_SSL_CERTIFICATE_LOCATION",
        "KAFKA_SSL_KEY_LOCATION",
        "KAFKA_SSL_CA_PEM",
        "KAFKA_SSL_CERTIFICATE_PEM",
        "KAFKA_SSL_KEY_PEM",
        "KAFKA_SSL_KEY_PASSWORD",
        "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM",
        "KAFKA_GROUP_PROTOCOL",
        "KAFKA_GROUP_INSTANCE_ID",
        "KAFKA_SESSION_TIMEOUT_MS",
        "KAFKA_HEARTBEAT_INTERVAL_MS",
        "KAFKA_MAX_POLL_INTERVAL_MS",
        "KAFKA_FETCH_MIN_BYTES",
        "KAFKA_FETCH_MAX_BYTES",
        "KAFKA_AUTO_OFFSET_RESET",
        "KAFKA_ENABLE_AUTO_COMMIT",
        "KAFKA_AUTO_COMMIT_INTERVAL_MS",
        "KAFKA_TOPIC",
        "KAFKA_TOPICS",
        "KAFKA_CONSUMER_GROUP",
        "KAFKA_GROUP_ID",
    ];

    /// Lays the `KAFKA_*` variables over `self`. A variable that is empty is not set; names that
    /// are none of [`Self::ENVIRONMENT`] are left alone. `KAFKA_TOPIC` and `KAFKA_CONSUMER_GROUP`
    /// are other names of `KAFKA_TOPICS` and `KAFKA_GROUP_ID`, which win.
    ///
    /// # Errors
    /// [`LogError::Config`], which names the variable and shows no secret.
    pub fn with_environment(
        mut self,
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, LogError> {
        let mut vars: Vec<_> = vars
            .into_iter()
            .filter(|(name, _)| Self::ENVIRONMENT.contains(&name.as_str()))
            .map(|(name, value)| (name, value.trim().to_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        // The other names come first, so that the names proper win.
        vars.sort_by_key(|(name, _)| {
            !matches!(name.as_str(), "KAFKA_TOPIC" | "KAFKA_CONSUMER_GROUP")
        });
        for (name, value) in vars {
            self.set(&name, value)?;
        }
        self.check_topics()?;
        Ok(self)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), LogError> {
        match name {
            "KAFKA_ENABLED" => self.enabled = truth(name, &value)?,
            "KAFKA_BOOTSTRAP_SERVERS" => self.bootstrap_servers = value,
            "KAFKA_CLIENT_ID" => self.client_id = value,
            "KAFKA_SECURITY_PROTOCOL" => self.security_protocol = Some(word(name, &value)?),
            "KAFKA_SASL_MECHANISM" => self.sasl_mechanism = value.to_uppercase(),
            "KAFKA_SASL_USERNAME" => self.sasl_username = Some(value),
            "KAFKA_SASL_PASSWORD" => self.sasl_password = Some(SecretString::from(value)),
            "KAFKA_SSL_CA_LOCATION" => self.ssl_ca_location = Some(value.into()),
            "KAFKA_SSL_CERTIFICATE_LOCATION" => self.ssl_certificate_location = Some(value.into()),
            "KAFKA_SSL_KEY_LOCATION" => self.ssl_key_location = Some(value.into()),
            "KAFKA_SSL_CA_PEM" => self.ssl_ca_pem = Some(value.into()),
            "KAFKA_SSL_CERTIFICATE_PEM" => self.ssl_certificate_pem = Some(value.into()),
            "KAFKA_SSL_KEY_PEM" => self.ssl_key_pem = Some(value.into()),
            "KAFKA_SSL_KEY_PASSWORD" => self.ssl_key_password = Some(SecretString::from(value)),
            "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM" => {
                self.ssl_endpoint_identification_algorithm = word(name, &value)?;
            }
            "KAFKA_GROUP_PROTOCOL" => self.group_protocol = word(name, &value)?,
            "KAFKA_GROUP_INSTANCE_ID" => self.group_instance_id = Some(value),
            "KAFKA_SESSION_TIMEOUT_MS" => self.session_timeout_ms = Some(number(name, &value)?),
            "KAFKA_HEARTBEAT_INTERVAL_MS" => {
                self.heartbeat_interval_ms = Some(number(name, &value)?);
            }
            "KAFKA_MAX_POLL_INTERVAL_MS" => self.max_poll_interval_ms = number(name, &value)?,
            "KAFKA_FETCH_MIN_BYTES" => self.fetch_min_bytes = number(name, &value)?,
            "KAFKA_FETCH_MAX_BYTES" => self.fetch_max_bytes = number(name, &value)?,
            "KAFKA_AUTO_OFFSET_RESET" => self.auto_offset_reset = word(name, &value)?,
            "KAFKA_ENABLE_AUTO_COMMIT" => self.enable_auto_commit = truth(name, &value)?,
            "KAFKA_AUTO_COMMIT_INTERVAL_MS" => {
                self.auto_commit_interval_ms = number(name, &value)?;
            }
            "KAFKA_TOPIC" | "KAFKA_TOPICS" => {
                self.topics = value
                    .split(',')
                    .map(str::trim)
                    .filter(|topic| !topic.is_empty())
                    .map(str::to_owned)
                    .collect();
            }
            "KAFKA_CONSUMER_GROUP" | "KAFKA_GROUP_ID" => self.group_id = value,
            _ => {}
        }
        Ok(())
    }
}

fn truth(name: &str, value: &str) -> Result<bool, LogError> {
    match value.to_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(wrong(name, "is neither true nor false")),
    }
}

fn number(name: &str, value: &str) -> Result<u32, LogError> {
    value
        .parse()
        .map_err(|_| wrong(name, "is no whole number from 0 on"))
}

/// A word of an enum, in any case.
fn word<'de, T: Deserialize<'de>>(name: &str, value: &'de str) -> Result<T, LogError> {
    let lower = value.to_lowercase();
    T::deserialize(StrDeserializer::<serde::de::value::Error>::new(&lower))
        .map_err(|error| wrong(name, error.to_string()))
}
