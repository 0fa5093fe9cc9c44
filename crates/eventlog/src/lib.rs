//! The event log: Kafka through rdkafka, and a small broker of our own that speaks its protocol.
//!
//! A service is given an [`EventLog`]. It writes with a [`Publisher`] (idempotent, nothing later is
//! delivered before a failure), reads with a [`Subscriber`] (one plain thread per partition, which
//! owns its position) or, outside of any group, with a [`Tail`], and topics that others write with a
//! [`ForeignReader`]; it sends what it cannot process to
//! [`DeadLetters`] and tells how it stands on a [`status::StatusBoard`]. Only `kafka.rs` and its
//! folder know which client is underneath.

pub mod admin;
mod batch;
pub mod broker;
mod config;
mod dead_letter;
mod error;
mod foreign;
mod kafka;
mod log;
mod publisher;
pub mod schema;
pub mod status;
mod subscriber;
mod tail;

pub use batch::{Batch, Record, RecordRef};
pub use config::{EndpointIdentification, GroupProtocol, LogConfig, OffsetReset, SecurityProtocol};
pub use dead_letter::DeadLetters;
pub use error::{LogError, OpenError, Trouble};
pub use foreign::{ForeignReader, Heard, Place, Positions, Skipped};
pub use log::EventLog;
pub use publisher::{OnDelivery, Publisher, PublisherOptions, Ticket};
pub use subscriber::{Assignment, Next, Subscriber, TaskError};
pub use tail::{From, Tail};
