//! Topics into which OpenBMP writes what routers say, on the embedded broker.

use std::sync::mpsc;

use weir_eventlog::{From, Tail};
use weir_events::{
    topics::{BGP_MESSAGES, Topic, dead_letter_topic},
    v1::control::Kind,
};

use crate::{
    bmp::{P, Q, announce, controls, down, ends, initiation, routes, up, withdraw},
    bmp_bytes::*,
    kafka::{committed, make, ris, source, start, write},
    mrt_bytes::*,
    support::{Content, DEADLINE, Sandbox, until},
};

const TOPIC: &str = "routeviews.route-views.example.64496.bmp_raw";
const COLLECTOR: &str = "route-views.example";
const ROUTER: &str = "192.0.2.250";

/// Records of the usual router, at seconds 100, 101 and so on, in one partition.
fn said(messages: &[Vec<u8>]) -> Vec<(u32, Vec<u8>)> {
    let seconds = 100_u32..;
    let records = messages.iter().zip(seconds);
    records
        .map(|(message, second)| (0, openbmp(COLLECTOR, ROUTER, second, message)))
        .collect()
}

/// Reads until so many messages are in the log and so many records set aside, and all is committed.
fn read(sandbox: &Sandbox, messages: u64, dead_letters: u64, records: i64) {
    let running = start(sandbox, source(&[TOPIC]));
    until("all is read", || {
        let stats = running.stats();
        (stats.messages, stats.dead_letters) == (messages, dead_letters)
            && committed(&sandbox.log, TOPIC, 1) == records
    });
    running.stop(DEADLINE).unwrap();
}

/// Of whom the gaps of a life are, in order; empty = of all peers.
fn gaps(content: &Content, epoch: u64) -> Vec<String> {
    let all = content.controls();
    let ours = all.iter().filter(|control| control.1 == epoch);
    ours.filter_map(|control| match &control.3 {
        Kind::Gap(gap) => Some(
            gap.peer
                .as_ref()
                .map_or_else(String::new, |peer| format!("AS{} {}", peer.asn, gap.reason)),
        ),
        _ => None,
    })
    .collect()
}

#[test]
fn a_router_behind_openbmp_is_read_as_one_that_connects_and_garbage_is_set_aside_with_its_place() {
    let sandbox = Sandbox::start();
    make(&sandbox.log, TOPIC, 1);
    let [end4, end6] = ends();
    let session = [
        initiation("edge1"),
        up(),
        announce(&[P]),
        announce(&[Q]),
        end4,
        end6,
        announce(&[P]),
        withdraw(Q),
        down(),
    ];
    let mut records = said(&session);
    let cut = records[2].1[..70].to_vec();
    let broken = monitoring(&usual_peer(0), &message(2, &[0, 9]));
    records.splice(
        6..6,
        [
            (0, cut),
            (0, openbmp(COLLECTOR, ROUTER, 106, &[0; 6])),
            (0, openbmp(COLLECTOR, ROUTER, 106, &broken)),
            (0, openbmp("a b", ROUTER, 106, &up())),
            (0, openbmp("", "0.0.0.0", 106, &up())),
            (0, openbmp(COLLECTOR, "192.0.2.251", 106, &up())),
            // Neighbours in a topic need not speak alike.
            (0, ris("rrc21", "10.0.0.0/24").into_bytes()),
            (0, openbmp("default", "192.0.2.252", 106, &up())),
        ],
    );
    write(&sandbox.log, TOPIC, &records);

    let (tell, letters) = mpsc::channel();
    let name: &'static str = Box::leak(dead_letter_topic(BGP_MESSAGES.name).into_boxed_str());
    let dlq = Topic {
        name,
        partitions: 1,
        ..BGP_MESSAGES
    };
    let tail = Tail::start(&sandbox.log, &[dlq], From::Beginning, move |_, record| {
        let _ = tell.send(String::from_utf8(record.key.to_vec()).unwrap());
    })
    .unwrap();
    // Of the session two OPENs, four UPDATEs, an end of RIB and a NOTIFICATION; of others an UPDATE and two OPENs.
    read(&sandbox, 11, 6, 17);

    let content = sandbox.content();
    assert_eq!(
        controls(&content, COLLECTOR, 1),
        ["start", "up", "up", "end of RIB", "down: notification"]
    );
    assert_eq!(
        routes(&content, COLLECTOR),
        [
            (1, 1, 0, true),
            (1, 1, 0, true),
            (1, 1, 0, false),
            (1, 0, 1, false)
        ]
    );
    assert_eq!(routes(&content, "rrc21"), [(1, 1, 0, false)]);
    assert_eq!(
        controls(&content, "bmp-192.0.2.252", 1),
        ["start", "up", "up"]
    );
    let places: Vec<String> = (0..6)
        .map(|_| letters.recv_timeout(DEADLINE).unwrap())
        .collect();
    let expected: Vec<String> = (6..12)
        .map(|offset| format!("{TOPIC}-0-{offset}"))
        .collect();
    assert_eq!(places, expected);
    tail.stop();
}

#[test]
fn a_session_is_assumed_where_its_beginning_was_not_heard_and_a_restart_is_no_end_of_it() {
    let sandbox = Sandbox::start();
    make(&sandbox.log, TOPIC, 1);
    write(
        &sandbox.log,
        TOPIC,
        &said(&[announce(&[P]), announce(&[Q])]),
    );
    read(&sandbox, 2, 0, 2);
    // Then it is seen to begin; of a peer that was never seen at all the end.
    let stranger = header(0, 0, 0, "192.0.2.77", 64_497);
    let gone = bmp(PEER_DOWN, &[&stranger[..], &[4]].concat());
    let more = [announce(&[P]), up(), announce(&[P]), gone];
    write(&sandbox.log, TOPIC, &said(&more));
    read(&sandbox, 5, 0, 6);

    let content = sandbox.content();
    assert_eq!(controls(&content, COLLECTOR, 1), ["start"]);
    assert_eq!(
        controls(&content, COLLECTOR, 2),
        ["start", "up", "up", "down: state"]
    );
    let news = |epoch| (epoch, 1, 0, false);
    assert_eq!(
        routes(&content, COLLECTOR),
        [news(1), news(1), news(2), news(2)]
    );
}

#[test]
fn a_router_that_was_away_is_a_gap_to_those_who_have_said_nothing_since() {
    let sandbox = Sandbox::start();
    make(&sandbox.log, TOPIC, 1);
    let other = header(0, 0, 0, "192.0.2.2", 64_497);
    let routes = update(&[], &usual(&[64_497], true), &nlri(&[Q], None));
    let at = |second, message: &[u8]| (0, openbmp(COLLECTOR, ROUTER, second, message));
    let end = bmp(TERMINATION, &tlv(1, &[0, 1]));
    write(
        &sandbox.log,
        TOPIC,
        &[
            at(100, &announce(&[P])),
            at(103, &monitoring(&other, &routes)),
            // In another topic this stood behind what it came before.
            at(102, &initiation("edge1")),
            at(104, &end),
        ],
    );
    read(&sandbox, 2, 0, 4);
    assert_eq!(
        gaps(&sandbox.content(), 1),
        ["AS64496 the router is connected again", ""]
    );
}
