//! `docs/rules.md` tells people about exactly the rules that there are, and how bad each is.

use weir_conflicts::{incident::Severity, rules, suspicion};

/// Name of the rule, and the first word on its severity, of each row.
fn rows() -> impl Iterator<Item = (&'static str, String)> {
    let page = include_str!("../../../docs/rules.md");
    page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.split('`').next()?;
        let severity = cells.nth(1)?.split([';', ',', ' ']).next()?;
        Some((name, severity.to_lowercase()))
    })
}

#[test]
fn every_rule_has_its_row_with_its_severity_and_every_row_its_rule() {
    let told: Vec<_> = rows().collect();
    let rules: Vec<_> = rules::ALL
        .iter()
        .map(|rule| {
            let severity = format!("{:?}", rule.severity()).to_lowercase();
            (rule.kind().name(), severity)
        })
        .collect();
    assert_eq!(told, rules);
}

#[test]
fn every_reason_that_raises_or_lowers_suspicion_is_told_with_its_points() {
    let page = include_str!("../../../docs/rules.md");
    let (_, told) = page.split_once("## Suspicion").unwrap();
    let (told, _) = told.split_once("\n## ").unwrap();
    let told: Vec<(&str, i32)> = told
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"))
        .map(|line| line.split_once("` | ").unwrap())
        .map(|(why, points)| (why, points.parse().unwrap()))
        .collect();
    assert_eq!(told, [&suspicion::FACTS[..], &suspicion::EXCUSES].concat());
    for (points, when) in [
        (suspicion::CONFIRMED, "more when it was confirmed"),
        (suspicion::WIDELY_SEEN, "more while half"),
        (suspicion::ONE_PEER, "while peers of"),
    ] {
        let said = format!("{points} {when}");
        assert!(page.contains(&said), "{said}");
    }
    for severity in Severity::ALL {
        let name = format!("{severity:?}").to_lowercase();
        let beginning = format!("{name} {}", suspicion::beginning(severity));
        assert!(page.contains(&beginning), "{beginning}");
    }
}
