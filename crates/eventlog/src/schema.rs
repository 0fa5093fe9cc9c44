//! A schema registry beside the log: the table `[schema_registry]`, and the framing that it asks for.
//!
//! With a registry each record of ours begins with Confluent's frame (0, the id of its schema, the
//! place of its message in the file), so that foreign tools find the definition; without one a
//! record is plain protobuf. A protobuf message never begins with 0: our readers take both.

mod framing;
mod registry;

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

pub use framing::{Framing, unframe};
pub use registry::{Registry, subject};

/// Where the registry is: the table `[schema_registry]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `http://host:port` or `https://..`, with the path of Confluent's interface if it has one.
    /// Empty = there is none, and records are plain protobuf.
    pub url: String,
    /// The name that the registry knows us by.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
    /// The authorities that may vouch for it, PEM; not set = the public ones.
    pub ca_file: Option<PathBuf>,
    /// Our definitions are registered where they are missing. False only looks them up: then
    /// `weir topics apply` registers them, with the rights that this takes.
    pub auto_register: bool,
    /// What the registry is told about our subjects by `weir topics apply`.
    pub compatibility: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: String::new(),
            username: None,
            password: None,
            ca_file: None,
            auto_register: true,
            compatibility: "FULL_TRANSITIVE".to_owned(),
        }
    }
}

/// A failure of the registry, or of what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SchemaError {
    /// A key of `[schema_registry]` cannot work.
    #[error("schema_registry `{key}` {what}")]
    Config {
        /// The key.
        key: &'static str,
        /// What is wrong with it, and what would be right.
        what: String,
    },
    /// The registry does not answer, or is busy.
    #[error(
        "the schema registry {url} does not answer: {reason} (is it running at [schema_registry] url?)"
    )]
    Away {
        /// Without name and password.
        url: String,
        /// Why.
        reason: String,
    },
    /// The registry does not know us, or does not let us.
    #[error(
        "the schema registry {url} refuses us (HTTP {status}): check username and password of [schema_registry]"
    )]
    Credentials {
        /// Without name and password.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// The subject has definitions that ours break.
    #[error(
        "the schema registry refuses our definition of {subject}: {reason} (a message changes by adding fields; \
         a registry that refuses even that wants [schema_registry] compatibility = \"BACKWARD_TRANSITIVE\")"
    )]
    Incompatible {
        /// The subject.
        subject: String,
        /// In the registry's words.
        reason: String,
    },
    /// The definition is not registered, and we are not to do it.
    #[error(
        "{subject} is not registered: run `weir topics apply`, or set [schema_registry] auto_register = true"
    )]
    Missing {
        /// The subject.
        subject: String,
    },
    /// The registry refused, or answered what is no answer.
    #[error("the schema registry was asked to {what}: {reason}")]
    Refused {
        /// What it was asked.
        what: String,
        /// In its words.
        reason: String,
    },
}

impl SchemaError {
    /// True when time alone may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}
