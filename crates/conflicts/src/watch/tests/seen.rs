//! What is proposed of routes and ROAs, and how a list differs from it.

use rstest::rstest;
use weir_routing::{
    AsPath, Asn, Segment,
    roa::{Vrp, Vrps},
};

use super::{list, prefix};
use crate::watch::{
    Remarks, WatchList,
    difference::differences,
    proposal::{Proposal, Routes, SEEN_BY},
};

/// (vantage point, prefix, path with the nearest AS first).
type Route<'a> = (u32, &'a str, &'a [u32]);

/// AS64500 behind AS64510 for three, behind AS64511 for one; AS64501 beside it.
const ROUTES: [Route<'_>; 9] = [
    (65_001, "192.0.2.0/24", &[65_001, 64_510, 64_500]),
    (65_002, "192.0.2.0/24", &[65_002, 64_510, 64_500, 64_500]),
    (65_003, "192.0.2.0/24", &[65_003, 64_511, 64_500]),
    (65_001, "198.51.100.0/24", &[65_001, 64_510, 64_500]),
    (65_002, "203.0.113.0/24", &[65_002, 64_510, 64_501]),
    (65_001, "203.0.113.0/24", &[65_001, 64_510, 64_501]),
    // A slip of one vantage point; a default route; the same vantage point twice.
    (65_003, "10.9.0.0/16", &[65_003, 64_500]),
    (65_003, "0.0.0.0/0", &[65_003, 64_500]),
    (65_003, "10.9.0.0/16", &[65_003, 64_511, 64_500]),
];

fn heard(networks: &[u32], routes: &[Route<'_>]) -> Routes {
    let mut heard = Routes::of(networks.iter().copied().map(Asn));
    for (point, of, path) in routes {
        let path = AsPath::sequence(path.iter().copied().map(Asn).collect());
        heard.hear(Asn(*point), prefix(of), &path);
    }
    heard
}

fn proposed(routes: &Routes, vrps: Option<&Vrps>) -> Proposal {
    routes.propose(vrps, SEEN_BY).unwrap().unwrap()
}

fn written(proposal: &Proposal) -> String {
    proposal.list.to_toml(&Remarks::default())
}

#[test]
fn what_two_vantage_points_see_is_proposed() {
    let routes = heard(&[64_500], &ROUTES);
    assert_eq!(routes.vantage_points(), 3);
    let proposal = proposed(&routes, None);
    assert_eq!(
        written(&proposal),
        "\n[[network]]\nasn = 64500\nupstreams = [64510]\n\
         \n[[prefix]]\nprefix = \"192.0.2.0/24\"\norigins = [64500]\n"
    );
    let left_out = &proposal.remarks.head[0];
    for named in ["10.9.0.0/16", "0.0.0.0/0", "198.51.100.0/24"] {
        assert!(left_out.contains(named), "{left_out}");
    }
    assert!(proposal.remarks.networks[&Asn(64_500)][1].contains("AS64511"));
    let said = &proposal.remarks.prefixes[&prefix("192.0.2.0/24")];
    assert_eq!(said, &["AS64500: 3 vantage points"]);
}

#[test]
fn a_roa_names_a_prefix_and_its_longest_part() {
    let vrp = |of: &str, max_length, asn| Vrp {
        prefix: prefix(of),
        max_length,
        asn: Asn(asn),
    };
    let vrps = Vrps::from_iter([
        vrp("192.0.2.0/24", 28, 64_500),
        vrp("198.51.100.0/23", 24, 64_500),
        vrp("198.51.100.0/24", 24, 64_502),
        vrp("203.0.113.0/24", 32, 64_502),
        vrp("0.0.0.0/0", 0, 64_500),
    ]);
    let proposal = proposed(&heard(&[64_500, 64_501], &ROUTES), Some(&vrps));
    assert_eq!(
        written(&proposal),
        "\n[[network]]\nasn = 64500\nupstreams = [64510]\n\
         \n[[network]]\nasn = 64501\nupstreams = [64510]\n\
         \n[[prefix]]\nprefix = \"192.0.2.0/24\"\norigins = [64500]\nmax_length = 28\n\
         \n[[prefix]]\nprefix = \"198.51.100.0/23\"\norigins = [64500]\nmax_length = 24\n\
         \n[[prefix]]\nprefix = \"203.0.113.0/24\"\norigins = [64501]\n"
    );
    let said = |of| proposal.remarks.prefixes[&prefix(of)].join("; ");
    assert!(said("198.51.100.0/23").contains("announced at no vantage point"));
    assert!(said("203.0.113.0/24").contains("ROAs forbid it"));
}

#[test]
fn a_member_of_a_set_originates_nothing_and_precedes_nobody() {
    let mut routes = Routes::of([Asn(64_500)]);
    let set = Segment::Set(vec![Asn(64_500)]);
    let path = AsPath::new([Segment::Sequence(vec![Asn(65_001)]), set.clone()]);
    let behind = AsPath::new([set, Segment::Sequence(vec![Asn(64_500)])]);
    for point in [65_001, 65_002] {
        routes.hear(Asn(point), prefix("192.0.2.0/24"), &path);
        routes.hear(Asn(point), prefix("198.51.100.0/24"), &behind);
    }
    let proposal = proposed(&routes, None);
    assert_eq!(
        written(&proposal),
        "\n[[network]]\nasn = 64500\n\n[[prefix]]\nprefix = \"198.51.100.0/24\"\norigins = [64500]\n"
    );
}

#[test]
fn nothing_is_proposed_of_a_network_that_nobody_sees() {
    let routes = heard(&[64_999], &ROUTES);
    assert_eq!(routes.propose(None, SEEN_BY), Ok(None));
    assert!(
        heard(
            &[0],
            &[(1, "192.0.2.0/24", &[1, 0]), (2, "192.0.2.0/24", &[2, 0])]
        )
        .propose(None, SEEN_BY)
        .is_err()
    );
}

#[rstest]
#[case::nothing_else(
    "[[network]]\nasn = 64500\nupstreams = [64510]\n[[prefix]]\nprefix = \"192.0.2.0/24\"\norigins = [64500]",
    &[]
)]
#[case::upstreams_not_said(
    "[[network]]\nasn = 64500\n[[prefix]]\nprefix = \"192.0.2.0/24\"\norigins = [64500]",
    &[]
)]
#[case::new_upstream_and_one_gone(
    "[[network]]\nasn = 64500\nupstreams = [64512]\n[[prefix]]\nprefix = \"192.0.2.0/24\"",
    &["+ upstream AS64510 of AS64500", "- upstream AS64512 of AS64500"]
)]
#[case::new_prefix(
    "[[network]]\nasn = 64500",
    &["+ prefix 192.0.2.0/24 of AS64500"]
)]
#[case::new_network(
    "[[prefix]]\nprefix = \"192.0.2.0/24\"\norigins = [64500]",
    &["+ network 64500"]
)]
#[case::gone_prefix(
    "[[network]]\nasn = 64500\n[[prefix]]\nprefix = \"192.0.2.0/24\"\norigins = [64500]\n\
     [[prefix]]\nprefix = \"10.0.0.0/16\"\norigins = [64500]",
    &["- prefix 10.0.0.0/16"]
)]
#[case::gone_but_of_another_or_given_away(
    "[[network]]\nasn = 64500\n[[prefix]]\nprefix = \"192.0.2.0/24\"\norigins = [64500]\n\
     [[prefix]]\nprefix = \"10.0.0.0/16\"\norigins = [64501]\n\
     [[prefix]]\nprefix = \"10.1.0.0/16\"\norigins = [64500]\nignore = true\n\
     [[prefix]]\nprefix = \"10.2.0.0/16\"\norigins = []",
    &[]
)]
#[case::new_origin(
    "[[network]]\nasn = 64500\n[[prefix]]\nprefix = \"192.0.2.0/24\"\norigins = [64501]",
    &["+ origin AS64500 of 192.0.2.0/24"]
)]
#[case::a_part_that_is_expected_keeps_the_whole_alive(
    "[[network]]\nasn = 64500\n[[prefix]]\nprefix = \"192.0.2.0/23\"\norigins = [64500]\nmax_length = 24",
    &[]
)]
#[case::a_part_that_is_not(
    "[[network]]\nasn = 64500\n[[prefix]]\nprefix = \"192.0.2.0/23\"\norigins = [64500]",
    &["+ prefix 192.0.2.0/24 of AS64500", "- prefix 192.0.2.0/23"]
)]
#[case::parts_that_concern_nobody(
    "[[network]]\nasn = 64500\n[[prefix]]\nprefix = \"192.0.2.0/23\"\norigins = [64501]\nignore_more_specifics = true",
    &[]
)]
fn a_list_differs_in_what_is_new_and_what_is_gone(#[case] held: &str, #[case] found: &[&str]) {
    let now = proposed(&heard(&[64_500], &ROUTES), None);
    let differences = differences(&list(held), &now.list);
    let said: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert_eq!(said, found);
}

#[test]
fn a_proposal_does_not_differ_from_itself() {
    let now: WatchList = proposed(&heard(&[64_500, 64_501], &ROUTES), None).list;
    assert_eq!(differences(&now, &now), []);
}
