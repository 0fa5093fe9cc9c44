//! Peers that come and go, and lie: slots with generations, and when what is stale expires.
//!
//! Each session has a slot; numbers are never used twice. PeerDown and Gap raise the slot's
//! generation, so that all its routes are stale in O(1); an UPDATE revives the peer and refreshes
//! just the routes that it names. What is stale expires:
//! - after Down: after 180 s of silence, or at the End-of-RIB of the next session;
//! - after Gap, after a revival without a new session, or when the next session begins: in 24 h.
//!
//! Expiry takes effect when [`Peers::expire`] is told the time or an End-of-RIB comes. All times
//! are stream time in microseconds.

mod expiry;

use std::{collections::BTreeMap, sync::Arc};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::update::Peer;
pub use expiry::Expiry;

/// Stale routes of a peer that went down live this long in silence.
pub const SILENCE_US: i64 = 180 * 1_000_000;
/// Stale routes after a gap or a revival live this long.
pub const DOUBT_US: i64 = 24 * 3_600 * 1_000_000;
/// `PeerUp` of the same peer within this time belong to one session: OPEN sent, OPEN received,
/// state up.
pub const ONE_SESSION_US: i64 = 60 * 1_000_000;

/// Number of a session. Never used twice, never leaves the process but in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// What a route is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As good as heard now.
    Fresh,
    /// Its session ended or lost updates since: it neither counts nor ends anything.
    Stale,
    /// Gone.
    Expired,
}

/// One session of one peer. The fields are plain for the sake of snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Where the peer is heard.
    pub collector: Arc<str>,
    /// Who it is.
    pub peer: Peer,
    /// Raised by Down and Gap; a route with a lower one is stale.
    pub generation: u32,
    /// Routes with a lower generation are gone.
    pub expired_below: u32,
    /// Routes with a lower generation go at the End-of-RIB of the peer.
    pub ends_below: u32,
    /// No Down since the last `PeerUp` or UPDATE.
    pub up: bool,
    /// The newest session of its peer.
    pub current: bool,
    /// When a `PeerUp` opened it; none when an UPDATE did.
    pub opened_us: Option<i64>,
    /// Has spoken since it was opened.
    pub used: bool,
    /// Has announced an IPv4, an IPv6 prefix.
    pub announced: [bool; 2],
    /// When routes below which generation expire, and whether silence is the cause.
    pub pending: SmallVec<[Expiry; 1]>,
}

/// Every session that was ever seen.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    sessions: Vec<Session>,
    current: FxHashMap<Peer, SmallVec<[Slot; 1]>>,
    due: BTreeMap<(i64, Slot), ()>,
    /// Of each peer, who has something in `due`.
    waiting: FxHashMap<Peer, SmallVec<[Slot; 2]>>,
    up: [u32; 2],
}

impl Peers {
    /// From the sessions in the order of their slots.
    #[must_use]
    pub fn from_sessions(sessions: Vec<Session>) -> Self {
        let mut peers = Self::default();
        for session in sessions {
            let slot = peers.next_slot();
            for expiry in &session.pending {
                peers.due.insert((expiry.due_us, slot), ());
            }
            if session.current {
                peers.current.entry(session.peer).or_default().push(slot);
            }
            let waits = !session.pending.is_empty();
            peers.sessions.push(session);
            peers.wait(slot, waits);
        }
        peers.recount();
        peers
    }

    /// The sessions in the order of their slots.
    #[must_use]
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// The session in a slot.
    #[inline]
    #[must_use]
    pub fn session(&self, slot: Slot) -> Option<&Session> {
        self.sessions.get(slot.0 as usize)
    }

    /// What a route of this slot and generation is worth.
    #[inline]
    #[must_use]
    pub fn freshness(&self, slot: Slot, generation: u8) -> Freshness {
        let generation = u32::from(generation);
        match self.session(slot) {
            Some(session) if generation >= session.generation => Freshness::Fresh,
            Some(session) if generation >= session.expired_below => Freshness::Stale,
            _ => Freshness::Expired,
        }
    }

    /// Peers that are up and have announced a prefix of the family since their session began.
    #[must_use]
    pub fn vantage_points(&self, is_ipv4: bool) -> u32 {
        self.up[usize::from(!is_ipv4)]
    }

    /// The slot of the peer's newest session.
    #[inline]
    #[must_use]
    pub fn slot(&self, collector: &str, peer: Peer) -> Option<Slot> {
        self.current.get(&peer)?.iter().copied().find(|slot| {
            self.session(*slot)
                .is_some_and(|s| &*s.collector == collector)
        })
    }

    /// Earlier sessions of the same peer that still hold routes.
    #[must_use]
    pub fn earlier(&self, slot: Slot) -> SmallVec<[Slot; 2]> {
        let mut earlier = SmallVec::new();
        let Some(newest) = self.session(slot) else {
            return earlier;
        };
        let waiting = self.waiting.get(&newest.peer);
        for other in waiting.into_iter().flatten() {
            let session = self.session(*other);
            let is_of_it = session.is_some_and(|session| session.collector == newest.collector);
            if *other != slot && is_of_it {
                earlier.push(*other);
            }
        }
        earlier
    }

    /// True when any session waits for an expiry; else [`earlier`](Self::earlier) has nothing.
    #[inline]
    #[must_use]
    pub fn any_pending(&self) -> bool {
        !self.due.is_empty()
    }

    /// A session opened. Gives the slot that went stale by it, if any.
    pub fn up(&mut self, collector: &str, peer: Peer, now: i64) -> Option<Slot> {
        let Some(old) = self.slot(collector, peer) else {
            self.open(collector, peer, Some(now));
            return None;
        };
        if let Some(session) = self.get_mut(old) {
            let same = session.up
                && session
                    .opened_us
                    .is_some_and(|at| now.saturating_sub(at) <= ONE_SESSION_US);
            if same || !session.used {
                session.up = true;
                session.opened_us.get_or_insert(now);
                // What it said before a gap ends with the table that comes now.
                session.ends_below = session.generation;
                self.end_earlier(old);
                self.recount();
                return None;
            }
            session.up = false;
            session.current = false;
            session.generation += 1;
            let below = session.generation;
            session.ends_below = below;
            session.pending.clear();
            self.plan(old, now.saturating_add(DOUBT_US), below, false);
        }
        if let Some(slots) = self.current.get_mut(&peer) {
            slots.retain(|slot| *slot != old);
        }
        let new = self.open(collector, peer, Some(now));
        self.end_earlier(new);
        self.recount();
        Some(old)
    }

    /// What earlier sessions of the peer said ends with the table of this one.
    fn end_earlier(&mut self, slot: Slot) {
        for earlier in self.earlier(slot) {
            if let Some(session) = self.get_mut(earlier) {
                session.ends_below = session.generation;
            }
        }
    }

    /// A session closed, or so it says. Gives its slot.
    pub fn down(&mut self, collector: &str, peer: Peer, now: i64) -> Option<Slot> {
        let slot = self.slot(collector, peer)?;
        let session = self.get_mut(slot)?;
        session.up = false;
        session.generation += 1;
        let below = session.generation;
        session.ends_below = below;
        self.plan(slot, now.saturating_add(SILENCE_US), below, true);
        // With the newest session the earlier ones fall silent too.
        for slot in self.earlier(slot) {
            let below = self.session(slot).map_or(0, |s| s.generation);
            self.plan(slot, now.saturating_add(SILENCE_US), below, true);
        }
        self.recount();
        Some(slot)
    }

    /// Updates of one peer, or of all of a collector, were lost. Gives the slots.
    pub fn gap(&mut self, collector: &str, peer: Option<Peer>, now: i64) -> Vec<Slot> {
        let slots: Vec<Slot> = self
            .slots()
            .filter(|(_, session)| {
                session.current
                    && &*session.collector == collector
                    && peer.is_none_or(|peer| session.peer == peer)
            })
            .map(|(slot, _)| slot)
            .collect();
        for slot in &slots {
            if let Some(session) = self.get_mut(*slot) {
                session.generation += 1;
                let below = session.generation;
                self.plan(*slot, now.saturating_add(DOUBT_US), below, false);
            }
        }
        slots
    }

    /// The peer says something: opens its slot when it has none, revives it when it is down.
    /// Gives the slot and the generation of what it says.
    #[inline]
    pub fn heard(&mut self, collector: &str, peer: Peer, now: i64) -> (Slot, u8) {
        let slot = match self.slot(collector, peer) {
            Some(slot) => self.successor(slot, now),
            None => self.open(collector, peer, None),
        };
        let Some(session) = self.get_mut(slot) else {
            return (slot, 0);
        };
        session.used = true;
        let generation = u8::try_from(session.generation).unwrap_or(u8::MAX);
        if !session.up {
            session.up = true;
            self.revive(slot, now);
            self.recount();
        }
        (slot, generation)
    }

    /// Notes that the session announces prefixes of a family.
    #[inline]
    pub fn announces(&mut self, slot: Slot, is_ipv4: bool) {
        let family = usize::from(!is_ipv4);
        if let Some(session) = self.get_mut(slot)
            && !session.announced[family]
        {
            session.announced[family] = true;
            self.recount();
        }
    }

    /// The peer has sent its whole table: what an earlier session said goes, and what the current
    /// one said before it was last down. Gives the slots that lost routes.
    pub fn end_of_rib(&mut self, collector: &str, peer: Peer) -> Vec<Slot> {
        self.end(collector, peer, |session| session.ends_below)
    }

    /// A dump that was taken at `table_us` holds no more of the peer: what was stale by then, and was not in it, goes.
    /// What became stale later may have come after the dump, and stays. Gives the slots that lost routes.
    pub fn end_of_table(&mut self, collector: &str, peer: Peer, table_us: i64) -> Vec<Slot> {
        self.end(collector, peer, |session| {
            let pending = session.pending.iter();
            let before = pending.filter(|expiry| expiry.begun_us() < table_us);
            before.map(|expiry| expiry.below).max().unwrap_or_default()
        })
    }

    /// Of each session of the peer, the routes below a generation go. Gives the slots that lost some, ascending.
    fn end(&mut self, collector: &str, peer: Peer, below: impl Fn(&Session) -> u32) -> Vec<Slot> {
        let Some(slot) = self.slot(collector, peer) else {
            return Vec::new();
        };
        let mut lost = self.earlier(slot).into_vec();
        lost.push(slot);
        lost.sort_unstable();
        lost.retain(|slot| {
            let below = self.session(*slot).map_or(0, &below);
            self.drop_below(*slot, below)
        });
        lost
    }

    fn open(&mut self, collector: &str, peer: Peer, opened_us: Option<i64>) -> Slot {
        let slot = self.next_slot();
        let known = self
            .sessions
            .iter()
            .rev()
            .find(|s| &*s.collector == collector);
        let collector = known.map_or_else(|| collector.into(), |s| Arc::clone(&s.collector));
        self.sessions.push(Session {
            collector,
            peer,
            generation: 0,
            expired_below: 0,
            ends_below: 0,
            up: true,
            current: true,
            opened_us,
            used: false,
            announced: [false; 2],
            pending: SmallVec::new(),
        });
        self.current.entry(peer).or_default().push(slot);
        slot
    }

    /// The same slot, or a new one when there are no more generations for it: a route has one byte for its own. An
    /// OPEN gives a new slot anyway: this is for a peer that is down again and again and never sends one.
    fn successor(&mut self, slot: Slot, now: i64) -> Slot {
        let Some(session) = self.get_mut(slot) else {
            return slot;
        };
        if u8::try_from(session.generation).is_ok() {
            return slot;
        }
        session.current = false;
        session.up = false;
        let (collector, peer) = (Arc::clone(&session.collector), session.peer);
        let announced = session.announced;
        if let Some(slots) = self.current.get_mut(&peer) {
            slots.retain(|other| *other != slot);
        }
        let next = self.open(&collector, peer, None);
        if let Some(session) = self.get_mut(next) {
            session.announced = announced;
        }
        self.revive(next, now);
        self.recount();
        next
    }

    fn next_slot(&self) -> Slot {
        Slot(u32::try_from(self.sessions.len()).unwrap_or(u32::MAX))
    }

    fn slots(&self) -> impl Iterator<Item = (Slot, &Session)> {
        (0..).map(Slot).zip(&self.sessions)
    }

    #[inline]
    fn get_mut(&mut self, slot: Slot) -> Option<&mut Session> {
        self.sessions.get_mut(slot.0 as usize)
    }

    fn recount(&mut self) {
        let count = |family: usize| {
            self.sessions
                .iter()
                .filter(|s| s.current && s.up && s.announced[family])
                .count()
        };
        self.up = [count(0), count(1)].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests;
