//! What vantage points have of own prefixes, judged by the list.

use rstest::rstest;
use weir_routing::{AsPath, Peer};

use super::{
    super::audit::{Audit, Finding, Neighbour, Share},
    *,
};
use crate::Thresholds;

const LIST: &str = r#"
[[network]]
asn = 64500
upstreams = [64510]
downstreams = [64520]

[[prefix]]
prefix = "198.51.100.0/24"
origins = [64500]
max_length = 25

[[prefix]]
prefix = "203.0.113.0/24"
origins = [64500, 64501]
upstreams = [64511]

[[prefix]]
prefix = "192.0.2.0/24"
origins = [64500]
policies = ["no-export"]

[[prefix]]
prefix = "2001:db8:7::/48"
origins = []

[[prefix]]
prefix = "10.9.0.0/16"
origins = [64500]
ignore = true
"#;

const WHOLE: &str = "198.51.100.0/24";
const SERVICE: &str = "203.0.113.0/24";

/// Everything as it is expected, at so many vantage points with twenty other routes each: 65001 and up.
fn expected(points: u32) -> Vec<(u32, String, String)> {
    let mut routes = Vec::new();
    for point in 65_001..=65_000 + points {
        let mut says = |prefix: &str, path: String| {
            routes.push((point, prefix.to_owned(), format!("{point} {path}")));
        };
        for other in 0..20 {
            says(&format!("10.{other}.0.0/16"), "64999".to_owned());
        }
        says(WHOLE, "64510 64500".to_owned());
        says(SERVICE, "64511 64500".to_owned());
    }
    routes
}

fn found(routes: &[(u32, String, String)]) -> Vec<String> {
    let list = list(LIST);
    let mut audit = Audit::of(&list);
    for (point, prefix, path) in routes {
        let address = [198, 18, 0, u8::try_from(point % 256).unwrap()].into();
        let path: AsPath = path.parse().unwrap();
        audit.hear(
            Peer::new(address, Asn(*point)),
            super::prefix(prefix),
            &path,
        );
    }
    let found = audit.findings(2, &Thresholds::default());
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_as_expected_is_silent() {
    assert_eq!(found(&expected(12)), [""; 0]);
    assert_eq!(found(&[]), [""; 0], "no table, no word");
}

/// Two vantage points say besides.
#[rstest]
#[case::another_origin(WHOLE, "64510 64666", &["origin: 198.51.100.0/24 from AS64666 is seen by 2 vantage points"])]
#[case::an_expected_part("198.51.100.128/25", "64510 64500", &[])]
#[case::a_part_of_a_part("198.51.100.64/26", "64510 64500", &["part: 198.51.100.64/26 from AS64500 is seen by 2 vantage points"])]
#[case::a_part_of_another("198.51.100.64/26", "64510 64666", &["origin: 198.51.100.64/26 from AS64666 is seen by 2 vantage points"])]
#[case::an_upstream_of_the_network(WHOLE, "64512 64500 64500", &["upstream: AS64512 right before AS64500 on paths to 198.51.100.0/24 is seen by 2 vantage points"])]
#[case::one_of_the_prefix_alone(WHOLE, "64511 64500", &["upstream: AS64511 right before AS64500 on paths to 198.51.100.0/24 is seen by 2 vantage points"])]
#[case::of_a_prefix_that_names_its_own(SERVICE, "64510 64501", &["upstream: AS64510 right before AS64501 on paths to 203.0.113.0/24 is seen by 2 vantage points"])]
#[case::a_customer_at_its_own_vantage_point(WHOLE, "64520 64500", &[])]
#[case::what_is_for_neighbours("192.0.2.0/24", "64510 64500", &["no-export: 192.0.2.0/24 is seen by 2 vantage points"])]
#[case::what_nobody_may_announce("2001:db8:7::/48", "64510 64500", &["origin: 2001:db8:7::/48 from AS64500 is seen by 2 vantage points"])]
#[case::what_is_ignored("10.9.0.0/16", "64510 64666", &[])]
#[case::a_set(WHOLE, "64510 {64500,64666}", &[])]
fn what_is_not_expected_is_told(#[case] prefix: &str, #[case] tail: &str, #[case] told: &[&str]) {
    let mut routes = expected(12);
    let mut besides = |point: u32| {
        routes.push((point, prefix.to_owned(), format!("{point} {tail}")));
    };
    besides(65_001);
    assert_eq!(found(&routes), [""; 0], "one alone may err");
    let mut routes = routes.clone();
    routes.push((65_002, prefix.to_owned(), format!("65002 {tail}")));
    assert_eq!(found(&routes), told);
}

/// So many of so many keep a prefix of two.
#[rstest]
#[case::all(12, 12, &[])]
#[case::half(12, 6, &[])]
#[case::fewer_than_half(12, 5, &["visibility: 5 of 12 full tables have 198.51.100.0/24"])]
#[case::none(12, 0, &["missing: no vantage point has 198.51.100.0/24"])]
#[case::too_few_to_count(9, 1, &[])]
#[case::none_of_few(1, 0, &["missing: no vantage point has 198.51.100.0/24"])]
fn who_has_it(#[case] points: u32, #[case] keep: u32, #[case] told: &[&str]) {
    let mut routes = expected(points);
    routes.retain(|(point, prefix, _)| prefix != WHOLE || *point <= 65_000 + keep);
    assert_eq!(found(&routes), told);
}

#[test]
fn an_expected_part_in_its_place_is_enough_and_a_partial_table_does_not_count() {
    let mut routes = expected(12);
    for (_, prefix, _) in &mut routes {
        if prefix == WHOLE {
            "198.51.100.0/25".clone_into(prefix);
        }
    }
    assert_eq!(found(&routes), [""; 0]);

    let mut routes = expected(12);
    for point in 65_101..=65_120 {
        let own = (point, SERVICE.to_owned(), format!("{point} 64511 64500"));
        routes.push(own);
    }
    assert_eq!(found(&routes), [""; 0]);
}

#[test]
fn a_new_upstream_of_many_prefixes_is_told_once() {
    let mut routes = expected(12);
    for point in 65_001..=65_003 {
        for part in [WHOLE, "198.51.100.0/25", "198.51.100.128/25"] {
            let path = format!("{point} 64512 64500");
            routes.push((point, part.to_owned(), path));
        }
    }
    let told = "upstream: AS64512 right before AS64500 on paths to 198.51.100.0/24 and 2 more is seen by 3 vantage points";
    assert_eq!(found(&routes), [told]);
}

/// One vantage point is asked for what it has, another one has counted.
#[rstest]
#[case::enough(true, Some((6, 12)), &[])]
#[case::too_few(true, Some((5, 12)), &["visibility: 5 of 12 full tables have 198.51.100.0/24"])]
#[case::of_few(true, Some((1, 9)), &[])]
#[case::none(false, Some((0, 12)), &["missing: no vantage point has 198.51.100.0/24"])]
#[case::nobody_counted(false, None, &[])]
fn a_share_that_was_counted_elsewhere(
    #[case] seen: bool,
    #[case] counted: Option<(usize, usize)>,
    #[case] told: &[&str],
) {
    let list = list(LIST);
    let mut audit = Audit::of(&list);
    if seen {
        let path: AsPath = "65001 64510 64500".parse().unwrap();
        audit.see(Asn(65_001), super::prefix(WHOLE), &path);
    }
    if let Some((carry, of)) = counted {
        audit.share(super::prefix(WHOLE), Share { carry, of });
    }
    let found = audit.findings(2, &Thresholds::default());
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, told);
}

#[test]
fn what_a_finding_is_about_does_not_hang_on_counts() {
    let (part, upstream) = (super::prefix("198.51.100.64/26"), Asn(64_512));
    let neighbour = |first, prefixes, seen| {
        Finding::Upstream(Neighbour {
            origin: Asn(64_500),
            upstream,
            first,
            prefixes,
            seen,
        })
    };
    let (own, share) = (super::prefix(WHOLE), |carry| Share { carry, of: 12 });
    for (one, other) in [
        (
            Finding::Hidden(own, share(1)),
            Finding::Hidden(own, share(2)),
        ),
        (Finding::Exported(own, 2), Finding::Exported(own, 3)),
        (
            Finding::Origin(own, upstream, 2),
            Finding::Origin(own, upstream, 3),
        ),
        (
            Finding::Part(part, upstream, 2),
            Finding::Part(part, upstream, 3),
        ),
        (neighbour(own, 2, 2), neighbour(part, 1, 3)),
    ] {
        assert_eq!(one.subject(), other.subject());
        assert!(Finding::CHECKS.contains(&one.subject().check));
        assert_ne!(one.subject(), Finding::Missing(own).subject());
    }
}
