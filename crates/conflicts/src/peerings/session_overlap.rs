//! Session overlap: a device has more than one session to the same neighbour. Routers keep one of two connections to
//! an address (RFC 4271, 6.8), so one of the two comes and goes, or never comes.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    Configured, Finding, Kind, Peering, Rule,
    finding::{distinct, ids, metadata},
};
use crate::incident::Severity;

pub(super) const RULE: Rule = Rule {
    kind: Kind::SessionOverlap,
    severities: &[Severity::Critical],
    judge,
};

fn judge(configured: &Configured<'_>, findings: &mut Vec<Finding>) {
    let mut sessions: BTreeMap<_, Vec<&Peering>> = BTreeMap::new();
    for peering in configured.active() {
        if let Some(neighbour) = peering.neighbour() {
            let session = (&*peering.device, neighbour);
            sessions.entry(session).or_default().push(peering);
        }
    }
    for ((device, neighbour), peerings) in sessions {
        if peerings.len() < 2 {
            continue;
        }
        findings.push(Finding {
            kind: RULE.kind,
            severity: Severity::Critical,
            affected_peers: ids(peerings.iter().copied()),
            description: format!(
                "{device} has {} active sessions to {}",
                peerings.len(),
                neighbour.address
            ),
            recommended_action:
                "Keep one of them and disable the others; one session carries every address family (RFC 4760)."
                    .to_owned(),
            metadata: metadata([
                ("device", json!(device)),
                ("peer_ip", json!(neighbour.address)),
                ("vrf", json!(neighbour.vrf)),
                ("peer_asns", json!(distinct(peerings.iter().map(|p| p.peer_asn)))),
                (
                    "address_families",
                    json!(distinct(peerings.iter().flat_map(|p| &p.address_families))),
                ),
            ]),
        });
    }
}
