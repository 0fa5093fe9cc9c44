//! Judges what was announced, once the whole record is applied: a glance first, since most routes by far have
//! nothing about them, then all that rules look at.

use weir_routing::{
    Asn, Origin, Prefix,
    rib::{Freshness, PathRef, Slot},
};

use super::{Cause, Ground, Shard, Touch};
use crate::{
    facts::{PathFacts, overlap},
    incident::{EndReason, Transition},
    knowledge::{Known, Rpki},
    links::Strange,
    rule::{Covering, Finding, NewLink, RouteView, Within},
    rules,
    table::Entry,
    thresholds::Thresholds,
};

/// What a glance at a route found worth a closer look.
#[derive(Debug)]
struct Glance {
    facts: PathFacts,
    bogon: Option<Asn>,
    stretching: Option<Asn>,
    sandwiched: Option<Asn>,
    leaker: Option<Asn>,
    marked_leaker: Option<Asn>,
    unauthorized: Option<Asn>,
    flapping: Option<Asn>,
    is_cleared: bool,
    compared: Compared,
}

impl Shard {
    /// A route of a RIB raises nothing; `strange` is what is strange about the path of the record at hand.
    pub(super) fn judge(
        &mut self,
        touched: &[Touch],
        (from_rib, strange): (bool, Option<Strange>),
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
                    self.judge_route(prefix, path, strange, slot, ground, &mut findings);
                }
            }
            let entry = self.table.entries.get(&prefix);
            let (watched, missed) = entry.map_or((false, false), |e| (e.watched, e.missed));
            let announced = of_prefix.iter().any(|touch| touch.path.is_some());
            if missed {
                self.recount(prefix, announced, ground);
            }
            if watched || !findings.is_empty() {
                // What claims the prefix opens first: a case has its name.
                findings.sort_by_key(|finding| finding.kind.role());
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
        link: Option<Strange>,
        slot: Slot,
        ground: Ground<'_>,
        findings: &mut Vec<Finding>,
    ) {
        let Some(glance) = self.glance(prefix, path, link, slot, ground) else {
            return;
        };
        let (facts, compared) = (&glance.facts, &glance.compared);
        let origin = facts.origin.as_ref();
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let covering = (!compared.is_stable).then(|| self.covering(&prefix, ground));
        let covering = covering.flatten();
        let strange = origin.filter(|_| !compared.is_stable);
        let within = strange.and_then(|origin| {
            let is_new = compared.no_baseline && covering.is_none() && !glance.is_cleared;
            is_new.then(|| self.within(prefix, origin, ground))?
        });
        let rpki = origin.map_or(Rpki::Unknown, |origin| {
            ground.known.rpki(&prefix, origin, now, t)
        });
        let authorized = rpki.is_invalid().then(|| ground.known.authorized(&prefix));
        let path_value = self.table.paths.path(path).cloned().unwrap_or_default();
        let view = RouteView {
            prefix,
            path: &path_value,
            origin,
            blackhole: is_host(&prefix)
                && self
                    .table
                    .paths
                    .mark(path)
                    .is_some_and(|mark| mark.blackhole),
            bogon_asn: glance.bogon,
            looping_asn: facts.looping,
            stretching_asn: glance.stretching,
            length: ground
                .known
                .without_route_servers(&path_value, None)
                .length(),
            sandwiched_asn: glance.sandwiched,
            leaking_asn: glance.leaker,
            marked_leaking_asn: glance.marked_leaker,
            unauthorized_asn: glance.unauthorized,
            is_stable: compared.is_stable,
            flapping_asn: glance.flapping,
            new_link: link.and_then(|link| new_link(link, ground.known)),
            is_cleared: glance.is_cleared,
            expected_is_visible: self.any_visible(&prefix, &compared.expected, ground),
            expected: &compared.expected,
            is_transit: strange.is_some_and(|origin| {
                let asns = (origin.asns(), &*compared.expected);
                let peers = &ground.control.peers;
                self.table.is_transit(&prefix, asns, peers, now, t)
            }),
            no_baseline: compared.no_baseline,
            rpki,
            authorized: authorized.as_deref().unwrap_or_default(),
            is_part_of_valid: rpki.is_invalid()
                && is_part_of_valid(covering.as_ref(), origin, ground),
            within: within.as_ref(),
            covering: covering.as_ref(),
            bogons: ground.measure.bogons,
            thresholds: t,
        };
        for rule in rules::ALL {
            rule.judge(&view, findings);
        }
        if let Some(origin) = origin {
            let covering = covering.as_ref();
            self.clear(&prefix, origin, covering, within.is_none(), compared);
        }
    }

    /// What there is about a route; `None` = nothing.
    fn glance(
        &mut self,
        prefix: Prefix,
        path: PathRef,
        link: Option<Strange>,
        slot: Slot,
        ground: Ground<'_>,
    ) -> Option<Glance> {
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let known = ground.known;
        let Self {
            table,
            baseline,
            restless,
            ..
        } = self;
        let (path_value, mark, facts) = table.paths.with_facts_mut(path)?;
        let suspect = facts.suspect;
        let bogon = facts.bogon.bogon(known, path_value, ground.measure.bogons);
        let stretching = facts.stretching.stretching(known, path_value, suspect, t);
        let sandwiched = facts.sandwiched.sandwiched(known, path_value, t);
        let leaker = facts.leaker.leaker(known, path_value, now, t);
        let marked_leaker = facts
            .marked_leaker
            .marked_leaker(known, (path_value, mark), now, t);
        let unauthorized = facts.unauthorized.unauthorized(known, path_value, now, t);
        let (entry, facts) = (table.entries.get_mut(&prefix)?, table.paths.facts(path)?);
        if !entry.judged {
            entry.judged = true;
            baseline.judged += 1;
            let stable = entry.history.0.iter().any(|seen| seen.is_stable(now, t));
            baseline.stable += u64::from(stable);
        }
        let origin = facts.origin.as_ref();
        let alone = entry.history.0.len() == 1;
        let mut is_cleared = false;
        let calm = origin.is_none_or(|origin| {
            entry.history.get_mut(origin).is_none_or(|seen| {
                is_cleared = seen.cleared;
                alone
                    && (seen.cleared || seen.is_stable(now, t))
                    && !seen.rpki.is_invalid(known, &prefix, origin, now, t)
            })
        });
        // Looking takes time, and few flap.
        let flaps = entry.may_flap;
        let flapping = flaps.then(|| restless.flapping(&prefix, slot, now, t));
        let flapping = flapping.flatten();
        let hops = [
            bogon,
            facts.looping,
            stretching,
            sandwiched,
            leaker,
            marked_leaker,
            unauthorized,
            flapping,
        ];
        let odd = ground.measure.bogons.covering(&prefix).is_some() || t.is_odd_length(&prefix);
        if calm && !odd && link.is_none() && hops.iter().all(Option::is_none) {
            return None;
        }
        let compared = origin.map(|origin| compare(entry, origin, now, t));
        Some(Glance {
            facts: facts.clone(),
            bogon,
            stretching,
            sandwiched,
            leaker,
            marked_leaker,
            unauthorized,
            flapping,
            is_cleared,
            compared: compared.unwrap_or_default(),
        })
    }

    /// Who holds what its prefix is a part of is innocent as long as it lasts, unless it holds parts of others.
    fn clear(
        &mut self,
        prefix: &Prefix,
        origin: &Origin,
        covering: Option<&Covering>,
        nothing_within: bool,
        compared: &Compared,
    ) {
        let held = covering.is_none_or(|covering| covering.is_held_by(origin));
        let unsettled = covering.is_some_and(|covering| !covering.settled);
        if !compared.is_stable && !held && unsettled {
            self.baseline.unsettled += 1;
        }
        if held
            && nothing_within
            && let Some(entry) = self.table.entries.get_mut(prefix)
            && let Some(seen) = entry.history.get_mut(origin)
        {
            seen.cleared = true;
        }
    }

    fn within(&self, prefix: Prefix, origin: &Origin, ground: Ground<'_>) -> Option<Within> {
        let (peers, now) = (&ground.control.peers, ground.control.now());
        let t = ground.measure.thresholds;
        self.table.within(prefix, origin, peers, now, t)
    }

    pub(super) fn covering(&self, prefix: &Prefix, ground: Ground<'_>) -> Option<Covering> {
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
            entry.routes.iter(&self.table.seats).any(|route| {
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

/// What is said of two who were no neighbours until lately; `None` = that they are.
fn new_link(
    Strange {
        near,
        far,
        at_origin,
        is_learned,
    }: Strange,
    known: &Known,
) -> Option<NewLink> {
    if known.are_neighbours(near, far) || !(is_learned || known.has_links()) {
        return None;
    }
    Some(NewLink {
        near,
        far,
        at_origin,
        is_seller: known.customers(near) > known.customers(far),
        no_relations: !known.has_relations(),
    })
}

fn is_host(prefix: &Prefix) -> bool {
    prefix.length() == if prefix.is_ipv4() { 32 } else { 128 }
}
