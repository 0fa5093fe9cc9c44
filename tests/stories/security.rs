//! Who gets in, and what is told. The checks of the log's security, each through our own settings:
//!
//! | check | shown by |
//! |---|---|
//! | SCRAM-SHA-256 and -512 and PLAIN, each without and with TLS; the super user | `crates/eventlog/tests/kafka/security.rs`, `scram_and_plain_..` |
//! | a client certificate from PEM files; by `KAFKA_SSL_*` alone | the same, `a_client_certificate_..`, `the_variables_..` |
//! | a client certificate from PEM strings | not offered: a setting names a file, so that no key stands among settings |
//! | refused: wrong password, no ACL, unknown authority, no certificate of ours | the same, `a_wrong_..`, `a_missing_acl_..`, `an_unknown_..`, `a_client_without_..` |
//! | refused beyond those: out of date, another host, plaintext instead of TLS | the same, `a_certificate_..`, `tls_is_never_..` |
//! | a consumer without an ACL is told so, waits, and goes on once it is granted | `crates/eventlog/tests/kafka/access.rs` |
//! | the same of the stores | `refusals.rs` in the tests of `record-store`, `online-store`, `metric-store`; `objects/tests/backends.rs` |
//! | what a person reads in each case | `bad_input/engines.rs` |
//!
//! Here: no secret is told by anything, and nobody is served off loopback unasked.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;
use weir_engines::{Engine, engine};

use crate::{
    program,
    site::{Process, SERVICES},
    told::{admin_address, told},
};

/// Of the serving side; the engines have their own.
const TOKEN: &str = "token-that-nobody-reads";
/// What opens nothing, and is a secret all the same.
const WRONG: &str = "hush-but-wrong";

/// A deployment on engines that want names, passwords and certificates.
struct Guarded {
    folder: tempfile::TempDir,
    secrets: Vec<String>,
    /// As a person would set what the file leaves out.
    variables: Vec<(&'static str, String)>,
}

impl Guarded {
    /// `None` = one of the engines cannot run here, which was said.
    fn new() -> Option<Self> {
        let kafka = engine("kafka-secure")?;
        let postgres = engine("postgres-tls")?;
        let redis = engine("redis-secure")?;
        let cql = engine("cql-secure")?;
        let s3 = engine("s3")?;
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, format!("{text}\n")).unwrap();
            path
        };
        fs::create_dir(folder.path().join("said")).unwrap();
        let password = |of: &Engine| of.get("PASSWORD").unwrap().to_owned();
        let (_, login) = postgres.url().split_once("://app:").unwrap();
        let (sql_password, _) = login.split_once('@').unwrap();
        let s3_secret = s3.get("SECRET_ACCESS_KEY").unwrap().to_owned();
        // Each secret by another way: file, URL, variable, the table itself.
        let secrets = vec![
            "admin-secret".to_owned(),
            sql_password.to_owned(),
            password(&redis),
            password(&cql),
            s3_secret.clone(),
            TOKEN.to_owned(),
            WRONG.to_owned(),
        ];
        let (_, redis_place) = redis.url().rsplit_once('@').unwrap();
        let name = format!("guarded-{}", std::process::id());
        let objects = |table: &str| {
            format!(
                "[{table}]\nurl = \"s3://{}/{name}/{table}\"\nendpoint = \"{}\"\naccess_key_id = \"{}\"\n",
                s3.get("BUCKET").unwrap(),
                s3.url(),
                s3.get("ACCESS_KEY_ID").unwrap(),
            )
        };
        let settings = format!(
            "[stream]\nid = \"guarded\"\ndata = {:?}\n\
             [kafka]\nbootstrap_servers = \"{}\"\nsasl_username = \"admin\"\nsasl_password_file = {:?}\n\
             ssl_ca_location = \"{}\"\n\
             [record_store]\nurl = \"{}\"\n\
             [online_store]\nurl = \"rediss://{redis_place}\"\nusername = \"weir\"\nkey_prefix = \"{name}\"\n\
             ca_file = \"{}\"\n\
             [metric_store]\nurl = \"{}/{}\"\nusername = \"cassandra\"\npassword = \"{}\"\nca_file = \"{}\"\n\
             connect_timeout_ms = 20000\nrequest_timeout_ms = 20000\n\
             {}{}secret_access_key_file = {:?}\n\
             [feature_materializer]\nhistory_idle_ms = 100\n\
             [serving_api]\nlisten = \"127.0.0.1:0\"\ngrpc = \"127.0.0.1:0\"\n\
             [serving_api.auth]\ntoken_file = {:?}\n\
             [telemetry]\nlog_format = \"json\"\n\
             [ingest.source]\ntype = \"files\"\npaths = [{:?}]\nspeed = \"max\"\n",
            folder.path().join("data"),
            kafka.get("SASL_SSL").unwrap(),
            file("kafka", "admin-secret"),
            kafka.get("CA").unwrap(),
            postgres.url(),
            redis.get("CA").unwrap(),
            cql.url(),
            name.replace('-', "_"),
            password(&cql),
            cql.get("CA").unwrap(),
            objects("offline_store"),
            objects("checkpoint_store"),
            file("s3", &s3_secret),
            file("token", TOKEN),
            file("input.jsonl", &frames()),
        );
        file("weir.toml", &settings);
        let variables = vec![
            ("WEIR__ONLINE_STORE__PASSWORD", password(&redis)),
            ("WEIR__OFFLINE_STORE__SECRET_ACCESS_KEY", s3_secret),
        ];
        Some(Self {
            folder,
            secrets,
            variables,
        })
    }

    fn said(&self) -> PathBuf {
        self.folder.path().join("said")
    }

    fn prepared(&self, mut command: Command) -> Command {
        command
            .arg("--config")
            .arg(self.folder.path().join("weir.toml"))
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .env("RUST_LOG", "debug");
        command
    }

    /// Runs `weir`, keeps what it says; true when it succeeds.
    fn weir(&self, arguments: &[&str]) -> bool {
        self.weir_with(arguments, &[])
    }

    fn weir_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> bool {
        let mut command = self.prepared(program::weir(arguments.iter().copied()));
        let data = self.folder.path().join("weir-data");
        command.arg("--data").arg(data);
        let output = program::finish({
            command.envs(variables.iter().copied());
            command
        });
        let text = [&output.stdout[..], &output.stderr].concat();
        let number = fs::read_dir(self.said()).unwrap().count();
        let name = format!("weir-{number}-{}.out", arguments[0]);
        fs::write(self.said().join(name), text).unwrap();
        output.status.success()
    }

    fn start(&self, service: &str, number: usize, variables: &[(&str, &str)]) -> Process {
        let name = format!("{service}-{number}");
        let command = Command::new(program::binary().with_file_name(service));
        let mut command = self.prepared(command);
        let table = service.trim_start_matches("weir-").replace('-', "_");
        if service != "weir-serving-api" {
            let state = format!("WEIR__{}__STATE", table.to_uppercase());
            command.env(state, self.folder.path().join(&name));
        }
        command.envs(variables.iter().copied());
        Process::start(command, &name, &self.said())
    }

    /// What a process says, so far.
    fn log(&self, process: &Process) -> String {
        fs::read_to_string(self.said().join(format!("{}.log", process.name))).unwrap()
    }

    /// Keeps what the admin port of a process answers.
    fn ask(&self, process: &Process) {
        let log = self.log(process);
        let address = admin_address(&log);
        for path in ["metrics", "readyz"] {
            let mut answer = ureq::get(format!("http://{address}/{path}"))
                .call()
                .unwrap();
            let text = answer.body_mut().read_to_string().unwrap();
            let file = format!("{}.{path}", process.name);
            fs::write(self.said().join(file), text).unwrap();
        }
    }

    /// Lines that hold a secret.
    fn leaks(&self) -> Vec<String> {
        leaks(&self.said(), &self.secrets)
    }
}

/// Enough for a row in every store.
fn frames() -> String {
    let frame = |second: u32| {
        json!({ "type": "ris_message", "data": {
            "timestamp": 1_767_225_600 + second, "peer": "192.0.2.1", "peer_asn": "64496",
            "host": "rrc99", "type": "UPDATE", "path": [64_496, 64_500], "origin": "igp",
            "announcements": [{ "next_hop": "192.0.2.1", "prefixes": ["10.1.0.0/16"] }] } })
        .to_string()
    };
    (0..200).map(frame).collect::<Vec<_>>().join("\n")
}

fn leaks(folder: &Path, secrets: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for (number, line) in text.lines().enumerate() {
            if secrets.iter().any(|secret| line.contains(secret)) {
                let line: String = line.chars().take(400).collect();
                found.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    found
}

#[test]
fn no_secret_is_told_by_any_log_output_or_metric_when_all_is_well_and_when_it_is_not() {
    let Some(guarded) = Guarded::new() else {
        return;
    };
    assert!(guarded.secrets.iter().all(|secret| secret.len() >= 10));
    // The search finds what is there to be found.
    for secret in &guarded.secrets {
        let planted = guarded.said().join("planted");
        fs::write(&planted, format!("a line\nurl=x://u:{secret}@h/\n")).unwrap();
        assert_eq!(guarded.leaks().len(), 1, "the search is blind");
        fs::remove_file(planted).unwrap();
    }
    all_is_well(&guarded);
    let said = guarded.leaks();
    assert!(said.is_empty(), "{said:#?}");
    nothing_is_well(&guarded);
    let said = guarded.leaks();
    assert!(said.is_empty(), "{said:#?}");
}

fn all_is_well(guarded: &Guarded) {
    assert!(guarded.weir(&["topics", "apply"]));
    assert!(guarded.weir(&["migrate"]));
    assert!(guarded.weir(&["config", "show"]));
    let mut running: Vec<Process> = SERVICES[1..]
        .iter()
        .map(|service| guarded.start(service, 0, &[]))
        .collect();
    for process in &mut running {
        process.wait_until_ready();
    }
    let mut ingest = guarded.start("weir-ingest", 0, &[]);
    assert!(ingest.wait(program::LIMIT).success());
    assert!(guarded.weir(&["pipelines", "wait", "--timeout", "400"]));
    guarded.weir(&["doctor"]);
    assert!(guarded.weir(&["groups", "list"]));
    for process in &running {
        guarded.ask(process);
        assert!(
            guarded.log(process).contains("DEBUG"),
            "debug was asked for"
        );
    }
    let features = guarded.folder.path().join("features.ndjson");
    assert!(guarded.weir(&["export", "--features", &features.display().to_string()]));
    assert!(
        !fs::read_to_string(features).unwrap().is_empty(),
        "rows went through"
    );
    for process in &running {
        process.terminate();
    }
    for process in &mut running {
        process.assert_drained();
    }
}

/// A secret that is wrong, by service and variable.
const REFUSED: [(&str, &str); 5] = [
    ("weir-ingest", "KAFKA_SASL_PASSWORD"),
    ("weir-conflict-detector", "WEIR__RECORD_STORE__PASSWORD"),
    ("weir-feature-materializer", "WEIR__ONLINE_STORE__PASSWORD"),
    (
        "weir-feature-materializer",
        "WEIR__OFFLINE_STORE__SECRET_ACCESS_KEY",
    ),
    ("weir-metrics-aggregator", "WEIR__METRIC_STORE__PASSWORD"),
];

fn nothing_is_well(guarded: &Guarded) {
    for (service, variable) in REFUSED {
        let command = Command::new(program::binary().with_file_name(service));
        let mut command = guarded.prepared(command);
        command.env(variable, WRONG);
        let told = told(command);
        let file = format!("{service}-{variable}.log");
        fs::write(guarded.said().join(file), &told.all).unwrap();
        assert!(
            told.line.contains("password") || told.line.contains("secret"),
            "{}",
            told.line
        );
    }
    let registry = format!("http://ann:{WRONG}@127.0.0.1:9");
    let mut all: Vec<(&str, &str)> = REFUSED.map(|(_, variable)| (variable, WRONG)).to_vec();
    all.push(("WEIR__SCHEMA_REGISTRY__URL", &registry));
    assert!(guarded.weir_with(&["config", "show"], &all));
    assert!(!guarded.weir_with(&["doctor"], &all));
    assert!(!guarded.weir_with(&["migrate"], &all));
    assert!(!guarded.weir_with(&["topics", "list"], &all));
}

/// The line of a program that must not start.
#[track_caller]
fn refused(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program::binary().with_file_name(program));
    command
        .args(arguments)
        .current_dir(folder.path())
        .envs(variables.iter().copied());
    let told = told(command);
    assert!(
        told.ended,
        "{program} {arguments:?} {variables:?}: {}",
        told.all
    );
    told.line
}

#[test]
fn a_listener_off_loopback_without_authentication_refuses_to_start() {
    let named = |line: &str, words: &[&str]| {
        for word in words {
            assert!(line.contains(word), "no {word} in: {line}");
        }
    };
    let addresses = ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"];
    for address in addresses {
        for (key, flag) in [("LISTEN", "--listen"), ("GRPC", "--grpc")] {
            let variable = format!("WEIR__SERVING_API__{key}");
            let line = refused("weir-serving-api", &[], &[(&variable, address)]);
            named(
                &line,
                &[flag, address, "no token", "token_file", "127.0.0.1"],
            );
        }
    }
    for (service, address) in SERVICES.into_iter().zip(addresses.into_iter().cycle()) {
        let line = refused(service, &[], &[("WEIR__ADMIN__LISTEN", address)]);
        named(
            &line,
            &["[admin] listen", address, "open = true", "127.0.0.1"],
        );
    }
    let local = |flag| [flag, "127.0.0.1:0"];
    for (flag, words) in [
        ("--listen", ["no token", "token_file"]),
        ("--grpc", ["no token", "token_file"]),
        ("--broker", ["loopback", "bootstrap_servers"]),
    ] {
        let mut arguments = vec!["--source", "scenario", flag, "0.0.0.0:0"];
        for other in ["--listen", "--grpc", "--broker"] {
            if other != flag {
                arguments.extend(local(other));
            }
        }
        let line = refused("weir", &arguments, &[]);
        named(&line, &[flag, "0.0.0.0:0"]);
        named(&line, &words);
    }
}
