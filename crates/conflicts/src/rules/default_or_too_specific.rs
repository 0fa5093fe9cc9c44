//! Default route, or a prefix that is too specific for the global table: longer than /24 in IPv4, /48 in
//! IPv6, which networks filter (RFC 7454, 6.1.3). Mostly internal routes that got out.

use crate::{
    incident::{Kind, Severity, reason},
    rule::{Finding, RouteView, Rule},
};

/// Reports /0, and what is longer than `longest_ipv4` or `longest_ipv6`. A blackholed host is meant to be.
#[derive(Debug)]
pub(super) struct DefaultOrTooSpecific;

impl Rule for DefaultOrTooSpecific {
    fn kind(&self) -> Kind {
        Kind::DefaultOrTooSpecific
    }

    fn severity(&self) -> Severity {
        Severity::Low
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        let Some(origin) = view.origin else { return };
        if !view.thresholds.is_odd_length(&view.prefix) {
            return;
        }
        let mut finding = Finding::of_origin(self.kind(), self.severity(), origin);
        if view.blackhole {
            finding.severity = Severity::Info;
            finding.reasons.push(reason::BLACKHOLE);
        }
        findings.push(finding);
    }
}
