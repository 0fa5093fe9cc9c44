//! OTC leak: a network gave a route to a provider or a peer though a network before it had marked it as for
//! customers only (RFC 9234). The mark is a word of those who carry the route, not a guess of others; the relations
//! behind it are one.

use crate::{
    incident::{Kind, Severity},
    rule::{Finding, RouteView, Rule},
};

/// Reports a path that goes up or across behind the mark.
#[derive(Debug)]
pub(super) struct OtcLeak;

impl Rule for OtcLeak {
    fn kind(&self) -> Kind {
        Kind::OtcLeak
    }

    fn severity(&self) -> Severity {
        Severity::High
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        if let Some(leaking) = view.marked_leaking_asn {
            findings.push(Finding::of_hop(self.kind(), self.severity(), leaking));
        }
    }
}
