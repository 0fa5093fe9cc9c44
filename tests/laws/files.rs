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

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    for path in sources() {
        assert!(
            text(&path).starts_with("//! "),
            "{} has no //! comment",
            path.display()
        );
    }
}

#[test]
fn files_are_short_or_say_why_not() {
    for path in sources() {
        let text = text(&path);
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let lines = code.lines().count();
        assert!(lines <= HARD_LIMIT, "{}: {lines} lines", path.display());
        let why = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .any(|line| line.contains("Long because"));
        assert!(
            lines <= SOFT_LIMIT || why,
            "{}: {lines} lines and no reason",
            path.display()
        );
    }
}

#[test]
fn no_file_carries_a_name_that_says_nothing() {
    for path in sources() {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(!REFUSED.contains(&stem.as_str()), "{}", path.display());
        assert!(
            stem != "mod",
            "{}: foo.rs beside foo/, no mod.rs",
            path.display()
        );
    }
}

#[test]
fn only_wire_rs_of_a_domain_crate_names_protobuf_types() {
    for path in sources() {
        let shown = path.display().to_string();
        let domain = ["routing", "conflicts", "windows", "features"]
            .iter()
            .any(|name| shown.contains(&format!("crates/{name}/src/")));
        let wire = shown.contains("/wire.rs") || shown.contains("/wire/");
        if domain && !wire {
            let text = text(&path);
            let code = text.split("#[cfg(test)]").next().unwrap();
            assert!(
                !code.contains("v1::"),
                "{shown} names a protobuf type outside wire.rs"
            );
        }
    }
}

#[test]
fn no_test_sleeps_is_ignored_or_left_to_do() {
    let marks = [
        concat!("thread::", "sleep("),
        concat!("time::", "sleep("),
        concat!("#[ig", "nore]"),
        concat!("to", "do!("),
    ];
    for path in sources() {
        let text = text(&path);
        for mark in marks {
            assert!(!text.contains(mark), "{} contains {mark}", path.display());
        }
    }
}
