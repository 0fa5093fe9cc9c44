//! A full disk: what does not fit is refused with a storage error, nothing that was acknowledged is
//! harmed, and writing goes on when there is room again.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{TIME, batch, create, node, produce, stored};
use crate::broker::error_code as code;

/// Set in the second process: where its small disk is.
const SMALL_DISK: &str = "WEIR_TRIAL_SMALL_DISK";
const NAME: &str = "broker::trial::disk::a_full_disk_refuses_and_recovers";

#[test]
fn a_full_disk_refuses_and_recovers() {
    if let Ok(dir) = std::env::var(SMALL_DISK) {
        on_a_small_disk(Path::new(&dir));
        return;
    }
    // A mount needs a namespace of its own, and that a process of its own: this test once more.
    let folder = tempfile::tempdir().unwrap();
    let mount = format!(
        "mount -t tmpfs -o size=1m tmpfs '{}'",
        folder.path().display()
    );
    let in_namespace = |then: &str| {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &format!("{mount} && {then}")]);
        command.env(SMALL_DISK, folder.path());
        command
    };
    match in_namespace("true").output() {
        Ok(tried) if tried.status.success() => {}
        Ok(tried) => {
            let why = String::from_utf8_lossy(&tried.stderr);
            println!(
                "skipped: no small tmpfs can be mounted here: {}",
                why.trim()
            );
            return;
        }
        Err(error) => {
            println!("skipped: `unshare` cannot be run: {error}");
            return;
        }
    }
    let test = std::env::current_exe().unwrap();
    let run = in_namespace(&format!("exec '{}' --exact {NAME}", test.display()));
    let done = { run }.output().unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}");
    assert!(told.contains("1 passed"), "{told}");
}

fn on_a_small_disk(dir: &Path) {
    let ballast = dir.join("ballast");
    fs::write(&ballast, vec![1; 300_000]).unwrap();
    let log = dir.join("log");
    fs::create_dir(&log).unwrap();
    // Small segments, so that the end of one is among what fails.
    let open = || node(&log, |config| config.segment_bytes = 100_000);
    let payload = vec![7; 9_000];
    let sent = |number: i32| batch((1, 0, number), TIME, &[&payload]);
    let broker = open();
    create(&broker, "t");
    let mut next = 0;
    let refused = loop {
        match produce(&broker, "t", &sent(next)) {
            (code::NONE, offset) => assert_eq!(offset, i64::from(next)),
            (error, _) => break error,
        }
        next += 1;
        assert!(next < 200, "the disk is never full");
    };
    assert_eq!(refused, code::KAFKA_STORAGE_ERROR);
    assert_eq!(
        produce(&broker, "t", &sent(next)).0,
        code::KAFKA_STORAGE_ERROR
    );
    let settings = std::collections::BTreeMap::new();
    // Either it fitted, or it was refused whole.
    let second = broker.catalogue.create("u", 1, settings).is_ok();
    assert_eq!(broker.catalogue.get("u").is_some(), second);
    assert_eq!(stored(&broker, "t").len(), usize::try_from(next).unwrap());
    broker.sync().unwrap();

    fs::remove_file(&ballast).unwrap();
    for number in next..next + 20 {
        assert_eq!(
            produce(&broker, "t", &sent(number)),
            (code::NONE, number.into())
        );
    }
    drop(broker);
    let broker = open();
    assert_eq!(
        stored(&broker, "t").len(),
        usize::try_from(next + 20).unwrap()
    );
    assert!(
        stored(&broker, "t")
            .iter()
            .all(|(_, found)| *found == payload)
    );
    assert_eq!(broker.catalogue.get("u").is_some(), second);
    let again = next + 19;
    assert_eq!(
        produce(&broker, "t", &sent(again)),
        (code::NONE, again.into())
    );
}
