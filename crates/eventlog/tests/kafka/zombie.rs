//! A process that stands still for longer than its session: others take over, and when it goes on
//! it learns that nothing is its own, and what it commits is refused.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

use weir_eventlog::{EventLog, GroupProtocol, LogConfig, Next, Subscriber, admin};
use weir_events::topics::{BGP_CONFLICTS, Topic};

use crate::harness::{
    PATIENCE, Seen, Watched, append, embedded, fresh, publisher, reader, topic, until,
};

/// Records that it reads while it is alive.
const BEFORE: i64 = 3;
const PLACE: &str = "WEIR_TEST_ZOMBIE";

fn log(bootstrap: &str, group_protocol: GroupProtocol) -> EventLog {
    EventLog::kafka(LogConfig {
        bootstrap_servers: bootstrap.to_owned(),
        group_protocol,
        session_timeout_ms: Some(6_000),
        ..LogConfig::default()
    })
    .unwrap()
}

/// What the other process runs: a member that tells what happens to it. Without a place, nothing.
#[test]
#[allow(clippy::print_stdout, reason = "this is how it tells its parent")]
fn the_other_process() {
    let Ok(place) = std::env::var(PLACE) else {
        return;
    };
    let parts: Vec<&str> = place.split('|').collect();
    let protocol = match parts[1] {
        "consumer" => GroupProtocol::Consumer,
        _ => GroupProtocol::Classic,
    };
    let topic = Topic {
        name: parts[2].to_owned().leak(),
        partitions: 1,
        ..BGP_CONFLICTS
    };
    let _member = Subscriber::start(&log(parts[0], protocol), parts[3], topic, |mut task| {
        task.resume_at(0)?;
        println!("reads");
        loop {
            match task.next(10, PATIENCE)? {
                Next::Batch(batch) => {
                    let next = batch.next_offset();
                    println!("has {next}");
                    // What was under way to it while it stood still may still reach it. Its commit
                    // must not reach anybody: it would show.
                    task.commit(if next > BEFORE { next + 1_000 } else { next });
                }
                Next::Idle => {}
                Next::Revoked | Next::Lost => {
                    println!("lost");
                    return Ok(());
                }
            }
        }
    })
    .unwrap();
    // Until the parent kills it.
    loop {
        std::thread::park();
    }
}

struct Other {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Other {
    fn start(place: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "zombie::the_other_process", "--nocapture"])
            .env(PLACE, place)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// What it says until `last`, which is among it.
    fn says(&mut self, last: &str) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            let mut line = String::new();
            assert!(
                self.lines.read_line(&mut line).unwrap() > 0,
                "it ended: {said:?}"
            );
            said.push(line.trim().to_owned());
            if said.last().is_some_and(|line| line.ends_with(last)) {
                return said;
            }
        }
    }
}

fn stands_still(bootstrap: &str, protocol: GroupProtocol, word: &str) {
    let topic = topic(bootstrap, "zombie", 1);
    let group = fresh("group");
    let place = [bootstrap, word, topic.name, &group].join("|");
    let mut other = Other::start(&place);
    other.says("reads");
    let log = log(bootstrap, protocol);
    let writer = publisher(&log);
    append(&writer, &topic, 0..3);
    other.says("has 3");

    other.signal("-STOP");
    let seen = Watched::<Seen>::new();
    let member = reader(&log, &group, topic, 1, &seen);
    seen.wait("taken over", |seen| seen.shares() == [1]);
    append(&writer, &topic, 3..10);
    writer.flush(PATIENCE).unwrap();
    seen.wait("all of it", |seen| seen.records.contains_key(&(0, 9)));
    let committed = || admin::committed(&log, &group, &topic).unwrap()[0];
    until("committed", || (committed() == Some(10)).then_some(()));

    other.signal("-CONT");
    other.says("lost");
    assert_eq!(committed(), Some(10));
    drop(other);
    member.stop(PATIENCE).unwrap();
}

#[test]
fn a_process_that_stood_still_commits_nothing_and_learns_that_it_has_lost() {
    embedded(|address| stands_still(address, GroupProtocol::Auto, "classic"));
    if let Some(engine) = weir_engines::engine("kafka") {
        stands_still(engine.url(), GroupProtocol::Classic, "classic");
        stands_still(engine.url(), GroupProtocol::Consumer, "consumer");
    }
}
