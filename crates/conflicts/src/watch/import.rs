//! Lists that others have: a `prefixes.yml` of BGPalerter, a configuration of ARTEMIS. What a watch list cannot say
//! is named in the remarks, beside what it belongs to.

mod artemis;
mod bgpalerter;
mod yaml;

use std::{collections::BTreeSet, net::IpAddr};

use weir_routing::{Asn, Prefix};

use super::{CheckError, Remarks, WatchList, file::short};
pub use yaml::YamlError;
use yaml::{Node, Value};

/// A list, and what could not be translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The list.
    pub list: WatchList,
    /// What was left out or means something else here.
    pub remarks: Remarks,
}

/// Why a file of others cannot be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ImportError {
    /// It is not YAML, or more of it than anybody writes.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A value that is none.
    #[error("line {line}: `{key}` is {found}: expected {expected}")]
    Value {
        /// Which, from 1.
        line: usize,
        /// Of what.
        key: String,
        /// The value, shortened.
        found: String,
        /// What stands there usually.
        expected: &'static str,
    },
    /// It says what nobody can have meant.
    #[error(transparent)]
    Check(#[from] CheckError),
}

/// Reads the `prefixes.yml` of BGPalerter.
///
/// # Errors
/// When the text is none, with the line.
pub fn bgpalerter(text: &str) -> Result<Imported, ImportError> {
    bgpalerter::read(&yaml::parse(text)?)
}

/// Reads a configuration of ARTEMIS.
///
/// # Errors
/// When the text is none, with the line.
pub fn artemis(text: &str) -> Result<Imported, ImportError> {
    artemis::read(&yaml::parse(text)?)
}

/// The pairs of a mapping; none for nothing at all.
fn pairs<'a>(key: &str, node: &'a Node) -> Result<&'a [(String, Node)], ImportError> {
    match &node.value {
        Value::Null => Ok(&[]),
        Value::Map(pairs) => Ok(pairs),
        _ => Err(wrong(key, node, "keys with values")),
    }
}

/// The text of a scalar.
fn text<'a>(key: &str, node: &'a Node) -> Result<&'a str, ImportError> {
    match &node.value {
        Value::Text(text) => Ok(text),
        _ => Err(wrong(key, node, "a text")),
    }
}

fn boolean(key: &str, node: &Node) -> Result<bool, ImportError> {
    match &node.value {
        Value::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(wrong(key, node, "true or false")),
    }
}

fn asn(key: &str, node: &Node) -> Result<Asn, ImportError> {
    match &node.value {
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
    .ok_or_else(|| wrong(key, node, "an AS number"))
}

fn asns(key: &str, node: &Node) -> Result<BTreeSet<Asn>, ImportError> {
    let all = node.scalars();
    all.into_iter().map(|one| asn(key, one)).collect()
}

/// A prefix, and a remark when bits behind its length were dropped.
fn prefix(node_line: usize, text: &str) -> Result<(Prefix, Option<String>), ImportError> {
    let Ok(prefix) = text.parse::<Prefix>() else {
        return Err(ImportError::Value {
            line: node_line,
            key: short(text),
            found: "no prefix".to_owned(),
            expected: "address/length",
        });
    };
    let address = text
        .split_once('/')
        .map(|(address, _)| address.parse::<IpAddr>());
    let is_exact = address == Some(Ok(prefix.address()));
    Ok((
        prefix,
        (!is_exact).then(|| format!("{text} was taken for this")),
    ))
}

fn wrong(key: &str, node: &Node, expected: &'static str) -> ImportError {
    ImportError::Value {
        line: node.line,
        key: short(key),
        found: short(&node.to_string()),
        expected,
    }
}

fn untranslated(what: &str, value: &Node) -> String {
    format!("not translated: {what}: {value}")
}

#[cfg(test)]
mod tests;
