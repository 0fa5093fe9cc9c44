//! JSON of others: the nested and the flat shape, RIS Live frames, and arrays of them.

use rstest::rstest;
use weir_routing::{Body, decode::json};

/// `collector time peer +announced -withdrawn [path]`, one per update.
fn shown(text: &str) -> Vec<String> {
    let show = |decoded: json::Decoded| {
        let Body::Update(update) = decoded.message.body else {
            return format!("{:?}", decoded.message.body);
        };
        let mut shown = format!(
            "{} {} {}",
            decoded.collector.as_deref().unwrap_or("-"),
            decoded.message.event_time_us,
            decoded.message.peer
        );
        for (list, sign) in [(&update.announced, '+'), (&update.withdrawn, '-')] {
            for nlri in list {
                shown += &format!(" {sign}{}", nlri.prefix);
            }
        }
        if let Some(attributes) = update.attributes {
            shown += &format!(" [{}]", attributes.as_path);
            for community in &attributes.communities {
                shown += &format!(" {community}");
            }
        }
        shown
    };
    match json::decode(text.as_bytes()) {
        Ok(items) => items
            .into_iter()
            .map(|item| item.map_or_else(|error| error.to_string(), show))
            .collect(),
        Err(error) => vec![error.to_string()],
    }
}

#[rstest]
#[case::nested(
    r#"{"type":"UPDATE","timestamp":1700000000.5,"peer":{"ip":"192.0.2.1","asn":64496},
        "announce":{"prefix":"198.51.100.0/24","as_path":[64496,64497]},"withdraw":{"prefix":"203.0.113.0/24"}}"#,
    "- 1700000000500000 192.0.2.1:64496 +198.51.100.0/24 -203.0.113.0/24 [64496 64497]"
)]
#[case::nested_lists(
    r#"{"timestamp":1700000000,"host":"rrc21.ripe.net","peer":{"ip":"2001:db8::1","asn":"64496"},
        "announce":{"prefix":["2001:db8:1::/48","2001:db8:2::/48"],"as_path":"64496 {64498,64499}"}}"#,
    "rrc21 1700000000000000 2001:db8::1:64496 +2001:db8:1::/48 +2001:db8:2::/48 [64496 {64498,64499}]"
)]
#[case::flat(
    r#"{"type":"announce","peer_ip":"192.0.2.1","peer_asn":65001,"prefix":"192.0.2.0/24","as_path":[65001,65002],
        "origin":"IGP","next_hop":"192.0.2.1","communities":["65001:100",[65001,200]],"timestamp":"2024-01-01T00:00:00Z"}"#,
    "- 1704067200000000 192.0.2.1:65001 +192.0.2.0/24 [65001 65002] 65001:100 65001:200"
)]
#[case::flat_withdraw(
    r#"{"type":"withdraw","peer_ip":"192.0.2.1","peer_asn":65001,"prefix":"192.0.2.0/24","timestamp":1}"#,
    "- 1000000 192.0.2.1:65001 -192.0.2.0/24"
)]
#[case::ris_live(
    r#"{"type":"ris_message","data":{"timestamp":1,"peer":"192.0.2.1","peer_asn":"64496","host":"rrc00","type":"UPDATE","withdrawals":["198.51.100.0/24"]}}"#,
    "rrc00 1000000 192.0.2.1:64496 -198.51.100.0/24"
)]
fn every_shape_is_read(#[case] text: &str, #[case] wanted: &str) {
    assert_eq!(shown(text), [wanted]);
    assert_eq!(shown(&format!(" [{text},{text}]")), [wanted, wanted]);
}

#[rstest]
#[case(
    "nonsense",
    "update 0 is no BGP update: expected ident at line 1 column 2"
)]
#[case(r#"{"peer_asn":1,"timestamp":1}"#, "update 0 has no peer address")]
#[case(r#"{"peer_ip":"192.0.2.1","timestamp":1}"#, "update 0 has no peer ASN")]
#[case(
    r#"{"peer_ip":"x","peer_asn":1,"timestamp":1}"#,
    "update 0 has peer \"x\""
)]
#[case(
    r#"{"peer_ip":"192.0.2.1","peer_asn":1,"timestamp":1}"#,
    "update 0 has no prefix"
)]
#[case(
    r#"{"peer_ip":"192.0.2.1","peer_asn":1,"prefix":"10.0.0.0/8"}"#,
    "update 0 has no timestamp"
)]
#[case(
    r#"{"peer_ip":"192.0.2.1","peer_asn":1,"prefix":"10.0.0.0/8","timestamp":"noon"}"#,
    "update 0 has timestamp \"noon\""
)]
#[case(
    r#"{"type":"see","peer_ip":"192.0.2.1","peer_asn":1,"prefix":"10.0.0.0/8","timestamp":1}"#,
    "update 0 has type \"see\""
)]
#[case::cloud_event(
    r#"{"specversion":"1.0","type":"net.example.update","data":{"peer_ip":"192.0.2.1"}}"#,
    "update 0 has type \"net.example.update\""
)]
#[case::unknown_message(
    r#"{"type":"ris_message","data":{"type":"ROUTE_REFRESH"}}"#,
    "update 0 has type \"ROUTE_REFRESH\""
)]
fn a_bad_update_says_what_is_wrong(#[case] text: &str, #[case] reason: &str) {
    assert_eq!(shown(text), [reason]);
}

#[rstest]
#[case(r#"{"type":"pong","data":{}}"#)]
#[case(r#"{"type":"ris_error","data":{"message":"too slow"}}"#)]
#[case(r#"{"type":"ris_subscribe_ok","data":{}}"#)]
#[case(r#"{"type":"ris_rrc_list","data":["rrc00.ripe.net"]}"#)]
fn frames_around_the_messages_are_no_update_and_no_fault(#[case] text: &str) {
    assert_eq!(shown(text), [""; 0]);
}

#[test]
fn a_bad_update_does_not_take_the_others_with_it() {
    let good = r#"{"type":"withdraw","peer_ip":"192.0.2.1","peer_asn":1,"prefix":"10.0.0.0/8","timestamp":1}"#;
    let items = shown(&format!(r#"[{good},{{}},{good}]"#));
    assert_eq!(items.len(), 3);
    assert_eq!(items[1], "update 1 has no peer address");
}
