//! `docs/metrics.md` has one row for each metric that the code makes, of the right type, and no other.

use std::{collections::BTreeSet, fs, path::Path};

const TYPES: [&str; 3] = ["counter", "gauge", "histogram"];

/// (name, type) of every row.
fn documented() -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(super::root().join("docs/metrics.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| {
        let (name, rest) = row.split_once("` | ")?;
        let (kind, _) = rest.split_once(" |")?;
        Some((name.to_owned(), kind.to_owned()))
    })
    .collect()
}

/// (name, type) of every `metrics::counter!("name"` and the like.
fn made(folder: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            made(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for kind in TYPES {
                let call = format!("metrics::{kind}!(");
                let calls = text.split(&call).skip(1);
                // A call without a name in quotes would hide its metric from this law.
                let names = calls.map(|call| {
                    let name = call.trim_start().strip_prefix('"').unwrap_or_else(|| {
                        unreachable!("{} makes a {kind} without a plain name", path.display())
                    });
                    name.split('"').next().unwrap().to_owned()
                });
                found.extend(names.map(|name| (name, kind.to_owned())));
            }
        }
    }
}

#[test]
fn the_page_of_metrics_has_what_the_code_makes_and_nothing_else() {
    let mut found = BTreeSet::new();
    for layer in ["crates", "services"] {
        for package in fs::read_dir(super::root().join(layer)).unwrap() {
            let source = package.unwrap().path().join("src");
            if source.is_dir() {
                made(&source, &mut found);
            }
        }
    }
    found.retain(|(name, _)| !name.starts_with("weir_test_"));
    assert!(found.len() > 20, "only {} were read", found.len());
    assert_eq!(documented(), found);
}
