//! Where objects are, and how to get in.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

/// A folder or a bucket. Unknown keys are refused; secrets do not print. All but `url` is for S3.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `file:///folder` (or a bare path) or `s3://bucket/prefix`.
    pub url: String,
    /// Where S3 answers, for instance `https://127.0.0.1:9000`; none = AWS. Without TLS only where
    /// it says `http://`.
    pub endpoint: Option<String>,
    /// S3 region; none = `us-east-1`.
    pub region: Option<String>,
    /// Who we are; none = the role of the machine, on AWS only.
    pub access_key_id: Option<String>,
    /// The secret of that key.
    pub secret_access_key: Option<SecretString>,
    /// PEM file of the authorities that sign the endpoint's certificate; none = the system's.
    pub ca_file: Option<PathBuf>,
    /// Milliseconds for a connection, TLS included, and for the first answer of `connect`.
    pub connect_timeout_ms: u64,
    /// Milliseconds for the answer to one request.
    pub request_timeout_ms: u64,
    /// Milliseconds after which a request that fails is not tried once more.
    pub retry_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: String::new(),
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            ca_file: None,
            connect_timeout_ms: 5_000,
            request_timeout_ms: 30_000,
            retry_ms: 5_000,
        }
    }
}

impl Config {
    /// The defaults with this URL.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ..Self::default()
        }
    }

    /// This configuration; where it names no URL, `folder`.
    #[must_use]
    pub fn or_in(&self, folder: &Path) -> Self {
        let mut config = self.clone();
        if config.url.is_empty() {
            config.url = format!("file://{}", folder.display());
        }
        config
    }

    /// This configuration with the names that AWS gives on top: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_REGION` (or `AWS_DEFAULT_REGION`), `AWS_ENDPOINT_URL`. An empty
    /// value counts as absent, other names are passed over.
    #[must_use]
    pub fn with_environment(mut self, vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut otherwise = None;
        let mut region = None;
        for (name, value) in vars {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            let value = value.to_owned();
            match name.as_str() {
                "AWS_ACCESS_KEY_ID" => self.access_key_id = Some(value),
                "AWS_SECRET_ACCESS_KEY" => self.secret_access_key = Some(value.into()),
                "AWS_REGION" => region = Some(value),
                "AWS_DEFAULT_REGION" => otherwise = Some(value),
                "AWS_ENDPOINT_URL" => self.endpoint = Some(value),
                _ => {}
            }
        }
        self.region = region.or(otherwise).or(self.region);
        self
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_names_of_aws_stand_on_top_and_empty_ones_count_as_absent() {
        let config = Config {
            region: Some("eu-west-1".to_owned()),
            ..Config::at("s3://lake")
        };
        let config = config.with_environment(vars(&[
            ("AWS_ACCESS_KEY_ID", "ann"),
            ("AWS_SECRET_ACCESS_KEY", "s3cret"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000"),
            ("AWS_REGION", ""),
            ("AWS_PROFILE", "other"),
        ]));
        assert_eq!(config.access_key_id.as_deref(), Some("ann"));
        assert_eq!(config.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!(config.region.as_deref(), Some("eu-west-1"));
        let secret = config.secret_access_key.unwrap();
        assert_eq!(secret.expose_secret(), "s3cret");
    }

    #[test]
    fn the_region_by_default_stands_below_the_region() {
        let both = vars(&[("AWS_REGION", "a"), ("AWS_DEFAULT_REGION", "b")]);
        let config = Config::default().with_environment(both.into_iter().rev());
        assert_eq!(config.region.as_deref(), Some("a"));
    }

    #[test]
    fn no_secret_is_printed() {
        let secret = vars(&[("AWS_SECRET_ACCESS_KEY", "s3cret")]);
        let printed = format!("{:?}", Config::default().with_environment(secret));
        assert!(!printed.contains("s3cret"), "{printed}");
    }
}
