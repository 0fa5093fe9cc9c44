//! TLS of the link.

use scylla::client::session::TlsContext;

use crate::{
    Config, MetricStoreError,
    config::{Address, without_login},
};

/// How to speak TLS to the nodes; none = plaintext was asked for.
pub(super) fn context(
    config: &Config,
    address: &Address,
) -> Result<Option<TlsContext>, MetricStoreError> {
    if config.ca_file.is_none() && !address.tls {
        return Ok(None);
    }
    Err(MetricStoreError::Url {
        url: without_login(&config.url),
        reason: "TLS is not built in".to_owned(),
    })
}
