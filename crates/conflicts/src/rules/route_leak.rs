//! Route leak: a network that had a route from a provider or a peer gave it to another provider or peer, whose
//! traffic it now attracts (RFC 7908, types 1 to 4). Who is a provider or a peer is inferred by others, so one
//! leaked prefix says little.

use crate::{
    incident::{Kind, Severity},
    rule::{Finding, RouteView, Rule},
};

/// Reports a path that goes up again after it went down or across.
#[derive(Debug)]
pub(super) struct RouteLeak;

impl Rule for RouteLeak {
    fn kind(&self) -> Kind {
        Kind::RouteLeak
    }

    fn severity(&self) -> Severity {
        Severity::Low
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        if let Some(leaking) = view.leaking_asn {
            findings.push(Finding::of_hop(self.kind(), self.severity(), leaking));
        }
    }
}
