//! RPKI-invalid: somebody holds a ROA for the prefix, and none that covers it allows this origin and length
//! (route origin validation, RFC 6811).

use weir_routing::roa::{Mismatch, Validity};

use crate::{
    incident::{Kind, Severity, reason},
    knowledge::Rpki,
    rule::{Finding, RouteView, Rule},
};

/// Reports an origination that fresh VRPs forbid.
#[derive(Debug)]
pub(super) struct RpkiInvalid;

impl Rule for RpkiInvalid {
    fn kind(&self) -> Kind {
        Kind::RpkiInvalid
    }

    fn severity(&self) -> Severity {
        Severity::High
    }

    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>) {
        let (Some(origin), Rpki::Judged(Validity::Invalid(mismatch))) = (view.origin, view.rpki)
        else {
            return;
        };
        let (mut severity, why) = match mismatch {
            Mismatch::Asn => (self.severity(), reason::RPKI_ASN),
            Mismatch::As0 => (self.severity(), reason::RPKI_AS0),
            Mismatch::Length => (Severity::Low, reason::RPKI_LENGTH),
        };
        let mut reasons = vec![why];
        let innocent = [
            (view.is_stable, reason::PREVIOUSLY_SEEN),
            (view.is_part_of_valid, reason::VALID_COVERING),
            (view.blackhole, reason::BLACKHOLE),
        ];
        for (_, why) in innocent.into_iter().filter(|(holds, _)| *holds) {
            severity = Severity::Info;
            reasons.push(why);
        }
        let mut finding = Finding::of_origin(self.kind(), severity, origin);
        finding.reasons = reasons;
        let others = view.authorized.iter().copied();
        finding.expected = others.filter(|asn| !origin.asns().contains(asn)).collect();
        finding.covering = view.covering.map(|covering| covering.prefix);
        findings.push(finding);
    }
}
