//! BMP, proven with routers of our own that connect over loopback and say what they like.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
};

use socket2::{Domain, Socket, Type};
use weir_events::v1::{self, control::Kind};
use weir_ingest::{Config, Running, Source, config::Bmp};

use crate::{
    bmp_bytes::*,
    mrt_bytes::*,
    support::{Content, DEADLINE, Sandbox, until},
};

pub(crate) const P: &str = "198.51.100.0/24";
pub(crate) const Q: &str = "203.0.113.0/24";

fn start(sandbox: &Sandbox, change: impl FnOnce(&mut Config, &mut Bmp)) -> Running {
    let mut bmp = Bmp {
        listen: ([127, 0, 0, 1], 0).into(),
        ..Bmp::default()
    };
    let mut config = Config::default();
    change(&mut config, &mut bmp);
    config.source = Source::Bmp(bmp);
    weir_ingest::start(config, &sandbox.log, &sandbox.state()).unwrap()
}

/// A router that says these messages and stays.
fn router(address: SocketAddr, messages: &[Vec<u8>]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&messages.concat()).unwrap();
    stream
}

pub(crate) fn initiation(name: &str) -> Vec<u8> {
    bmp(INITIATION, &tlv(2, name.as_bytes()))
}

pub(crate) fn up() -> Vec<u8> {
    let (sent, received) = (usual_open(64_511), usual_open(64_496));
    peer_up(&usual_peer(0), &sent, &received, &[])
}

pub(crate) fn announce(prefixes: &[&str]) -> Vec<u8> {
    let update = update(&[], &usual(&[64_496], true), &nlri(prefixes, None));
    monitoring(&usual_peer(0), &update)
}

pub(crate) fn withdraw(prefix: &str) -> Vec<u8> {
    monitoring(&usual_peer(0), &update(&nlri(&[prefix], None), &[], &[]))
}

/// The ends of both tables.
pub(crate) fn ends() -> [Vec<u8>; 2] {
    let both = [update(&[], &[], &[]), update(&[], &[unreach(1, &[])], &[])];
    both.map(|update| monitoring(&usual_peer(0), &update))
}

pub(crate) fn down() -> Vec<u8> {
    let why = message(3, &[6, 2]);
    bmp(PEER_DOWN, &[&usual_peer(0)[..], &[1], &why].concat())
}

/// Waits until the other side has closed the connection.
fn closed(mut stream: TcpStream) {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    match stream.read(&mut [0]) {
        Ok(0) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        Ok(_) => panic!("BMP is spoken one way"),
    }
}

/// Names of the controls of one life of a collector, in order; Ticks left out.
pub(crate) fn controls(content: &Content, collector: &str, epoch: u64) -> Vec<String> {
    let all = content.controls();
    let ours = all
        .iter()
        .filter(|c| c.0 == collector && c.1 == epoch && !matches!(c.3, Kind::Tick(_)));
    ours.map(|c| match &c.3 {
        Kind::Gap(gap) => format!("gap: {}", gap.reason),
        Kind::PeerDown(down) => format!("down: {}", down.reason),
        Kind::SourceStart(_) => "start".to_owned(),
        Kind::PeerUp(_) => "up".to_owned(),
        Kind::EndOfRib(end) => {
            assert!(end.peer.is_some());
            "end of RIB".to_owned()
        }
        other => format!("{other:?}"),
    })
    .collect()
}

/// Routes of a collector in the order of its writer: epoch, announced, withdrawn, of a dump.
pub(crate) fn routes(content: &Content, collector: &str) -> Vec<(u64, usize, usize, bool)> {
    let mut found: Vec<_> = content
        .updates
        .iter()
        .filter(|update| update.collector == collector)
        .filter_map(|update| match &update.body {
            Some(v1::bgp_update::Body::Routes(routes)) => Some((
                (update.writer_epoch, update.seq),
                routes.announced.len(),
                routes.withdrawn.len(),
                routes.from_rib,
            )),
            _ => None,
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|r| (r.0.0, r.1, r.2, r.3)).collect()
}

#[test]
fn a_router_dumps_its_table_goes_on_is_lost_and_comes_back() {
    let sandbox = Sandbox::start();
    let running = start(&sandbox, |_, _| {});
    let address = running.listening().unwrap();
    let session = [
        initiation("edge1"),
        up(),
        announce(&[P]),
        announce(&[Q]),
        ends().concat(),
        announce(&[P]),
        withdraw(Q),
        down(),
    ];
    let first = router(address, &session);
    // Two OPENs, four UPDATEs, one end of RIB, one NOTIFICATION.
    until("the session", || running.stats().messages == 8);
    drop(first);
    until("the loss", || running.stats().gaps == 1);
    // It tells the time in the meantime: twelve partitions.
    let end = sandbox.written();
    until("two ticks", || sandbox.written() >= end + 2 * 12);
    let again = [initiation("edge1"), up(), announce(&[P])];
    let second = router(address, &again);
    until("the second session", || running.stats().messages == 11);
    let stats = running.stats();
    assert_eq!(
        (stats.connections, stats.dropped, stats.dead_letters),
        (2, 0, 0)
    );
    running.stop(DEADLINE).unwrap();
    drop(second);

    let content = sandbox.content();
    assert_eq!(
        controls(&content, "bmp-edge1", 1),
        [
            "start",
            "up",
            "up",
            "end of RIB",
            "down: notification",
            "gap: ended by the router"
        ]
    );
    assert_eq!(
        controls(&content, "bmp-edge1", 2),
        ["start", "gap: connected again", "up", "up"]
    );
    assert_eq!(
        routes(&content, "bmp-edge1"),
        [
            (1, 1, 0, true),
            (1, 1, 0, true),
            (1, 1, 0, false),
            (1, 0, 1, false),
            (2, 1, 0, false)
        ]
    );
    let said = content
        .messages
        .iter()
        .find(|message| matches!(message.body, Some(v1::bgp_message::Body::Update(_))));
    let said = said.unwrap();
    assert_eq!(
        said.peer,
        Some(v1::Peer::new([192, 0, 2, 1].into(), 64_496))
    );
    // As the router says: at second 10 and a quarter.
    assert_eq!(said.event_time_us, 10_250_000);
    assert!(said.receive_time_us > said.event_time_us);
}

#[test]
fn who_sends_garbage_is_closed_and_others_go_on() {
    let sandbox = Sandbox::start();
    let running = start(&sandbox, |_, _| {});
    let address = running.listening().unwrap();
    let mut good = router(address, &[initiation("good"), up(), announce(&[P])]);
    until("the good one", || running.stats().messages == 3);

    // No BMP at all; BMP that does not begin with who speaks; a message that does not hold its
    // header; a router that is gone from its own stream.
    closed(router(address, &[b"GET / HTTP/1.1\r\n\r\n".to_vec()]));
    closed(router(address, &[up()]));
    let short = bmp(ROUTE_MONITORING, &usual_peer(0)[..20]);
    closed(router(address, &[initiation("bad"), up(), short]));
    closed(router(address, &[initiation("worse"), vec![0; 6]]));
    let ended = bmp(TERMINATION, &[tlv(1, &[0, 2]), tlv(0, b"bye")].concat());
    closed(router(address, &[initiation("ended"), ended]));

    // An UPDATE that cannot be read is lost alone.
    let broken = monitoring(&usual_peer(0), &message(2, &[0, 9]));
    good.write_all(&[broken, announce(&[Q])].concat()).unwrap();
    until("the good one again", || {
        let stats = running.stats();
        stats.announcements == 2 && stats.gaps == 3
    });
    let stats = running.stats();
    assert_eq!((stats.connections, stats.dead_letters), (6, 2));
    running.stop(DEADLINE).unwrap();

    let content = sandbox.content();
    assert_eq!(controls(&content, "bmp-good", 1), ["start", "up", "up"]);
    assert_eq!(
        controls(&content, "bmp-bad", 1).last().map(String::as_str),
        Some(
            "gap: Route Monitoring is cut short: peer address at octet 16 wants 16 octets, 10 are left"
        )
    );
    assert_eq!(
        controls(&content, "bmp-worse", 1),
        [
            "start",
            "gap: version 0 where a message begins; want BMP version 3 (RFC 7854)"
        ]
    );
    assert_eq!(
        controls(&content, "bmp-ended", 1),
        ["start", "gap: the router ends it: out of resources bye"]
    );
    let others = content
        .updates
        .iter()
        .map(|update| update.collector.as_str());
    assert!(others.clone().all(|name| name.starts_with("bmp-")));
}

#[test]
fn a_router_that_connects_again_replaces_the_connection_that_it_lost() {
    let sandbox = Sandbox::start();
    let named = |_: &mut Config, bmp: &mut Bmp| {
        bmp.routers = vec![weir_ingest::config::Router {
            address: [127, 0, 0, 1].into(),
            name: Some("edge-7".to_owned()),
        }];
    };
    let running = start(&sandbox, named);
    let address = running.listening().unwrap();
    let old = router(address, &[initiation("a"), up()]);
    until("the old connection", || running.stats().messages == 2);
    let new = router(address, &[initiation("b"), up()]);
    closed(old);
    until("the new connection", || running.stats().messages == 4);
    running.stop(DEADLINE).unwrap();
    drop(new);
    let content = sandbox.content();
    assert_eq!(
        controls(&content, "edge-7", 1),
        ["start", "up", "up", "gap: connected again"]
    );
    assert_eq!(
        controls(&content, "edge-7", 2),
        ["start", "gap: connected again", "up", "up"]
    );
}

#[test]
fn two_routers_of_one_name_are_not_taken_for_one() {
    // Every address of 127/8 is loopback on Linux; elsewhere there is only one.
    let elsewhere = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 2], 0));
    if elsewhere.bind(&address.into()).is_err() {
        println!("skipped: 127.0.0.2 is no address of this machine");
        return;
    }
    let sandbox = Sandbox::start();
    let running = start(&sandbox, |_, _| {});
    let address = running.listening().unwrap();
    let first = router(address, &[initiation("twin"), up()]);
    until("the first", || running.stats().messages == 2);
    elsewhere.connect(&address.into()).unwrap();
    let mut second = TcpStream::from(elsewhere);
    second.write_all(&initiation("twin")).unwrap();
    closed(second);
    running.stop(DEADLINE).unwrap();
    drop(first);
    let content = sandbox.content();
    assert_eq!(controls(&content, "bmp-twin", 1), ["start", "up", "up"]);
}

#[test]
fn what_comes_faster_than_the_log_takes_it_is_published_whole() {
    const FLOOD: u64 = 300;
    let sandbox = Sandbox::start();
    let running = start(&sandbox, |config, _| config.max_in_flight = 1);
    let mut messages = vec![initiation("flood"), up()];
    messages.extend((0..FLOOD).map(|n| announce(&[if n % 2 == 0 { P } else { Q }])));
    let stream = router(running.listening().unwrap(), &messages);
    until("all of it", || running.stats().announcements == FLOOD);
    assert_eq!(running.stats().dropped, 0);
    running.stop(DEADLINE).unwrap();
    drop(stream);
    assert_eq!(sandbox.content().elements(), (FLOOD, 0));
}

#[test]
fn strangers_and_too_many_are_refused_at_the_door() {
    let sandbox = Sandbox::start();
    let running = start(&sandbox, |_, bmp| bmp.max_connections = 1);
    let address = running.listening().unwrap();
    let one = router(address, &[initiation("one"), up()]);
    until("the first", || running.stats().messages == 2);
    closed(TcpStream::connect(address).unwrap());
    running.stop(DEADLINE).unwrap();
    drop(one);

    let running = start(&sandbox, |_, bmp| {
        bmp.routers = vec![weir_ingest::config::Router {
            address: [192, 0, 2, 1].into(),
            name: None,
        }];
    });
    closed(TcpStream::connect(running.listening().unwrap()).unwrap());
    assert_eq!(running.stats().connections, 0);
    running.stop(DEADLINE).unwrap();
}

#[test]
fn a_door_that_cannot_be_opened_says_what_to_do() {
    let sandbox = Sandbox::start();
    let refused = |listen: SocketAddr| {
        let source = Bmp {
            listen,
            ..Bmp::default()
        };
        let config = Config {
            source: Source::Bmp(source),
            ..Config::default()
        };
        match weir_ingest::start(config, &sandbox.log, &sandbox.state()) {
            Ok(_) => panic!("started"),
            Err(error) => error.to_string(),
        }
    };
    let open = refused(([0, 0, 0, 0], 0).into());
    assert!(
        open.starts_with("BMP knows no login, and 0.0.0.0:0 is not loopback: list the addresses"),
        "{open}"
    );
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = refused(taken.local_addr().unwrap());
    assert!(
        error.contains("choose another address with listen"),
        "{error}"
    );
    // The name of the holder is cut off at 15 characters.
    assert!(error.contains("which "), "{error}");
}
