//! What a CQL engine says about itself.

use std::collections::BTreeMap;

/// The node that answers, and how our keyspace stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// As CQL tells it: Cassandra's own release, or the one that ScyllaDB is compatible with.
    pub release_version: String,
    /// Its data centre.
    pub data_center: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Nodes that are known.
    pub nodes: usize,
    /// All nodes know the same tables.
    pub schema_agreement: bool,
    /// Replication of the keyspace: class, and factors by data centre.
    pub replication: BTreeMap<String, String>,
    /// Its clock, microseconds since the Unix epoch; CQL tells milliseconds.
    pub clock_us: i64,
    /// Version of our tables; 0 = there are none.
    pub schema_version: i32,
    /// The version that this build wants.
    pub wanted_schema_version: i32,
}
