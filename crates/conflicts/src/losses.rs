//! Who lost a prefix: the vantage points of one block that withdrew it and have not announced it again.
//!
//! Routes that were withdrawn are gone; this is what is left of them for a while. A loss belongs to a session as it was
//! then: whoever was down since, or lost updates, neither carries nor has lost.

use std::collections::{BTreeSet, HashMap};

use rustc_hash::{FxBuildHasher, FxHashMap};
use weir_routing::{
    AsPath, Asn, Prefix,
    rib::{PathRef, PathTable, Peers, Slot},
};

use crate::{table::Voice, thresholds::Thresholds};

/// One vantage point's loss of one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Generation of the session that withdrew it.
    pub(crate) generation: u8,
    /// What it had, by the paths of the losses.
    pub(crate) path: PathRef,
    /// Stream time of the withdrawal.
    pub(crate) at_us: i64,
    /// Event time of the withdrawal.
    pub(crate) event_time_us: i64,
    /// The withdrawal was made up.
    pub(crate) synthetic: bool,
}

impl Loss {
    /// Of who speaks now; what it had is not said yet.
    pub(crate) fn now(voice: Voice<'_>, synthetic: bool) -> Self {
        Self {
            generation: voice.generation,
            path: PathRef(u32::MAX),
            at_us: voice.now,
            event_time_us: voice.event_time_us,
            synthetic,
        }
    }

    /// The session has been there ever since, without a hole.
    fn stands(&self, slot: Slot, peers: &Peers) -> bool {
        let session = peers.session(slot);
        session.is_some_and(|of| of.current && of.generation == u32::from(self.generation))
    }

    /// It is of so long ago that nobody has to have the prefix any more.
    pub(crate) fn is_old(&self, now: i64, t: &Thresholds) -> bool {
        now >= self.old_at(t)
    }

    /// Stream time from which on it is too old.
    pub(crate) fn old_at(&self, t: &Thresholds) -> i64 {
        self.at_us.saturating_add(t.visibility_remembered_us())
    }
}

/// The losses of one prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missed {
    /// By session.
    pub(crate) by: Vec<(Slot, Loss)>,
    /// Since when too few carry it, until that is told of.
    pub(crate) since_us: Option<i64>,
}

/// The losses of one block, by prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses {
    /// What was lost, each with the lowest ASN of its origin. Not those of the table: there a path that nobody has any
    /// more is forgotten.
    paths: PathTable<(), Option<Asn>>,
    of: HashMap<Prefix, Missed, FxBuildHasher>,
    of_slot: FxHashMap<Slot, u32>,
    /// Prefixes that too few carry, by since when.
    waiting: BTreeSet<(i64, Prefix)>,
}

impl Losses {
    /// A session lost its last route to a prefix. `loss` tells of it but for the path.
    pub(crate) fn add(
        &mut self,
        prefix: Prefix,
        slot: Slot,
        (path, suspect): (&AsPath, Option<Asn>),
        loss: Loss,
    ) {
        let path = self.paths.intern(path, (), |_| suspect);
        let loss = Loss { path, ..loss };
        let by = &mut self.of.entry(prefix).or_default().by;
        match find(by, slot) {
            Ok(at) => {
                if let Some((_, known)) = by.get_mut(at) {
                    self.paths.release(known.path);
                    *known = loss;
                }
            }
            Err(at) => {
                by.insert(at, (slot, loss));
                *self.of_slot.entry(slot).or_default() += 1;
            }
        }
    }

    /// The session has a route to it again. Who had one all the time lost none.
    pub(crate) fn came_back(&mut self, prefix: &Prefix, slot: Slot) {
        let Some(missed) = self.of.get_mut(prefix) else {
            return;
        };
        let Ok(at) = find(&missed.by, slot) else {
            return;
        };
        let (_, loss) = missed.by.remove(at);
        self.paths.release(loss.path);
        one_less(&mut self.of_slot, slot);
        if *missed == Missed::default() {
            self.of.remove(prefix);
        }
    }

    /// From now on too few carry it, or enough again.
    pub(crate) fn wait(&mut self, prefix: Prefix, since_us: Option<i64>) {
        let missed = self.of.entry(prefix).or_default();
        if let Some(before) = std::mem::replace(&mut missed.since_us, since_us) {
            self.waiting.remove(&(before, prefix));
        }
        if let Some(since) = since_us {
            self.waiting.insert((since, prefix));
        } else if missed.by.is_empty() {
            self.of.remove(&prefix);
        }
    }

    /// True while too few carry it, and that has not been told.
    pub(crate) fn waits(&self, prefix: &Prefix) -> bool {
        let waits = |missed: &Missed| missed.since_us.is_some();
        !self.waiting.is_empty() && self.of.get(prefix).is_some_and(waits)
    }

    /// Prefixes that too few have carried since then or before.
    pub(crate) fn waiting_since(&self, since_us: i64) -> Vec<Prefix> {
        let waiting = self.waiting.iter();
        let due = waiting.take_while(|(since, _)| *since <= since_us);
        due.map(|(_, prefix)| *prefix).collect()
    }

    /// All losses of a prefix, by session.
    pub(crate) fn of(&self, prefix: &Prefix) -> &[(Slot, Loss)] {
        let missed = self.of.get(prefix);
        missed.map_or(&[], |missed| missed.by.as_slice())
    }

    /// Those of them that count: the session stands, and it was not long ago.
    pub(crate) fn counted<'a>(
        &'a self,
        prefix: &Prefix,
        peers: &'a Peers,
        now: i64,
        t: &'a Thresholds,
    ) -> impl Iterator<Item = (Slot, Loss)> + 'a {
        let all = self.of(prefix).iter().copied();
        all.filter(move |(slot, loss)| loss.stands(*slot, peers) && !loss.is_old(now, t))
    }

    /// True when this session lost it.
    pub(crate) fn has(&self, prefix: &Prefix, slot: Slot) -> bool {
        find(self.of(prefix), slot).is_ok()
    }

    /// True when there is something to look up.
    pub(crate) fn any(&self, prefix: &Prefix) -> bool {
        self.of.contains_key(prefix)
    }

    /// How many prefixes a session lost.
    pub(crate) fn of_slot(&self, slot: Slot) -> u32 {
        self.of_slot.get(&slot).copied().unwrap_or_default()
    }

    /// Who lost any, with how many, in no order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (Slot, u32)> {
        self.of_slot.iter().map(|(slot, count)| (*slot, *count))
    }

    /// What was lost, and the lowest ASN of its origin.
    pub(crate) fn path(&self, at: PathRef) -> Option<(&AsPath, Option<Asn>)> {
        let suspect = self.paths.facts(at).copied().flatten();
        self.paths.path(at).map(|path| (path, suspect))
    }

    /// Forgets what does not count any more. That depends on nothing but the state and the time, and neither may when
    /// it is done: how much a session lost says how much it had.
    pub(crate) fn forget(&mut self, peers: &Peers, now: i64, t: &Thresholds) {
        let Self {
            paths, of, of_slot, ..
        } = self;
        of.retain(|_, missed| {
            missed.by.retain(|(slot, loss)| {
                let stays = loss.stands(*slot, peers) && !loss.is_old(now, t);
                if !stays {
                    paths.release(loss.path);
                    one_less(of_slot, *slot);
                }
                stays
            });
            *missed != Missed::default()
        });
    }

    /// All of it, by prefix.
    pub(crate) fn sorted(&self) -> Vec<(&Prefix, &Missed)> {
        let mut all: Vec<_> = self.of.iter().collect();
        all.sort_unstable_by_key(|(prefix, _)| **prefix);
        all
    }
}

fn find(by: &[(Slot, Loss)], slot: Slot) -> Result<usize, usize> {
    by.binary_search_by_key(&slot, |(of, _)| *of)
}

fn one_less(of_slot: &mut FxHashMap<Slot, u32>, slot: Slot) {
    if let Some(count) = of_slot.get_mut(&slot) {
        *count -= 1;
        if *count == 0 {
            of_slot.remove(&slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_events::time::SECOND_US;
    use weir_routing::Peer;

    use super::*;

    const DAY: i64 = 86_400 * SECOND_US;

    fn prefix() -> Prefix {
        "10.64.0.0/20".parse().unwrap()
    }

    fn lose(losses: &mut Losses, slot: u32, at_us: i64) {
        let path: AsPath = "64501 64500".parse().unwrap();
        let loss = Loss {
            generation: 0,
            path: PathRef(0),
            at_us,
            event_time_us: at_us,
            synthetic: false,
        };
        losses.add(prefix(), Slot(slot), (&path, Some(Asn(64_500))), loss);
    }

    fn two_sessions() -> (Peers, [Peer; 2]) {
        let mut peers = Peers::default();
        let both = [1, 2].map(|n| {
            let address = std::net::Ipv4Addr::from_bits(n);
            Peer::new(address.into(), Asn(64_501))
        });
        for peer in both {
            peers.heard("rrc00", peer, 0);
        }
        (peers, both)
    }

    fn counted(losses: &Losses, peers: &Peers, now: i64) -> Vec<u32> {
        let t = Thresholds::default();
        let counted = losses.counted(&prefix(), peers, now, &t);
        counted.map(|(slot, _)| slot.0).collect()
    }

    #[test]
    fn a_loss_counts_for_a_day_while_its_session_stands() {
        let (mut peers, [_, other]) = two_sessions();
        let mut losses = Losses::default();
        lose(&mut losses, 1, SECOND_US);
        lose(&mut losses, 0, 0);
        assert_eq!(counted(&losses, &peers, DAY - 1), [0, 1]);
        assert_eq!(counted(&losses, &peers, DAY), [1]);
        peers.gap("rrc00", Some(other), 2 * SECOND_US);
        assert_eq!(counted(&losses, &peers, 2 * SECOND_US), [0]);
        losses.forget(&peers, 2 * SECOND_US, &Thresholds::default());
        assert_eq!((losses.of_slot(Slot(0)), losses.of_slot(Slot(1))), (1, 0));
        losses.forget(&peers, DAY, &Thresholds::default());
        assert!(!losses.any(&prefix()));
    }

    #[test]
    fn what_came_back_leaves_nothing_behind() {
        let mut losses = Losses::default();
        lose(&mut losses, 0, 0);
        lose(&mut losses, 0, 1);
        assert_eq!(losses.of_slot(Slot(0)), 1, "the same prefix");
        losses.came_back(&prefix(), Slot(1));
        assert!(losses.has(&prefix(), Slot(0)));
        losses.came_back(&prefix(), Slot(0));
        assert!(!losses.any(&prefix()));
        assert_eq!(losses.slots().count(), 0);
        assert!(losses.path(PathRef(0)).is_none(), "nor the path");
    }

    #[test]
    fn who_waits_is_due_in_order() {
        let mut losses = Losses::default();
        lose(&mut losses, 0, 0);
        losses.wait(prefix(), Some(5));
        assert!(losses.waits(&prefix()));
        assert_eq!(losses.waiting_since(4), []);
        assert_eq!(losses.waiting_since(5), [prefix()]);
        losses.came_back(&prefix(), Slot(0));
        assert!(losses.any(&prefix()), "until somebody has judged");
        losses.wait(prefix(), None);
        assert!(!losses.any(&prefix()));
        assert_eq!(losses.waiting_since(i64::MAX), []);
    }
}
