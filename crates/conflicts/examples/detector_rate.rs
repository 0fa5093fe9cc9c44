//! How much CPU time one element costs the detector alone, with decoded records in hand.
//!
//! `cargo run --release -p weir-conflicts --example detector_rate`
//!
//! For 1, 10 and 100 peers, without and with knowledge (VRPs of every prefix, relations of every link): every
//! peer's table is loaded as a RIB that shows every link of later, then a stream of updates is applied of which most
//! change the path and some withdraw; each route changes about every two hours, as at rrc12 on 2021-01-01, and in the
//! last line, a storm, every ten minutes. Time is that of a processor, where the system tells it (Linux), else of a
//! clock. Memory is what the process grew by while the tables came: of two lines, the difference divided by that of
//! their peers is what one route takes.

use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use weir_conflicts::{
    Detector, Record, Thresholds,
    record::{Body, Control, Knowledge},
};
use weir_events::position::{TopicEpoch, WriterSeq};
use weir_routing::{
    AsPath, Asn, Bogons, Nlri, PathAttributes, Peer, Prefix, Update,
    knowledge::Content,
    relations::Relations,
    roa::{Vrp, Vrps},
    wire::Routes,
};

const BLOCKS: u32 = 64;
const PREFIXES_PER_BLOCK: u32 = 1_000;
const PER_UPDATE: u32 = 3;
/// Ways from a peer to an origin.
const DETOURS: u32 = 200;
/// Between two changes of one route.
const CALM_US: i64 = 7_200_000_000;
const STORM_US: i64 = 600_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    if let (Some(peers), Some(how)) = (arguments.next(), arguments.next()) {
        return measure(peers.parse()?, &how);
    }
    // Each in a process of its own, so that nobody finds memory that another left.
    let calm = ["1", "10", "100"].map(|peers| (peers, "calm"));
    let knowing = ["1", "10", "100"].map(|peers| (peers, "knowing"));
    for (peers, how) in calm.into_iter().chain(knowing).chain([("10", "storm")]) {
        let child = std::process::Command::new(std::env::current_exe()?)
            .args([peers, how])
            .status()?;
        if !child.success() {
            return Err(format!("{peers} {how} ended with {child}").into());
        }
    }
    Ok(())
}

fn measure(peers: u32, how: &str) -> Result<(), Box<dyn std::error::Error>> {
    let thresholds = Thresholds {
        rpki_stale_after_s: u32::MAX,
        ..Thresholds::default()
    };
    let bogons = Bogons::without_documentation();
    let mut detector = Detector::new(TopicEpoch(1), thresholds, bogons);
    let every_us = if how == "storm" { STORM_US } else { CALM_US };
    let routes = i64::from(peers * BLOCKS * PREFIXES_PER_BLOCK);
    let mut load = Load {
        step_us: every_us * i64::from(PER_UPDATE) / routes,
        ..Load::default()
    };
    if how == "knowing" {
        learn(&mut detector, &mut load, peers);
    }
    let before = resident();
    let tables = (0..peers).flat_map(|peer| (0..BLOCKS).map(move |block| (peer, block)));
    for (offset, (peer, block)) in (1..).zip(tables) {
        detector.apply(&load.table(peer, block), offset, &mut Vec::new());
    }
    let bytes = resident().zip(before).map(|(after, before)| after - before);
    let detours = (0..DETOURS).flat_map(|detour| (0..peers).map(move |peer| (peer, detour)));
    let blocks = (0..DETOURS).flat_map(|detour| (0..BLOCKS).map(move |block| (block, detour)));
    for (peer, detour) in detours {
        detector.apply(
            &load.seen(peer, detour % BLOCKS, detour),
            0,
            &mut Vec::new(),
        );
    }
    for (block, detour) in blocks {
        detector.apply(&load.seen(0, block, detour), 0, &mut Vec::new());
    }
    let updates: Vec<Record> = (0..300_000).map(|n| load.update(n, peers)).collect();
    let elements = updates.len() as u64 * u64::from(PER_UPDATE);
    let (transitions, spent) = apply(&mut detector, &updates);
    let rate = f64::from(u32::try_from(elements)?) / spent;
    let memory = bytes.map_or("unknown".to_owned(), |bytes| {
        let prefixes = i64::from(BLOCKS * PREFIXES_PER_BLOCK);
        format!("{} B", bytes / prefixes)
    });
    writeln!(
        std::io::stdout(),
        "{peers:>3} peers, {how:<7}: {:>5.0} ns per element, {rate:>8.0} elements/s, {transitions} transitions; {memory} per \
         prefix with all its routes",
        1e9 / rate,
    )?;
    look_up(&detector)
}

/// How long the task judges nothing because somebody asked: the median of some look-ups.
fn look_up(detector: &Detector) -> Result<(), Box<dyn std::error::Error>> {
    let one = nlri(BLOCKS / 2, PREFIXES_PER_BLOCK / 2).prefix;
    let of_all = one.truncated(0);
    let median = |work: &dyn Fn()| {
        let times = (0..21).map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_micros()
        });
        let mut times: Vec<_> = times.collect();
        times.sort_unstable();
        times[times.len() / 2]
    };
    writeln!(
        std::io::stdout(),
        "    look-ups: a prefix {} us, a default route {} us, a network {} us",
        median(&|| drop(std::hint::black_box(detector.look_up_prefix(one)))),
        median(&|| drop(std::hint::black_box(detector.look_up_prefix(of_all)))),
        median(&|| drop(std::hint::black_box(detector.look_up_asn(Asn(5_000))))),
    )?;
    Ok(())
}

/// What this process holds in memory, bytes; where nobody says, nothing.
fn resident() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1_024)
}

/// All prefixes have a ROA of their origin, and every link is one to a customer.
fn learn(detector: &mut Detector, load: &mut Load, peers: u32) {
    let origins = (0..BLOCKS).flat_map(|block| (0..PREFIXES_PER_BLOCK).map(move |n| (block, n)));
    let vrps: Vrps = origins
        .map(|(block, n)| Vrp {
            prefix: nlri(block, n).prefix,
            max_length: 24,
            asn: Asn(5_000 + block),
        })
        .collect();
    let mut links = String::new();
    for detour in 0..DETOURS {
        let (upper, lower) = (2_000 + detour, 3_000 + detour / 7);
        links.extend((0..peers).map(|peer| format!("{}|{upper}|-1\n", 1_000 + peer)));
        links += &format!("{upper}|{lower}|-1\n");
        links.extend((0..BLOCKS).map(|block| format!("{lower}|{}|-1\n", 5_000 + block)));
    }
    let relations = Relations::parse(links.as_bytes()).unwrap_or_default();
    let contents = [
        Content::Vrps(Arc::new(vrps)),
        Content::Relations(Arc::new(relations)),
    ];
    for content in contents {
        let kind = content.kind().name();
        let mut named = load.record(0, Update::default());
        named.body = Body::Control(Control::KnowledgeChanged(Knowledge {
            kind: kind.to_owned(),
            content_hash: kind.as_bytes().to_vec(),
            as_of_us: named.event_time_us,
        }));
        detector.provide(kind.as_bytes(), content);
        detector.apply(&named, 0, &mut Vec::new());
    }
}

fn apply(detector: &mut Detector, records: &[Record]) -> (usize, f64) {
    let (mut out, mut transitions) = (Vec::new(), 0);
    let (start, worked) = (Instant::now(), on_processor());
    for (offset, record) in (1..).zip(records) {
        detector.apply(record, offset, &mut out);
        transitions += out.len();
        out.clear();
    }
    let worked = on_processor().zip(worked);
    let spent = worked.map(|(after, before)| Duration::from_nanos(after - before));
    (transitions, spent.unwrap_or(start.elapsed()).as_secs_f64())
}

/// Nanoseconds that this thread has had a processor.
fn on_processor() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split(' ').next()?.parse().ok()
}

/// Makes records; a small generator of its own keeps it the same everywhere.
#[derive(Default)]
struct Load {
    seq: u64,
    state: u64,
    /// Event time between two records.
    step_us: i64,
}

impl Load {
    fn random(&mut self, below: u32) -> u32 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.state >> 33) % u64::from(below)).unwrap_or_default()
    }

    fn table(&mut self, peer: u32, block: u32) -> Record {
        let announced = (0..PREFIXES_PER_BLOCK).map(|n| nlri(block, n)).collect();
        let update = Update {
            attributes: Some(path(peer, block, 0)),
            announced,
            withdrawn: Vec::new(),
            from_rib: true,
        };
        self.record(peer, update)
    }

    /// A line of a RIB that shows who stands beside whom.
    fn seen(&mut self, peer: u32, block: u32, detour: u32) -> Record {
        let update = Update {
            attributes: Some(path(peer, block, detour)),
            announced: vec![nlri(block, 0)],
            withdrawn: Vec::new(),
            from_rib: true,
        };
        self.record(peer, update)
    }

    fn update(&mut self, n: u32, peers: u32) -> Record {
        if n.is_multiple_of(1_000) {
            let mut tick = self.record(0, Update::default());
            tick.body = Body::Control(Control::Tick);
            return tick;
        }
        let (peer, block) = (self.random(peers), self.random(BLOCKS));
        let first = self.random(PREFIXES_PER_BLOCK - PER_UPDATE);
        let nlris = (first..first + PER_UPDATE)
            .map(|n| nlri(block, n))
            .collect();
        let mut update = Update::default();
        if self.random(20) == 0 {
            update.withdrawn = nlris;
        } else {
            let detour = self.random(DETOURS);
            update.attributes = Some(path(peer, block, detour));
            update.announced = nlris;
        }
        self.record(peer, update)
    }

    fn record(&mut self, peer: u32, update: Update) -> Record {
        self.seq += 1;
        let at = 1_767_225_600_000_000 + i64::try_from(self.seq).unwrap_or_default() * self.step_us;
        let address = std::net::Ipv4Addr::from_bits(0xc612_0000 + peer);
        Record {
            collector: "rrc00".to_owned(),
            written: WriterSeq {
                writer_epoch: 1,
                seq: self.seq,
            },
            event_time_us: at,
            receive_time_us: at,
            synthetic: true,
            body: Body::Routes(Routes {
                peer: Peer::new(address.into(), Asn(1_000 + peer)),
                update,
                context: false,
            }),
        }
    }
}

fn nlri(block: u32, n: u32) -> Nlri {
    let address = std::net::Ipv4Addr::from_bits(((16 + block) << 20) + (n << 8));
    Nlri {
        prefix: Prefix::new(address.into(), 24).unwrap_or_else(|_| unreachable!("24 bits")),
        path_id: 0,
    }
}

fn path(peer: u32, block: u32, detour: u32) -> Arc<PathAttributes> {
    let asns = [
        1_000 + peer,
        2_000 + detour,
        3_000 + detour / 7,
        5_000 + block,
    ];
    Arc::new(PathAttributes {
        as_path: AsPath::sequence(asns.map(Asn).to_vec()),
        ..PathAttributes::default()
    })
}
