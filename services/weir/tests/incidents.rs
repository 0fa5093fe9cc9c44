//! `weir incidents diff` as a person runs it: files and stores, the table, JSON, and its exit code.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use serde_json::Value;
use weir_events::position::StoreFence;
use weir_record_store::{
    EndReason, IncidentRow, RecordStore, Severity, conformance, export::IncidentJson,
};

struct Place(tempfile::TempDir);

struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// An incident file.
    fn file(&self, name: &str, rows: &[IncidentRow]) -> String {
        let line = |row| serde_json::to_string(&IncidentJson::from(row)).unwrap() + "\n";
        let text: String = rows.iter().map(line).collect();
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// The same in a store; its URL.
    fn store(&self, name: &str, rows: &[IncidentRow]) -> String {
        let url = format!("sqlite://{}", self.path(name));
        fill(&url, rows);
        url
    }

    fn diff(&self, arguments: &[&str]) -> Told {
        let output = Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(["incidents", "diff"])
            .args(arguments)
            .args(["--data", &self.path("data")])
            .env_clear()
            .output()
            .unwrap();
        Told {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn fill(url: &str, rows: &[IncidentRow]) {
    let store = RecordStore::blocking(url).unwrap();
    let (fence, next): (StoreFence, i64) = store.raise_fence(0).unwrap();
    store.record(rows, 0, next + 1, fence).unwrap();
    store.close();
}

fn rows() -> Vec<IncidentRow> {
    let prefixes = ["192.0.2.0/24", "2001:db8::/32", "198.51.100.0/24"];
    (1..)
        .zip(prefixes)
        .map(|(n, prefix)| conformance::incident(n, 7, prefix))
        .collect()
}

/// The first one critical and over, the second one gone, a made-up one more.
fn others() -> Vec<IncidentRow> {
    let mut rows = rows();
    rows[0].severity = Severity::Critical;
    rows[0].ended_at_us = Some(9_000_000);
    rows[0].end_reason = Some(EndReason::Faded);
    let mut made_up = conformance::incident(9, 7, "203.0.113.0/24");
    made_up.synthetic = true;
    rows[1] = made_up;
    rows
}

#[test]
fn equal_lists_end_with_0_wherever_they_are() {
    let place = Place::new();
    let (file, store) = (
        place.file("a.ndjson", &rows()),
        place.store("b.db", &rows()),
    );
    for (a, b) in [
        (&file, &file),
        (&file, &store),
        (&store, &file),
        (&store, &store),
    ] {
        let told = place.diff(&[a, b]);
        assert_eq!(
            (told.code, told.err.as_str()),
            (Some(0), ""),
            "{}",
            told.out
        );
        assert!(
            told.out.ends_with("3 are equal, 0 differ\n"),
            "{}",
            told.out
        );
        assert_eq!(place.diff(&[a, b, "--json"]).out, "");
    }
}

#[test]
fn what_differs_is_counted_and_listed_the_most_severe_first_and_ends_with_1() {
    let place = Place::new();
    let (a, b) = (
        place.file("a.ndjson", &rows()),
        place.store("b.db", &others()),
    );
    let told = place.diff(&[&a, &b]);
    assert_eq!(told.code, Some(1), "{}", told.err);
    let lines: Vec<_> = told.out.lines().collect();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(lines[2], "1 are equal, 3 differ");
    assert_eq!(words(lines[4]), "type raised missed ended severity");
    assert_eq!(words(lines[5]), "moas 1 1 1 1");
    assert_eq!(words(lines[6]), "all 1 1 1 1");
    let changed = "severity: medium -> critical";
    assert!(
        lines[9].starts_with("critical  1970-01-01T00:00:01.000000Z  moas"),
        "{}",
        told.out
    );
    assert!(
        lines[9].contains("AS64501") && lines[9].contains(changed),
        "{}",
        told.out
    );
    assert!(
        lines[9].contains("ended: goes on -> faded 1970-01-01T00:00:09"),
        "{}",
        told.out
    );
    assert!(lines[10].contains("2001:db8::/32") && lines[10].ends_with("missed (in A only)"));
    assert!(
        lines[11].ends_with("raised (in B only) [synthetic]"),
        "{}",
        told.out
    );

    let short = place.diff(&[&a, &b, "--limit", "1"]).out;
    assert!(
        short.ends_with("... and 2 more: --limit 0 lists all\n"),
        "{short}"
    );
}

#[test]
fn as_json_each_difference_is_an_object_with_both_sides() {
    let place = Place::new();
    let (a, b) = (
        place.file("a.ndjson", &rows()),
        place.file("b.ndjson", &others()),
    );
    let told = place.diff(&[&a, &b, "--json"]);
    assert_eq!(told.code, Some(1), "{}", told.err);
    let lines: Vec<Value> = told
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["difference"], "changed");
    assert_eq!(
        lines[0]["changed"],
        serde_json::json!(["ended", "severity"])
    );
    assert_eq!(lines[0]["a"]["id"], rows()[0].id);
    assert_eq!(lines[0]["a"]["ended_at"], Value::Null);
    assert_eq!(lines[0]["b"]["end_reason"], "faded");
    assert_eq!(lines[1]["difference"], "missed");
    assert_eq!(lines[1]["b"], Value::Null);
    assert_eq!(
        (&lines[2]["difference"], &lines[2]["synthetic"]),
        (&"raised".into(), &true.into())
    );
    assert_eq!(lines[2]["suspect_asn"], 64_509);
}

#[test]
fn what_is_about_no_single_prefix_is_compared_too() {
    let place = Place::new();
    let mut group = conformance::group(4, 7, &["10.0.0.0/16"]);
    let a = place.file("a.ndjson", std::slice::from_ref(&group));
    assert_eq!(place.diff(&[&a, &a]).code, Some(0));
    group.severity = Severity::Critical;
    let b = place.store("b.db", &[group]);
    let told = place.diff(&[&a, &b]);
    assert_eq!(told.code, Some(1), "{}", told.err);
    let last = told.out.lines().last().unwrap_or_default();
    let words: Vec<_> = last.split_whitespace().collect();
    assert_eq!(words[2..5], ["moas", "-", "AS64504"], "{last}");
    assert!(last.ends_with("severity: medium -> critical"), "{last}");
    let json = place.diff(&[&a, &b, "--json"]).out;
    let difference: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(difference["prefix"], Value::Null);
}

#[test]
fn what_cannot_be_compared_ends_with_2_and_says_why() {
    let place = Place::new();
    let file = place.file("a.ndjson", &rows());
    let twice = place.file("twice.ndjson", &[rows(), rows()].concat());
    std::fs::write(place.path("broken.ndjson"), "\n").unwrap();
    let absent = format!("sqlite://{}", place.path("absent.db"));
    for (a, b, why) in [
        (
            file.as_str(),
            "nowhere.ndjson",
            "cannot read nowhere.ndjson",
        ),
        (
            &file,
            &place.path("broken.ndjson"),
            "broken.ndjson line 1: no incident",
        ),
        (
            &twice,
            &file,
            "A has the incident 00000001-1111-5222-8333-444455556666 twice",
        ),
        (&file, &twice, "B has the incident"),
        (&absent, &file, "there is no record store at sqlite://"),
        ("redis://127.0.0.1", &file, "no record store for `redis:`"),
    ] {
        let told = place.diff(&[a, b]);
        assert_eq!(
            (told.code, told.out.as_str()),
            (Some(2), ""),
            "{}",
            told.err
        );
        assert!(told.err.contains(why), "{}", told.err);
    }
    assert!(!std::path::Path::new(&place.path("absent.db")).exists());
}

#[test]
fn a_postgresql_is_compared_as_a_file_is() {
    let Some(engine) = weir_engines::own_engine("postgres") else {
        return;
    };
    fill(engine.url(), &others());
    let place = Place::new();
    let file = place.file("b.ndjson", &others());
    let told = place.diff(&[engine.url(), &file]);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
}
