//! `weir` by itself: it serves at once, tells its synthetic story, and says that it is one.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::program;

struct Running {
    child: Child,
    url: String,
    _data: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        program::end(&mut self.child);
    }
}

/// Starts the scenario on free ports; the address is in what it prints.
fn scenario(speed: &str) -> Running {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().display().to_string();
    let mut command = program::weir([
        "--source",
        "scenario",
        "--speed",
        speed,
        "--data",
        &folder,
        "--listen",
        "127.0.0.1:0",
        "--grpc",
        "127.0.0.1:0",
        "--broker",
        "127.0.0.1:0",
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines
        .by_ref()
        .map(Result::unwrap)
        .find_map(|line| {
            line.split_whitespace()
                .find(|word| word.starts_with("http://"))
                .map(str::to_owned)
        })
        .unwrap();
    // Keep the pipe open and empty, so that weir never writes into a closed one.
    std::thread::spawn(move || lines.for_each(drop));
    Running {
        child,
        url,
        _data: data,
    }
}

fn get(url: &str) -> String {
    ureq::get(url)
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap()
}

/// Asks until `wanted` is true of the answer.
fn until(what: &str, mut ask: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !ask() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn the_bundled_hijack_is_suspected_confirmed_and_ended_on_the_page_and_labelled_synthetic() {
    let running = scenario("1200x");
    let incidents = || -> Vec<Value> {
        let list: Value = serde_json::from_str(&get(&format!(
            "{}/api/v1/incidents?type=sub-prefix",
            running.url
        )))
        .unwrap();
        list["incidents"].as_array().cloned().unwrap_or_default()
    };
    let hijack = || {
        incidents()
            .into_iter()
            .find(|incident| incident["prefix"] == "208.65.153.0/24")
    };
    until("the hijack is confirmed", || {
        hijack().is_some_and(|incident| !incident["confirmed_at"].is_null())
    });
    until("the hijack has ended", || {
        hijack().is_some_and(|incident| incident["state"] == "ended")
    });

    let incident = hijack().unwrap();
    assert_eq!(incident["suspect_asn"], 17_557);
    assert_eq!(incident["victim_asns"], serde_json::json!([36_561]));
    assert_eq!(incident["severity"], "critical");
    assert_eq!(incident["synthetic"], true);

    let page = get(&running.url);
    assert!(page.contains("synthetic") && page.contains("208.65.153.0/24"));
    let story = get(&format!(
        "{}/incidents/{}",
        running.url,
        incident["id"].as_str().unwrap()
    ));
    assert!(story.contains("17557") && story.contains("36561") && story.contains("synthetic"));
    // The victim's answer, two halves of the same /24.
    let case = incident["case_id"].as_str().unwrap();
    let case: Value = serde_json::from_str(&get(&format!(
        "{}/api/v1/incidents?case={case}",
        running.url
    )))
    .unwrap();
    let of_case = case["incidents"].as_array().unwrap().iter();
    let mut of_case: Vec<_> = of_case.map(|one| one["prefix"].as_str().unwrap()).collect();
    of_case.sort_unstable();
    let all = ["208.65.153.0/24", "208.65.153.0/25", "208.65.153.128/25"];
    assert_eq!(of_case, all);
    assert!(story.contains("Part of one case with") && story.contains("208.65.153.128/25"));
    let of_other_types = incidents()
        .iter()
        .filter(|incident| incident["prefix"] != "208.65.153.0/24")
        .count();
    assert_eq!(of_other_types, 0, "the background is innocent");
}

#[test]
fn while_it_is_hijacked_a_prefix_is_told_with_its_origin_its_hijacker_and_who_sees_them() {
    let running = scenario("60x");
    let look_up = |path: &str| -> Option<Value> {
        let answer = ureq::get(format!("{}{path}", running.url)).call();
        // Until the detector has said where it is asked, nobody answers.
        let mut answer = answer.ok()?;
        Some(answer.body_mut().read_json().unwrap())
    };
    let origins = |now: &Value| -> Vec<Value> {
        let items = now["origins"]["items"].as_array().cloned();
        let items = items.unwrap_or_default().into_iter();
        items.map(|origin| origin["asns"][0].clone()).collect()
    };
    let mut hijacked = Value::Null;
    until("the hijacker originates the prefix", || {
        hijacked = look_up("/api/v1/prefixes/208.65.153.0%2F24").unwrap_or_default();
        origins(&hijacked) == [17_557] && hijacked["incidents"]["total"] != 0
    });
    let seen = &hijacked["origins"]["items"][0]["vantage_points"]["items"][0];
    assert!(seen["as_path"].as_str().unwrap().ends_with(" 17557"));
    assert!(seen["peer_asn"].is_u64() && seen["collector"].is_string());
    assert_eq!(hijacked["incidents"]["items"][0]["suspect_asn"], 17_557);
    assert_eq!(hijacked["away"], serde_json::json!([]));
    let covering = &hijacked["covering"]["items"][0];
    assert_eq!(covering["prefix"], "208.65.152.0/22");
    assert_eq!(covering["origins"], serde_json::json!([36_561]));

    let holder = look_up("/api/v1/prefixes/208.65.152.0/22").unwrap();
    assert_eq!(origins(&holder), [36_561]);
    assert_eq!(
        holder["more_specific"]["items"][0]["prefix"],
        "208.65.153.0/24"
    );
    let hijacker = look_up("/api/v1/asns/AS17557").unwrap();
    assert_eq!(hijacker["away"], serde_json::json!([]));
    let held = hijacker["ipv4"]["items"].as_array().unwrap();
    assert!(held.iter().any(|one| one["prefix"] == "208.65.153.0/24"));
    assert_ne!(hijacker["suspect_of"]["total"], 0);
}

#[test]
fn on_an_interrupt_it_drains_and_exits_0() {
    let mut running = scenario("60x");
    until("it serves", || {
        ureq::get(format!("{}/readyz", running.url)).call().is_ok()
    });
    let process =
        rustix::process::Pid::from_raw(i32::try_from(running.child.id()).unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}
