//! Asks detector processes. One connection per address, kept; an owner that has gone is forgotten with its address.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};
use weir_lifecycle::tokens::Token;
use weir_routing::{Asn, Prefix};

use crate::v1::{
    LookUpAsnRequest, LookUpAsnResponse, LookUpPrefixRequest, LookUpPrefixResponse,
    lookups_client::LookupsClient,
};

/// Longest that one question may take, with the connection.
pub const PATIENCE: Duration = Duration::from_secs(3);
const CONNECT: Duration = Duration::from_secs(1);
/// Between two pings while an answer is awaited: a machine that has vanished does not say so.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Connections that are kept: more than detector processes make sense.
const MOST_CONNECTIONS: usize = 64;
/// Longest answer, in bytes: lists are bounded.
const ANSWER_BYTES: usize = 4 << 20;

/// The token cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("the token of [lookups] holds characters that a header cannot: write printable ASCII")]
pub struct NotSendable;

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Client {
    authorization: Option<MetadataValue<Ascii>>,
    connections: Arc<Mutex<BTreeMap<String, Channel>>>,
}

impl Client {
    /// One that shows this token, if any.
    ///
    /// # Errors
    /// When no header can hold it.
    pub fn new(token: Option<&Token>) -> Result<Self, NotSendable> {
        let value = token.map(|token| format!("Bearer {}", token.secret()).parse());
        let mut authorization: Option<MetadataValue<Ascii>> =
            value.transpose().map_err(|_| NotSendable)?;
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Ok(Self {
            authorization,
            connections: Arc::default(),
        })
    }

    /// What the process at `address` knows of a prefix in one partition.
    ///
    /// # Errors
    /// As `lookup.proto` says, and when it cannot be reached.
    pub async fn prefix(
        &self,
        address: &str,
        partition: u32,
        prefix: Prefix,
    ) -> Result<LookUpPrefixResponse, Status> {
        let prefix = prefix.to_string();
        let request = self.request(LookUpPrefixRequest { partition, prefix });
        let mut connection = self.connection(address)?;
        Ok(connection.look_up_prefix(request).await?.into_inner())
    }

    /// What it knows of a network there.
    ///
    /// # Errors
    /// As above.
    pub async fn asn(
        &self,
        address: &str,
        partition: u32,
        asn: Asn,
    ) -> Result<LookUpAsnResponse, Status> {
        let request = self.request(LookUpAsnRequest {
            partition,
            asn: asn.0,
        });
        let mut connection = self.connection(address)?;
        Ok(connection.look_up_asn(request).await?.into_inner())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(PATIENCE);
        if let Some(value) = &self.authorization {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", value.clone());
        }
        request
    }

    fn connection(&self, address: &str) -> Result<LookupsClient<Channel>, Status> {
        let mut connections = self.connections.lock();
        if !connections.contains_key(address) && connections.len() >= MOST_CONNECTIONS {
            connections.pop_first();
        }
        let channel = match connections.get(address) {
            Some(channel) => channel.clone(),
            None => {
                let endpoint = Endpoint::from_shared(format!("http://{address}"))
                    .map_err(|_| Status::unavailable(format!("`{address}` is no host:port")))?;
                let endpoint = endpoint
                    .connect_timeout(CONNECT)
                    .timeout(PATIENCE)
                    .http2_keep_alive_interval(KEEP_ALIVE)
                    .keep_alive_timeout(PATIENCE);
                let channel = endpoint.connect_lazy();
                connections.insert(address.to_owned(), channel.clone());
                channel
            }
        };
        Ok(LookupsClient::new(channel).max_decoding_message_size(ANSWER_BYTES))
    }
}
