//! What the detector knows right now, asked for by REST, from desks that answer what they are told to.

use rstest::rstest;
use serde_json::{Value, json};
use weir_events::{topics::BGP_UPDATES, v1::ServiceStatus};
use weir_lookups::{
    Answer, Client, Question,
    v1::{
        AnnouncedPrefix, Carrier, Length, LookUpAsnResponse, LookUpPrefixResponse, Neighbour,
        OpenIncident, OriginatedPrefix, Origination, PastOrigin, Rpki,
    },
};
use weir_routing::Prefix;
use weir_serving_api::Token;

use super::{
    Auth, House, agent,
    detector::{Detector, TOKEN},
    house_asking, sample,
};

const PREFIX: &str = "208.65.153.0/24";

fn length(total: u64) -> Option<Length> {
    let at_least = false;
    Some(Length { total, at_least })
}

fn announced(prefix: &str, origin: u32) -> AnnouncedPrefix {
    AnnouncedPrefix {
        prefix: prefix.to_owned(),
        origin_asns: vec![origin],
    }
}

fn answer(partition: u32, question: Question) -> Answer {
    match question {
        Question::Prefix(prefix) => Answer::Prefix(of_prefix(partition, prefix)),
        Question::Asn(_) => Answer::Asn(of_asn(partition)),
    }
}

fn of_prefix(partition: u32, prefix: Prefix) -> LookUpPrefixResponse {
    let carrier = Carrier {
        collector: "rrc00".to_owned(),
        peer_address: "192.0.2.1".to_owned(),
        peer_asn: 64_501,
        as_path: "64501 17557".to_owned(),
        since_us: sample::START_US,
        stale: false,
    };
    LookUpPrefixResponse {
        as_of_us: sample::NOW_US - i64::from(partition),
        known: prefix.block().partition() == partition,
        origins: vec![Origination {
            asns: vec![17_557],
            rpki: Rpki::InvalidAsn.into(),
            stable: false,
            first_us: Some(sample::START_US),
            carriers: vec![carrier],
            carrier_count: length(70),
            stale: 3,
        }],
        origin_count: length(1),
        carrying: 37,
        vantage_points: 40,
        full_feed_carrying: 30,
        full_feed: 33,
        history: vec![PastOrigin {
            asns: vec![36_561],
            first_us: 0,
            last_us: sample::START_US,
            from_rib: true,
            present: false,
        }],
        history_count: length(1),
        incidents: vec![open()],
        incident_count: length(1),
        covering: vec![announced("208.65.152.0/22", 36_561)],
        covering_count: length(1),
        more_specific: vec![announced(&format!("{}.0.0.0/9", 16 - partition), partition)],
        more_specific_count: length(1),
    }
}

fn open() -> OpenIncident {
    OpenIncident {
        id: sample::HIJACK.to_owned(),
        r#type: "sub-prefix".to_owned(),
        state: "confirmed".to_owned(),
        severity: "critical".to_owned(),
        prefix: PREFIX.to_owned(),
        suspect_asn: 17_557,
        first_seen_us: sample::START_US,
    }
}

fn of_asn(partition: u32) -> LookUpAsnResponse {
    LookUpAsnResponse {
        as_of_us: sample::NOW_US - i64::from(partition),
        ipv4: vec![OriginatedPrefix {
            prefix: format!("{}.0.0.0/16", 100 - partition),
            first_us: 0,
            other_asns: Vec::new(),
        }],
        ipv4_count: length(10),
        neighbours: vec![
            Neighbour {
                asn: 64_501,
                first_us: (partition > 0).then_some(1),
                last_day_us: i64::from(partition) * 86_400_000_000,
            },
            Neighbour {
                asn: 64_502 + partition,
                first_us: Some(i64::from(partition)),
                last_day_us: 0,
            },
        ],
        neighbour_count: length(2),
        suspect_of: if partition == 0 { vec![open()] } else { vec![] },
        suspect_of_count: length(u64::from(partition == 0)),
        ..LookUpAsnResponse::default()
    }
}

/// One that answers by the number of the partition.
fn detector(partitions: &[u32]) -> Detector {
    Detector::answering(partitions, answer)
}

fn home() -> u32 {
    let prefix: Prefix = PREFIX.parse().unwrap();
    prefix.block().partition()
}

fn all() -> Vec<u32> {
    (0..BGP_UPDATES.partitions).collect()
}

/// Serves, and has heard of the detector.
fn house_of(detector: &Detector) -> House {
    let token = Token::new(TOKEN);
    let house = house_asking(Auth::default(), Client::new(Some(&token)).unwrap());
    house.served.live.status(detector.status());
    house
}

#[rstest]
#[case::encoded("/api/v1/prefixes/208.65.153.0%2F24")]
#[case::plain("/api/v1/prefixes/208.65.153.0/24")]
fn the_owner_of_the_block_tells_who_originates_a_prefix(#[case] path: &str) {
    let detector = detector(&[home()]);
    let now = house_of(&detector).json(path);
    assert_eq!(
        (&now["prefix"], &now["known"]),
        (&json!(PREFIX), &json!(true))
    );
    assert_eq!(now["visibility"], json!({"peers": 37, "of": 40}));
    assert_eq!(now["full_feed"], json!({"peers": 30, "of": 33}));
    let origin = &now["origins"]["items"][0];
    assert_eq!(origin["asns"], json!([17_557]));
    assert_eq!(origin["rpki"], "invalid-asn");
    assert_eq!(origin["first_seen"], "2008-02-24T18:47:00.000000Z");
    assert_eq!(origin["vantage_points"]["total"], 70);
    let seen = &origin["vantage_points"]["items"][0];
    assert_eq!(seen["as_path"], "64501 17557");
    assert_eq!(seen["peer_address"], "192.0.2.1");
    assert_eq!(now["history"]["items"][0]["asns"], json!([36_561]));
    assert_eq!(now["incidents"]["items"][0]["id"], sample::HIJACK);
    assert_eq!(now["covering"]["items"][0]["prefix"], "208.65.152.0/22");
    assert_eq!(now["away"], json!([]));
}

#[test]
fn of_a_prefix_that_spans_blocks_every_partition_tells_what_lies_in_it() {
    let whole = "0.0.0.0/4";
    let home = whole.parse::<Prefix>().unwrap().block().partition();
    let away = (home + 1) % BGP_UPDATES.partitions;
    let mut here = all();
    here.retain(|partition| *partition != away);
    let detector = detector(&here);
    let now = house_of(&detector).json(&format!("/api/v1/prefixes/{whole}"));
    assert_eq!(now["known"], true);
    let parts = &now["more_specific"];
    assert_eq!(parts["total"], json!(here.len()));
    let shown = parts["items"].as_array().unwrap();
    let first: Vec<u64> = shown
        .iter()
        .map(|part| {
            let text = part["prefix"].as_str().unwrap();
            text.split('.').next().unwrap().parse().unwrap()
        })
        .collect();
    assert!(first.is_sorted(), "{first:?}");
    assert_eq!(now["away"][0]["partition"], json!(away));
    let reason = now["away"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("no detector"), "{reason}");
}

#[test]
fn what_all_partitions_know_of_a_network_is_put_together() {
    let detectors = [detector(&[0, 2, 4, 6]), detector(&[1, 3, 5])];
    let house = house_of(&detectors[0]);
    let other = ServiceStatus {
        instance: "other".to_owned(),
        ..detectors[1].status()
    };
    house.served.live.status(other);
    for text in ["AS17557", "17557"] {
        let now = house.json(&format!("/api/v1/asns/{text}"));
        assert_eq!(now["asn"], 17_557);
        assert_eq!(now["as_of"], "2008-02-24T19:11:59.999994Z");
        assert_eq!(now["ipv4"]["total"], 70);
        assert_eq!(now["ipv4"]["items"][0]["prefix"], "94.0.0.0/16");
        assert_eq!(now["ipv4"]["items"][6]["prefix"], "100.0.0.0/16");
        let beside = now["neighbours"]["items"].as_array().unwrap();
        assert_eq!(beside.len(), 8);
        assert_eq!(
            beside[0],
            json!({"asn": 64_501, "first_seen": null, "last_seen": "1970-01-07"})
        );
        assert_eq!(now["suspect_of"]["total"], 1);
        assert_eq!(now["suspect_of"]["items"][0]["type"], "sub-prefix");
        let away: Vec<&Value> = now["away"].as_array().unwrap().iter().collect();
        assert_eq!(away.len(), 1);
        assert_eq!(away[0]["partition"], 7);
    }
}

/// Status, Retry-After and what the problem says.
fn problem(house: &House, path: &str) -> (u16, String, String) {
    let mut response = agent().get(house.url(path)).call().unwrap();
    let after = response.headers().get("retry-after").cloned();
    let after = after.map(|after| after.to_str().unwrap().to_owned());
    let body: Value = response.body_mut().read_json().unwrap();
    let detail = body["detail"].as_str().unwrap().to_owned();
    (
        response.status().as_u16(),
        after.unwrap_or_default(),
        detail,
    )
}

#[rstest]
#[case("/api/v1/prefixes/208.65.153.0/24")]
#[case("/api/v1/asns/17557")]
fn where_nobody_answers_it_says_who_should(#[case] path: &str) {
    let nobody = super::house();
    let (status, after, says) = problem(&nobody, path);
    assert_eq!((status, &*after), (503, "5"));
    assert!(says.contains("no detector has said"), "{says}");

    let gone = detector(&all());
    let house = house_of(&gone);
    drop(gone);
    let (status, _, says) = problem(&house, path);
    assert_eq!(status, 503);
    assert!(says.contains("conflict-detector sample"), "{says}");

    let detector = detector(&all());
    let stranger = house_asking(Auth::default(), Client::default());
    stranger.served.live.status(detector.status());
    let (status, _, says) = problem(&stranger, path);
    assert_eq!(status, 503);
    assert!(says.contains("token of [lookups]"), "{says}");
}

#[test]
fn the_page_shows_the_same_and_an_incident_leads_to_it() {
    let detector = detector(&all());
    let house = house_of(&detector);
    let (status, _, page) = house.get(&format!("/prefixes/{PREFIX}"));
    assert_eq!(status, 200);
    for shown in [
        "AS17557 originates it now.",
        "invalid-asn",
        "64501 17557",
        "These are 1 of 70.",
        "/prefixes/208.65.152.0/22",
        "/asns/36561",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let (status, _, page) = house.get("/asns/AS17557");
    assert_eq!(status, 200);
    assert!(
        page.contains("80 IPv4") && page.contains("/prefixes/93.0.0.0/16"),
        "{page}"
    );
    let incident = format!("/incidents/{}", sample::HIJACK);
    for (from, to) in [
        (&*incident, "/prefixes/208.65.153.0/24"),
        (&*incident, "/asns/17557"),
        ("/?q=10.0.0.0/8", "/prefixes/10.0.0.0/8"),
        ("/?q=AS64599", "/asns/64599"),
    ] {
        let (_, _, page) = house.get(from);
        assert!(page.contains(&format!("href=\"{to}\"")), "{from}: {to}");
    }
    assert_eq!(house.get("/prefixes/10.0.0.0/99").0, 400);
    drop(detector);
    assert_eq!(house.get(&format!("/prefixes/{PREFIX}")).0, 503);
}
