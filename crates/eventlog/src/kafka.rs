//! The client underneath: rdkafka. Only this file and its folder name it.
//!
//! What librdkafka hides is surfaced here: its log lines and its background errors go to tracing,
//! its error codes become [`LogError`] with the question that was asked.

mod commits;
pub(crate) mod features;
pub(crate) mod foreign;
pub(crate) mod group;
pub(crate) mod lookup;
pub(crate) mod producer;
pub(crate) mod tail;
pub(crate) mod topics;
mod voice;

use std::time::Duration;

use rdkafka::{ClientConfig, config::RDKafkaLogLevel};

use secrecy::ExposeSecret as _;

use crate::{EndpointIdentification, LogConfig};
pub(crate) use voice::{Voice, failed, refused, trouble_of};

/// How long one request to the broker may take.
pub(crate) const REQUEST: Duration = Duration::from_secs(10);

/// What every client has in common.
pub(crate) fn client_config(config: &LogConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.bootstrap_servers)
        .set("client.id", &config.client_id)
        .set("allow.auto.create.topics", "false")
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true")
        .set("socket.timeout.ms", "10000")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set("log.connection.close", "false")
        .set_log_level(RDKafkaLogLevel::Info);
    secure(&mut client, config);
    client
}

fn secure(client: &mut ClientConfig, config: &LogConfig) {
    let security = config.security();
    client.set("security.protocol", security.name());
    if security.has_sasl() {
        client.set("sasl.mechanism", &config.sasl_mechanism);
        if let Some(user) = &config.sasl_username {
            client.set("sasl.username", user);
        }
        if let Some(password) = &config.sasl_password {
            client.set("sasl.password", password.expose_secret());
        }
    }
    if security.has_tls() {
        client.set(
            "ssl.endpoint.identification.algorithm",
            match config.ssl_endpoint_identification_algorithm {
                EndpointIdentification::Https => "https",
                EndpointIdentification::None => "none",
            },
        );
        for part in config.tls() {
            let Some(property) = part.property() else {
                continue;
            };
            if let Some(file) = part.file {
                client.set(property, file.to_string_lossy());
            } else if let Some(text) = part.text {
                client.set(property, text.expose_secret());
            }
        }
        if let Some(password) = &config.ssl_key_password {
            client.set("ssl.key.password", password.expose_secret());
        }
    }
}

/// What every reader has in common. Small buffers, because one process holds many of them: with a
/// queue per partition both bounds count for each partition. A record ends a wait at once:
/// `fetch.wait.max.ms` is how often an idle reader asks, and the most that a seek waits for the answer.
pub(crate) fn reader_config(config: &LogConfig, group: &str) -> ClientConfig {
    let mut client = client_config(config);
    client
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("check.crcs", "true")
        .set("fetch.min.bytes", config.fetch_min_bytes.to_string())
        .set("fetch.wait.max.ms", "250")
        .set("fetch.error.backoff.ms", "20")
        .set("fetch.queue.backoff.ms", "2")
        .set("fetch.message.max.bytes", "131072")
        .set("fetch.max.bytes", config.fetch_max_bytes.to_string())
        .set("queued.min.messages", "1000")
        .set("queued.max.messages.kbytes", "256");
    client
}

/// A partition as librdkafka counts them.
pub(crate) fn signed(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}
