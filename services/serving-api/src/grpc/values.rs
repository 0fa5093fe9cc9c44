//! Rows of the stores as messages, and filters back.

use prost_types::Timestamp;
use tonic::Status;
use weir_events::time::SECOND_US;
use weir_record_store::{
    Evidence, Filter, IncidentRow, Member, PrefixMatch, Severity, State, TransitionRow, is_uuid,
};
use weir_routing::prefix::Prefix;

use crate::{
    generated::v1::{self, incident_filter},
    own::Own,
};

/// Microseconds since the Unix epoch as the well-known type.
pub(super) fn timestamp(micros: i64) -> Timestamp {
    Timestamp {
        seconds: micros.div_euclid(SECOND_US),
        nanos: i32::try_from(micros.rem_euclid(SECOND_US) * 1_000).unwrap_or_default(),
    }
}

/// The well-known type as microseconds; out of range = the nearest that there is.
pub(super) fn micros(time: &Timestamp) -> i64 {
    time.seconds
        .saturating_mul(SECOND_US)
        .saturating_add(i64::from(time.nanos) / 1_000)
}

fn state(state: State) -> i32 {
    match state {
        State::Suspected => v1::State::Suspected,
        State::Confirmed => v1::State::Confirmed,
        State::Ended => v1::State::Ended,
    }
    .into()
}

fn severity(severity: Severity) -> i32 {
    match severity {
        Severity::Info => v1::Severity::Info,
        Severity::Low => v1::Severity::Low,
        Severity::Medium => v1::Severity::Medium,
        Severity::High => v1::Severity::High,
        Severity::Critical => v1::Severity::Critical,
    }
    .into()
}

pub(super) fn incident(row: &IncidentRow, own: &Own) -> v1::Incident {
    v1::Incident {
        id: row.id.clone(),
        version: row.version.0,
        r#type: row.kind.clone(),
        prefix: row
            .prefix
            .map(|prefix| prefix.to_string())
            .unwrap_or_default(),
        origins: row.origins.clone(),
        expected_origins: row.expected_origins.clone(),
        suspect_asn: row.suspect_asn,
        suspect_set: row.suspect_set.clone(),
        victim_asns: row.victim_asns.clone(),
        covering_prefix: row.covering_prefix.map(|prefix| prefix.to_string()),
        state: state(row.state),
        severity: severity(row.severity),
        first_seen: Some(timestamp(row.first_seen_us)),
        suspected_at: row.suspected_at_us.map(timestamp),
        confirmed_at: row.confirmed_at_us.map(timestamp),
        ended_at: row.ended_at_us.map(timestamp),
        end_reason: row
            .end_reason
            .map(|reason| reason.to_string())
            .unwrap_or_default(),
        last_seen: Some(timestamp(row.last_seen_us)),
        reopened: row.reopened,
        visible_peers: row.visible_peers,
        total_peers: row.total_peers,
        peer_asns: row.peer_asns.clone(),
        reasons: row.reasons.clone(),
        synthetic: row.synthetic,
        suspicion: row.suspicion.map(u32::from),
        members: row.members.iter().map(member).collect(),
        member_count: row.member_count,
        case_id: row.case_id.clone(),
        mine: own.why(row).unwrap_or_default(),
    }
}

fn member(row: &Member) -> v1::Member {
    v1::Member {
        prefix: row.prefix.map(|prefix| prefix.to_string()),
        incident_id: row.incident_id.clone(),
    }
}

pub(super) fn evidence(row: &Evidence) -> v1::Evidence {
    v1::Evidence {
        collector: row.collector.clone(),
        peer_address: row
            .peer_address
            .map(|address| address.to_string())
            .unwrap_or_default(),
        peer_asn: row.peer_asn,
        as_path: row.as_path.clone(),
        at: Some(timestamp(row.event_time_us)),
    }
}

pub(super) fn transition(row: &TransitionRow) -> v1::Transition {
    v1::Transition {
        transition: row.transition.to_string(),
        at: Some(timestamp(row.at_us)),
        state: state(row.state),
        severity: severity(row.severity),
        visible_peers: row.visible_peers,
        total_peers: row.total_peers,
        reasons: row.reasons.clone(),
        member_count: row.member_count,
    }
}

/// A filter of the store; times, and whose incidents are, are not part of it.
pub(super) fn filter(filter: Option<v1::IncidentFilter>) -> Result<Filter, Status> {
    let filter = filter.unwrap_or_default();
    let states = (filter.states.iter().copied())
        .map(|number| match v1::State::try_from(number) {
            Ok(v1::State::Suspected) => Ok(State::Suspected),
            Ok(v1::State::Confirmed) => Ok(State::Confirmed),
            Ok(v1::State::Ended) => Ok(State::Ended),
            Ok(v1::State::Unspecified) | Err(_) => Err(unknown("states", number)),
        })
        .collect::<Result<_, _>>()?;
    let severities = (filter.severities.iter().copied())
        .map(|number| match v1::Severity::try_from(number) {
            Ok(v1::Severity::Info) => Ok(Severity::Info),
            Ok(v1::Severity::Low) => Ok(Severity::Low),
            Ok(v1::Severity::Medium) => Ok(Severity::Medium),
            Ok(v1::Severity::High) => Ok(Severity::High),
            Ok(v1::Severity::Critical) => Ok(Severity::Critical),
            Ok(v1::Severity::Unspecified) | Err(_) => Err(unknown("severities", number)),
        })
        .collect::<Result<_, _>>()?;
    let prefix = match &filter.prefix {
        None => None,
        Some(incident_filter::Prefix::EqualTo(text)) => {
            Some(PrefixMatch::Exact(prefix("equal_to", text)?))
        }
        Some(incident_filter::Prefix::CoveredBy(text)) => {
            Some(PrefixMatch::CoveredBy(prefix("covered_by", text)?))
        }
        Some(incident_filter::Prefix::Covers(text)) => {
            Some(PrefixMatch::Covers(prefix("covers", text)?))
        }
    };
    Ok(Filter {
        types: filter.types,
        states,
        severities,
        prefix,
        asn: filter.asn,
        case: filter.case_id.map(case).transpose()?,
        from_us: None,
        to_us: None,
        synthetic: filter.synthetic,
    })
}

fn unknown(field: &str, number: i32) -> Status {
    Status::invalid_argument(format!(
        "`{field}` holds {number}, which is none: leave it out for any"
    ))
}

fn case(id: String) -> Result<String, Status> {
    if is_uuid(&id) {
        return Ok(id);
    }
    Err(Status::invalid_argument(format!(
        "`case_id` is `{id}`: write that of an incident"
    )))
}

fn prefix(name: &str, text: &str) -> Result<Prefix, Status> {
    text.parse()
        .map_err(|error| Status::invalid_argument(format!("`{name}` is `{text}`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_well_known_type() {
        for micros_in in [0, 1, -1, 1_203_878_820_000_001, -62_135_596_800_000_000] {
            assert_eq!(micros(&timestamp(micros_in)), micros_in);
        }
        let absurd = Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        };
        assert_eq!(micros(&absurd), i64::MAX);
    }

    #[test]
    fn a_filter_that_cannot_be_meant_is_refused_by_name() {
        let of = |change: fn(&mut v1::IncidentFilter)| {
            let mut wire = v1::IncidentFilter::default();
            change(&mut wire);
            filter(Some(wire)).unwrap_err().message().to_owned()
        };
        assert!(of(|wire| wire.states = vec![0]).contains("`states`"));
        assert!(of(|wire| wire.severities = vec![99]).contains("`severities`"));
        assert!(of(|wire| wire.case_id = Some(String::new())).contains("`case_id` is ``"));
        let prefix = of(|wire| {
            wire.prefix = Some(incident_filter::Prefix::Covers("192.0.2.1/99".to_owned()));
        });
        assert!(prefix.contains("`covers` is `192.0.2.1/99`"), "{prefix}");
    }
}
