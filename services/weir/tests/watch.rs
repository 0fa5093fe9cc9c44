//! `weir watch` as a person runs it: a list is proposed of a RIB dump and VRPs, compared, imported, checked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::Path, process::Command, sync::Arc};

use weir_injection::{World, rib};
use weir_routing::{AsPath, Asn, Body, Message, PathAttributes, Peer, Update};

/// What the ROAs say: one prefix in parts, and one that nobody announces.
const VRPS: &str = r#"{"metadata": {"buildtime": "2026-01-01T00:00:00Z"}, "roas": [
  {"asn": "AS64500", "prefix": "198.51.100.0/24", "maxLength": 26, "ta": "test"},
  {"asn": "AS64500", "prefix": "203.0.113.0/24", "maxLength": 24, "ta": "test"},
  {"asn": "AS64999", "prefix": "192.0.2.0/24", "maxLength": 24, "ta": "test"}
]}"#;

struct Place(tempfile::TempDir);

struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Place {
    /// With VRPs, and a RIB dump of three vantage points: 64500 behind 64510 for two of them and behind 64511 for one,
    /// which alone sees its third prefix.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("vrps.json", VRPS);
        let mut world = World::default();
        for (peer, upstream, prefixes) in [
            (65_001, 64_510, &["198.51.100.0/24", "192.0.2.0/24"][..]),
            (65_002, 64_510, &["198.51.100.0/24", "192.0.2.0/24"]),
            (65_003, 64_511, &["198.51.100.0/24", "10.9.0.0/16"]),
        ] {
            world.hear("rrc99", &announced(peer, upstream, prefixes));
        }
        let dump = rib::dumps(&world).remove("rrc99").unwrap();
        std::fs::write(place.0.path().join("rrc99.bview.mrt"), dump).unwrap();
        place
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn watch(&self, arguments: &[&str]) -> Told {
        let output = Command::new(env!("CARGO_BIN_EXE_weir"))
            .arg("watch")
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .output()
            .unwrap();
        Told {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn proposal(&self, more: &[&str]) -> Told {
        let arguments = ["AS64500", "--rib", "rrc99.bview.mrt", "--vrps", "vrps.json"];
        self.watch(&[&arguments[..], more].concat())
    }
}

fn announced(peer: u32, upstream: u32, prefixes: &[&str]) -> Message {
    let path = [peer, upstream, 64_500].map(Asn).to_vec();
    let update = Update {
        attributes: Some(Arc::new(PathAttributes {
            as_path: AsPath::sequence(path),
            ..PathAttributes::default()
        })),
        announced: prefixes
            .iter()
            .map(|prefix| prefix.parse::<weir_routing::Prefix>().unwrap().into())
            .collect(),
        ..Update::default()
    };
    Message {
        event_time_us: 1_767_225_600_000_000,
        peer: Peer::new(
            [192, 0, 2, u8::try_from(peer % 256).unwrap()].into(),
            Asn(peer),
        ),
        body: Body::Update(update),
    }
}

#[test]
fn a_list_is_proposed_of_what_is_seen_and_of_roas() {
    let told = Place::new().proposal(&[]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(
        told.out,
        r#"# What 3 vantage points see of AS64500: to be reviewed.
# left out, seen by fewer than 2 vantage points and named by no ROA, or no prefix of anybody: 10.9.0.0/16 of AS64500

# right before it at so many vantage points: AS64510 by 2
# left out, seen by fewer than 2 vantage points or a reserved number: AS64511
[[network]]
asn = 64500
upstreams = [64510]

# AS64500: 2 vantage points
# AS64500: ROAs forbid it
[[prefix]]
prefix = "192.0.2.0/24"
origins = [64500]

# AS64500: 3 vantage points
[[prefix]]
prefix = "198.51.100.0/24"
origins = [64500]
max_length = 26

# AS64500: announced at no vantage point, named by a ROA
[[prefix]]
prefix = "203.0.113.0/24"
origins = [64500]
"#
    );
}

#[test]
fn what_was_proposed_does_not_differ_and_what_changed_does() {
    let place = Place::new();
    let list = place.proposal(&[]).out;
    place.write("watch.toml", &list);
    let equal = place.proposal(&["--against", "watch.toml"]);
    assert_eq!(
        (equal.code, equal.out.as_str()),
        (Some(0), ""),
        "{}",
        equal.err
    );
    let changed = list
        .replace("[64510]", "[64511]")
        .replace("198.51.100.0/24", "10.1.0.0/16");
    place.write("watch.toml", &changed);
    let differs = place.proposal(&["--against", "watch.toml"]);
    assert_eq!(differs.code, Some(1), "{}", differs.err);
    assert_eq!(
        differs.out,
        "+ prefix 198.51.100.0/24 of AS64500\n- prefix 10.1.0.0/16\n\
         + upstream AS64510 of AS64500\n- upstream AS64511 of AS64500\n"
    );
    let alone = place.proposal(&["--against", "watch.toml", "--seen-by", "1"]);
    assert!(
        alone.out.contains("+ prefix 10.9.0.0/16 of AS64500"),
        "{}",
        alone.out
    );
}

#[test]
fn a_table_is_held_against_what_is_expected() {
    let place = Place::new();
    place.write("watch.toml", &place.proposal(&[]).out);
    let check = ["check", "watch.toml", "--rib", "rrc99.bview.mrt"];
    let told = place.watch(&check);
    assert_eq!(told.code, Some(1), "{}", told.err);
    assert_eq!(told.out, "missing: no vantage point has 203.0.113.0/24\n");
    let told = place.watch(&[&check[..], &["--seen-by", "1"]].concat());
    let alone = "upstream: AS64511 right before AS64500 on paths to 198.51.100.0/24 is seen by 1 vantage point\n";
    assert!(told.out.ends_with(alone), "{}", told.out);

    place.write("watch.toml", "[[prefix]]\nprefix = \"198.51.100.0/24\"\n");
    let told = place.watch(&check);
    assert_eq!(
        (told.code, told.out.as_str()),
        (Some(0), ""),
        "{}",
        told.err
    );
    for (arguments, says) in [
        (
            &["check", "watch.toml", "--rib", "gone.mrt"][..],
            "gone.mrt",
        ),
        (&["check", "watch.toml", "--seen-by", "1"], "--rib"),
        (
            &["check", "vrps.json", "--rib", "rrc99.bview.mrt"],
            "vrps.json",
        ),
    ] {
        let told = place.watch(arguments);
        assert_eq!(told.code, Some(2), "{arguments:?}: {}", told.out);
        assert!(told.err.contains(says), "{arguments:?}: {}", told.err);
    }
}

#[test]
fn what_cannot_be_compared_is_not_a_difference() {
    let place = Place::new();
    place.write("watch.toml", "[[prefix]]\nprefix = \"192.0.2.0\"\n");
    for (arguments, says) in [
        (
            &[
                "AS64500",
                "--rib",
                "rrc99.bview.mrt",
                "--against",
                "watch.toml",
            ][..],
            "watch.toml: line 2",
        ),
        (
            &[
                "AS64500",
                "--rib",
                "rrc99.bview.mrt",
                "--against",
                "gone.toml",
            ],
            "cannot read gone.toml",
        ),
        (&["AS64500", "--rib", "gone.mrt"], "gone.mrt"),
        (
            &[
                "AS64500",
                "--rib",
                "rrc99.bview.mrt",
                "--vrps",
                "watch.toml",
            ],
            "watch.toml: ",
        ),
        (
            &["AS64999", "--rib", "rrc99.bview.mrt"],
            "no prefix of AS64999 is seen by 2 of the 3 vantage points",
        ),
        (&["youtube", "--rib", "rrc99.bview.mrt"], "not an AS number"),
        (&["AS64500"], "--rib"),
    ] {
        let told = place.watch(arguments);
        assert_eq!(told.code, Some(2), "{arguments:?}: {}", told.out);
        assert!(told.err.contains(says), "{arguments:?}: {}", told.err);
    }
}

#[test]
fn a_list_of_others_is_imported_and_checks() {
    let place = Place::new();
    place.write(
        "prefixes.yml",
        "192.0.2.0/24:\n  asn: 64500\n  path: {minLength: 2}\n",
    );
    let rule =
        "prefixes: {a: &a [192.0.2.0/24]}\nrules:\n- {prefixes: [*a], origin_asns: [64500]}\n";
    place.write("config.yaml", rule);
    for (format, file) in [("bgpalerter", "prefixes.yml"), ("artemis", "config.yaml")] {
        let told = place.watch(&["import", format, file]);
        assert_eq!(told.code, Some(0), "{}", told.err);
        let entry = "[[prefix]]\nprefix = \"192.0.2.0/24\"\norigins = [64500]\n";
        assert!(told.out.contains(entry), "{}", told.out);
        place.write("watch.toml", &told.out);
        let checked = place.watch(&["check", "watch.toml"]);
        assert_eq!(
            checked.out, "watch.toml: 0 networks and 1 prefix\n",
            "{}",
            checked.err
        );
    }
    let told = place.watch(&["import", "bgpalerter", "prefixes.yml"]);
    assert!(
        told.out.contains("# not translated: path.minLength: 2\n"),
        "{}",
        told.out
    );
    place.write("prefixes.yml", "192.0.2.0/24:\n  asn: us\n");
    let told = place.watch(&["import", "bgpalerter", "prefixes.yml"]);
    assert_eq!(told.code, Some(2));
    assert_eq!(
        told.err,
        "weir: prefixes.yml: line 2: `192.0.2.0/24: asn` is us: expected an AS number\n"
    );
}

#[test]
fn the_example_is_a_list() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/watch/watch.toml");
    let told = Place::new().watch(&["check", example.to_str().unwrap()]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(
        told.out.ends_with(": 1 network and 5 prefixes\n"),
        "{}",
        told.out
    );
}
