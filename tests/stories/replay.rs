//! The contract of `weir replay`: what it writes, how it counts, how it resumes.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{load, program};

fn summary(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn run(input: &Path, data: &Path, more: &[&str]) -> std::process::Output {
    let (input, folder) = (input.display().to_string(), data.display().to_string());
    let summary = data.with_extension("summary.json").display().to_string();
    let incidents = data
        .with_extension("incidents.ndjson")
        .display()
        .to_string();
    let mut arguments = vec![
        "replay",
        &input,
        "--data",
        &folder,
        "--summary",
        &summary,
        "--incidents",
        &incidents,
    ];
    arguments.extend(more);
    program::finish(program::weir(arguments))
}

#[test]
fn every_element_that_was_read_is_counted_by_every_stage_and_none_is_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let (input, data) = (folder.path().join("input"), folder.path().join("data"));
    load::write(&input, 1);
    let output = run(&input, &data, &[]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let summary = summary(&data.with_extension("summary.json"));
    let count = |value: &Value| {
        value
            .as_u64()
            .unwrap_or_else(|| panic!("{value} is no count"))
    };
    let elements = count(&summary["elements"]);
    assert!(elements > 2_000);
    assert_eq!(
        elements,
        count(&summary["announcements"]) + count(&summary["withdrawals"])
    );
    assert_eq!(summary["dead_letters"], 0);
    assert_eq!(
        summary["detect_latency_ms"],
        Value::Null,
        "no latency at max speed"
    );
    for stage in [
        "ingest",
        "conflict-detector",
        "feature-materializer",
        "metrics-aggregator",
        "origin-aggregator",
    ] {
        let counts = &summary["stages"][stage];
        assert_eq!(count(&counts["in"]), elements, "{stage}: {counts}");
        assert_eq!(count(&counts["out"]), elements, "{stage}: {counts}");
    }
    assert_eq!(
        summary["stages"]["ingest"]["copies"], summary["stages"]["conflict-detector"]["copies"],
        "copies that were sent and copies that were received"
    );

    let incidents = fs::read_to_string(data.with_extension("incidents.ndjson")).unwrap();
    let keys: Vec<_> = incidents
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| (line["first_seen"].to_string(), line["id"].to_string()))
        .collect();
    assert!(keys.is_sorted(), "sorted by (first_seen, id)");
}

#[test]
fn the_same_input_again_just_writes_the_files_and_other_input_is_another_stream() {
    let folder = tempfile::tempdir().unwrap();
    let (input, data) = (folder.path().join("input"), folder.path().join("data"));
    load::write(&input, 1);
    let outputs = [0, 1].map(|_| {
        assert!(run(&input, &data, &[]).status.success());
        let read = |extension| fs::read_to_string(data.with_extension(extension)).unwrap();
        (read("summary.json"), read("incidents.ndjson"))
    });
    assert_eq!(outputs[0], outputs[1]);

    fs::write(
        input.join("rrc99.more.jsonl"),
        fs::read(input.join("rrc99.odd.jsonl")).unwrap(),
    )
    .unwrap();
    assert!(run(&input, &data, &[]).status.success());
    assert_eq!(fs::read_dir(data.join("streams")).unwrap().count(), 2);
}

#[test]
fn a_paced_replay_reports_how_long_detection_took() {
    let folder = tempfile::tempdir().unwrap();
    let (input, data) = (folder.path().join("input"), folder.path().join("data"));
    load::write(&input, 1);
    let output = run(&input, &data, &["--speed", "5000/s"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let latency = summary(&data.with_extension("summary.json"))["detect_latency_ms"].clone();
    let ms = |name: &str| latency[name].as_f64().unwrap();
    assert!(0.0 < ms("p50") && ms("p50") <= ms("p99") && ms("p99") <= ms("max"));
}
