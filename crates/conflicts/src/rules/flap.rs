//! Flap: a vantage point's routes to one prefix come and go, or change, again and again: a link or a session that
//! does not hold. Measured as route flap damping does (RFC 2439), reported when the route comes back.

use crate::{
    incident::{Kind, Severity},
    rule::{Finding, RouteView, Rule},
};

/// Reports a route that comes back with `flap_begins_at` points.
#[derive(Debug)]
pub(super) struct Flap;

impl Rule for Flap {
    fn kind(&self) -> Kind {
        Kind::Flap
    }

    fn severity(&self) -> Severity {
        Severity::Low
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        let flapping = view.flapping_asn;
        if let Some(asn) = flapping.filter(|_| !view.thresholds.is_beacon(&view.prefix)) {
            findings.push(Finding::of_hop(self.kind(), self.severity(), asn));
        }
    }
}
