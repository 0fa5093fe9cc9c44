//! Bogon ASN: a number that no network in the global table may use stands on the path (RFC 7607,
//! 6996, 5398, 7300, 6793). Mostly a leaked private ASN, sometimes a forged path.

use crate::{
    incident::{Kind, Severity},
    rule::{Finding, RouteView, Rule},
};

/// Reports a listed ASN on the path. The peer's own is left out: collectors have private peers.
#[derive(Debug)]
pub(super) struct BogonAsn;

impl Rule for BogonAsn {
    fn kind(&self) -> Kind {
        Kind::BogonAsn
    }

    fn severity(&self) -> Severity {
        Severity::Low
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        let Some(bogon) = view.bogon_asn else { return };
        findings.push(Finding::of_hop(self.kind(), self.severity(), bogon));
    }
}
