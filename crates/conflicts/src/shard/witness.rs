//! Files the routes that an incident rests on as its evidence.

use weir_events::time::SECOND_US;
use weir_routing::rib::{Freshness, Slot};

use super::{Cause, Ground, Shard, flapping::is_news};
use crate::incident::{Evidence, Key, Role};

impl Shard {
    /// Files the matching routes that are not stale, `all` of them or those of who speaks. True when that is news.
    pub(super) fn witness(
        &mut self,
        key: Key,
        speaker: Slot,
        all: bool,
        ground: Ground<'_>,
        cause: Cause<'_>,
    ) -> bool {
        if key.role == Role::LostOrigin {
            return self.witness_losses(key, (!all).then_some(speaker), ground);
        }
        let peers = &ground.control.peers;
        let Self {
            table,
            open,
            restless,
            ..
        } = self;
        let (Some(live), Some(entry)) = (open.get_mut(&key), table.entries.get(&key.prefix)) else {
            return false;
        };
        let mut changed = false;
        for route in entry.routes.iter(&table.seats) {
            if !(all || route.slot == speaker)
                || peers.freshness(route.slot, route.generation) != Freshness::Fresh
                || !table.is_of(key, route.path, ground.known, ground.measure)
            {
                continue;
            }
            let incident = &mut live.incident;
            let event_time_us = if route.slot == speaker {
                exactly(route.event_time_us, cause)
            } else {
                route.event_time_us
            };
            incident.last_seen_us = incident.last_seen_us.max(event_time_us);
            incident.synthetic |= cause.record.synthetic;
            if !is_news(key, incident, restless, route.slot, ground) {
                continue;
            }
            let (Some(session), Some(path)) =
                (peers.session(route.slot), table.paths.path(route.path))
            else {
                continue;
            };
            changed |= incident.witness(Evidence {
                peer: session.peer,
                collector: session.collector.to_string(),
                as_path: path.to_string(),
                event_time_us,
            });
        }
        changed
    }
}

/// Event time of a route of who speaks. Routes are kept to the second; the record at hand says it exactly.
fn exactly(event_time_us: i64, cause: Cause<'_>) -> i64 {
    let at = cause.record.event_time_us;
    if event_time_us == at - at.rem_euclid(SECOND_US) {
        at
    } else {
        event_time_us
    }
}
