//! Which of the records under way have arrived: the contiguous low-water mark over tickets.

use std::collections::VecDeque;

/// Tickets 1, 2, 3, ...; those behind the mark are all delivered.
#[derive(Debug, Default)]
pub(super) struct Window {
    acknowledged: u64,
    /// One slot per ticket above the mark.
    slots: VecDeque<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    tag: i64,
    delivered: bool,
}

impl Window {
    /// The next ticket.
    pub(super) fn issue(&mut self, tag: i64) -> u64 {
        self.slots.push_back(Slot {
            tag,
            delivered: false,
        });
        self.issued()
    }

    /// Forgets `ticket` if it was the last one issued and is not delivered.
    pub(super) fn take_back(&mut self, ticket: u64) {
        if ticket == self.issued() && self.slots.back().is_some_and(|slot| !slot.delivered) {
            self.slots.pop_back();
        }
    }

    /// The record with this ticket has arrived; gives its tag the first time.
    pub(super) fn deliver(&mut self, ticket: u64) -> Option<i64> {
        let index = ticket.checked_sub(self.acknowledged + 1)?;
        let slot = self.slots.get_mut(usize::try_from(index).ok()?)?;
        if slot.delivered {
            return None;
        }
        slot.delivered = true;
        let tag = slot.tag;
        while self.slots.front().is_some_and(|slot| slot.delivered) {
            self.slots.pop_front();
            self.acknowledged += 1;
        }
        Some(tag)
    }

    /// Every ticket up to here is delivered.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// The last ticket issued.
    pub(super) fn issued(&self) -> u64 {
        self.acknowledged + self.slots.len() as u64
    }

    /// Tickets above the mark, among them those that arrived before an earlier one.
    pub(super) fn in_flight(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_mark_is_contiguous_whatever_the_order_of_deliveries(
            order in (1_u64..200).prop_flat_map(|count| Just((1..=count).collect::<Vec<_>>()).prop_shuffle()),
            repeated in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let mut window = Window::default();
            for ticket in 1..=order.len() as u64 {
                prop_assert_eq!(window.issue(-1), ticket);
            }
            let mut delivered = std::collections::BTreeSet::new();
            let repeats = repeated.iter().map(|index| *index.get(&order));
            for ticket in order.iter().copied().chain(repeats) {
                prop_assert_eq!(window.deliver(ticket).is_some(), delivered.insert(ticket));
                let mark = (1..).take_while(|ticket| delivered.contains(ticket)).last().unwrap_or(0);
                prop_assert_eq!(window.acknowledged(), mark);
                prop_assert_eq!(window.in_flight() as u64, order.len() as u64 - mark);
            }
            prop_assert_eq!(window.acknowledged(), order.len() as u64);
        }
    }

    #[test]
    fn a_ticket_that_was_taken_back_is_issued_again() {
        let mut window = Window::default();
        assert_eq!((window.issue(5), window.issue(6)), (1, 2));
        window.take_back(1);
        assert_eq!(window.issued(), 2, "only the last one can be taken back");
        window.take_back(2);
        assert_eq!(window.issue(7), 2);
        assert_eq!(window.deliver(2), Some(7));
        assert_eq!(window.acknowledged(), 0);
        assert_eq!(window.deliver(1), Some(5));
        assert_eq!(window.acknowledged(), 2);
    }

    #[test]
    fn a_ticket_never_issued_changes_nothing() {
        let mut window = Window::default();
        assert_eq!(window.deliver(0), None);
        assert_eq!(window.deliver(9), None);
        assert_eq!(window.acknowledged(), 0);
    }
}
