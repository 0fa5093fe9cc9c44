//! `docs/rules.md` tells people about exactly the rules that there are.

use weir_conflicts::rules;

#[test]
fn every_rule_has_its_row_and_every_row_its_rule() {
    let page = include_str!("../../../docs/rules.md");
    let rows: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let names: Vec<&str> = rules::ALL.iter().map(|rule| rule.kind().name()).collect();
    assert_eq!(rows, names);
}
