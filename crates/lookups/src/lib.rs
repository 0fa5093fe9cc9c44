//! What a serving process asks a detector process: who originates a prefix right now, and what a network originates.
//!
//! [`desk`]: where the tasks of a process take questions, one counter per partition. [`server`]: the desk behind gRPC,
//! on the admin port. [`client`]: who asks. The definition is `proto/weir/detector/v1/lookup.proto`.

pub mod client;
pub mod desk;
pub mod generated;
pub mod server;

pub use client::Client;
pub use desk::{Answer, Asked, Desk, Question, Seat};
pub use generated::v1;
