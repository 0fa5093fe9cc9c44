//! The registry of rules: one line each, sorted by name. `docs/rules.md` tells them to people.

mod bogon_asn;
mod bogon_prefix;
mod moas;
mod origin_change;
mod path_loop;
mod sub_prefix;

use crate::rule::Rule;

/// Every rule.
pub const ALL: [&dyn Rule; 6] = [
    &bogon_asn::BogonAsn,
    &bogon_prefix::BogonPrefix,
    &moas::Moas,
    &origin_change::OriginChange,
    &path_loop::PathLoop,
    &sub_prefix::SubPrefix,
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
