//! What a table forgets: once a day what has expired or is too old, and whom there is no room for.

use weir_routing::rib::{PathTable, Peers, Seats};

use super::{Entry, Table, held::Left, leave};
use crate::{
    facts::{Mark, PathFacts},
    holdings::Holdings,
    thresholds::Thresholds,
};

impl Table {
    /// There is room for routes of [`weir_routing::rib::seats::SEATS`] sessions, and another one speaks: what has
    /// expired goes, and if that was not enough, the routes of a session that is over, of the oldest if none is.
    pub(super) fn make_room(&mut self, peers: &Peers, now: i64) {
        let Self {
            paths,
            seats,
            entries,
            holdings,
            ..
        } = self;
        for entry in entries.values_mut() {
            drop_expired(entry, (paths, seats), holdings, peers, now);
        }
        let is_over = |slot| peers.session(slot).is_none_or(|session| !session.current);
        let Some(leaves) = seats.oldest_if_full(is_over) else {
            return;
        };
        for entry in entries.values_mut() {
            let mut left = Left::default();
            while let Some(old) = entry.routes.any_of(leaves, seats) {
                entry.routes.withdraw(leaves, old.path_id, seats);
                entry.lost |= entry.routes.is_empty();
                left.note(paths, &old);
                leave(paths, &mut entry.history, old.path, now);
            }
            left.outlived((paths, seats), entry, holdings);
        }
    }

    /// Once a day: what has a route is seen now, what has expired is dropped, what is too old is
    /// forgotten. Depends on nothing but the state and the time.
    pub(crate) fn sweep(&mut self, peers: &Peers, now: i64, t: &Thresholds) {
        let Self {
            paths,
            seats,
            entries,
            ordered,
            holdings,
            ..
        } = self;
        entries.retain(|prefix, entry| {
            drop_expired(entry, (paths, seats), holdings, peers, now);
            for route in entry.routes.iter(seats) {
                if let Some(origin) = paths.facts(route.path).and_then(|f| f.origin.as_ref())
                    && let Some(seen) = entry.history.get_mut(origin)
                {
                    seen.last_us = now;
                }
            }
            entry.history.forget(now, t);
            let has_any = !entry.routes.is_empty() || !entry.history.0.is_empty();
            let keep = entry.watched || entry.missed || has_any;
            if !keep {
                ordered.remove(prefix);
            }
            keep
        });
    }
}

/// Drops the routes that have expired; an entry that held no others is lost.
fn drop_expired(
    entry: &mut Entry,
    (paths, seats): (&mut PathTable<Mark, PathFacts>, &mut Seats),
    holdings: &mut Holdings,
    peers: &Peers,
    now: i64,
) {
    let mut left = Left::default();
    let Entry {
        routes,
        history,
        lost,
        ..
    } = entry;
    let had = !routes.is_empty();
    routes.drop_expired(peers, seats, |old| {
        left.note(paths, &old);
        leave(paths, history, old.path, now);
    });
    *lost |= had && routes.is_empty();
    left.outlived((paths, seats), entry, holdings);
}

#[cfg(test)]
mod tests {
    use weir_routing::{
        Asn, Bogons, Peer,
        rib::{Slot, seats::SEATS},
    };

    use super::*;
    use crate::{facts::Measure, table::Voice};

    #[test]
    fn when_there_is_no_seat_left_the_oldest_session_loses_its_routes() {
        let (mut table, mut peers, t) = (Table::default(), Peers::default(), Thresholds::default());
        let bogons = Bogons::without_documentation();
        let measure = Measure {
            own: &bogons,
            bogons: &bogons,
            thresholds: &t,
        };
        let path = table.intern(&"64500 64501".parse().unwrap(), Mark::default(), measure, 0);
        let prefixes = ["10.0.0.0/20", "10.0.16.0/20"].map(|prefix| prefix.parse().unwrap());
        let sessions = u32::try_from(SEATS).unwrap();
        for n in 0..=sessions {
            let address = std::net::Ipv4Addr::from_bits(n);
            peers.heard("rrc00", Peer::new(address.into(), Asn(64_501)), 0);
        }
        let mut announce = |prefix, slot| {
            let voice = Voice {
                slot: Slot(slot),
                generation: 0,
                earlier: &[],
                event_time_us: 0,
                now: slot.into(),
                from_rib: false,
            };
            table.announce(prefix, 0, path, voice, &peers, &t);
        };
        announce(prefixes[1], 0);
        for slot in 0..=sessions {
            announce(prefixes[0], slot);
        }
        let [crowded, alone] = prefixes.map(|prefix| &table.entries[&prefix]);
        assert!(alone.routes.is_empty() && alone.lost);
        let left = alone.history.0.first().map(|seen| seen.last_us);
        assert_eq!(
            left,
            Some(sessions.into()),
            "its origin was there until then"
        );
        assert_eq!(crowded.routes.iter(&table.seats).count(), SEATS);
        assert!(!crowded.routes.has_slot(Slot(0), &table.seats));
        assert!(crowded.routes.has_slot(Slot(sessions), &table.seats));
    }
}
