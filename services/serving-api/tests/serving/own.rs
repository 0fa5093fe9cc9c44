//! Whose incidents are, by the watch list that the settings name.

use serde_json::Value;
use tonic::Code;
use weir_serving_api::{
    Config, StartError,
    generated::v1::{IncidentFilter, ListIncidentsRequest, WatchIncidentsRequest},
};

use crate::{
    House, follow,
    grpc::{ask, incidents},
    house, next_incident, sample,
};

/// The whole of the prefix that is hijacked, and the victim of the other origin.
const LIST: &str = r#"
[[prefix]]
prefix = "208.65.152.0/22"

[[network]]
asn = 64499
"#;

fn config(folder: &std::path::Path, list: &str) -> Config {
    let file = folder.join("watch.toml");
    std::fs::write(&file, list).unwrap();
    let listen = ([127, 0, 0, 1], 0).into();
    Config {
        listen,
        grpc: Some(listen),
        watch: Some(file),
        ..Config::default()
    }
}

fn watched() -> House {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), LIST);
    House {
        served: sample::start(folder.path(), &config),
        folder,
    }
}

/// (prefix, why it is one's own) of every incident of a page.
fn told(page: &Value) -> Vec<(&str, Option<&str>)> {
    let incidents = page["incidents"].as_array().unwrap();
    let told = incidents.iter().map(|incident| {
        assert!(incident.as_object().unwrap().contains_key("mine"));
        (
            incident["prefix"].as_str().unwrap(),
            incident["mine"].as_str(),
        )
    });
    told.collect()
}

const HIJACK: (&str, Option<&str>) = (
    "208.65.153.0/24",
    Some("part of the own prefix 208.65.152.0/22"),
);
const MOAS: (&str, Option<&str>) = ("198.18.0.0/16", Some("the own AS64499 is a victim"));

#[test]
fn incidents_say_why_they_are_ones_own() {
    let house = watched();
    let all = house.json("/api/v1/incidents");
    let own: Vec<_> = told(&all)
        .into_iter()
        .filter(|(_, why)| why.is_some())
        .collect();
    assert_eq!(own, [MOAS, HIJACK]);
    assert_eq!(told(&all).len(), 6);
    let one = house.json(&format!("/api/v1/incidents/{}", sample::HIJACK));
    assert_eq!(one["mine"].as_str(), HIJACK.1);
    assert_eq!(one["covering_prefix"], "208.65.152.0/22");
}

#[test]
fn ones_own_are_listed_alone_or_left_out() {
    let house = watched();
    let mine = house.json("/api/v1/incidents?mine=true");
    assert_eq!(told(&mine), [MOAS, HIJACK]);
    let others = house.json("/api/v1/incidents?mine=false");
    assert_eq!(told(&others).len(), 4);
    assert!(told(&others).iter().all(|(_, why)| why.is_none()));
    let both = house.json("/api/v1/incidents?mine=true&type=sub-prefix");
    assert_eq!(told(&both), [HIJACK]);
}

#[test]
fn pages_of_ones_own_follow_each_other() {
    let house = watched();
    for (mine, count) in [(true, 2), (false, 4)] {
        let first = format!("/api/v1/incidents?mine={mine}&limit=1");
        let (mut prefixes, mut path) = (Vec::new(), first.clone());
        loop {
            let page = house.json(&path);
            assert!(told(&page).len() <= 1);
            prefixes.extend(told(&page).iter().map(|(prefix, _)| (*prefix).to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else {
                break;
            };
            path = format!("{first}&cursor={cursor}");
        }
        prefixes.sort();
        prefixes.dedup();
        assert_eq!(prefixes.len(), count, "{prefixes:?}");
    }
}

/// One that is nobody's own, and one that is.
fn two() -> [weir_events::v1::Incident; 2] {
    let all = sample::incidents();
    let stranger = all.iter().find(|one| one.r#type == "bogon-asn");
    let hijack = all.iter().rfind(|one| one.id == sample::HIJACK);
    [stranger.unwrap().clone(), hijack.unwrap().clone()]
}

#[test]
fn ones_own_are_followed_alone() {
    let house = watched();
    let mut lines = follow(&house, "/api/v1/events?mine=true");
    for one in &two() {
        house.served.live.incident(one);
    }
    let event = next_incident(&mut lines);
    assert_eq!(event["incident"]["id"], sample::HIJACK);
    assert_eq!(event["mine"].as_str(), HIJACK.1);
}

#[test]
fn programs_are_told_whose_incidents_are_too() {
    let house = watched();
    let own = |mine| {
        Some(IncidentFilter {
            mine: Some(mine),
            ..IncidentFilter::default()
        })
    };
    ask(async {
        let mut client = incidents(&house);
        for (mine, count) in [(true, 2), (false, 4)] {
            let request = ListIncidentsRequest {
                filter: own(mine),
                ..ListIncidentsRequest::default()
            };
            let page = client.list_incidents(request).await.unwrap().into_inner();
            assert_eq!(page.incidents.len(), count);
            assert!(page.incidents.iter().all(|one| one.mine.is_empty() != mine));
        }
        let watch = WatchIncidentsRequest { filter: own(true) };
        let mut stream = client.watch_incidents(watch).await.unwrap().into_inner();
        for one in &two() {
            house.served.live.incident(one);
        }
        let first = stream.message().await.unwrap().unwrap();
        assert_eq!(first.incident.unwrap().mine, HIJACK.1.unwrap());
    });
}

#[test]
fn ones_own_are_marked_on_the_pages() {
    let house = watched();
    let mark = "title=\"part of the own prefix 208.65.152.0/22\">mine<";
    for path in ["/", &format!("/incidents/{}", sample::HIJACK)] {
        let (_, _, body) = house.get(path);
        assert!(body.contains(mark), "{path}: {body}");
    }
}

#[test]
fn without_a_list_nobody_knows_whose_they_are() {
    let house = house();
    let all = house.json("/api/v1/incidents");
    assert!(told(&all).iter().all(|(_, why)| why.is_none()));
    for path in ["/api/v1/incidents?mine=true", "/api/v1/events?mine=true"] {
        let (status, _, body) = house.get(path);
        assert_eq!(status, 400);
        assert!(body.contains("`watch` of [serving_api]"), "{body}");
    }
    let filter = Some(IncidentFilter {
        mine: Some(true),
        ..IncidentFilter::default()
    });
    let refused = ask(async {
        incidents(&house)
            .watch_incidents(WatchIncidentsRequest { filter })
            .await
    });
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    let (_, _, body) = house.get("/");
    assert!(!body.contains(">mine<"), "{body}");
}

#[test]
fn a_list_that_is_none_is_refused_at_the_start() {
    for (list, reason) in [
        ("", "nothing is watched"),
        (
            "[[prefix]]\nprefix = \"192.0.2.0/24\"\nmax_length = 8",
            "prefix 192.0.2.0/24: `max_length` is 8: expected 24 to 32",
        ),
        ("[[prefix]]\nprefx = 1", "line 2 (`prefx = 1`)"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), list);
        let refused = sample::try_start(folder.path(), &config).err().unwrap();
        let said = refused.to_string();
        assert!(matches!(refused, StartError::Watch { .. }), "{said}");
        assert!(
            said.contains("watch.toml") && said.contains(reason),
            "{said}"
        );
    }
}

#[test]
fn a_list_that_is_not_there_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), LIST);
    config.watch = Some(folder.path().join("gone.toml"));
    let refused = sample::try_start(folder.path(), &config).err().unwrap();
    assert!(refused.to_string().contains("gone.toml"), "{refused}");
}
