//! `weir doctor`: what a person sees when all is well, and when engines are away or refuse.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeMap,
    net::TcpListener,
    process::{Command, Output},
};

use weir_engines::engine;
use weir_eventlog::{
    EventLog, Publisher, PublisherOptions,
    admin::{self, Desired, Step},
    broker::{Broker, BrokerConfig},
};
use weir_events::{
    position::TopicEpoch,
    topics::{self, BGP_UPDATES},
};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// The exit code, and the table as (component, check) -> line.
struct Told {
    code: i32,
    lines: Vec<serde_json::Value>,
    text: String,
}

/// `weir migrate` or the like, under the same settings.
fn weir(arguments: &[&str], variables: &[(&str, String)]) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(arguments)
        .arg("--data")
        .arg(folder.path())
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (*name, value)))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A broker, and the setting that names it.
fn broker() -> (tempfile::TempDir, Broker, EventLog, (&'static str, String)) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        dir: folder.path().to_owned(),
        ..BrokerConfig::default()
    })
    .unwrap();
    let log = EventLog::embedded(broker.clone());
    let named = log.config().bootstrap_servers.clone();
    (folder, broker, log, ("KAFKA_BOOTSTRAP_SERVERS", named))
}

fn doctor(variables: &[(&str, String)]) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let run = |extra: &[&str]| -> Output {
        Command::new(env!("CARGO_BIN_EXE_weir"))
            .arg("doctor")
            .args(extra)
            .arg("--data")
            .arg(folder.path())
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (*name, value)))
            .output()
            .unwrap()
    };
    let output = run(&["--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    Told {
        code: output.status.code().unwrap(),
        lines: text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        text: text + &String::from_utf8_lossy(&output.stderr),
    }
}

impl Told {
    fn line(&self, component: &str, check: &str) -> &serde_json::Value {
        let found = self
            .lines
            .iter()
            .find(|line| line["component"] == component && line["check"] == check);
        found.unwrap_or_else(|| panic!("no {component} {check} in {}", self.text))
    }
}

#[test]
fn embedded_parts_need_no_engine_and_nothing_fails() {
    let told = doctor(&[]);
    assert_eq!(told.code, 0, "{}", told.text);
    assert_eq!(told.line("kafka", "topics")["state"], "skipped");
    assert_ne!(told.line("machine", "disk")["state"], "fail");
}

#[test]
fn each_engine_that_is_away_fails_alone_with_a_next_step_and_without_its_secret() {
    let away = |scheme: &str, rest: &str| format!("{scheme}://ann:hush-hush@127.0.0.1:9{rest}");
    let told = doctor(&[
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9".to_owned()),
        ("WEIR__RECORD_STORE__URL", away("postgres", "/weir")),
        ("WEIR__ONLINE_STORE__URL", away("redis", "/0")),
        (
            "WEIR__METRIC_STORE__URL",
            "cql://127.0.0.1:9/weir".to_owned(),
        ),
        ("WEIR__OFFLINE_STORE__URL", "s3://weir/history".to_owned()),
        (
            "WEIR__OFFLINE_STORE__ENDPOINT",
            "http://127.0.0.1:9".to_owned(),
        ),
        ("AWS_ACCESS_KEY_ID", "ann".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "hush-hush".to_owned()),
    ]);
    assert_eq!(told.code, 1, "{}", told.text);
    for (component, check) in [
        ("kafka", "topics"),
        ("record_store", "tables"),
        ("online_store", "server"),
        ("metric_store", "server"),
        ("offline_store", "probe"),
    ] {
        let line = told.line(component, check);
        assert_eq!(line["state"], "fail", "{line}");
        assert!(!line["next_step"].as_str().unwrap().is_empty(), "{line}");
    }
    for check in ["topics", "retention", "lag", "dead-letters"] {
        let line = told.line("kafka", check);
        let cause = line["detail"].as_str().unwrap();
        assert!(cause.contains("refused"), "not the cause: {line}");
    }
    assert_ne!(told.line("machine", "disk")["state"], "fail");
    assert!(!told.text.contains("hush-hush"), "{}", told.text);
}

#[test]
fn settings_that_cannot_be_read_are_unusable() {
    let told = doctor(&[("WEIR__RECORD_STORE__NO_SUCH_KEY", "1".to_owned())]);
    assert_eq!(told.code, 2, "{}", told.text);
}

#[test]
fn real_engines_answer() {
    let (Some(postgres), Some(redis), Some(cql)) =
        (engine("postgres"), engine("redis"), engine("cql"))
    else {
        return;
    };
    let variables = [
        ("WEIR__RECORD_STORE__URL", postgres.url().to_owned()),
        ("WEIR__ONLINE_STORE__URL", redis.url().to_owned()),
        (
            "WEIR__METRIC_STORE__URL",
            format!("{}/doctor_{}", cql.url(), std::process::id()),
        ),
    ];
    // Asked twice: the first made no tables.
    for _ in 0..2 {
        let told = doctor(&variables);
        let line = told.line("metric_store", "server");
        assert_eq!(line["state"], "fail", "{line}");
        assert!(line["next_step"].as_str().unwrap().contains("weir migrate"));
    }
    weir(&["migrate"], &variables);
    let told = doctor(&variables);
    for (component, check) in [("record_store", "tables"), ("metric_store", "server")] {
        let line = told.line(component, check);
        assert_eq!(line["state"], "ok", "{line}");
    }
    // A server for tests may keep nothing over a restart, which is told.
    assert_ne!(told.line("online_store", "server")["state"], "fail");
    assert_eq!(told.code, 0, "{}", told.text);
}

#[test]
fn a_database_file_is_neither_made_nor_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("incidents.db");
    let variables = [(
        "WEIR__RECORD_STORE__URL",
        format!("sqlite://{}", file.display()),
    )];
    let told = doctor(&variables);
    assert_eq!(told.line("record_store", "tables")["state"], "ok");
    assert!(!file.exists(), "the doctor made it");

    std::fs::write(&file, "").unwrap();
    let told = doctor(&variables);
    let line = told.line("record_store", "tables");
    assert_eq!(line["state"], "fail", "{line}");
    assert!(line["detail"].as_str().unwrap().contains("none yet"));
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 0);
}

#[test]
fn a_topic_with_another_number_of_partitions_fails() {
    let (_folder, broker, log, named) = broker();
    let table = admin::table();
    let mut topic: Desired = table
        .into_iter()
        .find(|topic| topic.name == BGP_UPDATES.name)
        .unwrap();
    topic.partitions = 3;
    admin::apply(&log, &[Step::Create { topic }]).unwrap();
    let told = doctor(&[named]);
    let line = told.line("kafka", "topics");
    assert_eq!(line["state"], "fail", "{line}");
    let detail = line["detail"].as_str().unwrap();
    assert!(
        detail.contains("refused  bgp-updates") && detail.contains('3'),
        "{detail}"
    );
    broker.stop();
}

#[test]
fn a_checkpoint_that_is_older_than_the_retention_of_its_topic_fails() {
    let (_folder, broker, log, named) = broker();
    admin::ensure_topics(&log, TopicEpoch(1)).unwrap();
    let publisher = Publisher::connect(&log, PublisherOptions::default()).unwrap();
    publisher
        .publish_encoded(BGP_UPDATES.name, 0, b"key", b"x", 0)
        .unwrap();
    publisher.flush(PATIENCE).unwrap();
    let group = weir_conflict_detector::GROUP;
    admin::move_group(&log, group, BGP_UPDATES.name, &[(0, 1)]).unwrap();
    let variables = [named];
    let line = |told: &Told| told.line("kafka", "retention").clone();
    let told = doctor(&variables);
    assert_eq!(line(&told)["state"], "ok", "{}", told.text);

    // Every record is older than a retention of a millisecond; no segment is full, so none goes yet.
    let retention = Step::Alter {
        topic: BGP_UPDATES.name.to_owned(),
        key: "retention.ms".to_owned(),
        from: String::new(),
        to: "1".to_owned(),
    };
    admin::apply(&log, &[retention]).unwrap();
    let told = doctor(&variables);
    assert_eq!(line(&told)["state"], "fail", "{}", told.text);
    let detail = line(&told)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("bgp-updates/0 offset 1"), "{detail}");
    let next = line(&told)["next_step"].as_str().unwrap().to_owned();
    assert!(next.contains("retention.ms"), "{next}");
    assert_eq!(told.code, 1);
    broker.stop();
}

#[test]
fn a_port_of_a_service_that_another_program_holds_is_told_with_its_holder() {
    let Some((held, port)) =
        (9101..=9105).find_map(|port| Some((TcpListener::bind(("127.0.0.1", port)).ok()?, port)))
    else {
        return;
    };
    let told = doctor(&[]);
    let line = told.line("machine", "admin-ports");
    assert_eq!(line["state"], "warn", "{line}");
    let detail = line["detail"].as_str().unwrap();
    let us = format!("(process {})", std::process::id());
    assert!(
        detail.contains(&port.to_string()) && detail.contains(&us),
        "{detail}"
    );
    drop(held);
}

#[test]
fn subjects_with_another_level_of_compatibility_fail() {
    let Some(registry) = engine("registry") else {
        return;
    };
    let (_folder, broker, _log, named) = broker();
    let mut variables = BTreeMap::from([
        named,
        ("WEIR__SCHEMA_REGISTRY__URL", registry.url().to_owned()),
    ]);
    let list = |variables: &BTreeMap<_, String>| -> Vec<(&'static str, String)> {
        variables.clone().into_iter().collect()
    };
    weir(&["topics", "apply"], &list(&variables));
    let told = doctor(&list(&variables));
    let line = told.line("schema_registry", "compatibility");
    assert_eq!(line["state"], "ok", "{line}");

    variables.insert("WEIR__SCHEMA_REGISTRY__COMPATIBILITY", "BACKWARD".into());
    let told = doctor(&list(&variables));
    let line = told.line("schema_registry", "compatibility");
    assert_eq!(line["state"], "fail", "{line}");
    let detail = line["detail"].as_str().unwrap();
    let subject = format!("{}-value FULL_TRANSITIVE", topics::BGP_UPDATES.name);
    assert!(detail.contains(&subject), "{detail}");
    broker.stop();
}
