//! Long path: more hops, or more prepends of one network, than any traffic engineering needs. Harmless
//! mostly; paths of hundreds have broken routers (2009-02-16: AS47868 prepended itself 252 times).

use crate::{
    incident::{Kind, Severity},
    rule::{Finding, RouteView, Rule},
};

/// Reports a path over `long_path_over`, or with an ASN over `prepended_over` times in a row.
#[derive(Debug)]
pub(super) struct LongPath;

impl Rule for LongPath {
    fn kind(&self) -> Kind {
        Kind::LongPath
    }

    fn severity(&self) -> Severity {
        Severity::Info
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        let Some(stretching) = view.stretching_asn else {
            return;
        };
        let severity = if view.length > view.thresholds.overlong_path_over {
            Severity::Low
        } else {
            self.severity()
        };
        findings.push(Finding::of_hop(self.kind(), severity, stretching));
    }
}
