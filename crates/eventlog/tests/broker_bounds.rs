//! What the embedded broker refuses: addresses, a directory in use, too many clients, too large
//! requests; and what outlives it. Frames are written by hand where the client would not send them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use weir_eventlog::broker::{Broker, BrokerConfig, BrokerError};

const PATIENCE: Duration = Duration::from_secs(20);

fn config(dir: &Path) -> BrokerConfig {
    BrokerConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        dir: dir.to_owned(),
        ..BrokerConfig::default()
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Asks which APIs there are; false when the connection was closed instead.
fn is_served(stream: &mut TcpStream) -> bool {
    // ApiVersions 0, correlation id 7, no client id.
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
    let mut head = [0; 8];
    let asked = stream.write_all(&request);
    if let Err(error) = asked.and_then(|()| stream.read_exact(&mut head)) {
        assert_ne!(error.kind(), ErrorKind::WouldBlock, "no answer in time");
        return false;
    }
    assert_eq!(head[4..], [0, 0, 0, 7]);
    let length = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
    let mut rest = vec![0; length - 4];
    stream.read_exact(&mut rest).unwrap();
    true
}

#[test]
fn an_address_that_is_not_loopback_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for address in [
        "0.0.0.0:0",
        "192.0.2.1:9092",
        "[::]:0",
        "[2001:db8::1]:9092",
    ] {
        let address: SocketAddr = address.parse().unwrap();
        let refused = Broker::start(BrokerConfig {
            listen: address,
            ..config(folder.path())
        });
        let error = refused.unwrap_err();
        assert!(matches!(error, BrokerError::NotLoopback(named) if named == address));
        assert!(!error.is_transient());
    }
}

#[test]
fn a_taken_port_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let other = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = other.local_addr().unwrap();
    let refused = Broker::start(BrokerConfig {
        listen: address,
        ..config(folder.path())
    });
    let error = refused.unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(error.is_transient());
    // The directory is free again.
    Broker::start(config(folder.path())).unwrap();
}

#[test]
fn a_directory_in_use_names_its_holder_and_is_free_after_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(folder.path())).unwrap();
    let error = Broker::start(config(folder.path())).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&format!("process {}", std::process::id())),
        "{text}"
    );
    assert!(text.contains(folder.path().to_str().unwrap()), "{text}");
    assert!(error.is_transient());
    broker.stop();
    Broker::start(config(folder.path())).unwrap();
}

#[test]
fn a_client_too_many_is_turned_away_until_another_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig {
        max_connections: 2,
        ..config(folder.path())
    })
    .unwrap();
    let mut one = connect(broker.address());
    let mut two = connect(broker.address());
    assert!(is_served(&mut one) && is_served(&mut two));
    assert!(!is_served(&mut connect(broker.address())));
    assert!(is_served(&mut one) && is_served(&mut two));
    drop(two);
    let until = Instant::now() + PATIENCE;
    while !is_served(&mut connect(broker.address())) {
        assert!(Instant::now() < until, "the place is not free again");
    }
}

#[test]
fn a_request_beyond_the_limit_closes_its_connection_only() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig {
        max_request_bytes: 1_000,
        ..config(folder.path())
    })
    .unwrap();
    let mut good = connect(broker.address());
    assert!(is_served(&mut good));
    for size in [1_001, i32::MAX, -1, i32::MIN] {
        let mut bad = connect(broker.address());
        bad.write_all(&size.to_be_bytes()).unwrap();
        let mut answer = Vec::new();
        // Closed, perhaps with a reset; no answer in any case.
        let _ = bad.read_to_end(&mut answer);
        assert!(answer.is_empty(), "a request of {size} bytes");
    }
    assert!(is_served(&mut good));
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_request_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig {
        max_inflight_bytes: 1_000,
        max_request_bytes: 1_000,
        ..config(folder.path())
    })
    .unwrap();
    for _ in 0..10 {
        let mut bad = connect(broker.address());
        bad.write_all(&1_000_i32.to_be_bytes()).unwrap();
        bad.write_all(&[0; 10]).unwrap();
    }
    // All of the memory for requests was promised to them.
    assert!(is_served(&mut connect(broker.address())));
}
