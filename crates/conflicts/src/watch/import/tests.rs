//! Files of others: what is read of them, what is said of the rest, what is refused. All of it made up here.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn written(read: Result<Imported, ImportError>) -> String {
    let Imported { list, remarks } = read.unwrap();
    let text = list.to_toml(&remarks);
    assert_eq!(WatchList::from_toml(&text), Ok(list), "{text}");
    text
}

#[test]
fn a_prefix_list_of_bgpalerter_becomes_a_watch_list() {
    let text = r"
192.0.2.0/24:
  description: 'our first: prefix'
  asn: 64500
  ignoreMorespecifics: false
  group: noc
  excludeMonitors:
    - withdrawal-detection
  path:
    match: '.*64511$'
    maxLength: 12
198.51.100.7/24:
  asn: [64500, 'AS64501']
  ignoreMorespecifics: true
  group: [noc, lab]
2001:db8::/32:
  asn:
    - 64500
  ignore: true
10.0.0.0/8:
  ignore: true
options:
  monitorASns:
    64500:
      group: noc
      upstreams:
        - 64510
      downstreams:
    '64501':
      colour: blue
  generate: {asnList: [64500]}
";
    assert_eq!(
        written(bgpalerter(text)),
        r#"# not translated: options.generate: {asnList: [64500]}

[[network]]
asn = 64500
upstreams = [64510]
downstreams = []
groups = ["noc"]

# not translated: colour: blue
[[network]]
asn = 64501

[[prefix]]
prefix = "10.0.0.0/8"
ignore = true

# not translated: excludeMonitors: [withdrawal-detection]
# not translated: path.match: .*64511$
# not translated: path.maxLength: 12
[[prefix]]
prefix = "192.0.2.0/24"
origins = [64500]
description = "our first: prefix"
groups = ["noc"]

# 198.51.100.7/24 was taken for this
[[prefix]]
prefix = "198.51.100.0/24"
origins = [64500, 64501]
ignore_more_specifics = true
groups = ["lab", "noc"]

[[prefix]]
prefix = "2001:db8::/32"
origins = [64500]
ignore = true
"#
    );
}

#[rstest]
#[case::nothing("", "nothing is watched")]
#[case::a_list(
    "- 192.0.2.0/24",
    "line 1: `the file` is [192.0.2.0/24]: expected keys with values"
)]
#[case::no_prefix(
    "192.0.2.0/33:\n  asn: 64500",
    "line 2: `192.0.2.0/33` is no prefix: expected address/length"
)]
#[case::no_origin(
    "192.0.2.0/24:\n  description: x",
    "line 2: `192.0.2.0/24: asn` is nothing: expected AS numbers"
)]
#[case::no_number(
    "192.0.2.0/24:\n  asn: x",
    "line 2: `192.0.2.0/24: asn` is x: expected an AS number"
)]
#[case::no_boolean(
    "192.0.2.0/24:\n  asn: 1\n  ignore: false,",
    "line 3: `192.0.2.0/24: ignore` is false,: expected true or false"
)]
#[case::no_network(
    "options:\n  monitorASns:\n    x:\n      group: y",
    "line 4: `options.monitorASns.x`"
)]
#[case::twice(
    "192.0.2.0/24:\n  asn: 1\n192.0.2.0/24:\n  asn: 2",
    "line 3: the key `192.0.2.0/24` stands twice"
)]
#[case::twice_by_another_name(
    "192.0.2.0/24:\n  asn: 1\n192.0.2.1/24:\n  asn: 2",
    "prefix 192.0.2.0/24 stands twice"
)]
fn a_prefix_list_that_is_none_is_refused(#[case] text: &str, #[case] reason: &str) {
    let said = bgpalerter(text).unwrap_err().to_string();
    assert!(said.contains(reason), "{said}");
}

#[test]
fn a_configuration_of_artemis_becomes_a_watch_list() {
    let text = r"
prefixes:
  main: &main
    - 192.0.2.0/24
  parts: &parts
    - 198.51.100.0/24^+
    - 2001:db8::/32^40-48
  dark: &dark 203.0.113.0/24
  lost: &lost
    - 10.0.0.0/8
monitors:
  riperis: ['']
asns:
  us: &us 64500
  them: &them
    - 64510
    - 64511
rules:
- prefixes: [*main, *parts]
  origin_asns: [*us]
  neighbors: [*them]
  prepend_seq: [[64510, 64500]]
  mitigation: manual
- prefixes:
  - *dark
  mitigation: manual
- prefixes: [*main]
  origin_asns: ['AS-OURS', 64501]
  neighbors: '*'
  policies: [no-export, other]
autoignore: {}
";
    assert_eq!(
        written(artemis(text)),
        r#"# not translated: monitors: {riperis: []}
# not translated: autoignore: {}
# in no rule: 10.0.0.0/8 of lost
# own networks are not named there: write a [[network]] for each, to hear of it whatever the prefix

# rule 1
# not translated: rule 1: prepend_seq: [[64510, 64500]]
# not translated: rule 1: mitigation: manual
# rule 3
# not translated: rule 3: origin_asns: AS-OURS
# not translated: rule 3: policies: other
# more than one rule: any of their neighbours may stand before any of their origins
[[prefix]]
prefix = "192.0.2.0/24"

# rule 1
# not translated: rule 1: prepend_seq: [[64510, 64500]]
# not translated: rule 1: mitigation: manual
[[prefix]]
prefix = "198.51.100.0/24"
origins = [64500]
upstreams = [64510, 64511]
max_length = 32

# rule 2
# not translated: rule 2: mitigation: manual
[[prefix]]
prefix = "203.0.113.0/24"
origins = []

# rule 1
# 2001:db8::/32^40-48: what is shorter than /40 was not meant, and is expected here
# not translated: rule 1: prepend_seq: [[64510, 64500]]
# not translated: rule 1: mitigation: manual
[[prefix]]
prefix = "2001:db8::/32"
origins = [64500]
upstreams = [64510, 64511]
max_length = 48
"#
    );
}

#[test]
fn what_one_rule_allows_is_allowed() {
    let text = "
rules:
- {prefixes: [192.0.2.0/24], origin_asns: [64500], neighbors: [64510], policies: [no-export]}
- {prefixes: [192.0.2.0/24^25], origin_asns: [64501], neighbors: [64511], no-export: true}
- {prefixes: [198.51.100.0/24], origin_asns: [-1], neighbors: [], no-export: false}
";
    let text = written(artemis(text));
    assert!(
        text.ends_with(
            r#"
[[prefix]]
prefix = "192.0.2.0/24"
origins = [64500, 64501]
upstreams = [64510, 64511]
max_length = 25
policies = ["no-export"]

# rule 3
[[prefix]]
prefix = "198.51.100.0/24"
"#
        ),
        "{text}"
    );
}

#[rstest]
#[case::no_rules("prefixes: {}", "nothing is watched")]
#[case::rules_that_are_none("rules: yes", "line 1: `rules` is yes: expected a list")]
#[case::no_prefixes(
    "rules:\n- origin_asns: [1]",
    "line 2: `rule 1: prefixes` is nothing: expected prefixes"
)]
#[case::a_mapping(
    "rules:\n- prefixes: [{a: b}]",
    "line 2: `rule 1: prefixes` is {a: b}: expected a text"
)]
#[case::a_bad_range(
    "rules:\n- prefixes: [192.0.2.0/24^20]",
    "line 2: `192.0.2.0/24^20` is ^20: expected a range"
)]
#[case::an_alias_to_nothing("rules: *gone", "line 1 is no YAML")]
fn a_configuration_that_is_none_is_refused(#[case] text: &str, #[case] reason: &str) {
    let said = artemis(text).unwrap_err().to_string();
    assert!(said.contains(reason), "{said}");
}

#[rstest]
#[case::syntax("a: [", "is no YAML")]
#[case::a_second_document("---\na: b\n---\nc: d", "line 3 begins a second document")]
#[case::merge("a: &a {b: c}\nd:\n  <<: *a", "line 3: merge keys")]
#[case::a_key_that_is_a_list("? [a]\n: b", "a key is a list or a mapping")]
#[case::an_alias_to_what_holds_it("a: &a [*a]", "line 1")]
fn yaml_that_is_not_read_is_named(#[case] text: &str, #[case] reason: &str) {
    let said = bgpalerter(text).unwrap_err().to_string();
    assert!(said.contains(reason), "{said}");
}

#[test]
fn deep_nesting_is_refused() {
    let brackets = "[".repeat(100) + &"]".repeat(100);
    let said = yaml::parse(&brackets).unwrap_err().to_string();
    assert!(said.contains("more than 32 levels"), "{said}");
    // Also where each alias adds some.
    let mut text = format!("a0: &a0 {}1{}\n", "[".repeat(20), "]".repeat(20));
    text += &format!("a1: &a1 {}*a0{}\n", "[".repeat(20), "]".repeat(20));
    let said = yaml::parse(&text).unwrap_err().to_string();
    assert!(
        said.contains("line 2 is nested more than 32 levels"),
        "{said}"
    );
}

#[test]
fn aliases_of_aliases_do_not_grow_without_end() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = format!("*a{}", level - 1);
        let ten = vec![before; 10].join(", ");
        text += &format!("a{level}: &a{level} [{ten}]\n");
    }
    let said = yaml::parse(&text).unwrap_err().to_string();
    assert!(said.contains("more than 1000000 values"), "{said}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[-a-z0-9:\\[\\]{}&* \n'\"^/.]{0,120}") {
        let _ = bgpalerter(&text);
        let _ = artemis(&text);
    }
}
