//! Everything that one task remembers, and the only way to change it.

use std::collections::BTreeMap;

use weir_events::{
    position::{TopicEpoch, Version},
    time::MINUTE_US,
    topics::Block,
};
use weir_routing::{Bogons, knowledge::Content, wire::Routes};

use crate::{
    control::{ControlShard, Order},
    facts::Measure,
    incident::{Change, Incident, Transition},
    knowledge::Known,
    links::{Link, Links},
    record::{Body, Control, Knowledge, Record},
    shard::{Cause, Ground, Shard, Touch},
    signal::{Holding, Part, Telling, Tellings, Told},
    thresholds::Thresholds,
};

const MINUTES_OF_A_DAY: i64 = 24 * 60;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was new.
    New,
    /// Its emission was applied before: dropped and counted.
    Duplicate,
    /// Its writer has a successor: dropped and counted.
    Fenced,
}

/// Exact counters of one partition; they survive a restart with the shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Announced and withdrawn prefixes, context copies apart.
    pub elements: u64,
    /// Prefixes in context copies.
    pub copies: u64,
    /// Records that were dropped because their emission was applied before.
    pub duplicates: u64,
    /// Records of a writer that has a successor.
    pub fenced: u64,
    /// Prefixes that were judged.
    pub baseline_judged: u64,
    /// Of these, prefixes that had a stable origin when first judged.
    pub baseline_stable: u64,
    /// Findings that were not opened because the covering prefix was too young.
    pub unsettled: u64,
    /// Incidents that are open.
    pub open: u64,
}

/// The list of bogons that a task is given.
#[derive(Debug)]
struct OwnBogons {
    list: Bogons,
    /// It holds whatever the log says.
    prevails: bool,
}

impl OwnBogons {
    fn measure<'a>(&'a self, known: &'a Known, thresholds: &'a Thresholds) -> Measure<'a> {
        let told = known.bogons().filter(|_| !self.prevails);
        Measure {
            own: &self.list,
            bogons: told.unwrap_or(&self.list),
            thresholds,
        }
    }
}

/// The detector of one partition: a control shard and one shard per address block.
#[derive(Debug)]
pub struct Detector {
    epoch: TopicEpoch,
    pub(crate) thresholds: Thresholds,
    bogons: OwnBogons,
    known: Known,
    pub(crate) control: ControlShard,
    pub(crate) links: Links,
    pub(crate) shards: BTreeMap<Block, Shard>,
    touched: Vec<Touch>,
    tellings: Tellings,
}

impl Detector {
    /// A detector that knows nothing yet. The list of bogons is an argument, since every documentation
    /// prefix and ASN is on the real one; it holds until the log names another.
    #[must_use]
    pub fn new(epoch: TopicEpoch, thresholds: Thresholds, bogons: Bogons) -> Self {
        Self {
            epoch,
            thresholds,
            bogons: OwnBogons {
                list: bogons,
                prevails: false,
            },
            known: Known::default(),
            control: ControlShard::default(),
            links: Links::default(),
            shards: BTreeMap::new(),
            touched: Vec::new(),
            tellings: Tellings::default(),
        }
    }

    /// With a list of bogons that holds whatever the log says: somebody chose it.
    #[must_use]
    pub fn keeping_bogons(mut self) -> Self {
        self.bogons.prevails = true;
        self
    }

    /// Gives a content that the next records, or a restored snapshot, name: from there on it holds.
    /// Nothing is known of a kind whose content was not given before it was named.
    pub fn provide(&mut self, hash: &[u8], content: Content) {
        self.known.provide(hash, content);
        for knowledge in self.control.knowledge.values() {
            if knowledge.content_hash == hash {
                self.known.switch(knowledge);
            }
        }
    }

    /// The knowledge that holds by the log, and whose content was not given.
    #[must_use]
    pub fn lacks(&self) -> Vec<Knowledge> {
        let named = self.control.knowledge.values();
        let lacking = named.filter(|knowledge| !self.known.has(knowledge));
        lacking.cloned().collect()
    }

    /// True when the record names a content that was not given and that this version could read.
    #[must_use]
    pub fn needs<'a>(&self, record: &'a Record) -> Option<&'a Knowledge> {
        match &record.body {
            Body::Control(Control::KnowledgeChanged(knowledge)) => {
                let is_new = self.control.is_new(record);
                (is_new && !self.known.has(knowledge)).then_some(knowledge)
            }
            _ => None,
        }
    }

    /// Applies one record and appends what changed, in the order in which it changed.
    ///
    /// `next_offset` is the offset behind the record: versions derive from it, and a block that
    /// was restored at Pb ignores records whose `next_offset` is not above it. Pure: the same
    /// records give the same transitions, so a replay from a checkpoint is harmless.
    pub fn apply(
        &mut self,
        record: &Record,
        next_offset: i64,
        out: &mut Vec<Transition>,
    ) -> Applied {
        self.tellings.clear();
        if matches!(record.body, Body::Control(Control::TopicStart(_))) {
            return Applied::New;
        }
        match self.control.order(record) {
            Order::New => {}
            Order::Duplicate => return Applied::Duplicate,
            Order::Fenced => return Applied::Fenced,
        }
        let before = out.len();
        match &record.body {
            Body::Routes(routes) => self.update(record, routes, next_offset, out),
            Body::Control(control) => self.control(record, control, next_offset, out),
        }
        self.tell_of(out, before);
        Applied::New
    }

    /// What the record that was applied last means beyond this partition.
    pub fn tellings(&mut self) -> Vec<Telling> {
        self.tellings.take(self.control.second())
    }

    /// What changed from `before` on: what only who sees all partitions can believe is told instead.
    fn tell_of(&mut self, out: &mut Vec<Transition>, before: usize) {
        let second = self.control.second();
        let mut told = |what| self.tellings.tell(second, what);
        for incident in out.iter().skip(before).map(|of| &of.incident) {
            let is_news = matches!(
                incident.change,
                Change::Opened | Change::Confirmed | Change::Reopened | Change::Ended
            );
            let part = Part::of(incident).filter(|_| incident.kind.is_grouped() && is_news);
            if let Some(part) = part {
                told(Told::Part(part));
            }
        }
        let candidates = out.extract_if(before.., |of| of.incident.kind.is_candidate());
        candidates.for_each(|of| told(Told::Candidate(Box::new(of.incident))));
    }

    /// A second is over: what was counted in it is told.
    fn tell_second(&mut self, over: i64, next_offset: i64) {
        self.tellings.is_over(over);
        for (link, first_us) in self.links.tell() {
            self.tellings.tell(over, Told::Link(link, first_us));
        }
        let mut held: BTreeMap<_, Holding> = BTreeMap::new();
        let mut repeated: BTreeMap<_, u32> = BTreeMap::new();
        for shard in self.shards.values_mut() {
            let holdings = &mut shard.table.holdings;
            if holdings.is_empty() || next_offset <= shard.pb {
                continue;
            }
            shard.dirty = true;
            let told = std::mem::take(holdings);
            for (origin, of_block) in told.of {
                held.entry(origin).or_default().add(&of_block);
            }
            for (slot, prefixes) in told.repeated {
                *repeated.entry(slot).or_default() += prefixes;
            }
        }
        for (origin, holding) in held {
            self.tellings.tell(over, Told::Holding(origin, holding));
        }
        for (slot, voice, mut hearing) in self.control.take_heard() {
            hearing.repeated = repeated.get(&slot).copied().unwrap_or_default();
            self.tellings.tell(over, Told::Hearing(voice, hearing));
        }
    }

    fn update(
        &mut self,
        record: &Record,
        routes: &Routes,
        next_offset: i64,
        out: &mut Vec<Transition>,
    ) {
        let Self {
            epoch,
            thresholds,
            bogons,
            known,
            control,
            links,
            shards,
            touched,
            ..
        } = self;
        let measure = bogons.measure(known, thresholds);
        let speaker = control.hear(record, routes, measure);
        if routes.context {
            return;
        }
        let update = &routes.update;
        let attributes = update.attributes.as_deref();
        let path = attributes.filter(|_| !update.announced.is_empty());
        let strange = path.and_then(|told| {
            let now = control.now();
            links.see(&told.as_path, update.from_rib, now, measure.own, thresholds)
        });
        let ground = Ground {
            control,
            known,
            links,
            measure,
        };
        let cause = Cause {
            record,
            version: Version::new(*epoch, next_offset, false),
        };
        // Ingest cuts updates by block, so that there is but one.
        let mut done: smallvec::SmallVec<[Block; 2]> = smallvec::SmallVec::new();
        for nlri in update.withdrawn.iter().chain(&update.announced) {
            let block = nlri.prefix.block();
            if done.contains(&block) {
                continue;
            }
            done.push(block);
            let shard = shards.entry(block).or_default();
            if next_offset > shard.pb {
                shard.apply(
                    block, routes, &speaker, strange, ground, cause, touched, out,
                );
            }
        }
    }

    fn control(
        &mut self,
        record: &Record,
        control: &Control,
        next_offset: i64,
        out: &mut Vec<Transition>,
    ) {
        let (before, second) = (self.control.now(), self.control.second());
        let slots = self.control.control(record, control);
        let is_tick = matches!(control, Control::Tick);
        let is_knowledge = if let Control::KnowledgeChanged(knowledge) = control {
            self.known.switch(knowledge);
            true
        } else {
            false
        };
        if slots.is_empty() && !is_tick && !is_knowledge {
            return;
        }
        let ground = Ground {
            control: &self.control,
            known: &self.known,
            links: &self.links,
            measure: self.bogons.measure(&self.known, &self.thresholds),
        };
        let cause = Cause {
            record,
            version: Version::new(self.epoch, next_offset, false),
        };
        let now = ground.control.now();
        for (block, shard) in &mut self.shards {
            if next_offset <= shard.pb {
                continue;
            }
            if is_knowledge {
                shard.relearn(ground, cause, out);
            } else {
                shard.review(&slots, ground, cause, out);
            }
            if is_tick && passes(before, now, i64::from(block.id())) {
                shard.sweep(ground);
            }
        }
        if is_tick && passes(before, now, 0) {
            let ControlShard { short, peers, .. } = &mut self.control;
            short.sweep(peers, now, &self.thresholds);
            self.links.sweep(now);
        }
        if is_tick && self.control.second() > second {
            self.tell_second(second, next_offset);
        }
    }

    /// Exact counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let tally = self.control.tally;
        let mut counts = Counts {
            elements: tally.elements,
            copies: tally.copies,
            duplicates: tally.duplicates,
            fenced: tally.fenced,
            ..Counts::default()
        };
        for shard in self.shards.values() {
            counts.baseline_judged += shard.baseline.judged;
            counts.baseline_stable += shard.baseline.stable;
            counts.unsettled += shard.baseline.unsettled;
            counts.open += u64::try_from(shard.open.len()).unwrap_or(u64::MAX);
        }
        counts
    }

    /// Peers that are up and have announced a prefix of either family to this partition.
    #[must_use]
    pub fn vantage_points(&self) -> u32 {
        let sessions = self.control.peers.sessions().iter();
        let up = sessions.filter(|s| s.current && s.up && s.announced != [false; 2]);
        u32::try_from(up.count()).unwrap_or(u32::MAX)
    }

    /// The greatest Tick, microseconds; before the first one the event time of the last record.
    #[must_use]
    pub fn stream_time_us(&self) -> i64 {
        self.control.now()
    }

    /// Open incidents, by block, prefix and suspect.
    pub fn open_incidents(&self) -> impl Iterator<Item = &Incident> {
        self.shards
            .values()
            .flat_map(|shard| shard.open.values().map(|live| &live.incident))
    }

    /// Networks that stand side by side on paths, and since when: microseconds of stream time, `None` = for long.
    #[must_use]
    pub fn links(&self) -> BTreeMap<Link, Option<i64>> {
        self.links
            .all()
            .map(|(link, known)| (link, known.first_us))
            .collect()
    }

    /// The knowledge that holds now.
    pub fn knowledge(&self) -> impl Iterator<Item = &Knowledge> {
        self.control.knowledge.values()
    }

    /// What every shard is judged by.
    pub(crate) fn ground(&self) -> Ground<'_> {
        Ground {
            control: &self.control,
            known: &self.known,
            links: &self.links,
            measure: self.measure(),
        }
    }

    pub(crate) fn measure(&self) -> Measure<'_> {
        self.bogons.measure(&self.known, &self.thresholds)
    }
}

/// True when the clock went over the block's minute of the day: sweeps are spread over the day and
/// depend on nothing but stream time.
fn passes(before: i64, now: i64, id: i64) -> bool {
    let minute = id.rem_euclid(MINUTES_OF_A_DAY);
    let days = |at: i64| (at.div_euclid(MINUTE_US) - minute).div_euclid(MINUTES_OF_A_DAY);
    before != 0 && days(before) != days(now)
}
