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
    /// The announced prefix; null where it is about no single one, and then about no story.
    pub prefix: Option<String>,
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
    /// Confirmed incidents of base severity or above on prefixes that no story is about, by type. Groups have none: what
    /// they consist of counts.
    pub beside: BTreeMap<String, u32>,
}

/// Late by so much is at once.
const AT_ONCE_US: i64 = 1_000_000;

/// Compares. Types that are never planted are not counted beside.
#[must_use]
pub fn score(labels: &[Label], incidents: &[Incident]) -> Report {
    let mut on: BTreeMap<&str, Vec<&Incident>> = BTreeMap::new();
    for incident in incidents {
        if let Some(prefix) = &incident.prefix {
            on.entry(prefix).or_default().push(incident);
        }
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
    let is_told = |prefix: &str, incident: &Incident| {
        told.get(prefix).is_some_and(|label| {
            let mut kinds = label.expected.iter().chain(&label.also);
            kinds.any(|kind| *kind == incident.kind)
        })
    };
    let beside = incidents.iter().filter(|incident| {
        let prefix = incident.prefix.as_deref();
        prefix.is_some_and(|prefix| !is_told(prefix, incident))
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

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use weir_events::time::{SECOND_US, rfc3339};

    use super::*;

    /// A story of AS64510 that begins at 10 s, must be suspected at 20 s, stands until 100 s and is over at 110 s.
    fn label() -> Label {
        Label {
            story: 1,
            recipe: "rpki-invalid".to_owned(),
            expected: Some("rpki-invalid".to_owned()),
            prefix: "240.0.0.0/16".to_owned(),
            suspect: 64_510,
            also: vec!["moas".to_owned()],
            begins_us: 10 * SECOND_US,
            due_us: 20 * SECOND_US,
            stands_until_us: 100 * SECOND_US,
            ends_us: 110 * SECOND_US,
            carriers: 5,
        }
    }

    /// Confirmed on the prefix of the story, as severe as one can be.
    fn found(kind: &str, suspect: u32, suspected_us: i64, ended_us: Option<i64>) -> Incident {
        Incident {
            kind: kind.to_owned(),
            prefix: Some(label().prefix),
            suspect_asn: Some(suspect),
            severity: Severity::Critical,
            suspected_at: Some(rfc3339(suspected_us)),
            confirmed_at: Some(rfc3339(suspected_us)),
            ended_at: ended_us.map(rfc3339),
        }
    }

    const IN_TIME: (i64, Option<i64>) = (20_000_000, Some(105_000_000));

    #[rstest]
    #[case::in_time("rpki-invalid", 64_510, IN_TIME, [1, 1, 1, 0])]
    #[case::before_it_began("rpki-invalid", 64_510, (9_999_999, IN_TIME.1), [1, 0, 1, 0])]
    #[case::as_it_began("rpki-invalid", 64_510, (10_000_000, IN_TIME.1), [1, 1, 1, 0])]
    #[case::a_second_late("rpki-invalid", 64_510, (21_000_000, IN_TIME.1), [1, 1, 1, 0])]
    #[case::later("rpki-invalid", 64_510, (21_000_001, IN_TIME.1), [1, 0, 1, 0])]
    #[case::ended_while_it_stood("rpki-invalid", 64_510, (IN_TIME.0, Some(99_999_999)), [1, 1, 0, 0])]
    #[case::ended_with_its_first_route("rpki-invalid", 64_510, (IN_TIME.0, Some(100_000_000)), [1, 1, 1, 0])]
    #[case::ended_a_second_late("rpki-invalid", 64_510, (IN_TIME.0, Some(111_000_000)), [1, 1, 1, 0])]
    #[case::ended_later("rpki-invalid", 64_510, (IN_TIME.0, Some(111_000_001)), [1, 1, 0, 0])]
    #[case::not_ended("rpki-invalid", 64_510, (IN_TIME.0, None), [1, 1, 0, 0])]
    #[case::of_another_suspect("rpki-invalid", 64_511, IN_TIME, [0, 0, 0, 0])]
    #[case::rightly_found_beside("moas", 64_510, IN_TIME, [0, 0, 0, 0])]
    #[case::wrongly_found_beside("sub-prefix", 64_510, IN_TIME, [0, 0, 0, 1])]
    #[case::of_a_type_that_is_never_planted("unheard-of", 64_510, IN_TIME, [0, 0, 0, 0])]
    fn an_incident_counts_by_its_type_its_suspect_and_its_times(
        #[case] kind: &str,
        #[case] suspect: u32,
        #[case] times: (i64, Option<i64>),
        #[case] counts: [u32; 4],
    ) {
        let ((suspected_us, ended_us), [right, at_once, ended, beside]) = (times, counts);
        let incident = found(kind, suspect, suspected_us, ended_us);
        let report = score(&[label()], &[incident]);
        let row = &report.rows["rpki-invalid"];
        assert_eq!(
            [row.told, row.right, row.at_once, row.ended],
            [1, right, at_once, ended]
        );
        assert_eq!(report.beside.values().sum::<u32>(), beside);
        let instead = BTreeMap::from([(format!("{kind} critical"), 1)]);
        assert_eq!(row.instead, if right == 1 { [].into() } else { instead });
    }

    #[rstest]
    #[case::not_confirmed(|it: &mut Incident| it.confirmed_at = None, 0)]
    #[case::milder_than_its_type(|it: &mut Incident| it.severity = Severity::High, 0)]
    #[case::on_a_prefix_of_no_story(|it: &mut Incident| it.prefix = Some("240.1.0.0/16".to_owned()), 1)]
    #[case::a_group(|it: &mut Incident| it.prefix = None, 0)]
    fn only_what_people_are_told_of_is_beside(
        #[case] change: fn(&mut Incident),
        #[case] beside: u32,
    ) {
        let mut incident = found("sub-prefix", 64_510, IN_TIME.0, None);
        change(&mut incident);
        let report = score(&[label()], &[incident]);
        assert_eq!(report.beside.values().sum::<u32>(), beside);
    }
}
