//! `weir peerings check` as a person runs it: the table, JSON, errors and its exit code.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use serde_json::{Value, json};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/peerings.toml");
const VRPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/vrps.json");

/// Exit code, standard output, standard error.
fn check(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["peerings", "check"])
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

/// One session without a mistake, which takes in a prefix.
fn session() -> Value {
    json!({
        "name": "a", "device": "edge1", "local_asn": 64_496, "peer_asn": 64_497, "peer_ip": "192.0.2.1",
        "status": "active", "routing_policy": {"import": {"prefixes": ["198.51.100.0/24"]}},
    })
}

#[test]
fn the_example_has_a_mistake_of_each_kind_the_worst_first_and_ends_with_1() {
    let (code, out, err) = check(&[EXAMPLE, "--vrps", VRPS, "--format", "json"]);
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["peerings"], &report["active"]),
        (&json!(9), &json!(8))
    );
    assert_eq!(
        report["rpki"],
        json!({"valid": 2, "invalid": 1, "not_found": 0, "private": 0})
    );
    let told: Vec<Value> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| json!([of["severity"], of["type"], of["affected_peers"]]))
        .collect();
    assert_eq!(
        json!(told),
        json!([
            ["critical", "routing_loop", ["edge2-peer"]],
            ["critical", "rpki_invalid", ["edge2-peer"]],
            [
                "critical",
                "session_overlap",
                ["edge1-transit", "edge1-transit-ipv6"]
            ],
            [
                "high",
                "asn_collision",
                ["edge1-transit", "edge1-transit-ipv6", "edge2-transit"]
            ],
            ["high", "configuration_mismatch", ["edge3-planned"]],
            ["medium", "asn_collision", ["edge2-blue", "edge2-red"]],
            ["medium", "configuration_mismatch", ["edge3-peer"]],
        ])
    );
}

#[test]
fn the_table_has_what_to_do_below_each_finding() {
    let (code, out, _) = check(&[EXAMPLE]);
    assert_eq!(code, Some(1));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "peerings 9, active 8, findings 6");
    assert!(
        lines[1].starts_with("RPKI: nothing is known without VRPs"),
        "{out}"
    );
    assert!(
        lines[4].starts_with("critical  routing_loop            edge2-peer  "),
        "{out}"
    );
    assert!(
        lines[5].trim_start().starts_with("-> Take the own ASN out"),
        "{out}"
    );
    assert_eq!(lines.len(), 4 + 2 * 6);
}

#[test]
fn without_a_mistake_it_ends_with_0_and_says_what_is_not_known() {
    let place = Place::new();
    let file = place.file("one.json", json!([session()]).to_string());
    let none = place.file("vrps.json", r#"{"roas": []}"#);
    let file = file.as_str();
    for arguments in [&[file][..], &[file, "--vrps", &none]] {
        let (code, out, err) = check(arguments);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(
            out.starts_with("peerings 1, active 1, findings 0\nRPKI: nothing is known"),
            "{out}"
        );
    }
    let (_, out, _) = check(&[file, "--format", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    let expected = json!({"peerings": 1, "active": 1, "rpki": null, "findings": []});
    assert_eq!(report, expected);
}

#[test]
fn what_cannot_be_judged_ends_with_2_and_names_the_file_the_peering_and_the_key() {
    let place = Place::new();
    let mut broken = session();
    broken["peer_asn"] = json!("x");
    let good = place.file("good.json", json!([session()]).to_string());
    let broken = place.file("broken.json", json!([session(), broken]).to_string());
    let long = place.file("long.toml", vec![b'#'; (16 << 20) + 1]);
    let text = place.file("peerings.txt", "");
    let toml = place.file("cut.toml", "[[peerings]]\nname =");
    let cases: [(&[&str], &str); 8] = [
        (
            &[&broken],
            "broken.json: peering 2 (\"a\"): `peer_asn`: expected an AS number from 1 to 4294967295, found \"x\"",
        ),
        (&[&long], "long.toml is longer than the 16777216 bytes"),
        (
            &[&text],
            "peerings.txt: expected a file whose name ends in .toml or .json",
        ),
        (&[&toml], "cut.toml: not TOML: line 2: "),
        (&["absent.toml"], "cannot read absent.toml: "),
        (
            &[&good, "--vrps", "absent.json"],
            "cannot read absent.json: ",
        ),
        (&[&good, "--vrps", &good], "good.json: no list of VRPs"),
        (&[&good, "--format", "xml"], "possible values: table, json"),
    ];
    for (arguments, why) in cases {
        let (code, out, err) = check(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains(why), "{err}");
    }
}
