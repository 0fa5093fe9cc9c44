//! The life of a process: configuration, logs and metrics, health, stop, and crashing on demand.
//!
//! Everything that `main` and the supervisors of the services share, and nothing of BGP.

pub mod admin;
pub mod claim;
pub mod config;
mod crash;
pub mod health;
pub mod ports;
pub mod probe;
pub mod program;
pub mod retry;
mod stop;
pub mod stream;
pub mod supervise;
pub mod telemetry;
pub mod tokens;
pub mod trace;

pub use crash::crash_point;
pub use health::{Health, HealthFlag};
pub use retry::Outlet;
pub use stop::Stop;
pub use supervise::{NotStarted, Part};

/// An error and its causes in one line, none of them twice.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
