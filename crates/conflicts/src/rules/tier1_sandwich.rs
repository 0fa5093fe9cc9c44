//! Tier-1 sandwich: a network stands alone between two that buy transit from nobody. Neither can be its
//! customer, so it passes on what it must not: a route leak of type 1 to 4 (RFC 7908, 3), seen without knowing
//! any relation.

use crate::{
    incident::{Kind, Severity},
    rule::{Finding, RouteView, Rule},
};

/// Reports the one in between.
#[derive(Debug)]
pub(super) struct Tier1Sandwich;

impl Rule for Tier1Sandwich {
    fn kind(&self) -> Kind {
        Kind::Tier1Sandwich
    }

    fn severity(&self) -> Severity {
        Severity::Medium
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        let Some(between) = view.sandwiched_asn else {
            return;
        };
        findings.push(Finding::of_hop(self.kind(), self.severity(), between));
    }
}
