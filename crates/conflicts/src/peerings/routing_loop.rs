//! Routing loop: routes are expected from a neighbour that the own ASN is already on. A router refuses them (RFC 4271,
//! 9.1.2), and where it is told not to, traffic goes round.

use serde_json::json;
use weir_routing::{AsPath, Asn};

use super::{
    Configured, Finding, Kind, Rule,
    finding::{ids, metadata},
};
use crate::incident::Severity;

pub(super) const RULE: Rule = Rule {
    kind: Kind::RoutingLoop,
    severities: &[Severity::Critical],
    judge,
};

fn judge(configured: &Configured<'_>, findings: &mut Vec<Finding>) {
    for peering in configured.active() {
        let (own, path) = (peering.local_asn, &peering.import.as_path);
        if !comes_back(own, peering.peer_asn, path) {
            continue;
        }
        findings.push(Finding {
            kind: RULE.kind,
            severity: Severity::Critical,
            affected_peers: ids([peering]),
            description: format!("the own AS{own} stands on the path that is taken in: {path}"),
            recommended_action:
                "Take the own ASN out of `routing_policy.import.as_path`, and refuse routes that it is on."
                    .to_owned(),
            metadata: metadata([
                ("local_asn", json!(own)),
                ("peer_asn", json!(peering.peer_asn)),
                ("as_path", json!(path.to_string())),
            ]),
        });
    }
}

/// True when the path goes through the own network. Over iBGP the neighbour is of the own network, so a path that
/// begins with it has not been elsewhere yet.
fn comes_back(own: Asn, neighbour: Asn, path: &AsPath) -> bool {
    let mut beyond = path
        .asns()
        .skip_while(|asn| *asn == neighbour && own == neighbour);
    beyond.any(|asn| asn == own)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::through_us("64497 64496 64499", 64_497, true)]
    #[case::in_a_set("64497 {64496,64499}", 64_497, true)]
    #[case::of_others("64497 64499", 64_497, false)]
    #[case::none_told("", 64_497, false)]
    #[case::ibgp("", 64_496, false)]
    #[case::ibgp_with_itself("64496 64496 64499", 64_496, false)]
    #[case::ibgp_and_back("64497 64496", 64_496, true)]
    #[case::ibgp_with_itself_and_back("64496 64497 64496", 64_496, true)]
    fn the_own_asn_on_a_path_is_a_loop_and_an_ibgp_neighbour_is_none(
        #[case] path: &str,
        #[case] neighbour: u32,
        #[case] is_loop: bool,
    ) {
        let found = comes_back(Asn(64_496), Asn(neighbour), &path.parse().unwrap());
        assert_eq!(found, is_loop);
    }
}
