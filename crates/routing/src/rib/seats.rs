//! Sessions that have routes in one table, numbered densely, so that a route needs two bytes to say whose it is.
//!
//! A seat is free again once its session has no route left. Which seat a session has depends on who came before it,
//! so no result may: seats never leave the table.

use rustc_hash::FxHashMap;

use super::peers::Slot;

/// Number of a session in one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(pub(super) u16);

/// How many sessions may have routes in one table.
pub const SEATS: usize = 1 << 16;

/// Who has which seat.
#[derive(Clone, Debug, Default)]
pub struct Seats {
    /// By seat: whose it is, and how many routes that session has.
    taken: Vec<(Slot, u32)>,
    free: Vec<Seat>,
    of_slot: FxHashMap<Slot, Seat>,
}

impl Seats {
    /// The seat of a session that has routes.
    #[inline]
    #[must_use]
    pub fn of(&self, slot: Slot) -> Option<Seat> {
        self.of_slot.get(&slot).copied()
    }

    /// The seat of a session, or the one that it would take; `None` = all are taken.
    pub(super) fn of_or_next(&self, slot: Slot) -> Option<Seat> {
        let next = || {
            let behind = u16::try_from(self.taken.len()).ok().map(Seat);
            self.free.last().copied().or(behind)
        };
        self.of(slot).or_else(next)
    }

    /// True when there is no seat for this session: the table must first make room, or it takes none of its routes.
    #[inline]
    #[must_use]
    pub fn is_full_for(&self, slot: Slot) -> bool {
        self.of_slot.len() >= SEATS && self.of(slot).is_none()
    }

    /// When no seat is free: who was first here of those that are over, or of all if none is.
    pub fn oldest_if_full(&self, is_over: impl Fn(Slot) -> bool) -> Option<Slot> {
        let slots = || self.of_slot.keys().copied();
        let oldest = || {
            slots()
                .filter(|slot| is_over(*slot))
                .min()
                .or(slots().min())
        };
        (self.of_slot.len() >= SEATS).then(oldest).flatten()
    }

    /// How many routes a session has, stale and expired ones too.
    #[must_use]
    pub fn count(&self, slot: Slot) -> u32 {
        let seat = self.of(slot);
        let taken = seat.and_then(|seat| self.taken.get(usize::from(seat.0)));
        taken.map_or(0, |(_, count)| *count)
    }

    /// The sessions that have routes, each with how many, in no order.
    pub fn counts(&self) -> impl Iterator<Item = (Slot, u32)> {
        self.taken.iter().copied().filter(|(_, count)| *count > 0)
    }

    /// Whose seat it is.
    #[inline]
    pub(super) fn slot(&self, seat: Seat) -> Option<Slot> {
        self.taken.get(usize::from(seat.0)).map(|(slot, _)| *slot)
    }

    /// Seats that were ever taken at one time.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }

    /// One more route of the session on this seat, which [`of_or_next`](Self::of_or_next) gave.
    #[inline]
    pub(super) fn take(&mut self, seat: Seat, slot: Slot) {
        match self.taken.get_mut(usize::from(seat.0)) {
            Some((_, count)) if *count > 0 => *count += 1,
            Some(empty) => {
                *empty = (slot, 1);
                self.free.pop();
                self.of_slot.insert(slot, seat);
            }
            None => {
                self.taken.push((slot, 1));
                self.of_slot.insert(slot, seat);
            }
        }
    }

    /// One route less of the session on this seat.
    #[inline]
    pub(super) fn leave(&mut self, seat: Seat) {
        let Some((slot, count)) = self.taken.get_mut(usize::from(seat.0)) else {
            return;
        };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.of_slot.remove(slot);
            self.free.push(seat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sit(seats: &mut Seats, slot: u32) -> Option<Seat> {
        let seat = seats.of_or_next(Slot(slot))?;
        seats.take(seat, Slot(slot));
        Some(seat)
    }

    #[test]
    fn a_seat_is_free_again_once_its_session_has_no_route_left() {
        let mut seats = Seats::default();
        let first = sit(&mut seats, 7).unwrap();
        assert_eq!(sit(&mut seats, 7), Some(first));
        let second = sit(&mut seats, 9).unwrap();
        assert_ne!(first, second);
        seats.leave(first);
        assert_eq!(seats.of(Slot(7)), Some(first));
        seats.leave(first);
        assert_eq!(seats.of(Slot(7)), None);
        assert_eq!(sit(&mut seats, 11), Some(first));
        assert_eq!((seats.slot(first), seats.len()), (Some(Slot(11)), 2));
    }

    #[test]
    fn the_last_seat_is_the_last() {
        let mut seats = Seats::default();
        for slot in 0..65_536 {
            assert!(!seats.is_full_for(Slot(slot)));
            assert!(sit(&mut seats, slot).is_some());
        }
        assert!(seats.is_full_for(Slot(65_536)) && !seats.is_full_for(Slot(65_535)));
        assert_eq!(sit(&mut seats, 65_536), None);
        assert_eq!(seats.oldest_if_full(|_| false), Some(Slot(0)));
        assert_eq!(seats.oldest_if_full(|slot| slot.0 > 9), Some(Slot(10)));
        seats.leave(seats.of(Slot(0)).unwrap());
        assert_eq!(seats.oldest_if_full(|_| true), None);
        assert!(sit(&mut seats, 65_536).is_some());
    }
}
