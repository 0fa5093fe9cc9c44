//! Who gets in, who does not, and whether the error says why: names, passwords, certificates.

use std::{
    fs::read_to_string,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    time::Duration,
};

use weir_engines::Engine;
use weir_eventlog::{EventLog, LogConfig, LogError, SecurityProtocol, Trouble, admin};
use weir_events::topics::Topic;

use crate::{
    grants::{To, grant},
    harness::{PATIENCE, publisher, topic},
};

const DELIVERY: Duration = Duration::from_secs(15);

struct Door {
    engine: Engine,
    topic: Topic,
}

impl Door {
    /// A topic that alice, the PLAIN user and the owner of the client certificate may use.
    fn open(what: &str) -> Option<Self> {
        let engine = weir_engines::engine("kafka-secure")?;
        let topic = topic(engine.url(), what, 1);
        for user in ["alice", "client"] {
            grant(engine.url(), user, To::Topic(topic.name));
        }
        Some(Self { engine, topic })
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        Some(PathBuf::from(self.engine.get("TLS").unwrap()).join(name))
    }

    fn sasl(&self, tls: bool, mechanism: &str, user: &str, password: &str) -> LogConfig {
        let (listener, protocol) = match tls {
            true => ("SASL_SSL", SecurityProtocol::SaslSsl),
            false => ("SASL", SecurityProtocol::SaslPlaintext),
        };
        LogConfig {
            bootstrap_servers: self.engine.get(listener).unwrap().to_owned(),
            security_protocol: Some(protocol),
            sasl_mechanism: mechanism.to_owned(),
            sasl_username: Some(user.to_owned()),
            sasl_password: Some(password.to_owned().into()),
            ssl_ca_location: tls.then(|| self.file("ca.crt")).flatten(),
            ..LogConfig::default()
        }
    }

    fn certificate(&self) -> LogConfig {
        LogConfig {
            bootstrap_servers: self.engine.get("SSL").unwrap().to_owned(),
            ssl_ca_location: self.file("ca.crt"),
            ssl_certificate_location: self.file("client.crt"),
            ssl_key_location: self.file("client.key"),
            ..LogConfig::default()
        }
    }

    fn enter(&self, config: LogConfig) -> Result<(), LogError> {
        let log = EventLog::kafka(config)?;
        let writer = publisher(&log);
        writer.publish_encoded(self.topic.name, 0, b"", b"hello", 0)?;
        writer.flush(DELIVERY)?;
        let end = admin::end_offsets(&log, &self.topic)?;
        assert!(end[0] > 0);
        Ok(())
    }

    /// The writer's error and the reader's must both say why, and show no secret.
    #[track_caller]
    fn refuses(&self, config: LogConfig, trouble: Trouble, words: &[&str]) {
        let log = EventLog::kafka(config).unwrap();
        let writer = publisher(&log);
        let written = writer
            .publish_encoded(self.topic.name, 0, b"", b"hello", 0)
            .and_then(|_| writer.flush(DELIVERY));
        let waiting = writer.waiting();
        let asked = admin::end_offsets(&log, &self.topic).map(|_| ());
        for error in [written.unwrap_err(), asked.unwrap_err()] {
            let text = error.to_string();
            assert_eq!(error.trouble(), trouble, "{text}");
            assert!(!error.is_transient());
            for word in words {
                assert!(text.contains(word), "{word} is not in: {text}");
            }
            assert!(!text.contains("-secret"), "{text}");
        }
        if trouble == Trouble::Credentials {
            assert!(waiting.is_some(), "the publisher says why it waits");
        }
    }
}

#[test]
fn scram_and_plain_get_in_with_and_without_tls() {
    let Some(door) = Door::open("scram") else {
        return;
    };
    for tls in [false, true] {
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let config = door.sasl(tls, mechanism, "alice", "alice-secret");
            door.enter(config).unwrap();
        }
        let config = door.sasl(tls, "SCRAM-SHA-512", "admin", "admin-secret");
        door.enter(config).unwrap();
        let config = door.sasl(tls, "PLAIN", "alice", "alice-secret");
        door.enter(config).unwrap();
    }
}

#[test]
fn a_client_certificate_gets_in() {
    let Some(door) = Door::open("certificate") else {
        return;
    };
    door.enter(door.certificate()).unwrap();
}

#[test]
fn a_client_certificate_gets_in_as_text_too() {
    let Some(door) = Door::open("certificate-text") else {
        return;
    };
    let text = |name| Some(read_to_string(door.file(name).unwrap()).unwrap().into());
    let config = LogConfig {
        bootstrap_servers: door.engine.get("SSL").unwrap().to_owned(),
        ssl_ca_pem: text("ca.crt"),
        ssl_certificate_pem: text("client.crt"),
        ssl_key_pem: text("client.key"),
        ..LogConfig::default()
    };
    door.enter(config).unwrap();
}

#[test]
fn the_variables_of_the_environment_alone_get_in() {
    let Some(door) = Door::open("environment") else {
        return;
    };
    let path = |name| door.file(name).unwrap().display().to_string();
    let vars = [
        (
            "KAFKA_BOOTSTRAP_SERVERS",
            door.engine.get("SSL").unwrap().to_owned(),
        ),
        ("KAFKA_SSL_CA_LOCATION", path("ca.crt")),
        ("KAFKA_SSL_CERTIFICATE_LOCATION", path("client.crt")),
        ("KAFKA_SSL_KEY_LOCATION", path("client.key")),
    ];
    let vars = vars.map(|(name, value)| (name.to_owned(), value));
    let config = LogConfig::default().with_environment(vars).unwrap();
    door.enter(config).unwrap();
}

#[test]
fn a_wrong_password_is_named_as_the_reason() {
    let Some(door) = Door::open("password") else {
        return;
    };
    for tls in [false, true] {
        let config = door.sasl(tls, "SCRAM-SHA-512", "alice", "wrong-secret");
        door.refuses(
            config,
            Trouble::Credentials,
            &["uthentication", "sasl_password"],
        );
    }
}

#[test]
fn a_missing_acl_is_named_as_the_reason() {
    let Some(door) = Door::open("acl") else {
        return;
    };
    let config = door.sasl(false, "SCRAM-SHA-512", "bob", "bob-secret");
    door.refuses(
        config,
        Trouble::Permission,
        &["authorization failed", "ACL"],
    );
}

#[test]
fn an_unknown_authority_is_refused() {
    let Some(door) = Door::open("authority") else {
        return;
    };
    let config = LogConfig {
        ssl_ca_location: door.file("client.crt"),
        ..door.certificate()
    };
    door.refuses(
        config,
        Trouble::Credentials,
        &["certificate", "ssl_ca_location"],
    );
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let Some(door) = Door::open("without") else {
        return;
    };
    let config = LogConfig {
        ssl_certificate_location: None,
        ssl_key_location: None,
        ..door.certificate()
    };
    door.refuses(config, Trouble::Credentials, &["certificate"]);
}

#[test]
fn a_certificate_out_of_date_is_refused() {
    let Some(door) = Door::open("expired") else {
        return;
    };
    let Some(expired) = door.engine.get("EXPIRED") else {
        return;
    };
    let config = LogConfig {
        bootstrap_servers: expired.to_owned(),
        ..door.certificate()
    };
    door.refuses(config, Trouble::Credentials, &["certificate"]);
}

#[test]
fn a_certificate_of_another_host_is_refused() {
    let Some(door) = Door::open("host") else {
        return;
    };
    // The certificate names 127.0.0.1 and localhost.
    let other = pass_on(door.engine.get("SSL").unwrap());
    let config = LogConfig {
        bootstrap_servers: other.to_string(),
        ..door.certificate()
    };
    door.refuses(config, Trouble::Credentials, &["certificate", "host name"]);
}

#[test]
fn tls_is_never_given_up_for_plaintext() {
    let Some(door) = Door::open("downgrade") else {
        return;
    };
    // An open listener, asked for TLS.
    let config = LogConfig {
        bootstrap_servers: door.engine.url().to_owned(),
        ..door.certificate()
    };
    door.refuses(config, Trouble::Credentials, &["SSL"]);
    let missing = LogConfig {
        ssl_ca_location: Some("/nowhere/ca.crt".into()),
        ..door.certificate()
    };
    let error = EventLog::kafka(missing).err().unwrap();
    assert!(error.to_string().contains("/nowhere/ca.crt"), "{error}");
}

/// Listens on another loopback address and passes everything on.
fn pass_on(target: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let address = listener.local_addr().unwrap();
    let target = target.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(&target) else {
                return;
            };
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || io::copy(&mut from, &mut to));
            let (mut from, mut to) = (server, client);
            std::thread::spawn(move || io::copy(&mut from, &mut to));
        }
    });
    address
}

#[test]
fn an_unreachable_broker_is_away_and_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let log = EventLog::kafka(LogConfig {
        bootstrap_servers: address.to_string(),
        ..LogConfig::default()
    })
    .unwrap();
    let error = admin::end_offsets(&log, &weir_events::topics::BGP_CONFLICTS).unwrap_err();
    let text = error.to_string();
    assert!(error.is_transient() && PATIENCE > DELIVERY, "{text}");
    assert!(
        text.contains("refused") && text.contains(&address.to_string()),
        "{text}"
    );
}
