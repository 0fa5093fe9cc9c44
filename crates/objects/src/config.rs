//! Where objects are, and how to get in.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

/// A folder or a bucket. Unknown keys are refused; secrets do not print.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `file:///folder` (or a bare path) or `s3://bucket/prefix`.
    pub url: String,
    /// Where S3 answers, for instance `https://127.0.0.1:9000`; none = AWS.
    pub endpoint: Option<String>,
    /// S3 region; none = `us-east-1`.
    pub region: Option<String>,
    /// Who we are.
    pub access_key_id: Option<String>,
    /// The secret of that key.
    pub secret_access_key: Option<SecretString>,
    /// PEM file of the authority that signed the endpoint's certificate; none = the web's.
    pub ca_file: Option<PathBuf>,
}
