//! Fake link: two networks stand side by side on a path, not at its end, that nobody has seen so, in neither order
//! ("type N" of ARTEMIS). Most are new peerings: hence low.

use crate::{
    incident::{Kind, Severity},
    rule::{Finding, RouteView, Rule},
};

/// Reports two neighbours on the way which are none.
#[derive(Debug)]
pub(super) struct FakeLink;

impl Rule for FakeLink {
    fn kind(&self) -> Kind {
        Kind::FakeLink
    }

    fn severity(&self) -> Severity {
        Severity::Low
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        let Some(link) = view.new_link else {
            return;
        };
        if view.is_stable && !link.at_origin && !link.is_seller {
            findings.push(Finding::of_link(self.kind(), self.severity(), link));
        }
    }
}
