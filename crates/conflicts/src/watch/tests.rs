//! The list as a value and as a text, whose an incident is, what is proposed and what differs.

mod audit;
mod mine;
mod seen;

use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// A list of two networks and four prefixes.
const LIST: &str = r#"
[[network]]
asn = 64500
upstreams = [64510, 64511]
downstreams = []
description = "us"
groups = ["noc"]

[[network]]
asn = 64501

[[prefix]]
prefix = "192.0.2.0/24"
origins = [64500]
policies = ["no-export"]

[[prefix]]
prefix = "198.51.100.0/24"
origins = [64500, 64501]
upstreams = [64510]
max_length = 26

[[prefix]]
prefix = "203.0.113.0/24"
origins = []
ignore_more_specifics = true

[[prefix]]
prefix = "2001:db8:7::/48"
ignore = true
"#;

pub(super) fn list(text: &str) -> WatchList {
    WatchList::from_toml(text).unwrap()
}

pub(super) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

#[test]
fn a_file_says_what_it_says() {
    let list = list(LIST);
    let us = list.network(Asn(64_500)).unwrap();
    assert_eq!(us.upstreams, Some([Asn(64_510), Asn(64_511)].into()));
    assert_eq!(us.downstreams, Some(BTreeSet::new()));
    assert_eq!(list.network(Asn(64_501)).unwrap().upstreams, None);
    let entry = list.prefix(&prefix("192.0.2.0/24")).unwrap();
    assert_eq!(entry.policies, [Policy::NoExport].into());
    assert!(entry.expects_length(24) && !entry.expects_length(25));
    let entry = list.prefix(&prefix("198.51.100.0/24")).unwrap();
    assert!(entry.expects_length(26) && !entry.expects_length(27));
    assert!(entry.expects_origin(Asn(64_501)) && !entry.expects_origin(Asn(64_502)));
    let entry = list.prefix(&prefix("203.0.113.0/24")).unwrap();
    assert!(entry.expects_length(32) && !entry.expects_origin(Asn(64_500)));
}

#[rstest]
#[case::empty("", "nothing is watched")]
#[case::no_toml("[[prefix", "line 1 (`[[prefix`): ")]
#[case::unknown_table(
    "[[prefixes]]\nprefix = \"192.0.2.0/24\"",
    "line 1 (`[[prefixes]]`): unknown field `prefixes`, expected `network` or `prefix`"
)]
#[case::unknown_key(
    "[[prefix]]\nprefix = \"192.0.2.0/24\"\norigin = 64500",
    "line 3 (`origin = 64500`): unknown field `origin`, expected one of"
)]
#[case::wrong_type(
    "[[prefix]]\nprefix = \"192.0.2.0/24\"\nmax_length = \"26\"",
    "line 3 (`max_length = \"26\"`): invalid type: string \"26\""
)]
#[case::no_prefix(
    "[[prefix]]\nprefix = \"192.0.2.0\"",
    "line 2 (`prefix = \"192.0.2.0\"`): \"192.0.2.0\" is not a prefix"
)]
#[case::host_bits(
    "[[prefix]]\nprefix = \"192.0.2.7/24\"",
    "has bits behind its length: did you mean 192.0.2.0/24?"
)]
#[case::policy(
    "[[prefix]]\nprefix = \"192.0.2.0/24\"\npolicies = [\"x\"]",
    "unknown variant `x`, expected `no-export`"
)]
#[case::short_maximum(
    "[[prefix]]\nprefix = \"192.0.2.0/24\"\nmax_length = 20",
    "prefix 192.0.2.0/24: `max_length` is 20: expected 24 to 32"
)]
#[case::long_maximum(
    "[[prefix]]\nprefix = \"192.0.2.0/24\"\nmax_length = 33",
    "prefix 192.0.2.0/24: `max_length` is 33: expected 24 to 32"
)]
#[case::both(
    "[[prefix]]\nprefix = \"192.0.2.0/24\"\nmax_length = 24\nignore_more_specifics = true",
    "contradict each other"
)]
#[case::everything(
    "[[prefix]]\nprefix = \"::/0\"",
    "prefix ::/0: `prefix` holds every address"
)]
#[case::twice(
    "[[prefix]]\nprefix = \"192.0.2.0/24\"\n[[prefix]]\nprefix = \"192.0.2.0/24\"",
    "prefix 192.0.2.0/24 stands twice"
)]
#[case::network_twice(
    "[[network]]\nasn = 64500\n[[network]]\nasn = 64500",
    "network 64500 stands twice"
)]
#[case::no_network(
    "[[network]]\nasn = 0",
    "network 0: `asn` has AS0, which no network has"
)]
#[case::trans(
    "[[network]]\nasn = 64500\nupstreams = [23456]",
    "network 64500: `upstreams` has AS23456"
)]
#[case::itself(
    "[[network]]\nasn = 64500\ndownstreams = [64500]",
    "network 64500: `downstreams` has the network itself"
)]
#[case::nameless_group(
    "[[network]]\nasn = 64500\ngroups = [\"\"]",
    "network 64500: `groups` is 0 bytes long"
)]
fn what_nobody_can_have_meant_is_refused_with_its_place(#[case] text: &str, #[case] reason: &str) {
    let said = WatchList::from_toml(text).unwrap_err().to_string();
    assert!(said.contains(reason), "{said}");
    assert!(!said.contains('\n'), "{said}");
}

#[test]
fn too_many_entries_are_refused() {
    let asns: Vec<String> = (1..=10_001).map(|asn| asn.to_string()).collect();
    let text = format!("[[network]]\nasn = 64500\nupstreams = [{}]", asns.join(","));
    let said = WatchList::from_toml(&text).unwrap_err().to_string();
    assert!(
        said.contains("`upstreams` has 10001 entries: expected 10000 at most"),
        "{said}"
    );
    let long = format!(
        "[[network]]\nasn = 64500\ndescription = \"{}\"",
        "x".repeat(1_001)
    );
    let said = WatchList::from_toml(&long).unwrap_err().to_string();
    assert!(said.contains("`description` is 1001 bytes long"), "{said}");
}

#[test]
fn remarks_stay_comments_whatever_they_hold() {
    let list = list(LIST);
    let wild = vec!["a\n[[network]]\rb\u{2028}".to_owned(), "x".repeat(5_000)];
    let remarks = Remarks {
        head: wild.clone(),
        networks: [(Asn(64_500), wild.clone())].into(),
        prefixes: [(prefix("192.0.2.0/24"), wild)].into(),
    };
    let text = list.to_toml(&remarks);
    assert_eq!(super::tests::list(&text), list);
    assert!(text.lines().all(|line| line.len() < 1_000));
    assert_eq!(text.matches("a [[network]]").count(), 3);
}

#[test]
fn an_own_prefix_is_found_by_its_parts_and_by_what_holds_it() {
    let list = list(LIST);
    let holding = |text| {
        list.holding(&prefix(text))
            .map(|entry| entry.prefix.to_string())
    };
    assert_eq!(holding("192.0.2.128/25").as_deref(), Some("192.0.2.0/24"));
    assert_eq!(holding("192.0.2.0/24").as_deref(), Some("192.0.2.0/24"));
    assert_eq!(holding("192.0.0.0/16"), None);
    assert_eq!(
        holding("2001:db8:7::1/128").as_deref(),
        Some("2001:db8:7::/48")
    );
    assert_eq!(list.inside(&prefix("192.0.0.0/8")).count(), 1);
    assert_eq!(list.inside(&prefix("192.0.2.0/24")).count(), 0);
    assert_eq!(list.inside(&prefix("0.0.0.0/0")).count(), 3);
}

prop_compose! {
    fn any_asns()(asns in proptest::collection::btree_set(1_u32..20_000, 0..4)) -> BTreeSet<Asn> {
        asns.into_iter().map(Asn).collect()
    }
}

prop_compose! {
    fn any_prefix()(
        bits in any::<u32>(), length in 1_u8..=32, more in 0_u8..=3, ignore in any::<bool>(),
        origins in proptest::option::of(any_asns()), upstreams in proptest::option::of(any_asns()),
        policies in proptest::collection::btree_set(Just(Policy::NoExport), 0..2),
        description in proptest::option::of(".{1,40}"),
        groups in proptest::collection::btree_set(".{1,10}", 0..3),
    ) -> WatchedPrefix {
        let prefix = Prefix::new(std::net::Ipv4Addr::from_bits(bits).into(), length).unwrap();
        WatchedPrefix {
            prefix, origins, upstreams, ignore, policies, description, groups,
            max_length: (more < 2).then(|| 32.min(length + more)),
            ignore_more_specifics: more == 2,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        entries in proptest::collection::vec(any_prefix(), 1..6),
        upstreams in proptest::option::of(any_asns()),
        description in proptest::option::of(".{1,40}"),
    ) {
        let entries: BTreeMap<_, _> = entries.into_iter().map(|e| (e.prefix, e)).collect();
        let network = WatchedNetwork {
            asn: Asn(64_500), upstreams, downstreams: None, description, groups: BTreeSet::new(),
        };
        let list = WatchList::new(vec![network], entries.into_values().collect()).unwrap();
        let text = list.to_toml(&Remarks::default());
        prop_assert_eq!(WatchList::from_toml(&text), Ok(list), "{}", text);
    }

    #[test]
    fn any_text_is_a_list_or_an_error(text in ".{0,200}") {
        let _ = WatchList::from_toml(&text);
    }
}
