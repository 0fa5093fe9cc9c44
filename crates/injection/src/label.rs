//! What was planted, in words that a scorer understands.

use serde::{Deserialize, Serialize};

/// How bad a finding is, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Recorded, nobody is told.
    Info,
    /// Untidy.
    Low,
    /// To be looked at.
    Medium,
    /// Traffic may go astray.
    High,
    /// Traffic goes astray.
    Critical,
}

/// The types that are planted, with their base severities as `docs/rules.md` has them.
pub const TYPES: [(&str, Severity); 21] = [
    ("aspa-invalid", Severity::High),
    ("bogon-asn", Severity::Low),
    ("bogon-prefix", Severity::Medium),
    ("default-or-too-specific", Severity::Low),
    ("fake-first-hop", Severity::Medium),
    ("fake-link", Severity::Low),
    ("flap", Severity::Low),
    ("long-path", Severity::Info),
    ("mass-withdrawal", Severity::Critical),
    ("moas", Severity::High),
    ("origin-change", Severity::Medium),
    ("otc-leak", Severity::High),
    ("own-sub-prefix", Severity::Medium),
    ("path-loop", Severity::Info),
    ("peer-health", Severity::Info),
    ("route-leak", Severity::Low),
    ("rpki-invalid", Severity::High),
    ("sub-prefix", Severity::Critical),
    ("super-prefix", Severity::Low),
    ("tier1-sandwich", Severity::Medium),
    ("visibility-loss", Severity::High),
];

/// The base severity of a type; `None` = it is never planted.
#[must_use]
pub fn base_severity(kind: &str) -> Option<Severity> {
    let found = TYPES.iter().find(|(name, _)| *name == kind);
    found.map(|(_, severity)| *severity)
}

/// One planted story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Number of the story, from 1.
    pub story: u32,
    /// What it is: a type, or the name of a benign twin.
    pub recipe: String,
    /// The incident that must be found; absent = nothing above `info` may be found on its prefix; where
    /// that is `null`, of its suspect on none.
    pub expected: Option<String>,
    /// The prefix that is announced or withdrawn; `null` = it is about no single one.
    pub prefix: Option<String>,
    /// The prefixes that it touches, where it is about no single one and they are not a whole table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<String>,
    /// Who is at fault; of a benign twin, who might be taken for it.
    pub suspect: u32,
    /// Types that are found beside it, on any prefix of it, and rightly.
    pub also: Vec<String>,
    /// Event time of the first planted message that may raise suspicion, microseconds since the Unix epoch.
    pub begins_us: i64,
    /// Event time of the message that must raise it, or by when what has gone must have been away long enough.
    pub due_us: i64,
    /// Event time of the first message that ends it for its vantage point.
    pub stands_until_us: i64,
    /// Event time of the last planted message; then the story is over.
    pub ends_us: i64,
    /// Distinct ASNs of the vantage points that carry it, or lose what they had.
    pub carriers: u32,
}
