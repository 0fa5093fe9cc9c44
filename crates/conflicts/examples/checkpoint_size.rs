//! What a checkpoint of ten million routes costs one task: the longest pause, the bytes, and the way back.
//!
//! `cargo run --release -p weir-conflicts --example checkpoint_size [VANTAGE POINTS]`
//!
//! 100,000 prefixes, as a sixteenth of the world's table has, from 100 vantage points; blocks are as full as a /12 can be
//! of prefixes down to /24, so that none takes longer to copy. Between two batches of records one block is copied, which
//! is the pause; it is encoded and written elsewhere. Written are the bytes before they are compressed.

use std::{
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use weir_conflicts::{
    Detector, Record, Thresholds,
    record::{Body, Control},
};
use weir_events::{
    position::{TopicEpoch, WriterSeq},
    topics::Block,
};
use weir_routing::{AsPath, Asn, Bogons, Nlri, PathAttributes, Peer, Prefix, Update, wire::Routes};

const PREFIXES: u32 = 100_000;
/// /24s of a /12, /23s, and so on to /20s.
const PER_BLOCK: u32 = 4_096 + 2_048 + 1_024 + 512 + 256;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let peers = std::env::args()
        .nth(1)
        .map_or(Ok(100), |text| text.parse())?;
    let mut load = Load::default();
    let mut detector = empty();
    for peer in 0..peers {
        for first in (0..PREFIXES).step_by(PER_BLOCK as usize) {
            load.tell(
                &mut detector,
                peer,
                first..(first + PER_BLOCK).min(PREFIXES),
                0,
            );
        }
    }
    load.tick(&mut detector);
    let all = round(&mut detector, "all of it");
    // One vantage point changes its mind about ten prefixes of one block.
    load.tell(&mut detector, 0, 0..10, 1);
    round(&mut detector, "after a change in one block");

    let begun = Instant::now();
    let mut restored = empty();
    restored.restore_control(&all.control)?;
    for (block, bytes) in &all.blocks {
        restored.restore_block(*block, bytes, load.seq)?;
    }
    say(&format!(
        "restored {} blocks in {:.1} s",
        all.blocks.len(),
        begun.elapsed().as_secs_f64()
    ))?;
    Ok(())
}

struct Round {
    control: Vec<u8>,
    blocks: Vec<(Block, Vec<u8>)>,
}

/// As a task makes it, block after block.
fn round(detector: &mut Detector, what: &str) -> Round {
    let (mut longest, mut encoding) = (Duration::ZERO, Duration::ZERO);
    let mut pause = |begun: Instant| longest = longest.max(begun.elapsed());
    let begun = Instant::now();
    let (control, links) = (detector.control_snapshot(), detector.links_snapshots());
    let dirty = detector.dirty_blocks();
    pause(begun);
    let control = control.encode();
    let mut blocks: Vec<_> = links
        .iter()
        .map(|page| (page.block(), page.encode()))
        .collect();
    for block in dirty {
        let begun = Instant::now();
        let copy = detector.block_snapshot(block);
        pause(begun);
        let begun = Instant::now();
        blocks.push((block, copy.encode()));
        encoding += begun.elapsed();
    }
    let bytes: usize = blocks.iter().map(|(_, bytes)| bytes.len()).sum();
    let _ = say(&format!(
        "{what}: {} files, longest pause {:.1} ms, {:.1} MB, encoded in {:.2} s",
        blocks.len() + 1,
        longest.as_secs_f64() * 1e3,
        (bytes + control.len()) as f64 / 1e6,
        encoding.as_secs_f64(),
    ));
    Round { control, blocks }
}

fn empty() -> Detector {
    let bogons = Bogons::without_documentation();
    Detector::new(TopicEpoch(1), Thresholds::default(), bogons)
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// Makes records.
#[derive(Default)]
struct Load {
    seq: i64,
}

impl Load {
    /// A vantage point announces some prefixes by one way of several.
    fn tell(
        &mut self,
        detector: &mut Detector,
        peer: u32,
        prefixes: std::ops::Range<u32>,
        way: u32,
    ) {
        for first in prefixes.clone().step_by(500) {
            let some = first..(first + 500).min(prefixes.end);
            let asns = [1_000 + peer, 2_000 + way, 3_000 + first / 500];
            let attributes = PathAttributes {
                as_path: AsPath::sequence(asns.map(Asn).to_vec()),
                ..PathAttributes::default()
            };
            let update = Update {
                attributes: Some(Arc::new(attributes)),
                announced: some.map(nlri).collect(),
                withdrawn: Vec::new(),
                from_rib: way == 0,
            };
            let address = std::net::Ipv4Addr::from_bits(0xc612_0000 + peer);
            let peer = Peer::new(address.into(), Asn(1_000 + peer));
            let routes = Routes {
                peer,
                update,
                context: false,
            };
            self.apply(detector, Body::Routes(routes));
        }
    }

    fn tick(&mut self, detector: &mut Detector) {
        self.apply(detector, Body::Control(Control::Tick));
    }

    fn apply(&mut self, detector: &mut Detector, body: Body) {
        self.seq += 1;
        let at = 1_767_225_600_000_000 + self.seq * 1_000;
        let record = Record {
            collector: "rrc00".to_owned(),
            written: WriterSeq {
                writer_epoch: 1,
                seq: self.seq.unsigned_abs(),
            },
            event_time_us: at,
            receive_time_us: at,
            synthetic: true,
            body,
        };
        detector.apply(&record, self.seq, &mut Vec::new());
    }
}

fn nlri(number: u32) -> Nlri {
    let (block, mut n) = (number / PER_BLOCK, number % PER_BLOCK);
    let mut length: u8 = 24;
    while n >= 1 << (length - 12) {
        n -= 1 << (length - 12);
        length -= 1;
    }
    let bits = ((16 + block) << 20) + (n << (32 - length));
    let address = std::net::Ipv4Addr::from_bits(bits);
    Nlri {
        prefix: Prefix::new(address.into(), length)
            .unwrap_or_else(|_| unreachable!("its own length")),
        path_id: 0,
    }
}
