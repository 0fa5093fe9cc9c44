//! One address block: its prefixes, its incidents, its timers. Judges what was announced, once the
//! whole record is applied.

mod incidents;
mod weighing;

use std::collections::{BTreeMap, BTreeSet};

use weir_events::{position::Version, topics::Block};
use weir_routing::{
    Asn, Community, Origin, Prefix,
    rib::{Freshness, PathRef, Slot},
    wire::Routes,
};

use crate::{
    control::{ControlShard, Speaker},
    facts::{Measure, overlap},
    incident::{EndReason, Incident, Key, Severity, Transition},
    knowledge::{Known, Rpki},
    record::Record,
    rule::{Covering, Finding, RouteView},
    rules,
    table::{Entry, Table},
    thresholds::Thresholds,
};

/// What is the same for every shard of a detector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) control: &'a ControlShard,
    pub(crate) known: &'a Known,
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
    /// Records before this offset are in it already.
    pub(crate) pb: i64,
    pub(crate) dirty: bool,
}

impl Shard {
    /// Applies the part of an update that falls into this block.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the record")]
    pub(crate) fn apply(
        &mut self,
        block: Block,
        routes: &Routes,
        speaker: &Speaker,
        ground: Ground<'_>,
        cause: Cause<'_>,
        touched: &mut Vec<Touch>,
        out: &mut Vec<Transition>,
    ) {
        touched.clear();
        let (peers, t) = (&ground.control.peers, ground.measure.thresholds);
        let update = &routes.update;
        let voice = speaker.voice(cause.record, update.from_rib, ground.control.now());
        for nlri in &update.withdrawn {
            let prefix = nlri.prefix;
            if prefix.block() == block && self.table.withdraw(prefix, nlri.path_id, voice, peers) {
                touched.push(Touch { prefix, path: None });
            }
        }
        let mut held = None;
        if let Some(attributes) = &update.attributes
            && !update.announced.is_empty()
        {
            let blackhole = attributes.communities.contains(&Community::BLACKHOLE);
            let path = self
                .table
                .intern(&attributes.as_path, blackhole, ground.measure);
            held = Some(path);
            for nlri in &update.announced {
                let prefix = nlri.prefix;
                if prefix.block() == block
                    && self
                        .table
                        .announce(prefix, nlri.path_id, path, voice, peers, t)
                {
                    let path = Some(path);
                    touched.push(Touch { prefix, path });
                }
            }
        }
        if !touched.is_empty() {
            self.dirty = true;
            touched.sort_unstable();
            touched.dedup();
            self.judge(touched, update.from_rib, speaker.slot, ground, cause, out);
        }
        if let Some(path) = held {
            self.table.paths.release(path);
        }
    }

    fn judge(
        &mut self,
        touched: &[Touch],
        from_rib: bool,
        slot: Slot,
        ground: Ground<'_>,
        cause: Cause<'_>,
        out: &mut Vec<Transition>,
    ) {
        let mut findings = Vec::new();
        for of_prefix in touched.chunk_by(|a, b| a.prefix == b.prefix) {
            let Some(prefix) = of_prefix.first().map(|touch| touch.prefix) else {
                continue;
            };
            if !from_rib {
                for path in of_prefix.iter().filter_map(|touch| touch.path) {
                    self.judge_route(prefix, path, ground, &mut findings);
                }
            }
            let watched = self.table.entries.get(&prefix).is_some_and(|e| e.watched);
            if watched || !findings.is_empty() {
                let announced = of_prefix.iter().any(|touch| touch.path.is_some());
                let end = if announced {
                    EndReason::Replaced
                } else {
                    EndReason::Withdrawn
                };
                self.settle_prefix(prefix, slot, &findings, end, ground, cause, out);
                findings.clear();
            }
        }
    }

    fn judge_route(
        &mut self,
        prefix: Prefix,
        path: PathRef,
        ground: Ground<'_>,
        findings: &mut Vec<Finding>,
    ) {
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let Self {
            table, baseline, ..
        } = self;
        let leaker = table.paths.with_facts_mut(path);
        let leaker = leaker.and_then(|(path, facts)| facts.leaker.leaker(ground.known, path));
        let (Some(entry), Some(facts)) = (table.entries.get_mut(&prefix), table.paths.facts(path))
        else {
            return;
        };
        if !entry.judged {
            entry.judged = true;
            baseline.judged += 1;
            let stable = entry.history.0.iter().any(|seen| seen.is_stable(now, t));
            baseline.stable += u64::from(stable);
        }
        // Most routes by far have nothing about them.
        let origin = facts.origin.as_ref();
        let alone = entry.history.0.len() == 1;
        let calm = origin.is_none_or(|origin| {
            entry.history.get_mut(origin).is_none_or(|seen| {
                alone
                    && (seen.cleared || seen.is_stable(now, t))
                    && !seen.rpki.is_invalid(ground.known, &prefix, origin, now, t)
            })
        });
        let odd = ground.measure.bogons.covering(&prefix).is_some() || t.is_odd_length(&prefix);
        if calm && !odd && leaker.is_none() && facts.is_plain() {
            return;
        }
        let (facts, entry) = (facts.clone(), &*entry);
        let compared = facts.origin.as_ref().map(|o| compare(entry, o, now, t));
        let compared = compared.unwrap_or_default();
        let covering = if compared.is_stable {
            None
        } else {
            self.covering(&prefix, ground)
        };
        let rpki = facts.origin.as_ref().map_or(Rpki::Unknown, |origin| {
            ground.known.rpki(&prefix, origin, now, t)
        });
        let authorized = if rpki.is_invalid() {
            ground.known.authorized(&prefix)
        } else {
            Vec::new()
        };
        let path_value = self.table.paths.path(path).cloned().unwrap_or_default();
        let view = RouteView {
            prefix,
            path: &path_value,
            origin: facts.origin.as_ref(),
            blackhole: is_host(&prefix) && self.table.paths.mark(path),
            bogon_asn: facts.bogon,
            looping_asn: facts.looping,
            stretching_asn: facts.stretched,
            sandwiched_asn: facts.sandwiched,
            leaking_asn: leaker,
            is_stable: compared.is_stable,
            expected_is_visible: self.any_visible(&prefix, &compared.expected, ground),
            expected: &compared.expected,
            no_baseline: compared.no_baseline,
            rpki,
            authorized: &authorized,
            is_part_of_valid: rpki.is_invalid()
                && is_part_of_valid(covering.as_ref(), facts.origin.as_ref(), ground),
            covering: covering.as_ref(),
            bogons: ground.measure.bogons,
            thresholds: t,
        };
        for rule in rules::ALL {
            rule.judge(&view, findings);
        }
        let Some(origin) = facts.origin.as_ref() else {
            return;
        };
        let held = covering.as_ref().is_none_or(|q| q.is_held_by(origin));
        let unsettled = covering.as_ref().is_some_and(|q| !q.settled);
        if !compared.is_stable && !held && unsettled {
            self.baseline.unsettled += 1;
        }
        if held
            && let Some(entry) = self.table.entries.get_mut(&prefix)
            && let Some(seen) = entry.history.get_mut(origin)
        {
            seen.cleared = true;
        }
    }

    fn covering(&self, prefix: &Prefix, ground: Ground<'_>) -> Option<Covering> {
        let (peers, now) = (&ground.control.peers, ground.control.now());
        let t = ground.measure.thresholds;
        self.table
            .covering(prefix, peers, now, t)
            .or_else(|| ground.control.short.covering(prefix, peers, now, t))
    }

    /// True when one of the origins has a route that is not stale.
    fn any_visible(&self, prefix: &Prefix, origins: &[Asn], ground: Ground<'_>) -> bool {
        let peers = &ground.control.peers;
        self.table.entries.get(prefix).is_some_and(|entry| {
            entry.routes.iter().any(|route| {
                peers.freshness(route.slot, route.generation) == Freshness::Fresh
                    && self
                        .table
                        .paths
                        .facts(route.path)
                        .and_then(|facts| facts.origin.as_ref())
                        .is_some_and(|o| o.asns().iter().any(|asn| origins.contains(asn)))
            })
        })
    }
}

#[derive(Debug, Default)]
struct Compared {
    is_stable: bool,
    no_baseline: bool,
    expected: Vec<Asn>,
}

/// What there is to compare an origin with: the stable ones, else those that came before it.
fn compare(entry: &Entry, origin: &Origin, now: i64, t: &Thresholds) -> Compared {
    let mut all = entry.history.0.iter();
    let no_baseline = !all.clone().any(|seen| seen.is_stable(now, t));
    let is_stable = all
        .clone()
        .any(|seen| seen.is_stable(now, t) && overlap(&seen.origin, origin));
    let mut expected: Vec<Asn> = if no_baseline {
        all.by_ref()
            .take_while(|seen| seen.origin != *origin)
            .filter(|seen| !overlap(&seen.origin, origin))
            .flat_map(|seen| seen.origin.asns().iter().copied())
            .collect()
    } else {
        entry
            .history
            .stable_strangers(origin, now, t)
            .flat_map(|seen| seen.origin.asns().iter().copied())
            .collect()
    };
    expected.sort_unstable();
    expected.dedup();
    Compared {
        is_stable,
        no_baseline,
        expected,
    }
}

/// True when the origin announces the covering prefix too, and a ROA allows that.
fn is_part_of_valid(
    covering: Option<&Covering>,
    origin: Option<&Origin>,
    ground: Ground<'_>,
) -> bool {
    let (Some(covering), Some(origin)) = (covering, origin) else {
        return false;
    };
    let (now, t) = (ground.control.now(), ground.measure.thresholds);
    let of_whole = || ground.known.rpki(&covering.prefix, origin, now, t);
    covering.is_held_by(origin) && of_whole().is_valid()
}

fn is_host(prefix: &Prefix) -> bool {
    prefix.length() == if prefix.is_ipv4() { 32 } else { 128 }
}
