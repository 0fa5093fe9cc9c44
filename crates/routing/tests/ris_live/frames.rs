//! Frames come back as the messages that they tell, through our decoder and through bgpkit's.

use std::sync::Arc;

use bgpkit_parser::parse_ris_live_message;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use weir_routing::{
    Asn, Body, LargeCommunity, Message, Nlri, PathAttributes, Peer, SessionState, Update,
    decode::ris_live::{Frame, decode},
    ris_live::{Options, Record, Request, Told, frame, request},
};

use crate::generated::{self, COLLECTORS};

fn record(message: &Message) -> Record<'_> {
    Record {
        collector: "rrc21",
        writer_epoch: 3,
        seq: 17,
        synthetic: false,
        message,
    }
}

fn line(message: &Message) -> Option<String> {
    Told::of(record(message)).map(|told| frame::message(&told))
}

fn said(body: Body) -> Message {
    Message {
        event_time_us: 1_700_000_000_250_000,
        peer: Peer::new([192, 0, 2, 1].into(), Asn(64_496)),
        body,
    }
}

fn data(body: Body) -> Value {
    let line = line(&said(body)).unwrap();
    let mut frame: Value = serde_json::from_str(&line).unwrap();
    frame["data"].take()
}

proptest! {
    #[test]
    fn a_frame_comes_back_as_the_message_that_it_tells(
        message in generated::message(),
        collector in prop::sample::select(COLLECTORS.to_vec()),
    ) {
        let told = Told::of(Record { collector, ..record(&message) });
        let Some(line) = told.map(|told| frame::message(&told)) else {
            let untold = match &message.body {
                Body::EndOfRib => true,
                Body::Update(update) => update.elements() == 0,
                _ => false,
            };
            prop_assert!(untold, "{message:?} is not told");
            return Ok(());
        };
        prop_assert!(line.ends_with("}\n") && line.lines().count() == 1, "{line}");
        let Frame::Message(back) = decode(line.as_bytes()).unwrap() else {
            panic!("{line}")
        };
        prop_assert_eq!(back.collector.as_deref(), Some(collector));
        let id = format!("{collector}-3-17");
        prop_assert_eq!(back.id.as_deref(), Some(id.as_str()));
        prop_assert_eq!(back.messages.as_slice(), [message]);
    }

    #[test]
    fn bgpkit_counts_the_elements_that_we_count(message in generated::message()) {
        let Some(line) = line(&message) else { return Ok(()) };
        // Its OPEN cannot be without capabilities, which no record holds.
        if matches!(message.body, Body::Open(_)) { return Ok(()) }
        let elements = parse_ris_live_message(&line).unwrap();
        prop_assert_eq!(elements.len(), message.body.elements(), "{}", line);
        for element in elements {
            prop_assert_eq!(element.peer_ip, message.peer.address);
            prop_assert_eq!(element.peer_asn.to_u32(), message.peer.asn.0);
        }
    }
}

#[test]
fn a_message_says_what_its_record_holds_and_no_more() {
    let prefix: weir_routing::Prefix = "198.51.100.0/24".parse().unwrap();
    let attributes = PathAttributes {
        as_path: "(64512) 64496 {64499,64498}".parse().unwrap(),
        local_pref: Some(100),
        large_communities: vec![LargeCommunity {
            global: 1,
            local_1: 2,
            local_2: 3,
        }],
        ..PathAttributes::default()
    };
    let nlri = Nlri { prefix, path_id: 7 };
    let body = Body::Update(Update {
        attributes: Some(Arc::new(attributes)),
        announced: vec![nlri],
        ..Update::default()
    });
    let wanted = json!({
        "timestamp": 1_700_000_000.25, "peer": "192.0.2.1", "peer_asn": "64496",
        "id": "rrc21-3-17", "host": "rrc21", "type": "UPDATE",
        "path": [64512, 64496, [64499, 64498]],
        "announcements": [{"prefixes": ["198.51.100.0/24"]}],
    });
    assert_eq!(data(body.clone()), wanted);
    let message = said(body);
    let made_up = Record {
        synthetic: true,
        ..record(&message)
    };
    let line = frame::message(&Told::of(made_up).unwrap());
    assert!(line.contains(r#""synthetic":true"#), "{line}");
}

#[rstest]
#[case(SessionState::Idle, "down")]
#[case(SessionState::Active, "down")]
#[case(SessionState::Connect, "connected")]
#[case(SessionState::OpenSent, "connected")]
#[case(SessionState::OpenConfirm, "connected")]
#[case(SessionState::Established, "up")]
fn six_states_are_told_as_three(#[case] to: SessionState, #[case] state: &str) {
    let data = data(Body::StateChange { from: None, to });
    assert_eq!(data["type"], "RIS_PEER_STATE");
    assert_eq!(data["state"], state);
}

#[rstest]
#[case(Body::EndOfRib)]
#[case(Body::Update(Update::default()))]
#[case(Body::Update(Update { from_rib: true, withdrawn: vec!["10.0.0.0/8".parse::<weir_routing::Prefix>().unwrap().into()], ..Update::default() }))]
fn what_nobody_says_just_now_is_not_told(#[case] body: Body) {
    assert_eq!(line(&said(body)), None);
}

#[test]
fn the_other_frames_are_read_by_our_decoder() {
    let asked = br#"{"type":"ris_subscribe","data":{"host":"rrc21.ripe.net","path":"64496",
        "prefix":["10.0.0.0/8","10.1.0.0/16"],"socketOptions":{"includeRaw":true,"acknowledge":true}}}"#;
    let Request::Subscribe {
        subscriptions,
        options,
    } = request(asked).unwrap()
    else {
        panic!("no subscription")
    };
    assert_eq!(options, Some(Options { acknowledge: true }));
    let line = frame::subscribe_ok(&subscriptions, options.unwrap());
    assert_eq!(decode(line.as_bytes()).unwrap(), Frame::Subscribed);
    let frame: Value = serde_json::from_str(&line).unwrap();
    let wanted = json!({
        "subscription": {"host": "rrc21", "path": 64496, "prefix": ["10.0.0.0/8", "10.1.0.0/16"],
            "moreSpecific": true, "lessSpecific": false},
        "socketOptions": {"includeRaw": false, "acknowledge": true},
    });
    assert_eq!(frame["data"], wanted);

    let line = frame::error("too \"slow\"");
    let read = decode(line.as_bytes()).unwrap();
    assert_eq!(read, Frame::Error("too \"slow\"".into()));
    let line = frame::collectors(["rrc00", "rrc21"]);
    let read = decode(line.as_bytes()).unwrap();
    assert_eq!(
        read,
        Frame::Collectors(vec!["rrc00".into(), "rrc21".into()])
    );
    assert_eq!(decode(frame::pong().as_bytes()).unwrap(), Frame::Pong);
}
