//! The suite on a folder and on S3, and what only an endpoint over a network can do wrong.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod busy;

use std::{net::TcpListener, time::Duration};

use weir_engines::Engine;
use weir_objects::{Config, Objects, ObjectsError, conformance};

use busy::Busy;

/// Objects of one test, in the bucket of the engine.
fn s3(engine: &Engine, test: &str) -> Config {
    let bucket = engine.get("BUCKET").unwrap();
    let run = std::process::id();
    Config {
        endpoint: Some(engine.url().to_owned()),
        access_key_id: engine.get("ACCESS_KEY_ID").map(str::to_owned),
        secret_access_key: engine.get("SECRET_ACCESS_KEY").map(Into::into),
        ..Config::at(format!("s3://{bucket}/objects-{run}/{test}"))
    }
}

fn refused(config: &Config) -> ObjectsError {
    Objects::connect(config).map(drop).unwrap_err()
}

#[test]
fn a_folder_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().join("made").display());
    conformance::all(&Objects::open(&url).unwrap());
}

#[test]
fn s3_keeps_every_promise() {
    let Some(engine) = weir_engines::engine("s3") else {
        return;
    };
    conformance::all(&Objects::connect(&s3(&engine, "promises")).unwrap());
}

#[test]
fn two_prefixes_of_one_bucket_do_not_see_each_other() {
    let Some(engine) = weir_engines::engine("s3") else {
        return;
    };
    let one = Objects::connect(&s3(&engine, "one")).unwrap();
    let other = Objects::connect(&s3(&engine, "one-more")).unwrap();
    one.put("a/b", "1").unwrap();
    assert!(other.list("").unwrap().is_empty());
    assert_eq!(one.list("").unwrap()[0].name, "a/b");
}

#[test]
fn a_wrong_secret_is_told_with_the_bucket_and_never_printed() {
    let Some(engine) = weir_engines::engine("s3") else {
        return;
    };
    let mut config = s3(&engine, "secret");
    config.secret_access_key = Some("not-the-s3cret".into());
    let error = refused(&config);
    let text = format!("{error} {error:?}");
    assert!(matches!(error, ObjectsError::Refused { .. }), "{text}");
    assert!(!error.is_transient());
    assert!(
        text.contains(&config.url) && text.contains("secret_access_key"),
        "{text}"
    );
    assert!(!text.contains("not-the-s3cret"), "{text}");
}

#[test]
fn a_missing_bucket_is_told_and_does_not_pass_by_itself() {
    let Some(engine) = weir_engines::engine("s3") else {
        return;
    };
    let mut config = s3(&engine, "bucket");
    config.url = "s3://nobody-made-this-one/x".to_owned();
    // Some servers make a bucket at the first put: then only the list is refused.
    let error = refused(&config);
    assert!(!error.is_transient(), "{error}");
    assert!(
        error.to_string().contains("nobody-made-this-one"),
        "{error}"
    );
}

#[test]
fn an_endpoint_that_says_503_a_few_times_is_asked_again() {
    let Some(engine) = weir_engines::engine("s3") else {
        return;
    };
    let busy = Busy::start(engine.url());
    let mut config = s3(&engine, "busy");
    config.endpoint = Some(busy.url());
    let objects = Objects::connect(&config).unwrap();
    busy.refuse(3);
    objects.put("one", "content").unwrap();
    busy.refuse(3);
    assert!(objects.put_new("two", "content").unwrap());
    busy.refuse(3);
    assert_eq!(objects.get("one").unwrap().unwrap(), "content");
    busy.refuse(2);
    let big = weir_objects::Bytes::from(vec![7; 20 << 20]);
    objects.put_large("big", &big).unwrap();
    assert!(objects.get("big").unwrap().unwrap() == big);
    assert_eq!(busy.refused(), 11);
}

#[test]
fn an_endpoint_that_goes_on_saying_503_is_transient() {
    let busy = Busy::start("http://127.0.0.1:9");
    let config = Config {
        endpoint: Some(busy.url()),
        access_key_id: Some("ann".to_owned()),
        secret_access_key: Some("s3cret".into()),
        retry_ms: 300,
        ..Config::at("s3://lake/x")
    };
    busy.refuse(u32::MAX);
    let objects = Objects::prepare(&config).unwrap();
    let error = objects.put("one", "content").unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("503") && text.contains("s3://lake/x at http://"),
        "{text}"
    );
    assert!(busy.refused() > 1);
}

#[test]
fn an_endpoint_that_is_away_is_transient_within_the_timeout() {
    // Bound and never accepted from: a connection hangs; closed: it is refused.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = Config {
        endpoint: Some(format!("http://{address}")),
        access_key_id: Some("ann".to_owned()),
        secret_access_key: Some("s3cret".into()),
        connect_timeout_ms: 500,
        ..Config::at("s3://lake/x")
    };
    let since = std::time::Instant::now();
    let silent = refused(&config);
    assert!(silent.is_transient(), "{silent}");
    drop(listener);
    let gone = refused(&config);
    assert!(gone.is_transient(), "{gone}");
    assert!(gone.to_string().contains(&address.to_string()), "{gone}");
    assert!(since.elapsed() < Duration::from_secs(4));
}

#[test]
fn settings_that_cannot_work_are_named() {
    let s3 = Config {
        endpoint: Some("https://127.0.0.1:9000".to_owned()),
        access_key_id: Some("ann".to_owned()),
        secret_access_key: Some("s3cret".into()),
        ..Config::at("s3://lake/x")
    };
    let cases = [
        (Config::at(""), "`url` is empty"),
        (Config::at("ftp://x"), "unknown scheme ftp://"),
        (Config::at("s3://"), "names no bucket"),
        (
            Config {
                secret_access_key: None,
                ..s3.clone()
            },
            "`secret_access_key` is missing",
        ),
        (
            Config {
                access_key_id: None,
                secret_access_key: None,
                ..s3.clone()
            },
            "`access_key_id` is missing",
        ),
        (
            Config {
                endpoint: Some("127.0.0.1:9000".to_owned()),
                ..s3.clone()
            },
            "`endpoint` is no URL",
        ),
        (
            Config {
                ca_file: Some("/nowhere/ca.pem".into()),
                ..s3.clone()
            },
            "/nowhere/ca.pem",
        ),
        (
            Config {
                ca_file: Some("/nowhere/ca.pem".into()),
                endpoint: Some("http://127.0.0.1:9000".to_owned()),
                ..s3
            },
            "say https://",
        ),
    ];
    for (config, says) in cases {
        let error = refused(&config);
        assert!(error.to_string().contains(says), "{says}: {error}");
        assert!(!error.is_transient());
    }
}
