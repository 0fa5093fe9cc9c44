//! Sub-prefix announcement by a stranger: part of a known prefix appears with an origin that is
//! none of the covering one's. The classic hijack shape, since the longest match wins (RFC 4271,
//! 9.1.4).

use weir_routing::Asn;

use crate::{
    incident::{Kind, Severity, reason},
    rule::{Finding, Nearness, RouteView, Rule},
};

/// Reports a more specific prefix whose origin is unrelated to the holder of the covering one.
#[derive(Debug)]
pub(super) struct SubPrefix;

impl Rule for SubPrefix {
    fn kind(&self) -> Kind {
        Kind::SubPrefix
    }

    fn severity(&self) -> Severity {
        Severity::Critical
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        let (Some(origin), Some(covering)) = (view.origin, view.covering) else {
            return;
        };
        // A prefix with a history of its own is the matter of moas and origin-change.
        if view.is_cleared || view.is_stable || (!view.expected.is_empty() && !view.no_baseline) {
            return;
        }
        if !covering.settled || covering.origins.is_empty() || covering.is_held_by(origin) {
            return;
        }
        let why = explained(view, &covering.origins);
        let severity = why.map_or(self.severity(), |_| Severity::Info);
        let mut finding = Finding::of_origin(self.kind(), severity, origin);
        finding.expected.clone_from(&covering.origins);
        finding.covering = Some(covering.prefix);
        finding.reasons.extend(why);
        if covering.no_baseline {
            finding.severity = Severity::Info;
            finding.reasons.push(reason::NO_BASELINE);
        }
        findings.push(finding);
    }
}

/// Why one route is harmless: it is a blackhole, or the victim stands on the path.
fn explained(view: &RouteView<'_>, victims: &[Asn]) -> Option<&'static str> {
    if view.blackhole {
        return Some(reason::BLACKHOLE);
    }
    match view.nearest_of(victims)? {
        Nearness::Next => Some(reason::CUSTOMER),
        Nearness::Further => Some(reason::VICTIM_ON_PATH),
    }
}
