//! VRPs on their way into the log: stored first, then named, before the first record and whenever they change.

use std::{fs, path::PathBuf};

use weir_events::{topics::BGP_UPDATES, v1};
use weir_ingest::{
    Config, Running, Source, StartError,
    config::{Files, Knowledge, Watch},
};
use weir_objects::{Objects, knowledge};

use crate::support::{self, DEADLINE, Sandbox, TIME, until};

const ONE: &str = r#"{"metadata": {"buildtime": "2021-01-01T00:00:00Z"},
    "roas": [{"prefix": "198.18.0.0/15", "maxLength": 24, "asn": 64496}]}"#;
const OTHER: &str = r#"[{"prefix": "10.0.0.0/8", "maxLength": 24, "asn": "AS64497"}]"#;

/// A sandbox with a folder of input and a file of VRPs.
struct Story {
    sandbox: Sandbox,
    input: PathBuf,
    vrps: PathBuf,
}

impl Story {
    fn with(vrps: &str) -> Self {
        let sandbox = Sandbox::start();
        let input = sandbox.path().join("rrc05");
        fs::create_dir_all(&input).unwrap();
        let story = Self {
            vrps: sandbox.path().join("vrps.json"),
            input,
            sandbox,
        };
        let update = support::withdrawal(TIME, 1, &[([198, 51, 100, 0], 24)]);
        fs::write(story.input.join("updates.1.mrt"), update).unwrap();
        story.say(vrps);
        story
    }

    /// Puts another file of VRPs in place of the one that is there.
    fn say(&self, vrps: &str) {
        let made = self.sandbox.path().join("made");
        fs::write(&made, vrps).unwrap();
        fs::rename(made, &self.vrps).unwrap();
    }

    fn store(&self) -> weir_objects::Config {
        weir_objects::Config::default().or_in(&self.sandbox.path().join("objects"))
    }

    /// Where contents are kept.
    fn objects(&self) -> Objects {
        let stream = Config::default().stream;
        Objects::prepare(&self.store()).unwrap().of_stream(&stream)
    }

    fn start(&self, source: Source) -> Result<Running, StartError> {
        let config = Config {
            source,
            knowledge: Knowledge {
                vrps: Some(self.vrps.clone()),
                look_seconds: 1,
                store: self.store(),
                ..Knowledge::default()
            },
            ..Config::default()
        };
        weir_ingest::start(config, &self.sandbox.log, &self.sandbox.state())
    }

    fn files(&self) -> Source {
        Source::Files(Files {
            paths: vec![self.input.clone()],
            ..Files::default()
        })
    }

    fn folder(&self) -> Source {
        Source::Watch(Watch {
            folder: self.input.clone(),
            ..Watch::default()
        })
    }

    /// What was named, once each, in order, with what is stored under its hash.
    fn named(&self) -> Vec<((u64, u64), i64, String)> {
        let objects = self.objects();
        let mut named = self.sandbox.content().knowledge;
        let all = named.len();
        named.sort_by_key(|(number, _)| *number);
        named.dedup();
        let partitions = BGP_UPDATES.partitions as usize;
        assert_eq!(
            all,
            named.len() * partitions,
            "every partition has each once"
        );
        let content = |changed: &v1::KnowledgeChanged| {
            assert_eq!(changed.kind, "vrps");
            let found = knowledge::get(&objects, "vrps", &changed.content_hash).unwrap();
            String::from_utf8(found.unwrap()).unwrap()
        };
        named
            .iter()
            .map(|(number, changed)| (*number, changed.as_of_us, content(changed)))
            .collect()
    }
}

#[test]
fn a_source_with_an_end_names_them_once_before_its_first_record() {
    let story = Story::with(ONE);
    for _ in 0..2 {
        let running = story.start(story.files()).unwrap();
        assert!(running.wait_finished(DEADLINE), "{:?}", running.failure());
        running.stop(DEADLINE).unwrap();
        let as_of = i64::from(1_609_459_200) * 1_000_000;
        assert_eq!(story.named(), [((0, 0), as_of, ONE.to_owned())]);
    }
    assert_eq!(story.sandbox.content().elements(), (1, 0));
    // Other VRPs make another input.
    story.say(OTHER);
    let refused = story.start(story.files()).err().unwrap();
    assert!(
        refused.to_string().contains("the input differs"),
        "{refused}"
    );
}

#[test]
fn what_changes_is_named_again_and_a_new_life_names_it_anew() {
    let story = Story::with(ONE);
    let running = story.start(story.folder()).unwrap();
    until("the first file", || running.stats().messages == 1);
    story.say(OTHER);
    let objects = story.objects();
    until("the other VRPs", || {
        objects.list("knowledge/vrps").unwrap().len() == 2
    });
    running.stop(DEADLINE).unwrap();
    let running = story.start(story.folder()).unwrap();
    running.stop(DEADLINE).unwrap();

    let named = story.named();
    let numbers: Vec<_> = named.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, [(1, 0), (1, 1), (2, 0)]);
    let contents: Vec<_> = named.iter().map(|(.., content)| content.as_str()).collect();
    assert_eq!(contents, [ONE, OTHER, OTHER]);
}

#[test]
fn a_file_that_was_cut_in_half_is_named_and_nothing_is_read() {
    let story = Story::with(&ONE[..ONE.len() / 2]);
    let refused = story.start(story.folder()).err().unwrap();
    let (told, cause) = (refused.to_string(), weir_lifecycle::causes(&refused));
    assert!(told.contains("vrps.json"), "{told}");
    assert!(cause.contains("line 2"), "{cause}");
    assert_eq!(story.sandbox.content().knowledge, []);
}

#[test]
fn lists_are_named_like_all_else_and_bogons_are_made_of_several_files() {
    let story = Story::with(ONE);
    let put = |name: &str, text: &str| {
        let path = story.sandbox.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let registry = "2|r|1|1|0|20261120|+0\nr||ipv4|198.51.100.0|768||available\n";
    let config = Config {
        source: story.files(),
        knowledge: Knowledge {
            anycast: Some(put("anycast", "198.18.0.0/24\n")),
            dps: Some(put("dps", "AS64496\n")),
            route_servers: Some(put("servers", "AS64496\n")),
            links: Some(put("links", "64496|64497\n")),
            bogons: Some(put("bogons", "10.0.0.0/8\n")),
            delegated: vec![put("registry", registry)],
            store: story.store(),
            ..Knowledge::default()
        },
        ..Config::default()
    };
    let running = weir_ingest::start(config, &story.sandbox.log, &story.sandbox.state()).unwrap();
    assert!(running.wait_finished(DEADLINE), "{:?}", running.failure());
    running.stop(DEADLINE).unwrap();
    let objects = story.objects();
    let mut named = story.sandbox.content().knowledge;
    named.sort_by_key(|(number, _)| *number);
    named.dedup();
    let named: Vec<_> = named
        .iter()
        .map(|(_, changed)| {
            let found = knowledge::get(&objects, &changed.kind, &changed.content_hash).unwrap();
            let text = String::from_utf8(found.unwrap()).unwrap();
            (changed.kind.as_str(), text)
        })
        .collect();
    let expected = [
        ("anycast", "198.18.0.0/24\n"),
        ("dps", "AS64496\n"),
        ("route-servers", "AS64496\n"),
        (
            "bogons",
            "# as of 2026-11-20\n10.0.0.0/8\n198.51.100.0/23\n198.51.102.0/24\n",
        ),
        ("links", "64496|64497\n"),
    ];
    let expected = expected.map(|(kind, text)| (kind, text.to_owned()));
    assert_eq!(named, expected);
}

#[test]
fn a_list_that_ends_a_run_is_told_with_its_line_and_what_was_expected() {
    let story = Story::with(ONE);
    let dps = story.sandbox.path().join("dps");
    fs::write(&dps, "AS64496\n198.18.0.0/24\n").unwrap();
    let config = Config {
        source: story.files(),
        knowledge: Knowledge {
            dps: Some(dps),
            store: story.store(),
            ..Knowledge::default()
        },
        ..Config::default()
    };
    let running = weir_ingest::start(config, &story.sandbox.log, &story.sandbox.state()).unwrap();
    until("its failure", || running.failure().is_some());
    let failure = running.failure().unwrap();
    assert!(failure.contains("dps in "), "{failure}");
    assert!(
        failure.contains("line 2: \"198.18.0.0/24\" is no entry: expected an AS number"),
        "{failure}"
    );
}
