//! ASN collision: one neighbour is said to be two networks, or one private ASN is used by two organisations. Two
//! sessions to one network are none.

use std::collections::BTreeMap;

use serde_json::json;
use weir_routing::Asn;

use super::{
    Configured, Finding, Kind, Peering, Rule,
    finding::{and, distinct, ids, metadata},
};
use crate::incident::Severity;

pub(super) const RULE: Rule = Rule {
    kind: Kind::AsnCollision,
    severities: &[Severity::High, Severity::Medium],
    judge,
};

fn judge(configured: &Configured<'_>, findings: &mut Vec<Finding>) {
    two_asns(configured, findings);
    two_owners(configured, findings);
}

/// A router has one ASN (RFC 4271, 3): of two sessions to it that expect two, one stays down with Bad Peer AS.
fn two_asns(configured: &Configured<'_>, findings: &mut Vec<Finding>) {
    let mut neighbours: BTreeMap<_, Vec<&Peering>> = BTreeMap::new();
    for peering in configured.active() {
        if let Some(neighbour) = peering.neighbour() {
            neighbours.entry(neighbour).or_default().push(peering);
        }
    }
    for (neighbour, peerings) in neighbours {
        let asns = distinct(peerings.iter().map(|peering| peering.peer_asn));
        if asns.len() < 2 {
            continue;
        }
        findings.push(Finding {
            kind: RULE.kind,
            severity: Severity::High,
            affected_peers: ids(peerings),
            description: format!(
                "the neighbour {} is said to be {}",
                neighbour.address,
                named(&asns)
            ),
            recommended_action:
                "Ask the neighbour for its ASN, and set `peer_asn` of the others to it.".to_owned(),
            metadata: metadata([
                ("peer_ip", json!(neighbour.address)),
                ("vrf", json!(neighbour.vrf)),
                ("peer_asns", json!(asns)),
            ]),
        });
    }
}

/// Nobody hands out private ASNs (RFC 6996): two customers may have taken the same one, and then each refuses the
/// other's routes as loops. Only where it is said whose network the neighbour is: two sites of one customer may well
/// share an ASN.
fn two_owners(configured: &Configured<'_>, findings: &mut Vec<Finding>) {
    let mut private: BTreeMap<_, Vec<(&str, &Peering)>> = BTreeMap::new();
    for peering in configured.active() {
        let is_theirs = peering.peer_asn.is_private() && !peering.is_internal();
        if let Some(organisation) = peering.organisation.as_deref().filter(|_| is_theirs) {
            let network = (peering.vrf.as_deref(), peering.peer_asn);
            private
                .entry(network)
                .or_default()
                .push((organisation, peering));
        }
    }
    for ((vrf, asn), peerings) in private {
        let owners = distinct(peerings.iter().map(|(owner, _)| (*owner).to_owned()));
        if distinct(owners.iter().map(|owner| owner.to_lowercase())).len() < 2 {
            continue;
        }
        findings.push(Finding {
            kind: RULE.kind,
            severity: Severity::Medium,
            affected_peers: ids(peerings.into_iter().map(|(_, peering)| peering)),
            description: format!("the private AS{asn} is used by {}", and(&owners)),
            recommended_action:
                "Give each of them a private ASN of its own, or keep them in routing tables of their own."
                    .to_owned(),
            metadata: metadata([
                ("peer_asns", json!([asn])),
                ("vrf", json!(vrf)),
                ("organisations", json!(owners)),
            ]),
        });
    }
}

fn named(asns: &[Asn]) -> String {
    let names: Vec<String> = asns.iter().map(|asn| format!("AS{asn}")).collect();
    and(&names)
}
