//! Bogon prefix: an announced prefix lies inside a range that has no place in the global table
//! (RFC 6890, RFC 5735 and the NLNOG list).

use crate::{
    incident::{Kind, Severity},
    rule::{Finding, RouteView, Rule},
};

/// Reports a prefix inside a listed one. A default route covers bogons and is none.
#[derive(Debug)]
pub(super) struct BogonPrefix;

impl Rule for BogonPrefix {
    fn kind(&self) -> Kind {
        Kind::BogonPrefix
    }

    fn severity(&self) -> Severity {
        Severity::Medium
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        let Some(origin) = view.origin else { return };
        let Some(listed) = view.bogons.covering(&view.prefix) else {
            return;
        };
        let mut finding = Finding::of_origin(self.kind(), self.severity(), origin);
        finding.covering = Some(listed);
        findings.push(finding);
    }
}
