//! Incidents that are about no single prefix: their ids, their words, and their way to the log and back.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use rstest::rstest;
use uuid::Uuid;
use weir_conflicts::{
    Incident,
    incident::{EndReason, Kind, Member},
    wire,
};
use weir_events::v1;
use weir_routing::{Asn, Prefix};

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// A group as the log has it.
fn told() -> v1::Incident {
    let id = |last: u32| format!("11111111-1111-5111-8111-{last:012}");
    let member = |of: Option<&str>, incident_id| v1::Member {
        prefix: of.map(|text| prefix(text).into()),
        incident_id,
    };
    v1::Incident {
        id: id(1),
        r#type: "route-leak".to_owned(),
        suspect_asn: 64_510,
        state: v1::incident::State::Ended.into(),
        severity: v1::incident::Severity::High.into(),
        transition: v1::incident::Transition::Ended.into(),
        end_reason: v1::incident::EndReason::Recovered.into(),
        members: vec![
            member(None, id(2)),
            member(Some("192.0.2.0/24"), String::new()),
            member(Some("2001:db8::/32"), id(3)),
        ],
        member_count: 700,
        case_id: id(4),
        ..v1::Incident::default()
    }
}

#[rstest]
#[case::of_a_prefix(Kind::Moas, "10.64.0.0/20", "20ff0f41-a86b-59e0-86a6-90a75635d97d")]
#[case::of_a_network(Kind::RouteLeak, "", "c9e5eb71-b33b-5e55-89ee-6a8e9e7cf887")]
#[case::of_a_vantage_point(Kind::Flap, "rrc12|192.0.2.1", "432e14b0-5b5b-5a38-b1b0-c879e14d990d")]
fn an_id_is_made_of_what_an_incident_is_about(
    #[case] kind: Kind,
    #[case] about: &str,
    #[case] id: Uuid,
) {
    assert_eq!(Incident::id_of(kind, about, Asn(64_510), 1_000), id);
    if let Ok(prefix) = about.parse::<Prefix>() {
        assert_eq!(Incident::id_of(kind, prefix, Asn(64_510), 1_000), id);
    }
}

#[test]
fn a_group_is_read_from_the_log_and_written_back_as_it_was() {
    let group = wire::state_back(told()).unwrap();
    assert_eq!((group.prefix, group.member_count), (None, 700));
    assert_eq!(group.end_reason, Some(EndReason::Recovered));
    let member = |of, incident| Member {
        prefix: of,
        incident,
    };
    let id = |text: &str| Some(Uuid::parse_str(text).unwrap());
    let expected = [
        member(None, id("11111111-1111-5111-8111-000000000002")),
        member(Some(prefix("192.0.2.0/24")), None),
        member(
            Some(prefix("2001:db8::/32")),
            id("11111111-1111-5111-8111-000000000003"),
        ),
    ];
    assert_eq!(group.members, expected);
    assert!(group.members.is_sorted());
    let suspicion = Some(group.suspicion().into());
    assert_eq!(
        wire::state(&group),
        v1::Incident {
            suspicion,
            ..told()
        }
    );
}

#[test]
fn of_before_cases_were_told_each_incident_is_one() {
    let mut group = told();
    group.case_id.clear();
    let group = wire::state_back(group).unwrap();
    assert_eq!(group.case, group.id);
}

#[test]
fn a_member_with_an_id_that_is_none_is_refused() {
    let mut group = told();
    group.members[0].incident_id = "no uuid".to_owned();
    let refused = wire::state_back(group).unwrap_err().to_string();
    assert_eq!(refused, "id \"no uuid\" is not known");
}

#[test]
fn in_words_it_is_about_its_suspect() {
    let mut group = wire::state_back(told()).unwrap();
    assert_eq!(group.to_string(), "route-leak by AS64510 (Ended)");
    group.prefix = Some(prefix("192.0.2.0/24"));
    let said = "route-leak 192.0.2.0/24 by AS64510 (Ended)";
    assert_eq!(group.to_string(), said);
}
