//! Secrets that stand in files: `password_file = "/run/secrets/x"`, `REDIS_PASSWORD_FILE=..`.

use std::{io::ErrorKind, path::PathBuf};

use toml::{Table, Value};

use super::ConfigError;

/// How the names of secrets end.
const SECRETS: [&str; 2] = ["password", "secret_access_key"];

/// The secret's own name, when `name` is that of its file.
fn named(name: &str) -> Option<&str> {
    let lower = name.to_lowercase();
    let secret = lower.strip_suffix("_file")?;
    SECRETS
        .iter()
        .any(|end| secret.ends_with(end))
        .then(|| &name[..secret.len()])
}

fn read(key: &str, path: &str) -> Result<String, ConfigError> {
    let path = PathBuf::from(path);
    let failed = |source| ConfigError::Secret {
        key: key.to_owned(),
        path: path.clone(),
        source,
    };
    let text = std::fs::read_to_string(&path).map_err(failed)?;
    match text.trim() {
        "" => Err(failed(ErrorKind::UnexpectedEof.into())),
        secret => Ok(secret.to_owned()),
    }
}

/// Replaces the names of files in `table` and the tables in it by what they hold. `within` names
/// the table for errors; empty at the root.
pub(super) fn resolve_table(table: &mut Table, within: &str) -> Result<(), ConfigError> {
    let at = |key: &str| match within {
        "" => key.to_owned(),
        within => format!("{within}.{key}"),
    };
    let mut found = Vec::new();
    for (key, value) in table.iter_mut() {
        match (value, named(key)) {
            (Value::Table(inner), _) => resolve_table(inner, &at(key))?,
            (Value::String(path), Some(secret)) => {
                found.push((key.clone(), secret.to_owned(), read(&at(key), path)?));
            }
            _ => {}
        }
    }
    for (key, secret, text) in found {
        table.remove(&key);
        if table.insert(secret.clone(), Value::String(text)).is_some() {
            return Err(ConfigError::Key {
                message: format!("set both as `{secret}` and as `{key}`; keep one of them"),
                key: at(&secret),
            });
        }
    }
    Ok(())
}

/// The key that `WEIR__` and `path` set, and its value.
pub(super) fn resolve_path(
    variable: &str,
    path: String,
    text: String,
) -> Result<(String, String), ConfigError> {
    match named(&path) {
        Some(secret) => Ok((secret.to_owned(), read(variable, &text)?)),
        None => Ok((path, text)),
    }
}

/// The variables that the documents name as secrets, `KAFKA_SASL_PASSWORD_FILE` and the like, under
/// the secret's own name; others of the environment are none of ours and stay as they are.
pub(super) fn resolve_variable(
    variable: String,
    text: String,
) -> Result<Option<(String, String)>, ConfigError> {
    const OURS: [&str; 3] = ["KAFKA_", "REDIS_", "AWS_"];
    if text.is_empty() {
        return Ok(None);
    }
    match named(&variable) {
        Some(secret) if OURS.iter().any(|ours| variable.starts_with(ours)) => {
            Ok(Some((secret.to_owned(), read(&variable, &text)?)))
        }
        _ => Ok(Some((variable, text))),
    }
}
