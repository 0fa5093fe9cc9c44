//! `docs/rules.md` tells people about exactly the rules that there are, and how bad each is.

use weir_conflicts::rules;

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
