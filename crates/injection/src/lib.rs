//! Made-up incidents for a stream that somebody has: conflicts and their benign twins, with labels, and a score of
//! what a detector found of them.
//!
//! Knows nothing of the detector: what it plants is what the literature says of attacks and mistakes.
//!
//! - [`world`]: what the untouched stream says, route by route.
//! - [`mod@plan`]: whom it happens to, and when; [`recipes`]: how each type looks on the wire.
//! - [`label`]: what was planted. [`frames`] and [`rib`]: the planted messages and the untouched routes as files.
//! - [`score`]: labels against incidents: recall, precision, times.

pub mod frames;
pub mod label;
pub mod plan;
pub mod recipes;
pub mod rib;
pub mod score;
pub mod world;

pub use label::{Label, Severity};
pub use plan::{Plan, plan};
pub use world::World;
