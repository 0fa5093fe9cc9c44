//! Bad input: a clear message that names what, where and what was expected; nothing else is lost,
//! nothing is corrupted.

mod between;
mod engines;
mod room;

use std::{fs, io::Write, net::TcpListener, path::Path};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::program;

/// Runs a replay of what is in `folder`/input; exit code, complaint, summary.
fn replay(folder: &Path) -> (i32, String, Option<Value>) {
    let path = |name: &str| folder.join(name).display().to_string();
    let (input, data, summary) = (path("input"), path("data"), path("summary.json"));
    let output = program::finish(program::weir([
        "replay",
        &input,
        "--data",
        &data,
        "--summary",
        &summary,
    ]));
    let summary = fs::read(&summary)
        .ok()
        .map(|text| serde_json::from_slice(&text).unwrap());
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stderr).into_owned(),
        summary,
    )
}

fn frame(second: f64, prefix: &str) -> String {
    json!({ "type": "ris_message", "data": {
        "timestamp": 1_767_225_600.0 + second, "peer": "192.0.2.1", "peer_asn": "64496", "host": "rrc99",
        "type": "UPDATE", "path": [64_496, 64_500], "origin": "igp",
        "announcements": [{ "next_hop": "192.0.2.1", "prefixes": [prefix] }] } })
    .to_string()
}

fn input(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("input")).unwrap();
    for (name, content) in files {
        fs::write(folder.path().join("input").join(name), content).unwrap();
    }
    folder
}

#[test]
fn random_bytes_are_unusable_input() {
    let noise: Vec<u8> = (0..5_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let folder = input(&[("noise.bin", noise)]);
    let (code, complaint, _) = replay(folder.path());
    assert_eq!(code, 2, "{complaint}");
    assert!(complaint.contains("noise.bin"), "{complaint}");
}

#[test]
fn a_path_that_is_not_there_is_unusable_input_in_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let (code, complaint, _) = replay(folder.path());
    assert_eq!(code, 2, "{complaint}");
    assert!(
        complaint.contains("input") && complaint.trim().lines().count() == 1,
        "{complaint}"
    );
}

#[test]
fn of_a_truncated_gzip_the_rest_is_kept_and_the_file_named() {
    let text: String = (0..2_000)
        .map(|i| frame(f64::from(i), "10.1.0.0/16") + "\n")
        .collect();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let mut bytes = gzip.finish().unwrap();
    bytes.truncate(bytes.len() * 2 / 3);
    let folder = input(&[
        ("cut.gz", bytes),
        ("whole.jsonl", frame(5.0, "10.2.0.0/16").into_bytes()),
    ]);
    let (code, complaint, summary) = replay(folder.path());
    assert_eq!(code, 0, "{complaint}");
    assert!(complaint.contains("cut.gz"), "{complaint}");
    let elements = summary.unwrap()["elements"].as_u64().unwrap();
    assert!((500..2_000).contains(&elements), "{elements}");
}

#[test]
fn bad_records_are_dead_letters_and_their_neighbours_are_read() {
    let long = format!(
        "{{\"type\":\"ris_message\",\"data\":{{\"raw\":\"{}\"}}}}",
        "A".repeat(10 << 20)
    );
    let ten_years = 10.0 * 365.0 * 86_400.0;
    let lines = [
        frame(0.0, "10.1.0.0/16"),
        frame(1.0, "10.1.0.0/200"),
        long,
        frame(ten_years, "10.3.0.0/16"),
        "{\"type\":\"ris_message\"".into(),
        frame(2.0, "10.2.0.0/16"),
    ];
    let folder = input(&[("mixed.jsonl", lines.join("\n").into_bytes())]);
    let (code, complaint, summary) = replay(folder.path());
    assert_eq!(code, 0, "{complaint}");
    let summary = summary.unwrap();
    assert_eq!(summary["elements"], 2, "{summary}");
    assert_eq!(summary["dead_letters"], 4, "{summary}");
    assert_eq!(
        summary["stream_seconds"].as_f64().map(f64::round),
        Some(2.0),
        "{summary}"
    );
}

#[test]
fn a_data_folder_in_use_and_a_port_in_use_say_so() {
    let folder = input(&[("one.jsonl", frame(0.0, "10.1.0.0/16").into_bytes())]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = folder.path().join("data").display().to_string();
    let source = folder.path().join("input").display().to_string();
    let output = program::finish(program::weir([
        "--source",
        &source,
        "--data",
        &data,
        "--listen",
        &address,
        "--grpc",
        "127.0.0.1:0",
        "--broker",
        "127.0.0.1:0",
    ]));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        complaint.contains(&address) && complaint.contains("--listen"),
        "{complaint}"
    );
}
