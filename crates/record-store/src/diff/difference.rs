//! One difference: which side has it, and what is other.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Report, Sketch};
use crate::incident::Severity;

/// An incident that one side has alone, or that both have differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// B has it, and A has nothing like it.
    Raised(Sketch),
    /// A has it, and B has nothing like it.
    Missed(Sketch),
    /// Both have it; what is other is in its aspects.
    Changed {
        /// As A has it.
        a: Sketch,
        /// As B has it.
        b: Sketch,
    },
}

/// In what two incidents differ, or that one is alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// In B only.
    Raised,
    /// In A only.
    Missed,
    /// Another rule found it.
    Type,
    /// It began at another time.
    Began,
    /// It ended for another reason or at another time, or goes on.
    Ended,
    /// It matters more, or less.
    Severity,
    /// More of it is believed, or less.
    Suspicion,
    /// It was confirmed in one, and never in the other.
    Confirmed,
    /// It is made up in one, and observed in the other.
    Synthetic,
}

impl Aspect {
    /// Every one, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::Raised,
        Self::Missed,
        Self::Type,
        Self::Began,
        Self::Ended,
        Self::Severity,
        Self::Suspicion,
        Self::Confirmed,
        Self::Synthetic,
    ];

    /// Its name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Missed => "missed",
            Self::Type => "type",
            Self::Began => "began",
            Self::Ended => "ended",
            Self::Severity => "severity",
            Self::Suspicion => "suspicion",
            Self::Confirmed => "confirmed",
            Self::Synthetic => "synthetic",
        }
    }
}

/// How many differences of a rule have each aspect, in the order of [`Aspect::ALL`]. One difference may have several.
pub type Tally = BTreeMap<String, [u64; Aspect::ALL.len()]>;

impl Report {
    /// Differences by rule; of those whose type changed, by both.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::new();
        for difference in &self.differences {
            let of_rule = tally.entry(difference.rule()).or_default();
            for aspect in difference.aspects() {
                of_rule[aspect as usize] += 1;
            }
        }
        tally
    }
}

impl Difference {
    /// As A has it.
    #[must_use]
    pub fn a(&self) -> Option<&Sketch> {
        match self {
            Self::Missed(a) | Self::Changed { a, .. } => Some(a),
            Self::Raised(_) => None,
        }
    }

    /// As B has it.
    #[must_use]
    pub fn b(&self) -> Option<&Sketch> {
        match self {
            Self::Raised(b) | Self::Changed { b, .. } => Some(b),
            Self::Missed(_) => None,
        }
    }

    /// As A has it, else as B has it: both have one prefix and one suspect.
    #[must_use]
    pub fn either(&self) -> &Sketch {
        match self {
            Self::Missed(one) | Self::Raised(one) | Self::Changed { a: one, .. } => one,
        }
    }

    /// Name of the rule; `a -> b` where the type changed.
    #[must_use]
    pub fn rule(&self) -> String {
        match self {
            Self::Changed { a, b } if a.kind != b.kind => format!("{} -> {}", a.kind, b.kind),
            _ => self.either().kind.to_string(),
        }
    }

    /// The worse severity of both sides.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let one = self.either().severity;
        self.b().map_or(one, |b| one.max(b.severity))
    }

    /// True where one side at least is made up.
    #[must_use]
    pub fn is_synthetic(&self) -> bool {
        self.either().synthetic || self.b().is_some_and(|b| b.synthetic)
    }

    /// In what both differ; the one word for what is alone.
    #[must_use]
    pub fn aspects(&self) -> Vec<Aspect> {
        let (a, b) = match self {
            Self::Raised(_) => return vec![Aspect::Raised],
            Self::Missed(_) => return vec![Aspect::Missed],
            Self::Changed { a, b } => (a, b),
        };
        let end = |of: &Sketch| (of.ended_at_us, of.end_reason);
        let differ = [
            (Aspect::Type, a.kind != b.kind),
            (Aspect::Began, a.first_seen_us != b.first_seen_us),
            (Aspect::Ended, end(a) != end(b)),
            (Aspect::Severity, a.severity != b.severity),
            (Aspect::Suspicion, a.suspicion != b.suspicion),
            (Aspect::Confirmed, a.confirmed != b.confirmed),
            (Aspect::Synthetic, a.synthetic != b.synthetic),
        ];
        let differ = differ.into_iter().filter(|(_, differs)| *differs);
        differ.map(|(aspect, _)| aspect).collect()
    }

    /// The most severe first, then the earliest; the same whichever side is called A.
    pub(super) fn rank(&self) -> (Reverse<Severity>, i64, u128) {
        let (one, other) = (self.either(), self.b().unwrap_or(self.either()));
        let first = one.first_seen_us.min(other.first_seen_us);
        (Reverse(self.severity()), first, one.id.min(other.id))
    }
}

/// One JSON object: what kind of difference, in what, of which incident, and how either side has it (null = not).
impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let one = self.either();
        let (word, changed) = match self {
            Self::Raised(_) => ("raised", Vec::new()),
            Self::Missed(_) => ("missed", Vec::new()),
            Self::Changed { .. } => ("changed", self.aspects()),
        };
        let mut object = to.serialize_struct("Difference", 8)?;
        object.serialize_field("difference", word)?;
        object.serialize_field("changed", &changed)?;
        object.serialize_field("type", &self.rule())?;
        object.serialize_field("prefix", &one.prefix)?;
        object.serialize_field("suspect_asn", &one.suspect_asn)?;
        object.serialize_field("synthetic", &self.is_synthetic())?;
        object.serialize_field("a", &self.a())?;
        object.serialize_field("b", &self.b())?;
        object.end()
    }
}
