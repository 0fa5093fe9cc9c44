//! An incident reduced to what is compared, from a row of a store or from a line of the incident file.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};
use weir_events::time::{parse_rfc3339, rfc3339};
use weir_routing::prefix::{Prefix, PrefixError};

use crate::incident::{EndReason, IncidentRow, Severity, is_uuid};

/// What of an incident is compared. Times are microseconds since the Unix epoch, event time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sketch {
    /// The bits of its UUID.
    #[serde(serialize_with = "as_uuid")]
    pub id: u128,
    /// Name of the rule; one text for all incidents of it.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// What was announced; none where it is about no single prefix.
    pub prefix: Option<Prefix>,
    /// Who may be at fault.
    pub suspect_asn: Option<u32>,
    /// Event time of the first record.
    #[serde(rename = "first_seen", serialize_with = "as_time")]
    pub first_seen_us: i64,
    /// When it was over; none = it goes on.
    #[serde(rename = "ended_at", serialize_with = "as_time_or_null")]
    pub ended_at_us: Option<i64>,
    /// Why it is over.
    pub end_reason: Option<EndReason>,
    /// How much it matters.
    pub severity: Severity,
    /// 0 = harmless, 100 = without doubt; of incidents of before it was told, nothing.
    pub suspicion: Option<u8>,
    /// Confirmed at some time.
    pub confirmed: bool,
    /// Made up.
    pub synthetic: bool,
}

/// Why something is no incident that can be compared.
#[derive(Debug, thiserror::Error)]
pub enum SketchError {
    /// No JSON object with the fields of an incident.
    #[error("no incident as an export writes it")]
    Json(#[from] serde_json::Error),
    /// An id that is no UUID.
    #[error("`id` is \"{0}\": expected a UUID in lower case")]
    Id(String),
    /// A prefix that is none.
    #[error("`prefix`")]
    Prefix(#[from] PrefixError),
    /// A time that is none.
    #[error("`{field}` is \"{text}\": expected RFC 3339")]
    Time {
        /// Name of the field.
        field: &'static str,
        /// What was read.
        text: String,
    },
}

/// The fields of a line that are compared; the others are passed over.
#[derive(Deserialize)]
struct Line {
    id: String,
    r#type: String,
    // Null, but not left out.
    #[serde(deserialize_with = "Option::deserialize")]
    prefix: Option<String>,
    suspect_asn: Option<u32>,
    first_seen: String,
    ended_at: Option<String>,
    end_reason: Option<EndReason>,
    severity: Severity,
    suspicion: Option<u8>,
    confirmed_at: Option<String>,
    synthetic: bool,
}

/// Makes sketches; keeps the name of each rule once.
#[derive(Debug, Default)]
pub struct Sketcher {
    kinds: BTreeSet<Arc<str>>,
}

impl Sketcher {
    /// Of a row of a store.
    ///
    /// # Errors
    /// When its id is no UUID.
    pub fn row(&mut self, row: &IncidentRow) -> Result<Sketch, SketchError> {
        Ok(Sketch {
            id: bits(&row.id)?,
            kind: self.kind(&row.kind),
            prefix: row.prefix,
            suspect_asn: row.suspect_asn,
            first_seen_us: row.first_seen_us,
            ended_at_us: row.ended_at_us,
            end_reason: row.end_reason,
            severity: row.severity,
            suspicion: row.suspicion,
            confirmed: row.confirmed_at_us.is_some(),
            synthetic: row.synthetic,
        })
    }

    /// Of a line of the incident file.
    ///
    /// # Errors
    /// When it is no incident.
    pub fn line(&mut self, line: &[u8]) -> Result<Sketch, SketchError> {
        let line: Line = serde_json::from_slice(line)?;
        let ended_at = line.ended_at.map(|text| time("ended_at", text));
        Ok(Sketch {
            id: bits(&line.id)?,
            kind: self.kind(&line.r#type),
            prefix: line.prefix.map(|text| text.parse()).transpose()?,
            suspect_asn: line.suspect_asn,
            first_seen_us: time("first_seen", line.first_seen)?,
            ended_at_us: ended_at.transpose()?,
            end_reason: line.end_reason,
            severity: line.severity,
            suspicion: line.suspicion,
            confirmed: line.confirmed_at.is_some(),
            synthetic: line.synthetic,
        })
    }

    fn kind(&mut self, name: &str) -> Arc<str> {
        if let Some(kind) = self.kinds.get(name) {
            return Arc::clone(kind);
        }
        let kind: Arc<str> = name.into();
        self.kinds.insert(Arc::clone(&kind));
        kind
    }
}

impl Sketch {
    /// What it is about, for people: its prefix, else its suspect.
    #[must_use]
    pub fn about(&self) -> String {
        match (self.prefix, self.suspect_asn) {
            (Some(prefix), _) => prefix.to_string(),
            (None, Some(asn)) => format!("AS{asn}"),
            (None, None) => "no prefix".to_owned(),
        }
    }

    /// The last moment of it, microseconds; never before the first. What goes on has none.
    pub(super) fn last_us(&self) -> i64 {
        let end = self.ended_at_us.unwrap_or(i64::MAX);
        end.max(self.first_seen_us)
    }
}

fn bits(id: &str) -> Result<u128, SketchError> {
    let refused = || SketchError::Id(id.chars().take(64).collect());
    if !is_uuid(id) {
        return Err(refused());
    }
    u128::from_str_radix(&id.replace('-', ""), 16).map_err(|_| refused())
}

/// The text of an id: 8-4-4-4-12 hexadecimal digits.
pub(super) fn uuid(bits: u128) -> String {
    let digits = format!("{bits:032x}");
    let part = |range| digits.get(range).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32)
    )
}

fn time(field: &'static str, text: String) -> Result<i64, SketchError> {
    parse_rfc3339(&text).ok_or(SketchError::Time { field, text })
}

fn as_uuid<S: Serializer>(bits: &u128, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&uuid(*bits))
}

fn as_time<S: Serializer>(micros: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&rfc3339(*micros))
}

fn as_time_or_null<S: Serializer>(micros: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
    micros.map(rfc3339).serialize(to)
}
