//! One address block: its prefixes, its incidents, its timers. A record is applied whole, then judged.

mod cases;
mod flapping;
mod incidents;
mod judging;
mod losing;
mod weighing;
mod witness;

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use weir_events::{position::Version, topics::Block};
use weir_routing::{
    AsPath, Asn, Prefix,
    rib::{PathRef, Slot},
    wire::Routes,
};

use crate::{
    control::{ControlShard, Speaker},
    damping::Restless,
    facts::{Mark, Measure},
    incident::{Incident, Key, Role, Severity, Transition},
    knowledge::Known,
    links::{Link, Links, Strange},
    losses::{Loss, Losses},
    record::Record,
    table::{Effect, Table},
};

/// What is the same for every shard of a detector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) control: &'a ControlShard,
    pub(crate) known: &'a Known,
    pub(crate) links: &'a Links,
    pub(crate) measure: Measure<'a>,
}

/// The record at hand and its version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause<'a> {
    pub(crate) record: &'a Record,
    pub(crate) version: Version,
}

/// An open incident with what only its shard needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) incident: Incident,
    /// How bad its routes are by themselves, whatever ROAs say of them.
    pub(crate) worst: Severity,
    /// Stream time of its last transition.
    pub(crate) changed_us: i64,
    /// Stream time of its next timer.
    pub(crate) due_us: i64,
}

/// An incident that ended lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) incident: Incident,
    /// As in [`Live`].
    pub(crate) worst: Severity,
    /// Stream time of its end.
    pub(crate) at_us: i64,
    /// Faded, and its routes have gone since.
    pub(crate) gone: bool,
}

/// Figures of a block; they belong to it, because only what is judged counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Baseline {
    pub(crate) judged: u64,
    pub(crate) stable: u64,
    pub(crate) unsettled: u64,
}

/// A prefix that a record changed, and the path that it was announced with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Touch {
    prefix: Prefix,
    path: Option<PathRef>,
}

/// One block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shard {
    pub(crate) table: Table,
    pub(crate) open: BTreeMap<Key, Live>,
    pub(crate) closed: BTreeMap<Key, Closed>,
    pub(crate) timers: BTreeSet<(i64, Key)>,
    pub(crate) baseline: Baseline,
    pub(crate) restless: Restless,
    pub(crate) losses: Losses,
    /// How many incidents are open about each link.
    pub(crate) of_link: FxHashMap<(Role, Link), u32>,
    /// Records before this offset are in it already.
    pub(crate) pb: i64,
    pub(crate) dirty: bool,
}

/// Open incidents about one link, of one type and in one block: who sees all partitions makes one of them in any case.
const MOST_OF_A_LINK: u32 = 64;

impl Shard {
    /// One more is opened about a link; false = there are enough.
    fn one_more_of_link(&mut self, key: Key) -> bool {
        if !key.role.is_link() {
            return true;
        }
        let open = self.of_link.entry((key.role, key.link())).or_default();
        let has_room = *open < MOST_OF_A_LINK;
        *open += u32::from(has_room);
        has_room
    }

    /// One of them is over.
    fn one_less_of_link(&mut self, key: Key) {
        let of = (key.role, key.link());
        if let Some(open) = self.of_link.get_mut(&of) {
            *open -= 1;
            if *open == 0 {
                self.of_link.remove(&of);
            }
        }
    }

    /// Applies the part of an update that falls into this block.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the record")]
    pub(crate) fn apply(
        &mut self,
        block: Block,
        routes: &Routes,
        speaker: &Speaker,
        strange: Option<Strange>,
        ground: Ground<'_>,
        cause: Cause<'_>,
        touched: &mut Vec<Touch>,
        out: &mut Vec<Transition>,
    ) {
        touched.clear();
        let (peers, t) = (&ground.control.peers, ground.measure.thresholds);
        let update = &routes.update;
        let voice = speaker.voice(cause.record, update.from_rib, ground.control.now());
        let mut disturbed = SmallVec::<[(Prefix, u32, Asn); 8]>::new();
        let mut dirty = false;
        let mut note = |prefix, path, effect| {
            dirty |= effect != Effect::None;
            if !matches!(effect, Effect::None | Effect::Forgotten) {
                touched.push(Touch { prefix, path });
            }
            if let Effect::Disturbed(points, suspect) = effect {
                disturbed.push((prefix, points, suspect));
            }
        };
        for nlri in &update.withdrawn {
            let prefix = nlri.prefix;
            if prefix.block() == block {
                let Self { table, losses, .. } = self;
                let lost = |path: &AsPath, suspect| {
                    let loss = Loss::now(voice, cause.record.synthetic);
                    losses.add(prefix, voice.slot, (path, suspect), loss);
                    true
                };
                let effect = table.withdraw(prefix, nlri.path_id, voice, peers, t, lost);
                note(prefix, None, effect);
            }
        }
        let (mut held, mut repeated) = (None, 0);
        if let Some(attributes) = &update.attributes
            && !update.announced.is_empty()
        {
            let mark = Mark::of(attributes);
            let path = &attributes.as_path;
            let path = self
                .table
                .intern(path, mark, ground.measure, voice.since_us());
            held = Some(path);
            for nlri in &update.announced {
                let prefix = nlri.prefix;
                if prefix.block() == block {
                    let table = &mut self.table;
                    let effect = table.announce(prefix, nlri.path_id, path, voice, peers, t);
                    repeated += u32::from(effect == Effect::None);
                    if effect == Effect::Added {
                        self.losses.came_back(&prefix, voice.slot);
                    }
                    note(prefix, Some(path), effect);
                }
            }
        }
        self.count_parts(&ground.control.short);
        if repeated > 0 && !update.from_rib {
            self.table.holdings.repeats(speaker.slot, repeated);
        }
        self.dirty |= dirty || repeated > 0;
        self.disturb(disturbed, speaker.slot, ground);
        if !touched.is_empty() {
            touched.sort_unstable();
            touched.dedup();
            let of_record = (update.from_rib, strange);
            self.judge(touched, of_record, speaker.slot, ground, cause, out);
        }
        if let Some(path) = held {
            self.table.paths.release(path);
        }
    }

    /// Of what the record took from origins, counts what lies inside of what they still hold.
    fn count_parts(&mut self, short: &Table) {
        for (origin, prefix) in self.table.holdings.of_record() {
            let whole = self.table.held_around(&prefix, origin);
            if whole
                .or_else(|| short.held_around(&prefix, origin))
                .is_some()
            {
                self.table.holdings.loses_a_part(origin);
            }
        }
    }

    /// Counts what a record disturbed, once per prefix, however many paths (RFC 7911) went.
    fn disturb(
        &mut self,
        mut disturbed: SmallVec<[(Prefix, u32, Asn); 8]>,
        slot: Slot,
        ground: Ground<'_>,
    ) {
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        // A withdrawal, if there is one, comes last.
        disturbed.sort_unstable();
        for of_prefix in disturbed.chunk_by(|a, b| a.0 == b.0) {
            let Some((prefix, points, suspect)) = of_prefix.last().copied() else {
                continue;
            };
            let flaps = self.restless.add(prefix, slot, (points, suspect), now, t);
            if flaps && let Some(entry) = self.table.entries.get_mut(&prefix) {
                entry.may_flap = true;
            }
        }
    }
}
