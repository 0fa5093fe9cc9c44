//! From settings to a folder or a bucket.

use std::{path::PathBuf, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder,
    local::LocalFileSystem, path::Path,
};
use secrecy::ExposeSecret;

use crate::{Config, ObjectsError};

/// Requests of one call: the first, and so many more after failures that may pass.
const RETRIES: usize = 10;
/// Between them, the first time and at most; each is shortened by chance.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What stands behind a URL.
pub(crate) struct Backend {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
    pub(crate) place: String,
}

impl Backend {
    pub(crate) fn of(config: &Config) -> Result<Self, ObjectsError> {
        match config.url.split_once("://") {
            None if config.url.is_empty() => Err(ObjectsError::Setting {
                setting: "url",
                reason: "is empty (want file:///folder or s3://bucket/prefix)".to_owned(),
            }),
            None => folder(PathBuf::from(&config.url)),
            Some(("file", path)) => folder(PathBuf::from(path)),
            Some(("s3", rest)) => bucket(config, rest),
            Some((scheme, _)) => Err(ObjectsError::Setting {
                setting: "url",
                reason: format!("has the unknown scheme {scheme}:// (want file:// or s3://)"),
            }),
        }
    }
}

fn folder(folder: PathBuf) -> Result<Backend, ObjectsError> {
    let place = folder.display().to_string();
    std::fs::create_dir_all(&folder).map_err(|source| ObjectsError::Folder {
        folder: place.clone(),
        source,
    })?;
    let store = LocalFileSystem::new_with_prefix(&folder)
        .map_err(|error| ObjectsError::of(&place, "be opened", error))?
        .with_fsync(true);
    Ok(Backend {
        store: Arc::new(store),
        prefix: Path::default(),
        place,
    })
}

fn bucket(config: &Config, rest: &str) -> Result<Backend, ObjectsError> {
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let setting = |setting, reason: &str| ObjectsError::Setting {
        setting,
        reason: reason.to_owned(),
    };
    if name.is_empty() || name.contains('@') {
        return Err(setting(
            "url",
            "names no bucket (want s3://bucket/prefix; keys stand in access_key_id and secret_access_key)",
        ));
    }
    // Whoever came first has chosen; ours is the only one in this house.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(name)
        .with_region(config.region.as_deref().unwrap_or("us-east-1"))
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: BACKOFF.0,
                max_backoff: BACKOFF.1,
                base: 2.0,
            },
            max_retries: RETRIES,
            retry_timeout: Duration::from_millis(config.retry_ms),
        });
    match (&config.access_key_id, &config.secret_access_key) {
        (Some(key), Some(secret)) => {
            builder = builder
                .with_access_key_id(key)
                .with_secret_access_key(secret.expose_secret());
        }
        (Some(_), None) => return Err(setting("secret_access_key", "is missing")),
        (None, Some(_)) => return Err(setting("access_key_id", "is missing")),
        (None, None) if config.endpoint.is_some() => {
            return Err(setting(
                "access_key_id",
                "is missing (and secret_access_key)",
            ));
        }
        (None, None) => {}
    }
    let mut client = ClientOptions::new()
        .with_connect_timeout(Duration::from_millis(config.connect_timeout_ms))
        .with_timeout(Duration::from_millis(config.request_timeout_ms));
    let mut place = format!("s3://{rest}");
    if let Some(endpoint) = &config.endpoint {
        let plain = endpoint.starts_with("http://");
        if !plain && !endpoint.starts_with("https://") {
            return Err(setting("endpoint", "is no URL (want https://host:port)"));
        }
        if endpoint.contains('@') {
            return Err(setting(
                "endpoint",
                "holds a login: that stands in access_key_id and secret_access_key",
            ));
        }
        if plain && config.ca_file.is_some() {
            return Err(setting(
                "ca_file",
                "is set, but the endpoint is http://: say https://",
            ));
        }
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        // No TLS, no certificates: a machine without any can still speak to its neighbour.
        client = client
            .with_allow_http(plain)
            .with_no_system_certificates(plain);
        place = format!("{place} at {endpoint}");
    }
    for certificate in authorities(config)? {
        client = client
            .with_root_certificate(certificate)
            .with_no_system_certificates(true);
    }
    let store = builder
        .with_client_options(client)
        .build()
        .map_err(|error| ObjectsError::of(&place, "be prepared", error))?;
    Ok(Backend {
        store: Arc::new(store),
        prefix: Path::from(prefix),
        place,
    })
}

/// A file that was asked for and cannot be read is an error, never a connection without it.
fn authorities(config: &Config) -> Result<Vec<Certificate>, ObjectsError> {
    let Some(file) = &config.ca_file else {
        return Ok(Vec::new());
    };
    let unusable = |reason: String| ObjectsError::Setting {
        setting: "ca_file",
        reason: format!("{}: {reason}", file.display()),
    };
    let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() {
        return Err(unusable("holds no certificate in PEM".to_owned()));
    }
    Ok(found)
}
