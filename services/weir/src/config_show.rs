//! `weir config show`: what holds after defaults, file and environment, one line per key, without secrets.

use std::fmt::Debug;

use clap::Subcommand;
use weir_lifecycle::config::{self, Layers};

use crate::{
    progress::{Failure, say},
    site::SiteArguments,
};

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Every setting that holds; what the file or `WEIR__*` sets is marked with `*`.
    Show,
}

pub(crate) fn config(command: &ConfigCommand, site: &SiteArguments) -> Result<(), Failure> {
    let ConfigCommand::Show = command;
    let settings = site.settings()?;
    let file = config::file(site.config(), &site.data().join("weir.toml"));
    let layers = Layers::read(file.as_deref(), config::environment()).map_err(Failure::unusable)?;
    match &file {
        Some(file) => say(&format!("# file {}", file.display())),
        None => say("# no file: defaults and the environment"),
    }
    for (key, value) in lines(&settings) {
        let mark = if layers.has(&key) { "*" } else { " " };
        say(&format!("{mark} {key} = {value}"));
    }
    Ok(())
}

/// Every key as `table.key` with its value, as `Debug` shows them: secrets hide themselves there.
fn lines(settings: &impl Debug) -> Vec<(String, String)> {
    let shown = format!("{settings:#?}");
    let mut path: Vec<&str> = Vec::new();
    let mut lines: Vec<(String, String)> = Vec::new();
    // The first line names the type, the last one closes it.
    for line in shown.lines().skip(1) {
        let line = line.trim().trim_end_matches(',');
        let (name, value) = match line.split_once(": ") {
            Some((name, value)) if name.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                (name, value)
            }
            _ => ("", line),
        };
        match value.chars().next_back() {
            Some('{' | '(' | '[') => path.push(name),
            _ if ["}", ")", "]"].contains(&value) => drop(path.pop()),
            _ => add(&mut lines, &path, name, value),
        }
    }
    lines
}

fn add(lines: &mut Vec<(String, String)>, path: &[&str], name: &str, value: &str) {
    let parts = path.iter().copied().chain([name]);
    let key = parts
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(".");
    let value = without_password(value);
    match lines.last_mut() {
        // The values of a list, one after the other.
        Some((last, values)) if *last == key => {
            values.push_str(", ");
            values.push_str(&value);
        }
        _ => lines.push((key, value)),
    }
}

/// Names and passwords in URLs are no business of a log.
pub(crate) fn without_password(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else {
        return value.to_owned();
    };
    let end = rest.find(['/', '?', '"']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        Some((pair, host)) => {
            let name = pair.split_once(':').map_or(pair, |(name, _)| name);
            match pair.contains(':') {
                true => format!("{name}:***@{host}"),
                false => format!("{name}@{host}"),
            }
        }
        None => authority.to_owned(),
    };
    let path = match path.split_once("password=") {
        Some((before, after)) => {
            let rest = after.find(['&', '"']).map_or("", |end| &after[end..]);
            format!("{before}password=***{rest}")
        }
        None => path.to_owned(),
    };
    format!("{scheme}://{authority}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_line_and_no_secret_is_in_any() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "read by Debug")]
        struct Table {
            url: &'static str,
            topics: Vec<&'static str>,
            user: Option<&'static str>,
            number: Option<u8>,
        }
        #[derive(Debug)]
        #[expect(dead_code, reason = "read by Debug")]
        struct All {
            kafka: Table,
        }
        let all = All {
            kafka: Table {
                url: "postgres://app:hidden@host:5432/db?password=hidden&sslmode=require",
                topics: vec!["a", "b"],
                user: Some("weir"),
                number: None,
            },
        };
        let lines: Vec<String> = lines(&all)
            .into_iter()
            .map(|(k, v)| format!("{k} = {v}"))
            .collect();
        assert_eq!(
            lines,
            [
                "kafka.url = \"postgres://app:***@host:5432/db?password=***&sslmode=require\"",
                "kafka.topics = \"a\", \"b\"",
                "kafka.user = \"weir\"",
                "kafka.number = None",
            ]
        );
    }
}
