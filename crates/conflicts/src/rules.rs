//! The registry of rules: one line each, sorted by name. `docs/rules.md` tells them to people.

mod bogon_asn;
mod bogon_prefix;
mod default_or_too_specific;
mod long_path;
mod moas;
mod origin_change;
mod path_loop;
mod route_leak;
mod rpki_invalid;
mod sub_prefix;
mod tier1_sandwich;

use crate::rule::Rule;

/// Every rule.
pub const ALL: [&dyn Rule; 11] = [
    &bogon_asn::BogonAsn,
    &bogon_prefix::BogonPrefix,
    &default_or_too_specific::DefaultOrTooSpecific,
    &long_path::LongPath,
    &moas::Moas,
    &origin_change::OriginChange,
    &path_loop::PathLoop,
    &route_leak::RouteLeak,
    &rpki_invalid::RpkiInvalid,
    &sub_prefix::SubPrefix,
    &tier1_sandwich::Tier1Sandwich,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Kind;

    #[test]
    fn names_are_sorted_and_every_kind_has_one_rule() {
        let names: Vec<_> = ALL.iter().map(|rule| rule.kind().name()).collect();
        assert!(names.is_sorted());
        let mut kinds = Kind::ALL.map(Kind::name);
        kinds.sort_unstable();
        assert_eq!(names, kinds);
    }
}
