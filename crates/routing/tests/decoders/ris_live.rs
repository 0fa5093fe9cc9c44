//! RIS Live: every kind of frame and message, and what is wrong with some.

use rstest::rstest;
use weir_routing::{
    Body, Community, Direction, Message, Notification, Open, RouteOrigin, SessionState,
    decode::ris_live::{self, Frame, MAX_FRAME, RisLiveError},
};

fn messages(data: &str) -> Vec<Message> {
    let frame = format!(
        r#"{{"type":"ris_message","data":{{"timestamp":1700000000.25,"peer":"192.0.2.1","peer_asn":"64496","id":"a","host":"rrc21.ripe.net",{data}}}}}"#
    );
    match ris_live::decode(frame.as_bytes()).unwrap() {
        Frame::Message(ris) => {
            assert_eq!(ris.collector.as_deref(), Some("rrc21"));
            assert_eq!(ris.id.as_deref(), Some("a"));
            ris.messages.into_vec()
        }
        other => panic!("{other:?}"),
    }
}

fn body(data: &str) -> Body {
    let mut messages = messages(data);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].peer.to_string(), "192.0.2.1:64496");
    assert_eq!(messages[0].event_time_us, 1_700_000_000_250_000);
    messages.swap_remove(0).body
}

/// What an UPDATE with this in `raw` is read as, and why its octets were not.
fn with_raw(raw: &str) -> (weir_routing::PathAttributes, Option<String>) {
    let frame = format!(
        r#"{{"type":"ris_message","data":{{"timestamp":1,"peer":"192.0.2.1","peer_asn":"64496","type":"UPDATE",
            "path":[64496],"raw":"{raw}","announcements":[{{"next_hop":"192.0.2.1","prefixes":["198.51.100.0/24"]}}]}}}}"#
    );
    let Frame::Message(mut ris) = ris_live::decode(frame.as_bytes()).unwrap() else {
        panic!("no message")
    };
    let Body::Update(update) = ris.messages.remove(0).body else {
        panic!("no update")
    };
    let attributes = update.attributes.as_deref().unwrap().clone();
    (attributes, ris.unread_raw)
}

#[test]
fn what_has_no_key_of_its_own_comes_from_the_octets() {
    let (attributes, why) = with_raw(&format!(
        "{}00310200000016C0200C0000FBF40000000100000002C023040000FBF618C63364",
        "FF".repeat(16)
    ));
    assert_eq!(why, None);
    assert_eq!(attributes.only_to_customer, Some(weir_routing::Asn(64_502)));
    assert_eq!(attributes.large_communities.len(), 1);
    assert_eq!(attributes.as_path.to_string(), "64496");
}

#[test]
fn octets_that_cannot_be_read_cost_no_message() {
    let (attributes, why) = with_raw("FFFF");
    assert!(why.unwrap().contains("marker"));
    assert_eq!(attributes.as_path.to_string(), "64496");
}

#[test]
fn states_of_sessions_have_two_names() {
    for kind in ["RIS_PEER_STATE", "STATE"] {
        let state = body(&format!(r#""type":"{kind}","state":"down""#));
        let to = SessionState::Idle;
        assert_eq!(state, Body::StateChange { from: None, to });
    }
}

#[test]
fn an_update_has_all_that_the_json_says() {
    let Body::Update(update) = body(
        r#""type":"UPDATE","path":[64496,64497,[64499,64498]],"community":[[64496,100],[65535,666]],
           "origin":"IGP","med":5,"aggregator":"64497:192.0.2.9","raw":"FFFF",
           "announcements":[{"next_hop":"192.0.2.1","prefixes":["198.51.100.0/24","203.0.113.0/24"]}],
           "withdrawals":["2001:db8::/32"]"#,
    ) else {
        panic!("no update")
    };
    let attributes = update.attributes.as_deref().unwrap();
    assert_eq!(attributes.as_path.to_string(), "64496 64497 {64499,64498}");
    assert_eq!(attributes.origin, Some(RouteOrigin::Igp));
    assert_eq!(attributes.med, Some(5));
    assert_eq!(
        attributes.communities,
        [Community::new(64_496, 100), Community::BLACKHOLE]
    );
    assert_eq!(
        attributes.aggregator.unwrap().address.to_string(),
        "192.0.2.9"
    );
    assert_eq!(attributes.next_hop.unwrap().to_string(), "192.0.2.1");
    assert_eq!(update.announced.len(), 2);
    assert_eq!(update.withdrawn.len(), 1);
    assert!(!update.from_rib);
}

#[test]
fn several_next_hops_are_several_updates_and_the_first_withdraws() {
    let messages = messages(
        r#""type":"UPDATE","path":[64496],"withdrawals":["10.0.0.0/8"],"announcements":[
            {"next_hop":"192.0.2.1","prefixes":["198.51.100.0/24"]},
            {"next_hop":"2001:db8::1,fe80::1","prefixes":["2001:db8:1::/48"]},
            {"next_hop":"192.0.2.1","prefixes":["203.0.113.0/24"]},
            {"next_hop":"192.0.2.2","prefixes":[]}]"#,
    );
    let shown: Vec<_> = messages
        .iter()
        .map(|message| match &message.body {
            Body::Update(update) => {
                let hop = update.attributes.as_ref().unwrap().next_hop.unwrap();
                let prefixes: Vec<_> = update
                    .announced
                    .iter()
                    .map(|n| n.prefix.to_string())
                    .collect();
                (hop.to_string(), prefixes.join(" "), update.withdrawn.len())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let wanted = [
        ("192.0.2.1", "198.51.100.0/24 203.0.113.0/24", 1),
        ("2001:db8::1", "2001:db8:1::/48", 0),
    ];
    assert_eq!(
        shown,
        wanted.map(|(h, p, w)| (h.to_owned(), p.to_owned(), w))
    );
}

#[test]
fn more_next_hops_than_any_message_has_are_refused() {
    let frame = |hops: u8| {
        let hops = (1..=hops)
            .map(|hop| format!(r#"{{"next_hop":"192.0.2.{hop}","prefixes":["10.{hop}.0.0/16"]}}"#));
        let hops: Vec<_> = hops.collect();
        let announcements = hops.join(",");
        format!(
            r#"{{"type":"ris_message","data":{{"timestamp":1,"peer":"192.0.2.1","peer_asn":"64496","id":"7",
            "type":"UPDATE","path":[64496],"announcements":[{announcements}]}}}}"#
        )
    };
    let most = frame(16);
    let Ok(Frame::Message(message)) = ris_live::decode(most.as_bytes()) else {
        panic!("refused")
    };
    assert_eq!(message.messages.len(), 16);
    assert_eq!(
        ris_live::decode(frame(17).as_bytes())
            .unwrap_err()
            .to_string(),
        "message 7 has announcements \"of more than 16 next hops\""
    );
}

#[rstest]
#[case(r#""type":"KEEPALIVE""#, Body::Keepalive)]
#[case(r#""type":"UPDATE""#, Body::EndOfRib)]
#[case(
    r#""type":"UPDATE","announcements":null,"withdrawals":[]"#,
    Body::EndOfRib
)]
#[case(r#""type":"NOTIFICATION","notification":{"code":6,"subcode":5,"data":"0605"}"#,
    Body::Notification(Notification { code: 6, subcode: 5 }))]
#[case(r#""type":"RIS_PEER_STATE","state":"down""#,
    Body::StateChange { from: None, to: SessionState::Idle })]
#[case(r#""type":"RIS_PEER_STATE","state":"connected""#,
    Body::StateChange { from: None, to: SessionState::Connect })]
#[case(r#""type":"RIS_PEER_STATE","state":"up""#,
    Body::StateChange { from: None, to: SessionState::Established })]
#[case(r#""type":"OPEN","direction":"sent","version":4,"asn":65550,"hold_time":180,"router_id":"192.0.2.9","capabilities":{"1":{"name":"x"}}"#,
    Body::Open(Open { direction: Some(Direction::Sent), asn: weir_routing::Asn(65_550), hold_time: 180, router_id: [192, 0, 2, 9].into() }))]
fn every_kind_of_message_is_read(#[case] data: &str, #[case] wanted: Body) {
    assert_eq!(body(data), wanted);
}

#[test]
fn attributes_without_prefixes_are_no_message() {
    assert_eq!(
        messages(r#""type":"UPDATE","path":[64496],"origin":"igp""#),
        []
    );
}

#[rstest]
#[case(r#"{"type":"pong","data":null}"#, Frame::Pong)]
#[case(r#"{"type":"pong"}"#, Frame::Pong)]
#[case(
    r#"{"data":{"subscription":{"host":"rrc21"}},"type":"ris_subscribe_ok"}"#,
    Frame::Subscribed
)]
#[case(r#"{"type":"ris_error","data":{"message":"too slow"}}"#, Frame::Error("too slow".into()))]
#[case(r#"{"type":"ris_error","data":"too \"slow\""}"#, Frame::Error("too \"slow\"".into()))]
#[case(r#"{"type":"ris_rrc_list","data":["rrc00.ripe.net","rrc01"]}"#,
    Frame::Collectors(vec!["rrc00".into(), "rrc01".into()]))]
#[case(r#"{"type":"ris_rrc_list","data":[]}"#, Frame::Collectors(vec![]))]
#[case(r#"{"type":"ris_weather","data":[1]}"#, Frame::Unknown("ris_weather".into()))]
#[case(r#"{"type":"ris_message","data":{"type":"ROUTE_REFRESH"}}"#, Frame::Unknown("ROUTE_REFRESH".into()))]
fn every_other_frame_is_read(#[case] text: &str, #[case] wanted: Frame<'_>) {
    assert_eq!(ris_live::decode(text.as_bytes()).unwrap(), wanted);
}

#[rstest]
#[case(r#"{"type":"ris_message","data":{"type":"KEEPALIVE","peer":"192.0.2.1","peer_asn":"1","id":"x"}}"#, "message x has no timestamp")]
#[case(
    r#"{"type":"ris_message","data":{"type":"KEEPALIVE","timestamp":1,"peer_asn":"1"}}"#,
    "message ? has no peer"
)]
#[case(
    r#"{"type":"ris_message","data":{"type":"KEEPALIVE","timestamp":1,"peer":"192.0.2.1"}}"#,
    "message ? has no peer_asn"
)]
#[case(r#"{"type":"ris_message","data":{"type":"KEEPALIVE","timestamp":1,"peer":"nobody","peer_asn":1}}"#, "message ? has peer \"nobody\"")]
#[case(r#"{"type":"ris_message","data":{"type":"KEEPALIVE","timestamp":-1,"peer":"::1","peer_asn":1}}"#, "message ? has timestamp \"-1\"")]
#[case(
    r#"{"type":"ris_message","data":{"withdrawals":["10.0.0.0/8","10.0.0.0/33"]}}"#,
    "frame is not a RIS Live frame: invalid value: string \"10.0.0.0/33\", expected a prefix at line 1 column 71"
)]
#[case(
    r#"{"type":"ris_message","data":{"path":[1,4294967296]}}"#,
    "frame is not a RIS Live frame: invalid value: integer `4294967296`, expected an AS number or a list of them at line 1 column 50"
)]
#[case(r#"{"type":"ris_message","data":[]}"#, "message ? has no type")]
#[case(r#"{"type":"ris_message"}"#, "message ? has no type")]
#[case(
    r#"{"type":"ris_message","data":[1,2]}"#,
    "frame is not a RIS Live frame: invalid type: integer `2`"
)]
#[case("", "frame is not a RIS Live frame: EOF")]
fn a_bad_frame_says_what_and_where(#[case] text: &str, #[case] reason: &str) {
    let error = ris_live::decode(text.as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with(reason), "{error}");
}

#[test]
fn a_frame_above_the_limit_is_refused_unread() {
    let error = ris_live::decode(&vec![b' '; MAX_FRAME + 1]).unwrap_err();
    assert!(matches!(error, RisLiveError::TooLong { .. }));
}
