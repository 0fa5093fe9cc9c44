//! A deployment of Weir for one telling: engines, settings, and every service as a process of its own.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use weir_engines::{Engine, engine, own_engine};

use crate::program::{self, Exported};

pub(crate) const SERVICES: [&str; 5] = [
    "weir-ingest",
    "weir-conflict-detector",
    "weir-feature-materializer",
    "weir-metrics-aggregator",
    "weir-serving-api",
];

/// A drain has 10 s, and the way to it a few more.
pub(crate) const DRAINED_WITHIN: Duration = Duration::from_secs(20);

/// Of a log, when a process did not do what it should.
const LAST_LINES: usize = 10;

/// The engines of one telling.
pub(crate) struct Engines {
    pub(crate) kafka: Engine,
    pub(crate) postgres: Engine,
    pub(crate) redis: Engine,
    pub(crate) cql: Engine,
    pub(crate) s3: Engine,
}

impl Engines {
    /// Kafka and PostgreSQL of its own, because topics and groups have fixed names; the others are shared
    /// with other tests, under names of its own. `None` = one of them cannot run here, which was said.
    pub(crate) fn shared() -> Option<Self> {
        Some(Self {
            kafka: own_engine("kafka")?,
            postgres: own_engine("postgres")?,
            redis: engine("redis")?,
            cql: engine("cql")?,
            s3: engine("s3")?,
        })
    }

    /// All of its own, to be killed and paused. `kafka` is `kafka`, or `kafka-three`.
    pub(crate) fn own(kafka: &str) -> Option<Self> {
        Some(Self {
            kafka: own_engine(kafka)?,
            postgres: own_engine("postgres")?,
            redis: own_engine("redis")?,
            cql: own_engine("cql")?,
            s3: own_engine("s3")?,
        })
    }
}

/// Where the binaries stand.
fn binaries() -> &'static Path {
    program::binary().parent().unwrap()
}

/// An address of the loopback that nobody listens at, and that nobody is given before a process that starts
/// slowly listens there: below the ports that the system hands out, above those of the engines.
fn free_address() -> String {
    static ASKED: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 30_000 + ASKED.fetch_add(1, Ordering::Relaxed) % 2_700;
        let address = format!("127.0.0.1:{port}");
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

/// Settings, and a folder for what the processes keep and say.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    settings: PathBuf,
}

impl Site {
    /// For the load in a folder, read at `speed`. S3 is spoken to at `s3_url`.
    pub(crate) fn new(
        name: &str,
        engines: &Engines,
        s3_url: &str,
        load: &Path,
        speed: &str,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A name that was never used: engines that are shared keep what earlier runs left in them.
        let unique = folder.path().file_name().unwrap().to_string_lossy();
        let unique = unique.trim_start_matches('.').to_lowercase();
        let name = format!("{name}-{unique}");
        let s3 = |prefix: &str| {
            let fact = |key: &str| engines.s3.get(key).unwrap();
            format!(
                "url = \"s3://{}/{name}/{prefix}\"\nendpoint = \"{s3_url}\"\naccess_key_id = \"{}\"\n\
                 secret_access_key = \"{}\"\n",
                fact("BUCKET"),
                fact("ACCESS_KEY_ID"),
                fact("SECRET_ACCESS_KEY"),
            )
        };
        let settings = folder.path().join("weir.toml");
        let text = format!(
            "[stream]\nid = \"{name}\"\ndata = {:?}\n[kafka]\nbootstrap_servers = \"{}\"\n\
             [record_store]\nurl = \"{}\"\nconnect_timeout_ms = 30000\n[online_store]\nurl = \"{}\"\nkey_prefix = \"{name}\"\n\
             [metric_store]\nurl = \"{}/{}\"\nconnect_timeout_ms = 60000\nrequest_timeout_ms = 60000\n[offline_store]\n{}[checkpoint_store]\n{}\
             [conflict_detector]\nbogons = {:?}\ncheckpoint_seconds = 5\n\
             [feature_materializer]\nhistory_idle_ms = 100\n\
             [serving_api]\nlisten = \"127.0.0.1:0\"\ngrpc = \"127.0.0.1:0\"\n\
             [ingest.knowledge]\nvrps = {:?}\n[ingest.source]\ntype = \"files\"\npaths = [{:?}]\nspeed = \"{speed}\"\n",
            folder.path().join("data"),
            engines.kafka.url(),
            engines.postgres.url(),
            engines.redis.url(),
            engines.cql.url(),
            name.replace('-', "_"),
            s3("history"),
            s3("state"),
            load.join("bogons.txt"),
            load.join("vrps.json"),
            load.join("input"),
        );
        fs::write(&settings, text).unwrap();
        Self { folder, settings }
    }

    /// `weir` with these arguments must succeed.
    pub(crate) fn weir(&self, arguments: &[&str]) {
        let output = self.ask(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "weir {arguments:?}: {said}");
    }

    /// What `weir` with these arguments says, and whether it succeeds.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = program::weir(arguments.iter().copied());
        command.arg("--config").arg(&self.settings);
        program::finish(command)
    }

    /// Waits until all that is in the log is in the stores; else the story ends with what everybody says.
    #[track_caller]
    pub(crate) fn catch_up<'a>(
        &self,
        seconds: u64,
        running: impl IntoIterator<Item = &'a Process>,
    ) {
        let output = self.ask(&["pipelines", "wait", "--timeout", &seconds.to_string()]);
        let said = || {
            let stages = self.ask(&["pipelines", "list"]);
            let mut said = stages.stdout;
            for process in running {
                let why = process.unready().unwrap_or_else(|| "ready".to_owned());
                said.extend(format!("{}: {why}\n{}\n", process.name, process.said()).bytes());
            }
            // Last, and so the nearest to where a reader begins: who is behind.
            said.extend(&output.stderr);
            String::from_utf8_lossy(&said).into_owned()
        };
        assert!(output.status.success(), "{}", said());
    }

    /// Topics and tables.
    pub(crate) fn prepare(&self) {
        self.weir(&["topics", "apply"]);
        self.weir(&["migrate"]);
    }

    /// What the stores hold now.
    pub(crate) fn export(&self) -> Exported {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        self.weir(&[
            "export",
            "--incidents",
            &file("incidents.ndjson"),
            "--features",
            &file("features.ndjson"),
            "--windows",
            &file("windows.ndjson"),
        ]);
        program::exported(self.folder.path())
    }

    /// Starts process `number` of a service, with an admin port, a state folder and a log of its own.
    pub(crate) fn start(&self, service: &str, number: usize) -> Process {
        self.start_with(service, number, &[])
    }

    /// As [`Self::start`], with these variables too. The same number has the same state folder.
    pub(crate) fn start_with(
        &self,
        service: &str,
        number: usize,
        variables: &[(&str, &str)],
    ) -> Process {
        let name = format!("{service}-{number}");
        let table = service.trim_start_matches("weir-").replace('-', "_");
        let mut command = Command::new(binaries().join(service));
        command.arg("--config").arg(&self.settings);
        command.envs(variables.iter().copied());
        if service != "weir-serving-api" {
            let state = format!("WEIR__{}__STATE", table.to_uppercase());
            command.env(state, self.folder.path().join(&name));
        }
        Process::start(command, &name, self.folder.path())
    }

    /// The disk of a process that has ended is gone, with its state.
    pub(crate) fn lose(&self, name: &str) {
        fs::remove_dir_all(self.folder.path().join(name)).unwrap();
    }
}

/// A running process of a service; killed when the story ends early.
pub(crate) struct Process {
    pub(crate) name: String,
    child: Child,
    admin: String,
    health: Command,
    log: PathBuf,
}

impl Process {
    /// Runs `command` with an admin port of its own; its log is added to `<name>.log` in `folder`.
    pub(crate) fn start(mut command: Command, name: &str, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let said = File::options().create(true).append(true).open(&log);
        let admin = free_address();
        command
            .env("WEIR__ADMIN__LISTEN", &admin)
            .stdin(Stdio::null());
        // The same program with the same settings asks after its health.
        let mut health = Command::new(command.get_program());
        health.args(command.get_args()).arg("health");
        for (variable, value) in command.get_envs() {
            health.env(variable, value.unwrap_or_default());
        }
        let child = command
            .stderr(said.unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            name: name.to_owned(),
            child,
            admin,
            health,
            log,
        }
    }

    /// The end of its log.
    pub(crate) fn said(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// True when its log has a line with `text`.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        fs::read_to_string(&self.log).unwrap().contains(text)
    }

    /// The sum over all labels of what its admin port says of `name`; 0 while it says nothing.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let answer = ureq::get(format!("http://{}/metrics", self.admin)).call();
        let text = answer.unwrap().body_mut().read_to_string().unwrap();
        let of_name = text.lines().filter(|line| line.starts_with(name));
        of_name
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Fails the story when it has ended.
    pub(crate) fn assert_runs(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "{} ended: {}", self.name, self.said());
    }

    /// By its admin port, and then as an image asks: by the same program.
    pub(crate) fn wait_until_ready(&mut self) {
        let until = Instant::now() + program::LIMIT;
        while let Some(why) = self.not_ready() {
            self.assert_runs();
            let in_time = Instant::now() < until;
            assert!(in_time, "{}: {why}\n{}", self.name, self.said());
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    /// What its admin port, and then its own program, say when it is not ready.
    fn not_ready(&mut self) -> Option<String> {
        self.unready().or_else(|| {
            let health = self.health.output().unwrap();
            (!health.status.success()).then(|| String::from_utf8_lossy(&health.stderr).into_owned())
        })
    }

    fn unready(&self) -> Option<String> {
        let url = format!("http://{}/readyz", self.admin);
        let ask = ureq::get(url).config().http_status_as_error(false).build();
        let mut answer = match ask.call() {
            Ok(answer) => answer,
            Err(error) => return Some(error.to_string()),
        };
        let unready = !answer.status().is_success();
        unready.then(|| answer.body_mut().read_to_string().unwrap_or_default())
    }

    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        let until = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            let in_time = Instant::now() < until;
            assert!(in_time, "{} goes on: {}", self.name, self.said());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Told to stop before, it must end well and in time.
    pub(crate) fn assert_drained(&mut self) {
        let status = self.wait(DRAINED_WITHIN);
        assert!(status.success(), "{} drained: {status}", self.name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        program::end(&mut self.child);
    }
}
