//! Part of an own prefix behind a strange neighbour: a more specific of a known prefix appears with the right origin, and
//! the network right before it has never been its neighbour. Who forges the tail of a path to pass origin validation
//! looks like that (RFC 9319; "defcon" of ARTEMIS).

use crate::{
    incident::{Kind, Severity},
    rule::{Finding, RouteView, Rule},
};

/// Reports a part of an own prefix that comes through a neighbour which is none.
#[derive(Debug)]
pub(super) struct OwnSubPrefix;

impl Rule for OwnSubPrefix {
    fn kind(&self) -> Kind {
        Kind::OwnSubPrefix
    }

    fn severity(&self) -> Severity {
        Severity::Medium
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        let (Some(link), Some(origin)) = (view.new_link, view.origin) else {
            return;
        };
        let Some(covering) = view.covering.filter(|covering| covering.is_held_by(origin)) else {
            return;
        };
        let is_new = !view.is_stable && view.no_baseline;
        if !is_new || !link.at_origin || link.is_seller || !covering.settled || view.blackhole {
            return;
        }
        let mut finding = Finding::of_link(self.kind(), self.severity(), link);
        finding.covering = Some(covering.prefix);
        findings.push(finding);
    }
}
