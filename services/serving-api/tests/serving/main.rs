//! The serving side over made-up data, asked over real sockets.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod cases;
mod detector;
mod groups;
mod grpc;
mod lookups;
mod own;
mod ris;
mod sample;
mod watch;

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};

use rstest::rstest;
use serde_json::{Value, json};
use weir_serving_api::{Auth, Config, Token};

struct House {
    served: sample::Served,
    folder: tempfile::TempDir,
}

fn house() -> House {
    house_with(Auth::default())
}

fn house_with(auth: Auth) -> House {
    house_asking(auth, weir_lookups::Client::default())
}

/// One that asks detectors so.
fn house_asking(auth: Auth, lookups: weir_lookups::Client) -> House {
    let folder = tempfile::tempdir().unwrap();
    let listen = ([127, 0, 0, 1], 0).into();
    let config = Config {
        listen,
        grpc: Some(listen),
        auth,
        body_limit_bytes: 4096,
        ..Config::default()
    };
    House {
        served: sample::start_asking(folder.path(), &config, lookups).unwrap(),
        folder,
    }
}

impl House {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.served.running.address())
    }

    /// Status, media type and body.
    fn get(&self, path: &str) -> (u16, String, String) {
        answer(agent().get(self.url(path)).call())
    }

    fn json(&self, path: &str) -> Value {
        let (status, _, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    fn post(&self, path: &str, body: &str) -> (u16, String, String) {
        answer(
            agent()
                .post(self.url(path))
                .content_type("application/json")
                .send(body),
        )
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into()
}

fn answer(
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> (u16, String, String) {
    let mut response = response.unwrap();
    let kind = response
        .headers()
        .get("content-type")
        .map(|kind| kind.to_str().unwrap().to_owned());
    let body = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), kind.unwrap_or_default(), body)
}

#[test]
fn filters_choose_incidents() {
    let house = house();
    for (query, count) in [
        ("", 6),
        ("type=sub-prefix", 1),
        ("type=moas,origin-change", 3),
        ("state=ended", 1),
        ("state=suspected,confirmed&synthetic=true", 5),
        ("severity=critical", 1),
        ("prefix=208.65.153.0/24", 1),
        ("prefix=208.65.152.0/22", 0),
        ("covered_by=208.65.152.0/22", 1),
        ("covers=208.65.153.238/32", 1),
        ("covered_by=2001:db8::/32", 1),
        ("asn=AS36561", 1),
        ("asn=64499", 1),
        ("from=2008-02-24T18:47:00Z&to=2008-02-24T18:48:00Z", 1),
    ] {
        let page = house.json(&format!("/api/v1/incidents?{query}"));
        assert_eq!(
            page["incidents"].as_array().unwrap().len(),
            count,
            "{query}"
        );
    }
}

#[test]
fn pages_follow_each_other() {
    let house = house();
    let mut ids = Vec::new();
    let mut query = "/api/v1/incidents?limit=4".to_owned();
    loop {
        let page = house.json(&query);
        ids.extend(
            page["incidents"]
                .as_array()
                .unwrap()
                .iter()
                .map(|i| i["id"].to_string()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("/api/v1/incidents?limit=4&cursor={cursor}");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
}

#[test]
fn an_incident_has_its_evidence_and_history() {
    let incident = house().json(&format!("/api/v1/incidents/{}", sample::HIJACK));
    assert_eq!(incident["covering_prefix"], "208.65.152.0/22");
    assert_eq!(incident["first_seen"], "2008-02-24T18:47:00.000000Z");
    assert_eq!(incident["visibility"], json!({"peers": 37, "of": 40}));
    assert_eq!(incident["sample_path"], json!([64501, 3491, 17557]));
    assert_eq!(incident["evidence"].as_array().unwrap().len(), 6);
    assert_eq!(incident["history"][3]["transition"], "confirmed");
}

#[rstest]
#[case("/api/v1/incidents?limit=501", 400, "500")]
#[case("/api/v1/incidents?state=open", 400, "suspected")]
#[case("/api/v1/incidents?prefix=10.0.0.0/99", 400, "10.0.0.0/99")]
#[case("/api/v1/incidents?prefix=10.0.0.0/8&covers=10.0.0.0/8", 400, "one of")]
#[case("/api/v1/incidents?cursor=xyz", 400, "cursor")]
#[case("/api/v1/incidents?colour=red", 400, "colour")]
#[case("/api/v1/incidents?from=yesterday", 400, "yesterday")]
#[case("/api/v1/incidents/none", 404, "none")]
#[case("/api/v1/prefixes/10.0.0.0%2F99", 400, "10.0.0.0/99")]
#[case("/api/v1/prefixes/10.0.0.0/x", 400, "10.0.0.0/x")]
#[case("/api/v1/prefixes/all", 400, "`prefix` is `all`")]
#[case("/api/v1/asns/AS", 400, "64496 or AS64496")]
#[case("/api/v1/windows", 400, "aggregate")]
#[case("/api/v1/windows?aggregate=moon", 400, "moon")]
#[case("/api/v1/windows?aggregate=peer-messages&width=2m", 400, "2m")]
#[case("/v1/stream/?format=sse", 400, "sse")]
#[case("/v1/stream?format=json&client=x", 503, "log")]
#[case("/v1/ws/", 400, "openapi")]
#[case("/nothing", 404, "openapi")]
#[case("/api/v1/features/serve", 405, "methods")]
fn every_error_is_a_problem_document(#[case] path: &str, #[case] status: u16, #[case] says: &str) {
    let (found, kind, body) = house().get(path);
    assert_eq!(
        (found, kind.as_str()),
        (status, "application/problem+json"),
        "{body}"
    );
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["status"], status);
    assert!(problem["detail"].as_str().unwrap().contains(says), "{body}");
}

#[test]
fn features_are_served_with_their_statuses() {
    let house = house();
    let ask = json!({
        "entity_ids": [sample::PEER, "192.0.2.6:64506", "192.0.2.99:1"],
        "feature_names": ["prefix_count", "bgp_session_features:hold_time"],
    });
    let (status, _, body) = house.post("/api/v1/features/serve", &ask.to_string());
    assert_eq!(status, 200, "{body}");
    let served: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(served[0]["entity_id"], sample::PEER);
    assert_eq!(
        served[0]["features"],
        json!({"prefix_count": 245_311, "bgp_session_features:hold_time": null})
    );
    assert_eq!(
        served[0]["statuses"]["bgp_session_features:hold_time"],
        "NULL_VALUE"
    );
    assert_eq!(served[0]["timestamp"], "2008-02-24T19:11:59.000000Z");
    assert_eq!(served[1]["statuses"]["prefix_count"], "OUTSIDE_MAX_AGE");
    assert_eq!(served[2]["statuses"]["prefix_count"], "NOT_FOUND");
    assert_eq!(served[2]["timestamp"], Value::Null);

    for (body, wanted, says) in [
        (
            r#"{"entity_ids":[],"feature_names":["weight"]}"#.to_owned(),
            400,
            "weight",
        ),
        ("{".to_owned(), 400, "JSON"),
        (
            format!(
                r#"{{"entity_ids":["{}"],"feature_names":[]}}"#,
                "x".repeat(5000)
            ),
            413,
            "limit",
        ),
    ] {
        let (status, kind, answer) = house.post("/api/v1/features/serve", &body);
        assert_eq!(
            (status, kind.as_str()),
            (wanted, "application/problem+json"),
            "{answer}"
        );
        assert!(answer.contains(says), "{answer}");
    }
}

#[test]
fn windows_are_listed_by_key_and_time() {
    let house = house();
    let path = format!(
        "/api/v1/windows?aggregate=peer-messages&key={}&from=2008-02-24T18:47:00Z&limit=2",
        sample::PEER
    );
    let windows = house.json(&path);
    assert_eq!(windows.as_array().unwrap().len(), 2);
    assert_eq!(windows[0]["start"], "2008-02-24T18:47:00.000000Z");
    assert_eq!(windows[0]["measures"]["announcements"], 90);
}

#[test]
fn with_tokens_only_probes_are_open() {
    let auth = Auth {
        token: Some(Token::new("0123456789abcdef")),
        ..Auth::default()
    };
    let house = house_with(auth);
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(house.get(path).0, 200, "{path}");
    }
    for path in [
        "/",
        "/page.css",
        "/metrics",
        "/openapi.json",
        "/api/v1/incidents",
        "/api/v1/events",
        "/nothing",
    ] {
        assert_eq!(house.get(path).0, 401, "{path}");
    }
    let ask = |token: &str| {
        let request = agent().get(house.url("/api/v1/incidents"));
        answer(
            request
                .header("authorization", format!("Bearer {token}"))
                .call(),
        )
        .0
    };
    assert_eq!(ask("0123456789abcdef"), 200);
    assert_eq!(ask("0123456789abcdee"), 401);
}

#[test]
fn a_listener_that_is_open_to_all_or_whose_port_is_taken_does_not_start() {
    let house = house();
    let start = |listen| {
        let config = Config {
            listen,
            grpc: None,
            ..Config::default()
        };
        let other = tempfile::tempdir().unwrap();
        sample::try_start(other.path(), &config)
            .err()
            .unwrap()
            .to_string()
    };
    let refused = start(([0, 0, 0, 0], 0).into());
    assert!(
        refused.contains("token") && refused.contains("--listen"),
        "{refused}"
    );
    let address = house.served.running.address();
    let refused = start(address);
    assert!(
        refused.contains(&address.to_string()) && refused.contains("--listen"),
        "{refused}"
    );
}

/// The lines of live events, from now on.
fn follow(house: &House, path: &str) -> impl Iterator<Item = String> + use<> {
    let mut socket = TcpStream::connect(house.served.running.address()).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
        .unwrap();
    let mut lines = BufReader::new(socket).lines().map_while(Result::ok);
    assert!(
        lines
            .by_ref()
            .any(|line| line.starts_with("content-type: text/event-stream"))
    );
    assert!(
        lines.by_ref().any(|line| line.is_empty()),
        "the head has ended: subscribed"
    );
    lines
}

/// The next transition among them.
fn next_incident(lines: &mut impl Iterator<Item = String>) -> Value {
    assert!(lines.any(|line| line == "event: incident"));
    let data = lines.find(|line| line.starts_with("data: ")).unwrap();
    serde_json::from_str(&data["data: ".len()..]).unwrap()
}

#[test]
fn transitions_arrive_live_and_the_stream_ends_with_the_listener() {
    let house = house();
    let mut lines = follow(&house, "/api/v1/events");
    house.served.live.incident(&sample::incidents()[3]);
    let event = next_incident(&mut lines);
    assert_eq!(event["transition"], "confirmed");
    assert_eq!(event["incident"]["id"], sample::HIJACK);
    assert_eq!(event["mine"], Value::Null);
    house.served.running.stop(Duration::from_secs(10)).unwrap();
    assert!(house.folder.path().exists());
}

#[test]
fn every_documented_route_is_there_and_every_route_is_documented() {
    let house = house();
    let document = house.json("/openapi.json");
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in paths {
        let path = path
            .replace("{id}", sample::HIJACK)
            .replace("{entity}", sample::PEER);
        if path.ends_with("/events") {
            continue;
        }
        let (status, ..) = if methods.get("post").is_some() {
            house.post(&path, "{}")
        } else {
            house.get(&path)
        };
        assert!(![404, 405, 500].contains(&status), "{path}: {status}");
    }
    let known = [
        "/",
        "/api/v1/asns/{asn}",
        "/api/v1/events",
        "/api/v1/features/serve",
        "/api/v1/incidents",
        "/api/v1/incidents/{id}",
        "/api/v1/prefixes/{address}/{length}",
        "/api/v1/prefixes/{prefix}",
        "/api/v1/watch",
        "/api/v1/windows",
        "/asns/{asn}",
        "/healthz",
        "/icon.svg",
        "/incidents/{id}",
        "/livez",
        "/metrics",
        "/openapi.json",
        "/page.css",
        "/page.js",
        "/peers",
        "/peers/{entity}",
        "/prefixes/{address}/{length}",
        "/readyz",
        "/v1/stream/",
        "/v1/ws/",
        "/watch",
    ];
    let documented: Vec<_> = paths.keys().map(String::as_str).collect();
    assert_eq!(documented, known);
}

#[rstest]
#[case("/", "208.65.153.0/24")]
#[case("/?q=AS36561", "208.65.153.0/24")]
#[case("/?q=198.18.3.4", "198.18.0.0/16")]
#[case("/?q=%3Cscript%3E", "&lt;script&gt;")]
#[case(
    "/incidents/11111111-1111-5111-8111-111111111111",
    "AS17557 announces part of 208.65.152.0/22"
)]
#[case("/peers", "192.0.2.1:64501")]
#[case("/peers/192.0.2.1:64501", "established")]
fn the_pages_tell_it_without_any_outside_asset(#[case] path: &str, #[case] tells: &str) {
    let house = house();
    let response = agent().get(house.url(path)).call().unwrap();
    let policy = response
        .headers()
        .get("content-security-policy")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let (status, _, body) = answer(Ok(response));
    assert_eq!(status, 200);
    assert!(body.contains(tells), "{body}");
    assert!(body.contains("synthetic"));
    for outside in [
        "http://", "https://", "style=\"", "<style", "onclick", "<script>",
    ] {
        assert!(!body.contains(outside), "{path} contains {outside}");
    }
}
