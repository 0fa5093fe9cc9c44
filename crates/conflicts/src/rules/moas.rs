//! MOAS: a prefix is announced with an origin that is not among its stable ones, while one of
//! those still announces it (multiple origin AS, RFC 1930, 7).

use crate::{
    incident::{Kind, Severity, reason},
    rule::{Covering, Finding, RouteView, Rule},
};

/// Reports a second origin beside an expected one.
#[derive(Debug)]
pub(super) struct Moas;

impl Rule for Moas {
    fn kind(&self) -> Kind {
        Kind::Moas
    }

    fn severity(&self) -> Severity {
        Severity::High
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        if view.expected_is_visible {
            findings.extend(stranger(self.kind(), self.severity(), view));
        }
    }
}

/// An origin that is a stranger to the prefix.
pub(super) fn stranger(kind: Kind, severity: Severity, view: &RouteView<'_>) -> Option<Finding> {
    let origin = view.origin?;
    if view.is_stable || view.expected.is_empty() {
        return None;
    }
    // Without a baseline, who holds the covering prefix may announce its parts.
    let held = |covering: &Covering| covering.is_held_by(origin);
    if view.no_baseline && view.covering.is_some_and(held) {
        return None;
    }
    let mut finding = Finding::of_origin(kind, severity, origin);
    finding.expected = view.expected.to_vec();
    if view.nearest_of(view.expected).is_some() {
        // Mostly a customer that takes its prefix over; a forged tail would look the same.
        finding.severity = Severity::Low;
        finding.reasons.push(reason::VICTIM_ON_PATH);
    } else if view.is_transit {
        finding.reasons.push(reason::TRANSIT_OF_VICTIM);
    }
    if view.no_baseline {
        finding.severity = Severity::Info;
        finding.reasons.push(reason::NO_BASELINE);
    }
    Some(finding)
}
