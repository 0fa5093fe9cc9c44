//! The fuzz target: requests of every API and version, made by their grammar and then damaged, and
//! record batches likewise, against a node. It must answer or refuse each, and what it keeps must be
//! what is there after a restart.
//!
//! A plain test of `WEIR_FUZZ_SECONDS` (2 by default), from `WEIR_FUZZ_SEED` (1 by default).

use std::path::Path;
use std::time::{Duration, Instant};

use super::{NOBODY, RUNTIME, TIME, batch, create, node};
use crate::broker::node::{Node, now_ms};
use crate::broker::request::{self, APIS};

/// Requests to one node before it is opened again.
const ROUND: u32 = 20_000;
/// A request that waits, for its group or for records, is given up after this.
const WAIT: Duration = Duration::from_millis(1);

/// SplitMix64: repeatable, and good enough to choose with.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// True once in `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// What a request of an API consists of: b h i l are numbers of 1, 2, 4 and 8 bytes, t a text, n one
/// that may be null, T a topic, p a partition, G a group, s a session time, a acks, y bytes, r
/// records, (..) an array; {5 ..} is there from version 5 on and
/// {-4 ..} up to version 4.
fn grammar(key: i16) -> &'static str {
    match key {
        0 => "nai(T(pr))",
        1 => "iiiib{7 ii}(T(p{9 i}l{5 l}i)){7 (T(p))}{11 t}",
        2 => "i{2 b}(T(p{4 i}l))",
        3 => "(T){4 b}{8 bb}",
        8 => "Git{-4 l}{7 n}(T(pl{6 i}n))",
        9 => "G(T(p))",
        10 => "t{1 b}",
        11 => "Gs{1 i}t{5 n}G(Gy)",
        12 => "Git{3 n}",
        13 => "G{-2 t}{3 (tn)}",
        14 => "Git{3 n}(ty)",
        15 => "(G){3 b}",
        17 => "t",
        19 => "(tih(i(i))(tn))i{1 b}",
        20 => "(t)i",
        21 => "(T(pl))i",
        22 => "ni",
        32 => "(bT(t)){1 b}{3 b}",
        33 => "(bT(tn))b",
        37 => "(Ti((i)))ib",
        42 => "(t)",
        44 => "(bT(tbn))b",
        _ => "",
    }
}

struct Fuzz {
    dice: Dice,
    texts: Vec<String>,
    numbers: Vec<i32>,
}

impl Fuzz {
    fn new(seed: u64) -> Self {
        let texts = [
            "t",
            "t",
            "t",
            "u",
            "new",
            "group",
            "group",
            "",
            "consumer",
            "range",
            "retention.ms",
            "max.message.bytes",
            "cleanup.policy",
            "1000",
            "-1",
            "delete",
            "..",
            "no such thing",
        ];
        Self {
            dice: Dice(seed),
            texts: texts.map(str::to_owned).to_vec(),
            numbers: Vec::new(),
        }
    }

    /// Takes up the members and generations that there are, so that some requests are theirs.
    fn learn(&mut self, node: &Node) {
        self.texts.truncate(18);
        self.numbers.clear();
        for (_, group) in node.groups.all() {
            let group = group.lock();
            self.texts.extend(group.members.keys().take(8).cloned());
            self.numbers.push(group.generation);
        }
    }

    fn number(&mut self) -> i64 {
        match self.dice.below(24) {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => self.dice.next().cast_signed(),
            3 => self.dice.next().cast_signed() >> 33,
            4 => TIME + 5,
            5 => 10_000,
            6 if !self.numbers.is_empty() => i64::from(self.dice.of(&self.numbers)),
            7 => -1,
            8 => -2,
            9 => 2,
            10 => 3,
            odd => i64::from(odd % 2 == 1),
        }
    }

    fn text(&mut self, into: &mut Vec<u8>) {
        let text = self.dice.of(&self.texts);
        let length = i16::try_from(text.len()).unwrap();
        into.extend_from_slice(&length.to_be_bytes());
        into.extend_from_slice(text.as_bytes());
    }

    fn blob(&mut self, into: &mut Vec<u8>, blob: &[u8]) {
        let length = i32::try_from(blob.len()).unwrap();
        into.extend_from_slice(&length.to_be_bytes());
        into.extend_from_slice(blob);
    }

    fn records(&mut self) -> Vec<u8> {
        let payload = vec![9; self.dice.below(300)];
        let payloads = vec![payload.as_slice(); 1 + self.dice.below(5)];
        let id = i64::try_from(self.dice.below(3)).unwrap();
        let sequence = i32::try_from(self.dice.below(12)).unwrap();
        let by = self
            .dice
            .of(&[NOBODY, (id, 0, sequence), (id, 1, sequence)]);
        let time = TIME + i64::try_from(self.dice.below(100)).unwrap();
        let mut bytes = batch(by, time, &payloads);
        if self.dice.once_in(2) {
            self.damage(&mut bytes);
            // As if it were meant so: the damage is found by more than the CRC.
            if self.dice.once_in(2) && bytes.len() > 21 {
                let crc = crc32c::crc32c(&bytes[21..]).to_be_bytes();
                bytes[17..21].copy_from_slice(&crc);
            }
        }
        bytes
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.dice.below(3) {
            let at = self.dice.below(bytes.len() + 1);
            match self.dice.below(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.dice.next().to_be_bytes()[0]),
                2 => {
                    let extreme = self.dice.of(&[i32::MAX, i32::MIN, -1, 0, 0x0100_0000]);
                    let end = bytes.len().min(at + 4);
                    bytes.splice(at..end, extreme.to_be_bytes());
                }
                3 => {
                    let end = bytes.len().min(at + self.dice.below(20));
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                _ if at < bytes.len() => bytes[at] ^= 1 << self.dice.below(8),
                _ => {}
            }
        }
    }

    /// Writes one group of the grammar; returns what follows it.
    fn write<'a>(&mut self, mut rest: &'a str, version: i16, into: &mut Vec<u8>) -> &'a str {
        while let Some(token) = rest.chars().next() {
            rest = &rest[1..];
            match token {
                ')' | '}' => return rest,
                '(' => {
                    let count = self.dice.of(&[0, 1, 1, 1, 1, 2, 3]);
                    into.extend_from_slice(&i32::to_be_bytes(count));
                    let mut after = self.write(rest, version, &mut Vec::new());
                    for _ in 0..count {
                        after = self.write(rest, version, into);
                    }
                    rest = after;
                }
                '{' => {
                    let (bound, inner) = rest.split_once(' ').unwrap();
                    let bound: i16 = bound.parse().unwrap();
                    let here = if bound < 0 {
                        version <= -bound
                    } else {
                        version >= bound
                    };
                    let mut left_out = Vec::new();
                    rest = self.write(inner, version, if here { into } else { &mut left_out });
                }
                'b' => into.push(self.number().to_be_bytes()[7] & 3),
                'h' => into.extend_from_slice(&self.number().to_be_bytes()[6..]),
                'i' => into.extend_from_slice(&self.number().to_be_bytes()[4..]),
                'l' => into.extend_from_slice(&self.number().to_be_bytes()),
                'T' if !self.dice.once_in(8) => into.extend_from_slice(b"\0\x01t"),
                'G' if !self.dice.once_in(8) => into.extend_from_slice(b"\0\x05group"),
                'p' if !self.dice.once_in(8) => into.extend_from_slice(&[0; 4]),
                's' if !self.dice.once_in(8) => into.extend_from_slice(&[0, 0, 0, 150]),
                'a' if !self.dice.once_in(8) => into.extend_from_slice(&[0xff, 0xff]),
                'p' | 's' => into.extend_from_slice(&self.number().to_be_bytes()[4..]),
                'a' => into.extend_from_slice(&self.number().to_be_bytes()[6..]),
                'n' if self.dice.once_in(2) => into.extend_from_slice(&[0xff, 0xff]),
                't' | 'n' | 'T' | 'G' => self.text(into),
                'y' => {
                    let blob = vec![1; self.dice.below(20)];
                    self.blob(into, &blob);
                }
                _ => {
                    let records = self.records();
                    self.blob(into, &records);
                }
            }
        }
        rest
    }

    fn request(&mut self) -> Vec<u8> {
        let (key, low, high) = loop {
            let api = self.dice.of(&APIS);
            // What ends a topic or a group is rarer, or neither would come far.
            if ![13, 20, 42].contains(&api.0) || self.dice.once_in(200) {
                break api;
            }
        };
        let span = usize::try_from(high - low).unwrap() + 1;
        let version = match self.dice.below(40) {
            0 => low - 1,
            1 => high + 1,
            _ => low + i16::try_from(self.dice.below(span)).unwrap(),
        };
        let mut frame = Vec::new();
        frame.extend_from_slice(&key.to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0, 7, 0, 1, b'f']);
        self.write(grammar(key), version, &mut frame);
        if self.dice.once_in(2) {
            self.damage(&mut frame);
        }
        frame
    }
}

/// Tells the request at which the broker failed.
struct Witness(Vec<u8>);

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the request was {:?}", self.0);
        }
    }
}

/// True when the node answered.
fn ask(node: &Node, frame: Vec<u8>) -> bool {
    let witness = Witness(frame.clone());
    let mut frame = frame;
    let waited = RUNTIME.block_on(async {
        tokio::time::timeout(WAIT, request::answer(node, &mut frame, "/127.0.0.1")).await
    });
    let Ok(Ok(Some(answer))) = waited else {
        return false;
    };
    let length = i32::from_be_bytes(answer[..4].try_into().unwrap());
    assert_eq!(usize::try_from(length).unwrap(), answer.len() - 4);
    assert_eq!(answer[4..8], witness.0[4..8], "the correlation id");
    true
}

/// All topics with the ends of their partitions, and all commits.
fn kept(node: &Node) -> Vec<String> {
    let mut kept = Vec::new();
    for topic in node.catalogue.all() {
        let settings = topic.settings.read();
        kept.push(format!("{} {} {settings:?}", topic.name, topic.id));
        for partition in topic.partitions.read().iter() {
            let log = partition.log.lock();
            kept.push(format!("{} {} {}", log.start(), log.end(), log.size()));
        }
    }
    for (group, _) in node.offsets.groups() {
        kept.push(format!("{group} {:?}", node.offsets.of_group(&group)));
    }
    kept
}

/// What came of the requests.
#[derive(Debug, Default)]
struct Tally {
    asked: u32,
    answered: u32,
    /// Offsets that were given out.
    stored: i64,
    /// Greatest generation of a group.
    generation: i32,
}

fn round(dir: &Path, fuzz: &mut Fuzz, until: Instant, tally: &mut Tally) {
    let small = |dir: &Path| {
        node(dir, |config| {
            config.segment_bytes = 2_000;
            config.max_fetch_bytes = 100_000;
        })
    };
    let node = small(dir);
    create(&node, "t");
    for number in 0..ROUND {
        if Instant::now() > until {
            break;
        }
        if number % 50 == 0 {
            node.groups.expire(Instant::now());
            fuzz.learn(&node);
            let newest = fuzz.numbers.iter().max().copied();
            tally.generation = tally.generation.max(newest.unwrap_or(0));
        }
        tally.asked += 1;
        tally.answered += u32::from(ask(&node, fuzz.request()));
    }
    for topic in node.catalogue.all() {
        let ends = topic.partitions.read().clone();
        tally.stored += ends.iter().map(|each| each.log.lock().end()).sum::<i64>();
    }
    if fuzz.dice.once_in(2) {
        node.retain(now_ms()).unwrap();
    }
    let before = kept(&node);
    drop(node);
    assert_eq!(kept(&small(dir)), before, "after a restart");
}

#[test]
fn no_request_brings_the_broker_down_or_is_kept_wrongly() {
    let number = |name: &str, default: u64| {
        let value = std::env::var(name).ok();
        value.map_or(default, |value| value.parse().unwrap())
    };
    let seed = number("WEIR_FUZZ_SEED", 1);
    let seconds = number("WEIR_FUZZ_SECONDS", 2);
    println!("WEIR_FUZZ_SEED={seed} WEIR_FUZZ_SECONDS={seconds}");
    let mut fuzz = Fuzz::new(seed);
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut tally = Tally::default();
    while Instant::now() < until {
        let folder = tempfile::tempdir().unwrap();
        round(folder.path(), &mut fuzz, until, &mut tally);
    }
    println!("{tally:?}");
    assert!(tally.answered > tally.asked / 10, "{tally:?}");
    assert!(tally.stored > 0, "{tally:?}");
}
