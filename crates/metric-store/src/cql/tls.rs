//! TLS of the link, by OpenSSL: the driver's other choice, rustls, would bring a second crypto library
//! into every build (docs/adr/0005). The driver checks the certificate against the node's IP address.

use openssl::ssl::{SslConnector, SslMethod, SslVersion};
use scylla::client::session::{OpenSsl010Config, TlsContext};

use crate::{
    Config, MetricStoreError,
    config::{Address, without_login},
};

/// How to speak TLS to the nodes; none = plaintext was asked for.
pub(super) fn context(
    config: &Config,
    address: &Address,
) -> Result<Option<TlsContext>, MetricStoreError> {
    let refused = |reason: String| MetricStoreError::Url {
        url: without_login(&config.url),
        reason,
    };
    let Some(file) = &config.ca_file else {
        if address.tls {
            return Err(refused("cqls:// needs ca_file".to_owned()));
        }
        return Ok(None);
    };
    let text = std::fs::read(file)
        .map_err(|error| refused(format!("ca_file {}: {error}", file.display())))?;
    let authorities = openssl::x509::X509::stack_from_pem(&text).unwrap_or_default();
    if authorities.is_empty() {
        return Err(refused(format!(
            "ca_file {}: no certificate in it",
            file.display()
        )));
    }
    let build = || {
        let mut store = openssl::x509::store::X509StoreBuilder::new()?;
        for authority in authorities {
            store.add_cert(authority)?;
        }
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        builder.set_cert_store(store.build());
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        Ok::<_, openssl::error::ErrorStack>(builder)
    };
    let builder = build().map_err(|error| refused(format!("TLS cannot start: {error}")))?;
    Ok(Some(TlsContext::OpenSsl010Config(OpenSsl010Config::new(
        builder,
    ))))
}
