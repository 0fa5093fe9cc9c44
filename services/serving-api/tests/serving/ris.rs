//! The stream of RIS Live over the embedded broker: websockets and lines, from the log to a client
//! that knows nothing of ours.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::{TcpSocket, TcpStream},
    runtime::Runtime,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue},
};
use weir_eventlog::{
    EventLog, Publisher, PublisherOptions, admin,
    broker::{Broker, BrokerConfig, Fsync},
};
use weir_events::{
    position::TopicEpoch,
    topics::{self, BGP_MESSAGES},
    v1::{self, bgp_message::Body, control::Kind},
};
use weir_lifecycle::health::Health;
use weir_routing::{
    Prefix,
    decode::ris_live::{Frame, decode},
};
use weir_serving_api::{Auth, Config, Ris, Running, Token};

use super::{agent, answer, sample};

const DEADLINE: Duration = Duration::from_secs(60);

/// A broker, its log, one who writes it and one who serves it.
struct Weir {
    folder: tempfile::TempDir,
    log: EventLog,
    publisher: Publisher,
    config: Config,
    served: Option<Running>,
    seq: u64,
}

impl Weir {
    fn start(ris: Ris, auth: Auth) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(BrokerConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            dir: folder.path().join("log"),
            fsync: Fsync::None,
            ..BrokerConfig::default()
        })
        .unwrap();
        let log = EventLog::embedded(broker);
        admin::ensure_topics(&log, TopicEpoch(1)).unwrap();
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            grpc: None,
            auth,
            ris,
            ..Config::default()
        };
        let publisher = Publisher::connect(&log, PublisherOptions::default()).unwrap();
        let mut weir = Self {
            folder,
            log,
            publisher,
            config,
            served: None,
            seq: 0,
        };
        weir.served = Some(weir.serve("one"));
        weir
    }

    /// One more instance on the same log.
    fn serve(&self, name: &str) -> Running {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let (stores, _records) = sample::stores(&folder);
        let health = Health::new();
        weir_serving_api::start(&self.config, &self.log, stores, &health, &sample::TELEMETRY)
            .unwrap()
    }

    fn address(&self) -> SocketAddr {
        self.served.as_ref().unwrap().address()
    }

    fn client(&self) -> Client {
        Client::connect(self.address(), &[]).unwrap()
    }

    fn publish(&mut self, peer: u8, body: Body) {
        self.seq += 1;
        let peer = v1::Peer::new([192, 0, 2, peer].into(), 64_496);
        let message = v1::BgpMessage {
            collector: "rrc21".to_owned(),
            writer_epoch: 2,
            seq: self.seq,
            event_time_us: 1_700_000_000_250_000,
            synthetic: true,
            peer: Some(peer),
            body: Some(body),
            ..v1::BgpMessage::default()
        };
        let partition = topics::partition(&BGP_MESSAGES, peer.entity().as_bytes());
        self.publisher.publish(partition, b"key", &message).unwrap();
    }

    fn announce(&mut self, peer: u8, prefixes: &[&str]) {
        self.publish(
            peer,
            update(prefixes.iter().map(|text| text.parse().unwrap())),
        );
    }

    /// Asks for the metrics until they hold a sample of this name.
    fn until_counted(&self, name: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let (_, _, shown) = answer(agent().get(self.url("/metrics")).call());
            if shown.lines().any(|line| line.starts_with(name)) {
                return;
            }
            assert!(Instant::now() < deadline, "no {name} in {shown}");
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }
}

fn update(prefixes: impl Iterator<Item = Prefix>) -> Body {
    let segment = v1::PathSegment {
        kind: v1::path_segment::Kind::Sequence.into(),
        asns: vec![64_496, 64_499],
    };
    Body::Update(v1::Update {
        attributes: Some(v1::PathAttributes {
            as_path: vec![segment],
            next_hop: Some(std::net::IpAddr::from([192, 0, 2, 1]).into()),
            ..v1::PathAttributes::default()
        }),
        announced: prefixes.map(Into::into).collect(),
        ..v1::Update::default()
    })
}

/// A websocket as anybody's library opens it.
struct Client {
    runtime: Runtime,
    socket: WebSocketStream<TcpStream>,
}

impl Client {
    /// With headers of its own; the status of a refusal.
    fn connect(address: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut request = format!("ws://{address}/v1/ws/?client=test&instance=1")
            .into_client_request()
            .unwrap();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().insert(*name, value);
        }
        let opened = runtime.block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            // Little room in between, so that who does not read is soon seen not to.
            socket.set_recv_buffer_size(4096).unwrap();
            let stream = socket.connect(address).await.unwrap();
            timeout(DEADLINE, client_async(request, stream))
                .await
                .unwrap()
        });
        match opened {
            Ok((socket, _)) => Ok(Self { runtime, socket }),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => unreachable!("{error}"),
        }
    }

    fn send(&mut self, text: &str) {
        let message = Message::Text(text.into());
        self.runtime.block_on(self.socket.send(message)).unwrap();
    }

    /// Subscribes and waits until it holds.
    fn subscribe(&mut self, mut data: Value) {
        data["socketOptions"] = json!({"acknowledge": true});
        self.send(&json!({"type": "ris_subscribe", "data": data}).to_string());
        assert_eq!(self.next().unwrap()["type"], "ris_subscribe_ok");
    }

    /// The next frame; `None` once the server has closed the connection in order.
    fn next(&mut self) -> Option<Value> {
        loop {
            let frame = self
                .runtime
                .block_on(async { timeout(DEADLINE, self.socket.next()).await.unwrap() });
            match frame?.unwrap() {
                Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    fn error(&mut self) -> String {
        let frame = self.next().unwrap();
        assert_eq!(frame["type"], "ris_error", "{frame}");
        frame["data"]["message"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_client_sees_what_it_subscribed_to_and_nothing_else() {
    let mut weir = Weir::start(Ris::default(), Auth::default());
    let mut client = weir.client();
    client.subscribe(json!({"prefix": "198.51.100.0/24", "type": "UPDATE"}));
    client.subscribe(json!({"type": "RIS_PEER_STATE", "peer": "192.0.2.1"}));
    weir.announce(1, &["203.0.113.0/24"]);
    weir.announce(1, &["203.0.113.0/24", "198.51.100.128/25"]);
    weir.publish(1, Body::Keepalive(v1::Keepalive {}));
    let peer = Some(v1::Peer::new([192, 0, 2, 1].into(), 64_496));
    let up = Kind::PeerUp(v1::PeerUp { peer });
    weir.publish(1, Body::Control(v1::Control { kind: Some(up) }));
    let up = v1::StateChange {
        from: 0,
        to: v1::state_change::State::Established.into(),
    };
    weir.publish(1, Body::StateChange(up));

    let seen = client.next().unwrap();
    let wanted = json!({"type": "ris_message", "data": {
        "timestamp": 1_700_000_000.25, "peer": "192.0.2.1", "peer_asn": "64496",
        "id": "rrc21-2-2", "host": "rrc21", "type": "UPDATE", "synthetic": true,
        "path": [64496, 64499],
        "announcements": [
            {"next_hop": "192.0.2.1", "prefixes": ["203.0.113.0/24", "198.51.100.128/25"]},
        ],
    }});
    assert_eq!(seen, wanted);
    let read = decode(wanted.to_string().as_bytes())
        .map(|frame| matches!(frame, Frame::Message(message) if message.messages.len() == 1));
    assert!(read.unwrap());
    let state = client.next().unwrap();
    assert_eq!(
        state["data"]["id"], "rrc21-2-5",
        "the session's start is told once"
    );
    assert_eq!(state["data"]["state"], "up");

    client.send(r#"{"type":"request_rrc_list"}"#);
    let list = client.next().unwrap();
    assert_eq!(list, json!({"type": "ris_rrc_list", "data": ["rrc21"]}));
    client
        .send(r#"{"type":"ris_unsubscribe","data":{"prefix":"198.51.100.0/24","type":"UPDATE"}}"#);
    client.send(r#"{"type":"ping"}"#);
    assert_eq!(client.next().unwrap()["type"], "pong");
    weir.announce(1, &["198.51.100.0/24"]);
    weir.publish(
        1,
        Body::StateChange(v1::StateChange {
            from: 0,
            to: v1::state_change::State::Idle.into(),
        }),
    );
    assert_eq!(client.next().unwrap()["data"]["state"], "down");
}

#[test]
fn two_instances_tell_the_same_messages_and_lines_are_frames() {
    let mut weir = Weir::start(Ris::default(), Auth::default());
    let other = weir.serve("two");
    let mut one = weir.client();
    let mut two = Client::connect(other.address(), &[]).unwrap();
    for client in [&mut one, &mut two] {
        client.subscribe(json!({}));
    }
    let lines = agent()
        .get(weir.url("/v1/stream/?format=json&client=test"))
        .call()
        .unwrap();
    assert_eq!(lines.headers()["content-type"], "application/x-ndjson");
    let mut lines = BufReader::new(lines.into_body().into_reader()).lines();
    for number in 0..20 {
        weir.announce(7, &[&format!("198.51.{number}.0/24")]);
    }
    for _ in 0..20 {
        let seen = one.next().unwrap();
        assert_eq!(two.next().unwrap(), seen);
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(line, seen);
    }
    drop(two);
    other.stop(DEADLINE).unwrap();
}

#[test]
fn a_client_that_reads_too_slowly_is_told_so_and_cut_off() {
    let ris = Ris {
        queue_bytes: 1 << 20,
        ..Ris::default()
    };
    let mut weir = Weir::start(ris, Auth::default());
    let mut slow = weir.client();
    slow.subscribe(json!({}));
    publish_much(&mut weir);
    weir.until_counted(r#"weir_ris_closed_total{reason="slow"}"#);
    let mut messages = 0;
    let last = loop {
        let frame = slow.next().unwrap();
        if frame["type"] == "ris_error" {
            break frame;
        }
        messages += 1;
    };
    let says = last["data"]["message"].as_str().unwrap();
    assert!(
        says.starts_with("too slow: ") && says.ends_with("subscribe to less"),
        "{says}"
    );
    assert!(messages < 400, "nothing was dropped");
    assert_eq!(slow.next(), None);
    // The others were not held up.
    let mut quick = weir.client();
    quick.subscribe(json!({"prefix": "198.51.100.0/24"}));
    weir.announce(1, &["198.51.100.0/24"]);
    assert_eq!(quick.next().unwrap()["data"]["id"], "rrc21-2-401");
}

/// What the tests of slow clients send: some 33 kB each, 13 MB in all, more than the sockets on both sides take.
fn publish_much(weir: &mut Weir) {
    let prefix = |n: u32| {
        Prefix::new(
            std::net::Ipv4Addr::from_bits(0x0a00_0000 + (n << 8)).into(),
            24,
        )
    };
    let prefixes: Vec<Prefix> = (0..2000).map(prefix).collect::<Result<_, _>>().unwrap();
    for _ in 0..400 {
        weir.publish(1, update(prefixes.iter().copied()));
    }
}

#[test]
fn a_client_of_the_lines_that_does_not_read_holds_up_no_stop() {
    let mut weir = Weir::start(Ris::default(), Auth::default());
    let mut stalled = std::net::TcpStream::connect(weir.address()).unwrap();
    stalled
        .write_all(b"GET /v1/stream/?format=json HTTP/1.1\r\nhost: weir\r\n\r\n")
        .unwrap();
    let mut answer = [0; 12];
    stalled.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    publish_much(&mut weir);
    weir.until_counted(r#"weir_ris_closed_total{reason="slow"}"#);
    let running = weir.served.take().unwrap();
    running.stop(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_close_is_answered_and_after_the_last_client_the_next_one_is_served_again() {
    let ris = Ris {
        linger_seconds: 0,
        ..Ris::default()
    };
    let mut weir = Weir::start(ris, Auth::default());
    for id in 1..=3 {
        let mut client = weir.client();
        client.subscribe(json!({}));
        weir.announce(1, &["198.51.100.0/24"]);
        assert_eq!(
            client.next().unwrap()["data"]["id"],
            format!("rrc21-2-{id}")
        );
        client.runtime.block_on(client.socket.close(None)).unwrap();
        assert_eq!(client.next(), None, "no Close came back");
    }
}

#[test]
fn what_is_wrong_with_a_frame_is_said_and_the_connection_goes_on() {
    let ris = Ris {
        request_bytes: 100,
        subscriptions: 2,
        ..Ris::default()
    };
    let weir = Weir::start(ris, Auth::default());
    let mut client = weir.client();
    client.send("subscribe!");
    assert!(client.error().starts_with("the frame is not JSON: "));
    client.send(r#"{"type":"ris_subscribe","data":{"colour":"red"}}"#);
    assert!(
        client
            .error()
            .starts_with("data has the unknown key \"colour\"")
    );
    client.send(&" ".repeat(101));
    assert_eq!(client.error(), "the frame has 101 bytes: want 100 at most");
    let binary = Message::Binary(b"{}".to_vec().into());
    client.runtime.block_on(client.socket.send(binary)).unwrap();
    assert_eq!(client.error(), "the frame is binary: want text");
    for host in ["rrc00", "rrc01"] {
        client.subscribe(json!({ "host": host }));
    }
    client.send(r#"{"type":"ris_subscribe","data":{"host":"rrc02"}}"#);
    assert_eq!(
        client.error(),
        "this connection has 2 subscriptions and asks for 1 more: want 2 at most"
    );
}

#[test]
fn connections_are_limited_by_address_and_their_places_come_free() {
    let ris = Ris {
        clients_per_address: 1,
        ..Ris::default()
    };
    let weir = Weir::start(ris, Auth::default());
    let first = weir.client();
    assert_eq!(Client::connect(weir.address(), &[]).err(), Some(503));
    let (status, kind, body) = answer(agent().get(weir.url("/v1/stream/")).call());
    assert_eq!((status, kind.as_str()), (503, "application/problem+json"));
    assert!(body.contains("too many clients of 127.0.0.1"), "{body}");
    drop(first);
    let deadline = Instant::now() + DEADLINE;
    while let Err(status) = Client::connect(weir.address(), &[]) {
        assert!(status == 503 && Instant::now() < deadline);
    }
}

#[test]
fn a_token_is_wanted_as_everywhere_and_pages_of_other_sites_are_refused() {
    let auth = Auth {
        token: Some(Token::new("0123456789abcdef")),
        ..Auth::default()
    };
    let weir = Weir::start(Ris::default(), auth);
    let connect =
        |headers: &[(&'static str, &str)]| Client::connect(weir.address(), headers).map(drop);
    // What a client makes of ws://me:0123456789abcdef@host/v1/ws/.
    let basic = ("authorization", "Basic bWU6MDEyMzQ1Njc4OWFiY2RlZg==");
    assert_eq!(connect(&[]), Err(401));
    assert_eq!(connect(&[basic]), Ok(()));
    assert_eq!(
        connect(&[("authorization", "Bearer 0123456789abcdef")]),
        Ok(())
    );
    assert_eq!(
        connect(&[basic, ("origin", "http://other.example")]),
        Err(403)
    );
    let own = format!("http://{}", weir.address());
    assert_eq!(connect(&[basic, ("origin", &own)]), Ok(()));
    assert_eq!(answer(agent().get(weir.url("/v1/stream/")).call()).0, 401);
}

#[test]
fn a_websocket_that_falls_silent_is_closed_and_a_stop_says_so_to_the_rest() {
    let ris = Ris {
        idle_seconds: 2,
        ..Ris::default()
    };
    let mut weir = Weir::start(ris, Auth::default());
    let mut silent = weir.client();
    // Who does not read does not answer pings either.
    weir.until_counted(r#"weir_ris_closed_total{reason="idle"}"#);
    assert_eq!(silent.error(), "nothing was heard for 2 s, no pong either");
    assert_eq!(silent.next(), None);

    let mut client = weir.client();
    client.subscribe(json!({}));
    let running = weir.served.take().unwrap();
    std::thread::scope(|scope| {
        let stopped = scope.spawn(|| running.stop(DEADLINE));
        assert_eq!(client.error(), "the server stops");
        assert_eq!(client.next(), None);
        stopped.join().unwrap().unwrap();
    });
}
