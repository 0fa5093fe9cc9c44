//! Origin change: a prefix is announced with an origin that is not among its stable ones, and none
//! of those has a route any more that is not stale. A transfer, or a hijack that won everywhere.

use super::moas::stranger;
use crate::{
    incident::{Kind, Severity},
    rule::{Finding, RouteView, Rule},
};

/// Reports a new origin in the place of the expected ones.
#[derive(Debug)]
pub(super) struct OriginChange;

impl Rule for OriginChange {
    fn kind(&self) -> Kind {
        Kind::OriginChange
    }

    fn severity(&self) -> Severity {
        Severity::Medium
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        if !view.expected_is_visible {
            findings.extend(stranger(self.kind(), self.severity(), view));
        }
    }
}
