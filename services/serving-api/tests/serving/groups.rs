//! Incidents that are about no single prefix, wherever incidents are told.

use serde_json::{Value, json};
use weir_events::v1::{self, incident::Transition};
use weir_record_store::IncidentRow;
use weir_routing::prefix::Prefix as Network;
use weir_serving_api::generated::v1::{
    GetIncidentRequest, IncidentFilter, ListIncidentsRequest, WatchIncidentsRequest,
    incident_filter::Prefix,
};

use super::{
    House,
    grpc::{ask, incidents},
    house, sample,
};

const GROUP: &str = "77777777-7777-5777-8777-777777777777";
const MEMBER: &str = "192.0.2.0/24";

/// A group of origin changes by AS64505, the last one and a prefix without an incident told of it.
fn group() -> v1::Incident {
    let all = sample::incidents();
    let of_group = |incident: &&v1::Incident| incident.r#type == "origin-change";
    let last = all.iter().rfind(of_group).unwrap();
    let member = |prefix, incident_id: &str| v1::Member {
        prefix,
        incident_id: incident_id.to_owned(),
    };
    let prefix: Network = MEMBER.parse().unwrap();
    v1::Incident {
        id: GROUP.to_owned(),
        prefix: None,
        members: vec![
            member(Some(prefix.into()), ""),
            member(last.prefix, &last.id),
        ],
        member_count: 1_300,
        transition: Transition::Updated.into(),
        ..last.clone()
    }
}

fn house_with_a_group() -> House {
    let house = house();
    let row = IncidentRow::try_from(&group()).unwrap();
    let records = &house.served.records;
    let (fence, next) = records.raise_fence(0).unwrap();
    records.record(&[row], 0, next + 1, fence).unwrap();
    house
}

#[test]
fn as_json_a_group_has_no_prefix_but_members() {
    let house = house_with_a_group();
    let members = json!([
        {"prefix": MEMBER, "incident_id": null},
        {
            "prefix": "2001:db8:4000::/34",
            "incident_id": "33333333-3333-5333-8333-333333333333",
        },
    ]);
    let of_page = |query: &str| {
        let page = house.json(&format!("/api/v1/incidents?{query}"));
        let listed = page["incidents"].as_array().unwrap().clone();
        let group = listed.into_iter().find(|one| one["id"] == GROUP);
        group.unwrap_or_default()
    };
    let detail = house.json(&format!("/api/v1/incidents/{GROUP}"));
    for group in [of_page(""), of_page("covers=192.0.2.9/32"), detail.clone()] {
        assert!(group["prefix"].is_null() && group["id"] == GROUP, "{group}");
        assert_eq!(group["members"], members);
        assert_eq!(group["member_count"], 1_300);
    }
    assert_eq!(of_page("covered_by=198.51.100.0/24"), Value::Null);
    assert_eq!(detail["history"][0]["member_count"], 1_300);
    let alone = house.json(&format!("/api/v1/incidents/{}", sample::HIJACK));
    assert_eq!(
        (&alone["members"], &alone["member_count"]),
        (&json!([]), &json!(0))
    );
}

#[test]
fn the_pages_name_a_group_by_its_suspect_and_list_its_members() {
    let house = house_with_a_group();
    let link = format!("<a href=\"/incidents/{GROUP}\">AS64505</a>");
    for path in ["/", "/?q=192.0.2.0/24"] {
        let (_, _, body) = house.get(path);
        assert!(body.contains(&link), "{path}: {body}");
    }
    let (status, _, body) = house.get(&format!("/incidents/{GROUP}"));
    assert_eq!(status, 200);
    for told in [
        "<title>origin-change AS64505 · Weir</title>",
        "AS64505 originates 1,300 prefixes in place of others",
        "<a href=\"/?q=192.0.2.0/24\">192.0.2.0/24</a>",
        "<a href=\"/incidents/33333333-3333-5333-8333-333333333333\">",
        "These are 2 of 1,300.",
    ] {
        assert!(body.contains(told), "{told}: {body}");
    }
    let (_, _, body) = house.get(&format!("/incidents/{}", sample::HIJACK));
    assert!(!body.contains("members-title"), "{body}");
}

#[test]
fn by_grpc_a_group_has_an_empty_prefix_and_is_watched_by_its_members() {
    let house = house_with_a_group();
    ask(async {
        let mut client = incidents(&house);
        let request = GetIncidentRequest {
            id: GROUP.to_owned(),
        };
        let told = client.get_incident(request).await.unwrap().into_inner();
        let group = told.incident.unwrap();
        assert_eq!((group.prefix.as_str(), group.member_count), ("", 1_300));
        let second = &group.members[1];
        assert_eq!(second.prefix.as_deref(), Some("2001:db8:4000::/34"));
        assert!(second.incident_id.is_some() && group.members[0].incident_id.is_none());
        assert_eq!(told.history[0].member_count, 1_300);

        let filter = Some(IncidentFilter {
            prefix: Some(Prefix::EqualTo(MEMBER.to_owned())),
            ..IncidentFilter::default()
        });
        let request = ListIncidentsRequest {
            filter: filter.clone(),
            ..ListIncidentsRequest::default()
        };
        let listed = client.list_incidents(request).await.unwrap().into_inner();
        assert_eq!(listed.incidents, std::slice::from_ref(&group));
        let watch = WatchIncidentsRequest { filter };
        let mut stream = client.watch_incidents(watch).await.unwrap().into_inner();
        house.served.live.incident(&sample::incidents()[0]);
        house.served.live.incident(&self::group());
        let first = stream.message().await.unwrap().unwrap();
        assert_eq!(first.incident, Some(group));
    });
}
