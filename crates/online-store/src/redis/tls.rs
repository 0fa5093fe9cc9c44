//! TLS by rustls and ring: the servers' authorities from a file or the web's, our certificate when
//! one is asked for; the host name is always checked.

use std::{path::Path, sync::Arc};

use fred::types::config::{TlsConfig, TlsConnector, TlsHostMapping};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{config::Config, error::OnlineStoreError};

pub(super) fn connector(config: &Config) -> Result<TlsConfig, OnlineStoreError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OnlineStoreError::Certificate {
            file: "(none)".into(),
            reason: error.to_string(),
        })?
        .with_root_certificates(authorities(config.ca_file.as_deref())?);
    let client = match (&config.client_cert_file, &config.client_key_file) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => builder
            .with_client_auth_cert(
                certificates(certificate)?,
                PrivateKeyDer::from_pem_file(key).map_err(unusable(key))?,
            )
            .map_err(unusable(certificate))?,
        (Some(only), None) | (None, Some(only)) => {
            return Err(unusable(only)(
                "client_cert_file and client_key_file go together",
            ));
        }
    };
    Ok(TlsConfig {
        connector: TlsConnector::from(client),
        hostnames: TlsHostMapping::None,
    })
}

fn authorities(ca_file: Option<&Path>) -> Result<RootCertStore, OnlineStoreError> {
    let mut store = RootCertStore::empty();
    match ca_file {
        None => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            for certificate in certificates(file)? {
                store.add(certificate).map_err(unusable(file))?;
            }
        }
    }
    Ok(store)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, OnlineStoreError> {
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unusable(file))?;
    if found.is_empty() {
        return Err(unusable(file)("no certificate in it"));
    }
    Ok(found)
}

fn unusable<E: std::fmt::Display>(file: &Path) -> impl FnOnce(E) -> OnlineStoreError {
    let file = file.to_owned();
    move |error| OnlineStoreError::Certificate {
        file,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "not a certificate").unwrap();
        let missing = folder.path().join("missing.pem");
        let by_authority = |file: &Path| Config {
            ca_file: Some(file.to_owned()),
            ..Config::default()
        };
        let lonely = Config {
            client_key_file: Some(missing.clone()),
            ..Config::default()
        };
        for (config, file) in [
            (by_authority(&empty), &empty),
            (by_authority(&missing), &missing),
            (lonely, &missing),
        ] {
            let message = connector(&config).unwrap_err().to_string();
            assert!(message.contains(&file.display().to_string()), "{message}");
        }
    }
}
