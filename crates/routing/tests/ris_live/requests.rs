//! Requests: what clients send, and what is said of what is none.

use rstest::rstest;
use weir_routing::ris_live::{Request, Subscription, request};

fn subscribed(data: &str) -> Vec<Subscription> {
    let frame = format!(r#"{{"type":"ris_subscribe","data":{data}}}"#);
    match request(frame.as_bytes()).unwrap() {
        Request::Subscribe { subscriptions, .. } => subscriptions,
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case("null")]
#[case("{}")]
#[case(r#"{"host":null,"prefix":null,"moreSpecific":true,"socketOptions":null}"#)]
fn nothing_asked_is_everything(#[case] data: &str) {
    assert_eq!(subscribed(data), [Subscription::all()]);
}

#[test]
fn equal_requests_are_equal_however_they_are_written() {
    let pairs = [
        (r#"{"host":"rrc21"}"#, r#"{"host":"rrc21.ripe.net"}"#),
        (r#"{"path":64496}"#, r#"{"path":"64496"}"#),
        (r#"{"path":"[2,1]"}"#, r#"{"path":"[1,2,2]"}"#),
        (
            r#"{"prefix":"10.1.2.3/8"}"#,
            r#"{"prefix":["10.0.0.0/8"],"lessSpecific":false}"#,
        ),
        (r#"{"peer":"2001:DB8:0::1"}"#, r#"{"peer":"2001:db8::1"}"#),
    ];
    for (left, right) in pairs {
        assert_eq!(subscribed(left), subscribed(right), "{left} {right}");
    }
}

#[rstest]
#[case(r#"{"type":"ping"}"#, Request::Ping)]
#[case(r#"{"type":"ping","data":null}"#, Request::Ping)]
#[case(r#"{"type":"request_rrc_list","data":{}}"#, Request::Collectors)]
#[case(r#"{"type":"ris_unsubscribe","data":{}}"#, Request::Unsubscribe(vec![Subscription::all()]))]
fn the_other_requests_are_read(#[case] frame: &str, #[case] wanted: Request) {
    assert_eq!(request(frame.as_bytes()).unwrap(), wanted);
}

#[rstest]
#[case(
    "",
    "the frame is not JSON: EOF while parsing a value at line 1 column 0"
)]
#[case("[1]", "the frame is [1]: want an object")]
#[case(
    r#"{"data":{}}"#,
    "type is null: want ris_subscribe, ris_unsubscribe, request_rrc_list or ping"
)]
#[case(
    r#"{"type":"subscribe"}"#,
    "type is \"subscribe\": want ris_subscribe, ris_unsubscribe, request_rrc_list or ping"
)]
#[case(
    r#"{"type":"ping","date":1}"#,
    "the frame has the unknown key \"date\": want type or data"
)]
fn a_frame_that_is_no_request_is_refused_with_the_reason(#[case] frame: &str, #[case] says: &str) {
    assert_eq!(request(frame.as_bytes()).unwrap_err().to_string(), says);
}

#[rstest]
#[case("[]", "data is []: want an object")]
#[case(
    r#"{"colour":"red"}"#,
    "data has the unknown key \"colour\": want host, type, require, peer, path, prefix, moreSpecific, lessSpecific or socketOptions"
)]
#[case(
    r#"{"host":7}"#,
    "host is 7: want the name of a collector, such as \"rrc00\""
)]
#[case(
    r#"{"host":""}"#,
    "host is \"\": want the name of a collector, such as \"rrc00\""
)]
#[case(
    r#"{"type":"update"}"#,
    "type is \"update\": want UPDATE, OPEN, NOTIFICATION, KEEPALIVE or RIS_PEER_STATE"
)]
#[case(
    r#"{"require":"raw"}"#,
    "require is \"raw\": want a key that messages may have, such as \"announcements\" or \"withdrawals\""
)]
#[case(
    r#"{"peer":"nobody"}"#,
    "peer is \"nobody\": want the address of a peer, such as \"192.0.2.1\""
)]
#[case(
    r#"{"path":".*1"}"#,
    "path is \".*1\": want an AS number, or hops such as \"^64496,64497,[64498,64499]$\", perhaps after a \"!\", of 64 ASNs at most"
)]
#[case(
    r#"{"path":4294967296}"#,
    "path is 4294967296: want an AS number, or hops such as \"^64496,64497,[64498,64499]$\", perhaps after a \"!\", of 64 ASNs at most"
)]
#[case(
    r#"{"prefix":"10.0.0.0/33"}"#,
    "prefix is \"10.0.0.0/33\": want a prefix, such as \"192.0.2.0/24\", or a list of them"
)]
#[case(
    r#"{"prefix":["10.0.0.0/8",1]}"#,
    "prefix is [\"10.0.0.0/8\",1]: want a prefix, such as \"192.0.2.0/24\", or a list of them"
)]
#[case(
    r#"{"prefix":[]}"#,
    "prefix is []: want a prefix, such as \"192.0.2.0/24\", or a list of them"
)]
#[case(
    r#"{"moreSpecific":"yes"}"#,
    "moreSpecific is \"yes\": want true or false"
)]
#[case(r#"{"lessSpecific":1}"#, "lessSpecific is 1: want true or false")]
#[case(r#"{"socketOptions":true}"#, "socketOptions is true: want an object")]
#[case(
    r#"{"socketOptions":{"raw":true}}"#,
    "socketOptions has the unknown key \"raw\": want includeRaw or acknowledge"
)]
#[case(
    r#"{"socketOptions":{"includeRaw":1}}"#,
    "includeRaw is 1: want true or false"
)]
#[case(
    r#"{"socketOptions":{"acknowledge":"x"}}"#,
    "acknowledge is \"x\": want true or false"
)]
fn a_subscription_that_cannot_be_is_refused_with_the_reason(
    #[case] data: &str,
    #[case] says: &str,
) {
    for kind in ["ris_subscribe", "ris_unsubscribe"] {
        let frame = format!(r#"{{"type":"{kind}","data":{data}}}"#);
        assert_eq!(request(frame.as_bytes()).unwrap_err().to_string(), says);
    }
}

#[test]
fn what_is_told_of_a_wrong_value_is_short() {
    let long = format!(
        r#"{{"type":"ris_subscribe","data":{{"host":["{}"]}}}}"#,
        "x".repeat(10_000)
    );
    let says = request(long.as_bytes()).unwrap_err().to_string();
    assert!(says.len() < 200, "{says}");
}
