//! How bad an incident is: what its routes say, weighed against what others say of the suspect.

use weir_routing::{Origin, relations::Relation, roa::Validity};

use super::{Cause, Ground, Live, Shard};
use crate::{
    incident::{EndReason, Incident, Key, Role, Severity, Transition, insert_sorted, reason},
    knowledge::{Known, Rpki},
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
        let roles = [
            Role::Origin,
            Role::PartOrigin,
            Role::InvalidOrigin,
            Role::LeakingHop,
        ];
        let rests = |key: &&Key| roles.contains(&key.role);
        let keys: Vec<Key> = self.open.keys().filter(rests).copied().collect();
        for key in keys {
            let live = self.open.get_mut(&key);
            let changed = live.is_some_and(|live| weigh(live, ground));
            self.settle(key, None, changed, EndReason::Explained, ground, cause, out);
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

/// What others say of the suspect.
const SAID: [&str; 6] = [
    reason::RPKI_VALID,
    reason::RPKI_INVALID,
    reason::VRPS_STALE,
    reason::SIBLING,
    reason::CUSTOMER_OF_VICTIM,
    reason::PROVIDER_OF_VICTIM,
];

/// What ROAs say of the suspect. VRPs that went stale take nothing back.
fn by_roas(incident: &Incident, ground: Ground<'_>) -> Option<&'static str> {
    let said = |why: &&&str| incident.reasons.contains(*why);
    match rpki(incident, ground) {
        Rpki::Judged(Validity::Valid) => Some(reason::RPKI_VALID),
        Rpki::Judged(Validity::Invalid(_)) => Some(reason::RPKI_INVALID),
        Rpki::Judged(Validity::NotFound) | Rpki::Unknown => None,
        Rpki::Stale => {
            let before = SAID.iter().take(2).find(said).copied();
            Some(before.unwrap_or(reason::VRPS_STALE))
        }
    }
}

/// What the suspect is to the victims.
fn by_relation(incident: &Incident, known: &Known) -> Option<&'static str> {
    let suspect = incident.suspect;
    let victims = || incident.victims.iter().copied();
    let relations = || victims().filter_map(|victim| known.relation(victim, suspect));
    if victims().any(|victim| known.are_siblings(victim, suspect)) {
        return Some(reason::SIBLING);
    }
    relations().find_map(|relation| match relation {
        Relation::Customer => Some(reason::CUSTOMER_OF_VICTIM),
        Relation::Provider => Some(reason::PROVIDER_OF_VICTIM),
        Relation::Peer | Relation::Sibling => None,
    })
}

/// What others say of the suspect, weighed against what its routes say: who may originate a prefix, or belongs
/// to who may, is no stranger to it. True when that changed anything.
pub(super) fn weigh(live: &mut Live, ground: Ground<'_>) -> bool {
    let before = (live.incident.severity, live.incident.reasons.clone());
    let incident = &mut live.incident;
    if matches!(incident.kind.role(), Role::Origin | Role::PartOrigin) {
        let says = [
            by_roas(incident, ground),
            by_relation(incident, ground.known),
        ];
        incident.reasons.retain(|why| !SAID.contains(why));
        for why in says.into_iter().flatten() {
            insert_sorted(&mut incident.reasons, why);
        }
    }
    let is = |why: &str| incident.reasons.contains(&why);
    let most = if is(reason::RPKI_VALID) || is(reason::SIBLING) {
        Severity::Info
    } else if is(reason::CUSTOMER_OF_VICTIM) || is(reason::PROVIDER_OF_VICTIM) {
        Severity::Low
    } else {
        Severity::Critical
    };
    incident.severity = live.worst.min(most);
    before != (live.incident.severity, live.incident.reasons.clone())
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
