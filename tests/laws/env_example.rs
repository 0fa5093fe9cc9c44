//! `.env.example` names every variable that the code and the compose file know, and no other.

use std::{collections::BTreeSet, fs};

/// Table of `weir.toml`, the file whose `pub struct` holds its keys, the name of that struct.
const TABLES: [(&str, &str, &str); 21] = [
    ("KAFKA", "crates/eventlog/src/config.rs", "LogConfig"),
    ("SCHEMA_REGISTRY", "crates/eventlog/src/schema.rs", "Config"),
    (
        "RECORD_STORE",
        "crates/record-store/src/config.rs",
        "Config",
    ),
    (
        "ONLINE_STORE",
        "crates/online-store/src/config.rs",
        "Config",
    ),
    (
        "METRIC_STORE",
        "crates/metric-store/src/config.rs",
        "Config",
    ),
    ("OFFLINE_STORE", "crates/objects/src/config.rs", "Config"),
    ("CHECKPOINT_STORE", "crates/objects/src/config.rs", "Config"),
    ("STREAM", "crates/lifecycle/src/stream.rs", "Config"),
    ("ADMIN", "crates/lifecycle/src/admin.rs", "Config"),
    ("LOOKUPS", "crates/lifecycle/src/tokens.rs", "Auth"),
    ("TELEMETRY", "crates/lifecycle/src/telemetry.rs", "Config"),
    ("INGEST", "services/ingest/src/config.rs", "Config"),
    (
        "INGEST__KNOWLEDGE",
        "services/ingest/src/config.rs",
        "Knowledge",
    ),
    (
        "INGEST__BASELINE",
        "services/ingest/src/config/baseline.rs",
        "Baseline",
    ),
    (
        "CONFLICT_DETECTOR",
        "services/conflict-detector/src/config.rs",
        "Config",
    ),
    (
        "CONFLICT_DETECTOR__THRESHOLDS",
        "crates/conflicts/src/thresholds.rs",
        "Thresholds",
    ),
    (
        "CONFLICT_DETECTOR__UPDATES",
        "services/conflict-detector/src/updates.rs",
        "Config",
    ),
    (
        "FEATURE_MATERIALIZER",
        "services/feature-materializer/src/config.rs",
        "Config",
    ),
    (
        "METRICS_AGGREGATOR",
        "services/metrics-aggregator/src/config.rs",
        "Config",
    ),
    (
        "SERVING_API",
        "services/serving-api/src/config.rs",
        "Config",
    ),
    (
        "SERVING_API__RIS",
        "services/serving-api/src/config.rs",
        "Ris",
    ),
];

/// Types of keys that are sections of their own, or that the code sets itself.
const SECTIONS: [&str; 8] = [
    "Thresholds,",
    "Knowledge,",
    "Baseline,",
    "updates::Config,",
    "weir_objects::Config,",
    "Auth,",
    "Ris,",
    "Source,",
];

/// What ingest takes from `[stream]`, whatever its own table says.
const FROM_STREAM: [&str; 3] = ["STREAM", "INSTANCE", "SYNTHETIC"];

/// Variables of the process itself, of compose, and of sections that are an enum or a list of secrets.
const OTHERS: [&str; 7] = [
    "COMPOSE_PROFILES",
    "RUST_LOG",
    "WEIR_CONFIG",
    "WEIR__INGEST__SOURCE__TYPE",
    "WEIR__INGEST__SOURCE__SPEED",
    "WEIR__SERVING_API__AUTH__TOKEN",
    "WEIR__SERVING_API__AUTH__TOKEN_FILE",
];

fn read(path: &str) -> String {
    fs::read_to_string(super::root().join(path)).unwrap()
}

/// The quoted names in capitals of `text`.
fn quoted(text: &str) -> BTreeSet<String> {
    let names = text.split('"').skip(1).step_by(2);
    names
        .filter(|name| is_name(name))
        .map(str::to_owned)
        .collect()
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && !text.ends_with('_')
        && text
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// (name, value) of every line that sets a variable or shows its default.
fn example() -> Vec<(String, String)> {
    let text = read(".env.example");
    let lines = text
        .lines()
        .map(|line| line.strip_prefix('#').unwrap_or(line));
    lines
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| is_name(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The names of the documents, from the two lists in the code.
fn documents() -> BTreeSet<String> {
    let kafka = read("crates/eventlog/src/config/environment.rs");
    let kafka = kafka.split("ENVIRONMENT: [").nth(1).unwrap();
    let mut names = quoted(kafka.split("];").next().unwrap());
    let others = read("crates/lifecycle/src/config/names.rs");
    names.extend(quoted(others.split("];").next().unwrap()));
    assert!(names.len() > 35, "only {} names were read", names.len());
    names
}

/// (table, key) in capitals for every key of ours that is no section of its own.
fn keys() -> Vec<(&'static str, String)> {
    let mut keys = Vec::new();
    for (table, path, name) in TABLES {
        let text = read(path);
        let body = text
            .split(&format!("pub struct {name} {{"))
            .nth(1)
            .and_then(|rest| rest.split("\n}").next())
            .unwrap();
        let fields = body
            .lines()
            .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": "));
        for (key, kind) in fields {
            let section = SECTIONS.contains(&kind);
            let key = key.to_uppercase();
            let from_stream = table == "INGEST" && FROM_STREAM.contains(&key.as_str());
            if !section && !from_stream {
                keys.push((table, key));
            }
        }
    }
    assert!(keys.len() > 80, "only {} keys were read", keys.len());
    keys
}

/// The documents' names of keys of ours: `("REDIS_URL", "online_store", "url")` in the code.
fn has_name_of_the_documents(table: &str, key: &str) -> bool {
    let list: String = read("crates/lifecycle/src/config/names.rs")
        .split_whitespace()
        .collect();
    let pair = format!("\"{}\",\"{}\"", table.to_lowercase(), key.to_lowercase());
    table == "KAFKA" || list.contains(&pair)
}

/// The variables that the compose file takes from `.env`: `${NAME..}`, and names without a value.
fn composed() -> BTreeSet<String> {
    let text = read("docker-compose.kafka.yml");
    let inserted = text.split("${").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        Some(rest[..end].to_owned())
    });
    let bare = text
        .lines()
        .filter_map(|line| line.trim().strip_suffix(':'));
    let bare = bare.filter(|name| is_name(name)).map(str::to_owned);
    inserted.chain(bare).collect()
}

#[test]
fn the_example_names_every_variable_of_the_code_and_of_compose() {
    let shown: BTreeSet<_> = example().into_iter().map(|(name, _)| name).collect();
    let ours = keys()
        .into_iter()
        .filter(|(table, key)| !has_name_of_the_documents(table, key))
        .map(|(table, key)| format!("WEIR__{table}__{key}"));
    let known = documents().into_iter().chain(composed()).chain(ours);
    let missing: BTreeSet<_> = known.filter(|name| !shown.contains(name)).collect();
    assert!(missing.is_empty(), ".env.example lacks {missing:?}");
}

#[test]
fn the_example_names_nothing_that_nobody_reads_and_nothing_twice() {
    let mut known = documents();
    known.extend(OTHERS.map(str::to_owned));
    known.extend(
        keys()
            .into_iter()
            .map(|(table, key)| format!("WEIR__{table}__{key}")),
    );
    // Names that only compose reads are those of engines.
    known.extend(
        composed()
            .into_iter()
            .filter(|name| !name.starts_with("WEIR")),
    );
    let mut seen = BTreeSet::new();
    for (name, _) in example() {
        assert!(known.contains(&name), "nobody reads {name}");
        assert!(seen.insert(name.clone()), "{name} stands there twice");
    }
    let strange: Vec<_> = composed()
        .into_iter()
        .filter(|name| !known.contains(name))
        .collect();
    assert!(
        strange.is_empty(),
        "nobody reads what compose gives: {strange:?}"
    );
}

#[test]
fn the_example_holds_no_secret() {
    for (name, value) in example() {
        let secret = ["PASSWORD", "SECRET_ACCESS_KEY", "TOKEN"]
            .iter()
            .any(|end| name.ends_with(end));
        assert!(!secret || value.is_empty(), "{name} has a value");
    }
}

#[test]
fn compose_publishes_on_loopback_only_pins_every_image_and_hides_the_workers() {
    let text = read("docker-compose.kafka.yml");
    for line in text.lines().map(str::trim) {
        if let Some(ports) = line.strip_prefix("ports: ") {
            for port in ports.split('"').skip(1).step_by(2) {
                assert!(port.starts_with("127.0.0.1:"), "{port} is open to all");
            }
        }
        if let Some(image) = line.strip_prefix("image: ") {
            let tag = image.rsplit_once(':').map(|(_, tag)| tag);
            assert!(
                tag.is_some_and(|tag| tag != "latest"),
                "{image} is not pinned"
            );
        }
    }
    for worker in [
        "conflict-detector",
        "feature-materializer",
        "metrics-aggregator",
    ] {
        let service = text.split(&format!("\n  {worker}:\n")).nth(1).unwrap();
        let service = service.split("\n\n").next().unwrap();
        assert!(
            service.contains("<<: *ours") && !service.contains("ports:"),
            "{worker}"
        );
    }
}

#[test]
fn images_are_built_with_the_toolchain_of_the_workspace() {
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.split('"').nth(1).unwrap();
    let dockerfile = read("deploy/images/Dockerfile");
    assert!(dockerfile.contains(&format!("ARG RUST={channel}\n")));
}
