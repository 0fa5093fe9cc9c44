//! The life of a process: configuration, logs and metrics, health, stop, and crashing on demand.
//!
//! Everything that `main` and the supervisors of the services share, and nothing of BGP.

pub mod admin;
pub mod config;
mod crash;
pub mod health;
mod stop;
pub mod stream;
pub mod telemetry;

pub use crash::crash_point;
pub use health::{Health, HealthFlag};
pub use stop::Stop;
