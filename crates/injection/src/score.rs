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
    /// The prefix that it is about; `null` = no single one.
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
    /// Of conflicts: found with their type, prefix and suspect, at the base severity or above; what is about no single
    /// prefix, at its time. Of benign twins: found to be harmless.
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

/// What is about no single prefix belongs to a story of its suspect that ended so short a time before.
const AFTERWARDS_US: i64 = 60_000_000;

/// Compares. Types that are never planted are not counted beside.
#[must_use]
pub fn score(labels: &[Label], incidents: &[Incident]) -> Report {
    let mut on: BTreeMap<Option<&str>, Vec<&Incident>> = BTreeMap::new();
    for incident in incidents {
        on.entry(incident.prefix.as_deref())
            .or_default()
            .push(incident);
    }
    let mut report = Report::default();
    for label in labels {
        let found = on.get(&label.prefix.as_deref()).into_iter().flatten();
        let found: Vec<&Incident> = found
            .copied()
            .filter(|incident| label.prefix.is_some() || is_of(label, incident))
            .collect();
        let row = report.rows.entry(label.recipe.clone()).or_default();
        row.told += 1;
        match &label.expected {
            Some(kind) => conflict(row, label, kind, &found),
            None => benign(row, &found),
        }
    }
    let told = Told::of(labels);
    let beside = incidents.iter().filter(|incident| {
        !told.holds(incident)
            && incident.confirmed_at.is_some()
            && base_severity(&incident.kind).is_some_and(|base| incident.severity >= base)
    });
    for incident in beside {
        *report.beside.entry(incident.kind.clone()).or_default() += 1;
    }
    report
}

/// True when an incident that is about no single prefix has the suspect and the time of a story that is about none.
fn is_of(label: &Label, incident: &Incident) -> bool {
    let during = label.begins_us..=label.ends_us + AFTERWARDS_US;
    let suspected = incident.suspected_at.as_deref().and_then(parse_rfc3339);
    incident.suspect_asn == Some(label.suspect) && suspected.is_some_and(|at| during.contains(&at))
}

/// Which incidents the stories explain.
#[derive(Default)]
struct Told<'a> {
    by_prefix: BTreeMap<&'a str, Vec<&'a str>>,
    by_suspect: BTreeMap<u32, Vec<&'a Label>>,
}

impl<'a> Told<'a> {
    fn of(labels: &'a [Label]) -> Self {
        let mut told = Self::default();
        for label in labels {
            let also = || label.also.iter().map(String::as_str);
            if let Some(prefix) = &label.prefix {
                let kinds = told.by_prefix.entry(prefix).or_default();
                kinds.extend(label.expected.as_deref().into_iter().chain(also()));
            } else {
                let of = told.by_suspect.entry(label.suspect).or_default();
                of.push(label);
            }
            for prefix in &label.prefixes {
                told.by_prefix.entry(prefix).or_default().extend(also());
            }
        }
        told
    }

    fn holds(&self, incident: &Incident) -> bool {
        let kind = incident.kind.as_str();
        if let Some(prefix) = incident.prefix.as_deref() {
            let kinds = self.by_prefix.get(prefix);
            return kinds.is_some_and(|kinds| kinds.contains(&kind));
        }
        let suspect = incident.suspect_asn;
        let labels = suspect.and_then(|suspect| self.by_suspect.get(&suspect));
        let mut labels = labels.into_iter().flatten();
        labels.any(|label| label.expected.as_deref() == Some(kind) && is_of(label, incident))
    }
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
            prefix: Some("240.0.0.0/16".to_owned()),
            prefixes: Vec::new(),
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
            prefix: label().prefix,
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
    fn only_what_people_are_told_of_is_beside(
        #[case] change: fn(&mut Incident),
        #[case] beside: u32,
    ) {
        let mut incident = found("sub-prefix", 64_510, IN_TIME.0, None);
        change(&mut incident);
        let report = score(&[label()], &[incident]);
        assert_eq!(report.beside.values().sum::<u32>(), beside);
    }

    /// A network that lost two prefixes.
    fn of_no_prefix() -> Label {
        Label {
            recipe: "mass-withdrawal".to_owned(),
            expected: Some("mass-withdrawal".to_owned()),
            prefix: None,
            prefixes: vec!["240.2.0.0/16".to_owned(), "240.3.0.0/16".to_owned()],
            also: vec!["visibility-loss".to_owned()],
            ..label()
        }
    }

    #[rstest]
    #[case::in_time("mass-withdrawal", 64_510, None, 20, [1, 0])]
    #[case::a_minute_after_it("mass-withdrawal", 64_510, None, 170, [1, 0])]
    #[case::another_time("mass-withdrawal", 64_510, None, 171, [0, 1])]
    #[case::before_it("mass-withdrawal", 64_510, None, 9, [0, 1])]
    #[case::another_suspect("mass-withdrawal", 64_511, None, 20, [0, 1])]
    #[case::another_type("peer-health", 64_510, None, 20, [0, 1])]
    #[case::on_a_prefix("mass-withdrawal", 64_510, Some("240.2.0.0/16"), 20, [0, 1])]
    #[case::rightly_found_beside("visibility-loss", 64_510, Some("240.2.0.0/16"), 20, [0, 0])]
    #[case::beside_on_no_prefix_of_it("visibility-loss", 64_510, Some("240.4.0.0/16"), 20, [0, 1])]
    fn what_is_about_no_prefix_counts_by_its_suspect_and_its_time(
        #[case] kind: &str,
        #[case] suspect: u32,
        #[case] prefix: Option<&str>,
        #[case] suspected_s: i64,
        #[case] counts: [u32; 2],
    ) {
        let incident = Incident {
            prefix: prefix.map(str::to_owned),
            ..found(kind, suspect, suspected_s * SECOND_US, None)
        };
        let report = score(&[of_no_prefix()], &[incident]);
        let right = report.rows["mass-withdrawal"].right;
        assert_eq!([right, report.beside.values().sum()], counts);
    }

    #[rstest]
    #[case::of_another(64_511, 20, 1)]
    #[case::at_another_time(64_510, 200, 1)]
    #[case::of_its_suspect(64_510, 20, 0)]
    fn a_harmless_story_of_no_prefix_is_not_taken_for_a_conflict(
        #[case] suspect: u32,
        #[case] suspected_s: i64,
        #[case] right: u32,
    ) {
        let label = Label {
            recipe: "few-prefixes-gone".to_owned(),
            expected: None,
            ..of_no_prefix()
        };
        let incident = Incident {
            prefix: None,
            ..found("mass-withdrawal", suspect, suspected_s * SECOND_US, None)
        };
        let report = score(&[label], &[incident]);
        assert_eq!(report.rows["few-prefixes-gone"].right, right);
        // Nobody planted it, so it is beside in any case.
        assert_eq!(report.beside["mass-withdrawal"], 1);
    }

    #[rstest]
    #[case(r#""prefix":null,"members":["240.0.0.0/16"],"member_count":8,"#, None)]
    #[case("", None)]
    #[case(r#""prefix":"240.0.0.0/16","#, Some("240.0.0.0/16"))]
    fn incidents_of_no_prefix_are_read(#[case] prefix: &str, #[case] read: Option<&str>) {
        let text = format!(
            r#"{{"type":"mass-withdrawal",{prefix}"suspect_asn":64510,"severity":"critical"}}"#
        );
        let incident: Incident = serde_json::from_str(&text).unwrap();
        assert_eq!(incident.prefix.as_deref(), read);
        assert_eq!(incident.suspected_at, None);
    }

    #[rstest]
    #[case(label())]
    #[case(of_no_prefix())]
    fn labels_are_read_as_they_were_written(#[case] label: Label) {
        let text = serde_json::to_string(&label).unwrap();
        assert_eq!(text.contains(r#""prefix":null"#), label.prefix.is_none());
        assert_eq!(text.contains("prefixes"), label.prefix.is_none());
        assert_eq!(serde_json::from_str::<Label>(&text).unwrap(), label);
    }
}
