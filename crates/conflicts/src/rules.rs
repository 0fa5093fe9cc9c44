//! The registry of rules: one line each, sorted by name, those that judge routes apart from those that judge what is left
//! of them. `docs/rules.md` tells them to people.

mod aspa_invalid;
mod bogon_asn;
mod bogon_prefix;
mod default_or_too_specific;
mod fake_first_hop;
mod fake_link;
mod flap;
mod long_path;
pub(crate) mod mass_withdrawal;
mod moas;
mod origin_change;
mod otc_leak;
mod own_sub_prefix;
mod path_loop;
pub(crate) mod peer_health;
mod route_leak;
mod rpki_invalid;
mod sub_prefix;
mod super_prefix;
mod tier1_sandwich;
pub(crate) mod visibility_loss;

use crate::{
    incident::{Kind, Severity},
    rule::Rule,
};

/// Every rule that judges an announced route.
pub const ALL: [&dyn Rule; 18] = [
    &aspa_invalid::AspaInvalid,
    &bogon_asn::BogonAsn,
    &bogon_prefix::BogonPrefix,
    &default_or_too_specific::DefaultOrTooSpecific,
    &fake_first_hop::FakeFirstHop,
    &fake_link::FakeLink,
    &flap::Flap,
    &long_path::LongPath,
    &moas::Moas,
    &origin_change::OriginChange,
    &otc_leak::OtcLeak,
    &own_sub_prefix::OwnSubPrefix,
    &path_loop::PathLoop,
    &route_leak::RouteLeak,
    &rpki_invalid::RpkiInvalid,
    &sub_prefix::SubPrefix,
    &super_prefix::SuperPrefix,
    &tier1_sandwich::Tier1Sandwich,
];

/// Every rule that judges counts, when time has passed; with how bad its findings are.
pub const OF_COUNTS: [(Kind, Severity); 3] = [
    (Kind::MassWithdrawal, mass_withdrawal::SEVERITY),
    (Kind::PeerHealth, peer_health::SEVERITY),
    (Kind::VisibilityLoss, visibility_loss::SEVERITY),
];

/// Every rule by its kind, sorted by name, with how bad its findings are where nothing makes them milder or worse.
#[must_use]
pub fn every() -> Vec<(Kind, Severity)> {
    let of_routes = ALL.iter().map(|rule| (rule.kind(), rule.severity()));
    let mut every: Vec<_> = of_routes.chain(OF_COUNTS).collect();
    every.sort_unstable_by_key(|(kind, _)| kind.name());
    every
}

/// How bad the findings of this kind are where nothing makes them milder or worse.
#[must_use]
pub fn severity(kind: Kind) -> Severity {
    let of_route = ALL.iter().find(|rule| rule.kind() == kind);
    let of_counts = || OF_COUNTS.iter().find(|(of, _)| *of == kind);
    let severity = of_route.map(|rule| rule.severity());
    let severity = severity.or_else(|| of_counts().map(|(_, severity)| *severity));
    severity.unwrap_or(Severity::Info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_every_kind_has_one_rule() {
        assert!(ALL.iter().is_sorted_by_key(|rule| rule.kind().name()));
        let names: Vec<_> = every().iter().map(|(kind, _)| kind.name()).collect();
        let mut kinds = Kind::ALL.map(Kind::name);
        kinds.sort_unstable();
        assert_eq!(names, kinds);
        for (kind, base) in every() {
            assert_eq!(severity(kind), base, "{}", kind.name());
        }
    }
}
