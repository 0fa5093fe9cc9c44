//! Arrows point down, siblings do not see each other, one driver lives in one crate.

use std::collections::BTreeMap;

use cargo_metadata::{Metadata, MetadataCommand};

/// From the bottom to the top. A package may depend only on packages of lower layers.
const LAYERS: [(&str, &[&str]); 9] = [
    // Starts the engines that tests ask for; knows nothing of the house.
    ("trial", &["weir-engines"]),
    ("events", &["weir-events"]),
    (
        "domain",
        &[
            "weir-routing",
            "weir-conflicts",
            "weir-windows",
            "weir-features",
            "weir-injection",
        ],
    ),
    ("engine", &["weir-embedded", "weir-objects"]),
    (
        "adapters",
        &[
            "weir-eventlog",
            "weir-record-store",
            "weir-online-store",
            "weir-offline-store",
            "weir-metric-store",
            "weir-lifecycle",
        ],
    ),
    // What services ask each other: they may not know each other.
    ("questions", &["weir-lookups"]),
    (
        "services",
        &[
            "weir-ingest",
            "weir-conflict-detector",
            "weir-feature-materializer",
            "weir-metrics-aggregator",
            "weir-serving-api",
        ],
    ),
    ("composition", &["weir"]),
    ("proof", &["weir-tests", "weir-benchmarks"]),
];

/// The pairs of siblings of which the first may see the second: a conflict is a fact about routes, and a planted one
/// is made of routes. The planter knows nothing of the detector that it tries.
const EXCEPTIONS: [(&str, &str); 2] = [
    ("weir-conflicts", "weir-routing"),
    ("weir-injection", "weir-routing"),
];

/// Drivers, and the only packages that may name them.
const DRIVERS: [(&str, &[&str]); 11] = [
    ("rdkafka", &["weir-eventlog"]),
    ("sqlx", &["weir-record-store"]),
    ("parquet", &["weir-offline-store"]),
    ("arrow-array", &["weir-offline-store"]),
    ("object_store", &["weir-objects"]),
    ("fred", &["weir-online-store"]),
    ("scylla", &["weir-metric-store"]),
    // Of the serving side only the tests, which are clients.
    ("tokio-tungstenite", &["weir-ingest", "weir-serving-api"]),
    ("maud", &["weir-serving-api"]),
    ("opentelemetry_sdk", &["weir-lifecycle"]),
    ("axum", &["weir-serving-api", "weir-lifecycle"]),
];

/// What a domain crate must live without: runtimes, sockets, clocks, logging.
const NOT_IN_DOMAIN: [&str; 8] = [
    "tokio", "axum", "rdkafka", "sqlx", "redb", "tracing", "metrics", "chrono",
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(super::root().join("Cargo.toml"))
        .other_options(vec!["--offline".into(), "--locked".into()])
        .no_deps()
        .exec()
        .unwrap()
}

fn ranks() -> BTreeMap<&'static str, usize> {
    LAYERS
        .iter()
        .enumerate()
        .flat_map(|(rank, (_, names))| names.iter().map(move |name| (*name, rank)))
        .collect()
}

/// (package, dependency) for every declared dependency of every kind.
fn arrows() -> Vec<(String, String)> {
    metadata()
        .packages
        .iter()
        .flat_map(|package| {
            let from = package.name.to_string();
            package
                .dependencies
                .iter()
                .map(move |dependency| (from.clone(), dependency.name.clone()))
        })
        .collect()
}

#[test]
fn every_package_has_a_layer() {
    let ranks = ranks();
    for package in metadata().packages {
        assert!(
            ranks.contains_key(package.name.as_str()),
            "{} stands in no layer: add it to LAYERS",
            package.name
        );
    }
}

#[test]
fn arrows_point_down_and_siblings_do_not_see_each_other() {
    let ranks = ranks();
    for (from, to) in arrows() {
        let (Some(above), Some(below)) = (ranks.get(from.as_str()), ranks.get(to.as_str())) else {
            continue;
        };
        assert!(
            below < above || EXCEPTIONS.contains(&(from.as_str(), to.as_str())),
            "{from} ({}) may not depend on {to} ({})",
            LAYERS[*above].0,
            LAYERS[*below].0
        );
    }
}

#[test]
fn a_driver_is_named_by_its_own_crate_only() {
    let arrows = arrows();
    for (driver, owners) in DRIVERS {
        let users: Vec<_> = arrows
            .iter()
            .filter(|(from, to)| to == driver && !owners.contains(&from.as_str()))
            .collect();
        assert!(
            users.is_empty(),
            "{driver} belongs to {owners:?}, not to {users:?}"
        );
        assert!(
            arrows.iter().any(|(_, to)| to == driver),
            "nobody uses {driver}: delete its row"
        );
    }
}

#[test]
fn the_domain_takes_values_in_and_gives_values_out() {
    for package in metadata().packages {
        if !LAYERS[2].1.contains(&package.name.as_str()) {
            continue;
        }
        for dependency in &package.dependencies {
            let normal = dependency.kind == cargo_metadata::DependencyKind::Normal;
            assert!(
                !(normal && NOT_IN_DOMAIN.contains(&dependency.name.as_str())),
                "{} is a domain crate and may not use {}",
                package.name,
                dependency.name
            );
        }
    }
}

#[test]
fn every_version_stands_once_in_the_workspace() {
    for package in metadata().packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        for line in manifest.lines() {
            assert!(
                !line.contains("version = \""),
                "{}: `{line}`: versions belong to [workspace.dependencies]",
                package.manifest_path
            );
        }
    }
}
