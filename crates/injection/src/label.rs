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

/// The types that are planted so far, with their base severities as `docs/rules.md` has them.
pub const TYPES: [(&str, Severity); 15] = [
    ("aspa-invalid", Severity::High),
    ("bogon-asn", Severity::Low),
    ("bogon-prefix", Severity::Medium),
    ("default-or-too-specific", Severity::Low),
    ("flap", Severity::Low),
    ("long-path", Severity::Info),
    ("moas", Severity::High),
    ("origin-change", Severity::Medium),
    ("otc-leak", Severity::High),
    ("path-loop", Severity::Info),
    ("route-leak", Severity::Low),
    ("rpki-invalid", Severity::High),
    ("sub-prefix", Severity::Critical),
    ("super-prefix", Severity::Low),
    ("tier1-sandwich", Severity::Medium),
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
    /// The incident that must be found; absent = nothing above `info` may be found on its prefix.
    pub expected: Option<String>,
    /// The prefix that is announced.
    pub prefix: String,
    /// Who is at fault; of a benign twin, who might be taken for it.
    pub suspect: u32,
    /// Types that are found beside it, and rightly.
    pub also: Vec<String>,
    /// Event time of the first planted message that may raise suspicion, microseconds since the Unix epoch.
    pub begins_us: i64,
    /// Event time of the message that must raise it.
    pub due_us: i64,
    /// Event time of the first message that ends it for its vantage point.
    pub stands_until_us: i64,
    /// Event time of the last planted message; then the story is over.
    pub ends_us: i64,
    /// Distinct ASNs of the vantage points that carry it.
    pub carriers: u32,
}
