//! An incident as JSON: a line of the incident file, and the body of the REST API.

use serde::Serialize;
use weir_events::time::rfc3339;

use crate::incident::{EndReason, IncidentRow, Member, Severity, State};

/// One line of the incident file. Times are RFC 3339 with microseconds, event time; absent = null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(
    missing_docs,
    reason = "the fields of weir.v1.Incident, described there"
)]
pub struct IncidentJson {
    pub id: String,
    /// The id of the first incident of its case; its own where it stands alone.
    pub case_id: String,
    pub r#type: String,
    /// Null where it is about a network, a vantage point or a group.
    pub prefix: Option<String>,
    pub origins: Vec<u32>,
    pub expected_origins: Vec<u32>,
    pub suspect_asn: Option<u32>,
    pub victim_asns: Vec<u32>,
    pub covering_prefix: Option<String>,
    pub state: State,
    pub severity: Severity,
    /// 0 = harmless, 100 = without doubt.
    pub suspicion: Option<u8>,
    pub first_seen: String,
    pub suspected_at: Option<String>,
    pub confirmed_at: Option<String>,
    pub ended_at: Option<String>,
    pub end_reason: Option<EndReason>,
    pub last_seen: String,
    pub reopened: u32,
    pub visibility: Visibility,
    pub peer_asns: Vec<u32>,
    /// The AS_PATH of the first evidence: ASNs, and sets as text in braces.
    pub sample_path: Vec<PathStep>,
    pub reasons: Vec<String>,
    pub synthetic: bool,
    /// What a group consists of, by prefix and then id: the first 256.
    pub members: Vec<Member>,
    /// All of them.
    pub member_count: u32,
}

/// Vantage points that carry the conflicting route, of those that are up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Visibility {
    /// Carry it.
    pub peers: u32,
    /// Are up.
    pub of: u32,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PathStep {
    /// One AS.
    As(u32),
    /// A set or a confederation segment, as text.
    Set(String),
}

impl From<&IncidentRow> for IncidentJson {
    fn from(row: &IncidentRow) -> Self {
        let path = row.evidence.first().map_or("", |first| &first.as_path);
        Self {
            id: row.id.clone(),
            case_id: row.case_id.clone(),
            r#type: row.kind.clone(),
            prefix: row.prefix.map(|prefix| prefix.to_string()),
            origins: row.origins.clone(),
            expected_origins: row.expected_origins.clone(),
            suspect_asn: row.suspect_asn,
            victim_asns: row.victim_asns.clone(),
            covering_prefix: row.covering_prefix.map(|prefix| prefix.to_string()),
            state: row.state,
            severity: row.severity,
            suspicion: row.suspicion,
            first_seen: rfc3339(row.first_seen_us),
            suspected_at: row.suspected_at_us.map(rfc3339),
            confirmed_at: row.confirmed_at_us.map(rfc3339),
            ended_at: row.ended_at_us.map(rfc3339),
            end_reason: row.end_reason,
            last_seen: rfc3339(row.last_seen_us),
            reopened: row.reopened,
            visibility: Visibility {
                peers: row.visible_peers,
                of: row.total_peers,
            },
            peer_asns: row.peer_asns.clone(),
            sample_path: path
                .split_whitespace()
                .map(|step| {
                    step.parse()
                        .map_or_else(|_| PathStep::Set(step.to_owned()), PathStep::As)
                })
                .collect(),
            reasons: row.reasons.clone(),
            synthetic: row.synthetic,
            members: row.members.clone(),
            member_count: row.member_count,
        }
    }
}
