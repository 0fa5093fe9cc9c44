//! What is known of the table of one collector: whether it is wanted, of when, and what has been said since.
//!
//! A dump must not take back what was said after it was taken. Of routes that were announced the detector knows
//! (docs/detector.md 7); here it is remembered what was withdrawn, and whose session began or ended.

use rustc_hash::FxHashSet;
use weir_eventlog::Ticket;
use weir_events::time::MINUTE_US;
use weir_routing::{Body, Message, Nlri, Peer};

use super::archive::Archive;
use crate::writer;

/// Withdrawn routes that are remembered; who has more of them gets the next table.
const MOST_WITHDRAWN: usize = 1_000_000;
/// An archive has a dump so long after it was taken.
const LATE_US: i64 = 15 * MINUTE_US;

/// Where the table of a collector stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing is missing.
    Whole,
    /// To be ordered at `due_us`: a table of `from_us` or later.
    Wanted { from_us: i64, due_us: i64 },
    /// Under way.
    Ordered,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) archive: Archive,
    pub(super) phase: Phase,
    /// No table has ever been read to its end.
    is_first: bool,
    /// A table of this slot was written to its end, which is remembered once the log has it.
    pub(super) written: Option<(i64, Ticket)>,
    /// When updates were lost since the first table was ordered.
    gap_us: Option<i64>,
    /// What is said before this event time stands in the table.
    since_us: i64,
    withdrawn: FxHashSet<(Peer, Nlri)>,
    changed: FxHashSet<Peer>,
}

impl Table {
    /// Of a collector that is heard from now on. Its first table is the newest there is; when it had one in an
    /// earlier life, only one of after the hole tells more than what was heard.
    pub(super) fn new(archive: Archive, is_first: bool, now_us: i64) -> Self {
        let mut table = Self {
            archive,
            phase: Phase::Whole,
            is_first,
            written: None,
            gap_us: None,
            since_us: i64::MIN,
            withdrawn: FxHashSet::default(),
            changed: FxHashSet::default(),
        };
        if is_first {
            table.try_again(now_us, 0);
        } else {
            table.want_after(now_us);
        }
        table
    }

    /// Only a table that is taken after this will do.
    pub(super) fn want_after(&mut self, gap_us: i64) {
        let from_us = self.archive.first_after(gap_us);
        self.phase = Phase::Wanted {
            from_us,
            due_us: from_us + LATE_US,
        };
        self.since_us = from_us;
        self.forget();
    }

    fn forget(&mut self) {
        self.gap_us = None;
        self.withdrawn = FxHashSet::default();
        self.changed = FxHashSet::default();
    }

    /// Updates were lost. True when the table that is under way is of no use any more: a first one is a baseline
    /// still, another one is not.
    pub(super) fn gap(&mut self, now_us: i64) -> bool {
        match self.phase {
            Phase::Ordered if self.is_first => self.gap_us = Some(now_us),
            Phase::Ordered => {
                self.want_after(now_us);
                return true;
            }
            Phase::Wanted { .. } if self.is_first && self.since_us == i64::MIN => {}
            _ => self.want_after(now_us),
        }
        false
    }

    /// Remembers what a dump must not take back. True when that became too much, for the table that is under way too.
    pub(super) fn hear(&mut self, message: &Message, now_us: i64) -> bool {
        let awaits = matches!(self.phase, Phase::Wanted { .. } | Phase::Ordered);
        if !awaits || message.event_time_us < self.since_us {
            return false;
        }
        if writer::changes_session(&message.body) {
            self.changed.insert(message.peer);
        }
        let Body::Update(update) = &message.body else {
            return false;
        };
        let of = |nlri: &Nlri| (message.peer, *nlri);
        self.withdrawn.extend(update.withdrawn.iter().map(of));
        for nlri in &update.announced {
            self.withdrawn.remove(&of(nlri));
        }
        let is_full = self.withdrawn.len() > MOST_WITHDRAWN;
        if is_full {
            self.want_after(now_us);
        }
        is_full
    }

    /// False of an entry of the dump whose peer has said otherwise since.
    pub(super) fn admits(&self, message: &Message) -> bool {
        let is_withdrawn = |nlri: &Nlri| self.withdrawn.contains(&(message.peer, *nlri));
        !self.changed.contains(&message.peer)
            && match &message.body {
                Body::Update(update) => !update.announced.iter().any(is_withdrawn),
                _ => true,
            }
    }

    /// The slots to be asked for now, the best first; none = it is not yet time.
    pub(super) fn order(&mut self, now_us: i64) -> Vec<i64> {
        let Phase::Wanted { from_us, due_us } = self.phase else {
            return Vec::new();
        };
        if due_us > now_us {
            return Vec::new();
        }
        let slots = self.archive.slots(from_us, now_us);
        if !slots.is_empty() {
            self.phase = Phase::Ordered;
        }
        slots
    }

    /// It came to its end, and everything up to `ticket` is of it or before it.
    pub(super) fn written(&mut self, slot_us: i64, ticket: Ticket) {
        self.is_first = false;
        self.written = Some((slot_us, ticket));
        self.phase = Phase::Whole;
        let gap_us = self.gap_us;
        self.forget();
        if let Some(gap_us) = gap_us {
            self.want_after(gap_us);
        }
    }

    /// It did not come: the same again later.
    pub(super) fn try_again(&mut self, now_us: i64, wait_us: i64) {
        let from_us = if self.since_us == i64::MIN {
            let slots = self.archive.newest(now_us);
            slots.last().copied().unwrap_or(now_us)
        } else {
            self.since_us
        };
        self.phase = Phase::Wanted {
            from_us,
            due_us: now_us.saturating_add(wait_us),
        };
    }

    /// Part of how much there is to do of first tables, of 100; `None` = this one is not under way.
    pub(super) fn warming(&self, now_us: i64, under_way: u64) -> Option<u64> {
        match self.phase {
            _ if !self.is_first => Some(100),
            Phase::Ordered => Some(under_way),
            Phase::Wanted { from_us, .. } => (from_us <= now_us).then_some(0),
            Phase::Whole => Some(100),
        }
    }
}

#[cfg(test)]
mod tests;
