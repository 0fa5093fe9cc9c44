//! How bad an incident is: what its routes say, weighed against what ROAs say of the suspect.

use weir_routing::{Origin, roa::Validity};

use super::{Cause, Ground, Live, Shard};
use crate::{
    incident::{EndReason, Incident, Key, Role, Severity, Transition, insert_sorted, reason},
    knowledge::Rpki,
    rule::Finding,
};

impl Shard {
    /// Other knowledge holds: judges again what rests on it.
    pub(crate) fn relearn(
        &mut self,
        ground: Ground<'_>,
        cause: Cause<'_>,
        out: &mut Vec<Transition>,
    ) {
        let roles = [Role::Origin, Role::PartOrigin, Role::InvalidOrigin];
        let rests = |key: &&Key| roles.contains(&key.role);
        let keys: Vec<Key> = self.open.keys().filter(rests).copied().collect();
        for key in keys {
            let live = self.open.get_mut(&key);
            let changed = live.is_some_and(|live| weigh(live, ground));
            self.settle(key, None, changed, EndReason::Unknown, ground, cause, out);
        }
    }
}

/// What the RPKI says now of the suspect's origination.
fn rpki(incident: &Incident, ground: Ground<'_>) -> Rpki {
    let origin = if incident.suspect_set.is_empty() {
        Origin::As(incident.suspect)
    } else {
        Origin::Set(incident.suspect_set.clone())
    };
    let (now, t) = (ground.control.now(), ground.measure.thresholds);
    ground.known.rpki(&incident.prefix, &origin, now, t)
}

/// Fresh VRPs do not forbid it any more.
pub(super) fn is_allowed(incident: &Incident, ground: Ground<'_>) -> bool {
    let rpki = rpki(incident, ground);
    matches!(rpki, Rpki::Judged(_)) && !rpki.is_invalid()
}

/// What ROAs say of the suspect, weighed against what its routes say: who may originate a prefix is no
/// stranger to it. VRPs that went stale take nothing back. True when that changed anything.
pub(super) fn weigh(live: &mut Live, ground: Ground<'_>) -> bool {
    const SAID: [&str; 3] = [reason::RPKI_VALID, reason::RPKI_INVALID, reason::VRPS_STALE];
    let Live {
        incident, worst, ..
    } = live;
    let mut changed = false;
    if matches!(incident.kind.role(), Role::Origin | Role::PartOrigin) {
        let known = incident.reasons.iter().any(|why| SAID.contains(why));
        let says = match rpki(incident, ground) {
            Rpki::Judged(Validity::Valid) => Some(reason::RPKI_VALID),
            Rpki::Judged(Validity::Invalid(_)) => Some(reason::RPKI_INVALID),
            Rpki::Stale if !known => Some(reason::VRPS_STALE),
            _ => None,
        };
        if !matches!(rpki(incident, ground), Rpki::Stale | Rpki::Unknown) {
            let before = incident.reasons.len();
            incident
                .reasons
                .retain(|why| !SAID.contains(why) || Some(*why) == says);
            changed |= incident.reasons.len() != before;
        }
        if let Some(why) = says {
            changed |= insert_sorted(&mut incident.reasons, why);
        }
    }
    let severity = if incident.reasons.contains(&reason::RPKI_VALID) {
        Severity::Info
    } else {
        *worst
    };
    changed |= severity != incident.severity;
    incident.severity = severity;
    changed
}

/// Another route of the same incident: the worse severity stands, unless there was no baseline or
/// the route would be of another type had it come first.
pub(super) fn join(live: &mut Live, finding: &Finding) -> bool {
    let Live {
        incident, worst, ..
    } = live;
    let other = incident.kind != finding.kind;
    let capped = incident.reasons.contains(&reason::NO_BASELINE);
    if !capped && !other {
        *worst = (*worst).max(finding.severity);
    }
    let mut changed = false;
    for why in &finding.reasons {
        if *why != reason::NO_BASELINE {
            changed |= insert_sorted(&mut incident.reasons, *why);
        }
    }
    changed
}
