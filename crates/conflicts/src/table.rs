//! Prefixes with their routes and origins: of one address block, or the short ones of all.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;
use weir_routing::{
    AsPath, Asn, Origin, Prefix,
    rib::{Freshness, PathRef, PathTable, Peers, Route, Routes, Slot, routes::Announced},
};

use crate::{
    facts::{Measure, PathFacts},
    history::History,
    incident::{Key, Role},
    knowledge::Known,
    rule::Covering,
    thresholds::Thresholds,
};

/// Less specifics of fewer bits cover nothing: they are defaults.
const SHORTEST_COVERING: u8 = 8;

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
}

/// Who says something, and as of when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice<'a> {
    pub(crate) slot: Slot,
    pub(crate) generation: u32,
    /// Sessions of the same peer before this one that still have routes.
    pub(crate) earlier: &'a [Slot],
    pub(crate) event_time_us: i64,
    pub(crate) now: i64,
    pub(crate) from_rib: bool,
}

/// Prefixes by exact match; covering ones are found by length.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) paths: PathTable<PathFacts>,
    pub(crate) entries: HashMap<Prefix, Entry, FxBuildHasher>,
    /// Lengths that occur, as bits.
    lengths: u128,
}

impl Table {
    pub(crate) fn intern(
        &mut self,
        path: &AsPath,
        blackhole: bool,
        measure: Measure<'_>,
    ) -> PathRef {
        self.paths
            .intern(path, blackhole, |path| PathFacts::of(path, measure))
    }

    pub(crate) fn entry(&mut self, prefix: Prefix) -> &mut Entry {
        self.lengths |= bit(prefix.length());
        self.entries.entry(prefix).or_default()
    }

    /// Applies an announcement; `path` keeps the caller's count. True when it changed anything.
    pub(crate) fn announce(
        &mut self,
        prefix: Prefix,
        path_id: u32,
        path: PathRef,
        voice: Voice<'_>,
        peers: &Peers,
        t: &Thresholds,
    ) -> bool {
        self.lengths |= bit(prefix.length());
        let Self { paths, entries, .. } = self;
        let entry = entries.entry(prefix).or_default();
        let Voice { slot, now, .. } = voice;
        let fresh =
            |route: &Route| peers.freshness(route.slot, route.generation) == Freshness::Fresh;
        if voice.from_rib && entry.routes.get(slot, path_id).is_some_and(fresh) {
            // The dump may be older than what the peer has said since.
            return mark_from_rib(paths, entry, path, now, t);
        }
        let mut changed = false;
        for earlier in voice.earlier {
            if let Some(old) = entry.routes.withdraw(*earlier, path_id) {
                changed = true;
                leave(paths, &mut entry.history, old.path, now);
            }
        }
        let done = entry.routes.announce(Route {
            slot,
            path_id,
            generation: voice.generation,
            path,
            event_time_us: voice.event_time_us,
        });
        match done {
            Announced::Same => return changed,
            Announced::Added => paths.retain(path, 1),
            Announced::Refreshed => {}
            Announced::Replaced(old) => {
                paths.retain(path, 1);
                leave(paths, &mut entry.history, old, now);
            }
        }
        entry.lost = false;
        if let Some(origin) = paths.facts(path).and_then(|facts| facts.origin.as_ref()) {
            let routes = &entry.routes;
            let present = || {
                routes.iter().any(|route| {
                    (route.slot, route.path_id) != (slot, path_id)
                        && peers.freshness(route.slot, route.generation) != Freshness::Expired
                        && paths
                            .facts(route.path)
                            .is_some_and(|facts| facts.origin.as_ref() == Some(origin))
                })
            };
            entry.history.note(origin, now, present, t);
        }
        if voice.from_rib {
            mark_from_rib(paths, entry, path, now, t);
        }
        true
    }

    /// Applies a withdrawal. True when a route went that had not expired.
    pub(crate) fn withdraw(
        &mut self,
        prefix: Prefix,
        path_id: u32,
        voice: Voice<'_>,
        peers: &Peers,
    ) -> bool {
        let Self { paths, entries, .. } = self;
        let Some(entry) = entries.get_mut(&prefix) else {
            return false;
        };
        let mut changed = false;
        for slot in voice.earlier.iter().copied().chain([voice.slot]) {
            let Some(old) = entry.routes.withdraw(slot, path_id) else {
                continue;
            };
            if peers.freshness(old.slot, old.generation) == Freshness::Expired {
                entry.lost = true;
                paths.release(old.path);
            } else {
                changed = true;
                entry.lost = false;
                leave(paths, &mut entry.history, old.path, voice.now);
            }
        }
        changed
    }

    /// True when a route of this path is one of the incident's. What rests on knowledge is worked out anew: no
    /// restart may make a difference.
    pub(crate) fn is_of(&self, key: Key, path: PathRef, known: &Known) -> bool {
        if key.role == Role::LeakingHop {
            let path = self.paths.path(path);
            return path.is_some_and(|path| known.leaker(path) == Some(key.suspect));
        }
        let Some(facts) = self.paths.facts(path) else {
            return false;
        };
        let is_allowed = |origin: &Origin| known.allows(&key.prefix, origin);
        facts.who(key.role) == Some(key.suspect)
            && (key.role != Role::InvalidOrigin || !facts.origin.as_ref().is_some_and(is_allowed))
    }

    /// The nearest announced less specific in this table. What was lost by expiry counts as
    /// announced: a hole in the data must not blind.
    pub(crate) fn covering(
        &self,
        prefix: &Prefix,
        peers: &Peers,
        now: i64,
        t: &Thresholds,
    ) -> Option<Covering> {
        (SHORTEST_COVERING..prefix.length())
            .rev()
            .filter(|length| self.lengths & bit(*length) != 0)
            .find_map(|length| {
                let candidate = prefix.truncated(length);
                let entry = self.entries.get(&candidate)?;
                self.covers(candidate, entry, peers, now, t)
            })
    }

    fn covers(
        &self,
        prefix: Prefix,
        entry: &Entry,
        peers: &Peers,
        now: i64,
        t: &Thresholds,
    ) -> Option<Covering> {
        if entry.routes.is_empty() && !entry.lost {
            return None;
        }
        let present = |origin: &Origin| {
            entry.routes.iter().any(|route| {
                peers.freshness(route.slot, route.generation) != Freshness::Expired
                    && self
                        .paths
                        .facts(route.path)
                        .is_some_and(|facts| facts.origin.as_ref() == Some(origin))
            })
        };
        let known = entry.history.0.iter();
        let stable: Vec<_> = known
            .clone()
            .filter(|seen| seen.is_stable(now, t))
            .collect();
        let no_baseline = stable.is_empty();
        let any_present = known.clone().any(|seen| present(&seen.origin));
        let mut origins: Vec<Asn> = known
            .clone()
            .filter(|seen| {
                if no_baseline {
                    !any_present || present(&seen.origin)
                } else {
                    seen.is_stable(now, t)
                }
            })
            .flat_map(|seen| seen.origin.asns().iter().copied())
            .collect();
        origins.sort_unstable();
        origins.dedup();
        let settled = known
            .clone()
            .any(|seen| seen.from_rib || now.saturating_sub(seen.first_us) >= t.settled_after_us());
        Some(Covering {
            prefix,
            origins,
            no_baseline,
            settled,
        })
    }

    /// Once a day: what has a route is seen now, what has expired is dropped, what is too old is
    /// forgotten. Depends on nothing but the state and the time.
    pub(crate) fn sweep(&mut self, peers: &Peers, now: i64, t: &Thresholds) {
        let Self { paths, entries, .. } = self;
        entries.retain(|_, entry| {
            let had = !entry.routes.is_empty();
            entry.routes.drop_expired(peers, |old| {
                if let Some(origin) = paths.facts(old.path).and_then(|f| f.origin.as_ref())
                    && let Some(seen) = entry.history.get_mut(origin)
                {
                    seen.last_us = now;
                }
                paths.release(old.path);
            });
            entry.lost |= had && entry.routes.is_empty();
            for route in entry.routes.iter() {
                if let Some(origin) = paths.facts(route.path).and_then(|f| f.origin.as_ref())
                    && let Some(seen) = entry.history.get_mut(origin)
                {
                    seen.last_us = now;
                }
            }
            entry.history.forget(now, t);
            entry.watched || !entry.routes.is_empty() || !entry.history.0.is_empty()
        });
    }
}

/// A route of this path is gone: its origin was there until now.
fn leave(paths: &mut PathTable<PathFacts>, history: &mut History, path: PathRef, now: i64) {
    if let Some(origin) = paths.facts(path).and_then(|facts| facts.origin.as_ref())
        && let Some(seen) = history.get_mut(origin)
    {
        seen.last_us = now;
    }
    paths.release(path);
}

/// What a RIB holds is stable, unless it is being disputed.
fn mark_from_rib(
    paths: &PathTable<PathFacts>,
    entry: &mut Entry,
    path: PathRef,
    now: i64,
    t: &Thresholds,
) -> bool {
    let Some(origin) = paths.facts(path).and_then(|facts| facts.origin.as_ref()) else {
        return false;
    };
    let watched = entry.watched;
    let newcomer = entry.history.get(origin).is_none();
    if newcomer {
        entry.history.note(origin, now, || false, t);
    }
    match entry.history.get_mut(origin) {
        Some(seen) if !seen.from_rib && !watched => {
            seen.from_rib = true;
            true
        }
        _ => newcomer,
    }
}

fn bit(length: u8) -> u128 {
    1_u128.checked_shl(u32::from(length)).unwrap_or_default()
}
