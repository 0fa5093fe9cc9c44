//! The `prefixes.yml` of BGPalerter: a prefix is a key, `options.monitorASns` has the networks.

use std::collections::BTreeSet;

use super::{
    ImportError, Imported, Node, Remarks, Value, WatchList, asns, boolean, pairs, prefix, text,
    untranslated, wrong,
};
use crate::watch::{WatchedNetwork, WatchedPrefix};

pub(super) fn read(root: &Node) -> Result<Imported, ImportError> {
    let (mut networks, mut prefixes) = (Vec::new(), Vec::new());
    let mut remarks = Remarks::default();
    for (key, node) in pairs("the file", root)? {
        if key == "options" {
            networks = options(node, &mut remarks)?;
            continue;
        }
        let (prefix, remark) = prefix(node.line, key)?;
        let (entry, mut said) = watched(WatchedPrefix::new(prefix), key, node)?;
        said.extend(remark);
        if !said.is_empty() {
            remarks.prefixes.insert(prefix, said);
        }
        prefixes.push(entry);
    }
    let list = WatchList::new(networks, prefixes)?;
    Ok(Imported { list, remarks })
}

fn watched(
    mut entry: WatchedPrefix,
    place: &str,
    node: &Node,
) -> Result<(WatchedPrefix, Vec<String>), ImportError> {
    let mut said = Vec::new();
    for (key, value) in pairs(place, node)? {
        let named = format!("{place}: {key}");
        match key.as_str() {
            "asn" => entry.origins = Some(asns(&named, value)?),
            "description" => entry.description = description(&named, value)?,
            "group" => entry.groups = groups(&named, value)?,
            "ignoreMorespecifics" => entry.ignore_more_specifics = boolean(&named, value)?,
            "ignore" => entry.ignore = boolean(&named, value)?,
            // Kept apart, since each of them is a condition of its own.
            "path" => {
                for (part, value) in pairs(&named, value)? {
                    said.push(untranslated(&format!("path.{part}"), value));
                }
            }
            _ => said.push(untranslated(key, value)),
        }
    }
    // An empty list of origins would say that nobody may originate it, which the file does not.
    let has_origin = entry.origins.as_ref().is_some_and(|asns| !asns.is_empty());
    if !has_origin && !entry.ignore {
        let key = format!("{place}: asn");
        return Err(wrong(&key, &Node::nothing(node.line), "AS numbers"));
    }
    if !has_origin {
        entry.origins = None;
    }
    Ok((entry, said))
}

fn options(node: &Node, remarks: &mut Remarks) -> Result<Vec<WatchedNetwork>, ImportError> {
    let mut networks = Vec::new();
    for (key, value) in pairs("options", node)? {
        if key != "monitorASns" {
            let what = format!("options.{key}");
            remarks.head.push(untranslated(&what, value));
            continue;
        }
        for (number, value) in pairs("options.monitorASns", value)? {
            let (network, said) = network(number, value)?;
            if !said.is_empty() {
                remarks.networks.insert(network.asn, said);
            }
            networks.push(network);
        }
    }
    Ok(networks)
}

fn network(number: &str, node: &Node) -> Result<(WatchedNetwork, Vec<String>), ImportError> {
    let place = format!("options.monitorASns.{number}");
    let mut network = WatchedNetwork {
        asn: number
            .parse()
            .map_err(|_| wrong(&place, node, "a key that is an AS number"))?,
        ..WatchedNetwork::default()
    };
    let mut said = Vec::new();
    for (key, value) in pairs(&place, node)? {
        let named = format!("{place}.{key}");
        match key.as_str() {
            "group" => network.groups = groups(&named, value)?,
            "description" => network.description = description(&named, value)?,
            // A list with nothing in it says that there must be none.
            "upstreams" => network.upstreams = Some(asns(&named, value)?),
            "downstreams" => network.downstreams = Some(asns(&named, value)?),
            _ => said.push(untranslated(key, value)),
        }
    }
    Ok((network, said))
}

fn description(key: &str, node: &Node) -> Result<Option<String>, ImportError> {
    match node.value {
        Value::Null => Ok(None),
        _ => Ok(Some(text(key, node)?.to_owned()).filter(|text| !text.is_empty())),
    }
}

fn groups(key: &str, node: &Node) -> Result<BTreeSet<String>, ImportError> {
    let all = node.scalars();
    let all = all.into_iter();
    all.map(|one| Ok(text(key, one)?.to_owned())).collect()
}
