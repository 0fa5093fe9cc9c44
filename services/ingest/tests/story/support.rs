//! A log in a temporary folder, what it holds, and MRT made by hand.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::mpsc,
    time::{Duration, Instant},
};

use prost::Message as _;
use weir_eventlog::{
    EventLog, From, Tail, admin,
    broker::{Broker, BrokerConfig, Fsync},
};
use weir_events::{
    position::TopicEpoch,
    topics::{BGP_MESSAGES, BGP_UPDATES},
    v1::{self, control::Kind},
};

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
pub(crate) const TIME: u32 = 1_609_480_200;

/// A broker of its own, mostly in a folder that goes with it.
pub(crate) struct Sandbox {
    root: PathBuf,
    /// Dropped last.
    folder: Option<tempfile::TempDir>,
    pub(crate) log: EventLog,
}

impl Sandbox {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut sandbox = Self::at(folder.path());
        sandbox.folder = Some(folder);
        sandbox
    }

    /// In a folder that stays, and may hold a log already.
    pub(crate) fn at(root: &Path) -> Self {
        let broker = Broker::start(BrokerConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            dir: root.join("log"),
            fsync: Fsync::None,
            ..BrokerConfig::default()
        })
        .unwrap();
        let log = EventLog::embedded(broker);
        admin::ensure_topics(&log, TopicEpoch(1)).unwrap();
        Self {
            root: root.to_owned(),
            folder: None,
            log,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.root
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// Records in both topics.
    pub(crate) fn written(&self) -> i64 {
        [BGP_UPDATES, BGP_MESSAGES]
            .iter()
            .flat_map(|topic| admin::end_offsets(&self.log, topic).unwrap())
            .sum()
    }

    /// Everything in the log, in the order of each partition.
    pub(crate) fn content(&self) -> Content {
        let topics = [BGP_UPDATES, BGP_MESSAGES];
        let wanted = self.written();
        let (sender, records) = mpsc::channel();
        let tail = Tail::start(&self.log, &topics, From::Beginning, move |topic, record| {
            let _ = sender.send((topic, record.payload.to_vec()));
        })
        .unwrap();
        let mut content = Content::default();
        for _ in 0..wanted {
            let (topic, payload) = records.recv_timeout(DEADLINE).unwrap();
            if topic == BGP_UPDATES.name {
                content
                    .updates
                    .push(v1::BgpUpdate::decode(&payload[..]).unwrap());
            } else {
                content
                    .messages
                    .push(v1::BgpMessage::decode(&payload[..]).unwrap());
            }
        }
        for update in &content.updates {
            if let Some(v1::bgp_update::Body::Control(v1::Control {
                kind: Some(Kind::KnowledgeChanged(changed)),
            })) = &update.body
            {
                let number = (update.writer_epoch, update.seq);
                content.knowledge.push((number, changed.clone()));
            }
        }
        // The first record of each partition is its TopicStart.
        let ours = |collector: &str| !collector.starts_with('_') && !collector.is_empty();
        content.updates.retain(|update| ours(&update.collector));
        content.messages.retain(|message| ours(&message.collector));
        tail.stop();
        content
    }
}

#[derive(Default)]
pub(crate) struct Content {
    pub(crate) updates: Vec<v1::BgpUpdate>,
    pub(crate) messages: Vec<v1::BgpMessage>,
    /// (writer epoch, seq) of each in `bgp-updates`.
    pub(crate) knowledge: Vec<((u64, u64), v1::KnowledgeChanged)>,
}

impl Content {
    /// How often each (collector, epoch, seq) stands in the log, over all partitions.
    pub(crate) fn emissions(&self) -> BTreeMap<(String, u64, u64), usize> {
        let updates = self
            .updates
            .iter()
            .map(|u| (u.collector.clone(), u.writer_epoch, u.seq));
        let messages = self
            .messages
            .iter()
            .map(|m| (m.collector.clone(), m.writer_epoch, m.seq));
        let mut counts = BTreeMap::new();
        for emission in updates
            .chain(messages)
            .filter(|(collector, ..)| !collector.is_empty())
        {
            *counts.entry(emission).or_insert(0) += 1;
        }
        counts
    }

    /// Controls of `bgp-messages`, once each, by collector and seq.
    pub(crate) fn controls(&self) -> Vec<(String, u64, u64, Kind, i64)> {
        let mut all: Vec<_> = self
            .messages
            .iter()
            .filter_map(|m| match &m.body {
                Some(v1::bgp_message::Body::Control(control)) if !m.collector.is_empty() => Some((
                    m.collector.clone(),
                    m.writer_epoch,
                    m.seq,
                    control.kind.clone().unwrap(),
                    m.event_time_us,
                )),
                _ => None,
            })
            .collect();
        all.sort_by_key(|(collector, epoch, seq, ..)| (collector.clone(), *epoch, *seq));
        all.dedup_by_key(|(collector, epoch, seq, ..)| (collector.clone(), *epoch, *seq));
        all
    }

    /// Announced + withdrawn prefixes of `bgp-updates`, context copies apart.
    pub(crate) fn elements(&self) -> (u64, u64) {
        let mut counts = (0, 0);
        for update in &self.updates {
            if let Some(v1::bgp_update::Body::Routes(routes)) = &update.body {
                let elements = (routes.announced.len() + routes.withdrawn.len()) as u64;
                if routes.context {
                    counts.1 += elements;
                } else {
                    counts.0 += elements;
                }
            }
        }
        counts
    }
}

/// Waits for a condition; fails with its name at the deadline.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A BGP4MP_MESSAGE_AS4 of an UPDATE that withdraws these IPv4 prefixes.
pub(crate) fn withdrawal(time: u32, peer: u8, prefixes: &[([u8; 4], u8)]) -> Vec<u8> {
    let mut withdrawn = Vec::new();
    for (address, length) in prefixes {
        withdrawn.push(*length);
        withdrawn.extend(&address[..usize::from(length.div_ceil(8)).min(4)]);
    }
    let length = u16::try_from(23 + withdrawn.len()).unwrap();
    let mut bgp = vec![0xff; 16];
    bgp.extend(length.to_be_bytes());
    bgp.push(2);
    bgp.extend(u16::try_from(withdrawn.len()).unwrap().to_be_bytes());
    bgp.extend(withdrawn);
    bgp.extend([0, 0]);
    record(time, peer, 4, &bgp)
}

/// A BGP4MP_STATE_CHANGE_AS4.
pub(crate) fn state_change(time: u32, peer: u8, from: u8, to: u8) -> Vec<u8> {
    record(time, peer, 5, &[0, from, 0, to])
}

fn record(time: u32, peer: u8, subtype: u8, rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((64_496 + u32::from(peer)).to_be_bytes());
    body.extend(64_511_u32.to_be_bytes());
    body.extend([0, 0, 0, 1]);
    body.extend([192, 0, 2, peer, 192, 0, 2, 250]);
    body.extend(rest);
    let mut record = Vec::new();
    record.extend(time.to_be_bytes());
    record.extend([0, 16, 0, subtype]);
    record.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    record.extend(body);
    record
}

/// Seconds of two collectors in overlapping files: 2 x 3 files, each of `seconds` records of
/// 3 elements, one of which spans blocks.
pub(crate) fn two_collectors(folder: &Path, seconds: u32) -> PathBuf {
    let root = folder.join("input");
    for (number, collector) in ["rrc00", "rrc01"].into_iter().enumerate() {
        let own = root.join(collector);
        std::fs::create_dir_all(&own).unwrap();
        for file in 0..3 {
            let mut bytes = Vec::new();
            for second in 0..seconds {
                let time = TIME + file * seconds + second;
                let third = u8::try_from(second % 200).unwrap();
                let peer = u8::try_from(1 + number).unwrap();
                let prefixes = [
                    ([10, third, 0, 0], 24),
                    ([198, 18, third, 0], 24),
                    ([10, 0, 0, 0], 9),
                ];
                bytes.extend(withdrawal(time, peer, &prefixes));
            }
            std::fs::write(own.join(format!("updates.{file}.mrt")), bytes).unwrap();
        }
    }
    root
}
