//! Which peer routes which prefix where: slots of peers with generations, interned paths, and the
//! routes of one prefix.
//!
//! A route carries the generation of its peer's slot, so that a session that ends or loses updates
//! makes all its routes stale in O(1) ([`peers`]). The routes of one prefix take 11 bytes
//! each ([`routes`]): their sessions are numbered ([`seats`]), their paths interned ([`paths`]). Times are stream time in microseconds:
//! the greatest Tick.

pub mod paths;
pub mod peers;
pub mod routes;
pub mod seats;

pub use paths::{PathRef, PathTable};
pub use peers::{Freshness, Peers, Slot};
pub use routes::{Route, Routes};
pub use seats::Seats;
