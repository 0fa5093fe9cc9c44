//! What a `visibility-loss` rests on: not on routes that stand, but on those that vantage points lost.

use smallvec::SmallVec;
use weir_routing::{
    Asn, Prefix,
    rib::{Freshness, Peers, Route, Slot},
};

use super::{Cause, Ground, Shard, incidents::Sight};
use crate::{
    incident::{
        EndReason, Evidence, Incident, Key, Role, State, Transition, insert_sorted, reason,
    },
    rules::visibility_loss::{self, Standing, Visibility},
    table::Table,
    thresholds::Thresholds,
};

/// A vantage point is one of the full feed when its routes in the block, with those that it lost, times a hundred are
/// as many.
#[derive(Clone, Copy, Debug)]
struct FullFeed(u64);

impl Shard {
    /// A record changed routes of a prefix that somebody has lost: takes note when too few begin to carry it, or when
    /// enough do again. Told is what lasts.
    pub(super) fn recount(&mut self, prefix: Prefix, announced: bool, ground: Ground<'_>) {
        let t = ground.measure.thresholds;
        // What is withdrawn ends no wait, and what is announced begins none.
        if self.losses.waits(&prefix) != announced {
            return;
        }
        if announced {
            if !self.visibility(&prefix, ground).is_loss(t) {
                self.losses.wait(prefix, None);
            }
        } else if self.may_be_lost(&prefix, t) && self.visibility(&prefix, ground).is_loss(t) {
            self.losses.wait(prefix, Some(ground.control.now()));
        }
    }

    /// Enough have lost it to count them, nobody withdraws it on purpose, and it is not told of yet.
    fn may_be_lost(&self, prefix: &Prefix, t: &Thresholds) -> bool {
        let lost = u64::try_from(self.losses.of(prefix).len()).unwrap_or(u64::MAX);
        let stays = 100_u64.saturating_sub(t.visibility_lost_below_percent.into());
        lost * 100 > u64::from(t.visibility_least_peers) * stays
            && !t.is_beacon(prefix)
            && !self.is_told_lost(*prefix)
    }

    fn is_told_lost(&self, prefix: Prefix) -> bool {
        self.open_of(prefix, Role::LostOrigin).next().is_some()
    }

    /// The open incidents of a prefix and a role, whoever is the suspect.
    fn open_of(&self, prefix: Prefix, role: Role) -> impl Iterator<Item = &Incident> {
        let key = |suspect| Key {
            prefix,
            role,
            suspect,
            from: Asn(0),
        };
        let open = self.open.range(key(Asn(0))..=key(Asn(u32::MAX)));
        open.map(|(_, live)| &live.incident)
    }

    fn standing(&self, prefix: Prefix, had: u32, origin: Asn, ground: Ground<'_>) -> Standing {
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let entry = self.table.entries.get(&prefix);
        let mut history = entry.into_iter().flat_map(|entry| &entry.history.0);
        let mut flaps = self.open_of(prefix, Role::FlappingOrigin);
        Standing {
            is_stable: history.any(|seen| seen.is_stable(now, t)),
            flaps: flaps.any(|flap| flap.state == State::Confirmed),
            is_withdrawn: self.is_withdrawn(&prefix, origin, ground),
            is_inside: self.is_inside(&prefix, had, origin, ground),
        }
    }

    /// Another prefix of the origin covers it, in this block, and enough of so many as had the part carry that.
    fn is_inside(&self, prefix: &Prefix, had: u32, origin: Asn, ground: Ground<'_>) -> bool {
        let t = ground.measure.thresholds;
        let whole = self.table.held_around(prefix, origin);
        whole.is_some_and(|whole| !self.visibility(&whole, ground).is_too_low_of(had, t))
    }

    /// Of all vantage points, those too that tell of little, fewer ASNs than confirm anything carry it from this origin.
    fn is_withdrawn(&self, prefix: &Prefix, origin: Asn, ground: Ground<'_>) -> bool {
        let peers = &ground.control.peers;
        let Table {
            entries,
            seats,
            paths,
            ..
        } = &self.table;
        let routes = entries.get(prefix).into_iter();
        let mut asns: SmallVec<[Asn; 16]> = SmallVec::new();
        for route in routes.flat_map(|entry| entry.routes.iter(seats)) {
            let facts = paths.facts(route.path).and_then(|f| f.origin.as_ref());
            if carries(&route, peers).is_some()
                && facts.is_some_and(|of| of.asns().contains(&origin))
                && let Some(session) = peers.session(route.slot)
                && !asns.contains(&session.peer.asn)
            {
                asns.push(session.peer.asn);
            }
        }
        asns.len() < ground.measure.thresholds.peers_to_confirm()
    }

    /// Opens what too few have carried for long enough.
    pub(super) fn tell_losses(
        &mut self,
        ground: Ground<'_>,
        cause: Cause<'_>,
        out: &mut Vec<Transition>,
    ) {
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let since = now.saturating_sub(t.visibility_lost_after_us());
        for prefix in self.losses.waiting_since(since) {
            self.losses.wait(prefix, None);
            self.dirty = true;
            let visibility = self.visibility(&prefix, ground);
            let Some(origin) = self.lost_origin(&prefix, ground) else {
                continue;
            };
            let standing = self.standing(prefix, visibility.base(), origin, ground);
            let Some(finding) = visibility_loss::judge(&visibility, standing, origin, t) else {
                continue;
            };
            let key = Key {
                prefix,
                role: Role::LostOrigin,
                suspect: origin,
                from: Asn(0),
            };
            let Some(change) = self.open(key, &finding, None, ground, cause) else {
                continue;
            };
            self.witness_losses(key, None, ground);
            let unsure = EndReason::Unknown;
            self.settle(key, Some(change), false, unsure, ground, cause, out);
        }
    }

    /// The lowest of those that originated what was lost.
    fn lost_origin(&self, prefix: &Prefix, ground: Ground<'_>) -> Option<Asn> {
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let peers = &ground.control.peers;
        let lost = self.losses.counted(prefix, peers, now, t);
        lost.filter_map(|(_, loss)| self.losses.path(loss.path)?.1)
            .min()
    }

    /// How much of this block a vantage point has to have: a share of what the last of those has that are enough to tell
    /// of a loss, so that no single one with much more makes all others small; of the most, where fewer have any. Of a
    /// block, since each is judged on its own state; paths of one session (RFC 7911) count once per prefix at most.
    fn full_feed(&self, t: &Thresholds) -> FullFeed {
        let (seats, losses) = (&self.table.seats, &self.losses);
        let carry = seats
            .counts()
            .map(|(slot, routes)| routes.saturating_add(losses.of_slot(slot)));
        let lost_all = losses.slots().filter(|(slot, _)| seats.count(*slot) == 0);
        let had = carry.chain(lost_all.map(|(_, lost)| lost));
        let mut had: SmallVec<[u32; 512]> = had.filter(|had| *had > 0).collect();
        had.sort_unstable_by(|a, b| b.cmp(a));
        let last = usize::try_from(t.visibility_least_peers.saturating_sub(1));
        let of_last = last.ok().and_then(|last| had.get(last));
        let measure = of_last.or(had.first()).copied().unwrap_or_default();
        let prefixes = u64::try_from(self.table.entries.len()).unwrap_or(u64::MAX);
        FullFeed(u64::from(measure).min(prefixes) * u64::from(t.full_feed_percent))
    }

    fn is_full_feed(&self, slot: Slot, full_feed: FullFeed) -> bool {
        let routes = self.table.seats.count(slot);
        let had = routes.saturating_add(self.losses.of_slot(slot));
        u64::from(had) * 100 >= full_feed.0
    }

    /// Who has a prefix, each session once; true of those whose route is not stale.
    pub(crate) fn carriers(
        &self,
        prefix: &Prefix,
        ground: Ground<'_>,
    ) -> SmallVec<[(Slot, bool); 64]> {
        let peers = &ground.control.peers;
        let mut carriers: SmallVec<[(Slot, bool); 64]> = SmallVec::new();
        let entry = self.table.entries.get(prefix);
        for route in entry
            .into_iter()
            .flat_map(|entry| entry.routes.iter(&self.table.seats))
        {
            let Some(fresh) = carries(&route, peers) else {
                continue;
            };
            match carriers.last_mut() {
                Some((slot, known)) if *slot == route.slot => *known |= fresh,
                _ => carriers.push((route.slot, fresh)),
            }
        }
        carriers
    }

    /// How many vantage points are up and have a full feed of this block.
    pub(crate) fn full_feed_points(&self, ground: Ground<'_>) -> u32 {
        let full_feed = self.full_feed(ground.measure.thresholds);
        let peers = &ground.control.peers;
        let up = self.table.seats.counts().filter(|(slot, _)| {
            let session = peers.session(*slot);
            session.is_some_and(|session| session.current && session.up)
        });
        let full = up.filter(|(slot, _)| self.is_full_feed(*slot, full_feed));
        u32::try_from(full.count()).unwrap_or(u32::MAX)
    }

    /// How much of the full feed has a prefix, and had it.
    pub(crate) fn visibility(&self, prefix: &Prefix, ground: Ground<'_>) -> Visibility {
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let full_feed = self.full_feed(t);
        let mut visibility = Visibility::default();
        let peers = &ground.control.peers;
        for (slot, fresh) in self.carriers(prefix, ground) {
            let is_counted = self.is_full_feed(slot, full_feed);
            visibility.carrying += u32::from(is_counted && fresh);
            visibility.in_doubt += u32::from(is_counted && !fresh);
        }
        for (slot, _) in self.losses.counted(prefix, peers, now, t) {
            visibility.lost += u32::from(self.is_full_feed(slot, full_feed));
        }
        visibility
    }

    /// Who lost it and who carries it now. `expected_left` is false when it was as good as withdrawn.
    pub(super) fn losses(&self, key: Key, ground: Ground<'_>) -> Sight {
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let (prefix, peers) = (&key.prefix, &ground.control.peers);
        let visibility = self.visibility(prefix, ground);
        let any_left = visibility.is_too_low(t);
        let mut sight = Sight {
            visible_peers: visibility.carrying,
            base: Some(visibility.base()),
            any_left,
            expected_left: !(any_left && self.is_withdrawn(prefix, key.suspect, ground)),
            ..Sight::default()
        };
        for (slot, _) in self.losses.counted(prefix, peers, now, t) {
            if let Some(session) = peers.session(slot)
                && !sight.asns.contains(&session.peer.asn)
            {
                sight.asns.push(session.peer.asn);
            }
        }
        let Some(entry) = self.table.entries.get(prefix) else {
            return sight;
        };
        for route in entry.routes.iter(&self.table.seats) {
            if peers.freshness(route.slot, route.generation) != Freshness::Fresh {
                continue;
            }
            let facts = self.table.paths.facts(route.path);
            let origin = facts.and_then(|facts| facts.origin.as_ref());
            for asn in origin.map_or(&[][..], |origin| origin.asns()) {
                insert_sorted(&mut sight.origins, *asn);
            }
        }
        sight
    }

    /// Files what was lost, by all or by who speaks. True when that is news.
    pub(super) fn witness_losses(
        &mut self,
        key: Key,
        speaker: Option<Slot>,
        ground: Ground<'_>,
    ) -> bool {
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let peers = &ground.control.peers;
        let Self { open, losses, .. } = self;
        let Some(live) = open.get_mut(&key) else {
            return false;
        };
        let mut changed = false;
        for (slot, loss) in losses.counted(&key.prefix, peers, now, t) {
            if speaker.is_some_and(|speaker| speaker != slot) {
                continue;
            }
            let (Some(session), Some((path, _))) = (peers.session(slot), losses.path(loss.path))
            else {
                continue;
            };
            let incident = &mut live.incident;
            incident.last_seen_us = incident.last_seen_us.max(loss.event_time_us);
            incident.synthetic |= loss.synthetic;
            changed |= incident.witness(Evidence {
                peer: session.peer,
                collector: session.collector.to_string(),
                as_path: path.to_string(),
                event_time_us: loss.event_time_us,
            });
        }
        changed
    }

    /// Why too few is over: it was announced again, or it was lost so long ago that nobody has to have it any more.
    pub(super) fn end_of_loss(
        &self,
        prefix: &Prefix,
        end: EndReason,
        ground: Ground<'_>,
    ) -> EndReason {
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let mut losses = self.losses.of(prefix).iter();
        if end == EndReason::Replaced {
            EndReason::Recovered
        } else if losses.any(|(_, loss)| loss.is_old(now, t)) {
            EndReason::BecameStable
        } else {
            EndReason::Unknown
        }
    }

    /// When a loss of it will have lasted, or be too old to count; of anything else, never.
    pub(super) fn loss_due_at(&self, key: Key, incident: &Incident, ground: Ground<'_>) -> i64 {
        if key.role != Role::LostOrigin {
            return i64::MAX;
        }
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let losses = self.losses.of(&key.prefix).iter();
        let ages = losses.map(|(_, loss)| loss.old_at(t));
        let lasts = incident.reasons.contains(&reason::BRIEF);
        let lasts = lasts.then(|| lasts_at(incident, t));
        let next = ages.chain(lasts).filter(|at| *at > now).min();
        next.unwrap_or(i64::MAX)
    }
}

/// When an open loss has lasted for long enough to be taken for more than a change of ways.
fn lasts_at(incident: &Incident, t: &Thresholds) -> i64 {
    incident
        .suspected_at_us
        .saturating_add(t.settled_after_us())
}

/// A loss is brief no more. True when that is news.
pub(super) fn has_lasted(incident: &mut Incident, ground: Ground<'_>) -> bool {
    let brief = incident.reasons.binary_search(&reason::BRIEF);
    let lasts_at = lasts_at(incident, ground.measure.thresholds);
    let Some(at) = brief.ok().filter(|_| ground.control.now() >= lasts_at) else {
        return false;
    };
    incident.reasons.remove(at);
    true
}

/// True when a route is as good as heard now, false when its vantage point is there and may have it, none when it is
/// neither.
fn carries(route: &Route, peers: &Peers) -> Option<bool> {
    let session = peers.session(route.slot);
    let is_there = session.is_some_and(|session| session.current && session.up);
    match peers.freshness(route.slot, route.generation) {
        Freshness::Fresh => Some(true),
        Freshness::Stale if is_there => Some(false),
        Freshness::Stale | Freshness::Expired => None,
    }
}
