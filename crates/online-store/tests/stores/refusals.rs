//! What does not work says where, what and what next, and never a password.

use std::time::{Duration, Instant};

use weir_online_store::{Config, OnlineStore, OnlineStoreError};

use crate::engine::{reach, tell};

const SECRET: &str = "not-the-right-word";

/// The whole message, sources included, of a store that must not open.
fn refused(config: &Config) -> (OnlineStoreError, String) {
    let error = OnlineStore::connect(config).err().unwrap();
    let mut message = format!("{error} {error:?}");
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(inner) = source {
        message.push_str(&format!(" {inner} {inner:?}"));
        source = inner.source();
    }
    assert!(!message.contains(SECRET), "{message}");
    (error, message)
}

#[track_caller]
fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "no `{word}` in: {message}");
    }
}

#[test]
fn a_server_that_is_away_is_transient_and_named_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for url in [
        format!("redis://me:{SECRET}@127.0.0.1:{port}/0"),
        format!("redis-cluster://me:{SECRET}@127.0.0.1:{port}"),
        format!("redis-sentinel://me:{SECRET}@127.0.0.1:{port}/main/0"),
    ] {
        let (error, message) = refused(&Config::at(url));
        assert!(error.is_transient(), "{message}");
        says(&message, &[&format!("127.0.0.1:{port}"), "reachable"]);
    }
}

#[test]
fn a_server_that_is_silent_is_transient_within_the_timeout() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Config {
        connect_timeout_ms: 300,
        ..Config::at(format!("redis://127.0.0.1:{port}"))
    };
    let start = Instant::now();
    let (error, message) = refused(&config);
    assert!(error.is_transient(), "{message}");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_wrong_password_is_refused_and_not_told() {
    let Some(server) = reach("redis-secure") else {
        return;
    };
    for username in [Some("nobody".to_owned()), None] {
        let config = Config {
            username,
            password: Some(SECRET.into()),
            ..server.config.clone()
        };
        let (error, message) = refused(&config);
        assert!(
            matches!(error, OnlineStoreError::Denied { .. }),
            "{message}"
        );
        assert!(!error.is_transient());
        says(&message, &["WRONGPASS", "check username, password"]);
    }
}

#[test]
fn no_password_at_all_is_refused() {
    let Some(server) = reach("redis-secure") else {
        return;
    };
    let (_, place) = server.config.url.rsplit_once('@').unwrap();
    let config = Config {
        url: format!("rediss://{place}"),
        ..server.config.clone()
    };
    let (error, message) = refused(&config);
    assert!(
        matches!(error, OnlineStoreError::Denied { .. }),
        "{message}"
    );
}

#[test]
fn an_unknown_authority_is_refused() {
    let Some(server) = reach("redis-secure") else {
        return;
    };
    let config = Config {
        ca_file: None,
        ..server.config.clone()
    };
    let (error, message) = refused(&config);
    assert!(matches!(error, OnlineStoreError::Tls { .. }), "{message}");
    says(&message, &["UnknownIssuer", "ca_file"]);
}

#[test]
fn a_missing_authority_file_is_an_error_and_not_plaintext() {
    let Some(server) = reach("redis-secure") else {
        return;
    };
    let config = Config {
        ca_file: Some("/nowhere/ca.crt".into()),
        ..server.config.clone()
    };
    let (error, message) = refused(&config);
    assert!(!error.is_transient());
    says(&message, &["/nowhere/ca.crt", "check ca_file"]);
}

#[test]
fn tls_towards_a_server_that_speaks_plaintext_is_refused() {
    let Some(server) = reach("redis") else {
        return;
    };
    let config = Config {
        url: server.config.url.replacen("redis:", "rediss:", 1),
        connect_timeout_ms: 2_000,
        ..server.config.clone()
    };
    refused(&config);
}

#[test]
fn a_user_who_may_not_write_is_refused_with_the_command() {
    let Some(server) = reach("redis") else {
        return;
    };
    let name = server.config.key_prefix.clone();
    let acl = |words: &[&str]| tell(&server.config.url, "ACL", words);
    let password = format!(">{SECRET}");
    let keys = format!("~{name}:*");
    let may: [&str; 5] = ["on", &password, &keys, "+@all", "-zadd"];
    acl(&[&["SETUSER", &name], &may[..]].concat());
    let config = Config {
        username: Some(name.clone()),
        password: Some(SECRET.into()),
        ..server.config.clone()
    };
    let store = OnlineStore::connect(&config).unwrap();
    let fence = store.raise_fence(0).unwrap();
    let progress = weir_online_store::Progress {
        partition: 0,
        next_offset: 1,
        fence,
    };
    let rows = [weir_online_store::conformance::row("v", "e", 1, 1)];
    let error = store.put_many(&rows, progress).unwrap_err();
    acl(&["DELUSER", &name]);
    assert!(!error.is_transient());
    says(&error.to_string(), &["zadd", "ACL", "127.0.0.1"]);
}
