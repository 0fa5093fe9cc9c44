//! Who originated a prefix, when first and when last: outlives the routes by 30 days, so that a
//! hole in the data lowers certainty and never blinds. Times are stream time in microseconds.

use smallvec::SmallVec;
use weir_routing::Origin;

use crate::{facts::overlap, knowledge::Remembered, thresholds::Thresholds};

/// One origin of one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) origin: Origin,
    pub(crate) first_us: i64,
    /// When a route of it last came or went; it may still be there.
    pub(crate) last_us: i64,
    /// A RIB dump holds it.
    pub(crate) from_rib: bool,
    /// An incident about it ended: when it comes back it is as new.
    pub(crate) disputed: bool,
    /// It holds the prefix: see `table/held.rs`.
    pub(crate) held: bool,
    /// Judged as part of a larger prefix and found innocent.
    pub(crate) cleared: bool,
    /// What ROAs say of it.
    pub(crate) rpki: Remembered<bool>,
}

impl Seen {
    /// From a RIB, or old enough.
    pub(crate) fn is_stable(&self, now: i64, t: &Thresholds) -> bool {
        self.from_rib || now.saturating_sub(self.first_us) >= t.stable_after_us()
    }
}

/// The origins of one prefix in the order in which they first came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History(pub(crate) SmallVec<[Seen; 1]>);

impl History {
    pub(crate) fn get(&self, origin: &Origin) -> Option<&Seen> {
        self.0.iter().find(|seen| seen.origin == *origin)
    }

    pub(crate) fn get_mut(&mut self, origin: &Origin) -> Option<&mut Seen> {
        self.0.iter_mut().find(|seen| seen.origin == *origin)
    }

    /// A route of `origin` came. `present`: another one was there already.
    pub(crate) fn note(
        &mut self,
        origin: &Origin,
        now: i64,
        present: impl FnOnce() -> bool,
        t: &Thresholds,
    ) {
        let mut held = false;
        if let Some(at) = self.0.iter().position(|seen| seen.origin == *origin)
            && let Some(seen) = self.0.get_mut(at)
        {
            let gone = now.saturating_sub(seen.last_us) > t.history_us();
            if !(seen.disputed || gone) || present() {
                seen.last_us = now;
                return;
            }
            held = self.0.remove(at).held;
        }
        self.0.push(Seen {
            origin: origin.clone(),
            first_us: now,
            last_us: now,
            from_rib: false,
            disputed: false,
            held,
            cleared: false,
            rpki: Remembered::default(),
        });
    }

    /// Forgets what was last seen too long ago.
    pub(crate) fn forget(&mut self, now: i64, t: &Thresholds) {
        self.0
            .retain(|seen| now.saturating_sub(seen.last_us) <= t.history_us());
    }

    /// The stable origins that do not overlap with `other`.
    pub(crate) fn stable_strangers<'a>(
        &'a self,
        other: &'a Origin,
        now: i64,
        t: &'a Thresholds,
    ) -> impl Iterator<Item = &'a Seen> {
        self.0
            .iter()
            .filter(move |seen| seen.is_stable(now, t) && !overlap(&seen.origin, other))
    }
}
