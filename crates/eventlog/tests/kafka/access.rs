//! Access that is lost while everything runs, and given back: everybody waits, says so, goes on.

use weir_eventlog::{
    EventLog, From, GroupProtocol, LogConfig, LogError, Publisher, SecurityProtocol, Tail, Trouble,
};
use weir_events::topics::Topic;

use crate::{
    grants::{To, grant, revoke},
    harness::{PATIENCE, Seen, Watched, append, fresh, kafka, publisher, reader, topic, until},
};

/// A cluster with access lists: the administrator's log, and one of a user who may use `topic` and
/// `group`.
struct Secured {
    bootstrap: String,
    admin: EventLog,
    log: EventLog,
    topic: Topic,
    group: String,
}

impl Secured {
    fn start(what: &str, group_protocol: GroupProtocol) -> Option<Self> {
        let engine = weir_engines::engine("kafka-secure")?;
        let bootstrap = engine.url().to_owned();
        let config = LogConfig {
            bootstrap_servers: engine.get("SASL")?.to_owned(),
            security_protocol: Some(SecurityProtocol::SaslPlaintext),
            sasl_username: Some("alice".to_owned()),
            sasl_password: Some("alice-secret".to_owned().into()),
            group_protocol,
            ..LogConfig::default()
        };
        let secured = Self {
            admin: kafka(&bootstrap, GroupProtocol::Classic),
            log: EventLog::kafka(config).unwrap(),
            topic: topic(&bootstrap, what, 2),
            group: fresh("group"),
            bootstrap,
        };
        secured.allow(To::Topic(secured.topic.name));
        secured.allow(To::Group(&secured.group));
        Some(secured)
    }

    fn allow(&self, to: To<'_>) {
        grant(&self.bootstrap, "alice", to);
    }

    fn forbid(&self, to: To<'_>) {
        revoke(&self.bootstrap, "alice", to);
    }
}

fn a_reader_outlives_the_loss_of(what: &str, protocol: GroupProtocol) {
    let Some(secured) = Secured::start(what, protocol) else {
        return;
    };
    let to = match what {
        "topic" => To::Topic(secured.topic.name),
        _ => To::Group(&secured.group),
    };
    let writer = publisher(&secured.admin);
    append(&writer, &secured.topic, 0..10);
    let seen = Watched::<Seen>::new();
    let member = reader(&secured.log, &secured.group, secured.topic, 1, &seen);
    seen.wait("the first ten", |seen| seen.count() == 10);
    assert_eq!(member.waiting(), None);

    secured.forbid(to);
    let reason = until("said that it waits", || member.waiting());
    assert!(
        reason.contains("authorization failed") && reason.contains("ACL"),
        "{reason}"
    );
    append(&writer, &secured.topic, 10..20);
    secured.allow(to);
    seen.wait("the other ten", |seen| seen.count() == 20);
    until("said that it is over", || {
        member.waiting().is_none().then_some(())
    });
    assert_eq!(member.failure(), None);
    seen.change(|seen| seen.assert_once(0..20));
    member.stop(PATIENCE).unwrap();
}

#[test]
fn a_classic_reader_outlives_the_loss_of_its_topic() {
    a_reader_outlives_the_loss_of("topic", GroupProtocol::Classic);
}

#[test]
fn a_classic_reader_outlives_the_loss_of_its_group() {
    a_reader_outlives_the_loss_of("group", GroupProtocol::Classic);
}

#[test]
fn a_reader_of_the_new_protocol_outlives_the_loss_of_its_topic() {
    a_reader_outlives_the_loss_of("topic", GroupProtocol::Consumer);
}

#[test]
fn a_reader_of_the_new_protocol_outlives_the_loss_of_its_group() {
    a_reader_outlives_the_loss_of("group", GroupProtocol::Consumer);
}

#[test]
fn an_idle_reader_sees_that_it_may_read_again() {
    let Some(secured) = Secured::start("idle", GroupProtocol::Classic) else {
        return;
    };
    let seen = Watched::<Seen>::new();
    let member = reader(&secured.log, &secured.group, secured.topic, 1, &seen);
    seen.wait("joined", |seen| seen.shares() == [2]);
    secured.forbid(To::Topic(secured.topic.name));
    until("said that it waits", || member.waiting());
    secured.allow(To::Topic(secured.topic.name));
    until("said that it is over", || {
        member.waiting().is_none().then_some(())
    });
    member.stop(PATIENCE).unwrap();
}

fn write(publisher: &Publisher, topic: &Topic, number: u32) -> Result<(), LogError> {
    publisher.publish_encoded(topic.name, 0, b"", number.to_string().as_bytes(), 0)?;
    publisher.flush(PATIENCE)
}

#[test]
fn a_publisher_without_access_stops_and_a_new_one_goes_on_once_it_is_back() {
    let Some(secured) = Secured::start("write", GroupProtocol::Classic) else {
        return;
    };
    let topic = secured.topic;
    let first = publisher(&secured.log);
    write(&first, &topic, 0).unwrap();
    secured.forbid(To::Topic(topic.name));
    let failure = until("refused", || write(&first, &topic, 1).err());
    assert_eq!(failure.trouble(), Trouble::Permission, "{failure}");
    assert!(!failure.is_transient() && first.failure().is_some());
    // What a supervisor does: make the part anew, which fails until access is back.
    let again = write(&publisher(&secured.log), &topic, 2).unwrap_err();
    assert_eq!(again.trouble(), Trouble::Permission, "{again}");
    secured.allow(To::Topic(topic.name));
    until("written", || {
        write(&publisher(&secured.log), &topic, 3).ok()
    });
}

#[test]
fn a_tail_goes_on_once_access_is_back() {
    let Some(secured) = Secured::start("tail", GroupProtocol::Classic) else {
        return;
    };
    let topic = secured.topic;
    let count = Watched::<u32>::new();
    let counted = count.clone();
    let tail = Tail::start(&secured.log, &[topic], From::Beginning, move |_, _| {
        counted.change(|count| *count += 1);
    })
    .unwrap();
    let writer = publisher(&secured.admin);
    write(&writer, &topic, 0).unwrap();
    count.wait("the first", |count| *count == 1);
    secured.forbid(To::Topic(topic.name));
    let reason = until("said that it waits", || tail.waiting());
    assert!(reason.contains("ACL"), "{reason}");
    write(&writer, &topic, 1).unwrap();
    secured.allow(To::Topic(topic.name));
    count.wait("the second", |count| *count == 2);
    assert_eq!(tail.waiting(), None);
}
