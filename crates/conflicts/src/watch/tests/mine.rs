//! Whose an incident is.

use rstest::rstest;

use super::{list, prefix};
use crate::{
    incident::Kind,
    watch::{Mine, Outline},
};
use weir_routing::Asn;

/// AS64500 with a prefix, one whose parts concern nobody, one that was given away, and a part of that one.
const LIST: &str = r#"
[[network]]
asn = 64500

[[prefix]]
prefix = "10.1.0.0/16"

[[prefix]]
prefix = "10.2.0.0/16"
ignore_more_specifics = true

[[prefix]]
prefix = "10.3.0.0/16"
ignore = true

[[prefix]]
prefix = "2001:db8::/32"
"#;

/// Of others: no own network has a part in it.
const OTHERS: [u32; 1] = [64_999];
const US: [u32; 1] = [64_500];

#[rstest]
#[case::own_prefix(Kind::Moas, "10.1.0.0/16", Some(Mine::Prefix(prefix("10.1.0.0/16"))))]
#[case::whatever_the_rule(Kind::Flap, "10.1.0.0/16", Some(Mine::Prefix(prefix("10.1.0.0/16"))))]
#[case::a_part(
    Kind::SubPrefix,
    "10.1.7.0/24",
    Some(Mine::Part(prefix("10.1.0.0/16")))
)]
#[case::a_host(
    Kind::SubPrefix,
    "10.1.7.1/32",
    Some(Mine::Part(prefix("10.1.0.0/16")))
)]
#[case::a_whole(
    Kind::SuperPrefix,
    "10.0.0.0/15",
    Some(Mine::Holds(prefix("10.1.0.0/16")))
)]
#[case::a_whole_of_another_rule(Kind::Flap, "10.0.0.0/15", None)]
#[case::a_default_route(Kind::SuperPrefix, "0.0.0.0/0", None)]
#[case::beside(Kind::Moas, "10.4.0.0/16", None)]
#[case::parts_ignored(Kind::SubPrefix, "10.2.7.0/24", None)]
#[case::but_not_the_prefix(Kind::Moas, "10.2.0.0/16", Some(Mine::Prefix(prefix("10.2.0.0/16"))))]
#[case::given_away(Kind::Moas, "10.3.0.0/16", None)]
#[case::but_not_its_parts(
    Kind::SubPrefix,
    "10.3.7.0/24",
    Some(Mine::Part(prefix("10.3.0.0/16")))
)]
#[case::only_what_was_given_away(
    Kind::SuperPrefix,
    "10.3.0.0/15",
    Some(Mine::Holds(prefix("10.2.0.0/16")))
)]
#[case::ipv6(
    Kind::SubPrefix,
    "2001:db8:7::/48",
    Some(Mine::Part(prefix("2001:db8::/32")))
)]
#[case::a_whole_of_ipv6(
    Kind::SuperPrefix,
    "2001::/16",
    Some(Mine::Holds(prefix("2001:db8::/32")))
)]
fn a_prefix_is_own_or_a_part_or_holds_one(
    #[case] kind: Kind,
    #[case] of: &str,
    #[case] mine: Option<Mine>,
) {
    let outline = Outline {
        kind: Some(kind),
        prefix: Some(prefix(of)),
        members: &[],
        suspects: &OTHERS,
        victims: &OTHERS,
        expected: &OTHERS,
    };
    assert_eq!(list(LIST).mine(&outline), mine);
}

#[rstest]
#[case::nobody(&OTHERS, &OTHERS, &OTHERS, None)]
#[case::suspect(&US, &OTHERS, &OTHERS, Some(Mine::Suspect(Asn(64_500))))]
#[case::one_of_a_set(&[64_999, 64_500], &[], &[], Some(Mine::Suspect(Asn(64_500))))]
#[case::expected(&OTHERS, &OTHERS, &US, Some(Mine::Expected(Asn(64_500))))]
#[case::victim(&OTHERS, &US, &OTHERS, Some(Mine::Victim(Asn(64_500))))]
#[case::the_victim_counts_most(&US, &US, &US, Some(Mine::Victim(Asn(64_500))))]
fn elsewhere_the_networks_decide(
    #[case] suspects: &[u32],
    #[case] victims: &[u32],
    #[case] expected: &[u32],
    #[case] mine: Option<Mine>,
) {
    for (kind, of) in [
        (Some(Kind::Moas), "172.16.0.0/16"),
        (None, "172.16.0.0/16"),
        // What was given away, and parts that are ignored, are judged by the networks alone.
        (Some(Kind::Moas), "10.3.0.0/16"),
        (Some(Kind::SubPrefix), "10.2.7.0/24"),
    ] {
        let outline = Outline {
            kind,
            prefix: Some(prefix(of)),
            members: &[],
            suspects,
            victims,
            expected,
        };
        assert_eq!(list(LIST).mine(&outline), mine, "{of}");
    }
}

#[test]
fn an_unknown_rule_claims_nothing() {
    let outline = Outline {
        kind: None,
        prefix: Some(prefix("10.0.0.0/8")),
        members: &[],
        suspects: &[],
        victims: &[],
        expected: &[],
    };
    assert_eq!(list(LIST).mine(&outline), None);
}

#[rstest]
#[case::an_own_prefix(&["10.4.0.0/16", "10.1.0.0/16"], Some(Mine::Prefix(prefix("10.1.0.0/16"))))]
#[case::a_part(&["10.4.0.0/16", "10.1.7.0/24"], Some(Mine::Part(prefix("10.1.0.0/16"))))]
#[case::what_holds_one(&["10.0.0.0/15"], None)]
#[case::given_away(&["10.3.0.0/16", "10.2.7.0/24"], None)]
#[case::nothing(&[], None)]
fn without_a_prefix_the_members_decide(#[case] members: &[&str], #[case] mine: Option<Mine>) {
    let members: Vec<_> = members.iter().map(|text| prefix(text)).collect();
    let mut outline = Outline {
        kind: Some(Kind::Moas),
        prefix: None,
        members: &members,
        suspects: &OTHERS,
        victims: &OTHERS,
        expected: &OTHERS,
    };
    assert_eq!(list(LIST).mine(&outline), mine);
    outline.suspects = &US;
    let by_network = Mine::Suspect(Asn(64_500));
    assert_eq!(list(LIST).mine(&outline), Some(mine.unwrap_or(by_network)));
}

#[rstest]
#[case(Mine::Prefix(prefix("10.1.0.0/16")), "10.1.0.0/16 is an own prefix")]
#[case(
    Mine::Part(prefix("10.1.0.0/16")),
    "part of the own prefix 10.1.0.0/16"
)]
#[case(Mine::Holds(prefix("10.1.0.0/16")), "holds the own prefix 10.1.0.0/16")]
#[case(Mine::Victim(Asn(64_500)), "the own AS64500 is a victim")]
#[case(Mine::Expected(Asn(64_500)), "the own AS64500 is an expected origin")]
#[case(Mine::Suspect(Asn(64_500)), "the own AS64500 is the suspect")]
fn the_reason_is_a_sentence(#[case] mine: Mine, #[case] said: &str) {
    assert_eq!(mine.to_string(), said);
}
