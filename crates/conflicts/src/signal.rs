//! What the detector of one partition tells the second stage, which sees all partitions: see `correlator`.

use std::collections::BTreeMap;

use uuid::Uuid;
use weir_events::topics::{self, BGP_SIGNALS};
use weir_routing::{Asn, Peer, Prefix};

use crate::{
    incident::{Incident, Kind, State},
    links::Link,
};

/// Things that one signal tells at most: its record stays far below what a broker takes.
pub(crate) const MOST_TOLD: usize = 4_096;
/// Prefixes that a holding names.
pub(crate) const EXAMPLES: usize = 16;

/// A signal on its way: what one record of `bgp-updates` means for one partition of `bgp-signals`.
#[derive(Clone, Debug, PartialEq)]
pub struct Telling {
    /// The partition that it goes to.
    pub to: u32,
    /// Its number among those of the same record to the same partition.
    pub index: u32,
    /// The second of stream time that it belongs to.
    pub interval_s: i64,
    /// The second in which the partition that tells it is now.
    pub open_s: i64,
    /// In the order in which they are to be taken.
    pub told: Vec<Told>,
}

/// A signal that arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// Partition of `bgp-updates`.
    pub source: u32,
    /// Offset behind the record there.
    pub position: i64,
    /// See [`Telling::index`].
    pub index: u32,
    /// See [`Telling::interval_s`].
    pub interval_s: i64,
    /// See [`Telling::open_s`].
    pub open_s: i64,
    /// Of the record.
    pub event_time_us: i64,
    /// Of the record.
    pub receive_time_us: i64,
    /// Of the record.
    pub synthetic: bool,
    /// In their order.
    pub told: Vec<Told>,
}

/// One thing that a signal tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// An incident that only who sees all partitions can believe.
    Candidate(Box<Incident>),
    /// An incident that may be part of something larger.
    Part(Part),
    /// Two networks stand side by side; since when, `None` = for long.
    Link(Link, Option<i64>),
    /// What an origin got and lost.
    Holding(Asn, Holding),
    /// What a vantage point said.
    Hearing(Voice, Hearing),
}

/// An incident of a type that can be many at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its id.
    pub id: Uuid,
    /// Its type.
    pub kind: Kind,
    /// Its prefix.
    pub prefix: Prefix,
    /// Who may be at fault.
    pub suspect: Asn,
    /// Who is hurt, the first one.
    pub victim: Option<Asn>,
    /// It has not ended.
    pub open: bool,
    /// Who has carried it.
    pub peer_asns: Vec<Asn>,
}

/// Prefixes that an origin got and lost in an interval, seen from all vantage points of a partition together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// The first route came.
    pub gained: u32,
    /// The last route was withdrawn.
    pub withdrawn: u32,
    /// Of these, so many lie inside of a prefix that the origin still held.
    pub parts: u32,
    /// The last route had expired, or gave way to one of another origin.
    pub replaced: u32,
    /// Some of those that were withdrawn, in order of time.
    pub examples: Vec<Prefix>,
}

impl Part {
    /// Of an incident about a prefix.
    pub(crate) fn of(incident: &Incident) -> Option<Self> {
        Some(Self {
            id: incident.id,
            kind: incident.kind,
            prefix: incident.prefix?,
            suspect: incident.suspect,
            victim: incident.victims.first().copied(),
            open: incident.state != State::Ended,
            peer_asns: incident.peer_asns.clone(),
        })
    }
}

impl Holding {
    /// Both together.
    pub(crate) fn add(&mut self, other: &Self) {
        self.gained += other.gained;
        self.withdrawn += other.withdrawn;
        self.parts += other.parts;
        self.replaced += other.replaced;
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.iter().take(room));
    }
}

/// A vantage point, whatever session it has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Voice {
    /// Where it is heard.
    pub collector: String,
    /// Who it is.
    pub peer: Peer,
}

/// What a vantage point said in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hearing {
    /// Records.
    pub messages: u32,
    /// Announced prefixes.
    pub announced: u32,
    /// Of these, announced as they were before.
    pub repeated: u32,
    /// How far behind stream time its clock was at worst, microseconds; negative = ahead.
    pub skew_us: i64,
}

impl Hearing {
    /// One more record, so far behind stream time.
    pub(crate) fn note(&mut self, announced: u32, behind_us: Option<i64>) {
        self.messages += 1;
        self.announced += announced;
        if let Some(behind) = behind_us
            && behind.unsigned_abs() > self.skew_us.unsigned_abs()
        {
            self.skew_us = behind;
        }
    }
}

impl Told {
    /// The partition of `bgp-signals` that it goes to: all that is told of one link, origin or vantage point meets there.
    fn partition(&self) -> u32 {
        let of_asn = |asn: Asn| topics::partition(&BGP_SIGNALS, asn.0.to_string().as_bytes());
        match self {
            Self::Candidate(incident) => of_asn(incident.link().ends()[0]),
            Self::Part(part) => of_asn(part.suspect),
            Self::Link(link, _) => of_asn(link.ends()[0]),
            Self::Holding(origin, _) => of_asn(*origin),
            Self::Hearing(voice, _) => {
                let key = format!("{}|{}", voice.collector, voice.peer.address);
                topics::partition(&BGP_SIGNALS, key.as_bytes())
            }
        }
    }
}

/// Collects what one record tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tellings {
    /// Each with the second that it belongs to.
    told: Vec<(i64, Told)>,
    /// A second is over, though nothing may be told of it.
    over: Option<i64>,
}

impl Tellings {
    pub(crate) fn clear(&mut self) {
        self.told.clear();
        self.over = None;
    }

    pub(crate) fn tell(&mut self, interval_s: i64, what: Told) {
        self.told.push((interval_s, what));
    }

    pub(crate) fn is_over(&mut self, interval_s: i64) {
        self.over = Some(interval_s);
    }

    /// As signals of a record in the second `open_s`, by partition, in order.
    pub(crate) fn take(&mut self, open_s: i64) -> Vec<Telling> {
        if self.told.is_empty() && self.over.is_none() {
            return Vec::new();
        }
        let mut by_partition: BTreeMap<(u32, i64), Vec<Told>> = BTreeMap::new();
        if let Some(over) = self.over.take() {
            let all = 0..BGP_SIGNALS.partitions;
            by_partition.extend(all.map(|to| ((to, over), Vec::new())));
        }
        for (interval_s, what) in self.told.drain(..) {
            by_partition
                .entry((what.partition(), interval_s))
                .or_default()
                .push(what);
        }
        let mut tellings: Vec<Telling> = Vec::new();
        for ((to, interval_s), mut rest) in by_partition {
            loop {
                let more = rest.split_off(rest.len().min(MOST_TOLD));
                let before = tellings.last().filter(|before| before.to == to);
                let index = before.map_or(0, |before| before.index + 1);
                tellings.push(Telling {
                    to,
                    index,
                    interval_s,
                    open_s,
                    told: rest,
                });
                if more.is_empty() {
                    break;
                }
                rest = more;
            }
        }
        tellings
    }
}
