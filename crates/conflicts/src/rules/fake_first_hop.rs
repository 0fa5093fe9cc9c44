//! Fake first hop: a prefix appears with its own origin behind a network that has never been a neighbour of that. Who
//! forges the tail of a path looks like that, and ROAs do not tell ("type 1" of ARTEMIS). A network with more customers
//! than the origin is an upstream like many: new ones are normal.

use crate::{
    incident::{Kind, Severity},
    rule::{Finding, RouteView, Rule},
};

/// Reports a known origin behind a neighbour which is none.
#[derive(Debug)]
pub(super) struct FakeFirstHop;

impl Rule for FakeFirstHop {
    fn kind(&self) -> Kind {
        Kind::FakeFirstHop
    }

    fn severity(&self) -> Severity {
        Severity::Medium
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        let Some(link) = view.new_link else {
            return;
        };
        if view.is_stable && link.at_origin && !link.is_seller {
            findings.push(Finding::of_link(self.kind(), self.severity(), link));
        }
    }
}
