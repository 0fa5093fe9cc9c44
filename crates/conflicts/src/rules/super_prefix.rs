//! Super-prefix hijack: a stranger announces a new prefix that holds those of others, and so gets what is addressed
//! to the gaps between them, and to all of them when they are withdrawn.

use crate::{
    incident::{Kind, Severity, reason},
    rule::{Finding, RouteView, Rule},
};

/// Reports an origin that holds nothing of what lies in its new prefix.
#[derive(Debug)]
pub(super) struct SuperPrefix;

impl Rule for SuperPrefix {
    fn kind(&self) -> Kind {
        Kind::SuperPrefix
    }

    fn severity(&self) -> Severity {
        Severity::Low
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        let (Some(origin), Some(within)) = (view.origin, view.within) else {
            return;
        };
        let mut finding = Finding::of_origin(self.kind(), self.severity(), origin);
        finding.expected = within.holders.clone();
        if within.is_transit {
            finding.severity = Severity::Info;
            finding.reasons.push(reason::TRANSIT_OF_VICTIM);
        }
        findings.push(finding);
    }
}
