//! The pure detector: how BGP updates become incidents.
//!
//! One [`Detector`] belongs to one task, which owns one partition of `bgp-updates`. It is a
//! function of the log: (state, record, position) -> transitions, at most one per incident and
//! record. No clock, no sockets, no randomness, no logging; all times are arguments, and every age
//! and timer uses stream time, the greatest Tick so far (microseconds since the Unix epoch).
//!
//! - [`record`]: what it is told; [`incident`]: what it tells; [`wire`]: both as messages.
//! - [`rule`] and [`rules`]: what is a conflict. `docs/rules.md` says it to people.
//! - [`suspicion`]: what raises and lowers it.
//! - [`knowledge`]: what others say, which the log names and the caller provides.
//! - [`lookup`]: what it knows right now of a prefix or a network, for who asks.
//! - [`detector`]: the control shard, which every record passes, and one shard per address block.
//! - [`snapshot`]: the shards as bytes, each at its own position.
//! - [`watch`]: what is somebody's own, beside the log: it changes no incident, it says whose one is.
//!
//! [`peerings`] is another judge, of sessions as they are configured rather than of routes: it has no state.

pub mod correlator;
pub mod detector;
pub mod incident;
pub mod knowledge;
pub mod lookup;
pub mod peerings;
pub mod record;
pub mod rule;
pub mod rules;
pub mod signal;
pub mod snapshot;
pub mod suspicion;
pub mod thresholds;
pub mod watch;
pub mod wire;

mod control;
mod damping;
mod facts;
mod history;
mod holdings;
mod links;
mod losses;
mod shard;
mod table;

pub use correlator::Correlator;
pub use detector::{Applied, Counts, Detector};
pub use incident::{Incident, Transition};
pub use links::Link;
pub use record::Record;
pub use thresholds::Thresholds;
