//! Tries configurations: defaults, the environment, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;

use secrecy::ExposeSecret as _;

use super::*;

fn from(vars: &[(&str, &str)]) -> Result<LogConfig, LogError> {
    LogConfig::default().with_environment(
        vars.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

/// What is wrong with it, in words.
fn refusal(vars: &[(&str, &str)]) -> String {
    from(vars)
        .and_then(|config| config.check())
        .unwrap_err()
        .to_string()
}

#[test]
fn an_empty_environment_keeps_the_documented_defaults() {
    let config = from(&[("KAFKA_SSL_CA_LOCATION", ""), ("HOME", "/root")]).unwrap();
    config.check().unwrap();
    assert!(config.enabled);
    assert_eq!(config.security(), SecurityProtocol::Plaintext);
    assert_eq!(config.group_id, "bgp-orchestrator-consumer");
    assert_eq!(config.auto_offset_reset, OffsetReset::Latest);
    assert_eq!(LogConfig::SESSION_TIMEOUT_MS, 30_000);
    assert_eq!(LogConfig::HEARTBEAT_INTERVAL_MS, 10_000);
    assert_eq!(config.max_poll_interval_ms, 300_000);
    assert_eq!(
        (config.fetch_min_bytes, config.fetch_max_bytes),
        (1, 52_428_800)
    );
    assert_eq!(config.auto_commit_interval_ms, 5_000);
    assert!(!config.enable_auto_commit, "the safe mode");
    assert_eq!(
        config.ssl_endpoint_identification_algorithm,
        EndpointIdentification::Https
    );
}

#[test]
fn every_variable_of_the_list_is_taken() {
    let untouched = format!("{:?}", LogConfig::default());
    for name in LogConfig::ENVIRONMENT {
        let value = match name {
            "KAFKA_ENABLED" => "No",
            "KAFKA_ENABLE_AUTO_COMMIT" => "TRUE",
            "KAFKA_SECURITY_PROTOCOL" => "SASL_SSL",
            "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM" => "none",
            "KAFKA_GROUP_PROTOCOL" => "classic",
            "KAFKA_AUTO_OFFSET_RESET" => "earliest",
            _ => "4321",
        };
        let config = from(&[(name, value)]).unwrap();
        assert_ne!(format!("{config:?}"), untouched, "{name}");
    }
}

#[test]
fn a_list_of_topics_is_trimmed_and_its_own_name_wins() {
    let config = from(&[
        ("KAFKA_TOPICS", " ripe-ris , other,, "),
        ("KAFKA_TOPIC", "third"),
        ("KAFKA_CONSUMER_GROUP", "ch-writer-group"),
    ])
    .unwrap();
    assert_eq!(config.topics, ["ripe-ris", "other"]);
    assert_eq!(config.group_id, "ch-writer-group");
}

#[test]
fn a_topic_of_our_own_is_no_source() {
    for name in ["bgp-updates", "bgp-conflicts.dlq"] {
        let text = refusal(&[("KAFKA_TOPICS", name)]);
        assert!(text.contains(name) && text.contains("take"), "{text}");
    }
}

#[test]
fn foreign_topics_are_read_once_each_and_one_by_default() {
    let topics = |names: &str| from(&[("KAFKA_TOPICS", names)]).unwrap().foreign_topics();
    assert_eq!(topics(""), ["ripe-ris-updates"]);
    assert_eq!(topics("b, a,b"), ["a", "b"]);
    let text = refusal(&[("KAFKA_TOPICS", "^ris.*")]);
    assert!(
        text.contains("^ris.*") && text.contains("letters"),
        "{text}"
    );
}

#[test]
fn values_that_are_wrong_are_named() {
    let cases = [
        ("KAFKA_ENABLED", "perhaps"),
        ("KAFKA_FETCH_MIN_BYTES", "-1"),
        ("KAFKA_GROUP_PROTOCOL", "quorum"),
    ];
    for (name, value) in cases {
        assert!(refusal(&[(name, value)]).contains(name));
    }
}

#[test]
fn tls_that_was_asked_for_never_becomes_plaintext() {
    let text = refusal(&[("KAFKA_SSL_CA_LOCATION", "/nowhere/ca.crt")]);
    assert!(text.contains("/nowhere/ca.crt"), "{text}");
    let text = refusal(&[
        ("KAFKA_SSL_CA_LOCATION", "/nowhere/ca.crt"),
        ("KAFKA_SECURITY_PROTOCOL", "plaintext"),
    ]);
    assert!(text.contains("does not encrypt"), "{text}");

    let mut ca = tempfile::NamedTempFile::new().unwrap();
    ca.write_all(b"-").unwrap();
    let path = ca.path().to_str().unwrap();
    let config = from(&[("KAFKA_SSL_CA_LOCATION", path)]).unwrap();
    assert_eq!(config.security(), SecurityProtocol::Ssl);
    config.check().unwrap();
    let config = from(&[
        ("KAFKA_SASL_USERNAME", "alice"),
        ("KAFKA_SASL_PASSWORD", "x"),
    ])
    .unwrap();
    assert_eq!(config.security(), SecurityProtocol::SaslSsl);
    config.check().unwrap();
}

#[test]
fn halves_of_a_pair_are_refused() {
    let ca = tempfile::NamedTempFile::new().unwrap();
    let path = ca.path().to_str().unwrap();
    assert!(refusal(&[("KAFKA_SSL_KEY_LOCATION", path)]).contains("go together"));
    assert!(refusal(&[("KAFKA_SASL_USERNAME", "alice")]).contains("password"));
    let plain = ("KAFKA_SECURITY_PROTOCOL", "sasl_plaintext");
    assert!(refusal(&[plain]).contains("user name"));
    assert!(refusal(&[("KAFKA_HEARTBEAT_INTERVAL_MS", "30000")]).contains("shorter"));
    assert!(refusal(&[("KAFKA_FETCH_MAX_BYTES", "10")]).contains("fetch_max_bytes"));
}

#[test]
fn a_certificate_is_taken_as_text_where_there_is_no_file_and_not_twice() {
    let pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";
    let config = from(&[("KAFKA_SSL_CA_PEM", pem)]).unwrap();
    assert_eq!(config.security(), SecurityProtocol::Ssl);
    config.check().unwrap();
    let twice = [("KAFKA_SSL_CA_PEM", pem), ("KAFKA_SSL_CA_LOCATION", "/ca")];
    assert!(refusal(&twice).contains("set one of them"));
    let file = refusal(&[("KAFKA_SSL_CA_PEM", "/etc/ca.crt")]);
    assert!(file.contains("a file goes to ssl_ca_location"), "{file}");
    assert!(refusal(&[("KAFKA_SSL_CERTIFICATE_PEM", pem)]).contains("go together"));
}

#[test]
fn secrets_are_kept_and_do_not_print() {
    let config = from(&[
        ("KAFKA_SASL_PASSWORD", "top-secret"),
        ("KAFKA_SSL_KEY_PASSWORD", "top-secret"),
        ("KAFKA_SSL_KEY_PEM", "top-secret"),
    ])
    .unwrap();
    assert!(!format!("{config:?}").contains("top-secret"));
    let kept = config.sasl_password.as_ref().unwrap();
    assert_eq!(kept.expose_secret(), "top-secret");
}

#[test]
fn who_reads_on_the_cluster_of_the_log_reads_as_the_settings_say() {
    let log = from(&[("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")]).unwrap();
    let settings = LogConfig {
        bootstrap_servers: "127.0.0.1:2".to_owned(),
        auto_offset_reset: OffsetReset::Error,
        enable_auto_commit: true,
        auto_commit_interval_ms: 7,
        topics: vec!["theirs".to_owned()],
        group_id: "ours".to_owned(),
        group_instance_id: Some("one".to_owned()),
        session_timeout_ms: Some(60_000),
        heartbeat_interval_ms: Some(1_000),
        max_poll_interval_ms: 600_000,
        fetch_min_bytes: 2,
        fetch_max_bytes: 2_000_000,
        ..LogConfig::default()
    };
    let expected = LogConfig {
        bootstrap_servers: "127.0.0.1:1".to_owned(),
        ..settings.clone()
    };
    let reading = log.reading_as(&settings);
    assert_eq!(format!("{reading:?}"), format!("{expected:?}"));
}
