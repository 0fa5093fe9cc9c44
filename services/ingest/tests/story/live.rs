//! RIS Live, proven against a server of our own that plays frames, cuts, stalls and floods.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::{accept_async, tungstenite::Message};
use weir_events::v1::control::Kind;
use weir_ingest::{
    Config, Running, Source,
    config::{PrefixFilter, RisLive, Subscription},
    ris_live::{self, RisLiveError},
};

use crate::support::{DEADLINE, Sandbox, until};

/// What the server does with one connection after it has read the subscription.
#[derive(Clone)]
pub(crate) enum Act {
    /// Plays these frames, then drops the connection without a word.
    Cut(Vec<String>),
    /// Plays these frames, then says nothing any more and reads nothing.
    Stall(Vec<String>),
    /// Plays these frames, then answers pings.
    Stay(Vec<String>),
}

/// A server on a free port that does one act per connection, the last one for all that follow.
pub(crate) fn serve(acts: Vec<Act>) -> (SocketAddr, std::sync::mpsc::Receiver<String>) {
    let (heard, subscriptions) = std::sync::mpsc::channel();
    let (ready, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            ready.send(listener.local_addr().unwrap()).unwrap();
            let mut acts = acts.into_iter().peekable();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let act = match acts.len() {
                    1 => acts.peek().cloned().unwrap(),
                    _ => acts.next().unwrap(),
                };
                let heard = heard.clone();
                tokio::spawn(async move {
                    let Ok(mut socket) = accept_async(stream).await else {
                        return;
                    };
                    let Some(Ok(Message::Text(subscription))) = socket.next().await else {
                        return;
                    };
                    let _ = heard.send(subscription.to_string());
                    let (Act::Cut(frames) | Act::Stall(frames) | Act::Stay(frames)) = &act;
                    for frame in frames {
                        if socket.feed(Message::Text(frame.into())).await.is_err() {
                            return;
                        }
                    }
                    let _ = socket.flush().await;
                    match act {
                        Act::Cut(_) => {}
                        Act::Stall(_) => std::future::pending().await,
                        Act::Stay(_) => {
                            while let Some(Ok(message)) = socket.next().await {
                                let pong = Message::Text(r#"{"type":"pong","data":null}"#.into());
                                if message.is_text() && socket.send(pong).await.is_err() {
                                    return;
                                }
                            }
                        }
                    }
                });
            }
        });
    });
    (address.recv().unwrap(), subscriptions)
}

pub(crate) fn update(host: &str, prefix: &str) -> String {
    format!(
        r#"{{"type":"ris_message","data":{{"timestamp":1609480200.5,"peer":"192.0.2.1","peer_asn":"64496","id":"x","host":"{host}.ripe.net","type":"UPDATE","path":[64496,[64498,64499]],"origin":"IGP","announcements":[{{"next_hop":"192.0.2.1","prefixes":["{prefix}"]}}]}}}}"#
    )
}

pub(crate) fn start(
    sandbox: &Sandbox,
    address: SocketAddr,
    change: impl FnOnce(&mut Config, &mut RisLive),
) -> Running {
    let mut live = RisLive {
        url: format!("ws://{address}/v1/ws/"),
        subscriptions: vec![Subscription {
            host: Some("rrc21".to_owned()),
            prefix: Some(PrefixFilter::One("198.51.100.0/24".to_owned())),
            ..Subscription::default()
        }],
        ping_interval_ms: 50,
        silence_timeout_ms: 500,
        backoff_min_ms: 10,
        backoff_max_ms: 50,
        ..RisLive::default()
    };
    let mut config = Config::default();
    // Its tables are told of beside this (`baseline`).
    config.baseline.enabled = false;
    change(&mut config, &mut live);
    config.source = Source::RisLive(live);
    weir_ingest::start(config, &sandbox.log, &sandbox.state()).unwrap()
}

#[test]
fn a_cut_and_a_stall_are_gaps_and_each_connection_is_a_new_epoch() {
    let sandbox = Sandbox::start();
    let future = update("rrc21", "198.51.100.0/24").replace("1609480200.5", "4102444800");
    let (address, subscriptions) = serve(vec![
        Act::Cut(vec![
            update("rrc21", "198.51.100.0/24"),
            update("rrc00", "203.0.113.0/24"),
            r#"{"type":"ris_message","data":{"broken"#.to_owned(),
            future,
        ]),
        Act::Stall(vec![update("rrc21", "198.51.100.0/24")]),
        Act::Stay(vec![update("rrc21", "198.51.100.0/24")]),
    ]);
    let running = start(&sandbox, address, |_, _| {});
    until("three connections heard", || running.stats().messages == 4);
    // Ticks come in silence too.
    let end = sandbox.written();
    // Two collectors, twelve partitions.
    until("two more ticks of each", || {
        sandbox.written() >= end + 2 * 2 * 12
    });
    let stats = running.stats();
    assert_eq!(
        (stats.connections, stats.dead_letters, stats.future),
        (3, 2, 1)
    );
    running.stop(DEADLINE).unwrap();

    let subscribed: serde_json::Value =
        serde_json::from_str(&subscriptions.recv().unwrap()).unwrap();
    assert_eq!(subscribed["type"], "ris_subscribe");
    assert_eq!(subscribed["data"]["host"], "rrc21");
    assert_eq!(subscribed["data"]["prefix"], "198.51.100.0/24");

    let content = sandbox.content();
    assert_eq!(content.elements(), (4, 0));
    let controls = content.controls();
    let of = |collector: &str, epoch: u64, test: fn(&Kind) -> bool| {
        controls
            .iter()
            .filter(|c| c.0 == collector && c.1 == epoch && test(&c.3))
            .count()
    };
    for epoch in 1..=3 {
        assert_eq!(
            of("rrc21", epoch, |k| matches!(k, Kind::SourceStart(_))),
            1,
            "epoch {epoch}"
        );
    }
    // Lost, and connected again: told before and after.
    assert_eq!(of("rrc21", 1, |k| matches!(k, Kind::Gap(_))), 1);
    assert_eq!(of("rrc00", 1, |k| matches!(k, Kind::Gap(_))), 1);
    assert_eq!(of("rrc21", 2, |k| matches!(k, Kind::Gap(_))), 2);
    assert_eq!(of("rrc21", 3, |k| matches!(k, Kind::Gap(_))), 1);
    assert!(of("rrc21", 3, |k| matches!(k, Kind::Tick(_))) >= 2);
    let stalled = controls
        .iter()
        .any(|c| matches!(&c.3, Kind::Gap(gap) if gap.reason.contains("silent")));
    assert!(stalled, "the stall is named");
}

#[test]
fn a_flood_is_dropped_counted_and_told_as_a_gap() {
    const FLOOD: u64 = 5000;
    let sandbox = Sandbox::start();
    let frames = (0..FLOOD)
        .map(|_| update("rrc21", "198.51.100.0/24"))
        .collect();
    let (address, _subscriptions) = serve(vec![Act::Stay(frames)]);
    let running = start(&sandbox, address, |config, live| {
        config.max_in_flight = 1;
        live.queue_frames = 4;
        // No pong among the frames that are counted.
        live.ping_interval_ms = 600_000;
        live.silence_timeout_ms = 600_000;
    });
    // The first ping is sent at once, so one pong may be dropped or not.
    until("every frame read or dropped", || {
        let stats = running.stats();
        stats.messages + stats.dropped >= FLOOD
    });
    let stats = running.stats();
    assert!(stats.dropped > 0, "{stats:?}");
    assert!(stats.messages + stats.dropped <= FLOOD + 1, "{stats:?}");
    running.stop(DEADLINE).unwrap();
    let lost: u64 = sandbox
        .content()
        .controls()
        .iter()
        .filter_map(|c| match &c.3 {
            Kind::Gap(gap) if gap.reason == "overload" => Some(gap.lost),
            _ => None,
        })
        .sum();
    assert_eq!(lost, stats.dropped);
}

#[test]
fn a_restart_raises_the_epoch_and_says_that_something_was_missed() {
    let sandbox = Sandbox::start();
    let (address, _subscriptions) =
        serve(vec![Act::Stay(vec![update("rrc21", "198.51.100.0/24")])]);
    for _ in 0..2 {
        let running = start(&sandbox, address, |_, _| {});
        until("a message", || running.stats().messages == 1);
        running.stop(DEADLINE).unwrap();
    }
    let controls = sandbox.content().controls();
    let gaps: Vec<_> = controls
        .iter()
        .filter(|c| matches!(c.3, Kind::Gap(_)))
        .map(|c| c.1)
        .collect();
    assert_eq!(gaps, [2]);
}

#[test]
fn a_probe_says_whether_anything_answers_within_its_bound() {
    let (address, _subscriptions) = serve(vec![Act::Stay(Vec::new())]);
    let bound = Duration::from_secs(3);
    ris_live::probe(&format!("ws://{address}/v1/ws/"), bound).unwrap();

    // Accepts, and never says a word.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", mute.local_addr().unwrap());
    let error = ris_live::probe(&url, Duration::from_millis(200)).unwrap_err();
    assert!(matches!(error, RisLiveError::TimedOut { .. }) && error.is_transient());
    drop(mute);
    assert!(matches!(
        ris_live::probe(&url, bound),
        Err(RisLiveError::Refused { .. })
    ));
    assert!(
        !ris_live::probe("https://example.net/", bound)
            .unwrap_err()
            .is_transient()
    );
}
