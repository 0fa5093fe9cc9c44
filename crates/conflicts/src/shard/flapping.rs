//! What a `flap` rests on: not on routes that stand, but on vantage points whose routes do not.

use weir_routing::rib::Slot;

use super::{Ground, Shard, incidents::Sight};
use crate::{
    damping::Restless,
    incident::{Incident, Key, Role, insert_sorted},
};

/// True when a route of this session says anything new: always, but to a `flap`, which files the path that each
/// restless vantage point had first.
pub(super) fn is_news(
    key: Key,
    incident: &Incident,
    restless: &Restless,
    slot: Slot,
    ground: Ground<'_>,
) -> bool {
    if key.role != Role::FlappingOrigin {
        return true;
    }
    let (now, t) = (ground.control.now(), ground.measure.thresholds);
    let session = ground.control.peers.session(slot);
    let is_filed = session.is_some_and(|session| {
        let mut filed = incident.evidence.iter();
        filed.any(|seen| seen.peer == session.peer && *seen.collector == *session.collector)
    });
    !is_filed && restless.flapping(&key.prefix, slot, now, t) == Some(key.suspect)
}

impl Shard {
    /// Who flaps now, whether its route is there at the moment or not; each peer once. The suspect is the only
    /// origin told of: others come and go with the routes.
    pub(super) fn flaps(&self, key: Key, ground: Ground<'_>) -> Sight {
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let mut sight = Sight {
            origins: vec![key.suspect],
            ..Sight::default()
        };
        let mut peers = Vec::new();
        let restless = &self.restless;
        for (slot, _) in restless.sessions(&key.prefix, key.suspect, now, t) {
            sight.any_left = true;
            let session = ground.control.peers.session(slot);
            let Some(session) = session.filter(|session| session.current) else {
                continue;
            };
            insert_sorted(&mut peers, (session.peer, session.collector.clone()));
            if !sight.asns.contains(&session.peer.asn) {
                sight.asns.push(session.peer.asn);
            }
        }
        sight.visible_peers = u32::try_from(peers.len()).unwrap_or(u32::MAX);
        sight
    }

    /// When it will have calmed down if nothing more happens; of anything else, never.
    pub(super) fn calm_at(&self, key: Key, ground: Ground<'_>) -> i64 {
        if key.role != Role::FlappingOrigin {
            return i64::MAX;
        }
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let sessions = self.restless.sessions(&key.prefix, key.suspect, now, t);
        let calm_at = sessions.map(|(_, merit)| merit.calm_at(t)).max();
        calm_at.unwrap_or(i64::MAX)
    }
}
