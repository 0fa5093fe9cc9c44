//! A configuration of ARTEMIS: `rules` say who may originate which prefixes, and behind whom; `prefixes` and `asns`
//! give them names, which rules use as aliases.

mod range;

use std::collections::{BTreeMap, BTreeSet};

use weir_routing::{Asn, Prefix};

use super::{
    ImportError, Imported, Node, Remarks, Value, WatchList, pairs, text, untranslated, wrong,
};
use crate::watch::{Policy, WatchedPrefix};
use range::Range;

/// What a rule says of each of its prefixes.
struct Rule {
    number: usize,
    ranges: Vec<Range>,
    origins: Option<BTreeSet<Asn>>,
    neighbours: Option<BTreeSet<Asn>>,
    policies: BTreeSet<Policy>,
    said: Vec<String>,
}

pub(super) fn read(root: &Node) -> Result<Imported, ImportError> {
    let mut remarks = Remarks::default();
    let mut rules = Vec::new();
    let mut names: &[(String, Node)] = &[];
    for (key, value) in pairs("the file", root)? {
        match key.as_str() {
            "rules" => rules = read_rules(value)?,
            "prefixes" => names = pairs("prefixes", value)?,
            // Names of numbers: rules have the numbers.
            "asns" => {}
            _ => remarks.head.push(untranslated(key, value)),
        }
    }
    let mut found = BTreeMap::new();
    for rule in &rules {
        for range in &rule.ranges {
            merge(&mut found, &mut remarks, rule, range);
        }
    }
    for (name, node) in names {
        let unused = unused(name, node, &found)?;
        remarks.head.extend(unused);
    }
    if !found.is_empty() {
        remarks.head.push(
            "own networks are not named there: write a [[network]] for each, to hear of it whatever the prefix"
                .to_owned(),
        );
    }
    let list = WatchList::new(Vec::new(), found.into_values().collect())?;
    Ok(Imported { list, remarks })
}

fn read_rules(node: &Node) -> Result<Vec<Rule>, ImportError> {
    match &node.value {
        Value::Null => Ok(Vec::new()),
        Value::List(rules) => (1..)
            .zip(rules)
            .map(|(number, node)| read_rule(number, node))
            .collect(),
        _ => Err(wrong("rules", node, "a list")),
    }
}

fn read_rule(number: usize, node: &Node) -> Result<Rule, ImportError> {
    let place = format!("rule {number}");
    let mut rule = Rule {
        number,
        ranges: Vec::new(),
        // Space that is not announced: who announces it squats there.
        origins: Some(BTreeSet::new()),
        neighbours: None,
        policies: BTreeSet::new(),
        said: Vec::new(),
    };
    for (key, value) in pairs(&place, node)? {
        let named = format!("{place}: {key}");
        match key.as_str() {
            "prefixes" => rule.ranges = ranges(&named, value)?,
            "origin_asns" => rule.origins = networks(&named, value, &mut rule.said)?,
            "neighbors" => {
                // Nobody named is nobody asked for.
                let neighbours = networks(&named, value, &mut rule.said)?;
                rule.neighbours = neighbours.filter(|asns| !asns.is_empty());
            }
            "policies" => policies(&named, value, &mut rule)?,
            // As older versions have it.
            "no-export" if super::boolean(&named, value)? => {
                rule.policies.insert(Policy::NoExport);
            }
            "no-export" => {}
            _ => rule.said.push(untranslated(&named, value)),
        }
    }
    match rule.ranges.is_empty() {
        true => {
            let nothing = Node::nothing(node.line);
            Err(wrong(&format!("{place}: prefixes"), &nothing, "prefixes"))
        }
        false => Ok(rule),
    }
}

fn ranges(key: &str, node: &Node) -> Result<Vec<Range>, ImportError> {
    let all = node.scalars();
    let all = all.into_iter();
    all.map(|one| Range::read(one.line, text(key, one)?))
        .collect()
}

/// The numbers of a list; `None` = anybody, or somebody who is not named by a number.
fn networks(
    key: &str,
    node: &Node,
    said: &mut Vec<String>,
) -> Result<Option<BTreeSet<Asn>>, ImportError> {
    let (mut asns, mut is_open) = (BTreeSet::new(), false);
    for one in node.scalars() {
        match text(key, one)? {
            "*" | "-1" => is_open = true,
            text => match text.parse() {
                Ok(asn) => {
                    asns.insert(asn);
                }
                // The name of a set of a registry, which nobody has looked up.
                Err(_) => {
                    is_open = true;
                    said.push(untranslated(key, one));
                }
            },
        }
    }
    Ok((!is_open).then_some(asns))
}

fn policies(key: &str, node: &Node, rule: &mut Rule) -> Result<(), ImportError> {
    for one in node.scalars() {
        let name = text(key, one)?;
        match Policy::ALL.into_iter().find(|policy| policy.name() == name) {
            Some(policy) => {
                rule.policies.insert(policy);
            }
            None => rule.said.push(untranslated(key, one)),
        }
    }
    Ok(())
}

/// Several rules may speak of one prefix: what one of them allows is allowed.
fn merge(
    found: &mut BTreeMap<Prefix, WatchedPrefix>,
    remarks: &mut Remarks,
    rule: &Rule,
    range: &Range,
) {
    let prefix = range.prefix;
    let said = remarks.prefixes.entry(prefix).or_default();
    said.push(format!("rule {}", rule.number));
    said.extend(range.remarks.iter().cloned());
    said.extend(rule.said.iter().cloned());
    let new = WatchedPrefix {
        origins: rule.origins.clone(),
        upstreams: rule.neighbours.clone(),
        max_length: range.max_length,
        policies: rule.policies.clone(),
        ..WatchedPrefix::new(prefix)
    };
    let Some(entry) = found.get_mut(&prefix) else {
        found.insert(prefix, new);
        return;
    };
    said.push(
        "more than one rule: any of their neighbours may stand before any of their origins"
            .to_owned(),
    );
    entry.origins = either(entry.origins.take(), new.origins);
    entry.upstreams = either(entry.upstreams.take(), new.upstreams);
    entry.max_length = entry.max_length.max(new.max_length);
    entry
        .policies
        .retain(|policy| new.policies.contains(policy));
}

/// Both; anybody, where one of them says so.
fn either(a: Option<BTreeSet<Asn>>, b: Option<BTreeSet<Asn>>) -> Option<BTreeSet<Asn>> {
    Some(a?.into_iter().chain(b?).collect())
}

/// A name whose prefixes are in no rule.
fn unused(
    name: &str,
    node: &Node,
    found: &BTreeMap<Prefix, WatchedPrefix>,
) -> Result<Option<String>, ImportError> {
    let key = format!("prefixes: {name}");
    let mut lost = ranges(&key, node)?;
    lost.retain(|range| !found.contains_key(&range.prefix));
    let lost: Vec<String> = lost.iter().map(|range| range.prefix.to_string()).collect();
    Ok((!lost.is_empty()).then(|| format!("in no rule: {} of {name}", lost.join(", "))))
}
