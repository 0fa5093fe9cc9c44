//! An engine that was started natively can be killed and paused, and goes with the test.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What a Redis at `redis://host:port/..` answers to a line of its inline protocol.
fn ask(url: &str, line: &str) -> std::io::Result<String> {
    let address = url
        .trim_start_matches("redis://")
        .split('/')
        .next()
        .unwrap_or_default();
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(300)))?;
    socket.write_all(format!("{line}\r\n").as_bytes())?;
    let mut answer = [0; 64];
    let read = socket.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
}

#[test]
fn a_killed_engine_comes_back_at_the_same_address_with_its_data() {
    let Some(redis) = weir_engines::own_engine("redis") else {
        return;
    };
    assert_eq!(ask(redis.url(), "SET kept here").unwrap(), "+OK\r\n");

    redis.kill();
    assert!(ask(redis.url(), "PING").is_err());

    redis.start();
    assert_eq!(ask(redis.url(), "GET kept").unwrap(), "$4\r\nhere\r\n");
}

#[test]
fn a_paused_engine_is_silent_until_it_goes_on() {
    let Some(redis) = weir_engines::own_engine("redis") else {
        return;
    };
    redis.pause();
    assert!(ask(redis.url(), "PING").is_err());
    redis.resume();
    assert_eq!(ask(redis.url(), "PING").unwrap(), "+PONG\r\n");
}

#[test]
fn an_engine_of_ones_own_is_gone_when_it_is_dropped() {
    let Some(redis) = weir_engines::own_engine("redis") else {
        return;
    };
    let url = redis.url().to_owned();
    assert_eq!(ask(&url, "PING").unwrap(), "+PONG\r\n");
    drop(redis);
    assert!(ask(&url, "PING").is_err());
}
