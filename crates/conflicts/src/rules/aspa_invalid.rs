//! ASPA: a network passed on a route that no neighbour authorized it to, by what these have signed
//! (draft-ietf-sidrops-aspa-verification). Unlike a leak that others infer, this is the owners' own word.

use crate::{
    incident::{Kind, Severity},
    rule::{Finding, RouteView, Rule},
};

/// Reports a path that ASPAs make impossible, whatever the nearest hop is to who listens.
#[derive(Debug)]
pub(super) struct AspaInvalid;

impl Rule for AspaInvalid {
    fn kind(&self) -> Kind {
        Kind::AspaInvalid
    }

    fn severity(&self) -> Severity {
        Severity::High
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        if let Some(unauthorized) = view.unauthorized_asn {
            findings.push(Finding::of_hop(self.kind(), self.severity(), unauthorized));
        }
    }
}
