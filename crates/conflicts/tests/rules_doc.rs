//! `docs/rules.md` tells people about exactly the rules that there are, and how bad each is.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use weir_conflicts::{incident::Severity, peerings, rules, suspicion};

const PAGE: &str = include_str!("../../../docs/rules.md");

/// What stands under a heading.
fn section(heading: &str) -> &'static str {
    let (_, section) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
    section.split("\n## ").next().unwrap()
}

/// Name of the rule, and what is said of its severity, of each row of a table.
fn rows(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.split('`').next()?;
        Some((name, cells.nth(1)?))
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([';', ',', ' '])
}

#[test]
fn every_rule_has_its_row_with_its_severity_and_every_row_its_rule() {
    // The first table of the page.
    let (rules_of_routes, _) = PAGE.split_once("\n## ").unwrap();
    let first = |(name, told)| (name, words(told).next().unwrap());
    let told: Vec<_> = rows(rules_of_routes).map(first).collect();
    let rules: Vec<_> = rules::every()
        .iter()
        .map(|(kind, severity)| (kind.name(), severity.name()))
        .collect();
    assert_eq!(told, rules);
}

#[test]
fn every_rule_of_peerings_has_its_row_with_every_severity_that_it_has() {
    let is_severity = |word: &&str| Severity::ALL.iter().any(|of| of.name() == *word);
    let told: Vec<(&str, Vec<&str>)> = rows(section("Configured peerings"))
        .map(|(name, told)| (name, words(told).filter(is_severity).collect()))
        .collect();
    let rules: Vec<(&str, Vec<&str>)> = peerings::ALL
        .iter()
        .map(|rule| {
            let severities = rule.severities.iter().map(|of| of.name());
            (rule.kind.name(), severities.collect())
        })
        .collect();
    assert_eq!(told, rules);
}

#[test]
fn every_reason_that_raises_or_lowers_suspicion_is_told_with_its_points() {
    let told: Vec<(&str, i32)> = section("Suspicion")
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
        assert!(PAGE.contains(&said), "{said}");
    }
    for severity in Severity::ALL {
        let beginning = format!("{} {}", severity.name(), suspicion::beginning(severity));
        assert!(PAGE.contains(&beginning), "{beginning}");
    }
}
