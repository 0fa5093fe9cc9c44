//! What cannot work is said once, with the next step and without secrets.

use std::net::TcpListener;

use weir_engines::engine;
use weir_metric_store::{Config, MetricStore, MetricStoreError};

use crate::{keyspace::Keyspace, progress, row};

fn refused(config: &Config) -> MetricStoreError {
    MetricStore::connect(config).err().unwrap()
}

#[test]
fn nodes_that_are_away_are_named_and_may_come_back() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = refused(&Config::at(format!("cql://ann:s3cret@{free}/k")));
    let message = error.to_string();
    assert!(error.is_transient(), "{message}");
    assert!(message.contains(&free.to_string()), "{message}");
    assert!(!message.contains("s3cret"), "{message}");
}

#[test]
fn a_node_that_does_not_answer_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = Config {
        connect_timeout_ms: 300,
        ..Config::at(format!("cql://{}/k", silent.local_addr().unwrap()))
    };
    let error = refused(&config);
    assert!(error.is_transient(), "{error}");
}

#[test]
fn a_replication_that_is_none_is_refused() {
    let Some(keyspace) = Keyspace::new() else {
        return;
    };
    for replication in [
        "3",
        "{'class': 'NoStrategy', 'x': 1}",
        "{}; DROP KEYSPACE x",
    ] {
        let error = refused(&Config {
            replication: replication.to_owned(),
            ..keyspace.config()
        });
        assert!(!error.is_transient(), "{error}");
    }
}

#[test]
fn a_wrong_password_is_refused_without_showing_it() {
    let Some(engine) = engine("cql-secure") else {
        return;
    };
    let config = |password: &str| Config {
        username: engine.get("USER").map(str::to_owned),
        password: Some(password.to_owned().into()),
        ca_file: engine.get("CA").map(Into::into),
        connect_timeout_ms: 20_000,
        ..Config::at(format!("{}/weir_secure", engine.url()))
    };
    MetricStore::connect(&config(engine.get("PASSWORD").unwrap())).unwrap();
    let error = refused(&config("n0t-it"));
    let message = error.to_string();
    assert!(!error.is_transient(), "{message}");
    assert!(message.contains("username and password"), "{message}");
    assert!(!message.contains("n0t-it"), "{message}");
}

#[test]
fn an_authority_that_is_unknown_or_missing_is_refused() {
    let Some(engine) = engine("cql-secure") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("ca.crt");
    std::fs::write(&other, OTHER_CA).unwrap();
    for ca in [other, folder.path().join("none.crt")] {
        let error = refused(&Config {
            username: engine.get("USER").map(str::to_owned),
            password: engine.get("PASSWORD").map(|text| text.to_owned().into()),
            ca_file: Some(ca),
            connect_timeout_ms: 20_000,
            ..Config::at(format!("{}/weir_secure", engine.url()))
        });
        assert!(!error.is_transient(), "{error}");
        assert!(error.to_string().contains("ca_file"), "{error}");
    }
    // Plaintext to a TLS port never passes for TLS.
    let plain = Config {
        connect_timeout_ms: 3_000,
        ..Config::at(format!("{}/weir_secure", engine.url()))
    };
    refused(&plain);
}

#[test]
fn a_table_that_was_changed_underneath_is_refused_with_what_helps() {
    for (change, named) in [
        ("ALTER TABLE {ks}.window_partials DROP measures", "measures"),
        ("DROP TABLE {ks}.window_keys", "window_keys"),
    ] {
        let Some(keyspace) = Keyspace::new() else {
            return;
        };
        let store = keyspace.open();
        let fence = store.raise_fence(0).unwrap();
        keyspace.say(change);
        // A writer that is at work, and one that starts.
        let written = store.put_many(&[row("k", 1, 0, 1)], progress(fence, 1));
        let started = MetricStore::connect(&keyspace.config());
        let again = started.and_then(|store| {
            let fence = store.raise_fence(0)?;
            store.put_many(&[row("k", 1, 0, 1)], progress(fence, 1))
        });
        for error in [written.err(), again.err()] {
            let error = error.unwrap();
            assert!(!error.is_transient(), "{change}: {error}");
            let text = error.to_string();
            for word in [named, "put back what was changed", "[metric_store]"] {
                assert!(text.contains(word), "{change}: no `{word}` in: {text}");
            }
        }
    }
}

/// An authority that signed nothing here.
const OTHER_CA: &str = "-----BEGIN CERTIFICATE-----\n\
MIIDGzCCAgOgAwIBAgIUEdPYMaUAMC67N+wh9yxtgr9vdvYwDQYJKoZIhvcNAQEL\n\
BQAwHDEaMBgGA1UEAwwRYW5vdGhlciBhdXRob3JpdHkwIBcNMjYxMTIxMDgxMTAx\n\
WhgPMjEyNjEwMjgwODExMDFaMBwxGjAYBgNVBAMMEWFub3RoZXIgYXV0aG9yaXR5\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArEkyxEPEnoXl+fjvh4N9\n\
INm01Cd9m4Vgg+tyw01eLhbrzusvSlmZsFtV1PxpzzcZUfymDfMWWfuO5fMbDUEP\n\
n2hPGeCyuP09Vfw3lT/xKuXYuCxPH1y7cPKVEanuQf58PUc1xvuEcUb+YO0abwJz\n\
2HBsFMgmWT9KCa3//uukOC7HZ4ON/+W2VRadm0F3h8A80lniEe+i1AmPERaFOUOu\n\
PBOR6zxevm3pxP6oqs3EBe8y+QLuMEqgdSGsHjwFASclmNQzVYwj3/lF0XZUBCKE\n\
EPEeMic7QG2SwnIaxwaVN6j/Q36N1hJ3+qTVYytqkf2HfN0qo2Wjx00PCc4B8371\n\
lQIDAQABo1MwUTAdBgNVHQ4EFgQU8RZOwk5P9v6abYqNBBIqr7zgW5IwHwYDVR0j\n\
BBgwFoAU8RZOwk5P9v6abYqNBBIqr7zgW5IwDwYDVR0TAQH/BAUwAwEB/zANBgkq\n\
hkiG9w0BAQsFAAOCAQEAembCZoiLLkrlZr0Rctjt9/xd+SxT2A7z9FiVgtsLALX7\n\
vuYlDOc7xcY4yxXpeDhZBhjT2sQpjW2KcAnynuj2XftUhgIR3Pl02HWFS2fnr72a\n\
SzQdF/VfXoiV/ZV1R73muoqZWmCVU72ofZO5LzI1zbMCCmB0kFmeIx+/IvuT6dmT\n\
cpGI3nKsnimkdRzh/6eIWNJO9yyZGNqW6BSUGzUdPp+KFOdhP2p8C0xZgs3LEzG9\n\
DyDrPZD+t1qurRnqM150hPK/AUcDYEfBxFB6/pIqVwFncLCIWqoMiTZtAkFKgJyx\n\
jg+OgijQ1udGCL86FuHFG9LOZP1nPRYPn68lx5CeRA==\n\
-----END CERTIFICATE-----\n\
";
