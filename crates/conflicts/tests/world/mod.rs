//! Both stages of the detector: eight partitions of updates, four of signals, told one story.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file takes what it needs, and a broken fixture may panic"
)]

use std::sync::Arc;

use weir_conflicts::{
    Correlator, Detector, Incident, Record, Thresholds, Transition,
    record::{Body, Control},
    wire,
};
use weir_events::{
    position::{TopicEpoch, WriterSeq},
    topics::{BGP_SIGNALS, BGP_UPDATES},
    v1,
};
use weir_routing::{PathAttributes, Prefix, Update, knowledge::Kind, wire::Routes};

use crate::story::{self, START, bogons, knowledge, line, peer};

pub(crate) const SECOND: i64 = 1_000_000;

fn correlators() -> Vec<Correlator> {
    let one = |_| Correlator::new(TopicEpoch(1), Thresholds::default());
    (0..BGP_SIGNALS.partitions).map(one).collect()
}

/// Tells all partitions one story.
pub(crate) struct World {
    partitions: Vec<(Detector, i64)>,
    pub(crate) now: i64,
    seq: u64,
    /// Every signal with its partition, in the order in which it was told.
    pub(crate) signals: Vec<(u32, v1::Signal)>,
    pub(crate) correlators: Vec<Correlator>,
    /// What the second stage found.
    pub(crate) found: Vec<Transition>,
    /// What the first stage found.
    pub(crate) at_once: Vec<Transition>,
}

impl World {
    pub(crate) fn new() -> Self {
        let detector = |_| {
            (
                Detector::new(TopicEpoch(1), Thresholds::default(), bogons()),
                0,
            )
        };
        let mut world = Self {
            partitions: (0..BGP_UPDATES.partitions).map(detector).collect(),
            now: START,
            seq: 0,
            signals: Vec::new(),
            correlators: correlators(),
            found: Vec::new(),
            at_once: Vec::new(),
        };
        world.everywhere(&Control::Tick);
        world
    }

    fn send(&mut self, partition: u32, body: Body) {
        let record = Record {
            collector: "rrc00".into(),
            written: WriterSeq {
                writer_epoch: 1,
                seq: self.seq,
            },
            event_time_us: self.now,
            receive_time_us: self.now,
            synthetic: false,
            body,
        };
        let (detector, offset) = &mut self.partitions[partition as usize];
        *offset += 1;
        story::apply(detector, &record, *offset, &mut self.at_once);
        for telling in detector.tellings() {
            let to = telling.to;
            let signal = wire::telling(telling, partition, *offset, &record);
            let checked = wire::signal_back(signal.clone()).unwrap().unwrap();
            self.correlators[to as usize].apply(checked, &mut self.found);
            self.signals.push((to, signal));
        }
    }

    pub(crate) fn everywhere(&mut self, control: &Control) {
        self.seq += 1;
        for partition in 0..BGP_UPDATES.partitions {
            self.send(partition, Body::Control(control.clone()));
        }
    }

    pub(crate) fn update(&mut self, n: u32, prefix: &str, path: Option<&str>, from_rib: bool) {
        let prefix: Prefix = prefix.parse().unwrap();
        let mut update = Update {
            from_rib,
            ..Update::default()
        };
        match path {
            Some(path) => {
                update.announced = vec![prefix.into()];
                update.attributes = Some(Arc::new(PathAttributes {
                    as_path: path.parse().unwrap(),
                    ..PathAttributes::default()
                }));
            }
            None => update.withdrawn = vec![prefix.into()],
        }
        self.seq += 1;
        let home = prefix.block().partition();
        let hears = |partition: &u32| *partition == home || prefix.spans_blocks();
        for partition in (0..BGP_UPDATES.partitions).filter(hears) {
            let routes = Routes {
                peer: peer(n),
                update: update.clone(),
                context: partition != home,
            };
            self.send(partition, Body::Routes(routes));
        }
    }

    /// Peers 1 to 4 have it behind this tail.
    pub(crate) fn rib(&mut self, prefix: &str, tail: &str) -> &mut Self {
        (1..5).for_each(|n| self.update(n, prefix, Some(&path(n, tail)), true));
        self
    }

    pub(crate) fn announce(&mut self, peers: &[u32], prefix: &str, tail: &str) -> &mut Self {
        for n in peers {
            self.update(*n, prefix, Some(&path(*n, tail)), false);
        }
        self
    }

    pub(crate) fn withdraw(&mut self, peers: &[u32], prefix: &str) -> &mut Self {
        for n in peers {
            self.update(*n, prefix, None, false);
        }
        self
    }

    pub(crate) fn learn(&mut self, kind: Kind, index: usize) -> &mut Self {
        let named = knowledge(kind, index, self.now);
        self.everywhere(&Control::KnowledgeChanged(named));
        self
    }

    /// Lets time pass in one Tick; gives what the second stage found meanwhile.
    pub(crate) fn pass(&mut self, span: i64) -> Vec<String> {
        let before = self.found.len();
        self.now += span;
        self.everywhere(&Control::Tick);
        self.found[before..].iter().map(line).collect()
    }

    pub(crate) fn last(&self) -> &Incident {
        &self.found.last().unwrap().incident
    }
}

pub(crate) fn path(n: u32, tail: &str) -> String {
    format!("{} {tail}", peer(n).asn)
}

/// Prefixes in different blocks, most of them in different partitions.
pub(crate) const PREFIXES: [&str; 4] = [
    "10.64.0.0/20",
    "10.80.0.0/20",
    "10.96.0.0/20",
    "10.112.0.0/20",
];

/// Twelve prefixes in many blocks.
pub(crate) fn many() -> Vec<String> {
    (0..12).map(|n| format!("10.{}.0.0/20", 16 * n)).collect()
}
