//! Changed thresholds over a past input: the same frames replayed as they are and with rules that are tried, and what
//! `weir incidents diff` says of both.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

/// 2026-01-01T00:00:00Z.
const BASE: f64 = 1_767_225_600.0;

struct Place(tempfile::TempDir);

impl Place {
    /// With the input, and settings whose list of bogons leaves out the networks of the input.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.put("rrc99.jsonl", &input());
        let bogons = place.put("bogons.txt", "192.168.0.0/16\n");
        let settings = format!("[conflict_detector]\nbogons = {bogons:?}\n");
        place.put("weir.toml", &settings);
        place
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn put(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(arguments)
            .args([
                "--data",
                &self.path("data"),
                "--config",
                &self.path("weir.toml"),
            ])
            .env_clear()
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    /// Replays into `name.ndjson`, with the summary beside it; what it said.
    fn replay(&self, name: &str, more: &[&str]) -> String {
        let (input, found) = (
            self.path("rrc99.jsonl"),
            self.path(&format!("{name}.ndjson")),
        );
        let summary = self.path(&format!("{name}.json"));
        let arguments = [
            "replay",
            &input,
            "--incidents",
            &found,
            "--summary",
            &summary,
        ];
        let output = self.run(&[&arguments[..], more].concat(), &[]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a replay that is refused says: exit code 2.
    fn refusal(&self, more: &[&str], variables: &[(&str, &str)]) -> String {
        let input = self.path("rrc99.jsonl");
        let output = self.run(&[&["replay", input.as_str()], more].concat(), variables);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn summary(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.path(&format!("{name}.json"))).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn streams(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path().join("data/streams")).unwrap();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Three rightful networks, then: two vantage points see a second origin of one of them, one of another; a /24; a path
/// with 17 times the same ASN.
fn input() -> String {
    let mut lines = Vec::new();
    for peer in 0..4 {
        for (network, origin) in [("10.1.0.0/16", 64_501), ("10.2.0.0/16", 64_502)] {
            lines.push(frame(1.0, peer, network, &[origin]));
        }
    }
    lines.push(frame(10.0, 0, "10.1.0.0/16", &[64_511]));
    lines.push(frame(11.0, 1, "10.1.0.0/16", &[64_511]));
    lines.push(frame(12.0, 0, "10.2.0.0/16", &[64_512]));
    lines.push(frame(13.0, 2, "10.3.1.0/24", &[64_503]));
    lines.push(frame(14.0, 3, "10.4.0.0/16", &[64_504; 17]));
    lines.push(frame(20.0, 3, "10.5.0.0/16", &[64_505]));
    lines.concat()
}

fn frame(at: f64, peer: u32, prefix: &str, tail: &[u32]) -> String {
    let asn = 65_001 + peer;
    let path: Vec<u32> = [asn].iter().chain(tail).copied().collect();
    let address = format!("192.0.2.{}", peer + 1);
    let data = json!({
        "timestamp": BASE + at,
        "peer": address,
        "peer_asn": asn.to_string(),
        "host": "rrc99",
        "type": "UPDATE",
        "path": path,
        "origin": "igp",
        "announcements": [{"next_hop": address, "prefixes": [prefix]}],
    });
    format!("{}\n", json!({"type": "ris_message", "data": data}))
}

const RULES: &str = "[conflict_detector.thresholds]
confirm_at = 2
prepended_over = 20
longest_ipv4 = 23
";

#[test]
fn a_threshold_that_is_tried_changes_what_it_should_and_the_comparison_says_exactly_that() {
    let place = Place::new();
    assert_eq!(place.replay("found", &[]), "");
    let rules = place.put("rules.toml", RULES);
    let told = place.replay("tried", &["--rules", &rules]);
    assert!(told.contains("thresholds.confirm_at 3 -> 2\n"), "{told}");

    let summary = place.summary("tried");
    assert_eq!(summary["rules"]["file"], json!(rules));
    let changed = summary["rules"]["changed"].as_array().unwrap();
    assert_eq!(changed.len(), 3, "{changed:?}");
    let confirm_at = json!({"key": "thresholds.confirm_at", "old": 3, "new": 2});
    assert!(changed.contains(&confirm_at), "{changed:?}");
    assert!(place.summary("found").get("rules").is_none());

    let (found, tried) = (place.path("found.ndjson"), place.path("tried.ndjson"));
    let output = place.run(&["incidents", "diff", &found, &tried, "--json"], &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut told: Vec<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|of| {
            format!(
                "{} {} {} {}",
                of["difference"], of["type"], of["prefix"], of["changed"]
            )
        })
        .map(|line| line.replace('"', ""))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "changed moas 10.1.0.0/16 [suspicion,confirmed]",
            "missed long-path 10.4.0.0/16 []",
            "raised default-or-too-specific 10.3.1.0/24 []",
        ]
    );
    stays_apart(&place, &rules);
}

/// A trial has a stream of its own, which the same rules find again and others do not.
fn stays_apart(place: &Place, rules: &str) {
    let before = fs::read(place.path("found.ndjson")).unwrap();
    let streams = place.streams();
    let kinds: Vec<_> = streams
        .iter()
        .map(|name| name.split('-').next().unwrap())
        .collect();
    assert_eq!(kinds, ["replay", "trial"]);
    place.replay("found", &[]);
    assert_eq!(fs::read(place.path("found.ndjson")).unwrap(), before);
    let moved = place.put("moved.toml", &fs::read_to_string(rules).unwrap());
    place.replay("tried", &["--rules", &moved]);
    assert_eq!(place.summary("tried")["rules"]["file"], json!(moved));
    assert_eq!(place.streams(), streams, "the same rules in another file");

    let same = place.put(
        "same.toml",
        "[conflict_detector.thresholds]\nconfirm_at = 3\n",
    );
    let told = place.replay("same", &["--rules", &same]);
    assert!(told.contains("nothing differs from the settings"), "{told}");
    assert_eq!(place.streams().len(), 3, "other rules");
    let (found, same) = (place.path("found.ndjson"), place.path("same.ndjson"));
    let output = place.run(&["incidents", "diff", &found, &same], &[]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn rules_that_cannot_be_tried_are_refused_before_anything_is_made() {
    let place = Place::new();
    let rules = place.put("rules.toml", RULES);
    let twice = place.refusal(&["--rules", &rules, "--rules", &rules], &[]);
    assert!(twice.contains("cannot be used multiple times"), "{twice}");

    let refused = |text: &str| {
        let rules = place.put("bad.toml", text);
        place.refusal(&["--rules", &rules], &[])
    };
    let unknown = refused("[conflict_detector.thresholds]\nconfirm = 2\n");
    assert!(
        unknown.contains("expected one of") && unknown.contains("confirm_at"),
        "{unknown}"
    );
    let outside = refused("[conflict_detector.thresholds]\nconfirm_at = 0\n");
    assert!(
        outside.contains("`confirm_at` is 0: expected 1 to 10000"),
        "{outside}"
    );

    let store = place.0.path().join("live.db");
    let url = format!("sqlite://{}", store.display());
    for (variable, value, key) in [
        (
            "WEIR__RECORD_STORE__URL",
            url.as_str(),
            "[record_store] url",
        ),
        (
            "KAFKA_BOOTSTRAP_SERVERS",
            "127.0.0.1:9",
            "[kafka] bootstrap_servers",
        ),
    ] {
        let told = place.refusal(&["--rules", &rules], &[(variable, value)]);
        assert!(told.contains(key) && told.contains("--config"), "{told}");
    }
    assert!(!store.exists());
    assert!(!Path::new(&place.path("data")).exists());
}
