//! Decoding RIS Live frames and MRT files, against bgpkit-parser, in messages per processor second.
//!
//! `cargo bench -p weir-benchmarks --bench decode [-- MRT_FILE.gz]`. Frames are made up in the shape
//! of real ones (about 400 bytes, 2.6 prefixes); the MRT part needs a file.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::{fmt::Write as _, fs::File, hint::black_box, io::Read};

use bgpkit_parser::{BgpkitParser, parse_ris_live_message};
use flate2::read::MultiGzDecoder;
use weir_benchmarks::in_turn;
use weir_routing::decode::{mrt, ris_live};

const FRAMES: u32 = 100_000;

fn main() {
    ris_live_frames();
    // `cargo bench` adds --bench.
    match std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"))
    {
        Some(path) => mrt_file(&path),
        None => println!("mrt: skipped, no file given"),
    }
}

fn ris_live_frames() {
    let frames: Vec<String> = (0..FRAMES).map(frame).collect();
    let bytes: usize = frames.iter().map(String::len).sum();
    let (ours, peer) = in_turn(
        || {
            for frame in &frames {
                black_box(ris_live::decode(black_box(frame.as_bytes())).unwrap());
            }
        },
        || {
            for frame in &frames {
                black_box(parse_ris_live_message(black_box(frame)).unwrap());
            }
        },
    );
    report("ris-live", f64::from(FRAMES), "messages", ours, peer);
    println!(
        "ris-live: {:.0} bytes per frame",
        bytes as f64 / f64::from(FRAMES)
    );
}

fn mrt_file(path: &str) {
    let mut raw = Vec::new();
    MultiGzDecoder::new(File::open(path).unwrap())
        .read_to_end(&mut raw)
        .unwrap();
    let mut messages = 0;
    let (ours, peer) = in_turn(
        || {
            messages = 0;
            for decoded in mrt::Records::new(raw.as_slice()) {
                black_box(&decoded);
                messages += 1;
            }
        },
        || {
            for element in BgpkitParser::from_reader(raw.as_slice()) {
                black_box(&element);
            }
        },
    );
    report("mrt", f64::from(messages), "messages", ours, peer);
}

fn report(what: &str, count: f64, unit: &str, ours: f64, peer: f64) {
    println!(
        "{what}: {:.0} k {unit}/CPU-s, bgpkit-parser {:.0} k, ratio {:.2}",
        count / ours / 1e3,
        count / peer / 1e3,
        peer / ours
    );
}

fn frame(i: u32) -> String {
    let mut prefixes = String::new();
    for n in 0..1 + i % 4 {
        let comma = if n == 0 { "" } else { "," };
        write!(prefixes, "{comma}\"10.{}.{}.0/24\"", i % 256, n).unwrap();
    }
    format!(
        r#"{{"type":"ris_message","data":{{"timestamp":{}.{:02},"peer":"192.0.2.{}","peer_asn":"{}","id":"192.0.2.1-{i}-0a","host":"rrc99.ripe.net","type":"UPDATE","path":[64496,64511,64500,64501,[64502,64503]],"community":[[64496,100],[64496,200],[64511,3]],"origin":"IGP","med":10,"aggregator":"64501:198.51.100.1","announcements":[{{"next_hop":"192.0.2.1","prefixes":[{prefixes}]}}],"withdrawals":["198.18.{}.0/24"]}}}}"#,
        1_767_225_600 + i / 100,
        i % 100,
        1 + i % 200,
        64_496 + i % 16,
        i % 256,
    )
}
