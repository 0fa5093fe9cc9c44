//! What is wrong with BGP sessions as they are configured: five rules over a set of peerings, before any route comes.
//!
//! A pure function of the peerings and of VRPs: no state, no clock, and the same findings in whatever order the
//! peerings stand. Only active ones are judged; of the others only what nobody could ever configure. Each fact is
//! found once, with every peering that it affects. `docs/rules.md` tells the rules to people.
//!
//! - [`Peering`]: what is judged; [`document`]: how it is written, in TOML and JSON.
//! - [`Finding`]: what is found, under the names that exporters of such findings already use.

mod asn_collision;
mod configuration_mismatch;
pub mod document;
mod fields;
mod finding;
mod peering;
mod routing_loop;
mod rpki_invalid;
mod session_overlap;
mod unique;

use std::cmp::Reverse;

use serde::Serialize;
use weir_routing::roa::Vrps;

pub use finding::{Finding, Kind};
pub use peering::{PeerIp, Peering, Policy, Status};
pub use rpki_invalid::Originations;

use crate::incident::Severity;

/// A rule over all peerings: its name, how bad its findings can be (the usual first), its judgement.
#[derive(Debug)]
pub struct Rule {
    /// Names it and its findings.
    pub kind: Kind,
    /// Every severity that its findings have, the usual one first.
    pub severities: &'static [Severity],
    judge: fn(&Configured<'_>, &mut Vec<Finding>),
}

/// Every rule, sorted by name.
pub const ALL: [Rule; 5] = [
    asn_collision::RULE,
    configuration_mismatch::RULE,
    routing_loop::RULE,
    rpki_invalid::RULE,
    session_overlap::RULE,
];

/// What rules look at.
struct Configured<'a> {
    all: &'a [Peering],
    vrps: Option<&'a Vrps>,
}

impl<'a> Configured<'a> {
    fn active(&self) -> impl Iterator<Item = &'a Peering> + use<'a> {
        self.all.iter().filter(|peering| peering.is_active())
    }
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Peerings that were given.
    pub peerings: usize,
    /// Those of them that are active, and so were judged.
    pub active: usize,
    /// What the VRPs say of all that is originated; `None` = there were none, and nothing is known.
    pub rpki: Option<Originations>,
    /// The most severe first, then by rule and affected peerings.
    pub findings: Vec<Finding>,
}

/// Judges all peerings together. Without VRPs, or with an empty list of them, `rpki_invalid` finds nothing.
#[must_use]
pub fn check(peerings: &[Peering], vrps: Option<&Vrps>) -> Report {
    let configured = Configured {
        all: peerings,
        // No VRP at all says nothing; it does not say that no prefix has one.
        vrps: vrps.filter(|vrps| !vrps.is_empty()),
    };
    let mut findings = Vec::new();
    for rule in &ALL {
        (rule.judge)(&configured, &mut findings);
    }
    findings.sort_by(|a, b| order(a).cmp(&order(b)));
    Report {
        peerings: peerings.len(),
        active: configured.active().count(),
        rpki: rpki_invalid::originations(&configured),
        findings,
    }
}

/// Descriptions name what was found, so no two findings are equal in all of this.
fn order(of: &Finding) -> impl Ord + '_ {
    (
        Reverse(of.severity),
        of.kind.name(),
        &of.affected_peers,
        &of.description,
    )
}

#[cfg(test)]
mod tests;
