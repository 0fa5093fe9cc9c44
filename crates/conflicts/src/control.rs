//! The control shard: what every record of the partition passes, whatever block it is of.
//!
//! A function of the records alone, never of what the blocks make of them: after a restart it is
//! replayed from P0 while each block waits for its own Pb, and so meets the very control shard that
//! it met the first time.

use std::collections::BTreeMap;

use smallvec::SmallVec;
use weir_events::{position::WriterSeq, time::SECOND_US};
use weir_routing::{
    Peer,
    rib::{Peers, Slot},
    wire::Routes,
};

use crate::{
    facts::{Mark, Measure},
    holdings::Holdings,
    record::{Control, Knowledge, Record},
    signal::{self, Hearing},
    table::{Table, Voice},
};

/// Counters that are exact after a restart, because the control shard sees each record once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) elements: u64,
    pub(crate) copies: u64,
    pub(crate) duplicates: u64,
    pub(crate) fenced: u64,
}

/// State that belongs to no block.
#[derive(Clone, Debug, Default)]
pub(crate) struct ControlShard {
    /// The last emission of each collector.
    pub(crate) writers: BTreeMap<String, WriterSeq>,
    pub(crate) peers: Peers,
    /// The greatest Tick.
    pub(crate) tick: Option<i64>,
    /// Event time of the latest record: stands in for stream time before the first Tick.
    pub(crate) event_time_us: i64,
    /// Prefixes shorter than a block, for covering look-ups only.
    pub(crate) short: Table,
    pub(crate) knowledge: BTreeMap<String, Knowledge>,
    pub(crate) tally: Tally,
    /// What each session said since the last second was over.
    pub(crate) heard: BTreeMap<Slot, Hearing>,
}

/// What the order of emissions says of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    New,
    Duplicate,
    Fenced,
}

/// Who speaks, kept while a record is applied.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    pub(crate) slot: Slot,
    pub(crate) generation: u8,
    pub(crate) earlier: SmallVec<[Slot; 2]>,
}

impl ControlShard {
    /// Stream time.
    pub(crate) fn now(&self) -> i64 {
        self.tick.unwrap_or(self.event_time_us)
    }

    /// True when the record will not be dropped as one that was applied, or whose writer has a successor.
    pub(crate) fn is_new(&self, record: &Record) -> bool {
        let last = self.writers.get(record.collector.as_str());
        last.is_none_or(|last| record.written > *last)
    }

    pub(crate) fn order(&mut self, record: &Record) -> Order {
        if let Some(last) = self.writers.get_mut(record.collector.as_str()) {
            if record.written <= *last {
                let fenced = record.written.writer_epoch < last.writer_epoch;
                self.tally.fenced += u64::from(fenced);
                self.tally.duplicates += u64::from(!fenced);
                return if fenced {
                    Order::Fenced
                } else {
                    Order::Duplicate
                };
            }
            *last = record.written;
        } else {
            self.writers
                .insert(record.collector.clone(), record.written);
        }
        if self.tick.is_none() {
            self.event_time_us = record.event_time_us;
        }
        Order::New
    }

    /// The second of stream time; 0 before the first Tick.
    pub(crate) fn second(&self) -> i64 {
        self.tick.unwrap_or_default().div_euclid(SECOND_US)
    }

    /// What each session said since this was asked last, by who has it.
    pub(crate) fn take_heard(&mut self) -> impl Iterator<Item = (Slot, signal::Voice, Hearing)> {
        let heard = std::mem::take(&mut self.heard).into_iter();
        heard.filter_map(|(slot, hearing)| {
            let session = self.peers.session(slot)?;
            let voice = signal::Voice {
                collector: session.collector.to_string(),
                peer: session.peer,
            };
            Some((slot, voice, hearing))
        })
    }

    /// The part of an update that concerns every block: the peer speaks, is counted, and its short
    /// prefixes are noted.
    pub(crate) fn hear(
        &mut self,
        record: &Record,
        routes: &Routes,
        measure: Measure<'_>,
    ) -> Speaker {
        let now = self.now();
        let update = &routes.update;
        let elements = u64::try_from(update.elements()).unwrap_or(u64::MAX);
        if routes.context {
            self.tally.copies += elements;
        } else {
            self.tally.elements += elements;
        }
        let (slot, generation) = self.peers.heard(&record.collector, routes.peer, now);
        if !routes.context && !update.from_rib {
            let announced = u32::try_from(update.announced.len()).unwrap_or(u32::MAX);
            let behind = self
                .tick
                .map(|tick| tick.saturating_sub(record.event_time_us));
            self.heard.entry(slot).or_default().note(announced, behind);
        }
        let earlier = if self.peers.any_pending() {
            self.peers.earlier(slot)
        } else {
            SmallVec::new()
        };
        if let Some(first) = update.announced.first()
            && !routes.context
        {
            self.peers.announces(slot, first.prefix.is_ipv4());
        }
        let speaker = Speaker {
            slot,
            generation,
            earlier,
        };
        let short = |nlri: &&weir_routing::Nlri| nlri.prefix.spans_blocks();
        let voice = speaker.voice(record, update.from_rib, now);
        let t = measure.thresholds;
        for nlri in update.withdrawn.iter().filter(short) {
            self.short
                .withdraw(nlri.prefix, nlri.path_id, voice, &self.peers, t, |_, _| {
                    false
                });
        }
        if let Some(attributes) = &update.attributes
            && update.announced.iter().any(|nlri| short(&nlri))
        {
            let mark = Mark::of(attributes);
            let path = self
                .short
                .intern(&attributes.as_path, mark, measure, voice.since_us());
            for nlri in update.announced.iter().filter(short) {
                let peers = &self.peers;
                self.short
                    .announce(nlri.prefix, nlri.path_id, path, voice, peers, t);
            }
            self.short.paths.release(path);
        }
        // Its home block counts what origins hold.
        self.short.holdings = Holdings::default();
        speaker
    }

    /// Applies a control. Gives the slots whose routes went stale or expired by it, ascending.
    pub(crate) fn control(&mut self, record: &Record, control: &Control) -> Vec<Slot> {
        let (now, collector) = (self.now(), record.collector.as_str());
        match control {
            Control::PeerUp(peer) => self.peers.up(collector, *peer, now).into_iter().collect(),
            Control::PeerDown(peer) => self.peers.down(collector, *peer, now).into_iter().collect(),
            Control::Gap(peer) => self.peers.gap(collector, *peer, now),
            Control::EndOfRib(Some(peer)) => self.end_of_rib(collector, *peer),
            Control::EndOfTable(peer, at_us) => self.peers.end_of_table(collector, *peer, *at_us),
            Control::Tick => {
                self.tick = self.tick.max(Some(record.event_time_us));
                self.peers.expire(self.now())
            }
            Control::KnowledgeChanged(knowledge) => {
                self.knowledge
                    .insert(knowledge.kind.clone(), knowledge.clone());
                Vec::new()
            }
            Control::TopicStart(_)
            | Control::SourceStart
            | Control::EndOfRib(None)
            | Control::EndOfInput => Vec::new(),
        }
    }

    fn end_of_rib(&mut self, collector: &str, peer: Peer) -> Vec<Slot> {
        self.peers.end_of_rib(collector, peer)
    }
}

impl Speaker {
    pub(crate) fn voice(&self, record: &Record, from_rib: bool, now: i64) -> Voice<'_> {
        Voice {
            slot: self.slot,
            generation: self.generation,
            earlier: &self.earlier,
            event_time_us: record.event_time_us,
            now,
            from_rib,
        }
    }
}
