//! Documents that are read, and those that are refused by name.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;
use weir_routing::Asn;

use super::*;

const TOML: &str = r#"
[[peerings]]
id = 7
name = "edge1-transit"
device = "edge1"
interface = "eth0"
vrf = "red"
organisation = "Red"
local_asn = 64496
peer_asn = "AS64497"
peer_ip = "192.0.2.1"
status = "active"
hold_time = 90
keepalive = 30
address_families = ["ipv4", "ipv6"]

[peerings.routing_policy]
import = { prefixes = ["198.51.100.0/24"], as_path = [64497, "64499"] }
export = { prefixes = ["203.0.113.0/24"], as_path = "64496 {64500,64501}" }
"#;

/// The same in JSON.
fn json() -> Value {
    json!({
        "id": 7, "name": "edge1-transit", "device": "edge1", "interface": "eth0", "vrf": "red",
        "organisation": "Red", "local_asn": 64_496, "peer_asn": "AS64497", "peer_ip": "192.0.2.1",
        "status": "active", "hold_time": 90, "keepalive": 30, "address_families": ["ipv4", "ipv6"],
        "routing_policy": {
            "import": {"prefixes": ["198.51.100.0/24"], "as_path": [64_497, "64499"]},
            "export": {"prefixes": ["203.0.113.0/24"], "as_path": "64496 {64500,64501}"},
        },
    })
}

fn of_json(document: &Value) -> Result<Vec<Peering>, DocumentError> {
    read(document.to_string().as_bytes(), Format::Json)
}

#[test]
fn toml_json_and_a_bare_list_say_the_same() {
    let [peering] = read(TOML.as_bytes(), Format::Toml)
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(peering.id, "7");
    assert_eq!(
        (peering.local_asn, peering.peer_asn),
        (Asn(64_496), Asn(64_497))
    );
    assert_eq!((peering.hold_time, peering.keepalive), (Some(90), Some(30)));
    assert_eq!(peering.import.as_path.to_string(), "64497 64499");
    assert_eq!(peering.export.as_path.to_string(), "64496 {64500,64501}");
    for document in [json!({"peerings": [json()]}), json!([json()])] {
        assert_eq!(of_json(&document).unwrap(), std::slice::from_ref(&peering));
    }
}

#[test]
fn what_may_be_absent_may_be_null_and_a_name_stands_for_an_id() {
    let mut short = json();
    for key in [
        "id",
        "interface",
        "vrf",
        "organisation",
        "hold_time",
        "keepalive",
        "address_families",
    ] {
        short[key] = Value::Null;
    }
    short["routing_policy"] = json!({"import": {"prefixes": null}});
    let [peering] = of_json(&json!([short])).unwrap().try_into().unwrap();
    assert_eq!(peering.id, "edge1-transit");
    assert_eq!(
        (peering.hold_time, &peering.import),
        (None, &Policy::default())
    );
}

#[rstest]
#[case::no_name(r#"{"id": null, "name": null}"#, "peering 1: `name`: expected a text")]
#[case::no_device(
    r#"{"device": null}"#,
    "`device`: expected a text of 1 to 255 bytes without control characters, found nothing"
)]
#[case::no_status(
    r#"{"status": null}"#,
    "`status`: expected active, pending or disabled, found nothing"
)]
#[case::another_status(
    r#"{"status": "up"}"#,
    "`status`: expected active, pending or disabled, found \"up\""
)]
#[case::no_asn(
    r#"{"peer_asn": 0}"#,
    "`peer_asn`: expected an AS number from 1 to 4294967295, found 0"
)]
#[case::too_great(r#"{"local_asn": 4294967296}"#, "`local_asn`: expected an AS number")]
#[case::negative(
    r#"{"hold_time": -1}"#,
    "`hold_time`: expected whole seconds from 0 to 65535, found -1"
)]
#[case::a_fraction(
    r#"{"keepalive": 0.5}"#,
    "`keepalive`: expected whole seconds from 0 to 65535, found 0.5"
)]
#[case::too_long(r#"{"hold_time": 65536}"#, "`hold_time`: expected whole seconds")]
#[case::no_text(r#"{"peer_ip": 1}"#, "`peer_ip`: expected a text")]
#[case::control(
    r#"{"name": "a\u001b[2J", "id": null}"#,
    "peering 1 (\"a\\u001b[2J\"): `name`: expected a text"
)]
#[case::no_list(
    r#"{"address_families": "ipv4"}"#,
    "`address_families`: expected a list, found \"ipv4\""
)]
#[case::no_family(
    r#"{"address_families": ["ipv4", 6]}"#,
    "`address_families[1]`: expected a text"
)]
#[case::a_typing_error(
    r#"{"keep_alive": 30}"#,
    "`keep_alive` is not known; expected one of id, name, device"
)]
#[case::no_policy(
    r#"{"routing_policy": []}"#,
    "`routing_policy`: expected a table of keys, found a list"
)]
#[case::no_direction(
    r#"{"routing_policy": {"in": {}}}"#,
    "`routing_policy.in` is not known; expected one of import, export"
)]
#[case::no_prefix(
    r#"{"routing_policy": {"import": {"prefixes": ["192.0.2.0/24", "192.0.2.0"]}}}"#,
    "`routing_policy.import.prefixes[1]`: expected a prefix, as \"192.0.2.0/24\", found \"192.0.2.0\""
)]
#[case::no_path(
    r#"{"routing_policy": {"export": {"as_path": "64496 x"}}}"#,
    "`routing_policy.export.as_path`: expected a list of AS numbers"
)]
fn a_value_that_is_none_is_named_with_its_peering_its_key_and_what_was_expected(
    #[case] other: &str,
    #[case] why: &str,
) {
    let mut peering = json();
    let other: Value = serde_json::from_str(other).unwrap();
    for (key, value) in other.as_object().unwrap() {
        peering[key] = value.clone();
    }
    let error = of_json(&json!([peering])).unwrap_err().to_string();
    assert!(
        error.starts_with("peering 1") && error.contains(why),
        "{error}"
    );
}

#[rstest]
#[case::cut("{\"peerings\": [", Format::Json, "not JSON: EOF")]
#[case::a_key_twice(
    "[{\"device\": \"a\",\n\"device\": \"b\"}]",
    Format::Json,
    "the key `device` stands there twice at line 2"
)]
#[case::another_document("{\"roas\": []}", Format::Json, "found the key `roas`")]
#[case::more_than_peerings(
    "{\"peerings\": [], \"x\": 1}",
    Format::Json,
    "nothing beside it, found the key `x`"
)]
#[case::a_number(
    "1",
    Format::Json,
    "list of tables under the key `peerings` and nothing beside it, found 1"
)]
#[case::one_of_no_table("[1]", Format::Json, "peering 1: expected a table of keys, found 1")]
#[case::no_key("", Format::Toml, "found no such key")]
#[case::no_toml("a = 1\nb = ", Format::Toml, "not TOML: line 2: ")]
#[case::toml_twice(
    "[[peerings]]\nname = 'a'\nname = 'b'",
    Format::Toml,
    "not TOML: line 3: duplicate key"
)]
#[case::a_date(
    "[[peerings]]\nname = 1979-05-27",
    Format::Toml,
    "`name`: expected a text"
)]
fn a_document_of_something_else_is_refused(
    #[case] text: &str,
    #[case] format: Format,
    #[case] why: &str,
) {
    let error = read(text.as_bytes(), format).unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn what_is_no_text_is_refused_with_its_line() {
    let error = read(b"a = 1\nb = '\xff'", Format::Toml).unwrap_err();
    assert_eq!(error.to_string(), "not TOML: line 2: expected UTF-8");
}

#[test]
fn two_peerings_of_one_id_are_refused() {
    let mut other = json();
    other["id"] = "edge1".into();
    let error = of_json(&json!([json(), other, json()]))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("peering 3 (7) has the `id` of peering 1 "),
        "{error}"
    );
}

#[test]
fn more_than_is_read_is_refused_before_it_is() {
    let many = vec![1_u8; MOST_PEERINGS + 1];
    let error = of_json(&json!(many)).unwrap_err();
    assert!(matches!(error, DocumentError::Many { count } if count == MOST_PEERINGS + 1));
    let long = vec![b' '; usize::try_from(MOST_BYTES).unwrap() + 1];
    assert!(matches!(
        read(&long, Format::Toml),
        Err(DocumentError::Long)
    ));
}

proptest! {
    #[test]
    fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = read(&text, Format::Toml);
        let _ = read(&text, Format::Json);
    }

    #[test]
    fn no_value_of_a_key_panics(key in prop::sample::select(KEYS.to_vec()), text in "\\PC{0,12}", number in any::<f64>()) {
        for value in [json!(text), json!(number), json!([text]), json!({text.clone(): number})] {
            let mut peering = json();
            peering[key] = value;
            let _ = of_json(&json!([peering]));
        }
    }
}
