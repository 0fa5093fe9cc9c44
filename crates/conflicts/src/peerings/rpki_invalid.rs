//! RPKI-invalid: a configured origination that ROAs forbid (route origin validation, RFC 6811). Networks that
//! validate refuse it, and so should this one.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;
use weir_routing::{
    AsPath, Asn, Origin, Prefix,
    roa::{Mismatch, Validity},
};

use super::{
    Configured, Finding, Kind, Peering, Policy, Rule,
    finding::{ids, metadata},
};
use crate::{
    facts,
    incident::{Severity, reason},
};

pub(super) const RULE: Rule = Rule {
    kind: Kind::RpkiInvalid,
    severities: &[Severity::Critical],
    judge,
};

/// How many of the configured originations (prefix and origin) VRPs allow, forbid, say nothing of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Originations {
    /// A VRP allows it.
    pub valid: usize,
    /// VRPs cover the prefix, and none allows it.
    pub invalid: usize,
    /// No VRP covers the prefix: nothing is known.
    pub not_found: usize,
    /// Of a private ASN with no public one before it: nobody else sees it, so it is not judged.
    pub private: usize,
}

/// `None` without VRPs.
pub(super) fn originations(configured: &Configured<'_>) -> Option<Originations> {
    let vrps = configured.vrps?;
    let mut counts = Originations::default();
    for (prefix, origin) in by_origin(configured).keys() {
        let count = match vrps.validate(prefix, origin) {
            _ if origin.suspect().is_private() => &mut counts.private,
            Validity::Valid => &mut counts.valid,
            Validity::Invalid(_) => &mut counts.invalid,
            Validity::NotFound => &mut counts.not_found,
        };
        *count += 1;
    }
    Some(counts)
}

fn judge(configured: &Configured<'_>, findings: &mut Vec<Finding>) {
    let Some(vrps) = configured.vrps else { return };
    for ((prefix, origin), peerings) in by_origin(configured) {
        let Validity::Invalid(mismatch) = vrps.validate(&prefix, &origin) else {
            continue;
        };
        if origin.suspect().is_private() {
            continue;
        }
        let authorized = vrps.authorized(&prefix);
        let (why, told) = match mismatch {
            Mismatch::Asn => (reason::RPKI_ASN, "ROAs name others"),
            Mismatch::As0 => (
                reason::RPKI_AS0,
                "ROAs say that nobody may originate it (AS0)",
            ),
            Mismatch::Length => (
                reason::RPKI_LENGTH,
                "ROAs name it for shorter prefixes only",
            ),
        };
        findings.push(Finding {
            kind: RULE.kind,
            severity: Severity::Critical,
            affected_peers: ids(peerings),
            description: format!("{prefix} from AS{origin} is RPKI-invalid: {told}"),
            recommended_action:
                "Take it out of the policy, or ask the holder of the prefix for a ROA.".to_owned(),
            metadata: metadata([
                ("prefix", json!(prefix)),
                ("origin_asns", json!(origin.asns())),
                ("reason", json!(why)),
                ("authorized_asns", json!(authorized)),
            ]),
        });
    }
}

/// What active peerings take in, and what they originate themselves, by who originates it.
fn by_origin<'a>(configured: &Configured<'a>) -> BTreeMap<(Prefix, Origin), Vec<&'a Peering>> {
    let imported: BTreeSet<Prefix> = configured
        .active()
        .flat_map(|peering| &peering.import.prefixes)
        .copied()
        .collect();
    // What a neighbour hands in is judged there, by its origin, wherever it goes.
    let is_handed_on =
        |policy: &Policy, prefix: &Prefix| policy.as_path.is_empty() && imported.contains(prefix);
    let mut all: BTreeMap<_, Vec<&Peering>> = BTreeMap::new();
    for peering in configured.active() {
        let mut add = |prefix: &Prefix, origin: Option<Origin>| {
            if let Some(origin) = origin {
                all.entry((*prefix, origin)).or_default().push(peering);
            }
        };
        for prefix in &peering.import.prefixes {
            add(prefix, origin(&peering.import.as_path, peering.peer_asn));
        }
        for prefix in &peering.export.prefixes {
            if !is_handed_on(&peering.export, prefix) {
                add(prefix, origin(&peering.export.as_path, peering.local_asn));
            }
        }
    }
    all
}

/// Who originates what comes with this path, or from `nearest` where none is told. Private ASNs behind a public one
/// are stripped before anybody validates.
fn origin(path: &AsPath, nearest: Asn) -> Option<Origin> {
    match path.is_empty() {
        true => Some(Origin::As(nearest)),
        false => facts::origin(path, Asn::is_private),
    }
}
