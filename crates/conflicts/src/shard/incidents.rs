//! The life of the incidents of one block: opened, confirmed, updated, ended, re-opened. Each is
//! settled at most once per record.

use smallvec::SmallVec;
use weir_routing::{
    Asn, Prefix,
    rib::{Freshness, Route, Slot},
};

use super::{
    Cause, Closed, Ground, Live, Shard,
    losing::has_lasted,
    weighing::{is_allowed, join, weigh},
};
use crate::{
    incident::{
        Change, EndReason, Incident, Key, Kind, Role, State, Transition, insert_sorted, reason,
    },
    rule::Finding,
    table::{Entry, Table},
};

/// What the routes of a prefix say of one incident.
#[derive(Debug, Default)]
pub(super) struct Sight {
    pub(super) visible_peers: u32,
    pub(super) asns: SmallVec<[Asn; 16]>,
    pub(super) any_left: bool,
    pub(super) origins: Vec<Asn>,
    pub(super) expected_left: bool,
    /// Of how many, if not of all vantage points.
    pub(super) base: Option<u32>,
}

impl Shard {
    /// Opens what was found and settles every open incident of a prefix that a record changed.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the record")]
    pub(super) fn settle_prefix(
        &mut self,
        prefix: Prefix,
        slot: Slot,
        findings: &[Finding],
        end: EndReason,
        ground: Ground<'_>,
        cause: Cause<'_>,
        out: &mut Vec<Transition>,
    ) {
        let mut fresh: SmallVec<[(Key, Change); 2]> = SmallVec::new();
        let mut raised: SmallVec<[Key; 2]> = SmallVec::new();
        for finding in findings {
            let key = Key {
                prefix,
                role: finding.kind.role(),
                suspect: finding.suspect,
                from: finding.from(),
            };
            if let Some(live) = self.open.get_mut(&key) {
                let more = join(live, finding) | weigh(live, key, ground);
                if more && fresh.iter().all(|(new, _)| *new != key) {
                    raised.push(key);
                }
            } else if let Some(change) = self.open(key, finding, Some(slot), ground, cause) {
                fresh.push((key, change));
            }
        }
        let keys: SmallVec<[Key; 4]> = self.open_keys(prefix);
        for key in keys {
            let opened = fresh.iter().find(|(new, _)| *new == key).map(|new| new.1);
            let all = opened.is_some();
            let changed = self.witness(key, slot, all, ground, cause) | raised.contains(&key);
            self.settle(key, opened, changed, end, ground, cause, out);
        }
        self.note_gone(prefix, ground);
    }

    fn open_keys<C: FromIterator<Key>>(&self, prefix: Prefix) -> C {
        self.open
            .range(lowest(prefix)..)
            .map(|(key, _)| *key)
            .take_while(|key| key.prefix == prefix)
            .collect()
    }

    /// Opens a new incident or the one that ended lately; none when only a new peer may.
    pub(super) fn open(
        &mut self,
        key: Key,
        finding: &Finding,
        speaker: Option<Slot>,
        ground: Ground<'_>,
        cause: Cause<'_>,
    ) -> Option<Change> {
        if !self.one_more_of_link(key) {
            return None;
        }
        let now = ground.control.now();
        let at = cause.record.event_time_us;
        let mut back = None;
        if let Some(closed) = self.closed.get(&key) {
            let recent =
                now.saturating_sub(closed.at_us) <= ground.measure.thresholds.reopen_within_us();
            let faded = closed.incident.end_reason == Some(EndReason::Faded);
            let session = speaker.and_then(|slot| ground.control.peers.session(slot));
            let asn = session.map(|session| session.peer.asn);
            let known = asn.is_some_and(|asn| closed.incident.peer_asns.contains(&asn));
            if faded && known && (recent || !closed.gone) {
                self.one_less_of_link(key);
                return None;
            }
            back = self.closed.remove(&key).filter(|_| recent);
        }
        let change = if back.is_some() {
            Change::Reopened
        } else {
            Change::Opened
        };
        let (mut incident, worst) = back.map_or_else(
            || (opened(key, finding, at), finding.severity),
            |mut closed| {
                closed.incident.reopen(at);
                (closed.incident, closed.worst)
            },
        );
        if change == Change::Opened {
            incident.case = self.case_of(key, &incident, ground);
        }
        if let Some(entry) = self.table.entries.get_mut(&key.prefix) {
            entry.watched = true;
        }
        let mut live = Live {
            incident,
            worst,
            changed_us: now,
            due_us: i64::MAX,
        };
        join(&mut live, finding);
        weigh(&mut live, key, ground);
        self.open.insert(key, live);
        Some(change)
    }

    fn sight(&self, key: Key, incident: &Incident, ground: Ground<'_>) -> Sight {
        let mut sight = Sight::default();
        let Some(entry) = self.table.entries.get(&key.prefix) else {
            return sight;
        };
        match key.role {
            Role::FlappingOrigin => return self.flaps(key, ground),
            Role::LostOrigin => return self.losses(key, ground),
            _ => {}
        }
        let peers = &ground.control.peers;
        let mut last: Option<Slot> = None;
        for Route {
            slot,
            generation,
            path,
            ..
        } in entry.routes.iter(&self.table.seats)
        {
            let freshness = peers.freshness(slot, generation);
            if freshness == Freshness::Expired {
                continue;
            }
            let Some(facts) = self.table.paths.facts(path) else {
                continue;
            };
            let origins = facts.origin.as_ref().map_or(&[][..], |o| o.asns());
            sight.expected_left |= origins
                .iter()
                .any(|asn| incident.expected_origins.contains(asn));
            let matching = self.table.is_of(key, path, ground.known, ground.measure);
            sight.any_left |= matching;
            if freshness == Freshness::Stale {
                continue;
            }
            for asn in origins {
                insert_sorted(&mut sight.origins, *asn);
            }
            if matching && last != Some(slot) {
                last = Some(slot);
                sight.visible_peers += 1;
                if let Some(session) = peers.session(slot)
                    && !sight.asns.contains(&session.peer.asn)
                {
                    sight.asns.push(session.peer.asn);
                }
            }
        }
        sight
    }

    /// Brings an open incident up to date and tells what changed. `end` is the reason when no
    /// route of it is left.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the record")]
    pub(super) fn settle(
        &mut self,
        key: Key,
        opened: Option<Change>,
        changed: bool,
        end: EndReason,
        ground: Ground<'_>,
        cause: Cause<'_>,
        out: &mut Vec<Transition>,
    ) {
        let Some(mut live) = self.open.remove(&key) else {
            return;
        };
        self.timers.remove(&(live.due_us, key));
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let at = cause.record.event_time_us;
        let sight = self.sight(key, &live.incident, ground);
        let is_news = note_gone(&mut live, &sight) || changed;
        let mut change = opened.or(is_news.then_some(Change::Updated));
        let incident = &mut live.incident;
        if incident.visible_peers != sight.visible_peers || incident.origins != sight.origins {
            incident.visible_peers = sight.visible_peers;
            incident.origins = sight.origins;
            change = change.or(Some(Change::Updated));
        }
        if sight.any_left && has_lasted(incident, ground) {
            weigh(&mut live, key, ground);
            change = change.or(Some(Change::Updated));
        }
        let incident = &mut live.incident;
        if incident.state == State::Suspected && sight.asns.len() >= t.peers_to_confirm() {
            incident.state = State::Confirmed;
            incident.confirmed_at_us.get_or_insert(at);
            change = Some(opened.unwrap_or(Change::Confirmed));
        }
        let stable_at = self.stable_at(key, ground);
        let incident = &mut live.incident;
        let silent = now.saturating_sub(live.changed_us) >= t.fade_after_us();
        // A flap calms down by itself.
        let flaps = key.role == Role::FlappingOrigin;
        let end = match key.role {
            Role::FlappingOrigin => EndReason::Calmed,
            Role::LostOrigin => self.end_of_loss(&key.prefix, end, ground),
            _ => end,
        };
        let ended = if !sight.any_left {
            Some(end)
        } else if key.role == Role::InvalidOrigin && is_allowed(incident, key, ground) {
            Some(EndReason::Explained)
        } else if now >= stable_at {
            Some(EndReason::BecameStable)
        } else if change.is_none() && silent && incident.state == State::Suspected && !flaps {
            Some(EndReason::Faded)
        } else {
            None
        };
        if let Some(why) = ended {
            incident.state = State::Ended;
            incident.ended_at_us = Some(at);
            incident.end_reason = Some(why);
            change = Some(Change::Ended);
        }
        if let Some(change) = change {
            incident.change = change;
            incident.changed_at_us = at;
            incident.version = cause.version;
            let peers = &ground.control.peers;
            let all = || peers.vantage_points(key.prefix.is_ipv4());
            let total = sight.base.unwrap_or_else(all);
            incident.total_peers = total.max(incident.visible_peers);
            live.changed_us = now;
            self.dirty = true;
            out.push(Transition {
                incident: incident.clone(),
            });
        }
        if ended.is_some() {
            self.close(key, live, now);
            return;
        }
        let fades_at = match live.incident.state {
            State::Suspected if !flaps => live.changed_us.saturating_add(t.fade_after_us()),
            _ => i64::MAX,
        };
        let due = [fades_at, stable_at, self.calm_at(key, ground)];
        let due = due
            .into_iter()
            .fold(self.loss_due_at(key, &live.incident, ground), i64::min);
        live.due_us = due;
        if live.due_us != i64::MAX {
            self.timers.insert((live.due_us, key));
        }
        self.open.insert(key, live);
    }

    /// When the suspect's origin will have been there for 24 h; never for bogons and loops.
    fn stable_at(&self, key: Key, ground: Ground<'_>) -> i64 {
        let stable_after = ground.measure.thresholds.stable_after_us();
        if key.role.is_link() {
            let first_us = ground
                .links
                .get(key.link())
                .and_then(|known| known.first_us);
            return first_us.map_or(i64::MAX, |first| first.saturating_add(stable_after));
        }
        if !key.role.claims() {
            return i64::MAX;
        }
        self.table
            .entries
            .get(&key.prefix)
            .and_then(|entry| {
                let seen = entry.history.0.iter();
                seen.filter(|seen| seen.origin.suspect() == key.suspect)
                    .map(|seen| seen.first_us)
                    .min()
            })
            .map_or(i64::MAX, |first| first.saturating_add(stable_after))
    }

    fn close(&mut self, key: Key, live: Live, now: i64) {
        self.one_less_of_link(key);
        let Live {
            incident, worst, ..
        } = live;
        if incident.end_reason != Some(EndReason::BecameStable)
            && key.role.claims()
            && let Some(entry) = self.table.entries.get_mut(&key.prefix)
        {
            for seen in &mut entry.history.0 {
                seen.disputed |= seen.origin.suspect() == key.suspect;
            }
        }
        let closed = Closed {
            incident,
            worst,
            at_us: now,
            gone: false,
        };
        self.closed.insert(key, closed);
    }

    /// A faded incident whose routes have gone may open anew for anyone after the window.
    fn note_gone(&mut self, prefix: Prefix, ground: Ground<'_>) {
        let peers = &ground.control.peers;
        let Self { table, closed, .. } = self;
        let faded = closed
            .range_mut(lowest(prefix)..)
            .take_while(|(key, _)| key.prefix == prefix)
            .filter(|(_, c)| c.incident.end_reason == Some(EndReason::Faded) && !c.gone);
        for (key, closed) in faded {
            closed.gone = !table.entries.get(&prefix).is_some_and(|entry| {
                entry.routes.iter(&table.seats).any(|route| {
                    peers.freshness(route.slot, route.generation) != Freshness::Expired
                        && table.is_of(*key, route.path, ground.known, ground.measure)
                })
            });
        }
    }

    /// Routes of these sessions went stale or expired, or time has passed: judges again what rests
    /// on them and what is due, each incident once, in order.
    pub(crate) fn review(
        &mut self,
        slots: &[Slot],
        ground: Ground<'_>,
        cause: Cause<'_>,
        out: &mut Vec<Transition>,
    ) {
        let now = ground.control.now();
        let mut keys: Vec<Key> = self
            .timers
            .iter()
            .take_while(|(due, _)| *due <= now)
            .map(|(_, key)| *key)
            .collect();
        if !slots.is_empty() {
            let Table { entries, seats, .. } = &self.table;
            let of_any =
                |entry: &Entry| slots.iter().any(|slot| entry.routes.has_slot(*slot, seats));
            let lost = |key: &Key| {
                let losses = &self.losses;
                key.role == Role::LostOrigin && slots.iter().any(|s| losses.has(&key.prefix, *s))
            };
            let rests = |key: &&Key| entries.get(&key.prefix).is_some_and(of_any) || lost(key);
            keys.extend(self.open.keys().filter(rests));
        }
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            self.settle(key, None, false, EndReason::Unknown, ground, cause, out);
        }
        self.tell_losses(ground, cause, out);
    }

    /// The open incidents about the very prefix.
    pub(crate) fn open_about(&self, prefix: Prefix) -> impl Iterator<Item = &Incident> {
        let from = self.open.range(lowest(prefix)..);
        let about = from.take_while(move |(key, _)| key.prefix == prefix);
        about.map(|(_, live)| &live.incident)
    }

    /// Once a day: forgets what is of no use any more.
    pub(crate) fn sweep(&mut self, ground: Ground<'_>) {
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let Self {
            table,
            open,
            closed,
            restless,
            losses,
            ..
        } = self;
        let peers = &ground.control.peers;
        closed.retain(|key, closed| {
            let recent = now.saturating_sub(closed.at_us) <= t.reopen_within_us();
            let faded = closed.incident.end_reason == Some(EndReason::Faded) && !closed.gone;
            let held = |entry: &Entry| {
                entry.routes.iter(&table.seats).any(|route| {
                    peers.freshness(route.slot, route.generation) != Freshness::Expired
                        && table.is_of(*key, route.path, ground.known, ground.measure)
                })
            };
            recent || (faded && table.entries.get(&key.prefix).is_some_and(held))
        });
        for (prefix, entry) in &mut table.entries {
            if entry.watched {
                let of = |key: &Key| key.prefix == *prefix;
                entry.watched = open
                    .range(lowest(*prefix)..)
                    .next()
                    .is_some_and(|(k, _)| of(k))
                    || closed
                        .range(lowest(*prefix)..)
                        .next()
                        .is_some_and(|(k, _)| of(k));
            }
        }
        restless.forget(now, t);
        losses.forget(peers, now, t);
        for (prefix, entry) in &mut table.entries {
            entry.may_flap = entry.may_flap && restless.may_flap(prefix);
            entry.missed = entry.missed && losses.any(prefix);
        }
        table.sweep(peers, now, t);
        self.dirty = true;
    }
}

/// Notes that what was expected has gone everywhere; of a `moas`, takes that back when it is there again. True when
/// that is news.
fn note_gone(live: &mut Live, sight: &Sight) -> bool {
    let Live {
        incident, worst, ..
    } = live;
    let reasons = &mut incident.reasons;
    let is_news = match incident.kind {
        Kind::Moas if sight.expected_left => {
            let before = reasons.len();
            reasons.retain(|why| *why != reason::STABLE_ORIGIN_GONE || !sight.any_left);
            reasons.len() != before
        }
        Kind::Moas => insert_sorted(reasons, reason::STABLE_ORIGIN_GONE),
        Kind::VisibilityLoss if !sight.expected_left => {
            insert_sorted(reasons, reason::WITHDRAWN_EVERYWHERE)
        }
        _ => false,
    };
    if is_news {
        incident.severity = (*worst).min(incident.at_most());
    }
    is_news
}

/// Before every key of the prefix.
pub(super) fn lowest(prefix: Prefix) -> Key {
    Key {
        prefix,
        role: Role::Origin,
        suspect: Asn(0),
        from: Asn(0),
    }
}

fn opened(key: Key, finding: &Finding, at: i64) -> Incident {
    let mut reasons = finding.reasons.clone();
    reasons.sort_unstable();
    let told = (finding.kind, finding.severity);
    let (prefix, suspect) = (key.prefix, key.suspect);
    Incident {
        suspect_set: finding.suspect_set.clone(),
        expected_origins: finding.expected.clone(),
        victims: finding.expected.clone(),
        covering: finding.covering,
        reasons,
        ..Incident::beginning(told, Some(prefix), prefix, suspect, at)
    }
}
