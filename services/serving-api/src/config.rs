//! Settings of the serving side.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use weir_lifecycle::tokens::Auth;

/// Where to listen, who may ask, and how much.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the listener; off loopback only with authentication. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Address of gRPC, under the same rule; absent = no gRPC.
    pub grpc: Option<SocketAddr>,
    /// Who may ask.
    pub auth: Auth,
    /// Longest request body, in bytes.
    pub body_limit_bytes: usize,
    /// Longest that an answer may take, in milliseconds.
    pub timeout_ms: u64,
    /// Most clients of live events at a time.
    pub live_clients: usize,
    /// The watch list that incidents are marked by (docs/watch.md), read at the start; absent = none is marked.
    pub watch: Option<PathBuf>,
    /// How often, in seconds, the detector is asked for the own prefixes of that list. 1 s at least.
    pub watch_seconds: u64,
    /// The stream of RIS Live.
    pub ris: Ris,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            grpc: Some(SocketAddr::from(([127, 0, 0, 1], 50_051))),
            auth: Auth::default(),
            body_limit_bytes: 256 * 1024,
            timeout_ms: 10_000,
            live_clients: 256,
            watch: None,
            watch_seconds: 60,
            ris: Ris::default(),
        }
    }
}

/// Bounds of the stream of RIS Live (`/v1/ws/`, `/v1/stream/`).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ris {
    /// Most clients at a time.
    pub clients: usize,
    /// Of those, most from one address. All clients behind a proxy have its address.
    pub clients_per_address: usize,
    /// Most subscriptions of one client; each prefix of a list is one.
    pub subscriptions: usize,
    /// Longest frame of a client, in bytes.
    pub request_bytes: usize,
    /// Most frames that wait for a client; one more, and it is told so and cut off.
    pub queue_frames: usize,
    /// The same in bytes.
    pub queue_bytes: usize,
    /// A websocket that says nothing for so long, in seconds, is closed. It is pinged twice in
    /// that time, which every websocket answers by itself. 2 s at least, a day at most.
    pub idle_seconds: u64,
    /// The log is read for so long, in seconds, after the last client has left: one that connects again finds it so.
    pub linger_seconds: u64,
}

impl Default for Ris {
    fn default() -> Self {
        Self {
            clients: 64,
            clients_per_address: 16,
            subscriptions: 8192,
            request_bytes: 64 * 1024,
            queue_frames: 16_384,
            queue_bytes: 8 * 1024 * 1024,
            idle_seconds: 60,
            linger_seconds: 10,
        }
    }
}
