//! When what is stale expires: planned when a session goes down or loses updates, called off when its peer speaks.

use smallvec::SmallVec;

use super::{DOUBT_US, Peers, SILENCE_US, Slot};

/// An expiry to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Stream time.
    pub due_us: i64,
    /// Routes with a lower generation go.
    pub below: u32,
    /// An UPDATE before that calls it off.
    pub silence: bool,
}

impl Expiry {
    /// Since when the routes are in doubt.
    pub(super) fn begun_us(&self) -> i64 {
        let span = if self.silence { SILENCE_US } else { DOUBT_US };
        self.due_us.saturating_sub(span)
    }
}

impl Peers {
    /// Lets expire what is due at `now`. Gives the slots that lost routes, ascending.
    pub fn expire(&mut self, now: i64) -> Vec<Slot> {
        let mut lost = Vec::new();
        while let Some(((due, slot), ())) = self.due.first_key_value() {
            if *due > now {
                break;
            }
            let (due, slot) = (*due, *slot);
            let below = self.session(slot).map_or(0, |session| {
                session
                    .pending
                    .iter()
                    .filter(|expiry| expiry.due_us <= due)
                    .map(|expiry| expiry.below)
                    .max()
                    .unwrap_or_default()
            });
            self.due.remove(&(due, slot));
            if self.drop_below(slot, below) {
                lost.push(slot);
            }
        }
        lost.sort_unstable();
        lost.dedup();
        lost
    }

    pub(super) fn drop_below(&mut self, slot: Slot, below: u32) -> bool {
        let Some(session) = self.get_mut(slot) else {
            return false;
        };
        let lost = below > session.expired_below;
        session.expired_below = session.expired_below.max(below);
        session.pending.retain(|expiry| expiry.below > below);
        self.replan(slot);
        lost
    }

    pub(super) fn revive(&mut self, slot: Slot, now: i64) {
        let earlier = self.earlier(slot);
        for slot in earlier.into_iter().chain([slot]) {
            if let Some(session) = self.get_mut(slot) {
                for expiry in session.pending.iter_mut().filter(|expiry| expiry.silence) {
                    expiry.silence = false;
                    expiry.due_us = now.saturating_add(DOUBT_US);
                }
            }
            self.replan(slot);
        }
    }

    /// One expiry per bound: the earlier one counts.
    pub(super) fn plan(&mut self, slot: Slot, due_us: i64, below: u32, silence: bool) {
        if let Some(session) = self.get_mut(slot) {
            // What dies sooner takes the older generations with it.
            session
                .pending
                .retain(|expiry| expiry.due_us < due_us || expiry.below > below);
            session.pending.push(Expiry {
                due_us,
                below,
                silence,
            });
        }
        self.replan(slot);
    }

    fn replan(&mut self, slot: Slot) {
        self.due.retain(|(_, other), ()| *other != slot);
        let due: SmallVec<[i64; 2]> = self
            .session(slot)
            .map(|session| session.pending.iter().map(|e| e.due_us).collect())
            .unwrap_or_default();
        self.wait(slot, !due.is_empty());
        for due_us in due {
            self.due.insert((due_us, slot), ());
        }
    }

    /// Notes whether anything of this session is to expire.
    pub(super) fn wait(&mut self, slot: Slot, waits: bool) {
        let Some(peer) = self.session(slot).map(|session| session.peer) else {
            return;
        };
        let slots = self.waiting.entry(peer).or_default();
        slots.retain(|other| *other != slot);
        if waits {
            slots.push(slot);
            slots.sort_unstable();
        } else if slots.is_empty() {
            self.waiting.remove(&peer);
        }
    }
}
