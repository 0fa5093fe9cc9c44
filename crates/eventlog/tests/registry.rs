//! A schema registry beside the log: what is written is framed, what is read is not, and readers take
//! both. Wants the engine `registry`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use prost::Message as _;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use weir_eventlog::{
    EventLog, Publisher, PublisherOptions,
    admin::{self, Browse, Start},
    broker::{Broker, BrokerConfig},
    schema::{Config, Registry, SchemaError, subject},
};
use weir_events::{
    position::TopicEpoch,
    proto,
    topics::{BGP_CONFLICTS, BGP_MESSAGES},
    v1,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn registry() -> Option<Config> {
    Some(Config {
        url: weir_engines::engine("registry")?.url().to_owned(),
        ..Config::default()
    })
}

/// The answer to `method path` with a body.
fn ask(config: &Config, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{}{path}", config.url))
        .header("content-type", "application/vnd.schemaregistry.v1+json")
        .body(body.to_owned())
        .unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .build()
        .into();
    let mut answer = agent.run(request).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (
        answer.status().as_u16(),
        serde_json::from_str(&text).unwrap(),
    )
}

fn incident(id: &str) -> v1::Incident {
    v1::Incident {
        id: id.to_owned(),
        version: 7,
        ..v1::Incident::default()
    }
}

#[test]
fn records_are_framed_with_the_registered_id_and_readers_take_both_framings() {
    let Some(config) = registry() else { return };
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        dir: folder.path().to_owned(),
        ..BrokerConfig::default()
    })
    .unwrap();
    let plain = EventLog::embedded(broker.clone());
    admin::ensure_topics(&plain, TopicEpoch(1)).unwrap();
    let framed = EventLog::embedded(broker.clone())
        .with_schemas(&config)
        .unwrap();
    for (log, id) in [(&plain, "plain"), (&framed, "framed")] {
        let publisher = Publisher::connect(log, PublisherOptions::default()).unwrap();
        publisher.publish(0, b"key", &incident(id)).unwrap();
        publisher
            .publish(1, b"key", &v1::BgpMessage::default())
            .unwrap();
        publisher.flush(PATIENCE).unwrap();
    }

    let (_, versions) = ask(
        &config,
        "GET",
        "/subjects/bgp-conflicts-value/versions/latest",
        "",
    );
    let id = u32::try_from(versions["id"].as_u64().unwrap()).unwrap();
    let raw = raw(&plain, BGP_CONFLICTS.name, 0, 2);
    assert_eq!(raw[0], incident("plain").encode_to_vec());
    let mut wanted = vec![0];
    wanted.extend_from_slice(&id.to_be_bytes());
    wanted.push(0);
    wanted.extend_from_slice(&incident("framed").encode_to_vec());
    assert_eq!(raw[1], wanted);
    // BgpMessage is the 17th message of its file. The first record is the TopicStart.
    assert_eq!(self::raw(&plain, BGP_MESSAGES.name, 1, 3)[2][5..], [2, 32]);

    let mut seen = Vec::new();
    let wanted = Browse {
        topic: BGP_CONFLICTS.name,
        partition: Some(0),
        from: Start::Beginning,
        max: Some(2),
        until_end: true,
    };
    admin::browse(&plain, &wanted, |_, record| {
        seen.push(v1::Incident::decode(record.payload).unwrap().id);
        true
    })
    .unwrap();
    assert_eq!(seen, ["plain", "framed"]);
    broker.stop();
}

/// The values of the first records of a partition, as a foreign reader sees them.
fn raw(log: &EventLog, topic: &str, partition: i32, count: usize) -> Vec<Vec<u8>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &log.config().bootstrap_servers)
        .set("group.id", "foreign")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Beginning)
        .unwrap();
    consumer.assign(&list).unwrap();
    (0..count)
        .map(|_| {
            let record = consumer.poll(PATIENCE).unwrap().unwrap();
            record.payload().unwrap_or_default().to_vec()
        })
        .collect()
}

#[test]
fn every_subject_is_registered_with_its_compatibility_and_a_break_is_refused() {
    let Some(config) = registry() else { return };
    let registry = Registry::open(&config).unwrap().unwrap();
    let subjects = registry.apply().unwrap();
    assert!(subjects.contains(&subject("window-results")));
    assert!(subjects.contains(&"weir/v1/net.proto".to_owned()));
    assert_eq!(
        registry.apply().unwrap(),
        subjects,
        "the second run finds all as it is"
    );
    for subject in subjects {
        let path = format!("/config/{}", subject.replace('/', "%2F"));
        let (_, answer) = ask(&config, "GET", &path, "");
        assert_eq!(answer["compatibilityLevel"], "FULL_TRANSITIVE", "{subject}");
    }
    let (file, _) = proto::find("FeatureRow").unwrap();
    let broken = file
        .text
        .replace("uint64 version = 4;", "string version = 4;");
    let body = serde_json::json!({"schemaType": "PROTOBUF", "schema": broken}).to_string();
    let (status, answer) = ask(
        &config,
        "POST",
        "/subjects/feature-rows-value/versions",
        &body,
    );
    assert_eq!(status, 409, "{answer}");
}

#[test]
fn without_the_right_to_register_a_missing_definition_names_the_command() {
    let Some(mut config) = registry() else { return };
    Registry::open(&config).unwrap().unwrap().apply().unwrap();
    config.auto_register = false;
    let registry = Registry::open(&config).unwrap().unwrap();
    let framing = registry.framing().unwrap();
    assert_eq!(framing.before("feature-rows")[0], 0);
    let elsewhere = Config {
        url: format!("{}/nowhere", config.url),
        ..config
    };
    let error = Registry::open(&elsewhere).unwrap().unwrap().framing();
    let error = error.unwrap_err();
    assert!(matches!(error, SchemaError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("weir topics apply"), "{error}");
}
