//! Whose a prefix is: an origin holds it once as many routes as confirm an incident say so, and loses it with the last
//! route. What counts is that there is a route, fresh or not, so that what origins got and lost always adds up.

use std::collections::BTreeMap;

use smallvec::SmallVec;
use weir_routing::{
    AsPath, Origin, Prefix,
    rib::{PathRef, PathTable, Route, Seats},
};

use super::{Entry, Table};
use crate::{
    facts::{Mark, PathFacts},
    holdings::Holdings,
    thresholds::Thresholds,
};

type Paths = PathTable<Mark, PathFacts>;

/// Origins of the routes that one record took away from a prefix.
#[derive(Default)]
pub(super) struct Left(SmallVec<[Origin; 1]>);

fn origin<'a>(paths: &'a Paths, route: &Route) -> Option<&'a Origin> {
    paths.facts(route.path)?.origin.as_ref()
}

/// So many routes of the origin, `most` at most.
fn routes_of(of: &Origin, most: usize, paths: &Paths, entry: &Entry, seats: &Seats) -> usize {
    let routes = entry.routes.iter(seats);
    let theirs = routes.filter(|route| origin(paths, route) == Some(of));
    theirs.take(most).count()
}

/// The origin of a route that came: as many as it takes say so now.
pub(super) fn gain(
    came: &Origin,
    (paths, seats): (&Paths, &Seats),
    entry: &mut Entry,
    holdings: &mut Holdings,
    t: &Thresholds,
) {
    let needed = t.peers_to_confirm();
    if entry.history.get(came).is_some_and(|seen| !seen.held)
        && routes_of(came, needed, paths, entry, seats) >= needed
        && let Some(seen) = entry.history.get_mut(came)
    {
        seen.held = true;
        holdings.gains(came.suspect());
    }
}

impl Left {
    /// A route goes; its path is still known.
    pub(super) fn note(&mut self, paths: &Paths, route: &Route) {
        if let Some(origin) = origin(paths, route)
            && !self.0.contains(origin)
        {
            self.0.push(origin.clone());
        }
    }

    /// A route gave way to one of this path: who originates both is not gone.
    pub(super) fn replaced_by(&mut self, paths: &Paths, old: &Route, new: PathRef) {
        let origin = |path| paths.facts(path).map(|facts| &facts.origin);
        if origin(old.path) != origin(new) {
            self.note(paths, old);
        }
    }

    /// They were withdrawn.
    pub(super) fn withdrawn(
        self,
        prefix: Prefix,
        of: (&Paths, &Seats),
        entry: &mut Entry,
        holdings: &mut Holdings,
    ) {
        for left in self.gone(of, entry) {
            holdings.loses(left.suspect(), prefix);
        }
    }

    /// They had expired, or gave way to others: no prefix is lost to the world by that.
    pub(super) fn outlived(self, of: (&Paths, &Seats), entry: &mut Entry, holdings: &mut Holdings) {
        for left in self.gone(of, entry) {
            holdings.outlives(left.suspect());
        }
    }

    /// Those who held the prefix and have no route any more.
    fn gone(self, (paths, seats): (&Paths, &Seats), entry: &mut Entry) -> SmallVec<[Origin; 1]> {
        let mut gone = self.0;
        gone.retain(|left| {
            let is_held = entry.history.get(left).is_some_and(|seen| seen.held);
            is_held && routes_of(left, 1, paths, entry, seats) == 0
        });
        for left in &gone {
            if let Some(seen) = entry.history.get_mut(left) {
                seen.held = false;
            }
        }
        gone
    }
}

impl Table {
    /// Finds out who holds what, where nothing says so. Gives each path that has a route.
    pub(crate) fn hold_anew(&mut self, t: &Thresholds) -> Vec<AsPath> {
        let Self {
            paths,
            seats,
            entries,
            ordered,
            holdings,
            ..
        } = self;
        let mut used: BTreeMap<PathRef, AsPath> = BTreeMap::new();
        for prefix in ordered.iter() {
            let Some(entry) = entries.get_mut(prefix) else {
                continue;
            };
            let routes: Vec<Route> = entry.routes.iter(seats).collect();
            for route in routes {
                if let Some(came) = origin(paths, &route) {
                    gain(came, (paths, seats), entry, holdings, t);
                }
                if let Some(path) = paths.path(route.path) {
                    used.entry(route.path).or_insert_with(|| path.clone());
                }
            }
        }
        used.into_values().collect()
    }
}
