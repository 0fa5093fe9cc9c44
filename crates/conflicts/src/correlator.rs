//! The second stage: what only who sees all partitions can judge (docs/detector.md 20).
//!
//! One [`Correlator`] belongs to one task, which owns one partition of `bgp-signals`. It too is a function of its log:
//! signals are put in order (second, event time, source partition, position, index), and those of a second are taken
//! together once every source partition is past it, about a second later. What was told twice takes the same place,
//! what comes for a second that was taken is dropped: so it is all the same how signals of several partitions were
//! mixed. At most one transition per incident and second; its version derives from the second.

mod groups;
mod news;
mod outages;
mod pages;
mod threads;
mod voices;

use std::collections::BTreeMap;

use weir_events::{position::TopicEpoch, topics::BGP_UPDATES};

use crate::{
    incident::Transition,
    signal::{Signal, Told},
    thresholds::Thresholds,
};
use groups::Groups;
use news::News;
use outages::Outages;
use threads::Threads;
use voices::Voices;

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was new.
    New,
    /// It was told before: dropped and counted.
    Duplicate,
}

/// Exact counters of one partition; they survive a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Signals that were new.
    pub signals: u64,
    /// Signals that were told before.
    pub duplicates: u64,
    /// Signals of seconds that are not over everywhere.
    pub pending: u64,
    /// Incidents that are open.
    pub open: u64,
}

/// Second, event time, source partition, position, index.
type Order = (i64, i64, u32, i64, u32);

/// The second stage of one partition.
#[derive(Debug)]
pub struct Correlator {
    epoch: TopicEpoch,
    thresholds: Thresholds,
    /// The second in which each source partition is.
    open_s: BTreeMap<u32, i64>,
    pending: BTreeMap<Order, Signal>,
    /// Seconds before this were taken.
    taken_below: Option<i64>,
    signals: u64,
    duplicates: u64,
    threads: Threads,
    groups: Groups,
    outages: Outages,
    voices: Voices,
}

impl Correlator {
    /// One that knows nothing yet.
    #[must_use]
    pub fn new(epoch: TopicEpoch, thresholds: Thresholds) -> Self {
        Self {
            epoch,
            thresholds,
            open_s: BTreeMap::new(),
            pending: BTreeMap::new(),
            taken_below: None,
            signals: 0,
            duplicates: 0,
            threads: Threads::default(),
            groups: Groups::default(),
            outages: Outages::default(),
            voices: Voices::default(),
        }
    }

    /// Takes a signal in, and all seconds that are over by it; appends what changed.
    pub fn apply(&mut self, signal: Signal, out: &mut Vec<Transition>) -> Taken {
        let at = order(&signal);
        let is_late = self
            .taken_below
            .is_some_and(|below| signal.interval_s < below);
        let open = self.open_s.entry(signal.source).or_insert(signal.open_s);
        *open = signal.open_s.max(*open);
        if is_late || self.pending.contains_key(&at) {
            self.duplicates += 1;
            return Taken::Duplicate;
        }
        self.signals += 1;
        self.pending.insert(at, signal);
        self.take_seconds(out);
        Taken::New
    }

    /// Takes what is over in every source partition, second by second.
    fn take_seconds(&mut self, out: &mut Vec<Transition>) {
        let all = usize::try_from(BGP_UPDATES.partitions).unwrap_or(usize::MAX);
        let slowest = self.open_s.values().copied().min();
        let Some(below) = slowest.filter(|_| self.open_s.len() >= all) else {
            return;
        };
        let mut signals = Vec::new();
        while let Some((&(second, ..), _)) = self.pending.first_key_value() {
            if second >= below {
                break;
            }
            // To split the map would count what stays.
            while let Some(first) = self.pending.first_entry()
                && first.key().0 == second
            {
                signals.push(first.remove());
            }
            self.take_second(second, signals.drain(..), out);
        }
        self.taken_below = self.taken_below.max(Some(below));
    }

    fn take_second(
        &mut self,
        second: i64,
        signals: impl Iterator<Item = Signal>,
        out: &mut Vec<Transition>,
    ) {
        let t = &self.thresholds;
        let mut news = News::of(second);
        for signal in signals {
            news.from(&signal);
            for what in signal.told {
                match what {
                    Told::Candidate(incident) => self.threads.take(*incident, t, &mut news),
                    Told::Part(part) => self.groups.take(part, t, &mut news),
                    Told::Link(link, first_us) => self.threads.see(link, first_us, news.day),
                    Told::Holding(origin, told) => self.outages.take(origin, told, t, &mut news),
                    Told::Hearing(voice, told) => self.voices.take(voice, told, t, &mut news),
                }
            }
        }
        self.threads.pass(news.day);
        self.groups.pass(t, second);
        self.outages.pass(t, &mut news);
        self.voices.pass(t, &mut news);
        news.publish(self.epoch, out);
    }

    /// Exact counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            signals: self.signals,
            duplicates: self.duplicates,
            pending: u64::try_from(self.pending.len()).unwrap_or(u64::MAX),
            open: u64::try_from(self.open()).unwrap_or(u64::MAX),
        }
    }

    fn open(&self) -> usize {
        let odd = self.voices.0.values().map(|manner| manner.odd.len());
        let groups = self.groups.0.values().filter(|group| group.lead.is_some());
        self.threads.open.len() + self.outages.open.len() + groups.count() + odd.sum::<usize>()
    }

    /// Everything before this second of stream time was taken.
    #[must_use]
    pub fn taken_below_s(&self) -> Option<i64> {
        self.taken_below
    }
}

fn order(signal: &Signal) -> Order {
    (
        signal.interval_s,
        signal.event_time_us,
        signal.source,
        signal.position,
        signal.index,
    )
}
