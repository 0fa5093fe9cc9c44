//! Labels against incidents: what was found, what was missed, what was found beside.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;
use weir_events::time::parse_rfc3339;

use crate::label::{Label, Severity, base_severity};

/// An incident as it is exported, one JSON object per line.
#[derive(Clone, Debug, Deserialize)]
pub struct Incident {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The announced prefix.
    pub prefix: String,
    /// Who may be at fault.
    pub suspect_asn: Option<u32>,
    /// How bad.
    pub severity: Severity,
    /// RFC 3339; absent = never.
    pub suspected_at: Option<String>,
    /// RFC 3339; absent = never.
    pub confirmed_at: Option<String>,
    /// RFC 3339; absent = it goes on.
    pub ended_at: Option<String>,
}

/// What became of the stories of one recipe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Stories told.
    pub told: u32,
    /// Of conflicts: found with their type, prefix and suspect, at the base severity or above. Of benign twins:
    /// found to be harmless.
    pub right: u32,
    /// Of those found, suspected within a second of stream time.
    pub at_once: u32,
    /// Of those found, ended by the end of the story.
    pub ended: u32,
    /// What was found in place of what should have been, and how often.
    pub instead: BTreeMap<String, u32>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By recipe.
    pub rows: BTreeMap<String, Row>,
    /// Confirmed incidents of base severity or above that no story is about, by type.
    pub beside: BTreeMap<String, u32>,
}

/// Late by so much is at once.
const AT_ONCE_US: i64 = 1_000_000;

/// Compares. Types that are never planted are not counted beside.
#[must_use]
pub fn score(labels: &[Label], incidents: &[Incident]) -> Report {
    let mut on: BTreeMap<&str, Vec<&Incident>> = BTreeMap::new();
    for incident in incidents {
        on.entry(&incident.prefix).or_default().push(incident);
    }
    let mut report = Report::default();
    for label in labels {
        let found = on.get(label.prefix.as_str()).map_or(&[][..], Vec::as_slice);
        let row = report.rows.entry(label.recipe.clone()).or_default();
        row.told += 1;
        match &label.expected {
            Some(kind) => conflict(row, label, kind, found),
            None => benign(row, found),
        }
    }
    let stories = labels.iter().map(|label| (label.prefix.as_str(), label));
    let told: BTreeMap<&str, &Label> = stories.collect();
    let is_told = |incident: &Incident| {
        told.get(incident.prefix.as_str()).is_some_and(|label| {
            let mut kinds = label.expected.iter().chain(&label.also);
            kinds.any(|kind| *kind == incident.kind)
        })
    };
    let beside = incidents.iter().filter(|incident| {
        !is_told(incident)
            && incident.confirmed_at.is_some()
            && base_severity(&incident.kind).is_some_and(|base| incident.severity >= base)
    });
    for incident in beside {
        *report.beside.entry(incident.kind.clone()).or_default() += 1;
    }
    report
}

fn conflict(row: &mut Row, label: &Label, kind: &str, found: &[&Incident]) {
    let base = base_severity(kind).unwrap_or(Severity::Info);
    let hit = found.iter().find(|incident| {
        incident.kind == kind
            && incident.suspect_asn == Some(label.suspect)
            && incident.severity >= base
    });
    let Some(hit) = hit else {
        let what = found.first().map_or_else(
            || "nothing".to_owned(),
            |incident| format!("{} {:?}", incident.kind, incident.severity).to_lowercase(),
        );
        *row.instead.entry(what).or_default() += 1;
        return;
    };
    row.right += 1;
    let at = |text: &Option<String>| text.as_deref().and_then(parse_rfc3339);
    let suspected = at(&hit.suspected_at);
    let in_time = label.begins_us..=label.due_us + AT_ONCE_US;
    row.at_once += u32::from(suspected.is_some_and(|at| in_time.contains(&at)));
    let over = label.stands_until_us..=label.ends_us + AT_ONCE_US;
    row.ended += u32::from(at(&hit.ended_at).is_some_and(|at| over.contains(&at)));
}

fn benign(row: &mut Row, found: &[&Incident]) {
    match found
        .iter()
        .find(|incident| incident.severity > Severity::Info)
    {
        None => row.right += 1,
        Some(incident) => {
            let what = format!("{} {:?}", incident.kind, incident.severity).to_lowercase();
            *row.instead.entry(what).or_default() += 1;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<26}{:>6}{:>7}{:>9}{:>9}{:>7}{:>8}{:>11}  instead",
            "planted", "told", "right", "recall", "at once", "ended", "beside", "precision"
        )?;
        for (name, row) in &self.rows {
            let is_conflict = base_severity(name).is_some();
            let share = |part: u32, of: u32| 100.0 * f64::from(part) / f64::from(of.max(1));
            let beside = self.beside.get(name).copied().unwrap_or_default();
            let [at_once, ended, others, precision] = if is_conflict {
                [
                    row.at_once.to_string(),
                    row.ended.to_string(),
                    beside.to_string(),
                    format!("{:.1} %", share(row.right, row.right + beside)),
                ]
            } else {
                [const { String::new() }; 4]
            };
            let instead: Vec<String> = row
                .instead
                .iter()
                .map(|(what, times)| format!("{times} x {what}"))
                .collect();
            writeln!(
                f,
                "{name:<26}{:>6}{:>7}{:>7.1} %{at_once:>9}{ended:>7}{others:>8}{precision:>11}  {}",
                row.told,
                row.right,
                share(row.right, row.told),
                instead.join(", ")
            )?;
        }
        Ok(())
    }
}
