//! Files say what they are, stay short, and carry names that mean something.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Hard limit of a file's lines without its tests.
const HARD_LIMIT: usize = 800;
/// Above this many lines a file must say why in its first comment (`Long because`).
const SOFT_LIMIT: usize = 500;

/// Names that say nothing about what is inside.
const REFUSED: [&str; 12] = [
    "utils",
    "util",
    "common",
    "core",
    "helpers",
    "helper",
    "manager",
    "handler",
    "processor",
    "types",
    "misc",
    "base",
];

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["crates", "services", "tests", "benchmarks"] {
        walk(&super::root().join(folder), &mut found);
    }
    found.sort();
    assert!(
        found.len() > 50,
        "the walk found only {} files",
        found.len()
    );
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "generated" && name != "target" {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// True for code that only tests see.
fn is_test(path: &Path) -> bool {
    let shown = path.display().to_string();
    shown.contains("/tests/") || shown.ends_with("/tests.rs")
}

/// Fails with every file that breaks the law, not only the first.
#[track_caller]
fn no_file(breaks: impl Fn(&Path, &str) -> Option<String>) {
    let broken: Vec<_> = sources()
        .iter()
        .filter_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            breaks(path, &text).map(|how| format!("{}: {how}", path.display()))
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    no_file(|_, text| (!text.starts_with("//! ")).then(|| "has no //! comment".to_owned()));
}

#[test]
fn files_are_short_or_say_why_not() {
    no_file(|_, text| {
        let lines = text
            .split("#[cfg(test)]\nmod tests")
            .next()?
            .lines()
            .count();
        let mut first = text.lines().take_while(|line| line.starts_with("//!"));
        let says_why = first.any(|line| line.contains("Long because"));
        (lines > HARD_LIMIT || (lines > SOFT_LIMIT && !says_why)).then(|| format!("{lines} lines"))
    });
}

#[test]
fn no_file_carries_a_name_that_says_nothing() {
    no_file(|path, _| {
        let stem = path.file_stem()?.to_string_lossy().into_owned();
        // Cargo wants tests/<name>/mod.rs for what several test binaries share.
        let refused = REFUSED.contains(&stem.as_str()) || (stem == "mod" && !is_test(path));
        refused.then(|| format!("the name {stem} is refused"))
    });
}

#[test]
fn only_wire_rs_of_a_domain_crate_names_protobuf_types() {
    no_file(|path, text| {
        let shown = path.display().to_string();
        let domain = ["routing", "conflicts", "windows", "features"]
            .iter()
            .any(|name| shown.contains(&format!("crates/{name}/src/")));
        let wire = shown.contains("/wire.rs") || shown.contains("/wire/") || is_test(path);
        let code = text.split("#[cfg(test)]").next()?;
        (domain && !wire && code.contains("v1::"))
            .then(|| "names a protobuf type outside wire.rs".to_owned())
    });
}

#[test]
fn no_test_sleeps_and_nothing_is_ignored_or_left_to_do() {
    let sleeps = [concat!("thread::", "sleep("), concat!("time::", "sleep(")];
    let marks = [concat!("#[ig", "nore]"), concat!("to", "do!(")];
    no_file(|path, text| {
        let sleep = sleeps
            .iter()
            .find(|mark| is_test(path) && text.contains(**mark));
        let mark = marks.iter().find(|mark| text.contains(**mark));
        sleep.or(mark).map(|mark| format!("contains {mark}"))
    });
}

#[test]
fn every_path_that_the_documents_name_exists() {
    let root = super::root();
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/detector.md",
        "docs/rules.md",
    ] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let words = text.split(|c: char| c.is_whitespace() || "`(),;|".contains(c));
        for word in words {
            let path = word.trim_end_matches(['.', ':', '/']);
            let ours = [
                "crates/",
                "services/",
                "tests/",
                "docs/",
                "benchmarks/",
                "deploy/",
            ];
            let names_one =
                ours.iter().any(|start| path.starts_with(start)) && !path.contains(['<', '*']);
            // An ADR is named by its number.
            let known = root.join(path).exists() || path == "docs/adr/0002";
            assert!(
                !names_one || known,
                "{document} names {path}, which is not there"
            );
        }
    }
}
