//! The routes of one prefix, one per (peer slot, path id), sorted by that.

use super::{
    paths::PathRef,
    peers::{Freshness, Peers, Slot},
};

/// What one session says of one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Whose it is.
    pub slot: Slot,
    /// RFC 7911; 0 without ADD-PATH.
    pub path_id: u32,
    /// Generation of the slot when the route was last heard.
    pub generation: u32,
    /// Where it leads.
    pub path: PathRef,
    /// Event time of the update, microseconds; a label.
    pub event_time_us: i64,
}

/// What an announcement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// The same path, heard before in the same generation: nothing changed.
    Same,
    /// The same path, but it had been stale.
    Refreshed,
    /// There was none.
    Added,
    /// It took the place of this path, which the caller releases.
    Replaced(PathRef),
}

/// Routes of one prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes(Vec<Route>);

impl Routes {
    fn find(&self, slot: Slot, path_id: u32) -> Result<usize, usize> {
        self.0
            .binary_search_by(|route| (route.slot, route.path_id).cmp(&(slot, path_id)))
    }

    /// The route of a session.
    #[inline]
    #[must_use]
    pub fn get(&self, slot: Slot, path_id: u32) -> Option<&Route> {
        self.find(slot, path_id).ok().and_then(|at| self.0.get(at))
    }

    /// Puts a route in its place.
    #[inline]
    pub fn announce(&mut self, new: Route) -> Announced {
        match self.find(new.slot, new.path_id) {
            Err(at) => {
                self.0.insert(at, new);
                Announced::Added
            }
            Ok(at) => {
                let Some(known) = self.0.get_mut(at) else {
                    return Announced::Same;
                };
                let old = std::mem::replace(known, new);
                if old.path != new.path {
                    Announced::Replaced(old.path)
                } else if old.generation != new.generation {
                    Announced::Refreshed
                } else {
                    // What is said twice was said first.
                    *known = old;
                    Announced::Same
                }
            }
        }
    }

    /// Takes a route away; the caller releases its path.
    pub fn withdraw(&mut self, slot: Slot, path_id: u32) -> Option<Route> {
        self.find(slot, path_id).ok().map(|at| self.0.remove(at))
    }

    /// Takes away what has expired; the caller releases the paths.
    pub fn drop_expired(&mut self, peers: &Peers, mut gone: impl FnMut(Route)) {
        self.0.retain(|route| {
            let keep = peers.freshness(route.slot, route.generation) != Freshness::Expired;
            if !keep {
                gone(*route);
            }
            keep
        });
    }

    /// True when the session has a route here, stale or not.
    #[must_use]
    pub fn has_slot(&self, slot: Slot) -> bool {
        let at = self.0.partition_point(|route| route.slot < slot);
        self.0.get(at).is_some_and(|route| route.slot == slot)
    }

    /// Every route, expired ones too.
    #[inline]
    pub fn iter(&self) -> std::slice::Iter<'_, Route> {
        self.0.iter()
    }

    /// True when there is none, not even an expired one.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many, expired ones too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<Route> for Routes {
    fn from_iter<I: IntoIterator<Item = Route>>(routes: I) -> Self {
        let mut routes: Vec<Route> = routes.into_iter().collect();
        routes.sort_unstable_by_key(|route| (route.slot, route.path_id));
        Self(routes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn route(slot: u32, path_id: u32, path: u32) -> Route {
        Route {
            slot: Slot(slot),
            path_id,
            generation: 0,
            path: PathRef(path),
            event_time_us: 0,
        }
    }

    proptest! {
        #[test]
        fn announce_then_withdraw_leaves_it_as_it_was(
            before in prop::collection::btree_map((0_u32..20, 0_u32..3), 0_u32..5, 0..30),
            new in (20_u32..30, 0_u32..3),
        ) {
            let mut routes: Routes = before.iter().map(|((s, i), p)| route(*s, *i, *p)).collect();
            let copy = routes.clone();
            prop_assert_eq!(routes.announce(route(new.0, new.1, 9)), Announced::Added);
            prop_assert!(routes.withdraw(Slot(new.0), new.1).is_some());
            prop_assert_eq!(routes, copy);
        }
    }

    #[test]
    fn an_announcement_says_what_it_did() {
        let mut routes = Routes::default();
        assert_eq!(routes.announce(route(1, 0, 1)), Announced::Added);
        assert_eq!(routes.announce(route(1, 0, 1)), Announced::Same);
        let newer = Route {
            generation: 1,
            ..route(1, 0, 1)
        };
        assert_eq!(routes.announce(newer), Announced::Refreshed);
        assert_eq!(
            routes.announce(route(1, 0, 2)),
            Announced::Replaced(PathRef(1))
        );
        assert!(routes.has_slot(Slot(1)) && !routes.has_slot(Slot(2)));
    }
}
