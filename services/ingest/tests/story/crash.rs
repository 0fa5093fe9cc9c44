//! Kill -9 where it hurts: the process of this test is started again as its own victim.

use std::{collections::BTreeMap, path::Path, process::Command};

use weir_ingest::{Config, Source, config::Files};

use crate::support::{self, Content, DEADLINE, Sandbox};

const FOLDER: &str = "WEIR_TEST_VICTIM_FOLDER";
const SECONDS: u32 = 60;

fn read(sandbox: &Sandbox) -> bool {
    let config = Config {
        source: Source::Files(Files {
            paths: vec![sandbox.path().join("input")],
            // Slow enough for progress to be stored on the way.
            speed: "400/s".parse().unwrap(),
            ..Files::default()
        }),
        ..Config::default()
    };
    let running = weir_ingest::start(config, &sandbox.log, &sandbox.state()).unwrap();
    let finished = running.wait_finished(DEADLINE);
    running.stop(DEADLINE).unwrap();
    finished
}

/// Not a test of its own: the victim of the one below.
#[test]
fn victim() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        read(&Sandbox::at(Path::new(&folder)));
    }
}

/// What each emission says, without when it was said; copies of it counted by what they say.
fn said(content: &Content) -> BTreeMap<String, usize> {
    let mut said = BTreeMap::new();
    for mut update in content.updates.clone() {
        update.receive_time_us = 0;
        *said.entry(format!("{update:?}")).or_insert(0) += 1;
    }
    for mut message in content.messages.clone() {
        message.receive_time_us = 0;
        *said.entry(format!("{message:?}")).or_insert(0) += 1;
    }
    said
}

#[test]
fn a_killed_run_goes_on_and_only_repeats_what_it_had_said() {
    let whole = Sandbox::start();
    support::two_collectors(whole.path(), SECONDS);
    assert!(read(&whole));
    let expected = said(&whole.content());

    for crash_at in [
        "ingest.published:7",
        "ingest.published:250",
        "ingest.progress.before:2",
        "ingest.progress.after:1",
    ] {
        let folder = tempfile::tempdir().unwrap();
        support::two_collectors(folder.path(), SECONDS);
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["crash::victim", "--exact"])
            .env(FOLDER, folder.path())
            .env("WEIR_CRASH_AT", crash_at)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(!status.success(), "{crash_at}: the victim lived");
        let sandbox = Sandbox::at(folder.path());
        assert!(read(&sandbox), "{crash_at}");
        let got = said(&sandbox.content());
        assert_eq!(
            got.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>(),
            "{crash_at}"
        );
        assert!(
            got.iter().all(|(emission, n)| *n >= expected[emission]),
            "{crash_at}: lost"
        );
    }
}
