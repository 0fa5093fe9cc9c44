//! Configuration mismatch: values that no session can have, or that contradict each other.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{
    Configured, Finding, Kind, Peering, Rule,
    finding::{ids, metadata},
};
use crate::incident::Severity;

pub(super) const RULE: Rule = Rule {
    kind: Kind::ConfigurationMismatch,
    severities: &[Severity::High, Severity::Medium],
    judge,
};

fn judge(configured: &Configured<'_>, findings: &mut Vec<Finding>) {
    // Whatever its status: what is no address will not become one when the peering does become active.
    findings.extend(configured.all.iter().filter_map(unreadable_address));
    for peering in configured.active() {
        findings.extend(private_address(peering));
        findings.extend(short_hold_time(peering));
        findings.extend(slow_keepalive(peering));
    }
}

fn unreadable_address(peering: &Peering) -> Option<Finding> {
    if peering.peer_ip.address().is_some() {
        return None;
    }
    Some(Finding {
        severity: Severity::High,
        ..mismatch(
            peering,
            format!(
                "`peer_ip` \"{}\" is not an address that a neighbour can have",
                peering.peer_ip
            ),
            "Write the unicast address of the neighbour, without a length: 192.0.2.1 or 2001:db8::1.",
            [
                ("key", json!("peer_ip")),
                ("peer_ip", json!(peering.peer_ip.to_string())),
                ("status", json!(peering.status.name())),
            ],
        )
    })
}

/// A network with an ASN of its own is met at public addresses, as a rule. Inside of one network, and of a VRF, private
/// ones are usual.
fn private_address(peering: &Peering) -> Option<Finding> {
    let address = peering.peer_ip.address()?;
    let asn = peering.peer_asn;
    let is_usual = peering.is_internal() || peering.vrf.is_some();
    if is_usual || !is_private(address) || asn.is_private() || asn.is_reserved() {
        return None;
    }
    Some(mismatch(
        peering,
        format!("the neighbour AS{asn} has a public ASN and the private address {address}"),
        "Look whether the address or the ASN is the wrong one.",
        [
            ("key", json!("peer_ip")),
            ("peer_ip", json!(address)),
            ("peer_asn", json!(asn)),
        ],
    ))
}

/// RFC 4271, 4.2: zero, or three seconds and more.
fn short_hold_time(peering: &Peering) -> Option<Finding> {
    let hold_time @ 1..=2 = peering.hold_time? else {
        return None;
    };
    Some(mismatch(
        peering,
        format!(
            "a hold time of {hold_time} s is refused by every neighbour: it is 0, or 3 s and more (RFC 4271, 4.2)"
        ),
        "Set `hold_time` to 90, or to 0 for a session that never times out.",
        [
            ("key", json!("hold_time")),
            ("hold_time", json!(hold_time)),
            ("keepalive", json!(peering.keepalive)),
        ],
    ))
}

/// RFC 4271, 4.4 and 10: a third of the hold time at most, none when that is zero. A hold time that is refused is told
/// of already.
fn slow_keepalive(peering: &Peering) -> Option<Finding> {
    let (hold_time, keepalive) = (peering.hold_time?, peering.keepalive?);
    let most = hold_time / 3;
    if keepalive <= most || matches!(hold_time, 1..=2) {
        return None;
    }
    let (why, action) = match hold_time {
        0 => (
            ", but a hold time of 0 turns keepalives off".to_owned(),
            "Set `keepalive` to 0, or `hold_time` to three times it.".to_owned(),
        ),
        _ => (
            format!(
                " is more than a third of the hold time of {hold_time} s: one that is lost may end the session"
            ),
            format!("Set `keepalive` to {most} or less, or `hold_time` to three times it."),
        ),
    };
    Some(mismatch(
        peering,
        format!("a keepalive every {keepalive} s{why} (RFC 4271, 4.4)"),
        &action,
        [
            ("key", json!("keepalive")),
            ("hold_time", json!(hold_time)),
            ("keepalive", json!(keepalive)),
        ],
    ))
}

fn mismatch(
    peering: &Peering,
    description: String,
    action: &str,
    values: [(&str, Value); 3],
) -> Finding {
    Finding {
        kind: RULE.kind,
        severity: Severity::Medium,
        affected_peers: ids([peering]),
        description,
        recommended_action: action.to_owned(),
        metadata: metadata(values),
    }
}

/// RFC 1918 and RFC 4193.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}
