//! Path loop: an ASN comes back on the path after another one, which loop detection (RFC 4271,
//! 9.1.2) should have refused. Mostly poisoning: counted, nobody is paged.

use crate::{
    incident::{Kind, Severity},
    rule::{Finding, RouteView, Rule},
};

/// Reports a loop. Prepending is none; members of an AS_SET have no order and make none.
#[derive(Debug)]
pub(super) struct PathLoop;

impl Rule for PathLoop {
    fn kind(&self) -> Kind {
        Kind::PathLoop
    }

    fn severity(&self) -> Severity {
        Severity::Info
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        let Some(looping) = view.looping_asn else {
            return;
        };
        findings.push(Finding::of_hop(self.kind(), self.severity(), looping));
    }
}
