//! Checked rows: one incident as it stands, and one transition of it. Times are microseconds since
//! the Unix epoch, event time.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use weir_events::{position::Version, v1};
use weir_routing::prefix::Prefix;

/// Why a message from the log cannot be a row.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RowError {
    /// A field that every incident has is absent or unknown.
    #[error("field `{field}` is absent or not known")]
    Field {
        /// Name in the message.
        field: &'static str,
    },
}

/// An enum whose values have a name in URLs, JSON and SQL, and a number on the wire.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant = $number),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in URLs, JSON and SQL.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value with this name.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }

            pub(crate) fn from_number(number: i64) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named! {
    /// Where an incident stands in its life.
    State {
        /// Seen, by fewer peers than confirm it.
        Suspected = 1 "suspected",
        /// Seen by enough distinct peer ASNs.
        Confirmed = 2 "confirmed",
        /// Over; see the end reason.
        Ended = 3 "ended",
    }
}
named! {
    /// How much it matters, ascending.
    Severity {
        /// For the record.
        Info = 1 "info",
        /// Untidy.
        Low = 2 "low",
        /// Worth a look.
        Medium = 3 "medium",
        /// Likely harm.
        High = 4 "high",
        /// Harm now.
        Critical = 5 "critical",
    }
}
named! {
    /// What changed.
    Transition {
        /// First seen.
        Opened = 1 "opened",
        /// Enough distinct peer ASNs.
        Confirmed = 2 "confirmed",
        /// Evidence, severity or reasons; not the state.
        Updated = 3 "updated",
        /// Over.
        Ended = 4 "ended",
        /// Seen again within ten minutes of its end.
        Reopened = 5 "reopened",
    }
}
named! {
    /// Why it is over.
    EndReason {
        /// The conflicting route was withdrawn.
        Withdrawn = 1 "withdrawn",
        /// Another route took its place.
        Replaced = 2 "replaced",
        /// The origin has been there for a day.
        BecameStable = 3 "became-stable",
        /// Suspected for an hour and never confirmed.
        Faded = 4 "faded",
        /// All of its vantage points went silent.
        Unknown = 5 "unknown",
        /// New knowledge says that there is nothing wrong.
        Explained = 6 "explained",
        /// It has been quiet for long enough.
        Calmed = 7 "calmed",
        /// What was lost came back.
        Recovered = 8 "recovered",
    }
}

/// One vantage point's route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Collector that heard it.
    pub collector: String,
    /// Address of the peer.
    pub peer_address: Option<IpAddr>,
    /// ASN of the peer.
    pub peer_asn: u32,
    /// AS_PATH as text, sets in braces.
    pub as_path: String,
    /// When the peer said so.
    pub event_time_us: i64,
}

/// One part of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its prefix; absent where it is about none.
    pub prefix: Option<Prefix>,
    /// Id of the incident that is told of it, where there is one.
    pub incident_id: Option<String>,
}

/// One incident, its last state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields of weir.v1.Incident, described there"
)]
pub struct IncidentRow {
    pub id: String,
    pub version: Version,
    /// Name of the rule.
    pub kind: String,
    /// Absent where it is about a network, a vantage point or a group.
    pub prefix: Option<Prefix>,
    pub origins: Vec<u32>,
    pub expected_origins: Vec<u32>,
    pub suspect_asn: Option<u32>,
    pub suspect_set: Vec<u32>,
    pub victim_asns: Vec<u32>,
    pub covering_prefix: Option<Prefix>,
    pub state: State,
    pub severity: Severity,
    pub suspicion: Option<u8>,
    pub first_seen_us: i64,
    pub suspected_at_us: Option<i64>,
    pub confirmed_at_us: Option<i64>,
    pub ended_at_us: Option<i64>,
    pub end_reason: Option<EndReason>,
    pub last_seen_us: i64,
    pub reopened: u32,
    pub visible_peers: u32,
    pub total_peers: u32,
    pub peer_asns: Vec<u32>,
    pub evidence: Vec<Evidence>,
    pub reasons: Vec<String>,
    pub synthetic: bool,
    pub members: Vec<Member>,
    pub member_count: u32,
    /// The id of the first incident of its case; its own where it stands alone.
    pub case_id: String,
    pub transition: Transition,
    pub transition_at_us: i64,
}

/// One step of an incident's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitionRow {
    /// Version of the state that it led to.
    pub version: Version,
    /// What changed.
    pub transition: Transition,
    /// State afterwards.
    pub state: State,
    /// Severity afterwards.
    pub severity: Severity,
    /// Event time of the record that changed it.
    pub at_us: i64,
    /// Vantage points that carried the route afterwards.
    pub visible_peers: u32,
    /// Vantage points that were up.
    pub total_peers: u32,
    /// Reasons afterwards.
    pub reasons: Vec<String>,
    /// Members of a group afterwards.
    pub member_count: u32,
}

/// One incident with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its last state.
    pub incident: IncidentRow,
    /// Its transitions, oldest first; the opening and the newest 255 are kept.
    pub history: Vec<TransitionRow>,
}

impl TryFrom<&v1::Incident> for IncidentRow {
    type Error = RowError;

    fn try_from(wire: &v1::Incident) -> Result<Self, RowError> {
        let field = |field| RowError::Field { field };
        let prefix = |wire: Option<&v1::Prefix>, name| {
            wire.map(|wire| Prefix::try_from(wire).map_err(|_| field(name)))
                .transpose()
        };
        if !is_uuid(&wire.id) {
            return Err(field("id"));
        }
        if i64::try_from(wire.version).is_err() {
            return Err(field("version"));
        }
        let at = |time: i64| (time != 0).then_some(time);
        let member = |wire: &v1::Member| {
            let id = Some(&wire.incident_id).filter(|id| !id.is_empty());
            if id.is_some_and(|id| !is_uuid(id)) {
                return Err(field("members"));
            }
            Ok(Member {
                prefix: prefix(wire.prefix.as_ref(), "members")?,
                incident_id: id.cloned(),
            })
        };
        Ok(Self {
            id: wire.id.clone(),
            version: Version(wire.version),
            kind: wire.r#type.clone(),
            prefix: prefix(wire.prefix.as_ref(), "prefix")?,
            origins: wire.origins.clone(),
            expected_origins: wire.expected_origins.clone(),
            suspect_asn: (wire.suspect_asn != 0).then_some(wire.suspect_asn),
            suspect_set: wire.suspect_set.clone(),
            victim_asns: wire.victim_asns.clone(),
            covering_prefix: prefix(wire.covering_prefix.as_ref(), "covering_prefix")?,
            state: State::from_number(wire.state.into()).ok_or_else(|| field("state"))?,
            severity: Severity::from_number(wire.severity.into())
                .ok_or_else(|| field("severity"))?,
            suspicion: wire
                .suspicion
                .map(|points| u8::try_from(points.min(100)).unwrap_or(100)),
            first_seen_us: wire.first_seen_us,
            suspected_at_us: at(wire.suspected_at_us),
            confirmed_at_us: at(wire.confirmed_at_us),
            ended_at_us: at(wire.ended_at_us),
            end_reason: EndReason::from_number(wire.end_reason.into()),
            last_seen_us: wire.last_seen_us,
            reopened: wire.reopened,
            visible_peers: wire.visible_peers,
            total_peers: wire.total_peers,
            peer_asns: wire.peer_asns.clone(),
            evidence: wire.evidence.iter().map(Evidence::from).collect(),
            reasons: wire.reasons.clone(),
            synthetic: wire.synthetic,
            members: wire.members.iter().map(member).collect::<Result<_, _>>()?,
            member_count: wire.member_count,
            case_id: match wire.case_id.as_str() {
                "" => wire.id.clone(),
                id if is_uuid(id) => id.to_owned(),
                _ => return Err(field("case_id")),
            },
            transition: Transition::from_number(wire.transition.into())
                .ok_or_else(|| field("transition"))?,
            transition_at_us: wire.transition_at_us,
        })
    }
}

impl IncidentRow {
    /// What it is about: its prefix, and those of its members.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> {
        let of_members = self.members.iter().filter_map(|member| member.prefix);
        self.prefix.into_iter().chain(of_members)
    }
}

impl From<&v1::Evidence> for Evidence {
    fn from(wire: &v1::Evidence) -> Self {
        let peer = wire.peer.unwrap_or_default();
        Self {
            collector: wire.collector.clone(),
            peer_address: peer.address.and_then(|address| address.try_into().ok()),
            peer_asn: peer.asn,
            as_path: wire.as_path.clone(),
            event_time_us: wire.event_time_us,
        }
    }
}

impl Evidence {
    /// `address:asn`, the entity key of the peer's session features.
    #[must_use]
    pub fn entity(&self) -> String {
        match self.peer_address {
            Some(address) => format!("{address}:{}", self.peer_asn),
            None => format!("?:{}", self.peer_asn),
        }
    }
}

/// True for the form in which ids are written: 8-4-4-4-12 hexadecimal digits in lower case.
#[must_use]
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> v1::Incident {
        let prefix: Prefix = "192.0.2.0/24".parse().unwrap();
        v1::Incident {
            id: "11111111-1111-5111-8111-111111111111".to_owned(),
            version: 1 << 41 | 2,
            prefix: Some(prefix.into()),
            state: v1::incident::State::Confirmed.into(),
            severity: v1::incident::Severity::High.into(),
            transition: v1::incident::Transition::Updated.into(),
            end_reason: v1::incident::EndReason::Faded.into(),
            confirmed_at_us: 7,
            ..Default::default()
        }
    }

    #[test]
    fn a_message_becomes_a_row_in_which_zero_means_absent() {
        let row = IncidentRow::try_from(&message()).unwrap();
        assert_eq!(row.prefix, "192.0.2.0/24".parse().ok());
        assert_eq!(
            (row.state, row.severity),
            (State::Confirmed, Severity::High)
        );
        assert_eq!(row.transition, Transition::Updated);
        assert_eq!(row.end_reason, Some(EndReason::Faded));
        assert_eq!((row.suspected_at_us, row.confirmed_at_us), (None, Some(7)));
        assert_eq!(row.suspect_asn, None);
        assert_eq!(row.case_id, row.id, "of before cases were told");
    }

    #[test]
    fn a_group_becomes_a_row_of_no_prefix_with_its_members() {
        let mut group = message();
        let prefix = group.prefix.take();
        let id = group.id.clone();
        let member = |prefix, incident_id: &str| v1::Member {
            prefix,
            incident_id: incident_id.to_owned(),
        };
        group.members = vec![member(None, &id), member(prefix, "")];
        group.member_count = 300;
        let row = IncidentRow::try_from(&group).unwrap();
        let member = |prefix, incident_id| Member {
            prefix,
            incident_id,
        };
        let of: Prefix = "192.0.2.0/24".parse().unwrap();
        assert_eq!((row.prefix, row.member_count), (None, 300));
        let expected = [member(None, Some(id)), member(Some(of), None)];
        assert_eq!(row.members, expected);
        assert_eq!(row.prefixes().collect::<Vec<_>>(), [of]);
    }

    fn too_long() -> v1::Prefix {
        v1::Prefix {
            length: 99,
            ..message().prefix.unwrap()
        }
    }

    #[test]
    fn a_message_that_cannot_be_a_row_is_refused_by_the_name_of_its_field() {
        type Spoil = fn(&mut v1::Incident);
        let cases: [(&str, Spoil); 9] = [
            ("id", |incident| incident.id = "no uuid".to_owned()),
            ("version", |incident| incident.version = u64::MAX),
            ("prefix", |incident| incident.prefix = Some(too_long())),
            ("members", |incident| {
                incident.members = vec![v1::Member {
                    prefix: Some(too_long()),
                    ..v1::Member::default()
                }];
            }),
            ("members", |incident| {
                incident.members = vec![v1::Member {
                    incident_id: "no uuid".to_owned(),
                    ..v1::Member::default()
                }];
            }),
            ("case_id", |incident| {
                incident.case_id = "no uuid".to_owned();
            }),
            ("state", |incident| incident.state = 9),
            ("severity", |incident| incident.severity = 0),
            ("transition", |incident| incident.transition = -1),
        ];
        for (field, spoil) in cases {
            let mut incident = message();
            spoil(&mut incident);
            assert_eq!(
                IncidentRow::try_from(&incident),
                Err(RowError::Field { field })
            );
        }
    }
}
