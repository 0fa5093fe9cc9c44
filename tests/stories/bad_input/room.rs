//! A full engine: its service says so, is not ready, loses nothing, and goes on once there is room.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use weir_engines::own_engine;

use super::engines::kafka;
use crate::{
    program,
    site::Process,
    told::{admin_address, is_allowed},
};

/// One service on full engines, and everything that it says.
struct Filled<'a> {
    folder: &'a Path,
    variables: Vec<(&'static str, String)>,
}

impl Filled<'_> {
    fn start(&self, service: &str) -> Process {
        let mut command = Command::new(program::binary().with_file_name(service));
        self.set(&mut command);
        Process::start(command, service, self.folder)
    }

    fn set(&self, command: &mut Command) {
        command
            .current_dir(self.folder)
            .env("WEIR__TELEMETRY__LOG_FORMAT", "json")
            .envs(self.variables.iter().map(|(name, value)| (*name, value)));
    }

    fn weir(&self, arguments: &[&str]) {
        let mut command = program::weir(arguments.iter().copied());
        self.set(&mut command);
        let output = program::finish(command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "weir {arguments:?}: {said}");
    }

    fn log(&self, service: &str) -> String {
        fs::read_to_string(self.folder.join(format!("{service}.log"))).unwrap()
    }

    /// Waits until a service says all of `words` in one line and is not ready because of it.
    fn waits(&self, service: &str, words: &[&str]) {
        until(service, || {
            let log = self.log(service);
            let told = log
                .lines()
                .any(|line| words.iter().all(|word| line.contains(word)));
            told && ready(&log).contains(words[0])
        });
    }

    /// Lines of what `weir export` writes.
    fn exported(&self, what: &str) -> usize {
        let path = self.folder.join(what);
        self.weir(&["export", &format!("--{what}"), &path.display().to_string()]);
        fs::read_to_string(path).unwrap().lines().count()
    }
}

/// What the admin port says of readiness, whatever the status.
fn ready(log: &str) -> String {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent
        .get(format!("http://{}/readyz", admin_address(log)))
        .call()
        .unwrap();
    answer.body_mut().read_to_string().unwrap()
}

#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + program::LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: it never comes");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// Says one thing to a Redis.
fn say(url: &str, command: &str) {
    let address = url.trim_start_matches("redis://").trim_end_matches("/0");
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n", "{command}");
}

/// Takes all the room that is left on the disk of a file.
fn fill(path: &str) -> fs::File {
    let mut filler = fs::File::options().append(true).open(path).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    filler
}

#[test]
fn full_engines_are_named_and_once_there_is_room_their_services_go_on() {
    if !is_allowed(&[
        "unshare",
        "-Um",
        "--map-current-user",
        "--keep-caps",
        "mount",
        "-t",
        "tmpfs",
        "none",
    ]) {
        return;
    }
    let (Some(kafka), Some(postgres), Some(redis)) =
        (kafka(), own_engine("postgres-small"), own_engine("redis"))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let filled = Filled {
        folder: folder.path(),
        variables: vec![
            ("KAFKA_BOOTSTRAP_SERVERS", kafka.url().to_owned()),
            ("WEIR__RECORD_STORE__URL", postgres.url().to_owned()),
            ("WEIR__ONLINE_STORE__URL", redis.url().to_owned()),
            ("WEIR__STREAM__ID", "full".to_owned()),
            (
                "WEIR__STREAM__DATA",
                folder.path().join("data").display().to_string(),
            ),
            ("WEIR__INGEST__SOURCE__TYPE", "scenario".to_owned()),
            ("WEIR__INGEST__SOURCE__SPEED", "max".to_owned()),
        ],
    };
    filled.weir(&["migrate"]);
    let filler = fill(postgres.get("ROOM").unwrap());
    say(redis.url(), "CONFIG SET maxmemory 1");

    let services = ["weir-conflict-detector", "weir-feature-materializer"];
    let mut running = services.map(|service| filled.start(service));
    assert!(filled.start("weir-ingest").wait(program::LIMIT).success());
    filled.waits(
        services[0],
        &["its disk is full", "make room", "it is asked again"],
    );
    filled.waits(services[1], &["OOM", "maxmemory", "has room"]);

    filler.set_len(0).unwrap();
    say(redis.url(), "CONFIG SET maxmemory 0");
    for process in &mut running {
        process.wait_until_ready();
    }
    until("incidents", || filled.exported("incidents") > 0);
    until("features", || filled.exported("features") > 0);
    for process in &running {
        process.terminate();
    }
    for process in &mut running {
        process.assert_drained();
    }
}
