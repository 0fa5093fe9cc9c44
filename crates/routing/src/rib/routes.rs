//! The routes of one prefix, one per (session, path id), in 11 bytes each.
//!
//! There are as many as vantage points times prefixes: their size is the size of the whole, and the cost of an
//! update is that of going to memory for one of them. So a session is the number of its seat ([`Seats`]), and since
//! seats are dense and most peers tell of most prefixes, the seat says about where in the list a route stands.

use weir_events::time::SECOND_US;

use super::{
    paths::PathRef,
    peers::{Freshness, Peers, Slot},
    seats::{Seat, Seats},
};

/// Room for path ids is only taken where a route has one.
const NO_PATH_ID: u32 = 0;

/// What one session says of one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Whose it is.
    pub slot: Slot,
    /// RFC 7911; 0 without ADD-PATH.
    pub path_id: u32,
    /// Generation of the slot when the route was last heard.
    pub generation: u8,
    /// Where it leads.
    pub path: PathRef,
    /// Event time of the update, microseconds: how long it has stood by its source's clock. Kept to the second, from
    /// 1970 to 2106.
    pub event_time_us: i64,
}

/// The same, as it is kept: bytes, so that nothing is lost to alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    path: [u8; 4],
    seconds: [u8; 4],
    seat: [u8; 2],
    generation: u8,
}

const _: () = assert!(size_of::<Kept>() == 11, "each byte here is a gigabyte");

impl Kept {
    fn of(route: &Route, seat: Seat) -> Self {
        let seconds = route.event_time_us.max(0) / SECOND_US;
        Self {
            path: route.path.0.to_ne_bytes(),
            seconds: u32::try_from(seconds).unwrap_or(u32::MAX).to_ne_bytes(),
            seat: seat.0.to_ne_bytes(),
            generation: route.generation,
        }
    }

    fn seat(&self) -> Seat {
        Seat(u16::from_ne_bytes(self.seat))
    }

    fn path(&self) -> PathRef {
        PathRef(u32::from_ne_bytes(self.path))
    }

    fn route(&self, slot: Slot, path_id: u32) -> Route {
        Route {
            slot,
            path_id,
            generation: self.generation,
            path: self.path(),
            event_time_us: i64::from(u32::from_ne_bytes(self.seconds)) * SECOND_US,
        }
    }
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
    /// It took the place of this one, whose path the caller releases.
    Replaced(Route),
}

/// Routes of one prefix, sorted by (seat, path id). All of them, and those of its neighbours, take their seats from the
/// same [`Seats`].
#[derive(Clone, Debug, Default)]
pub struct Routes {
    kept: Vec<Kept>,
    /// Of each; empty while all are 0.
    path_ids: Vec<u32>,
}

impl Routes {
    /// With room for so many, and no more.
    #[must_use]
    pub fn with_capacity(routes: usize) -> Self {
        Self {
            kept: Vec::with_capacity(routes),
            path_ids: Vec::new(),
        }
    }

    /// Where it is, or would be.
    fn find(&self, seat: Seat, path_id: u32, seats: &Seats) -> Result<usize, usize> {
        let wanted = (seat, path_id);
        let (mut low, mut high) = (0, self.kept.len());
        // Where it stands if everybody has a route here; from there on in growing steps.
        let mut at = usize::from(seat.0) * high / seats.len().max(1);
        let mut step = 1;
        while low < high {
            if !(low..high).contains(&at) {
                at = low + (high - low) / 2;
            }
            let Some(kept) = self.kept.get(at) else { break };
            match (kept.seat(), self.path_id(at)).cmp(&wanted) {
                std::cmp::Ordering::Equal => return Ok(at),
                std::cmp::Ordering::Less => {
                    low = at + 1;
                    at = at.saturating_add(step);
                }
                std::cmp::Ordering::Greater => {
                    high = at;
                    at = at.wrapping_sub(step);
                }
            }
            step *= 2;
        }
        Err(low)
    }

    fn path_id(&self, at: usize) -> u32 {
        self.path_ids.get(at).copied().unwrap_or(NO_PATH_ID)
    }

    /// The route of a session.
    #[inline]
    #[must_use]
    pub fn get(&self, slot: Slot, path_id: u32, seats: &Seats) -> Option<Route> {
        let at = self.find(seats.of(slot)?, path_id, seats).ok()?;
        Some(self.kept.get(at)?.route(slot, path_id))
    }

    /// Puts a route in its place. A session without a seat takes one: see [`Seats::is_full_for`].
    #[inline]
    pub fn announce(&mut self, new: Route, seats: &mut Seats) -> Announced {
        let Some(seat) = seats.of_or_next(new.slot) else {
            return Announced::Same;
        };
        match self.find(seat, new.path_id, seats) {
            Err(at) => {
                seats.take(seat, new.slot);
                self.insert(at, Kept::of(&new, seat), new.path_id);
                Announced::Added
            }
            Ok(at) => {
                let Some(known) = self.kept.get_mut(at) else {
                    return Announced::Same;
                };
                let old = *known;
                if old.path() == new.path && old.generation == new.generation {
                    // What is said twice was said first.
                    return Announced::Same;
                }
                *known = Kept::of(&new, seat);
                if old.path() == new.path {
                    Announced::Refreshed
                } else {
                    Announced::Replaced(old.route(new.slot, new.path_id))
                }
            }
        }
    }

    fn insert(&mut self, at: usize, kept: Kept, path_id: u32) {
        // Growing by halves would leave a third of all empty.
        if self.kept.len() == self.kept.capacity() {
            self.kept.reserve_exact(self.kept.len() / 8 + 1);
        }
        if path_id != NO_PATH_ID && self.path_ids.is_empty() {
            self.path_ids = vec![NO_PATH_ID; self.kept.len()];
        }
        self.kept.insert(at, kept);
        if path_id != NO_PATH_ID || !self.path_ids.is_empty() {
            self.path_ids.insert(at, path_id);
        }
    }

    /// Takes a route away; the caller releases its path.
    pub fn withdraw(&mut self, slot: Slot, path_id: u32, seats: &mut Seats) -> Option<Route> {
        let seat = seats.of(slot)?;
        let at = self.find(seat, path_id, seats).ok()?;
        let gone = self.kept.get(at)?.route(slot, path_id);
        self.kept.remove(at);
        if !self.path_ids.is_empty() {
            self.path_ids.remove(at);
        }
        seats.leave(seat);
        Some(gone)
    }

    /// Takes away what has expired; the caller releases the paths.
    pub fn drop_expired(&mut self, peers: &Peers, seats: &mut Seats, mut gone: impl FnMut(Route)) {
        let before = self.kept.len();
        let mut path_ids = std::mem::take(&mut self.path_ids).into_iter();
        self.kept.retain(|kept| {
            let path_id = path_ids.next();
            let Some(slot) = seats.slot(kept.seat()) else {
                return false;
            };
            let stays = peers.freshness(slot, kept.generation) != Freshness::Expired;
            if stays {
                self.path_ids.extend(path_id);
            } else {
                seats.leave(kept.seat());
                gone(kept.route(slot, path_id.unwrap_or(NO_PATH_ID)));
            }
            stays
        });
        if self.kept.len() < before {
            self.kept.shrink_to_fit();
        }
    }

    /// The first route of a session, stale or not.
    #[must_use]
    pub fn any_of(&self, slot: Slot, seats: &Seats) -> Option<Route> {
        let seat = seats.of(slot)?;
        let found = self.find(seat, NO_PATH_ID, seats);
        let at = found.unwrap_or_else(|at| at);
        let kept = self.kept.get(at).filter(|kept| kept.seat() == seat)?;
        Some(kept.route(slot, self.path_id(at)))
    }

    /// True when the session has a route here, stale or not.
    #[must_use]
    pub fn has_slot(&self, slot: Slot, seats: &Seats) -> bool {
        self.any_of(slot, seats).is_some()
    }

    /// Every route, expired ones too, those of one session together.
    #[inline]
    pub fn iter<'a>(&'a self, seats: &'a Seats) -> impl Iterator<Item = Route> + Clone + 'a {
        let kept = self.kept.iter().enumerate();
        kept.filter_map(|(at, kept)| Some(kept.route(seats.slot(kept.seat())?, self.path_id(at))))
    }

    /// True when there is none, not even an expired one.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::{asn::Asn, update::Peer};

    fn route(slot: u32, path_id: u32, path: u32) -> Route {
        Route {
            slot: Slot(slot),
            path_id,
            generation: 0,
            path: PathRef(path),
            event_time_us: 0,
        }
    }

    /// So many sessions, of which these are over.
    fn sessions(count: u32, expired: &BTreeSet<u32>) -> Peers {
        let mut peers = Peers::default();
        for slot in 0..count {
            let peer = Peer::new(std::net::Ipv4Addr::from_bits(slot).into(), Asn(64_500));
            peers.heard("rrc00", peer, 0);
            if expired.contains(&slot) {
                peers.gap("rrc00", Some(peer), 0);
            }
        }
        peers.expire(i64::MAX);
        peers
    }

    proptest! {
        #[test]
        fn two_prefixes_keep_what_a_plain_map_keeps(
            told in prop::collection::vec(
                (0..2_usize, 0_u32..40, 0_u32..3, prop::option::weighted(0.7, 0_u32..5)),
                0..200,
            ),
            expired in prop::collection::btree_set(0_u32..40, 0..10),
        ) {
            let mut seats = Seats::default();
            let mut routes = [Routes::default(), Routes::default()];
            let mut model = [BTreeMap::new(), BTreeMap::new()];
            for (prefix, slot, path_id, path) in told {
                let (routes, model) = (&mut routes[prefix], &mut model[prefix]);
                let key = (Slot(slot), path_id);
                if let Some(path) = path {
                    let done = routes.announce(route(slot, path_id, path), &mut seats);
                    let expected = match model.insert(key, path) {
                        None => Announced::Added,
                        Some(old) if old == path => Announced::Same,
                        Some(old) => Announced::Replaced(route(slot, path_id, old)),
                    };
                    prop_assert_eq!(done, expected);
                } else {
                    let gone = routes.withdraw(Slot(slot), path_id, &mut seats);
                    prop_assert_eq!(gone, model.remove(&key).map(|p| route(slot, path_id, p)));
                }
            }
            let peers = sessions(40, &expired);
            for (routes, model) in routes.iter_mut().zip(&mut model) {
                let mut gone = Vec::new();
                routes.drop_expired(&peers, &mut seats, |route| gone.push(route));
                gone.sort_by_key(|route| (route.slot, route.path_id));
                let is_over = |(slot, _): &(Slot, u32)| expired.contains(&slot.0);
                let over = model.iter().filter(|(key, _)| is_over(key));
                let over: Vec<_> = over.map(|((s, i), p)| route(s.0, *i, *p)).collect();
                prop_assert_eq!(gone, over);
                model.retain(|key, _| !is_over(key));
            }
            for (routes, model) in routes.iter().zip(&model) {
                let mut kept: Vec<_> = routes.iter(&seats).collect();
                kept.sort_by_key(|route| (route.slot, route.path_id));
                let expected: Vec<_> = model.iter().map(|((s, i), p)| route(s.0, *i, *p)).collect();
                prop_assert_eq!(kept, expected);
                for slot in 0..40 {
                    let has = model.keys().any(|(of, _)| of.0 == slot);
                    prop_assert_eq!(routes.has_slot(Slot(slot), &seats), has);
                    for path_id in 0..3 {
                        let known = model.get(&(Slot(slot), path_id));
                        let found = routes.get(Slot(slot), path_id, &seats);
                        prop_assert_eq!(found, known.map(|p| route(slot, path_id, *p)));
                    }
                }
            }
        }

        #[test]
        fn an_event_time_is_kept_to_the_second(at in 0..4_294_967_295_000_000_i64) {
            let mut seats = Seats::default();
            let mut routes = Routes::default();
            routes.announce(Route { event_time_us: at, ..route(1, 0, 1) }, &mut seats);
            let kept = routes.get(Slot(1), 0, &seats).unwrap();
            prop_assert_eq!(kept.event_time_us, at - at % SECOND_US);
        }
    }

    #[test]
    fn an_announcement_says_what_it_did() {
        let mut seats = Seats::default();
        let mut routes = Routes::default();
        let mut announce = |route| routes.announce(route, &mut seats);
        assert_eq!(announce(route(1, 0, 1)), Announced::Added);
        assert_eq!(announce(route(1, 0, 1)), Announced::Same);
        let newer = Route {
            generation: 1,
            ..route(1, 0, 1)
        };
        assert_eq!(announce(newer), Announced::Refreshed);
        assert_eq!(announce(route(1, 0, 2)), Announced::Replaced(newer));
    }

    #[test]
    fn a_thousand_routes_take_at_most_an_eighth_more_than_11_bytes_each() {
        let (mut seats, mut routes) = (Seats::default(), Routes::default());
        for slot in 0..1_000 {
            routes.announce(route(slot, 0, 1), &mut seats);
        }
        let bytes = routes.kept.capacity() * size_of::<Kept>();
        assert!(bytes <= 1_000 * 11 * 9 / 8, "{bytes}");
        assert_eq!(routes.path_ids.capacity(), 0);
    }
}
