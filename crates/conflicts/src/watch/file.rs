//! A watch list as TOML: `[[network]]` and `[[prefix]]` tables, for people to write and to review.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use weir_routing::{Asn, Prefix};

use super::{CheckError, Policy, WatchList, WatchedNetwork, WatchedPrefix};

/// A list is a book, not a library: bytes of a file that is read.
pub const MOST_BYTES: u64 = 16 << 20;
/// Longest piece of a remark or of a quoted line, in characters.
const QUOTED: usize = 300;

/// The tables of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    #[serde(default)]
    network: Vec<WatchedNetwork>,
    #[serde(default)]
    prefix: Vec<WatchedPrefix>,
}

/// Why a text is no watch list.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum FileError {
    /// It is not TOML, a key is unknown, or a value is of another type.
    #[error("line {line} (`{text}`): {reason}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What stands there.
        text: String,
        /// What was expected.
        reason: String,
    },
    /// It says what nobody can have meant.
    #[error(transparent)]
    Check(#[from] CheckError),
}

/// What a written list says to its reader beside the list, as comments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// At the head of the file.
    pub head: Vec<String>,
    /// Above a network.
    pub networks: BTreeMap<Asn, Vec<String>>,
    /// Above a prefix.
    pub prefixes: BTreeMap<Prefix, Vec<String>>,
}

impl WatchList {
    /// Reads a list.
    ///
    /// # Errors
    /// When the text is none, with the line; or when an entry says what nobody can have meant.
    pub fn from_toml(text: &str) -> Result<Self, FileError> {
        let tables: Tables = toml::from_str(text).map_err(|error| in_line(text, &error))?;
        Ok(Self::new(tables.network, tables.prefix)?)
    }

    /// Writes a list with remarks; [`Self::from_toml`] reads the same list of it.
    #[must_use]
    pub fn to_toml(&self, remarks: &Remarks) -> String {
        let mut page = String::new();
        comments(&mut page, Some(&remarks.head));
        for network in self.networks() {
            page.push('\n');
            comments(&mut page, remarks.networks.get(&network.asn));
            page += &format!("[[network]]\nasn = {}\n", network.asn);
            asns(&mut page, "upstreams", network.upstreams.as_ref());
            asns(&mut page, "downstreams", network.downstreams.as_ref());
            for_people(&mut page, network.description.as_deref(), &network.groups);
        }
        for entry in self.prefixes() {
            page.push('\n');
            comments(&mut page, remarks.prefixes.get(&entry.prefix));
            prefix(&mut page, entry);
        }
        page
    }
}

fn prefix(page: &mut String, entry: &WatchedPrefix) {
    *page += &format!("[[prefix]]\nprefix = \"{}\"\n", entry.prefix);
    asns(page, "origins", entry.origins.as_ref());
    asns(page, "upstreams", entry.upstreams.as_ref());
    if let Some(length) = entry.max_length {
        *page += &format!("max_length = {length}\n");
    }
    for (key, holds) in [
        ("ignore_more_specifics", entry.ignore_more_specifics),
        ("ignore", entry.ignore),
    ] {
        if holds {
            *page += &format!("{key} = true\n");
        }
    }
    let policies = entry.policies.iter().copied().map(Policy::name);
    strings(page, "policies", policies);
    for_people(page, entry.description.as_deref(), &entry.groups);
}

fn for_people(page: &mut String, description: Option<&str>, groups: &BTreeSet<String>) {
    if let Some(text) = description {
        *page += &format!("description = {}\n", quoted(text));
    }
    strings(page, "groups", groups.iter().map(String::as_str));
}

fn asns(page: &mut String, key: &str, asns: Option<&BTreeSet<Asn>>) {
    let Some(asns) = asns else { return };
    let asns: Vec<String> = asns.iter().map(Asn::to_string).collect();
    *page += &format!("{key} = [{}]\n", asns.join(", "));
}

fn strings<'a>(page: &mut String, key: &str, texts: impl Iterator<Item = &'a str>) {
    let texts: Vec<String> = texts.map(quoted).collect();
    if !texts.is_empty() {
        *page += &format!("{key} = [{}]\n", texts.join(", "));
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// One line for each remark. What others wrote may have line breaks, which would end the comment.
fn comments(page: &mut String, remarks: Option<&Vec<String>>) {
    for remark in remarks.into_iter().flatten() {
        *page += &format!("# {}\n", short(remark));
    }
}

/// On one line, and not too long.
pub(super) fn short(text: &str) -> String {
    let mut characters = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = characters.by_ref().take(QUOTED).collect();
    if characters.next().is_some() {
        short += " ...";
    }
    short
}

fn in_line(text: &str, error: &toml::de::Error) -> FileError {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count();
    FileError::Line {
        line: line + 1,
        text: short(text.lines().nth(line).unwrap_or_default().trim()),
        reason: short(error.message()),
    }
}
