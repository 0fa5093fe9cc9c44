//! Incidents of one attack, wherever incidents are told.

use serde_json::Value;
use weir_events::v1;
use weir_record_store::IncidentRow;
use weir_routing::prefix::Prefix;
use weir_serving_api::generated::v1::{
    IncidentFilter, ListIncidentsRequest, WatchIncidentsRequest,
};

use super::{
    House,
    grpc::{ask, incidents},
    house, sample,
};

const ANSWER: &str = "88888888-8888-5888-8888-888888888888";

/// What the victim of the hijack answers with: told as of the same case.
fn answer() -> v1::Incident {
    let all = sample::incidents();
    let hijack = all.iter().rfind(|one| one.id == sample::HIJACK).unwrap();
    let half: Prefix = "208.65.153.128/25".parse().unwrap();
    v1::Incident {
        id: ANSWER.to_owned(),
        r#type: "default-or-too-specific".to_owned(),
        prefix: Some(half.into()),
        suspect_asn: 36_561,
        case_id: sample::HIJACK.to_owned(),
        ..hijack.clone()
    }
}

fn house_with_an_answer() -> House {
    let house = house();
    let row = IncidentRow::try_from(&answer()).unwrap();
    let records = &house.served.records;
    let (fence, next) = records.raise_fence(0).unwrap();
    records.record(&[row], 0, next + 1, fence).unwrap();
    house
}

#[test]
fn as_json_each_incident_has_the_id_of_its_case_and_is_found_by_it() {
    let house = house_with_an_answer();
    let of_case = |case: &str| -> Vec<String> {
        let page = house.json(&format!("/api/v1/incidents?case={case}"));
        let listed = page["incidents"].as_array().unwrap();
        let ids = listed.iter().map(|one| {
            assert_eq!(one["case_id"], case);
            one["id"].as_str().unwrap().to_owned()
        });
        ids.collect()
    };
    assert_eq!(of_case(sample::HIJACK), [ANSWER, sample::HIJACK]);
    let alone = "66666666-6666-5666-8666-666666666666";
    assert_eq!(of_case(alone), [alone]);
    assert_eq!(of_case(ANSWER), [""; 0]);
    let detail: Value = house.json(&format!("/api/v1/incidents/{ANSWER}"));
    assert_eq!(detail["case_id"], sample::HIJACK);
    let (status, _, body) = house.get("/api/v1/incidents?case=208.65.153.0/24");
    assert!(
        status == 400 && body.contains("`case_id` of an incident"),
        "{body}"
    );
}

#[test]
fn the_page_of_an_incident_names_the_others_of_its_case() {
    let house = house_with_an_answer();
    for (id, other, named) in [
        (sample::HIJACK, ANSWER, "208.65.153.128/25"),
        (ANSWER, sample::HIJACK, "208.65.153.0/24"),
    ] {
        let (_, _, body) = house.get(&format!("/incidents/{id}"));
        let (_, case) = body.split_once("Part of one case with").unwrap();
        let link = format!("<a href=\"/incidents/{other}\">{named}</a>");
        assert!(case.contains(&link), "{case}");
        assert!(
            !body.contains(&format!("href=\"/incidents/{id}\"")),
            "{body}"
        );
    }
    let (_, _, alone) = house.get("/incidents/66666666-6666-5666-8666-666666666666");
    assert!(!alone.contains("one case"), "{alone}");
}

#[test]
fn by_grpc_a_case_is_listed_and_watched() {
    let house = house_with_an_answer();
    ask(async {
        let mut client = incidents(&house);
        let filter = Some(IncidentFilter {
            case_id: Some(sample::HIJACK.to_owned()),
            ..IncidentFilter::default()
        });
        let request = ListIncidentsRequest {
            filter: filter.clone(),
            ..ListIncidentsRequest::default()
        };
        let listed = client.list_incidents(request).await.unwrap().into_inner();
        let ids: Vec<_> = listed.incidents.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, [ANSWER, sample::HIJACK]);
        assert!(
            listed
                .incidents
                .iter()
                .all(|one| one.case_id == sample::HIJACK)
        );

        let watch = WatchIncidentsRequest { filter };
        let mut stream = client.watch_incidents(watch).await.unwrap().into_inner();
        let all = sample::incidents();
        let stranger = all.iter().find(|one| one.id != sample::HIJACK).unwrap();
        house.served.live.incident(stranger);
        house.served.live.incident(&answer());
        let first = stream.message().await.unwrap().unwrap();
        assert_eq!(first.incident.as_ref(), listed.incidents.first());
    });
}
