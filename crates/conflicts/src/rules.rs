//! The registry of rules: one line each, sorted by name. `docs/rules.md` tells them to people.

mod aspa_invalid;
mod bogon_asn;
mod bogon_prefix;
mod default_or_too_specific;
mod flap;
mod long_path;
mod moas;
mod origin_change;
mod otc_leak;
mod path_loop;
mod route_leak;
mod rpki_invalid;
mod sub_prefix;
mod super_prefix;
mod tier1_sandwich;

use crate::{
    incident::{Kind, Severity},
    rule::Rule,
};

/// Every rule.
pub const ALL: [&dyn Rule; 15] = [
    &aspa_invalid::AspaInvalid,
    &bogon_asn::BogonAsn,
    &bogon_prefix::BogonPrefix,
    &default_or_too_specific::DefaultOrTooSpecific,
    &flap::Flap,
    &long_path::LongPath,
    &moas::Moas,
    &origin_change::OriginChange,
    &otc_leak::OtcLeak,
    &path_loop::PathLoop,
    &route_leak::RouteLeak,
    &rpki_invalid::RpkiInvalid,
    &sub_prefix::SubPrefix,
    &super_prefix::SuperPrefix,
    &tier1_sandwich::Tier1Sandwich,
];

/// How bad the findings of this kind are where nothing makes them milder or worse.
#[must_use]
pub fn severity(kind: Kind) -> Severity {
    let rule = ALL.iter().find(|rule| rule.kind() == kind);
    rule.map_or(Severity::Info, |rule| rule.severity())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_every_kind_has_one_rule() {
        let names: Vec<_> = ALL.iter().map(|rule| rule.kind().name()).collect();
        assert!(names.is_sorted());
        let mut kinds = Kind::ALL.map(Kind::name);
        kinds.sort_unstable();
        assert_eq!(names, kinds);
    }
}
