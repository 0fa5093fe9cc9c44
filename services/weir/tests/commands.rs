//! The commands that look after a cluster, run as a person runs them, on the embedded broker and on Kafka.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use weir_eventlog::{
    EventLog, LogConfig, Publisher, PublisherOptions, admin,
    broker::{Broker, BrokerConfig},
};
use weir_events::{topics, v1};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

struct Place {
    log: EventLog,
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Place {
    fn new(log: EventLog) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = |file: &str| folder.path().join(file).display().to_string();
        let set = |name: &str, value: String| (name.to_owned(), value);
        let variables = vec![
            set(
                "KAFKA_BOOTSTRAP_SERVERS",
                log.config().bootstrap_servers.clone(),
            ),
            set(
                "WEIR__RECORD_STORE__URL",
                format!("sqlite://{}", url("incidents.db")),
            ),
            set(
                "WEIR__METRIC_STORE__URL",
                format!("file://{}", url("metrics.redb")),
            ),
            set(
                "WEIR__ONLINE_STORE__URL",
                format!("file://{}", url("online.redb")),
            ),
        ];
        Self {
            log,
            folder,
            variables,
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(set, _)| set != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(arguments)
            .arg("--data")
            .arg(self.folder.path())
            .env_clear()
            .envs(self.variables.iter().cloned())
            .output()
            .unwrap()
    }

    /// What it prints when it succeeds.
    fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it complains of when it fails.
    fn complains(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// The log on the Kafka at this address.
fn kafka(url: &str) -> EventLog {
    let config = LogConfig {
        bootstrap_servers: url.to_owned(),
        ..LogConfig::default()
    };
    EventLog::kafka(config).unwrap()
}

fn embedded(check: impl FnOnce(Place)) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        dir: folder.path().to_owned(),
        ..BrokerConfig::default()
    })
    .unwrap();
    check(Place::new(EventLog::embedded(broker.clone())));
    broker.stop();
}

fn on_every_log(check: impl Fn(&Place)) {
    embedded(|place| check(&place));
    if let Some(engine) = weir_engines::engine("kafka") {
        check(&Place::new(kafka(engine.url())));
    }
}

#[test]
fn a_log_that_is_made_anew_begins_above_the_copies_of_the_checkpoints() {
    embedded(|mut place| {
        let copies = place.folder.path().join("copies");
        let manifests = copies.join("live/conflict-detector/bgp-updates/3/manifests");
        std::fs::create_dir_all(&manifests).unwrap();
        let manifest = r#"{"format": 1, "partition": 3, "topic_epoch": 6, "round": 1, "p0": 9,
            "control": {"file": "a", "checksum": 1}, "blocks": []}"#;
        let name = "00000000000000000009-0000000001.json";
        std::fs::write(manifests.join(name), manifest).unwrap();
        place.set(
            "WEIR__CHECKPOINT_STORE__URL",
            &format!("file://{}", copies.display()),
        );
        let told = place.prints(&["topics", "apply"]);
        assert!(told.contains("with topic epoch 7"), "{told}");
    });
}

#[test]
fn topics_are_applied_twice_with_the_same_end_and_what_is_in_them_is_read() {
    on_every_log(|place| {
        place.prints(&["topics", "apply"]);
        let before = place.prints(&["topics", "describe", "bgp-updates"]);
        let again = place.prints(&["topics", "apply"]);
        assert!(again.starts_with("nothing to do"), "{again}");
        assert!(
            place
                .prints(&["topics", "plan"])
                .starts_with("nothing to do")
        );
        assert_eq!(place.prints(&["topics", "describe", "bgp-updates"]), before);
        assert!(before.contains("8 partitions") && before.contains("retention.ms = 86400000"));
        assert!(
            place
                .prints(&["topics", "list"])
                .contains("bgp-conflicts.dlq\n")
        );

        let first = place.prints(&[
            "topics",
            "consume",
            "bgp-updates",
            "--from-beginning",
            "--timestamps",
            "--key",
            "--partition",
            "3",
            "--max",
            "1",
        ]);
        let first: serde_json::Value = serde_json::from_str(&first).unwrap();
        assert_eq!(first["offset"], 0);
        assert_eq!(first["key"], "_control");
        assert!(first["produced_at"].as_str().unwrap().ends_with('Z'));
        let epoch = &first["event"]["control"]["topic_start"]["topic_epoch"];
        assert!(epoch.as_u64().unwrap() >= 1, "{first}");
    });
}

#[test]
fn a_topic_of_others_is_made_and_removed_only_by_its_name() {
    on_every_log(|place| {
        let name = format!("raw-pings-{}", std::process::id());
        let file = place.folder.path().join("topics.toml");
        std::fs::write(
            &file,
            format!("[{name}]\npartitions = 6\nretention = \"7d\"\n"),
        )
        .unwrap();
        let overrides = ["--overrides", file.to_str().unwrap()];
        let told = place.prints(&[&["topics", "plan"][..], &overrides].concat());
        assert!(
            told.contains(&format!("create   {name} partitions=6")),
            "{told}"
        );
        place.prints(&[&["topics", "apply"][..], &overrides].concat());
        let asked = place.complains(&["topics", "delete", &name]);
        assert!(asked.contains(&format!("--yes {name}")), "{asked}");
        place.prints(&["topics", "delete", &name, "--yes", &name]);
        let absent = place.complains(&["topics", "describe", &name]);
        assert!(absent.contains("there is no topic"), "{absent}");
        std::fs::write(&file, "[bgp-updates]\npartitions = 3\n").unwrap();
        let refused = place.complains(&[&["topics", "apply"][..], &overrides].concat());
        assert!(refused.contains("a new topic and a replay"), "{refused}");
    });
}

fn set_back(place: &Place) {
    place.prints(&["topics", "apply"]);
    let publisher = Publisher::connect(&place.log, PublisherOptions::default()).unwrap();
    for _ in 0..4 {
        publisher
            .publish(2, b"key", &v1::Incident::default())
            .unwrap();
    }
    publisher.flush(PATIENCE).unwrap();
    let end = admin::end_offsets(&place.log, &topics::BGP_CONFLICTS).unwrap()[2];
    let (group, to) = (weir_conflict_detector::WRITER_GROUP, (end - 3).to_string());
    let seek = [
        "pipelines",
        "seek",
        group,
        "--partition",
        "2",
        "--to-offset",
        &to,
    ];
    let told = place.prints(&seek);
    assert!(told.contains("add --yes"), "{told}");
    let moved = place.prints(&[&seek[..], &["--yes"]].concat());
    assert!(moved.contains("moved; start its service again"), "{moved}");
    let updates = weir_conflict_detector::updates::GROUP;
    let seek = ["pipelines", "seek", updates, "--to-offset", "1", "--yes"];
    place.prints(&[&seek[..], &["--partition", "2"]].concat());
    let (_, url) = place
        .variables
        .iter()
        .find(|(name, _)| name == "WEIR__RECORD_STORE__URL")
        .unwrap();
    let store = weir_record_store::RecordStore::blocking(url).unwrap();
    assert_eq!(store.position(2).unwrap(), Some(end - 3));
    assert_eq!(store.update_position(2).unwrap(), Some(1));
    store.close();
    let group_stands = admin::committed(&place.log, group, &topics::BGP_CONFLICTS).unwrap();
    assert_eq!(group_stands[2], Some(end - 3));
    let described = place.prints(&["groups", "describe", group]);
    assert!(
        described.contains("bgp-conflicts/2") && described.contains("lag 3"),
        "{described}"
    );
    assert!(place.prints(&["pipelines", "list"]).contains(group));

    for group in [
        weir_conflict_detector::GROUP,
        weir_conflict_detector::CORRELATOR_GROUP,
    ] {
        let refused = place.complains(&["pipelines", "seek", group, "--to-beginning", "--yes"]);
        assert!(
            refused.contains("keeps state") && refused.contains("checkpoint"),
            "{refused}"
        );
    }
    let late = place.complains(&["pipelines", "wait", "--timeout", "0"]);
    assert!(late.contains("weir pipelines list"), "{late}");
}

#[test]
fn a_sink_is_set_back_in_its_store_and_a_task_with_state_is_not() {
    on_every_log(set_back);
    let engines = (
        weir_engines::engine("kafka"),
        weir_engines::own_engine("postgres"),
    );
    if let (Some(broker), Some(store)) = engines {
        let mut place = Place::new(kafka(broker.url()));
        place.set("WEIR__RECORD_STORE__URL", store.url());
        set_back(&place);
    }
}

#[test]
fn topics_are_made_with_as_many_copies_as_the_overrides_say_and_other_numbers_are_told() {
    let Some(engine) = weir_engines::own_engine("kafka-three") else {
        return;
    };
    let place = Place::new(kafka(engine.url()));
    let file = place.folder.path().join("topics.toml");
    let with_overrides = |text: &str, command: &str| {
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        place.prints(&["topics", command, "--overrides", file])
    };
    with_overrides(
        "[bgp-updates]\nreplication = 3\n[bgp-conflicts]\nreplication = 1\n",
        "apply",
    );
    let updates = place.prints(&["topics", "describe", "bgp-updates"]);
    assert!(updates.contains("min.insync.replicas = 2"), "{updates}");
    assert_eq!(copies(&updates), [3; 8], "{updates}");
    let conflicts = place.prints(&["topics", "describe", "bgp-conflicts"]);
    assert_eq!(copies(&conflicts), [1; 4], "{conflicts}");
    let told = with_overrides("[bgp-conflicts]\nreplication = 3\n", "plan");
    assert!(
        told.contains("drift    bgp-conflicts has 1 copies, 3 are wanted"),
        "{told}"
    );
}

/// Of each partition, how many brokers have a copy: `replicas [1, 2, 3]`.
fn copies(described: &str) -> Vec<usize> {
    let lists = described.split("replicas [").skip(1);
    lists
        .map(|rest| rest.split(']').next().unwrap().split(',').count())
        .collect()
}

#[test]
fn settings_are_shown_and_stores_migrated_and_exported() {
    on_every_log(|place| {
        let shown = place.prints(&["config", "show"]);
        let servers = &place.log.config().bootstrap_servers;
        assert!(
            shown.contains(&format!("kafka.bootstrap_servers = \"{servers}\"")),
            "{shown}"
        );
        assert!(shown.contains("* record_store.url"), "{shown}");
        let done = place.prints(&["migrate"]);
        assert!(
            done.contains("record_store     tables are at version"),
            "{done}"
        );
        assert_eq!(place.prints(&["migrate"]), done);
        let file = place.folder.path().join("incidents.ndjson");
        place.prints(&["export", "--incidents", file.to_str().unwrap()]);
        assert_eq!(std::fs::read(&file).unwrap(), b"");
    });
}
