//! Kill -9 at every step between a record and its checkpoint, and at random moments; started again
//! on the same folder, what is exported equals the uninterrupted run byte for byte. The same with
//! other batch sizes and numbers of detector instances.

use std::{path::Path, process::Command, sync::OnceLock, thread, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;

use crate::{
    load,
    program::{self, Exported},
};

/// Steps to die at, in the order of an event's way through the system. Each is a series of runs
/// that must die there; the run after them must finish. `name:N` is the N-th time: few enough that
/// every run gets there, however its batches fall (each partition checkpoints at least once).
const STEPS: [&[&str]; 36] = [
    &["ingest.published:40"],
    &["ingest.published:700"],
    &["ingest.progress.before:1"],
    &["ingest.progress.after:1"],
    &["detector.published:1"],
    &["detector.published:60"],
    &["detector.signalled:60"],
    &["writer.record.before:2"],
    &["writer.record.after:2"],
    &["checkpoint.control:3"],
    &["checkpoint.links:2"],
    &["checkpoint.file.temporary:5"],
    &["checkpoint.block:7"],
    &["checkpoint.acknowledged:2"],
    &["checkpoint.manifest.renamed:1"],
    &["checkpoint.manifest.renamed:5"],
    &["checkpoint.committed:4"],
    &["checkpoint.committed:3", "restore.loaded:2"],
    &[
        "checkpoint.committed:3",
        "restore.resumed:5",
        "checkpoint.block:2",
    ],
    &["revoke.checkpointed:1"],
    &["correlator.emitted:2"],
    &["correlator.commit.before:2"],
    &["correlator.commit.after:2", "correlator.restored:3"],
    &["materializer.emitted:2"],
    &["materializer.commit.before:2"],
    &["materializer.commit.after:2"],
    &["online.put.before:2"],
    &["online.put.after:2"],
    &["history.range.written:1"],
    &["history.file.written:1"],
    &["history.commit.after:1"],
    &["aggregator.emitted:3"],
    &["aggregator.commit.before:3"],
    &["aggregator.commit.after:3"],
    &["windows.put.before:2"],
    &["windows.put.after:2"],
];

/// Random moments per run of the suite; `WEIR_KILLS=20` is the long form.
const RANDOM_KILLS: u32 = 6;

/// Slow enough that a random moment falls into the middle.
const PACED: &str = "4000/s";

/// A replay of the load with its state in `data`.
pub(crate) fn replay(load: &Path, data: &Path, speed: &str) -> Command {
    let path = |name: &str| data.join(name).display().to_string();
    let mut command = program::patient_weir([
        "replay",
        &load.join("input").display().to_string(),
        "--vrps",
        &load.join("vrps.json").display().to_string(),
        "--data",
        &data.display().to_string(),
        "--speed",
        speed,
        "--incidents",
        &path("incidents.ndjson"),
        "--features",
        &path("features.ndjson"),
        "--windows",
        &path("windows.ndjson"),
        "--summary",
        &path("summary.json"),
    ]);
    command.env("WEIR__CONFLICT_DETECTOR__BOGONS", load.join("bogons.txt"));
    command.env("WEIR__CONFLICT_DETECTOR__CHECKPOINT_SECONDS", "0");
    command
}

pub(crate) fn finished(command: Command, data: &Path) -> Exported {
    let output = program::finish_in_turn(command);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {complaint}", output.status);
    program::exported(data)
}

/// The load, made once, and what an uninterrupted run makes of it.
pub(crate) fn uninterrupted() -> &'static (tempfile::TempDir, Exported) {
    static RUN: OnceLock<(tempfile::TempDir, Exported)> = OnceLock::new();
    RUN.get_or_init(|| told_alone(1))
}

/// A load of this beat, and what the one process makes of it when nothing disturbs it.
pub(crate) fn told_alone(beat: u32) -> (tempfile::TempDir, Exported) {
    let folder = tempfile::tempdir().unwrap();
    load::write(&folder.path().join("input"), beat);
    std::fs::write(folder.path().join("bogons.txt"), load::BOGONS).unwrap();
    std::fs::write(folder.path().join("vrps.json"), load::vrps()).unwrap();
    let data = folder.path().join("uninterrupted");
    let exported = finished(replay(folder.path(), &data, "max"), &data);
    (folder, exported)
}

#[track_caller]
pub(crate) fn assert_equal(found: &Exported, how: &str) {
    let (_, expected) = uninterrupted();
    assert_same(found, expected, how);
}

#[track_caller]
pub(crate) fn assert_same(found: &Exported, expected: &Exported, how: &str) {
    for (name, text) in expected {
        if found[name] != *text {
            let pairs = text.lines().zip(found[name].lines());
            let first = pairs.clone().find(|(a, b)| a != b);
            panic!(
                "{name} differ after {how}: {} lines, then {}; first difference {first:#?}",
                text.lines().count(),
                found[name].lines().count()
            );
        }
    }
}

#[test]
fn the_load_raises_seven_types_often_and_some_end_and_open_again() {
    let (_, exported) = uninterrupted();
    let incidents: Vec<Value> = exported["incidents"]
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for name in [
        "moas",
        "origin-change",
        "sub-prefix",
        "bogon-prefix",
        "bogon-asn",
        "path-loop",
        "rpki-invalid",
    ] {
        let of_type: Vec<_> = incidents
            .iter()
            .filter(|incident| incident["type"] == name)
            .collect();
        let count = |what: &dyn Fn(&Value) -> bool| {
            of_type.iter().filter(|incident| what(incident)).count()
        };
        assert!(of_type.len() >= 20, "{name}: {}", of_type.len());
        assert!(
            count(&|incident| !incident["confirmed_at"].is_null()) > 0,
            "{name}: none confirmed"
        );
        assert!(
            count(&|incident| incident["state"] == "ended") > 0,
            "{name}: none ended"
        );
        assert!(
            count(&|incident| incident["reopened"].as_u64() > Some(0)) > 0,
            "{name}: none opened again"
        );
    }
    assert!(exported["features"].lines().count() >= 8);
    assert!(exported["windows"].lines().count() >= 100);
}

/// Dies at each crash of the step in turn; the run after that must tell what an uninterrupted one does.
fn die_at(step: &[&str], folder: &Path) {
    let data = folder.join(step.join(","));
    for crash in step {
        let mut command = replay(folder, &data, "max");
        command.env("WEIR_CRASH_AT", crash);
        let output = program::finish_in_turn(command);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            program::was_killed(output.status),
            "{crash} was never reached: {:?} {complaint}",
            output.status
        );
    }
    let told = finished(replay(folder, &data, "max"), &data);
    assert_equal(&told, step[step.len() - 1]);
    std::fs::remove_dir_all(&data).unwrap();
}

/// Two steps at a time: a run waits for its disk a third of the time.
#[test]
fn killed_at_any_step_and_started_again_nothing_is_lost_doubled_or_different() {
    let folder = uninterrupted().0.path();
    thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for step in STEPS.iter().skip(half).step_by(2) {
                    die_at(step, folder);
                }
            });
        }
    });
}

#[test]
fn killed_at_random_moments_and_started_again_nothing_is_lost_doubled_or_different() {
    let (folder, _) = uninterrupted();
    let kills = std::env::var("WEIR_KILLS").map_or(RANDOM_KILLS, |text| text.parse().unwrap());
    let mut dice = StdRng::seed_from_u64(20);
    let data = folder.path().join("random");
    let mut hits = 0;
    for _ in 0..kills {
        let moment = Duration::from_millis(dice.random_range(200..1_800));
        hits += u32::from(program::kill_after(
            replay(folder.path(), &data, PACED),
            moment,
        ));
    }
    assert!(hits > 0, "every run ended before it could be killed");
    assert_equal(
        &finished(replay(folder.path(), &data, "max"), &data),
        "random kills",
    );
}

#[test]
fn batches_and_instances_change_nothing() {
    let (folder, _) = uninterrupted();
    for (batch, instances) in [("1", "1"), ("64", "2"), ("4096", "4")] {
        let data = folder.path().join(format!("batch-{batch}-{instances}"));
        let mut command = replay(folder.path(), &data, "max");
        for name in [
            "CONFLICT_DETECTOR",
            "FEATURE_MATERIALIZER",
            "METRICS_AGGREGATOR",
        ] {
            command.env(format!("WEIR__{name}__BATCH"), batch);
        }
        command.env("WEIR__CONFLICT_DETECTOR__INSTANCES", instances);
        assert_equal(
            &finished(command, &data),
            &format!("batches of {batch}, {instances} instances"),
        );
    }
}
