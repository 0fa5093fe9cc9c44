//! To and from the messages of the log: the only place that names protobuf types.

mod signals;

pub use signals::{decode_signal, signal, signal_back, telling};

use prost::Message;
use uuid::Uuid;
use weir_events::{
    position::{TopicEpoch, Version, WriterSeq},
    v1,
};
use weir_routing::{Asn, Prefix, wire};

use crate::{
    incident::{
        Change, EndReason, Evidence, Incident, Kind, Member, Severity, State, Transition, reason,
    },
    record::{Body, Control, Knowledge, Record},
};

/// A record or an incident that cannot be read. Never transient.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not a message at all.
    #[error("the bytes are no protobuf message")]
    Undecodable(#[from] prost::DecodeError),
    /// Its routes, peers or prefixes are impossible.
    #[error(transparent)]
    Routing(#[from] wire::WireError),
    /// A field that must be there is not.
    #[error("{what} is missing")]
    Missing {
        /// Name of the field.
        what: &'static str,
    },
    /// A field with a value that nobody writes.
    #[error("{what} \"{value}\" is not known")]
    Unknown {
        /// Name of the field.
        what: &'static str,
        /// Its value.
        value: String,
    },
}

fn missing<T>(what: &'static str) -> Result<T, WireError> {
    Err(WireError::Missing { what })
}

fn unknown(what: &'static str, value: impl ToString) -> WireError {
    WireError::Unknown {
        what,
        value: value.to_string(),
    }
}

/// Reads the payload of a record of `bgp-updates`.
///
/// # Errors
/// When it says nothing that we could believe: it belongs in the dead-letter topic.
pub fn decode(payload: &[u8]) -> Result<Record, WireError> {
    record(v1::BgpUpdate::decode(payload)?)
}

/// Checks a `BgpUpdate`.
///
/// # Errors
/// As [`decode`].
pub fn record(update: v1::BgpUpdate) -> Result<Record, WireError> {
    use v1::bgp_update::Body as Wire;
    let body = match update.body {
        Some(Wire::Routes(routes)) => Body::Routes(wire::routes(routes)?),
        Some(Wire::Control(wire)) => Body::Control(control(wire)?),
        None => return missing("body"),
    };
    Ok(Record {
        collector: update.collector,
        written: WriterSeq {
            writer_epoch: update.writer_epoch,
            seq: update.seq,
        },
        event_time_us: update.event_time_us,
        receive_time_us: update.receive_time_us,
        synthetic: update.synthetic,
        body,
    })
}

fn control(wire: v1::Control) -> Result<Control, WireError> {
    use v1::control::Kind as Wire;
    let some_peer = |peer: Option<v1::Peer>| peer.map(|p| wire::peer(Some(p))).transpose();
    Ok(match wire.kind {
        Some(Wire::TopicStart(start)) => Control::TopicStart(TopicEpoch(
            u32::try_from(start.topic_epoch)
                .map_err(|_| unknown("topic epoch", start.topic_epoch))?,
        )),
        Some(Wire::SourceStart(_)) => Control::SourceStart,
        Some(Wire::PeerUp(up)) => Control::PeerUp(wire::peer(up.peer)?),
        Some(Wire::PeerDown(down)) => Control::PeerDown(wire::peer(down.peer)?),
        Some(Wire::Gap(gap)) => Control::Gap(some_peer(gap.peer)?),
        Some(Wire::EndOfRib(end)) => match some_peer(end.peer)? {
            Some(peer) if end.table_us > 0 => Control::EndOfTable(peer, end.table_us),
            peer => Control::EndOfRib(peer),
        },
        Some(Wire::Tick(_)) => Control::Tick,
        Some(Wire::EndOfInput(_)) => Control::EndOfInput,
        Some(Wire::KnowledgeChanged(changed)) => Control::KnowledgeChanged(Knowledge {
            kind: changed.kind,
            content_hash: changed.content_hash.to_vec(),
            as_of_us: changed.as_of_us,
        }),
        None => return missing("control"),
    })
}

fn numbers(asns: &[Asn]) -> Vec<u32> {
    asns.iter().map(|asn| asn.0).collect()
}

fn asns(numbers: Vec<u32>) -> Vec<Asn> {
    numbers.into_iter().map(Asn).collect()
}

/// The message of `bgp-conflicts` for a transition; its key is the id. The receive time of the
/// record that caused it is for latency and no part of the state.
#[must_use]
pub fn incident(transition: &Transition, receive_time_us: i64) -> v1::Incident {
    v1::Incident {
        receive_time_us,
        ..state(&transition.incident)
    }
}

/// The message for a state, without a receive time.
#[must_use]
pub fn state(of: &Incident) -> v1::Incident {
    use v1::incident as wire;
    v1::Incident {
        id: of.id.to_string(),
        version: of.version.0,
        r#type: of.kind.name().to_owned(),
        prefix: of.prefix.map(Into::into),
        origins: numbers(&of.origins),
        expected_origins: numbers(&of.expected_origins),
        suspect_asn: of.suspect.0,
        suspect_set: numbers(&of.suspect_set),
        victim_asns: numbers(&of.victims),
        covering_prefix: of.covering.map(Into::into),
        state: match of.state {
            State::Suspected => wire::State::Suspected,
            State::Confirmed => wire::State::Confirmed,
            State::Ended => wire::State::Ended,
        }
        .into(),
        severity: match of.severity {
            Severity::Info => wire::Severity::Info,
            Severity::Low => wire::Severity::Low,
            Severity::Medium => wire::Severity::Medium,
            Severity::High => wire::Severity::High,
            Severity::Critical => wire::Severity::Critical,
        }
        .into(),
        first_seen_us: of.first_seen_us,
        suspected_at_us: of.suspected_at_us,
        confirmed_at_us: of.confirmed_at_us.unwrap_or_default(),
        ended_at_us: of.ended_at_us.unwrap_or_default(),
        end_reason: match of.end_reason {
            None => wire::EndReason::Unspecified,
            Some(EndReason::Withdrawn) => wire::EndReason::Withdrawn,
            Some(EndReason::Replaced) => wire::EndReason::Replaced,
            Some(EndReason::BecameStable) => wire::EndReason::BecameStable,
            Some(EndReason::Faded) => wire::EndReason::Faded,
            Some(EndReason::Unknown) => wire::EndReason::Unknown,
            Some(EndReason::Explained) => wire::EndReason::Explained,
            Some(EndReason::Calmed) => wire::EndReason::Calmed,
            Some(EndReason::Recovered) => wire::EndReason::Recovered,
        }
        .into(),
        last_seen_us: of.last_seen_us,
        reopened: of.reopened,
        visible_peers: of.visible_peers,
        total_peers: of.total_peers,
        peer_asns: numbers(&of.peer_asns),
        evidence: of
            .evidence
            .iter()
            .map(|seen| v1::Evidence {
                collector: seen.collector.clone(),
                peer: Some(seen.peer.into()),
                as_path: seen.as_path.clone(),
                event_time_us: seen.event_time_us,
            })
            .collect(),
        reasons: of.reasons.iter().map(|r| (*r).to_owned()).collect(),
        synthetic: of.synthetic,
        transition: match of.change {
            Change::Opened => wire::Transition::Opened,
            Change::Confirmed => wire::Transition::Confirmed,
            Change::Updated => wire::Transition::Updated,
            Change::Ended => wire::Transition::Ended,
            Change::Reopened => wire::Transition::Reopened,
        }
        .into(),
        transition_at_us: of.changed_at_us,
        receive_time_us: 0,
        suspicion: Some(of.suspicion().into()),
        members: of.members.iter().map(member).collect(),
        member_count: of.member_count,
        case_id: of.case.to_string(),
    }
}

fn member(of: &Member) -> v1::Member {
    v1::Member {
        prefix: of.prefix.map(Into::into),
        incident_id: of.incident.map(|id| id.to_string()).unwrap_or_default(),
    }
}

fn member_back(from: &v1::Member) -> Result<Member, WireError> {
    let id = Some(&from.incident_id).filter(|id| !id.is_empty());
    Ok(Member {
        prefix: some_prefix(from.prefix.as_ref())?,
        incident: id.map(|id| uuid(id)).transpose()?,
    })
}

fn some_prefix(from: Option<&v1::Prefix>) -> Result<Option<Prefix>, WireError> {
    Ok(from.map(Prefix::try_from).transpose()?)
}

/// Of before cases were told, each incident is one.
fn case_of(text: &str, id: Uuid) -> Result<Uuid, WireError> {
    match text {
        "" => Ok(id),
        text => uuid(text),
    }
}

fn uuid(text: &str) -> Result<Uuid, WireError> {
    Uuid::parse_str(text).map_err(|_| unknown("id", text))
}

/// Reads the bytes of an `Incident`, as snapshots hold it.
///
/// # Errors
/// As [`state_back`].
pub fn decode_state(bytes: &[u8]) -> Result<Incident, WireError> {
    state_back(v1::Incident::decode(bytes)?)
}

/// Checks an `Incident`; its receive time is left out.
///
/// # Errors
/// When a field is missing or holds what nobody writes.
pub fn state_back(from: v1::Incident) -> Result<Incident, WireError> {
    use v1::incident as wire;
    let state = match wire::State::try_from(from.state) {
        Ok(wire::State::Suspected) => State::Suspected,
        Ok(wire::State::Confirmed) => State::Confirmed,
        Ok(wire::State::Ended) => State::Ended,
        _ => return Err(unknown("state", from.state)),
    };
    let severity = match wire::Severity::try_from(from.severity) {
        Ok(wire::Severity::Info) => Severity::Info,
        Ok(wire::Severity::Low) => Severity::Low,
        Ok(wire::Severity::Medium) => Severity::Medium,
        Ok(wire::Severity::High) => Severity::High,
        Ok(wire::Severity::Critical) => Severity::Critical,
        _ => return Err(unknown("severity", from.severity)),
    };
    let end_reason = match wire::EndReason::try_from(from.end_reason) {
        Ok(wire::EndReason::Unspecified) => None,
        Ok(wire::EndReason::Withdrawn) => Some(EndReason::Withdrawn),
        Ok(wire::EndReason::Replaced) => Some(EndReason::Replaced),
        Ok(wire::EndReason::BecameStable) => Some(EndReason::BecameStable),
        Ok(wire::EndReason::Faded) => Some(EndReason::Faded),
        Ok(wire::EndReason::Unknown) => Some(EndReason::Unknown),
        Ok(wire::EndReason::Explained) => Some(EndReason::Explained),
        Ok(wire::EndReason::Calmed) => Some(EndReason::Calmed),
        Ok(wire::EndReason::Recovered) => Some(EndReason::Recovered),
        Err(_) => return Err(unknown("end reason", from.end_reason)),
    };
    let change = match wire::Transition::try_from(from.transition) {
        Ok(wire::Transition::Opened) => Change::Opened,
        Ok(wire::Transition::Confirmed) => Change::Confirmed,
        Ok(wire::Transition::Updated) => Change::Updated,
        Ok(wire::Transition::Ended) => Change::Ended,
        Ok(wire::Transition::Reopened) => Change::Reopened,
        _ => return Err(unknown("transition", from.transition)),
    };
    let id = uuid(&from.id)?;
    Ok(Incident {
        id,
        case: case_of(&from.case_id, id)?,
        kind: Kind::from_name(&from.r#type).ok_or_else(|| unknown("type", &from.r#type))?,
        prefix: some_prefix(from.prefix.as_ref())?,
        suspect: Asn(from.suspect_asn),
        suspect_set: asns(from.suspect_set),
        origins: asns(from.origins),
        expected_origins: asns(from.expected_origins),
        victims: asns(from.victim_asns),
        covering: some_prefix(from.covering_prefix.as_ref())?,
        state,
        severity,
        first_seen_us: from.first_seen_us,
        suspected_at_us: from.suspected_at_us,
        confirmed_at_us: Some(from.confirmed_at_us).filter(|at| *at != 0),
        ended_at_us: Some(from.ended_at_us).filter(|at| *at != 0),
        end_reason,
        last_seen_us: from.last_seen_us,
        reopened: from.reopened,
        visible_peers: from.visible_peers,
        total_peers: from.total_peers,
        peer_asns: asns(from.peer_asns),
        evidence: from
            .evidence
            .into_iter()
            .map(|seen| {
                Ok(Evidence {
                    peer: weir_routing::wire::peer(seen.peer)?,
                    collector: seen.collector,
                    as_path: seen.as_path,
                    event_time_us: seen.event_time_us,
                })
            })
            .collect::<Result<_, WireError>>()?,
        reasons: from
            .reasons
            .iter()
            .map(|text| {
                reason::ALL
                    .into_iter()
                    .find(|known| known == text)
                    .ok_or_else(|| unknown("reason", text))
            })
            .collect::<Result<_, _>>()?,
        synthetic: from.synthetic,
        members: from
            .members
            .iter()
            .map(member_back)
            .collect::<Result<_, _>>()?,
        member_count: from.member_count,
        change,
        changed_at_us: from.transition_at_us,
        version: Version(from.version),
    })
}
