//! How bad an incident is: what its routes say, weighed against what others say of the suspect.

use weir_routing::{Origin, relations::Relation, roa::Validity};

use super::{Cause, Ground, Live, Shard};
use crate::{
    incident::{EndReason, Incident, Key, Kind, Role, Severity, Transition, insert_sorted, reason},
    knowledge::{Known, Rpki},
    rule::Finding,
    rules,
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
            Role::InvalidOrigin,
            Role::BogonOrigin,
            Role::BogonHop,
            Role::StretchingHop,
            Role::SandwichedHop,
            Role::LeakingHop,
            Role::MarkedLeakingHop,
            Role::UnauthorizedHop,
        ];
        let rests = |key: &&Key| key.role.claims() || roles.contains(&key.role);
        let keys: Vec<Key> = self.open.keys().filter(rests).copied().collect();
        for key in keys {
            let live = self.open.get_mut(&key);
            let changed = live.is_some_and(|live| weigh(live, key, ground));
            self.settle(key, None, changed, EndReason::Explained, ground, cause, out);
        }
    }
}

/// What the RPKI says now of the suspect's origination.
fn rpki(incident: &Incident, key: Key, ground: Ground<'_>) -> Rpki {
    let origin = if incident.suspect_set.is_empty() {
        Origin::As(incident.suspect)
    } else {
        Origin::Set(incident.suspect_set.clone())
    };
    let (now, t) = (ground.control.now(), ground.measure.thresholds);
    ground.known.rpki(&key.prefix, &origin, now, t)
}

/// Fresh VRPs do not forbid it any more.
pub(super) fn is_allowed(incident: &Incident, key: Key, ground: Ground<'_>) -> bool {
    let rpki = rpki(incident, key, ground);
    matches!(rpki, Rpki::Judged(_)) && !rpki.is_invalid()
}

/// What others say of the suspect.
const SAID: [&str; 8] = [
    reason::RPKI_VALID,
    reason::RPKI_INVALID,
    reason::VRPS_STALE,
    reason::SIBLING,
    reason::CUSTOMER_OF_VICTIM,
    reason::PROVIDER_OF_VICTIM,
    reason::ANYCAST,
    reason::DPS,
];

/// What ROAs say of the suspect. VRPs that went stale take nothing back.
fn by_roas(incident: &Incident, key: Key, ground: Ground<'_>) -> Option<&'static str> {
    let said = |why: &&&str| incident.reasons.contains(*why);
    match rpki(incident, key, ground) {
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

/// The prefix is one that many originate.
fn by_anycast(incident: &Incident, key: Key, known: &Known) -> Option<&'static str> {
    let is_anycast = incident.kind == Kind::Moas && known.is_anycast(&key.prefix);
    is_anycast.then_some(reason::ANYCAST)
}

/// The suspect, or each member when it is a set, originates prefixes of others to protect them.
fn by_dps(incident: &Incident, known: &Known) -> Option<&'static str> {
    let of_kind = matches!(
        incident.kind,
        Kind::Moas | Kind::OriginChange | Kind::SubPrefix
    );
    let members = &incident.suspect_set;
    let is_dps =
        known.is_dps(incident.suspect) && members.iter().all(|member| known.is_dps(*member));
    (of_kind && is_dps).then_some(reason::DPS)
}

/// What others say of the suspect, weighed against what its routes say: who may originate a prefix, or belongs
/// to who may, is no stranger to it. True when that changed anything.
pub(super) fn weigh(live: &mut Live, key: Key, ground: Ground<'_>) -> bool {
    let Live {
        incident, worst, ..
    } = live;
    if !incident.kind.role().claims() {
        let severity = (*worst).min(incident.at_most());
        return std::mem::replace(&mut incident.severity, severity) != severity;
    }
    let before = (incident.severity, incident.reasons.clone());
    let says = [
        by_roas(incident, key, ground),
        by_relation(incident, ground.known),
        by_anycast(incident, key, ground.known),
        by_dps(incident, ground.known),
    ];
    incident.reasons.retain(|why| !SAID.contains(why));
    for why in says.into_iter().flatten() {
        insert_sorted(&mut incident.reasons, why);
    }
    incident.severity = (*worst).min(incident.at_most());
    before.0 != incident.severity || before.1 != incident.reasons
}

/// Another route of the same incident: the worse severity stands, unless there was no baseline. Of a route that
/// would be of another type had it come first, not more than the base severity of this one.
pub(super) fn join(live: &mut Live, finding: &Finding) -> bool {
    let Live {
        incident, worst, ..
    } = live;
    let capped = incident.reasons.contains(&reason::NO_BASELINE);
    if !capped {
        let most = if incident.kind == finding.kind {
            Severity::Critical
        } else {
            rules::severity(incident.kind)
        };
        *worst = (*worst).max(finding.severity.min(most));
    }
    let mut changed = false;
    for why in &finding.reasons {
        // Both are settled at the opening: who is open to suspicion must not be able to add the second.
        if !matches!(*why, reason::NO_BASELINE | reason::TRANSIT_OF_VICTIM) {
            changed |= insert_sorted(&mut incident.reasons, *why);
        }
    }
    changed
}
