//! What origins got and lost in a block since the last second: told to who counts all blocks.

use std::collections::BTreeMap;

use smallvec::SmallVec;
use weir_routing::{Asn, Prefix, rib::Slot};

use crate::signal::{EXAMPLES, Holding};

/// Since the last second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) of: BTreeMap<Asn, Holding>,
    /// Prefixes that sessions announced as they were before.
    pub(crate) repeated: BTreeMap<Slot, u32>,
    /// What was lost by the record at hand: see [`Holdings::of_record`].
    lost: SmallVec<[(Asn, Prefix); 4]>,
}

impl Holdings {
    /// What was counted since the last second; no record is at hand.
    pub(crate) fn of_second(of: Vec<(Asn, Holding)>, repeated: Vec<(Slot, u32)>) -> Self {
        Self {
            of: of.into_iter().collect(),
            repeated: repeated.into_iter().collect(),
            lost: SmallVec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty() && self.repeated.is_empty()
    }

    pub(crate) fn gains(&mut self, origin: Asn) {
        self.of.entry(origin).or_default().gained += 1;
    }

    pub(crate) fn loses(&mut self, origin: Asn, prefix: Prefix) {
        self.lost.push((origin, prefix));
        let holding = self.of.entry(origin).or_default();
        holding.withdrawn += 1;
        if holding.examples.len() < EXAMPLES {
            holding.examples.push(prefix);
        }
    }

    /// What the record at hand took from whom, once. Whether that is a part of what stays shows when all of it is done.
    pub(crate) fn of_record(&mut self) -> SmallVec<[(Asn, Prefix); 4]> {
        std::mem::take(&mut self.lost)
    }

    /// One of those that it lost is a part of what it still holds.
    pub(crate) fn loses_a_part(&mut self, origin: Asn) {
        self.of.entry(origin).or_default().parts += 1;
    }

    pub(crate) fn outlives(&mut self, origin: Asn) {
        self.of.entry(origin).or_default().replaced += 1;
    }

    pub(crate) fn repeats(&mut self, slot: Slot, prefixes: u32) {
        *self.repeated.entry(slot).or_default() += prefixes;
    }
}
