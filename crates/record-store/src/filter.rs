//! What to list, and where to go on.

use weir_routing::prefix::Prefix;

use crate::incident::{IncidentRow, Severity, State};

/// Most incidents on one page.
pub const MAX_PAGE: usize = 500;

/// How the prefix of an incident must lie to the one that was asked for; equality counts in all. A group is found by
/// the prefixes of the members that it tells or has told; what has neither a prefix nor members by none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixMatch {
    /// The same prefix.
    Exact(Prefix),
    /// Inside it.
    CoveredBy(Prefix),
    /// Around it.
    Covers(Prefix),
    /// Inside or around it: what a person means who types a prefix.
    Overlaps(Prefix),
}

impl PrefixMatch {
    /// True when a prefix lies so.
    #[must_use]
    pub fn holds(&self, prefix: Prefix) -> bool {
        match self {
            Self::Exact(wanted) => *wanted == prefix,
            Self::CoveredBy(wanted) => wanted.covers(&prefix),
            Self::Covers(wanted) => prefix.covers(wanted),
            Self::Overlaps(wanted) => wanted.covers(&prefix) || prefix.covers(wanted),
        }
    }

    /// True when the prefix of an incident, or of a member that it tells, lies so: the question that the store
    /// answers in SQL.
    #[must_use]
    pub fn finds(&self, row: &IncidentRow) -> bool {
        row.prefixes().any(|prefix| self.holds(prefix))
    }
}

/// What to list. An empty list of values means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Names of rules.
    pub types: Vec<String>,
    /// States.
    pub states: Vec<State>,
    /// Severities.
    pub severities: Vec<Severity>,
    /// Where the prefix lies, or that of a member.
    pub prefix: Option<PrefixMatch>,
    /// An origin, expected origin, suspect or victim, now or before.
    pub asn: Option<u32>,
    /// Of this case: nothing where it is no id.
    pub case: Option<String>,
    /// First seen at or after this, microseconds.
    pub from_us: Option<i64>,
    /// First seen before this, microseconds.
    pub to_us: Option<i64>,
    /// Only made-up ones, or only real ones.
    pub synthetic: Option<bool>,
}

/// A place in the list: after this incident. New incidents appear before it, so that paging goes
/// on undisturbed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) first_seen_us: i64,
    pub(crate) id: String,
}

impl Cursor {
    /// The place right after this incident.
    #[must_use]
    pub fn after(row: &IncidentRow) -> Self {
        Self {
            first_seen_us: row.first_seen_us,
            id: row.id.clone(),
        }
    }

    /// Text for a URL; its inside is nobody's business.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!(
            "{:016x}{}",
            self.first_seen_us.cast_unsigned(),
            self.id.replace('-', "")
        )
    }

    /// Reads what `to_text` wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 48 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let (time, id) = text.split_at(16);
        let part = |range| id.get(range).unwrap_or_default();
        Some(Self {
            first_seen_us: u64::from_str_radix(time, 16).ok()?.cast_signed(),
            id: format!(
                "{}-{}-{}-{}-{}",
                part(0..8),
                part(8..12),
                part(12..16),
                part(16..20),
                part(20..32)
            ),
        })
    }
}

/// Some incidents, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// At most the limit.
    pub incidents: Vec<IncidentRow>,
    /// Where to go on; absent at the end.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        let cursor = Cursor {
            first_seen_us: 1_203_878_820_000_001,
            id: "0192d3f4-1111-5222-8333-444455556666".into(),
        };
        assert_eq!(Cursor::parse(&cursor.to_text()), Some(cursor));
        for bad in ["", "x", &"g".repeat(48), &"é".repeat(24)] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
