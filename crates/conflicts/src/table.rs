//! Prefixes with their routes and origins: of one address block, or the short ones of all.

mod around;
mod held;
mod sweeping;

use std::collections::{BTreeSet, HashMap, hash_map};

use rustc_hash::FxBuildHasher;
use weir_routing::{
    AsPath, Asn, Origin, Prefix,
    rib::{Freshness, PathRef, PathTable, Peers, Route, Routes, Seats, Slot, routes::Announced},
};

use crate::{
    damping,
    facts::{self, Mark, Measure, PathFacts},
    history::{History, Seen},
    holdings::Holdings,
    incident::{Key, Role},
    knowledge::Known,
    thresholds::Thresholds,
};
use held::Left;

/// One prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) routes: Routes,
    pub(crate) history: History,
    /// Its last routes expired, nobody withdrew it.
    pub(crate) lost: bool,
    /// Has been judged once: counted for the baseline.
    pub(crate) judged: bool,
    /// Has incidents, open or lately closed.
    pub(crate) watched: bool,
    /// Routes to it may flap; else there is no need to look.
    pub(crate) may_flap: bool,
    /// Somebody may have lost it; else there is no need to look.
    pub(crate) missed: bool,
}

/// What an update did to the routes of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// A route that had expired is not kept any more.
    Forgotten,
    /// It changed them.
    Changed,
    /// Where the session had none there is one now.
    Added,
    /// Besides, a route of this suspect went or gave way before it had stood for long: worth so many points.
    Disturbed(u32, Asn),
}

/// Who says something, and as of when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice<'a> {
    pub(crate) slot: Slot,
    pub(crate) generation: u8,
    /// Sessions of the same peer before this one that still have routes.
    pub(crate) earlier: &'a [Slot],
    pub(crate) event_time_us: i64,
    pub(crate) now: i64,
    pub(crate) from_rib: bool,
}

impl Voice<'_> {
    /// Since when a path has been there that nobody has told before: now, or when the table was written that tells it.
    pub(crate) fn since_us(&self) -> i64 {
        if self.from_rib {
            self.event_time_us.min(self.now)
        } else {
            self.now
        }
    }
}

/// Prefixes by exact match; covering ones are found by length.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) paths: PathTable<Mark, PathFacts>,
    pub(crate) seats: Seats,
    pub(crate) entries: HashMap<Prefix, Entry, FxBuildHasher>,
    /// The same, in order: what lies in a prefix stands right behind it.
    pub(crate) ordered: BTreeSet<Prefix>,
    /// Lengths that occur, as bits.
    lengths: u128,
    /// What origins got and lost here and was not told yet.
    pub(crate) holdings: Holdings,
}

impl Table {
    /// The number of a path, with one count for the caller. One that is new has been known since `since_us`.
    pub(crate) fn intern(
        &mut self,
        path: &AsPath,
        mark: Mark,
        measure: Measure<'_>,
        since_us: i64,
    ) -> PathRef {
        self.paths
            .intern(path, mark, |path| PathFacts::of(path, measure, since_us))
    }

    pub(crate) fn entry(&mut self, prefix: Prefix) -> &mut Entry {
        self.with_paths(prefix).2
    }

    /// The entry of a prefix, new or not, beside the paths and the seats of all.
    fn with_paths(
        &mut self,
        prefix: Prefix,
    ) -> (
        &mut PathTable<Mark, PathFacts>,
        &mut Seats,
        &mut Entry,
        &mut Holdings,
    ) {
        let Self {
            paths,
            seats,
            entries,
            ordered,
            lengths,
            holdings,
        } = self;
        let entry = match entries.entry(prefix) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(new) => {
                *lengths |= bit(prefix.length());
                ordered.insert(prefix);
                new.insert(Entry::default())
            }
        };
        (paths, seats, entry, holdings)
    }

    /// Applies an announcement; `path` keeps the caller's count.
    pub(crate) fn announce(
        &mut self,
        prefix: Prefix,
        path_id: u32,
        path: PathRef,
        voice: Voice<'_>,
        peers: &Peers,
        t: &Thresholds,
    ) -> Effect {
        if self.seats.is_full_for(voice.slot) {
            self.make_room(peers, voice.now);
        }
        let (paths, seats, entry, holdings) = self.with_paths(prefix);
        let Voice { slot, now, .. } = voice;
        let mut left = Left::default();
        let fresh =
            |route: Route| peers.freshness(route.slot, route.generation) == Freshness::Fresh;
        // The dump may be older than what the peer has said since.
        if voice.from_rib
            && (entry.routes.get(slot, path_id, seats).is_some_and(fresh)
                || is_newer_than(entry, path_id, voice, peers, seats))
        {
            return Effect::of(mark_from_rib(paths, entry, path, now, t));
        }
        let mut changed = false;
        let mut disturbed = None;
        for earlier in voice.earlier {
            if let Some(old) = entry.routes.withdraw(*earlier, path_id, seats) {
                changed = true;
                left.note(paths, &old);
                leave(paths, &mut entry.history, old.path, now);
            }
        }
        let new = Route {
            slot,
            path_id,
            generation: voice.generation,
            path,
            event_time_us: voice.event_time_us,
        };
        let done = entry.routes.announce(new, seats);
        match done {
            Announced::Same | Announced::Refreshed => {}
            Announced::Added => paths.retain(path, 1),
            Announced::Replaced(old) => {
                paths.retain(path, 1);
                left.replaced_by(paths, &old, path);
                if !voice.from_rib {
                    disturbed = suspect_of_restless(paths, &old, voice, peers, t);
                }
                leave(paths, &mut entry.history, old.path, now);
            }
        }
        left.outlived((paths, seats), entry, holdings);
        if done == Announced::Same {
            return Effect::of(changed);
        }
        entry.lost = false;
        if let Some(origin) = paths.facts(path).and_then(|facts| facts.origin.as_ref()) {
            let routes = &entry.routes;
            let present = || {
                routes.iter(seats).any(|route| {
                    (route.slot, route.path_id) != (slot, path_id)
                        && peers.freshness(route.slot, route.generation) != Freshness::Expired
                        && paths
                            .facts(route.path)
                            .is_some_and(|facts| facts.origin.as_ref() == Some(origin))
                })
            };
            entry.history.note(origin, now, present, t);
            held::gain(origin, (paths, seats), entry, holdings, t);
        }
        if voice.from_rib {
            mark_from_rib(paths, entry, path, now, t);
        }
        match disturbed {
            Some(suspect) => Effect::Disturbed(damping::CHANGED, suspect),
            None if done == Announced::Added => Effect::Added,
            None => Effect::Changed,
        }
    }

    /// Applies a withdrawal; that of a route that had expired changes nothing. `lost` is told what the session had, with
    /// the lowest ASN of its origin, when that was its last route, and says whether it will remember.
    pub(crate) fn withdraw(
        &mut self,
        prefix: Prefix,
        path_id: u32,
        voice: Voice<'_>,
        peers: &Peers,
        t: &Thresholds,
        mut lost: impl FnMut(&AsPath, Option<Asn>) -> bool,
    ) -> Effect {
        let Self {
            paths,
            seats,
            entries,
            holdings,
            ..
        } = self;
        let Some(entry) = entries.get_mut(&prefix) else {
            return Effect::None;
        };
        let mut left = Left::default();
        let (mut changed, mut forgotten) = (false, false);
        let mut disturbed = None;
        for slot in voice.earlier.iter().copied().chain([voice.slot]) {
            let Some(old) = entry.routes.withdraw(slot, path_id, seats) else {
                continue;
            };
            left.note(paths, &old);
            if peers.freshness(old.slot, old.generation) == Freshness::Expired {
                entry.lost = true;
                forgotten = true;
                paths.release(old.path);
            } else {
                changed = true;
                entry.lost = false;
                disturbed = disturbed.or(suspect_of_restless(paths, &old, voice, peers, t));
                if slot == voice.slot
                    && !entry.routes.has_slot(slot, seats)
                    && let Some(path) = paths.path(old.path)
                {
                    let suspect = paths.facts(old.path).and_then(|facts| facts.suspect);
                    entry.missed |= lost(path, suspect);
                }
                leave(paths, &mut entry.history, old.path, voice.now);
            }
        }
        if changed {
            left.withdrawn(prefix, (paths, seats), entry, holdings);
        } else {
            left.outlived((paths, seats), entry, holdings);
        }
        let Some(suspect) = disturbed else {
            return if forgotten && !changed {
                Effect::Forgotten
            } else {
                Effect::of(changed)
            };
        };
        let any_left = entry.routes.has_slot(voice.slot, seats);
        let points = if any_left {
            damping::CHANGED
        } else {
            damping::WITHDRAWN
        };
        Effect::Disturbed(points, suspect)
    }

    /// True when a route of this path is one of the incident's. What rests on knowledge is worked out anew, or was
    /// under the same knowledge: no restart may make a difference.
    pub(crate) fn is_of(
        &self,
        key: Key,
        path: PathRef,
        known: &Known,
        measure: Measure<'_>,
    ) -> bool {
        let mark = self.paths.mark(path).unwrap_or_default();
        let (Some(path), Some(facts)) = (self.paths.path(path), self.paths.facts(path)) else {
            return false;
        };
        let (bogons, t) = (measure.bogons, measure.thresholds);
        let is_allowed = |origin: &Origin| known.allows(&key.prefix, origin);
        let who = match key.role {
            Role::LeakingHop => known.leaker(path),
            Role::MarkedLeakingHop => known.marked_leaker(path, mark),
            Role::UnauthorizedHop => known.unauthorized(path),
            Role::BogonHop => facts.bogon.or_look(known, || facts::bogon(path, bogons)),
            Role::StretchingHop => facts
                .stretching
                .or_look(known, || known.stretching(path, facts.suspect, t)),
            Role::SandwichedHop => facts
                .sandwiched
                .or_look(known, || known.sandwiched(path, t)),
            // It rests on sessions: any route of theirs is one.
            Role::FlappingOrigin => return true,
            role if role.is_link() => {
                return facts::passes(path, &[key.suspect], &[key.from])
                    && (role == Role::LinkHop || facts.suspect == Some(key.from));
            }
            // It rests on routes that are gone.
            Role::LostOrigin => return false,
            Role::BogonOrigin if !bogons.contains(&key.prefix) => None,
            Role::InvalidOrigin if facts.origin.as_ref().is_some_and(is_allowed) => None,
            role => facts.who(role),
        };
        who == Some(key.suspect)
    }
}

impl Effect {
    fn of(changed: bool) -> Self {
        if changed { Self::Changed } else { Self::None }
    }
}

/// Whose route it was that goes now, if its session gave it a short while ago, by its own clock: what had stood for
/// long is no sign of restlessness, and costs nothing. What had expired is none either.
fn suspect_of_restless(
    paths: &PathTable<Mark, PathFacts>,
    old: &Route,
    voice: Voice<'_>,
    peers: &Peers,
    t: &Thresholds,
) -> Option<Asn> {
    let stood = voice.event_time_us.saturating_sub(old.event_time_us);
    if stood >= t.flap_half_life_us()
        || old.slot != voice.slot
        || peers.freshness(old.slot, old.generation) == Freshness::Expired
    {
        return None;
    }
    paths.facts(old.path)?.suspect
}

/// A route of this path is gone: its origin was there until now.
fn leave(paths: &mut PathTable<Mark, PathFacts>, history: &mut History, path: PathRef, now: i64) {
    if let Some(origin) = paths.facts(path).and_then(|facts| facts.origin.as_ref())
        && let Some(seen) = history.get_mut(origin)
    {
        seen.last_us = now;
    }
    paths.release(path);
}

/// True when the peer gave a route in doubt not before the dump was taken that has another one of it, by the clock of
/// its collector.
fn is_newer_than(
    entry: &Entry,
    path_id: u32,
    voice: Voice<'_>,
    peers: &Peers,
    seats: &Seats,
) -> bool {
    let slots = voice.earlier.iter().copied().chain([voice.slot]);
    let mut routes = slots.filter_map(|slot| entry.routes.get(slot, path_id, seats));
    routes.any(|route| {
        route.event_time_us >= voice.event_time_us
            && peers.freshness(route.slot, route.generation) != Freshness::Expired
    })
}

/// What a RIB holds is stable, unless it is being disputed.
fn mark_from_rib(
    paths: &PathTable<Mark, PathFacts>,
    entry: &mut Entry,
    path: PathRef,
    now: i64,
    t: &Thresholds,
) -> bool {
    let Some(origin) = paths.facts(path).and_then(|facts| facts.origin.as_ref()) else {
        return false;
    };
    // Who came into the table lately, beside somebody who has held the prefix, is not made stable by being there.
    let held = |seen: &Seen| now.saturating_sub(seen.first_us) >= t.settled_after_us();
    let disputed = entry.watched || entry.history.stable_strangers(origin, now, t).any(held);
    let newcomer = entry.history.get(origin).is_none();
    if newcomer {
        entry.history.note(origin, now, || false, t);
    }
    match entry.history.get_mut(origin) {
        Some(seen) if !seen.from_rib && !disputed => {
            seen.from_rib = true;
            true
        }
        _ => newcomer,
    }
}

fn bit(length: u8) -> u128 {
    1_u128.checked_shl(u32::from(length)).unwrap_or_default()
}
