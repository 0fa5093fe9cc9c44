//! The routing domain: what BGP says, as checked values.
//!
//! Values in, values out: no clock, no sockets, no logging. Decoders take bytes that are already
//! decompressed; times are microseconds since the Unix epoch, UTC. Only [`wire`] names the
//! messages of the log.

pub mod as_path;
pub mod asn;
pub mod aspa;
pub mod bogons;
pub mod communities;
pub mod decode;
pub mod delegated;
pub mod knowledge;
pub mod lists;
pub mod organisations;
pub mod prefix;
pub mod relations;
mod relying_party;
pub mod rib;
pub mod ris_live;
pub mod roa;
pub mod rtr;
pub mod update;
pub mod wire;

pub use as_path::{AsPath, Origin, Segment};
pub use asn::Asn;
pub use bogons::Bogons;
pub use communities::{Community, LargeCommunity};
pub use prefix::Prefix;
pub use update::{
    Aggregator, Body, Direction, Message, Nlri, Notification, Open, PathAttributes, Peer,
    RouteOrigin, SessionState, Update,
};
