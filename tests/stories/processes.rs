//! Every service as a process of its own on real engines: what they find together equals what the
//! one process of `weir replay` finds, whatever their number; told to stop, they drain.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use weir_engines::{Engine, engine, own_engine};

use crate::{kills, program};

const SERVICES: [&str; 5] = [
    "weir-ingest",
    "weir-conflict-detector",
    "weir-feature-materializer",
    "weir-metrics-aggregator",
    "weir-serving-api",
];

/// A drain has 10 s, and the way to it a few more.
const DRAINED_WITHIN: Duration = Duration::from_secs(20);

/// Where the binaries stand.
fn binaries() -> &'static Path {
    program::binary().parent().unwrap()
}

/// Engines of one telling. Kafka and PostgreSQL are its own, because topics and groups have fixed
/// names; in the others it has names of its own.
struct Site {
    _kafka: Engine,
    _postgres: Engine,
    folder: tempfile::TempDir,
    settings: PathBuf,
    load: &'static Path,
}

impl Site {
    fn new(name: &str) -> Option<Self> {
        let (kafka, postgres) = (own_engine("kafka")?, own_engine("postgres")?);
        let (redis, cql, s3) = (engine("redis")?, engine("cql")?, engine("s3")?);
        let folder = tempfile::tempdir().unwrap();
        let load = kills::uninterrupted().0.path();
        let s3 = |prefix: &str| {
            let fact = |key: &str| s3.get(key).unwrap();
            format!(
                "url = \"s3://{}/{name}/{prefix}\"\nendpoint = \"{}\"\naccess_key_id = \"{}\"\n\
                 secret_access_key = \"{}\"\n",
                fact("BUCKET"),
                s3.url(),
                fact("ACCESS_KEY_ID"),
                fact("SECRET_ACCESS_KEY"),
            )
        };
        let settings = folder.path().join("weir.toml");
        let text = format!(
            "[stream]\nid = \"{name}\"\ndata = {:?}\n[kafka]\nbootstrap_servers = \"{}\"\n\
             [record_store]\nurl = \"{}\"\n[online_store]\nurl = \"{}\"\nkey_prefix = \"{name}\"\n\
             [metric_store]\nurl = \"{}/{}\"\n[offline_store]\n{}[checkpoint_store]\n{}\
             [conflict_detector]\nbogons = {:?}\ncheckpoint_seconds = 1\n\
             [feature_materializer]\nhistory_idle_ms = 100\n\
             [serving_api]\nlisten = \"127.0.0.1:0\"\ngrpc = \"127.0.0.1:0\"\n\
             [ingest.source]\ntype = \"files\"\npaths = [{:?}]\n",
            folder.path().join("data"),
            kafka.url(),
            postgres.url(),
            redis.url(),
            cql.url(),
            name.replace('-', "_"),
            s3("history"),
            s3("state"),
            load.join("bogons.txt"),
            load.join("input"),
        );
        fs::write(&settings, text).unwrap();
        Some(Self {
            _kafka: kafka,
            _postgres: postgres,
            folder,
            settings,
            load,
        })
    }

    /// `weir` with these arguments must succeed.
    fn weir(&self, arguments: &[&str]) {
        let mut command = program::weir(arguments.iter().copied());
        command.arg("--config").arg(&self.settings);
        let output = program::finish(command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "weir {arguments:?}: {said}");
    }

    /// Starts a process of a service, with an admin port, a state folder and a log of its own.
    fn start(&self, service: &str, number: usize) -> Process {
        let name = format!("{service}-{number}");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = free.local_addr().unwrap().to_string();
        drop(free);
        let table = service.trim_start_matches("weir-").replace('-', "_");
        let log = self.folder.path().join(format!("{name}.log"));
        let command = || {
            let mut command = Command::new(binaries().join(service));
            command
                .arg("--config")
                .arg(&self.settings)
                .env("WEIR__ADMIN__LISTEN", &admin)
                .stdin(Stdio::null());
            if service != "weir-serving-api" {
                let state = format!("WEIR__{}__STATE", table.to_uppercase());
                command.env(state, self.folder.path().join(&name));
            }
            command
        };
        let child = command()
            .stderr(File::create(&log).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut health = command();
        health.arg("health");
        Process {
            name,
            child,
            health,
            log,
        }
    }
}

/// A running process; killed when the story ends early.
struct Process {
    name: String,
    child: Child,
    health: Command,
    log: PathBuf,
}

impl Process {
    fn wait_until_ready(&mut self) {
        let until = Instant::now() + program::LIMIT;
        while !self.health.output().unwrap().status.success() {
            let ended = self.child.try_wait().unwrap();
            let log = || fs::read_to_string(&self.log).unwrap_or_default();
            assert!(ended.is_none(), "{} ended: {}", self.name, log());
            assert!(
                Instant::now() < until,
                "{} is not ready: {}",
                self.name,
                log()
            );
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    fn wait(&mut self, within: Duration) -> ExitStatus {
        let until = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            let log = || fs::read_to_string(&self.log).unwrap_or_default();
            assert!(Instant::now() < until, "{} goes on: {}", self.name, log());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        program::end(&mut self.child);
    }
}

/// The load through `number` detectors and aggregators, and one of each other service.
fn tell(name: &str, number: usize) {
    let Some(site) = Site::new(name) else { return };
    assert!(site.load.join("input").is_dir());
    site.weir(&["topics", "apply"]);
    site.weir(&["migrate"]);
    let mut running = Vec::new();
    for service in &SERVICES[1..] {
        let many = ["weir-conflict-detector", "weir-metrics-aggregator"].contains(service);
        for index in 0..if many { number } else { 1 } {
            running.push(site.start(service, index));
        }
    }
    for process in &mut running {
        process.wait_until_ready();
    }
    // A source with an end ends its process.
    let mut ingest = site.start("weir-ingest", 0);
    assert!(ingest.wait(program::LIMIT).success());
    site.weir(&["pipelines", "wait", "--timeout", "240"]);
    let file = |name: &str| site.folder.path().join(name).display().to_string();
    site.weir(&[
        "export",
        "--incidents",
        &file("incidents.ndjson"),
        "--features",
        &file("features.ndjson"),
        "--windows",
        &file("windows.ndjson"),
    ]);
    let exported = program::exported(site.folder.path());
    kills::assert_equal(&exported, &format!("{number} processes of each"));

    for process in &running {
        process.terminate();
    }
    for process in &mut running {
        let status = process.wait(DRAINED_WITHIN);
        assert!(status.success(), "{} drained: {status}", process.name);
    }
}

#[test]
fn services_of_their_own_find_what_the_all_in_one_finds() {
    tell("processes-1", 1);
}

#[test]
fn two_and_four_detectors_and_aggregators_find_the_same() {
    tell("processes-2", 2);
    tell("processes-4", 4);
}

#[test]
fn without_kafka_a_service_is_idle_and_healthy_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    for service in SERVICES {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = free.local_addr().unwrap().to_string();
        drop(free);
        let command = || {
            let mut command = Command::new(binaries().join(service));
            command
                .env("KAFKA_ENABLED", "false")
                .env("WEIR__ADMIN__LISTEN", &admin)
                .current_dir(folder.path());
            command
        };
        let log = folder.path().join(service);
        let child = command()
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut health = command();
        health.arg("health");
        let mut process = Process {
            name: service.to_owned(),
            child,
            health,
            log,
        };
        process.wait_until_ready();
        process.terminate();
        assert!(process.wait(DRAINED_WITHIN).success());
    }
}
