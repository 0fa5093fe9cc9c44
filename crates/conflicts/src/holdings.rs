//! What origins got and lost in a block since the last second: told to who counts all blocks.

use std::collections::BTreeMap;

use weir_routing::{Asn, Prefix, rib::Slot};

use crate::signal::{EXAMPLES, Holding};

/// Since the last second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) of: BTreeMap<Asn, Holding>,
    /// Prefixes that sessions announced as they were before.
    pub(crate) repeated: BTreeMap<Slot, u32>,
}

impl Holdings {
    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty() && self.repeated.is_empty()
    }

    pub(crate) fn gains(&mut self, origin: Asn) {
        self.of.entry(origin).or_default().gained += 1;
    }

    pub(crate) fn loses(&mut self, origin: Asn, prefix: Prefix) {
        let holding = self.of.entry(origin).or_default();
        holding.withdrawn += 1;
        if holding.examples.len() < EXAMPLES {
            holding.examples.push(prefix);
        }
    }

    pub(crate) fn outlives(&mut self, origin: Asn) {
        self.of.entry(origin).or_default().replaced += 1;
    }

    pub(crate) fn repeats(&mut self, slot: Slot, prefixes: u32) {
        *self.repeated.entry(slot).or_default() += prefixes;
    }
}
