//! `weir doctor`: what a person sees when all is well, and when engines are away or refuse.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::process::{Command, Output};

use weir_engines::engine;

/// The exit code, and the table as (component, check) -> line.
struct Told {
    code: i32,
    lines: Vec<serde_json::Value>,
    text: String,
}

fn doctor(variables: &[(&str, String)]) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let run = |extra: &[&str]| -> Output {
        Command::new(env!("CARGO_BIN_EXE_weir"))
            .arg("doctor")
            .args(extra)
            .arg("--data")
            .arg(folder.path())
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (*name, value)))
            .output()
            .unwrap()
    };
    let output = run(&["--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    Told {
        code: output.status.code().unwrap(),
        lines: text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        text: text + &String::from_utf8_lossy(&output.stderr),
    }
}

impl Told {
    fn line(&self, component: &str, check: &str) -> &serde_json::Value {
        let found = self
            .lines
            .iter()
            .find(|line| line["component"] == component && line["check"] == check);
        found.unwrap_or_else(|| panic!("no {component} {check} in {}", self.text))
    }
}

#[test]
fn embedded_parts_need_no_engine_and_nothing_fails() {
    let told = doctor(&[]);
    assert_eq!(told.code, 0, "{}", told.text);
    assert_eq!(told.line("kafka", "topics")["state"], "skipped");
    assert_ne!(told.line("machine", "disk")["state"], "fail");
}

#[test]
fn each_engine_that_is_away_fails_alone_with_a_next_step_and_without_its_secret() {
    let away = |scheme: &str, rest: &str| format!("{scheme}://ann:hush-hush@127.0.0.1:9{rest}");
    let told = doctor(&[
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9".to_owned()),
        ("WEIR__RECORD_STORE__URL", away("postgres", "/weir")),
        ("WEIR__ONLINE_STORE__URL", away("redis", "/0")),
        (
            "WEIR__METRIC_STORE__URL",
            "cql://127.0.0.1:9/weir".to_owned(),
        ),
        ("WEIR__OFFLINE_STORE__URL", "s3://weir/history".to_owned()),
        (
            "WEIR__OFFLINE_STORE__ENDPOINT",
            "http://127.0.0.1:9".to_owned(),
        ),
        ("AWS_ACCESS_KEY_ID", "ann".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "hush-hush".to_owned()),
    ]);
    assert_eq!(told.code, 1, "{}", told.text);
    for (component, check) in [
        ("kafka", "topics"),
        ("record_store", "tables"),
        ("online_store", "server"),
        ("metric_store", "server"),
        ("offline_store", "probe"),
    ] {
        let line = told.line(component, check);
        assert_eq!(line["state"], "fail", "{line}");
        assert!(!line["next_step"].as_str().unwrap().is_empty(), "{line}");
    }
    assert_ne!(told.line("machine", "disk")["state"], "fail");
    assert!(!told.text.contains("hush-hush"), "{}", told.text);
}

#[test]
fn settings_that_cannot_be_read_are_unusable() {
    let told = doctor(&[("WEIR__RECORD_STORE__NO_SUCH_KEY", "1".to_owned())]);
    assert_eq!(told.code, 2, "{}", told.text);
}

#[test]
fn real_engines_answer() {
    let (Some(postgres), Some(redis), Some(cql)) =
        (engine("postgres"), engine("redis"), engine("cql"))
    else {
        return;
    };
    let told = doctor(&[
        ("WEIR__RECORD_STORE__URL", postgres.url().to_owned()),
        ("WEIR__ONLINE_STORE__URL", redis.url().to_owned()),
        (
            "WEIR__METRIC_STORE__URL",
            format!("{}/doctor_{}", cql.url(), std::process::id()),
        ),
    ]);
    for component in ["record_store", "online_store", "metric_store"] {
        let line = told
            .lines
            .iter()
            .find(|line| line["component"] == component);
        assert_eq!(line.unwrap()["state"], "ok", "{}", told.text);
    }
    assert_eq!(told.code, 0, "{}", told.text);
}
